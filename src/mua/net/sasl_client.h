/* sasl_client.h - SASL, the client's side (RFC 4422): SCRAM (RFC 5802, 7677) with
 * channel binding (RFC 5929, 9266) where both sides can, and PLAIN (RFC 4616).
 * The connection is under verified TLS in any case (client.h).
 *
 *     sasl_client_begin(&l, "PLAIN SCRAM-SHA-256", &conn, user, password)
 *     send l.mechanism, and with it or when asked:
 *     while sasl_client_step(&l, what the server said (decoded), &out) is ST_OK
 *             send out
 *     sasl_client_proved(&l) must be true when the server says that we are in
 *
 * Of what the server offers the best is taken.  A server that is told "y" in
 * SCRAM's header, and had an offer with -PLUS taken out on the way, notices.
 */
#ifndef WAXWING_MUA_NET_SASL_CLIENT_H
#define WAXWING_MUA_NET_SASL_CLIENT_H

#include "wire/conn.h"

enum { LOGIN_TEXT_MAX = 4096, LOGIN_ITERATIONS_MOST = 10000000 };

struct client_mechanism;

struct sasl_client {
	const struct client_mechanism *row;
	const char *mechanism;		/* its name */
	struct view user, password;	/* borrowed */
	unsigned step;
	bool proved;
	struct buf binding;
	const char *binding_name;
	struct buf gs2, text;		/* SCRAM: the header, and what is signed */
	struct buf nonce;
	unsigned char server_key[64];
};

/* offered: names with blanks between.  ST_MISSING: none that we know. */
enum status sasl_client_begin(struct sasl_client *l, struct view offered, const struct conn *c, struct view user,
			struct view password) MUST_USE;

/* out is cleared and filled.  ST_OK, ST_SYNTAX (not the mechanism's grammar),
 * ST_DENIED (the server does not know the password), ST_LIMIT, ST_NOMEM. */
enum status sasl_client_step(struct sasl_client *l, struct view said, struct buf *out) MUST_USE;

/* Has the server proved, where the mechanism lets it, that it knows us? */
static inline bool sasl_client_proved(const struct sasl_client *l)
{
	return l->proved;
}

void sasl_client_end(struct sasl_client *l);

/* For what had its messages: they may hold the password. */
void sasl_client_wipe(struct buf *b);

#endif
