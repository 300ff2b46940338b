/* srs.h - sender rewriting: the reverse-path of a letter that we send on to
 * another host, made an address of ours, so that SPF holds (RFC 7208 appendix
 * D.2 asks for it) and bounces come back by us.
 *
 *     SRS0=HHHHHHHH=TT=host=local@ours		of local@host
 *     SRS1=HHHHHHHH=host==rest@ours		of SRS0=rest@host, who sent it on before us
 *
 * H is an HMAC over the rest, without regard to case, TT the day.  No RFC:
 * the form is that of libsrs2 and postsrsd, whose addresses no other host
 * ever has to read.
 */
#ifndef WAXWING_WARDEN_SRS_H
#define WAXWING_WARDEN_SRS_H

#include "base/buf.h"
#include "base/clock.h"
#include "warden/mac.h"

/* Days after which TT begins anew, so what expires must do so before. */
enum { SRS_DAYS = 1024, SRS_HASH = 8 };

/* Does it begin as one does? */
bool srs_is(struct view address);

/* Puts the address that stands for `sender` at our domain.  ST_LIMIT: would be
 * too long; ST_SYNTAX: a quoted local part or an address literal, which have
 * no place in it; ST_NOMEM. */
enum status srs_put(const struct mac *m, struct view sender, struct view domain, wall_ms now,
		    struct buf *out) MUST_USE;

/* Who stands behind it.  ST_SYNTAX, ST_DENIED (not made by us), ST_TIMEOUT
 * (older than `life`, or from tomorrow), ST_NOMEM, ST_LIMIT. */
enum status srs_take(const struct mac *m, struct view address, wall_ms now, wall_ms life,
		     struct buf *out) MUST_USE;

#endif
