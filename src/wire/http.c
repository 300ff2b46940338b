#include "wire/http.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>

struct http {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct watch watch;	/* the library's epoll descriptor */
	struct timer timer;
	http_answer *answer;
	void *owner;
};

/* One request, from its first line to the end of its reply. */
struct exchange {
	struct http *h;
	struct MHD_Connection *connection;
	char *path;
	const char *method;
	struct buf body;
	struct http_reply reply;
	bool too_large, answered;
	bool suspended;		/* the answer has to wait for somebody */
};

/* Let the library do what it can, and be called again when it wants to. */
static void run(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	do
		MHD_run(h->daemon);
	while (MHD_get_timeout(h->daemon, &ms) == MHD_YES && ms == 0);
	if (MHD_get_timeout(h->daemon, &ms) != MHD_YES)
		loop_timer_clear(h->loop, &h->timer);
	else
		(void)!loop_timer(h->loop, &h->timer, clock_steady() + ms);
}

static void ready(struct watch *w, uint32_t events)
{
	(void)events;
	run((struct http *)((char *)w - offsetof(struct http, watch)));
}

static void due(struct timer *t)
{
	run((struct http *)((char *)t - offsetof(struct http, timer)));
}

/* ---- a request ---- */

static struct view query(const struct http_request *rq, const char *name)
{
	const struct exchange *x = rq->owner;

	return view_cstr(MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name));
}

static struct view host_of(const struct exchange *x, char out[HTTP_HOST_MAX])
{
	struct view host = view_cstr(MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Host"));

	/* A port; a literal's own colons stand before its "]". */
	if (host.n && host.p[0] != '[')
		host = view_head(host, view_find(host, ':'));
	if (host.n > HTTP_HOST_MAX)
		return VIEW_NONE;
	for (size_t i = 0; i < host.n; i++)
		out[i] = ascii_lower(host.p[i]);
	return view_make(out, host.n);
}

static void answer_it(void *arg)
{
	struct exchange *x = arg;
	struct http *h = x->h;
	char host[HTTP_HOST_MAX];
	struct http_request rq = {
		.method = view_cstr(x->method), .path = view_cstr(x->path), .host = host_of(x, host),
		.body = buf_view(&x->body), .query = query, .owner = x,
	};

	x->reply = (struct http_reply){
		.status = 200, .type = "text/plain", .body = BUF(HTTP_REPLY_MAX), .location = BUF(HTTP_LOCATION_MAX),
	};
	h->answer(h->owner, &rq, &x->reply);
	buf_putc(&x->reply.location, '\0');
	if (buf_status(&x->reply.body) != ST_OK || buf_status(&x->reply.location) != ST_OK)
		x->reply.status = 503;
	x->answered = true;
	if (!x->suspended)
		return;
	MHD_resume_connection(x->connection);
	/* The library goes on when it is run, on the loop's own stack. */
	(void)!loop_timer(h->loop, &h->timer, clock_steady());
}

static enum MHD_Result send_reply(struct exchange *x)
{
	const struct http_reply *r = &x->reply;
	struct MHD_Response *out = MHD_create_response_from_buffer(r->body.n, r->body.p, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result done = MHD_NO;

	if (out == NULL)
		return MHD_NO;
	if (MHD_add_response_header(out, "Content-Type", r->type) == MHD_YES &&
	    MHD_add_response_header(out, "X-Content-Type-Options", "nosniff") == MHD_YES &&
	    (r->location.n <= 1 || MHD_add_response_header(out, "Location", r->location.p) == MHD_YES))
		done = MHD_queue_response(x->connection, r->status, out);
	MHD_destroy_response(out);
	return done;
}

static enum MHD_Result refuse(struct exchange *x, unsigned status)
{
	x->reply = (struct http_reply){ .status = status, .type = "text/plain" };
	return send_reply(x);
}

static struct exchange *begin(struct http *h, struct MHD_Connection *c, const char *path, const char *method)
{
	struct exchange *x = calloc(1, sizeof *x);

	if (x == NULL)
		return NULL;
	*x = (struct exchange){ .h = h, .connection = c, .path = strdup(path), .body = BUF(HTTP_BODY_MAX) };
	x->method = strcmp(method, "POST") == 0 ? "POST" : "GET";
	if (x->path)
		return x;
	free(x);
	return NULL;
}

static bool knows(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "POST") == 0;
}

/* ---- what two may read in two ways ---- */

struct framing {
	unsigned lengths, codings, hosts;
};

static enum MHD_Result count(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct framing *f = arg;
	struct view v = view_cstr(name);

	(void)kind;
	(void)value;
	f->lengths += view_eq_i(v, VIEW("Content-Length"));
	f->codings += view_eq_i(v, VIEW("Transfer-Encoding"));
	f->hosts += view_eq_i(v, VIEW("Host"));
	return MHD_YES;
}

static bool is_ambiguous(struct MHD_Connection *c)
{
	struct framing f = { 0 };

	MHD_get_connection_values(c, MHD_HEADER_KIND, count, &f);
	return f.lengths + f.codings > 1 || f.hosts > 1;
}

/* The library's call: once when the head is there, for each piece of a body,
 * at its end, and once more when we have resumed. */
static enum MHD_Result request(void *arg, struct MHD_Connection *c, const char *path, const char *method,
			       const char *version, const char *piece, size_t *n, void **state)
{
	struct exchange *x = *state;

	(void)version;
	if (x == NULL) {
		*state = x = begin(arg, c, path, method);
		if (x == NULL)
			return MHD_NO;
		/* Answered before the body has come, it is the last of its connection. */
		return is_ambiguous(c) ? refuse(x, MHD_HTTP_BAD_REQUEST) : MHD_YES;
	}
	if (*n) {
		buf_put(&x->body, view_make(piece, *n));
		x->too_large = buf_status(&x->body) != ST_OK;
		*n = 0;
		return MHD_YES;
	}
	if (x->answered)
		return send_reply(x);
	if (!knows(method))
		return refuse(x, MHD_HTTP_METHOD_NOT_ALLOWED);
	if (x->too_large)
		return refuse(x, MHD_HTTP_CONTENT_TOO_LARGE);
	if (co_start(answer_it, x) != ST_OK)
		return refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE);
	if (x->answered)
		return send_reply(x);
	x->suspended = true;
	MHD_suspend_connection(c);
	return MHD_YES;
}

static void completed(void *arg, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *state;

	(void)arg;
	(void)c;
	(void)why;
	if (x == NULL)
		return;
	buf_free(&x->body);
	buf_free(&x->reply.body);
	buf_free(&x->reply.location);
	free(x->path);
	free(x);
	*state = NULL;
}

/* ---- the whole ---- */

enum status http_new(struct loop *l, http_answer *answer, void *owner, struct http **ret)
{
	struct http *h = calloc(1, sizeof *h);
	const union MHD_DaemonInfo *info;
	enum status st = ST_NOMEM;

	if (h == NULL)
		return ST_NOMEM;
	*h = (struct http){ .loop = l, .answer = answer, .owner = owner, .timer.fire = due };
	h->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
				     NULL, request, h,
				     MHD_OPTION_NOTIFY_COMPLETED, completed, h,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MEMORY,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_SILENCE_S,
				     MHD_OPTION_STRICT_FOR_CLIENT, 1,
				     MHD_OPTION_END);
	info = h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (info) {
		h->watch = (struct watch){ .fd = info->epoll_fd, .ready = ready };
		st = loop_watch(l, &h->watch, EPOLLIN);
	}
	if (st != ST_OK) {
		http_free(h);
		return st;
	}
	*ret = h;
	return ST_OK;
}

void http_free(struct http *h)
{
	if (h == NULL)
		return;
	loop_timer_clear(h->loop, &h->timer);
	if (h->daemon) {
		loop_unwatch(h->loop, &h->watch);
		MHD_stop_daemon(h->daemon);
	}
	free(h);
}

enum status http_take(struct http *h, int fd)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };

	if (MHD_add_connection(h->daemon, fd, &sa, sizeof sa) != MHD_YES)
		return ST_LIMIT;
	run(h);
	return ST_OK;
}
