/* services.c - what mail programs find by the domain alone: servers by SRV (RFC
 * 6186, RFC 8314), and settings over HTTPS. */
#include "admin/check/check.h"

#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_MOST = 4096, LINES_MOST = 64 };

/* How each is spoken to until TLS is there. */
static const struct service_way {
	enum service service;
	const char *greeting;	/* how the first line begins */
	const char *hello, *hello_ok;	/* or NULL */
	const char *starttls, *starttls_ok;
} ways[] = {
	{ SERVICE_SUBMISSIONS, "220", NULL, NULL, NULL, NULL },
	{ SERVICE_SUBMISSION, "220", "EHLO check.invalid\r\n", "250 ", "STARTTLS\r\n", "220" },
	{ SERVICE_IMAPS, "* OK", NULL, NULL, NULL, NULL },
	{ SERVICE_IMAP, "* OK", NULL, NULL, "a STARTTLS\r\n", "a OK" },
	{ SERVICE_POP3S, "+OK", NULL, NULL, NULL, NULL },
	{ SERVICE_POP3, "+OK", NULL, NULL, "STLS\r\n", "+OK" },
};

size_t check_services(void)
{
	return sizeof ways / sizeof *ways;
}

/* ---- one conversation ---- */

struct talk {
	struct conn conn;	/* first */
};

static void ended(struct conn *c)
{
	free(c);
}

/* Nobody drives it any more. */
static void serve(struct conn *c)
{
	conn_close(c);
}

static void late(struct conn *c)
{
	conn_close(c);
}

/* Lines until one begins so; those before it may be of a reply in several, or
 * untagged (RFC 9051 2.2.2). */
static bool hear(struct talk *t, const char *want)
{
	for (int i = 0; i < LINES_MOST; i++) {
		struct view line;
		enum status st;

		while ((st = conn_line(&t->conn, LINE_MOST, &line)) == ST_AGAIN)
			if (conn_wait(&t->conn, &t->conn.readable) != ST_OK)
				return false;
		if (st != ST_OK)
			return false;
		if (view_starts_i(line, view_cstr(want)))
			return true;
		if (!view_starts_i(line, VIEW("* ")) && !(line.n > 3 && line.p[3] == '-'))
			return false;
	}
	return false;
}

static bool say(struct talk *t, const char *text, const char *want)
{
	buf_puts(conn_out(&t->conn), text);
	return conn_flush(&t->conn) == ST_OK && hear(t, want);
}

static void hang_up(struct talk *t)
{
	buf_clear(conn_out(&t->conn));
	conn_close(&t->conn);
	conn_let_go(&t->conn);
}

static struct talk *open_talk(struct checker *c, const struct endpoint *to, const char **ret_why)
{
	struct talk *t = calloc(1, sizeof *t);

	*ret_why = "no memory";
	if (t == NULL)
		return NULL;
	t->conn.serve = serve;
	t->conn.late = late;
	t->conn.ended = ended;
	t->conn.patience = (uint64_t)c->conf.check_timeout;
	if (conn_connect(&t->conn, c->relay.proc.loop, to, NULL, ret_why) == ST_OK)
		return t;
	free(t);
	return NULL;
}

/* ---- a service at a host ---- */

/* NULL: as it should be, and *ret_untrusted says why no authority stands for the
 * name, or NULL. */
static const char *converse(struct checker *c, struct talk *t, const struct service_way *w, struct view host,
			    const char **ret_untrusted)
{
	const struct tls_trust trust = {
		.how = TLS_VERIFY_PKIX, .report = true, .server_name = host, .names = &host, .n_names = 1,
	};
	bool first = w->starttls == NULL;

	conn_limit(&t->conn, 4 * (uint64_t)c->conf.check_timeout);
	if (!first) {
		if (!hear(t, w->greeting))
			return "it does not greet as such a server does";
		if (w->hello && !say(t, w->hello, w->hello_ok))
			return "it does not answer to EHLO";
		if (!say(t, w->starttls, w->starttls_ok))
			return "it does not offer STARTTLS";
	}
	if (conn_view(&t->conn).n)
		return "it speaks in clear behind STARTTLS";
	if (conn_start_tls_client(&t->conn, c->relay.tls, &trust, NULL, (uint64_t)c->conf.check_timeout) != ST_OK)
		return conn_tls_why(&t->conn);
	*ret_untrusted = strcmp(conn_tls_why(&t->conn), "ok") == 0 ? NULL : conn_tls_why(&t->conn);
	if (first && !hear(t, w->greeting))
		return "it does not greet as such a server does";
	return NULL;
}

static bool first_address(struct checker *c, const struct dns_srv *s, struct endpoint *ret)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA };

	for (size_t i = 0; i < 2; i++) {
		struct dns_answer d;

		if (dns_ask(checker_resolver(c), s->target, types[i], &c->arena, &d) == ST_OK && d.outcome == DNS_FOUND &&
		    endpoint_from_rdata(d.rdata[0], s->port, ret))
			return true;
	}
	return false;
}

static void check_target(struct job *j, const struct service_way *w, const struct dns_srv *s)
{
	struct checker *c = j->c;
	const char *name = service_name(w->service), *why = "the host has no address", *untrusted = NULL;
	struct endpoint to;
	struct talk *t = NULL;
	char about[CHECK_TEXT];

	snprintf(about, sizeof about, "%.*s:%u", VIEW_ARG(s->target), s->port);
	if (first_address(c, s, &to))
		t = open_talk(c, &to, &why);
	if (t) {
		why = converse(c, t, w, s->target, &untrusted);
		hang_up(t);
	}
	if (why)
		found(j, FOUND_WRONG, name, view_cstr(about),
		      "Let it run there, and be open to the world; or change the SRV record.",
		      "no mail program can use it: %s", why);
	else if (untrusted)
		found(j, FOUND_ADVICE, name, view_cstr(about),
		      "Give it a certificate of a public authority that names the host: mail programs ask people otherwise.",
		      "it answers, but its certificate is not trusted: %s", untrusted);
	else
		found(j, FOUND_GOOD, name, view_cstr(about), NULL, "it answers over TLS, and proves its name");
}

void check_service(struct job *j)
{
	struct checker *c = j->c;
	const struct service_way *w = &ways[j->i];
	struct buf name = BUF(DNS_TEXT_NAME_MAX);
	struct dns_answer d;
	struct dns_srv s;
	enum status st;

	buf_putf(&name, "_%s._tcp.%.*s", service_name(w->service), VIEW_ARG(c->domain));
	st = dns_ask(checker_resolver(c), arena_copy(&c->arena, buf_view(&name)), DNS_SRV, &c->arena, &d);
	buf_free(&name);
	/* Of ours the records themselves are compared already. */
	if (st != ST_OK || d.outcome != DNS_FOUND)
		return;
	for (size_t i = 0; i < d.n && i < CHECK_LOOKED_AT; i++) {
		if (dns_read_srv(d.rdata[i], &c->arena, &s) != ST_OK)
			found(j, FOUND_WRONG, service_name(w->service), c->domain, "Write it anew.", "an SRV record that nobody can read");
		else if (s.target.n)
			check_target(j, w, &s);
	}
}

/* ---- settings over HTTPS ---- */

void check_autoconfig(struct job *j)
{
	struct checker *c = j->c;
	struct buf host = BUF(DNS_NAME_MAX + 16), body = BUF(CHECK_TEXT * 16);
	struct view why;
	bool self_made;
	enum status st;

	if (c->facts == NULL || c->facts->f.ports[SERVICE_HTTPS] == 0)
		return;
	buf_putf(&host, "autoconfig.%.*s", VIEW_ARG(c->domain));
	st = check_fetch(c, buf_view(&host), c->facts->f.ports[SERVICE_HTTPS], "/mail/config-v1.1.xml", "text/xml", &body,
			 &why);
	/* Who has no certificate of an authority knows that. */
	self_made = st == ST_DENIED && c->facts->f.sts == STS_NONE;
	if (st == ST_OK)
		found(j, FOUND_GOOD, "autoconfig", buf_view(&host), NULL, "mail programs find their settings there");
	else
		found(j, st == ST_AGAIN ? FOUND_UNKNOWN : self_made ? FOUND_ADVICE : FOUND_WRONG, "autoconfig", buf_view(&host),
		      "Let the host serve HTTPS there, with a certificate of a public authority that names it.", "%.*s",
		      VIEW_ARG(why));
	buf_free(&host);
	buf_free(&body);
}
