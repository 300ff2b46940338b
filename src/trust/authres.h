/* authres.h - Authentication-Results: (RFC 8601), written and read.
 *
 * Reading takes what anybody may have written; views point into the value and
 * the arena.
 */
#ifndef WAXWING_TRUST_AUTHRES_H
#define WAXWING_TRUST_AUTHRES_H

#include "base/arena.h"
#include "base/buf.h"

enum { AUTHRES_MOST = 64, AUTHRES_PROPERTIES_MOST = 16 };

struct authres_property {
	struct view type, name, value;	/* smtp.mailfrom=a@b: "smtp", "mailfrom", "a@b" */
};

struct authres_result {
	struct view method, result, reason;
	struct authres_property properties[AUTHRES_PROPERTIES_MOST];
	size_t n;
};

struct authres {
	struct view id;			/* authserv-id */
	struct authres_result *results;	/* none: "none" */
	size_t n;
};

/* ST_SYNTAX, ST_LIMIT (more than AUTHRES_MOST), ST_NOMEM. */
enum status authres_parse(struct view value, struct arena *a, struct authres *ret) MUST_USE;

/* Does the field claim to be of this host?  Also one whose authserv-id cannot
 * be read does: at the border it has to go (5). */
bool authres_is_ours(struct view value, struct view id);

/* A letter's header without those fields: calls put for each run that stays.
 * bytes are the header section, or the beginning of it with its end. */
void authres_strip(struct view header, struct view id, void (*put)(void *arg, struct view run), void *arg);

/* ---- writing ---- */

/* Quoted (RFC 5322 3.2.4); what is no printable ASCII becomes '?'. */
void authres_put_quoted(struct view v, struct buf *out);

/* A value as a token, an address, or quoted. */
void authres_put_value(struct view v, struct buf *out);

#endif
