/* prove.h - asking warden who a client is: by a password or by a SASL
 * exchange.  The same for SMTP, IMAP and POP3; runs in door, on the coroutine
 * that serves the client, and waits for warden.
 *
 *     r = prove_begin(&p, mechanism, initial, out);
 *     while (r == SASL_MORE) send out, r = prove_line(&p, line, out);
 *     if (r == SASL_DONE) look at p.verdict
 *     prove_end(&p);
 *
 * What a mechanism still says with its verdict (SCRAM's "v=", the reason of
 * OAUTHBEARER) goes to the client as one more challenge, whose answer is
 * not looked at, before SASL_DONE (RFC 4954 4, RFC 9051 6.2.2): so no protocol
 * needs additional data with its success.
 *
 * Owner: the caller.  prove_end wipes, tells warden where an exchange is left
 * open, and keeps nothing but the numbers; the result is in address and ticket
 * until then.
 */
#ifndef WAXWING_WIRE_PROVE_H
#define WAXWING_WIRE_PROVE_H

#include "ipc/records.h"
#include "wire/conn.h"
#include "wire/sasl.h"

/* Beyond enum sasl_result: warden has decided. */
enum { SASL_DONE = SASL_FULL + 1 };

struct proving {
	/* ---- the caller's ---- */
	struct channel *warden;
	struct loop *loop;
	const bool *stopping;
	struct conn *conn;
	enum service service;
	const char *peer;
	uint64_t sid;
	struct sasl_offer offer;
	/* ---- what warden said ---- */
	enum verdict verdict;
	uint64_t account;
	struct buf address, ticket;
	/* ---- our own ---- */
	struct sasl sasl;
	uint64_t exchange;	/* open in warden; 0: none */
	bool last_word;		/* the verdict is there; the client has to nod */
};

/* One of enum sasl_result, or SASL_DONE. */
int prove_begin(struct proving *p, struct view mechanism, struct view initial, struct buf *out);
int prove_line(struct proving *p, struct view line, struct buf *out);

/* By name and password alone (IMAP LOGIN, POP3 PASS); mechanism is what the
 * log calls it.  The verdict. */
enum verdict prove_password(struct proving *p, const char *mechanism, struct view name, struct view secret,
			    struct view authzid);

/* One message that is not SASL's (POP3 APOP).  The verdict. */
enum verdict prove_message(struct proving *p, const char *mechanism, struct view message);

void prove_end(struct proving *p);

#endif
