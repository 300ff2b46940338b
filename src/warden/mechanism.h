/* mechanism.h - SASL mechanisms that need what is stored of a secret: the
 * server's side of each, from messages of the client to a verdict.
 *
 * A mechanism is one function that takes the client's messages in turn.  It
 * asks for a person by exchange->find, once, and goes on in the same way when
 * there is no such person: with secrets that are nobody's, so that nothing
 * that it says and no time that it takes shows who is known.
 *
 * The messages are a stranger's: each parser has a limit for all that it
 * keeps, and a fuzz target (fuzz_mechanism.c).  Nothing here reads files,
 * waits or logs.
 *
 * Owner: the caller; exchange_end wipes.
 */
#ifndef WAXWING_WARDEN_MECHANISM_H
#define WAXWING_WARDEN_MECHANISM_H

#include "base/buf.h"
#include "base/clock.h"
#include "directory/scram.h"
#include "ipc/records.h"

enum { NONCE_SIZE = 24, NONCE_MAX = 40, EXCHANGE_NAME_MAX = 255, EXCHANGE_TEXT_MAX = 4096, EXCHANGE_CHALLENGE_MAX = 8192 };

enum mechanism_result {
	MECHANISM_MORE,		/* out is the next challenge */
	MECHANISM_RIGHT,	/* out is a last word, or empty */
	MECHANISM_WRONG,	/* the same */
	MECHANISM_BAD,		/* not the mechanism's grammar */
	MECHANISM_FAILED,	/* cannot be checked now */
	MECHANISM_WAIT,		/* host->renew has said yes: the same message again, then */
};

/* What is stored of somebody; of nobody where known is false. */
struct credentials {
	bool known;
	uint64_t account;
	struct scram_keys scram;	/* of the exchange's hash */
	struct buf plain;		/* prepared */
};

struct exchange;
struct token_issuers;
struct authorities;

/* What warden lends to an exchange. */
struct exchange_host {
	/* Fills x->who for x->name.  ST_OK also where there is no such person;
	 * anything else: cannot be said now. */
	enum status (*find)(struct exchange *x);
	void *owner;
	const char *host_name;		/* realm of DIGEST-MD5 */
	const struct token_issuers *tokens;	/* or NULL */
	/* May there be other keys of that issuer, and are they on their way?  NULL: no. */
	bool (*renew)(struct exchange *x, size_t issuer);
	const struct authorities *authorities;	/* or NULL */
};

struct mechanism;

struct exchange {
	const struct mechanism *mechanism;
	const struct exchange_host *host;
	enum service service;
	char nonce[NONCE_MAX + 1];	/* the server's part: printable, random */
	wall_ms now;
	bool silent;			/* the first message is none: the server begins */
	struct buf binding_name, binding;	/* of the channel; empty: it has none */
	struct buf certificate;		/* of the client, as the door gave it */
	unsigned step;
	struct buf name, authzid;	/* as the client gave them */
	struct buf text;		/* what the mechanism keeps between its steps */
	size_t mark;
	struct credentials who;
};

/* ST_MISSING: no such mechanism; ST_IO: no randomness. */
enum status exchange_begin(struct exchange *x, struct view mechanism, const struct exchange_host *host) MUST_USE;
enum mechanism_result exchange_step(struct exchange *x, struct view message, struct buf *out);
void exchange_end(struct exchange *x);

/* The mechanism's own name; the hash of SCRAM, or SCRAM_HASHES. */
const char *exchange_name(const struct exchange *x);
enum scram_hash exchange_hash(const struct exchange *x);
bool exchange_binds(const struct exchange *x);	/* a -PLUS form */
bool exchange_needs_plain(const struct exchange *x);

/* The steps, for the table. */
enum mechanism_result scram_step(struct exchange *x, struct view in, struct buf *out);
enum mechanism_result cram_step(struct exchange *x, struct view in, struct buf *out);
enum mechanism_result digest_step(struct exchange *x, struct view in, struct buf *out);
enum mechanism_result apop_step(struct exchange *x, struct view in, struct buf *out);
enum mechanism_result external_step(struct exchange *x, struct view in, struct buf *out);
enum mechanism_result oauthbearer_step(struct exchange *x, struct view in, struct buf *out);
enum mechanism_result xoauth2_step(struct exchange *x, struct view in, struct buf *out);

/* Keeps v in b; false where it is empty, too long or holds a NUL. */
bool exchange_keep(struct buf *b, struct view v);
/* In a time that depends on n only. */
bool same_octets(const void *a, const void *b, size_t n);

#endif
