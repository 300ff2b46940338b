/* http.h - one file by HTTPS, or by HTTP where that is said, for a program of a person:
 * libcurl, blocking.
 *
 * No proxy, no cookies, no password; what a redirect leads to is HTTPS too.
 */
#ifndef WAXWING_MUA_NET_HTTP_H
#define WAXWING_MUA_NET_HTTP_H

#include "wire/dns.h"

struct http {
	const char *url;
	const char *authorities;	/* PEM file */
	struct view post;		/* p NULL: GET */
	const char *type;		/* of post */
	bool clear;			/* also by HTTP */
	bool follow;			/* a few redirects */
	bool public_only;		/* to no address that is not of the public Internet (smime/revocation.h) */
	struct resolver *resolver;	/* whom to ask for the host's addresses; NULL: the system */
	const char *host;		/* for that; and the port */
	uint16_t port;
	long timeout_s;
};

/* The body of an answer of 200, up to out's maximum; false: there is none. */
bool http_get(const struct http *h, struct buf *out);

#endif
