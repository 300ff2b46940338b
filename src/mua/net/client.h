/* client.h - a connection from a mail program to a server of its person.
 *
 * Always over TLS, from the first byte or by STARTTLS (RFC 8314 3), and the
 * server must show a certificate for its name that one of the authorities has
 * issued (RFC 5280, 6125), or that TLSA records name which DNSSEC proves (RFC
 * 6698; dane.c).  There is no way around that, so a password is never said in
 * clear.
 *
 * Everything waits, on the coroutine that net_run gives; what goes wrong is
 * said in `why`, for a person.  After anything but ST_OK the connection can
 * only be closed.
 */
#ifndef WAXWING_MUA_NET_CLIENT_H
#define WAXWING_MUA_NET_CLIENT_H

#include "wire/connect.h"
#include "wire/dns.h"
#include "wire/tls_client.h"

enum { WHY_MAX = 400, HOST_MAX = 255, CLIENT_LINE = 2048, KNOWN_HOSTS = 4, KNOWN_ADDRESSES = 8,
       DANE_HOSTS = 16, DNS_SILENT_MS = 60000 };

enum protocol { PROTOCOL_IMAP, PROTOCOL_POP3, PROTOCOL_SMTP };

/* Where a server is: "imaps://mail.example.org:993", or "imap://..." for
 * STARTTLS; pop3, pop3s, submission, submissions. */
struct server {
	enum protocol protocol;
	bool tls_first;
	uint16_t port;			/* 0: there is no server */
	char host[HOST_MAX + 1];
};

/* ST_SYNTAX. */
enum status server_parse(struct view url, struct server *ret) MUST_USE;
void server_put(const struct server *s, struct buf *out);

/* What DNSSEC says of the certificate of a server. */
enum dane_state {
	DANE_NONE,	/* nothing: authorities count */
	DANE_PROVED,	/* the records */
	DANE_FALSE,	/* somebody forges them */
};
struct dane_host {
	char host[HOST_MAX + 1];	/* in lower case */
	uint16_t port;
	enum dane_state state;
	steady_ms until;		/* then it is asked anew */
	uint32_t ttl_s;
	struct arena arena;
	struct view names[2];		/* the base of the records, and the host */
	struct dns_tlsa *records;
	size_t n_records;
};

/* What all connections of one run share. */
struct net {
	struct loop *loop;
	struct tls_client *tls;
	uint64_t patience;		/* ms of silence */
	struct known_host {
		char host[HOST_MAX + 1];
		char addresses[KNOWN_ADDRESSES][46];
		size_t n;
	} known[KNOWN_HOSTS];		/* others are the system's to find */
	size_t n_known;
	struct dane_host dane[DANE_HOSTS];	/* of others nothing was asked */
	size_t n_dane;
	steady_ms dns_silent;			/* until then it is not asked for servers: it gave no answer */
};

/* authorities: a PEM file.  ST_MISSING, ST_NOMEM, ST_IO. */
enum status net_open(struct net *n, const char *authorities, uint64_t patience) MUST_USE;
void net_close(struct net *n);

/* By a name server of the person's own instead of the system's; before net_run,
 * since it blocks. */
void net_learn_host(struct net *n, struct resolver *r, const char *host);
/* Its TLSA records, unless they are known still (their TTL, within a minute and an hour);
 * before net_run, as well. */
void net_learn_tlsa(struct net *n, struct resolver *r, const struct server *s);
/* Those; NULL: nothing was asked. */
const struct dane_host *dane_of(struct net *n, const char *host, uint16_t port);
void dane_free(struct net *n);

/* Runs job on a coroutine until it returns. */
enum status net_run(struct net *n, enum status (*job)(struct net *n, void *arg), void *arg) MUST_USE;

struct client {
	struct conn conn;
	struct net *net;
	bool open;
	char host[HOST_MAX + 1];
	uint16_t port;
	char why[WHY_MAX];
};

/* Connects, to each of the host's addresses in turn, and where the server
 * wants it shakes hands.  ST_MISSING (no such host), ST_CLOSED, ST_TIMEOUT,
 * ST_DENIED (TLS), ST_NOMEM. */
enum status client_open(struct client *c, struct net *n, const struct server *s) MUST_USE;
enum status client_start_tls(struct client *c, enum protocol p) MUST_USE;
/* What is in conn_out is still sent, as far as that needs no wait. */
void client_close(struct client *c);

static inline struct buf *client_out(struct client *c)
{
	return conn_out(&c->conn);
}

enum status client_flush(struct client *c) MUST_USE;

/* The next line, without its CRLF; valid until the next call. */
enum status client_line(struct client *c, size_t max, struct view *ret_line) MUST_USE;

/* Waits until conn_view has something. */
enum status client_more(struct client *c) MUST_USE;

/* Is something there, or comes it within ms?  ST_OK, ST_TIMEOUT (nothing, and
 * the connection stays good), or as the others. */
enum status client_listen(struct client *c, uint64_t ms) MUST_USE;

/* Puts a reason into c->why and returns st. */
enum status client_fail(struct client *c, enum status st, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* What a server said, with everything but printable ASCII and UTF-8 made "?". */
void put_harmless(struct view v, struct buf *out);

#endif
