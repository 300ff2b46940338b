/* content.h - Content-Type and Content-Disposition (RFC 2045 5.1, RFC 2183),
 * with the continuations and charsets of RFC 2231.
 *
 * Tolerant: what is no parameter is passed over up to the next ';' or blank,
 * a missing ';' between two parameters is seen, a quoted string without end
 * reaches to the end of the field.  Of two parameters of one name the first
 * counts.  Views point into the field, or into the arena where backslashes,
 * folds or sections had to go.
 *
 * Limits: CONTENT_FIELD_MAX octets of the field are read, the rest is not
 * there; CONTENT_PARAMS parameters; RFC 2231 sections 0 to
 * CONTENT_SECTIONS-1.  Fails only with ST_NOMEM and ST_LIMIT of the arena.
 */
#ifndef WAXWING_MSG_CONTENT_H
#define WAXWING_MSG_CONTENT_H

#include "base/arena.h"
#include "base/buf.h"

enum { CONTENT_FIELD_MAX = 16 * 1024, CONTENT_PARAMS = 64, CONTENT_SECTIONS = 100 };

struct param {
	struct view name;	/* without section number and '*' */
	struct view value;	/* unquoted; where `extended` still percent-encoded */
	struct view charset, language;	/* RFC 2231 4; only where `extended` */
	bool extended;
};

struct content {
	struct view type, subtype;	/* a disposition has no subtype; empty: unreadable */
	struct param *params;
	uint32_t n;
};

enum status content_parse(struct view field, struct arena *a, struct content *ret) MUST_USE;

/* Is it of that type and subtype? */
bool content_is(const struct content *c, const char *type, const char *subtype);

/* multipart/signed or multipart/encrypted (RFC 1847): its bytes are what was signed, or will be taken apart. */
bool content_is_sealed(const struct content *c);

/* NULL when there is none. */
const struct param *content_param(const struct content *c, struct view name);

/* The value's octets without percent-encoding. */
void param_octets(const struct param *p, struct buf *out);

#endif
