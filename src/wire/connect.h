/* connect.h - connecting to another host (RFC 9293 3.5), and the addresses
 * of hosts in SMTP's own notation (RFC 5321 4.1.3).
 */
#ifndef WAXWING_WIRE_CONNECT_H
#define WAXWING_WIRE_CONNECT_H

#include "wire/conn.h"

#include <netinet/in.h>

struct endpoint {
	uint8_t family;		/* AF_INET or AF_INET6; 0: none */
	uint16_t port;
	uint8_t address[16];	/* in network order; 4 bytes of it for AF_INET */
};

enum { ENDPOINT_TEXT = 64 };

/* From RDATA of A (4 bytes) or AAAA (16).  False on any other length. */
bool endpoint_from_rdata(struct view rdata, uint16_t port, struct endpoint *ret);

/* "192.0.2.1", "2001:db8::1" or "IPv6:2001:db8::1", without [].  ST_SYNTAX. */
enum status endpoint_parse(struct view text, uint16_t port, struct endpoint *ret) MUST_USE;

/* "192.0.2.1:25" or "[2001:db8::1]:25" into out[ENDPOINT_TEXT]; returns out. */
char *endpoint_text(const struct endpoint *e, char *out);

/* The address alone, without []. */
char *endpoint_host_text(const struct endpoint *e, char *out);

/* Our end of a connected socket. */
bool endpoint_own(int fd, struct endpoint *ret);

bool endpoint_eq(const struct endpoint *a, const struct endpoint *b);
/* The address alone. */
bool endpoint_same_host(const struct endpoint *a, const struct endpoint *b);

/* For a coroutine: a conn to that host, held by the caller (conn_hold), whose
 * patience is set by then.  from: our own address, or NULL.  On failure there
 * is no conn, `ended` is not called, and ret_why says what was wrong.
 * ST_TIMEOUT, ST_CLOSED (refused, unreachable), ST_NOMEM. */
enum status conn_connect(struct conn *c, struct loop *l, const struct endpoint *to, const struct endpoint *from,
			 const char **ret_why) MUST_USE;

#endif
