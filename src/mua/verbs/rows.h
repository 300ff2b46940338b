/* rows.h - messages as lines for people and as JSON for programs. */
#ifndef WAXWING_MUA_VERBS_ROWS_H
#define WAXWING_MUA_VERBS_ROWS_H

#include "mua/copy/copy.h"
#include "mua/say.h"

enum { ROWS_NUMBER = 7, ROWS_FROM = 20 };

/* Names of folders by their ids. */
struct folder_names {
	struct copy_folder *all;
	size_t n;
};
enum status folder_names(struct copy *c, struct arena *a, struct folder_names *ret) MUST_USE;
struct view folder_name(const struct folder_names *f, int64_t id);

json_t *message_json(const struct copy_message *m, const struct folder_names *f);

/* "     17 N    25 Nov Smith               subject", as wide as the terminal; a
 * name of the folder where it is given, blanks before the subject for depth. */
void message_line(const struct copy_message *m, struct view folder, uint32_t depth, size_t width, struct buf *out);

/* Columns of the terminal, 0: standard output is none. */
size_t terminal_width(void);

/* "seen" to COPY_SEEN, or 0. */
uint32_t flag_by_name(const char *name);

#endif
