/* header.h - the fields of a header section (RFC 5322 2.2, 3.6).
 *
 * A line ends with LF, with or without CR before it; a CR alone is an
 * ordinary character.  The section ends behind its first empty line or at the
 * end of the bytes.  A line that is no field (no colon, or a name with blanks
 * inside, such as mbox's "From " line) is given with an empty name and ends
 * nothing: what stands behind it is still header.
 *
 * Views point into the bytes given; nothing is copied, no limits, linear.
 */
#ifndef WAXWING_MSG_HEADER_H
#define WAXWING_MSG_HEADER_H

#include "base/buf.h"

struct field {
	struct view name;	/* as written; empty: not a field */
	struct view value;	/* all behind the colon, with folds, without the last line end */
	size_t start, end;	/* where it stands, with its line end */
};

/* The next field from *at on.  False at the end of the section: *at is then
 * behind the empty line. */
bool field_next(struct view bytes, size_t *at, struct field *ret);

/* How many bytes the section takes, with its empty line. */
size_t header_size(struct view bytes);

/* The first field of a name, no matter the case; ret untouched when none. */
bool field_find(struct view bytes, struct view name, struct field *ret);

/* The value on one line: each fold's line end dropped (RFC 5322 2.2.3), NULs
 * dropped, blanks at both ends too. */
void field_unfold(struct view value, struct buf *out);

/* The fields that something here understands. */
enum field_id {
	FIELD_DATE, FIELD_FROM, FIELD_SENDER, FIELD_REPLY_TO, FIELD_TO, FIELD_CC, FIELD_BCC,
	FIELD_SUBJECT, FIELD_MESSAGE_ID, FIELD_IN_REPLY_TO, FIELD_REFERENCES,
	FIELD_TYPE, FIELD_ENCODING, FIELD_DISPOSITION, FIELD_ID, FIELD_DESCRIPTION, FIELD_MD5,
	FIELD_LANGUAGE, FIELD_LOCATION,
	FIELD_IDS,	/* how many; also: none of these */
};

enum field_id field_id(struct view name);

#endif
