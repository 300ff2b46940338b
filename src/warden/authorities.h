/* authorities.h - certificates of clients (SASL EXTERNAL).
 *
 * The door has checked the chain in the handshake, to know what it may offer;
 * it is checked again here, so that a door which was taken over can log in
 * only who has such a certificate, and only where the account allows it.
 */
#ifndef WAXWING_WARDEN_AUTHORITIES_H
#define WAXWING_WARDEN_AUTHORITIES_H

#include "base/buf.h"
#include "base/clock.h"

enum { AUTHORITIES_MAX = 64, CLIENT_CHAIN_MAX = 10 };

struct authorities;

/* From PEM.  ST_SYNTAX (none in it), ST_LIMIT, ST_NOMEM. */
enum status authorities_new(struct view pem, struct authorities **ret) MUST_USE;
void authorities_free(struct authorities *a);

/* chain: DER, each by put_view, the client's own first.  The mail addresses
 * that it names (rfc822Name of subjectAltName, RFC 5280 4.2.1.6), each with a
 * line end.  ST_DENIED: nobody vouches for it, or not as a client's, or it is
 * not valid now; ST_SYNTAX, ST_NOMEM. */
enum status authorities_check(const struct authorities *a, struct view chain, wall_ms now,
			      struct buf *ret_names) MUST_USE;

#endif
