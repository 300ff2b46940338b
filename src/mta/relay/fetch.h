/* fetch.h - getting a file by HTTPS (or HTTP, where it is signed itself), as
 * MTA-STS policies are got (RFC 8461 3.3), and bringing one, as reports are
 * brought (RFC 8460 5.4): libcurl, driven by our loop, without threads.
 *
 * The addresses are the caller's, who has asked names; the certificate must
 * name the host and be issued by one of the authorities.  No redirects, no
 * proxies, no other scheme.  Everything that needs files is set up before the
 * process locks itself in.
 */
#ifndef WAXWING_MTA_RELAY_FETCH_H
#define WAXWING_MTA_RELAY_FETCH_H

#include "base/buf.h"
#include "base/loop.h"
#include "wire/dns.h"

struct fetcher;

/* authorities: a PEM file, read now; where it is missing nothing is ever
 * verified, and so nothing fetched.  ST_NOMEM, ST_IO. */
enum status fetcher_new(struct loop *l, const char *authorities, struct fetcher **ret) MUST_USE;

/* Nothing may be on its way. */
void fetcher_free(struct fetcher *f);

struct fetch_said;

/* For a coroutine: https://HOST:PORT/PATH (or http:) at these addresses (as text, with
 * commas between) into out, whose maximum is the limit.  ST_OK only for status
 * 200 and the whole body.  ST_TIMEOUT, ST_LIMIT, ST_DENIED (no 200, a type other
 * than wanted, or the certificate), ST_IO, ST_NOMEM; `why` says what. */
struct fetch {
	const char *host, *path, *addresses;
	uint16_t port;
	uint64_t timeout_ms;
	bool clear;		/* by HTTP */
	const char *type;	/* media type wanted, "text/plain"; or NULL: any */
	/* Where given it is not fetched, but these bytes are brought there (POST),
	 * and any status of 2xx is well. */
	struct view post;
	const char *post_type;
	/* Where given any status is well, and this says which it was. */
	struct fetch_said *said;
	char why[256];		/* out: where it failed */
	bool untrusted;		/* out: it was the certificate */
	uint32_t max_age;	/* out: seconds, of Cache-Control (RFC 9111 5.2.2.1); 0: it has none */
};
enum status fetch(struct fetcher *f, struct fetch *what, struct buf *out) MUST_USE;

/* Fields of the answer; empty: there is none, or it is too long. */
enum { FETCH_FIELD = 1024 };
struct fetch_said {
	unsigned status;
	char type[FETCH_FIELD], location[FETCH_FIELD], nonce[FETCH_FIELD];	/* nonce: Replay-Nonce */
	uint64_t again_s;	/* Retry-After, however it is said; 0: nothing */
};

/* The addresses of a host, as struct fetch wants them, with a NUL behind.
 * False: it has none, or DNS does not say. */
enum { FETCH_ADDRESSES = 2048 };
bool fetch_addresses(struct resolver *r, const char *host, struct arena *a, struct buf *out);

#endif
