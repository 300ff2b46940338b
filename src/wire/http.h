/* http.h - serving HTTP/1.1 (RFC 9110, 9112), by libmicrohttpd.
 *
 * The library reads requests and writes replies; it gets descriptors on which
 * the requests come in clear (one end of a carry, whose other side has the
 * TLS and knows warden's keys), is driven by our loop, and starts no thread.
 * Each request is answered by one function on a coroutine, which may wait.
 *
 * A request that says twice how long it is, or for which host, is refused
 * (RFC 9112 6.3, 3.2): others on the way may have read the other one.
 *
 * Limits: HTTP_MEMORY bytes for the head of a request, HTTP_BODY_MAX of its
 * body, HTTP_CONNECTIONS at once, HTTP_SILENCE_S of silence.
 */
#ifndef WAXWING_WIRE_HTTP_H
#define WAXWING_WIRE_HTTP_H

#include "base/buf.h"
#include "base/loop.h"

enum { HTTP_MEMORY = 16 * 1024, HTTP_BODY_MAX = 16 * 1024, HTTP_CONNECTIONS = 1000, HTTP_SILENCE_S = 30 };
enum { HTTP_HOST_MAX = 255, HTTP_LOCATION_MAX = 1024, HTTP_REPLY_MAX = 1024 * 1024 };

struct http;

/* Valid until answer returns. */
struct http_request {
	struct view method;	/* GET, HEAD (answered as GET, without the body) or POST */
	struct view path;	/* decoded, without the query */
	struct view host;	/* in lower case, without a port; empty where none was given */
	struct view body;
	/* A parameter of the query, decoded, or VIEW_NONE. */
	struct view (*query)(const struct http_request *rq, const char *name);
	void *owner;
};

struct http_reply {
	unsigned status;	/* 200 where nothing is set */
	const char *type;	/* of the body */
	struct buf location;	/* 3xx */
	struct buf body;
};

typedef void http_answer(void *owner, const struct http_request *rq, struct http_reply *ret);

/* Before the process locks itself in.  ST_NOMEM, ST_IO. */
enum status http_new(struct loop *l, http_answer *answer, void *owner, struct http **ret) MUST_USE;
void http_free(struct http *h);

/* Owns fd from now on: a connection begins.  ST_NOMEM, ST_LIMIT. */
enum status http_take(struct http *h, int fd) MUST_USE;

#endif
