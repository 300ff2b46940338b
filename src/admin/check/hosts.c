/* hosts.c - the mail hosts of a domain, as another host meets them: by relay's
 * own code (remote.c, policy.c), so that it would do what is found here. */
#include "admin/check/check.h"

#include "wire/rdata_write.h"

#include <openssl/x509_vfy.h>
#include <stdarg.h>
#include <stdio.h>

enum { CHAIN_MAX = 256 * 1024 };

/* ---- before all else ---- */

static bool find_hosts(struct checker *c)
{
	char nobody[] = "", *name = c->relay.proc.conf.host_name;
	struct answer why;
	bool there;

	/* Relay passes over itself; here it is looked at. */
	c->relay.proc.conf.host_name = nobody;
	there = hosts_find(&c->relay, c->domain, &c->arena, &c->hosts, &c->no_hosts);
	c->relay.proc.conf.host_name = name;
	if (!there)
		return false;
	c->secure = c->hosts.secure;
	for (size_t i = 0; i < c->hosts.n && i < (size_t)c->conf.check_hosts; i++)
		(void)!host_addresses(&c->relay, &c->hosts.list[i], (uint16_t)c->conf.relay_port, &c->arena, &why);
	return true;
}

void check_first(struct checker *c)
{
	struct job first = { .c = c, .found = json_array() };
	struct buf host = BUF(DNS_NAME_MAX + 16), body = BUF(STS_POLICY_MAX);
	struct view text;
	enum status st;

	c->has_hosts = find_hosts(c);
	st = check_txt(&first, "_mta-sts", "v=STSv1", "mta-sts", &c->sts_records, &text);
	c->sts_unknown = st != ST_OK && st != ST_MISSING;
	if (st == ST_OK && c->sts_records == 1) {
		buf_putf(&host, "mta-sts.%.*s", VIEW_ARG(c->domain));
		st = check_fetch(c, buf_view(&host), (uint16_t)c->conf.relay_sts_port, "/.well-known/mta-sts.txt",
				 "text/plain", &body, &c->sts_why);
		if (st == ST_OK) {
			st = sts_policy_parse(arena_copy(&c->arena, buf_view(&body)), &c->arena, &c->sts.sts);
			c->sts_why = st == ST_OK ? VIEW_NONE : VIEW("what is served is no policy");
		}
		c->sts.known = st == ST_OK && c->sts.sts.mode != STS_NONE;
	}
	json_decref(first.found);
	buf_free(&host);
	buf_free(&body);
}

/* ---- which hosts ---- */

static bool is_alias(struct checker *c, const struct host *h)
{
	struct dns_answer d;

	return dns_ask(checker_resolver(c), h->name, DNS_CNAME, &c->arena, &d) == ST_OK && d.outcome == DNS_FOUND;
}

void check_mx(struct job *j)
{
	struct checker *c = j->c;

	if (!c->has_hosts) {
		found(j, c->no_hosts.verdict == VERDICT_NO ? ours_or_advice(c, FOUND_WRONG) : FOUND_UNKNOWN, "mx", c->domain,
		      "Publish an MX record that names the mail host.", "%.*s", VIEW_ARG(c->no_hosts.text));
		return;
	}
	for (size_t i = 0; i < c->hosts.n && i < (size_t)c->conf.check_hosts; i++) {
		const struct host *h = &c->hosts.list[i];

		if (h->n_addresses == 0)
			found(j, FOUND_WRONG, "mx", h->name, "Publish its A or AAAA record, or another MX.",
			      "the mail host has no address");
		else if (is_alias(c, h))
			found(j, FOUND_WRONG, "mx", h->name, "Let the MX name the host itself (RFC 2181 10.3).",
			      "the mail host is an alias (CNAME)");
		else
			found(j, FOUND_GOOD, "mx", h->name, NULL, "preference %u, %zu addresses", h->preference, h->n_addresses);
	}
}

/* ---- TLS ---- */

static const char *verify(struct checker *c, const struct tls_trust *trust, struct view chain)
{
	long error = 0;
	int depth;
	enum status st = tls_verify_chain(c->relay.tls, trust, chain, &error, &depth);

	return st != ST_OK ? "its certificate cannot be read" : error ? X509_verify_cert_error_string(error) : NULL;
}

/* "TLSA 3 1 1 HEX" for what it shows. */
static void put_right_record(struct checker *c, const struct host *h, struct view chain, struct buf *out)
{
	struct fact_pin pin;
	struct wanted w = { .type = DNS_TLSA };
	struct buf rdata = BUF(CHECK_TEXT), name = BUF(DNS_TEXT_NAME_MAX);
	struct dns_tlsa t = { 3, 1, 1, view_make((const char *)pin.digest, PIN_SIZE) };

	if (pin_of_pem(chain, pin.digest) == ST_OK) {
		dns_put_tlsa(&t, &rdata);
		buf_putf(&name, "_%u._tcp.%.*s", h->base.port, VIEW_ARG(h->name));
		w.name = buf_view(&name);
		w.rdata = buf_view(&rdata);
		wanted_line(&w, c->facts ? c->facts->f.ttl : 3600, out);
	}
	buf_putc(out, '\0');
	buf_free(&rdata);
	buf_free(&name);
}

static void check_dane(struct job *j, struct view about, const struct host *h, const struct tls_policy *p,
		       struct view chain)
{
	struct checker *c = j->c;
	struct buf mend = BUF(CHECK_TEXT);
	const char *why;

	buf_puts(&mend, "Publish the key that it shows, at least a TTL before it is used: ");
	put_right_record(c, h, chain, &mend);
	if (p->trust.how == TLS_VERIFY_DANE) {
		why = verify(c, &p->trust, chain);
		if (why)
			found(j, FOUND_WRONG, "dane", about, mend.p,
			      "no TLSA record fits what the host shows (%s): others send nothing", why);
		else
			found(j, FOUND_GOOD, "dane", about, NULL, "a TLSA record fits what the host shows");
	} else if (p->level == TLS_ENCRYPTED) {
		found(j, FOUND_WRONG, "dane", about, mend.p, "none of its TLSA records can be used");
	} else if (!h->base.secure || !c->secure) {
		found(j, FOUND_ADVICE, "dane", about, "Let the zones of the domain and of the host be signed.",
		      "DNSSEC does not secure the way to the host, so TLSA records count nothing");
	} else {
		found(j, ours_or_advice(c, FOUND_MISSING), "dane", about, mend.p,
		      "no TLSA record: whoever is on the way can pose as the host");
	}
	buf_free(&mend);
}

static void check_authority(struct job *j, struct view about, const struct host *h, struct view chain)
{
	struct checker *c = j->c;
	const struct tls_trust trust = { .how = TLS_VERIFY_PKIX, .server_name = h->name, .names = &h->name, .n_names = 1 };
	const char *why = verify(c, &trust, chain);

	if (c->sts.known && !sts_matches(&c->sts.sts, h->name))
		found(j, FOUND_WRONG, "mta-sts", about, "Let the policy name every MX, or take the host out of the MX records.",
		      "the MTA-STS policy does not name this host");
	else if (c->sts.known && why)
		found(j, FOUND_WRONG, "mta-sts", about, "Give it a certificate of a public authority that names the host.",
		      "the certificate does not hold what the MTA-STS policy promises: %s", why);
	else if (why)
		found(j, FOUND_ADVICE, "certificate", about,
		      "DANE needs no authority; MTA-STS and REQUIRETLS want a certificate of a public one that names the host.",
		      "no authority stands for it: %s", why);
	else
		found(j, FOUND_GOOD, c->sts.known ? "mta-sts" : "certificate", about, NULL,
		      "an authority has issued the certificate for that name%s", c->sts.known ? ", as the policy wants" : "");
}

static void check_tls(struct job *j, struct view about, const struct host *h, const struct tls_policy *p,
		      const struct conn *conn)
{
	struct buf chain = BUF(CHAIN_MAX);

	if (!conn_has_tls(conn)) {
		found(j, FOUND_WRONG, "starttls", about, "Offer STARTTLS: smtp.starttls, and a certificate.",
		      "the host does not offer STARTTLS: letters come in clear");
		return;
	}
	found(j, FOUND_GOOD, "starttls", about, NULL, "%s, %s", conn_tls_version(conn), conn_tls_cipher(conn));
	conn_tls_chain(conn, &chain);
	check_dane(j, about, h, p, buf_view(&chain));
	check_authority(j, about, h, buf_view(&chain));
	buf_free(&chain);
}

/* ---- what it takes ---- */

static enum status say(struct remote *m, int64_t patience, const char *fmt, ...) PRINTF_LIKE(3, 4);

static enum status say(struct remote *m, int64_t patience, const char *fmt, ...)
{
	char line[CHECK_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	buf_puts(conn_out(&m->conn), line);
	return remote_ask(m, patience);
}

/* Would it carry a letter from a stranger to somebody else?  It is never given
 * one (.invalid is nobody's: RFC 6761 6.4). */
static void check_open(struct job *j, struct view about, struct remote *m)
{
	struct checker *c = j->c;
	int64_t patience = c->conf.check_timeout;
	enum status st = say(m, patience, "MAIL FROM:<relay-probe@%s>\r\n", c->conf.host_name);

	if (st == ST_OK && m->reply.code / 100 == 2)
		st = say(m, patience, "RCPT TO:<relay-probe@waxwing.invalid>\r\n");
	if (st != ST_OK)
		found(j, FOUND_UNKNOWN, "relay", about, NULL, "%s", m->why ? m->why : "the connection was lost");
	else if (m->reply.code / 100 == 2)
		found(j, FOUND_WRONG, "relay", about,
		      "Take letters for your own domains only, but from who has logged in (unless this machine is in relay.networks).",
		      "an open relay: it would carry a stranger's letter to anybody");
	else
		found(j, FOUND_GOOD, "relay", about, NULL, "it carries no strangers' letters to others (%u)", m->reply.code);
}

/* Reports come from the null sender, and postmaster must be there (RFC 5321
 * 4.5.1, 4.5.5). */
static void check_postmaster(struct job *j, struct view about, struct remote *m)
{
	struct checker *c = j->c;
	int64_t patience = c->conf.check_timeout;
	enum status st = say(m, patience, "RSET\r\n");

	if (st == ST_OK)
		st = say(m, patience, "MAIL FROM:<>\r\n");
	if (st == ST_OK && m->reply.code / 100 == 2)
		st = say(m, patience, "RCPT TO:<postmaster@%.*s>\r\n", VIEW_ARG(c->domain));
	if (st != ST_OK)
		found(j, FOUND_UNKNOWN, "postmaster", about, NULL, "%s", m->why ? m->why : "the connection was lost");
	else if (m->reply.code / 100 == 2)
		found(j, FOUND_GOOD, "postmaster", about, NULL, "it takes reports for postmaster");
	else
		found(j, m->reply.code / 100 == 5 ? ours_or_advice(c, FOUND_WRONG) : FOUND_ADVICE, "postmaster", about,
		      "Let an account or an alias be postmaster's.", "it does not take a report for postmaster: %u %.*s",
		      m->reply.code, VIEW_ARG(view_head(buf_view(&m->reply.text), 200)));
	if (st == ST_OK)
		(void)!say(m, patience, "RSET\r\n");
}

/* ---- a host at one of its addresses ---- */

static void not_reached(struct job *j, struct view about, const struct answer *why, bool tls_failed)
{
	bool no_tls = view_eq(why->status, VIEW("4.7.4")), bad_tls = tls_failed || view_eq(why->status, VIEW("4.7.5"));

	found(j, FOUND_WRONG, no_tls ? "starttls" : bad_tls ? "tls" : "smtp", about,
	      no_tls ? "Offer STARTTLS: smtp.starttls, and a certificate."
	      : bad_tls ? "Look at the host's certificate and log."
			: "Let the host run, and let the port be open to the world.",
	      "%.*s", VIEW_ARG(view_head(why->text, 400)));
}

/* Whatever it shows is looked at, and only then judged. */
static enum status policy_for(struct checker *c, const struct host *h, struct tls_policy *ret)
{
	const struct policy_source source = { .resolver = checker_resolver(c), .tls = c->relay.tls };
	const struct tls_wish wish = { 0 };
	struct site_policy none = { 0 };
	struct tls_policy p;
	enum status st = policy_of_host(&source, &none, c->domain, c->secure, &h->base, &wish, &c->arena, &p);

	if (st == ST_OK)
		*ret = p;
	return st;
}

void check_host(struct job *j)
{
	struct checker *c = j->c;
	const struct host *h = j->what;
	struct tls_policy judged = { .by = "none" }, lenient;
	struct destination d = { .host = h->name, .site = c->domain, .to = h->addresses[j->i], .policy = &lenient };
	char address[ENDPOINT_TEXT], about[CHECK_TEXT];
	struct answer why;
	struct remote *m;
	bool tls_failed = false;

	snprintf(about, sizeof about, "%.*s %s", VIEW_ARG(h->name), endpoint_text(&d.to, address));
	if (policy_for(c, h, &judged) != ST_OK)
		return;
	if (judged.level == TLS_NOT_NOW)
		found(j, FOUND_UNKNOWN, "dane", view_cstr(about), "Look whether the zone of the host answers, and validly.",
		      "%.*s", VIEW_ARG(judged.why));
	lenient = judged;
	lenient.level = judged.level == TLS_NOT_NOW ? TLS_IF_OFFERED : judged.level;
	lenient.trust.report = true;
	m = remote_open(&c->relay, &d, &c->arena, &why, &tls_failed);
	if (m == NULL) {
		not_reached(j, view_cstr(about), &why, tls_failed);
		return;
	}
	found(j, FOUND_GOOD, "smtp", view_cstr(about), NULL, "it answers%s", m->extended ? ", with EHLO" : "");
	check_tls(j, view_cstr(about), h, &judged, &m->conn);
	check_open(j, view_cstr(about), m);
	if (!m->unusable)
		check_postmaster(j, view_cstr(about), m);
	remote_end(m);
}
