/* listing.h - rows for people or for programs.
 *
 * Rows are JSON objects; a listing shows the fields named by its columns as
 * an aligned table, or (--json) the objects whole, as an array with one of
 * them a line.  In a table anything that is no printable character becomes
 * \xHH, because what strangers wrote may stand there.  Titles are bold on a
 * terminal unless NO_COLOR is set (no-color.org).
 */
#ifndef WAXWING_ADMIN_LISTING_H
#define WAXWING_ADMIN_LISTING_H

#include "admin/command.h"
#include "directory/directory.h"

#include <jansson.h>

enum column_kind { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_BYTES };

struct column {
	const char *key, *title;
	enum column_kind kind;
};

/* Takes over the array.  none: what to say to a person about an empty one.
 * The exit status. */
int listing_print(const struct invocation *in, const struct column *columns, size_t n, json_t *rows,
		  const char *none);

/* The rows of one of directory.h's directory_each_...: row() makes the JSON
 * objects.  The exit status. */
int listing_of_directory(struct invocation *in, const struct column *columns, size_t n,
			 enum status (*each)(struct directory *d, directory_row *row, void *arg),
			 directory_row *row, const char *none);

/* A line of text that strangers had a part in: whatever is no printable
 * character becomes \xHH. */
void print_clean(struct view line);

/* A JSON string of bytes that may not be UTF-8: Latin-1 is assumed then. */
json_t *json_text(struct view v);
/* null for an empty one. */
json_t *json_text_or_null(struct view v);

/* Bold and the like: is standard output a terminal that wants it? */
bool wants_colour(void);

#endif
