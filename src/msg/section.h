/* section.h - pieces of a letter as IMAP names them (RFC 9051 6.4.5, BINARY of
 * RFC 3516).
 *
 *     BODY[1.2.HEADER.FIELDS (To Subject)]
 *          path     what        names
 *
 * Where a piece is an unbroken range the view points into the letter; HEADER.
 * FIELDS and decoded pieces are written into a buf of the caller's.  Without a
 * path no tree of parts is made.
 *
 * Errors: ST_MISSING (no such part), ST_NOMEM, ST_LIMIT (buf or arena full);
 * section_binary also ST_SYNTAX (an encoding that is not known: UNKNOWN-CTE).
 */
#ifndef WAXWING_MSG_SECTION_H
#define WAXWING_MSG_SECTION_H

#include "msg/mime.h"

enum section_what {
	SECTION_ALL,		/* [] or [1.2] */
	SECTION_HEADER,
	SECTION_FIELDS,		/* HEADER.FIELDS */
	SECTION_FIELDS_NOT,	/* HEADER.FIELDS.NOT */
	SECTION_TEXT,
	SECTION_MIME,		/* only with a path */
};

enum { SECTION_DEPTH = 2 * MIME_DEPTH_MAX };

struct section {
	const uint32_t *path;	/* part numbers from 1 */
	uint32_t depth;		/* how many; 0: the letter itself */
	enum section_what what;
	const struct view *names;	/* of FIELDS and FIELDS_NOT */
	uint32_t n_names;
};

/* The text between [ and ]: "1.2.HEADER.FIELDS (To Subject)", names as atoms
 * or quoted strings.  What it points to is in the arena and in text.
 * ST_SYNTAX. */
enum status section_parse(struct view text, struct arena *a, struct section *ret) MUST_USE;

/* The part that a path names: index into m->parts. */
enum status section_part(const struct mime *m, const uint32_t *path, uint32_t depth,
			 uint32_t *ret_part) MUST_USE;

/* The piece, from the letter; the tree is made in the arena where needed. */
enum status section_of(struct view letter, const struct section *s, struct arena *a, struct buf *out,
		       struct view *ret) MUST_USE;

/* BINARY[path]: the content decoded, appended to out.  Without a path the
 * letter.  Of a multipart or a letter inside: as it stands. */
enum status section_binary(struct view letter, const uint32_t *path, uint32_t depth, struct arena *a,
			   struct buf *out) MUST_USE;
/* BINARY.SIZE[path]: how long that is, without holding it. */
enum status section_binary_size(struct view letter, const uint32_t *path, uint32_t depth,
				struct arena *a, uint64_t *ret_size) MUST_USE;

#endif
