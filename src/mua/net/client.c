#include "mua/net/client.h"

#include "msg/charset.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { HANDSHAKE_MS = 30000, ADDRESSES_MAX = 16, PORT_TEXT = 8, DNS_ARENA = 256 * 1024 };

/* ---- where a server is ---- */

static const struct scheme {
	const char *name;
	enum protocol protocol;
	bool tls_first;
	uint16_t port;
} schemes[] = {
	{ "imaps", PROTOCOL_IMAP, true, 993 },	    { "imap", PROTOCOL_IMAP, false, 143 },
	{ "pop3s", PROTOCOL_POP3, true, 995 },	    { "pop3", PROTOCOL_POP3, false, 110 },
	{ "submissions", PROTOCOL_SMTP, true, 465 }, { "submission", PROTOCOL_SMTP, false, 587 },
};
enum { SCHEMES = sizeof schemes / sizeof *schemes };

static bool is_host(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '.' && v.p[i] != '-' && v.p[i] != ':')
			return false;
	return v.n && v.n <= HOST_MAX;
}

/* HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT. */
static enum status take_host(struct view v, struct server *s)
{
	struct view host, port = VIEW_NONE;
	uint64_t number = s->port;

	if (v.n && v.p[0] == '[') {
		v = view_skip(v, 1);
		host = view_head(v, view_find(v, ']'));
		v = view_skip(v, host.n + 1);
	} else {
		host = view_head(v, view_find(v, ':'));
		v = view_skip(v, host.n);
	}
	if (v.n && v.p[0] == ':')
		port = view_skip(v, 1);
	else if (v.n)
		return ST_SYNTAX;
	if (!is_host(host) || (port.p && (!view_u64(port, &number) || number == 0 || number > UINT16_MAX)))
		return ST_SYNTAX;
	s->port = (uint16_t)number;
	memcpy(s->host, host.p, host.n);
	s->host[host.n] = '\0';
	return ST_OK;
}

enum status server_parse(struct view url, struct server *ret)
{
	struct view scheme = view_head(url, view_find(url, ':')), left = view_skip(url, scheme.n);

	if (!view_starts_i(left, VIEW("://")))
		return ST_SYNTAX;
	left = view_skip(left, 3);
	if (left.n && left.p[left.n - 1] == '/')
		left.n--;
	for (size_t i = 0; i < SCHEMES; i++) {
		struct server s = { schemes[i].protocol, schemes[i].tls_first, schemes[i].port, "" };
		enum status st;

		if (!view_eq_i(scheme, view_cstr(schemes[i].name)))
			continue;
		st = take_host(left, &s);
		if (st == ST_OK)
			*ret = s;
		return st;
	}
	return ST_SYNTAX;
}

void server_put(const struct server *s, struct buf *out)
{
	bool six = strchr(s->host, ':') != NULL;

	for (size_t i = 0; i < SCHEMES; i++)
		if (schemes[i].protocol == s->protocol && schemes[i].tls_first == s->tls_first)
			buf_putf(out, "%s://%s%s%s:%u", schemes[i].name, six ? "[" : "", s->host,
				 six ? "]" : "", s->port);
}

/* ---- running ---- */

enum status net_open(struct net *n, const char *authorities, uint64_t patience)
{
	enum status st = loop_new(&n->loop);

	n->patience = patience;
	if (st == ST_OK)
		st = tls_client_new(authorities, &n->tls);
	if (st != ST_OK)
		net_close(n);
	return st;
}

void net_close(struct net *n)
{
	dane_free(n);
	tls_client_free(n->tls);
	loop_free(n->loop);
	*n = (struct net){ 0 };
}

struct job {
	enum status (*run)(struct net *n, void *arg);
	struct net *net;
	void *arg;
	enum status st;
	bool done;
};

static void job_body(void *arg)
{
	struct job *j = arg;

	j->st = j->run(j->net, j->arg);
	j->done = true;
	loop_stop(j->net->loop);
}

enum status net_run(struct net *n, enum status (*job)(struct net *n, void *arg), void *arg)
{
	struct job j = { .run = job, .net = n, .arg = arg };
	enum status st = co_start(job_body, &j);

	while (st == ST_OK && !j.done)
		loop_run(n->loop);
	return st == ST_OK ? j.st : st;
}

/* ---- one connection ---- */

enum status client_fail(struct client *c, enum status st, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof c->why, fmt, ap);
	va_end(ap);
	return st;
}

/* The conn is never let go of: whoever holds it closes it. */
static void unused(struct conn *c)
{
	(void)c;
}

static enum status try_addresses(struct client *c, const struct addrinfo *a, uint16_t port)
{
	enum status st = ST_MISSING;
	const char *why = "it has no address";

	for (int i = 0; a && i < ADDRESSES_MAX; a = a->ai_next, i++) {
		const struct sockaddr_in *v4 = (const void *)a->ai_addr;
		const struct sockaddr_in6 *v6 = (const void *)a->ai_addr;
		struct view bytes = a->ai_family == AF_INET ? view_make((const char *)&v4->sin_addr, 4)
							    : view_make((const char *)&v6->sin6_addr, 16);
		struct endpoint to;

		if ((a->ai_family != AF_INET && a->ai_family != AF_INET6) || !endpoint_from_rdata(bytes, port, &to))
			continue;
		c->conn = (struct conn){
			.patience = c->net->patience, .serve = unused, .late = unused, .ended = unused
		};
		st = conn_connect(&c->conn, c->net->loop, &to, NULL, &why);
		if (st == ST_OK)
			return ST_OK;
	}
	return client_fail(c, st, "%s, port %u: %s", c->host, port, why);
}

enum status client_start_tls(struct client *c, enum protocol p)
{
	static const char *const alpn[] = {
		[PROTOCOL_IMAP] = "imap", [PROTOCOL_POP3] = "pop3", [PROTOCOL_SMTP] = NULL
	};
	const struct dane_host *d = dane_of(c->net, c->host, c->port);
	struct view name = view_cstr(c->host);
	struct endpoint literal;
	struct tls_trust trust = {
		.how = TLS_VERIFY_PKIX, .names = &name, .n_names = 1,
		.server_name = endpoint_parse(name, 0, &literal) == ST_OK ? VIEW_NONE : name,
	};
	enum status st;

	if (d && d->state == DANE_FALSE)
		return client_fail(c, ST_DENIED, "%s: what DNS says of its certificate (TLSA) is false, says DNSSEC;"
				   " the setting dane does without", c->host);
	if (d && d->state == DANE_PROVED)
		trust = (struct tls_trust){
			.how = TLS_VERIFY_DANE, .server_name = d->names[0], .names = d->names, .n_names = 2,
			.records = d->records, .n_records = d->n_records,
		};

	/* RFC 3207 6 and CVE-2011-0411: said in clear, so by anybody. */
	if (conn_view(&c->conn).n)
		return client_fail(c, ST_SYNTAX, "%s sent something in clear behind its answer to STARTTLS", c->host);
	st = conn_start_tls_client(&c->conn, c->net->tls, &trust, alpn[p], HANDSHAKE_MS);
	return st == ST_OK ? st : client_fail(c, ST_DENIED, "%s: TLS: %s", c->host, conn_tls_why(&c->conn));
}

static enum status try_literal(struct client *c, const char *address, uint16_t port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *found = NULL;
	enum status st;

	if (getaddrinfo(address, NULL, &hints, &found) != 0)
		return ST_MISSING;
	st = try_addresses(c, found, port);
	freeaddrinfo(found);
	return st;
}

/* Those that were found beforehand. */
static const struct known_host *known_host(const struct net *n, const char *host)
{
	for (size_t i = 0; i < n->n_known; i++)
		if (view_eq_i(view_cstr(n->known[i].host), view_cstr(host)))
			return &n->known[i];
	return NULL;
}

static enum status try_known(struct client *c, const struct known_host *k, uint16_t port)
{
	enum status st = client_fail(c, ST_MISSING, "%s: DNS has no address of it", k->host);

	for (size_t i = 0; i < k->n && st != ST_OK; i++)
		st = try_literal(c, k->addresses[i], port);
	return st;
}

void net_learn_host(struct net *n, struct resolver *r, const char *host)
{
	static const struct {
		enum dns_type type;
		int family;
		size_t size;
	} kinds[] = { { DNS_AAAA, AF_INET6, 16 }, { DNS_A, AF_INET, 4 } };
	struct known_host *k = &n->known[n->n_known];
	struct arena a = ARENA(DNS_ARENA);
	struct endpoint literal;
	struct dns_answer answer;
	size_t failed = 0;

	if (host[0] == '\0' || clock_steady() < n->dns_silent || n->n_known == KNOWN_HOSTS || known_host(n, host) ||
	    endpoint_parse(view_cstr(host), 0, &literal) == ST_OK)
		return;
	*k = (struct known_host){ .n = 0 };
	snprintf(k->host, sizeof k->host, "%s", host);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (dns_ask(r, view_cstr(host), kinds[i].type, &a, &answer) != ST_OK)
			continue;
		failed += answer.outcome == DNS_FAILED;
		if (answer.outcome != DNS_FOUND)
			continue;
		for (size_t m = 0; m < answer.n && k->n < KNOWN_ADDRESSES; m++)
			if (answer.rdata[m].n == kinds[i].size &&
			    inet_ntop(kinds[i].family, answer.rdata[m].p, k->addresses[k->n], sizeof k->addresses[0]))
				k->n++;
	}
	if (failed == sizeof kinds / sizeof *kinds)
		n->dns_silent = clock_steady() + DNS_SILENT_MS;
	n->n_known++;
	arena_free(&a);
}

static enum status try_host(struct client *c, const struct server *s)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	const struct known_host *known = known_host(c->net, s->host);
	char port[PORT_TEXT];
	enum status st;
	int error;

	if (known)
		return try_known(c, known, s->port);
	snprintf(port, sizeof port, "%u", s->port);
	error = getaddrinfo(s->host, port, &hints, &found);
	if (error)
		return client_fail(c, ST_MISSING, "%s: %s", s->host, gai_strerror(error));
	st = try_addresses(c, found, s->port);
	freeaddrinfo(found);
	return st;
}

enum status client_open(struct client *c, struct net *n, const struct server *s)
{
	enum status st;

	*c = (struct client){ .net = n };
	snprintf(c->host, sizeof c->host, "%s", s->host);
	c->port = s->port;
	st = try_host(c, s);
	c->open = st == ST_OK;
	if (st == ST_OK && s->tls_first)
		st = client_start_tls(c, s->protocol);
	return st;
}

void client_close(struct client *c)
{
	struct buf none = BUF(0);

	if (!c->open)
		return;
	c->open = false;
	if (c->conn.out.n && !c->conn.broken)
		(void)!conn_push(&c->conn);
	c->conn.io->end(&c->conn);
	close(conn_release(&c->conn, &none));
}

static enum status why_not(struct client *c, enum status st)
{
	static const struct {
		enum status st;
		const char *text;
	} texts[] = {
		{ ST_TIMEOUT, "was silent for too long" },
		{ ST_CLOSED, "closed the connection" },
		{ ST_LIMIT, "sent a line without end" },
		{ ST_SYNTAX, "sent a line that does not end in CRLF, or holds a NUL" },
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].st == st)
			return client_fail(c, st, "%s %s", c->host, texts[i].text);
	return client_fail(c, st, "%s: %s", c->host, status_name(st));
}

enum status client_flush(struct client *c)
{
	enum status st = buf_status(client_out(c));

	if (st == ST_OK)
		st = conn_flush(&c->conn);
	return st == ST_OK ? st : why_not(c, st);
}

enum status client_line(struct client *c, size_t max, struct view *ret_line)
{
	enum status st;

	while ((st = conn_line(&c->conn, max, ret_line)) == ST_AGAIN)
		if ((st = conn_wait(&c->conn, &c->conn.readable)) != ST_OK)
			break;
	return st == ST_OK ? st : why_not(c, st);
}

enum status client_more(struct client *c)
{
	enum status st = ST_OK;

	while (st == ST_OK && conn_view(&c->conn).n == 0) {
		st = conn_fill(&c->conn);
		if (st == ST_AGAIN)
			st = conn_wait(&c->conn, &c->conn.readable);
	}
	return st == ST_OK ? st : why_not(c, st);
}

enum status client_listen(struct client *c, uint64_t ms)
{
	enum status st;

	conn_patience(&c->conn, ms);
	st = client_more(c);
	conn_patience(&c->conn, c->net->patience);
	/* The timer has fired; it is set anew. */
	if (st == ST_TIMEOUT) {
		c->conn.timed_out = false;
		if (loop_timer(c->net->loop, &c->conn.timer, c->conn.deadline) != ST_OK)
			return why_not(c, ST_NOMEM);
	}
	return st;
}

void put_harmless(struct view v, struct buf *out)
{
	size_t good = utf8_valid(v);

	for (size_t i = 0; i < v.n; i++) {
		unsigned char u = (unsigned char)v.p[i];
		/* C1 controls are U+0080 to U+009F. */
		bool c1 = u == 0xc2 && i + 1 < v.n && (unsigned char)v.p[i + 1] < 0xa0;

		buf_putc(out, u < 0x20 || u == 0x7f || i >= good || c1 ? '?' : v.p[i]);
		i += c1;
	}
}
