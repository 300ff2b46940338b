#include "admin/dns/wanted.h"

#include "trust/domain.h"
#include "wire/rdata_write.h"
#include "wire/smtp.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

enum { TEXT_MAX = 16 * 1024, RDATA_MAX = 16 * 1024 };

/* ---- kinds ---- */

static const struct wanted_kind_row kinds[WANTED_KINDS] = {
	[WANTED_MX] = { "mx", "MX",
		"where letters for the domain go (RFC 5321 5.1)", NULL },
	[WANTED_ADDRESS] = { "address", "Addresses",
		"how the mail host is reached", NULL },
	[WANTED_TLSA] = { "tlsa", "TLSA (DANE)",
		"others know the host's key beforehand, so nobody on the way can pose as it (RFC 7672)", NULL },
	[WANTED_SPF] = { "spf", "SPF",
		"which hosts may send for the domain (RFC 7208)", "v=spf1" },
	[WANTED_DKIM] = { "dkim", "DKIM",
		"the key that the domain's letters are signed with (RFC 6376)", NULL },
	[WANTED_DMARC] = { "dmarc", "DMARC",
		"what becomes of letters that only claim to be from the domain (RFC 9989)", "v=DMARC1" },
	[WANTED_STS] = { "mta-sts", "MTA-STS",
		"others send over verified TLS only, also those that do not know DNSSEC (RFC 8461)", "v=STSv1" },
	[WANTED_TLSRPT] = { "tlsrpt", "TLS reports",
		"others say when TLS to us fails, or somebody breaks it (RFC 8460)", "v=TLSRPTv1" },
	[WANTED_CAA] = { "caa", "CAA",
		"which authorities may issue certificates for the domain (RFC 8659, RFC 9495)", NULL },
	[WANTED_SMIMEA] = { "smimea", "SMIMEA",
		"others find the certificate that encrypts to a person (RFC 8162)", NULL },
	[WANTED_SRV] = { "srv", "SRV",
		"mail programs find their servers by the address alone (RFC 6186, RFC 8314)", NULL },
	[WANTED_WEB] = { "autoconfig", "Autoconfiguration",
		"the same for Thunderbird, Outlook and Apple's, over HTTPS", NULL },
	[WANTED_PTR] = { "ptr", "PTR",
		"the address leads back to the name; many hosts take no letters without (RFC 8601 2.7.3)", NULL },
};

const struct wanted_kind_row *wanted_kind_row(enum wanted_kind k)
{
	return &kinds[k];
}

/* ---- making records ---- */

struct making {
	const struct dns_facts *f;
	struct wanted_list *w;
	enum wanted_kind kind;
	enum status st;
};

static void fail(struct making *m, enum status st)
{
	if (m->st == ST_OK)
		m->st = st;
}

/* A name below another. */
static struct view below(struct making *m, struct view name, const char *fmt, ...) PRINTF_LIKE(3, 4);

static struct view below(struct making *m, struct view name, const char *fmt, ...)
{
	struct buf b = BUF(TEXT_MAX);
	char label[DNS_TEXT_NAME_MAX];
	struct view v;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(label, sizeof label, fmt, ap);
	va_end(ap);
	buf_putf(&b, "%s.%.*s", label, VIEW_ARG(name));
	v = arena_copy(&m->w->arena, buf_view(&b));
	buf_free(&b);
	return v;
}

/* One more record; frees the rdata. */
static void add(struct making *m, struct view name, enum dns_type type, struct buf *rdata, const char *why)
{
	struct wanted *one = &m->w->list[m->w->n];

	if (buf_status(rdata) != ST_OK)
		fail(m, buf_status(rdata));
	else if (m->w->n == WANTED_MAX)
		fail(m, ST_LIMIT);
	else if (m->st == ST_OK) {
		*one = (struct wanted){
			.kind = m->kind, .type = type, .name = arena_copy(&m->w->arena, name),
			.rdata = arena_copy(&m->w->arena, buf_view(rdata)),
			.why = arena_copy(&m->w->arena, view_cstr(why)),
			.elsewhere = !domain_within(name, m->f->domain),
		};
		m->w->n++;
		fail(m, arena_status(&m->w->arena));
	}
	buf_free(rdata);
}

static void add_txt(struct making *m, struct view name, struct buf *text, const char *why)
{
	struct buf rdata = BUF(RDATA_MAX);

	fail(m, buf_status(text));
	dns_put_txt(buf_view(text), &rdata);
	buf_free(text);
	add(m, name, DNS_TXT, &rdata, why);
}

static void add_alias(struct making *m, struct view name, struct view target, const char *why)
{
	struct buf rdata = BUF(RDATA_MAX);

	dns_put_name(target, &rdata);
	add(m, name, DNS_CNAME, &rdata, why);
}

/* ---- the host ---- */

static void make_mx(struct making *m)
{
	struct buf rdata = BUF(RDATA_MAX);

	dns_put_mx(10, m->f->host, &rdata);
	add(m, m->f->domain, DNS_MX, &rdata, "");
}

static void make_addresses(struct making *m)
{
	for (size_t i = 0; i < m->f->n_addresses; i++) {
		const struct endpoint *e = &m->f->addresses[i];
		struct buf rdata = BUF(RDATA_MAX);

		buf_put(&rdata, view_make((const char *)e->address, e->family == AF_INET ? 4 : 16));
		add(m, m->f->host, e->family == AF_INET ? DNS_A : DNS_AAAA, &rdata, "");
	}
}

/* Usage 3, selector 1, matching type 1: the SHA-256 of the key, whatever else
 * the certificate says (RFC 7671 5.1). */
static void make_tlsa(struct making *m)
{
	struct view name = below(m, m->f->host, "_%u._tcp", m->f->smtp_port);

	for (size_t i = 0; i < m->f->n_pins; i++) {
		const struct fact_pin *pin = &m->f->pins[i];
		struct dns_tlsa t = { 3, 1, 1, view_make((const char *)pin->digest, PIN_SIZE) };
		struct buf rdata = BUF(RDATA_MAX);

		dns_put_tlsa(&t, &rdata);
		add(m, name, DNS_TLSA, &rdata,
		    pin->next ? "of the host's next key: it stands here before it is used (RFC 7671 8.1)" : "");
	}
}

/* ---- who may send ---- */

static void put_addresses(const struct dns_facts *f, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < f->n_addresses; i++) {
		const struct endpoint *e = &f->addresses[i];

		if (inet_ntop(e->family, e->address, text, sizeof text))
			buf_putf(out, " %s:%s", e->family == AF_INET ? "ip4" : "ip6", text);
	}
}

/* The domain's, and the one for the name that the host says in HELO (RFC 7208
 * 2.3). */
static void make_spf(struct making *m)
{
	const struct dns_facts *f = m->f;
	struct buf text = BUF(TEXT_MAX), helo = BUF(TEXT_MAX);

	buf_puts(&text, "v=spf1");
	if (f->n_addresses)
		put_addresses(f, &text);
	else
		buf_puts(&text, " mx");
	if (f->spf.n)
		buf_putf(&text, " %.*s", VIEW_ARG(f->spf));
	buf_puts(&text, " -all");
	add_txt(m, f->domain, &text, f->smarthost.n && f->spf.n == 0
		? "letters leave by relay.smarthost: publish.spf has to name who may send for it" : "");
	if (view_eq(f->host, f->domain))
		return;
	buf_puts(&helo, "v=spf1");
	if (f->n_addresses)
		put_addresses(f, &helo);
	else
		buf_puts(&helo, " a");
	buf_puts(&helo, " -all");
	add_txt(m, f->host, &helo, "nobody else may call himself like the host (RFC 7208 2.3)");
}

static void make_dkim(struct making *m)
{
	for (size_t i = 0; i < m->f->n_keys; i++) {
		const struct fact_key *k = &m->f->keys[i];
		struct buf text = BUF(TEXT_MAX);

		buf_putf(&text, "v=DKIM1; k=%.*s; p=%.*s", VIEW_ARG(k->algorithm), VIEW_ARG(k->public_key));
		add_txt(m, below(m, m->f->domain, "%.*s._domainkey", VIEW_ARG(k->selector)), &text,
			k->next ? "the next key: it stands here before it is used" :
			k->retired ? "the key before: letters on their way are signed with it" : "");
	}
}

static struct view domain_of(struct view address)
{
	struct smtp_path path;

	return smtp_take_mailbox(address, &path) == ST_OK && !path.literal ? path.domain : VIEW_NONE;
}

/* Reports that go to another domain need its word (RFC 9990 4). */
static void allow_reports(struct making *m, struct view address)
{
	struct view other = domain_of(address);
	struct buf text = BUF(TEXT_MAX);

	if (other.n == 0 || domain_within(other, m->f->domain) || domain_within(m->f->domain, other))
		return;
	buf_puts(&text, "v=DMARC1;");
	add_txt(m, below(m, other, "%.*s._report._dmarc", VIEW_ARG(m->f->domain)), &text,
		"that domain agrees to get reports about this one (RFC 9990 4)");
}

/* An address as a URI (RFC 6068 2); what has a meaning in a list of tags or of
 * URIs is escaped too (RFC 9990 3.5.2, RFC 8460 3). */
static void put_mailto(struct view address, struct buf *out)
{
	buf_puts(out, "mailto:");
	for (size_t i = 0; i < address.n; i++) {
		char c = address.p[i];

		if (ascii_alpha(c) || ascii_digit(c) || memchr("@.-_+=~", c, 7))
			buf_putc(out, c);
		else
			buf_putf(out, "%%%02X", (unsigned char)c);
	}
}

static void make_dmarc(struct making *m)
{
	const struct dns_facts *f = m->f;
	struct buf text = BUF(TEXT_MAX);

	if (f->dmarc.n == 0)
		return;
	buf_putf(&text, "v=DMARC1; p=%.*s", VIEW_ARG(f->dmarc));
	buf_puts(&text, f->reports.n ? "; rua=" : "");
	if (f->reports.n)
		put_mailto(f->reports, &text);
	buf_puts(&text, f->failure_reports.n ? "; ruf=" : "");
	if (f->failure_reports.n)
		put_mailto(f->failure_reports, &text);
	add_txt(m, below(m, f->domain, "_dmarc"), &text, "");
	allow_reports(m, f->reports);
	if (!view_eq_i(domain_of(f->reports), domain_of(f->failure_reports)))
		allow_reports(m, f->failure_reports);
}

/* ---- TLS ---- */

/* The id is made from the policy, so that it changes whenever that does. */
static void make_sts(struct making *m)
{
	struct buf policy = BUF(STS_POLICY_MAX), text = BUF(TEXT_MAX);
	char id[STS_ID_MAX + 1];

	if (m->f->sts == STS_NONE || m->f->ports[SERVICE_HTTPS] == 0)
		return;
	sts_policy_put(m->f->sts, m->f->host, m->f->sts_age, &policy);
	sts_policy_id(buf_view(&policy), id);
	buf_free(&policy);
	buf_putf(&text, "v=STSv1; id=%s", id);
	add_txt(m, below(m, m->f->domain, "_mta-sts"), &text, "");
	add_alias(m, below(m, m->f->domain, "mta-sts"), m->f->host, "where the policy is served");
}

static void make_tlsrpt(struct making *m)
{
	struct buf text = BUF(TEXT_MAX);

	if (m->f->reports.n == 0)
		return;
	buf_puts(&text, "v=TLSRPTv1; rua=");
	put_mailto(m->f->reports, &text);
	add_txt(m, below(m, m->f->domain, "_smtp._tls"), &text, "");
}

static void add_caa(struct making *m, const char *tag, struct view list)
{
	while (list.n) {
		struct view one = view_head(list, view_find(list, ','));
		struct dns_caa c = { 0, view_cstr(tag), view_trim(one) };
		struct buf rdata = BUF(RDATA_MAX);

		list = view_skip(list, one.n + 1);
		dns_put_caa(&c, &rdata);
		add(m, m->f->domain, DNS_CAA, &rdata, "");
	}
}

static void make_caa(struct making *m)
{
	add_caa(m, "issue", m->f->caa);
	add_caa(m, "issuemail", m->f->caa_mail);
}

/* ---- people ---- */

static void make_smimea(struct making *m)
{
	for (size_t i = 0; i < m->f->n_certificates; i++) {
		struct buf rdata = BUF(RDATA_MAX);

		buf_put(&rdata, m->f->certificates[i].rdata);
		add(m, m->f->certificates[i].owner, DNS_SMIMEA, &rdata, "");
	}
}

/* What mail programs look for, best first: TLS from the first byte, and IMAP
 * (RFC 6186 3.4, RFC 8314 5.1). */
static const struct {
	enum service service;
	uint16_t priority;
} services[] = {
	{ SERVICE_SUBMISSIONS, 0 }, { SERVICE_SUBMISSION, 10 }, { SERVICE_IMAPS, 0 },
	{ SERVICE_IMAP, 10 },	    { SERVICE_POP3S, 20 },	{ SERVICE_POP3, 30 },
};

static void make_srv(struct making *m)
{
	for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
		enum service s = services[i].service;
		bool offered = m->f->ports[s] != 0;
		struct dns_srv srv = {
			.priority = offered ? services[i].priority : 0, .weight = offered, .port = m->f->ports[s],
			.target = offered ? m->f->host : VIEW("."),
		};
		struct buf rdata = BUF(RDATA_MAX);

		dns_put_srv(&srv, &rdata);
		add(m, below(m, m->f->domain, "_%s._tcp", service_name(s)), DNS_SRV, &rdata,
		    offered ? "" : "not offered here (RFC 6186 3.4)");
	}
}

static void make_web(struct making *m)
{
	struct dns_srv srv = { .weight = 1, .port = m->f->ports[SERVICE_HTTPS], .target = m->f->host };
	struct buf rdata = BUF(RDATA_MAX);

	if (srv.port == 0)
		return;
	add_alias(m, below(m, m->f->domain, "autoconfig"), m->f->host, "");
	add_alias(m, below(m, m->f->domain, "autodiscover"), m->f->host, "");
	dns_put_srv(&srv, &rdata);
	add(m, below(m, m->f->domain, "_autodiscover._tcp"), DNS_SRV, &rdata, "");
}

static void make_ptr(struct making *m)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < m->f->n_addresses; i++) {
		const struct endpoint *e = &m->f->addresses[i];
		struct buf name = BUF(DNS_TEXT_NAME_MAX), rdata = BUF(RDATA_MAX);

		if (inet_ntop(e->family, e->address, text, sizeof text) == NULL ||
		    dns_reverse_name(view_cstr(text), &name) != ST_OK)
			fail(m, ST_SYNTAX);
		dns_put_name(m->f->host, &rdata);
		add(m, buf_view(&name), DNS_PTR, &rdata, "who gave you the address has to say it");
		buf_free(&name);
	}
}

/* One for each kind: the only list. */
static void (*const makers[WANTED_KINDS])(struct making *m) = {
	[WANTED_MX] = make_mx, [WANTED_ADDRESS] = make_addresses, [WANTED_TLSA] = make_tlsa, [WANTED_SPF] = make_spf,
	[WANTED_DKIM] = make_dkim, [WANTED_DMARC] = make_dmarc, [WANTED_STS] = make_sts,
	[WANTED_TLSRPT] = make_tlsrpt, [WANTED_CAA] = make_caa, [WANTED_SMIMEA] = make_smimea,
	[WANTED_SRV] = make_srv, [WANTED_WEB] = make_web, [WANTED_PTR] = make_ptr,
};

enum status wanted_make(const struct dns_facts *f, struct wanted_list *ret, const char **ret_what)
{
	struct making m = { .f = f, .w = ret };

	*ret = (struct wanted_list){ .arena = ARENA(WANTED_ARENA) };
	ret->list = arena_array(&ret->arena, WANTED_MAX + 1, sizeof *ret->list);
	if (ret->list == NULL)
		return arena_status(&ret->arena);
	for (size_t k = 0; k < WANTED_KINDS && m.st == ST_OK; k++) {
		m.kind = (enum wanted_kind)k;
		makers[k](&m);
		if (m.st != ST_OK)
			*ret_what = kinds[k].title;
	}
	return m.st;
}

void wanted_free(struct wanted_list *w)
{
	arena_free(&w->arena);
	*w = (struct wanted_list){ 0 };
}

/* ---- records ---- */

void wanted_line(const struct wanted *w, uint32_t ttl, struct buf *out)
{
	buf_putf(out, "%.*s. %u IN %s ", VIEW_ARG(w->name), ttl, dns_type_name(w->type));
	dns_rdata_text(w->type, w->rdata, out);
}

/* As text it has no case, no compression, and its strings joined. */
static void put_plain(enum dns_type type, struct view rdata, struct buf *out)
{
	struct arena a = ARENA(DNS_ANSWER_MAX);
	struct view text;

	if (type == DNS_TXT && dns_read_txt(rdata, &a, &text) == ST_OK)
		buf_put(out, text);
	else
		dns_rdata_text(type, rdata, out);
	arena_free(&a);
}

bool wanted_is(const struct wanted *w, enum dns_type type, struct view rdata)
{
	struct buf mine = BUF(4 * DNS_ANSWER_MAX), other = BUF(4 * DNS_ANSWER_MAX);
	bool same = false;

	if (w->type == type) {
		put_plain(type, w->rdata, &mine);
		put_plain(type, rdata, &other);
		same = buf_status(&mine) == ST_OK && view_eq(buf_view(&mine), buf_view(&other));
	}
	buf_free(&mine);
	buf_free(&other);
	return same;
}

bool wanted_agrees(const struct wanted *w, enum dns_type type, struct view rdata)
{
	const char *alone = kinds[w->kind].alone;
	struct buf other = BUF(DNS_ANSWER_MAX);
	bool good = true;

	if (w->type == DNS_CNAME || type == DNS_CNAME)
		return false;
	if (w->type != type)
		return true;
	if (type == DNS_TXT && alone) {
		put_plain(type, rdata, &other);
		good = !view_starts_i(buf_view(&other), view_cstr(alone));
	} else if (w->kind == WANTED_DKIM) {
		good = false;
	}
	buf_free(&other);
	return good;
}
