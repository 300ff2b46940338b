#include "mua/net/discover.h"

#include "mua/net/http.h"
#include "mua/net/imap.h"
#include "mua/net/submit.h"
#include "wire/rdata.h"

#include <stdio.h>
#include <stdlib.h>

enum { ARENA_MAX = 1024 * 1024, FETCH_S = 10, ANSWER_MAX = 1024 * 1024, REDIRECTS = 3 };

/* ---- does it answer? ---- */

struct probe {
	const struct server *server;
	char why[WHY_MAX];
};

static enum status probe_job(struct net *n, void *arg)
{
	struct probe *p = arg;
	struct submitter s;
	struct client c;
	struct imap i;
	enum status st;

	if (p->server->protocol == PROTOCOL_IMAP) {
		st = imap_greet(&i, n, p->server, ANSWER_MAX);
		snprintf(p->why, sizeof p->why, "%s", i.client.why);
		imap_close(&i);
	} else if (p->server->protocol == PROTOCOL_SMTP) {
		st = submit_greet(&s, n, p->server);
		snprintf(p->why, sizeof p->why, "%s", s.client.why);
		submit_close(&s);
	} else {
		st = client_open(&c, n, p->server);
		snprintf(p->why, sizeof p->why, "%s", c.why);
		client_close(&c);
	}
	return st;
}

static bool answers(const struct discovery *d, const struct server *s, struct buf *why)
{
	struct probe p = { .server = s };
	enum status st;

	if (d->resolver && d->dane)
		net_learn_tlsa(d->net, d->resolver, s);
	st = net_run(d->net, probe_job, &p);
	if (st != ST_OK)
		buf_putf(why, "  %s\n", p.why[0] ? p.why : status_name(st));
	return st == ST_OK;
}

/* Takes what a source says where nothing was found yet. */
static void consider(const struct discovery *d, const struct found *said, const char *by, struct found *ret,
		     struct buf *why)
{
	if (ret->read.port == 0 && said->read.port && (!d->check || answers(d, &said->read, why))) {
		ret->read = said->read;
		ret->read_by = by;
		snprintf(ret->user, sizeof ret->user, "%s", said->user);
	}
	if (ret->send.port == 0 && said->send.port && (!d->check || answers(d, &said->send, why))) {
		ret->send = said->send;
		ret->send_by = by;
	}
}

static bool complete(const struct found *f)
{
	return f->read.port && f->send.port;
}

/* ---- DNS (RFC 6186 3, RFC 8314 5.1) ---- */

static const struct {
	const char *label;
	enum protocol protocol;
	bool tls_first;
} services[] = {
	{ "_imaps", PROTOCOL_IMAP, true },	    { "_imap", PROTOCOL_IMAP, false },
	{ "_pop3s", PROTOCOL_POP3, true },	    { "_pop3", PROTOCOL_POP3, false },
	{ "_submissions", PROTOCOL_SMTP, true }, { "_submission", PROTOCOL_SMTP, false },
};

/* The record that is asked first (RFC 2782); "." is: not here. */
static bool best_srv(const struct dns_answer *answer, struct arena *a, struct server *ret)
{
	unsigned best = UINT32_MAX;

	for (size_t i = 0; i < answer->n; i++) {
		struct dns_srv srv;

		/* A name with a backslash is no host's (rdata.h). */
		if (dns_read_srv(answer->rdata[i], a, &srv) != ST_OK || srv.target.n == 0 ||
		    srv.target.n > HOST_MAX || view_find(srv.target, '\\') < srv.target.n ||
		    srv.priority >= best)
			continue;
		best = srv.priority;
		ret->port = srv.port;
		snprintf(ret->host, sizeof ret->host, "%.*s", VIEW_ARG(srv.target));
	}
	return best != UINT32_MAX && ret->port;
}

static void by_dns(const struct discovery *d, const char *domain, struct found *ret, struct buf *why)
{
	for (size_t i = 0; d->resolver && i < sizeof services / sizeof *services && !complete(ret); i++) {
		struct arena a = ARENA(ARENA_MAX);
		struct found said = { 0 };
		struct server s = { services[i].protocol, services[i].tls_first, 0, "" };
		struct dns_answer answer = { 0 };
		char name[DNS_NAME_MAX + 32];

		snprintf(name, sizeof name, "%s._tcp.%s", services[i].label, domain);
		if (dns_ask(d->resolver, view_cstr(name), DNS_SRV, &a, &answer) == ST_OK &&
		    answer.outcome == DNS_FOUND && best_srv(&answer, &a, &s)) {
			*(s.protocol == PROTOCOL_SMTP ? &said.send : &said.read) = s;
			consider(d, &said, answer.secure ? "DNS with DNSSEC" : "DNS", ret, why);
		}
		arena_free(&a);
	}
}

/* ---- HTTPS ---- */

/* text: brought there, as Autodiscover wants it; NULL: fetched. */
static bool fetch(const struct discovery *d, const char *url, const char *text, struct buf *out)
{
	struct http h = { .url = url, .authorities = d->authorities, .post = view_cstr(text),
			  .type = "text/xml; charset=utf-8", .follow = true, .timeout_s = FETCH_S };

	return http_get(&h, out);
}

/* DOMAIN and ADDRESS stand for what they name.  False: it is too long, or the
 * address is none for a URL. */
static bool put_url(const char *pattern, const char *address, const char *domain, char out[URL_MAX])
{
	struct buf url = BUF(URL_MAX - 1);
	struct view left = view_cstr(pattern);
	bool good;

	while (left.n) {
		bool is_domain = view_eq(view_head(left, 6), VIEW("DOMAIN"));
		bool is_address = view_eq(view_head(left, 7), VIEW("ADDRESS"));

		if (is_domain)
			buf_puts(&url, domain);
		for (const char *p = address; is_address && *p; p++)
			buf_putf(&url,
				 ascii_alpha(*p) || ascii_digit(*p) || strchr(".-_@", *p) ? "%c" : "%%%02X",
				 (unsigned char)*p);
		if (!is_domain && !is_address)
			buf_putc(&url, left.p[0]);
		left = view_skip(left, is_domain ? 6 : is_address ? 7 : 1);
	}
	good = buf_status(&url) == ST_OK;
	if (good)
		snprintf(out, URL_MAX, "%.*s", VIEW_ARG(buf_view(&url)));
	buf_free(&url);
	return good;
}

static void by_document(const struct discovery *d, const char *pattern, const char *address, const char *domain,
			struct found *ret, struct buf *why)
{
	struct buf xml = BUF(AUTOCONFIG_MAX);
	struct found said = { 0 };
	char url[URL_MAX] = "";

	if (put_url(pattern, address, domain, url) && fetch(d, url, NULL, &xml)) {
		autoconfig_take(buf_view(&xml), address, &said);
		consider(d, &said, "autoconfig", ret, why);
	} else {
		buf_putf(why, "  %s: nothing there\n", url);
	}
	buf_free(&xml);
}

static void by_autoconfig(const struct discovery *d, const char *address, const char *domain, struct found *ret,
			  struct buf *why)
{
	static const char *const urls[] = {
		"https://autoconfig.DOMAIN/mail/config-v1.1.xml?emailaddress=ADDRESS",
		"https://DOMAIN/.well-known/autoconfig/mail/config-v1.1.xml",
		"https://autoconfig.thunderbird.net/v1.1/DOMAIN",
	};

	if (d->autoconfig[0]) {
		by_document(d, d->autoconfig, address, domain, ret, why);
		return;
	}
	for (size_t i = 0; i < sizeof urls / sizeof *urls && !complete(ret); i++)
		by_document(d, urls[i], address, domain, ret, why);
}

/* ---- Autodiscover ---- */

/* What one URL says of an address, and whom it names instead, a few times over.  False: it does
 * not answer. */
static bool ask_autodiscover(const struct discovery *d, const char *url, const char *address, struct found *ret,
			     struct buf *why)
{
	struct autodiscover_next next;
	char at[URL_MAX], who[URL_MAX];
	bool good = true;

	snprintf(at, sizeof at, "%s", url);
	snprintf(who, sizeof who, "%s", address);
	for (int i = 0; i < REDIRECTS && good; i++) {
		struct buf text = BUF(2 * URL_MAX * 6), xml = BUF(AUTOCONFIG_MAX);
		struct found said = { 0 };

		autodiscover_ask(who, &text);
		buf_putc(&text, '\0');
		good = buf_status(&text) == ST_OK && fetch(d, at, text.p, &xml);
		if (good) {
			autodiscover_take(buf_view(&xml), &said, &next);
			consider(d, &said, "Autodiscover", ret, why);
		} else {
			buf_putf(why, "  %s: nothing there\n", at);
		}
		buf_free(&text);
		buf_free(&xml);
		if (!good || complete(ret) || (next.url[0] == '\0' && next.address[0] == '\0'))
			return good;
		if (next.url[0])
			memcpy(at, next.url, sizeof at);
		if (next.address[0])
			memcpy(who, next.address, sizeof who);
	}
	return good;
}

/* Who answers for the domain's Autodiscover, by SRV; without DNSSEC he is whoever DNS says. */
static bool srv_url(const struct discovery *d, const char *domain, char out[URL_MAX])
{
	struct arena a = ARENA(ARENA_MAX);
	struct dns_answer answer = { 0 };
	struct server s = { 0 };
	char name[DNS_NAME_MAX + 32];
	bool good;

	snprintf(name, sizeof name, "_autodiscover._tcp.%s", domain);
	good = d->resolver && dns_ask(d->resolver, view_cstr(name), DNS_SRV, &a, &answer) == ST_OK &&
	       answer.outcome == DNS_FOUND && best_srv(&answer, &a, &s);
	if (good)
		snprintf(out, URL_MAX, "https://%s:%u/autodiscover/autodiscover.xml", s.host, s.port);
	arena_free(&a);
	return good;
}

static void by_autodiscover(const struct discovery *d, const char *address, const char *domain, struct found *ret,
			    struct buf *why)
{
	static const char *const urls[] = {
		"https://autodiscover.DOMAIN/autodiscover/autodiscover.xml",
		"https://DOMAIN/autodiscover/autodiscover.xml",
	};
	char url[URL_MAX];

	if (d->autodiscover[0]) {
		if (put_url(d->autodiscover, address, domain, url))
			(void)ask_autodiscover(d, url, address, ret, why);
		return;
	}
	for (size_t i = 0; i < sizeof urls / sizeof *urls && !complete(ret); i++)
		if (put_url(urls[i], address, domain, url) && ask_autodiscover(d, url, address, ret, why))
			return;
	if (!complete(ret) && srv_url(d, domain, url))
		(void)ask_autodiscover(d, url, address, ret, why);
}

/* ---- guesses ---- */

static void by_guess(const struct discovery *d, const char *domain, struct found *ret, struct buf *why)
{
	static const struct {
		const char *prefix;
		enum protocol protocol;
		bool tls_first;
		uint16_t port;
	} guesses[] = {
		{ "imap.", PROTOCOL_IMAP, true, 993 },	{ "mail.", PROTOCOL_IMAP, true, 993 },
		{ "", PROTOCOL_IMAP, true, 993 },	{ "imap.", PROTOCOL_IMAP, false, 143 },
		{ "mail.", PROTOCOL_IMAP, false, 143 },	{ "pop.", PROTOCOL_POP3, true, 995 },
		{ "mail.", PROTOCOL_POP3, true, 995 },	{ "smtp.", PROTOCOL_SMTP, true, 465 },
		{ "mail.", PROTOCOL_SMTP, true, 465 },	{ "", PROTOCOL_SMTP, true, 465 },
		{ "smtp.", PROTOCOL_SMTP, false, 587 },	{ "mail.", PROTOCOL_SMTP, false, 587 },
	};

	/* Without a connection a guess is worth nothing. */
	for (size_t i = 0; d->check && i < sizeof guesses / sizeof *guesses && !complete(ret); i++) {
		struct found said = { 0 };
		struct server s = { guesses[i].protocol, guesses[i].tls_first, guesses[i].port, "" };
		struct server *to = s.protocol == PROTOCOL_SMTP ? &said.send : &said.read;

		if (snprintf(s.host, sizeof s.host, "%s%s", guesses[i].prefix, domain) >= (int)sizeof s.host)
			continue;
		*to = s;
		consider(d, &said, "a guess", ret, why);
	}
}

enum status discover(const struct discovery *d, const char *address, struct found *ret, struct buf *why)
{
	const char *at = strrchr(address, '@'), *domain = at ? at + 1 : "";
	struct server none;
	char test[HOST_MAX + 16];

	/* It becomes part of names and addresses. */
	if (snprintf(test, sizeof test, "imaps://%.255s", domain) >= (int)sizeof test ||
	    server_parse(view_cstr(test), &none) != ST_OK || strchr(domain, ':'))
		return ST_SYNTAX;
	*ret = (struct found){ .read_by = "", .send_by = "" };
	by_dns(d, domain, ret, why);
	if (!complete(ret))
		by_autoconfig(d, address, domain, ret, why);
	if (!complete(ret))
		by_autodiscover(d, address, domain, ret, why);
	if (!complete(ret))
		by_guess(d, domain, ret, why);
	return complete(ret) ? ST_OK : ST_MISSING;
}
