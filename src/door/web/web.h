/* web.h - what the door serves by HTTP (RFC 9110): the MTA-STS policy of our
 * domains (RFC 8461 3.2), and how mail programs find their settings by an
 * address alone.
 *
 * A connection is TLS on our side (its key is warden's) and carried in clear
 * to the HTTP library, which runs in this process too.  Plain HTTP leads to
 * HTTPS and serves nothing but what our authorities have revoked, and their
 * certificates (RFC 5280 4.2.1.13, 4.2.2.1).
 */
#ifndef WAXWING_DOOR_WEB_WEB_H
#define WAXWING_DOOR_WEB_WEB_H

#include "conf/conf.h"
#include "ipc/records.h"
#include "wire/http.h"
#include "wire/tls.h"

/* What the door lends. */
struct web {
	struct loop *loop;
	const struct conf *conf;
	struct channel *warden;
	struct tls *tls;
	void (*ended)(void *door, uint64_t sid);	/* a connection is gone */
	void *door;
	/* ---- our own ---- */
	struct http *secure, *clear;
};

/* Before the process locks itself in.  ST_NOMEM, ST_IO. */
enum status web_begin(struct web *w) MUST_USE;

/* Owns fd from now on; on failure it is closed and ended is not called.
 * service: SERVICE_HTTP or SERVICE_HTTPS.  ST_NOMEM, ST_IO. */
enum status web_open(struct web *w, enum service service, int fd, const char *peer, uint64_t sid) MUST_USE;

/* pages.c: the answer to one request, for a coroutine. */
void web_page(void *web, const struct http_request *rq, struct http_reply *ret);
void web_lead_to_tls(void *web, const struct http_request *rq, struct http_reply *ret);

/* finder.c: settings for mail programs, each in its own format; a row of the
 * pages' table each. */
void page_autoconfig(struct web *w, const struct http_request *rq, struct view domain, struct http_reply *ret);
void page_autodiscover(struct web *w, const struct http_request *rq, struct view domain, struct http_reply *ret);
void page_apple_profile(struct web *w, const struct http_request *rq, struct view domain, struct http_reply *ret);

#endif
