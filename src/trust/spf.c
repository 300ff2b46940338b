#include "trust/spf.h"

#include "trust/authres.h"
#include "trust/domain.h"
#include "trust/spf_record.h"

#include "base/buf.h"
#include "wire/rdata.h"

#include <arpa/inet.h>

enum { NAME_MOST = 8192, EXPLANATION_MOST = 512, PARTS_MOST = 256 };

struct check {
	const struct spf_query *q;
	struct resolver *r;
	struct arena *a;
	struct view local, sender_domain;	/* of the identity; postmaster where there is no local part */
	struct view *validated;	/* names of the client by PTR, once asked (5.5) */
	size_t n_validated;
	bool asked_ptr;
	enum dns_outcome ptr_outcome;
	struct spf_answer *out;
	enum status st;		/* ST_OK, or why the check itself cannot go on */
};

enum match { MATCH, NO_MATCH, TEMP, PERM };

const char *spf_result_name(enum spf_result r)
{
	static const char *const names[] = {
		[SPF_NONE] = "none", [SPF_NEUTRAL] = "neutral", [SPF_PASS] = "pass", [SPF_FAIL] = "fail",
		[SPF_SOFTFAIL] = "softfail", [SPF_TEMPERROR] = "temperror", [SPF_PERMERROR] = "permerror",
	};

	return names[r];
}

enum status spf_ip_parse(struct view text, struct spf_ip *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char word[INET6_ADDRSTRLEN];
	struct spf_ip ip = { 0 };

	if (text.n == 0 || text.n >= sizeof word)
		return ST_SYNTAX;
	memcpy(word, text.p, text.n);
	word[text.n] = '\0';
	if (inet_pton(AF_INET, word, ip.bytes) == 1) {
		*ret = ip;
		return ST_OK;
	}
	if (inet_pton(AF_INET6, word, ip.bytes) != 1)
		return ST_SYNTAX;
	ip.v6 = memcmp(ip.bytes, mapped, sizeof mapped) != 0;
	if (!ip.v6)
		memmove(ip.bytes, ip.bytes + 12, 4);
	*ret = ip;
	return ST_OK;
}

/* ---- asking ---- */

static enum match permerror(struct check *c, const char *problem)
{
	c->out->problem = problem;
	return PERM;
}

static enum match temperror(struct check *c, const char *problem)
{
	c->out->problem = problem;
	return TEMP;
}

static bool ask(struct check *c, struct view name, enum dns_type type, struct dns_answer *ret)
{
	if (c->q->deadline && clock_steady() > c->q->deadline)
		*ret = (struct dns_answer){ .outcome = DNS_FAILED };
	else if (c->st == ST_OK)
		c->st = dns_ask(c->r, name, type, c->a, ret);
	return c->st == ST_OK;
}

static bool has_failed(const struct dns_answer *d)
{
	return d->outcome == DNS_FAILED || d->outcome == DNS_BOGUS;
}

/* Whether another answer without records may be had (4.6.4). */
static bool count_void(struct check *c, const struct dns_answer *d)
{
	return !dns_is_absent(d) || ++c->out->voids <= SPF_VOIDS;
}

static enum dns_type address_type(const struct check *c)
{
	return c->q->ip.v6 ? DNS_AAAA : DNS_A;
}

static bool ip_within(const uint8_t *ip, const uint8_t *network, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(ip, network, whole) != 0)
		return false;
	return rest == 0 || ((ip[whole] ^ network[whole]) & (0xff00u >> rest & 0xffu)) == 0;
}

static bool answer_has(const struct check *c, const struct dns_answer *d, const struct spf_term *t)
{
	unsigned bits = c->q->ip.v6 ? t->cidr6 : t->cidr4;
	size_t size = c->q->ip.v6 ? 16 : 4;

	if (d->outcome != DNS_FOUND)
		return false;
	for (size_t i = 0; i < d->n; i++)
		if (d->rdata[i].n == size && ip_within(c->q->ip.bytes, (const uint8_t *)d->rdata[i].p, bits))
			return true;
	return false;
}

/* ---- the client's own names (5.5) ---- */

static void put_reverse(const struct spf_ip *ip, struct buf *out)
{
	if (ip->v6) {
		for (int i = 15; i >= 0; i--)
			buf_putf(out, "%x.%x.", ip->bytes[i] & 15u, (unsigned)ip->bytes[i] >> 4);
		buf_puts(out, "ip6.arpa");
	} else {
		buf_putf(out, "%u.%u.%u.%u.in-addr.arpa", ip->bytes[3], ip->bytes[2], ip->bytes[1], ip->bytes[0]);
	}
}

static size_t take_names(struct check *c, const struct dns_answer *d, struct view *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n && n < SPF_NAMES; i++)
		if (dns_read_name(d->rdata[i], c->a, &ret[n]) == ST_OK && domain_fits(ret[n]))
			n++;
	for (size_t i = 0; i < n; i++)
		dns_hint(c->r, ret[i], address_type(c));
	return n;
}

/* Those names of the client that lead back to it; asked once a check. */
static void validate(struct check *c)
{
	static const struct spf_term host = { .cidr4 = 32, .cidr6 = 128 };
	struct buf name = BUF(DNS_NAME_MAX);
	struct dns_answer d, address;
	struct view names[SPF_NAMES];
	size_t n;

	if (c->asked_ptr)
		return;
	c->asked_ptr = true;
	put_reverse(&c->q->ip, &name);
	if (!ask(c, arena_copy(c->a, buf_view(&name)), DNS_PTR, &d)) {
		buf_free(&name);
		return;
	}
	buf_free(&name);
	c->ptr_outcome = d.outcome;
	c->validated = arena_array(c->a, SPF_NAMES, sizeof *c->validated);
	if (d.outcome != DNS_FOUND || c->validated == NULL)
		return;
	n = take_names(c, &d, names);
	for (size_t i = 0; i < n && ask(c, names[i], address_type(c), &address); i++)
		if (answer_has(c, &address, &host))
			c->validated[c->n_validated++] = names[i];
}

/* %{p} (7.3): the domain itself, or one below it, or any. */
static struct view validated_name(struct check *c, struct view domain)
{
	struct view best = VIEW("unknown");

	validate(c);
	for (size_t i = 0; i < c->n_validated; i++) {
		if (view_eq_i(c->validated[i], domain))
			return c->validated[i];
		if (i == 0 || (domain_within(c->validated[i], domain) && !domain_within(best, domain)))
			best = c->validated[i];
	}
	return best;
}

/* ---- macros (7) ---- */

static void put_ip(const struct spf_ip *ip, bool readable, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	if (!ip->v6 || readable) {
		buf_puts(out, inet_ntop(ip->v6 ? AF_INET6 : AF_INET, ip->bytes, text, sizeof text));
		return;
	}
	for (int i = 0; i < 16; i++)
		buf_putf(out, "%s%X.%X", i ? "." : "", (unsigned)ip->bytes[i] >> 4, ip->bytes[i] & 15u);
}

static void put_value(struct check *c, char letter, struct view domain, struct buf *out)
{
	switch (ascii_lower(letter)) {
	case 's':
		buf_put(out, c->local);
		buf_putc(out, '@');
		buf_put(out, c->sender_domain);
		break;
	case 'l':
		buf_put(out, c->local);
		break;
	case 'o':
		buf_put(out, c->sender_domain);
		break;
	case 'd':
		buf_put(out, domain);
		break;
	case 'i':
	case 'c':
		put_ip(&c->q->ip, ascii_lower(letter) == 'c', out);
		break;
	case 'p':
		buf_put(out, validated_name(c, domain));
		break;
	case 'v':
		buf_puts(out, c->q->ip.v6 ? "ip6" : "in-addr");
		break;
	case 'h':
		buf_put(out, c->q->helo);
		break;
	case 'r':
		buf_put(out, c->q->receiver.n ? c->q->receiver : VIEW("unknown"));
		break;
	default:
		buf_putu(out, (uint64_t)(c->q->now / 1000));
	}
}

/* Parts at the delimiters; the last PARTS_MOST where there are more. */
static size_t split(struct view v, struct view delimiters, struct view *parts)
{
	size_t n = 0, from = 0;

	for (size_t i = 0; i <= v.n; i++) {
		if (i < v.n && view_find(delimiters, v.p[i]) == delimiters.n)
			continue;
		if (n == PARTS_MOST) {
			memmove(parts, parts + 1, (PARTS_MOST - 1) * sizeof *parts);
			n--;
		}
		parts[n++] = view_make(v.p + from, i - from);
		from = i + 1;
	}
	return n;
}

static void put_escaped(struct view v, bool escape, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		char x = v.p[i];

		if (!escape || ascii_alpha(x) || ascii_digit(x) || (x && strchr("-._~", x)))
			buf_putc(out, x);
		else
			buf_putf(out, "%%%02X", (unsigned)(unsigned char)x);
	}
}

static void put_piece(struct check *c, const struct spf_piece *p, struct view domain, struct buf *out)
{
	bool escape = p->letter >= 'A' && p->letter <= 'Z';
	struct buf value = BUF(NAME_MOST);
	struct view parts[PARTS_MOST];
	size_t n, keep;

	put_value(c, p->letter, domain, &value);
	n = split(buf_view(&value), p->delimiters.n ? p->delimiters : VIEW("."), parts);
	keep = p->keep && p->keep < n ? p->keep : n;
	for (size_t i = n - keep; i < n; i++) {
		/* Of reversed parts the right-hand ones are the first. */
		size_t which = p->reverse ? n - 1 - i : i;

		if (i > n - keep)
			buf_putc(out, '.');
		put_escaped(parts[which], escape, out);
	}
	if (buf_status(&value) != ST_OK)
		out->st = buf_status(&value);
	buf_free(&value);
}

/* The text has been found to follow the grammar before, but for explanations. */
static enum status expand(struct check *c, struct view text, struct view domain, bool explanation,
			  struct buf *out)
{
	struct spf_piece piece;
	enum status st;

	while (spf_piece_next(&text, explanation, &piece, &st)) {
		if (piece.letter)
			put_piece(c, &piece, domain, out);
		else
			buf_put(out, piece.literal);
	}
	return st == ST_OK ? buf_status(out) : st;
}

/* As DNS is asked for it: without the last dot, without labels at the left
 * where it is too long (7.3).  Empty where it cannot be a name. */
static struct view as_name(struct arena *a, struct view v)
{
	char *p;

	if (v.n && v.p[v.n - 1] == '.')
		v.n--;
	while (v.n > DNS_NAME_MAX)
		v = view_skip(v, view_find(v, '.') + 1);
	p = domain_fits(v) ? arena_alloc(a, v.n) : NULL;
	for (size_t i = 0; p && i < v.n; i++) {
		if (v.p[i] < ' ' || v.p[i] > '~' || v.p[i] == '\\')
			return VIEW_NONE;
		p[i] = ascii_lower(v.p[i]);
	}
	return view_make(p, p ? v.n : 0);
}

/* The name that a term means; empty where there is none to ask for, which is
 * no match (4.8).  RFC 8616 4: so is a local part that is not ASCII. */
static struct view target(struct check *c, struct view spec, struct view domain)
{
	struct view name = VIEW_NONE;
	struct buf b = BUF(NAME_MOST);

	if (spec.n == 0)
		return domain;
	if (expand(c, spec, domain, false, &b) == ST_OK)
		name = as_name(c->a, buf_view(&b));
	buf_free(&b);
	return name;
}

/* ---- mechanisms (5) ---- */

static enum spf_result check_domain(struct check *c, struct view domain, bool outermost);

static enum match match_include(struct check *c, struct view name)
{
	switch (check_domain(c, name, false)) {
	case SPF_PASS:
		return MATCH;
	case SPF_TEMPERROR:
		return TEMP;
	case SPF_PERMERROR:
		return PERM;
	case SPF_NONE:
		return permerror(c, "include of a domain without SPF record");
	default:
		return NO_MATCH;
	}
}

static enum match match_address(struct check *c, struct view name, const struct spf_term *t)
{
	struct dns_answer d;

	if (!ask(c, name, address_type(c), &d) || has_failed(&d))
		return temperror(c, "no answer for an address");
	if (!count_void(c, &d))
		return permerror(c, "too many look-ups without an answer");
	return answer_has(c, &d, t) ? MATCH : NO_MATCH;
}

static enum match match_mx(struct check *c, struct view name, const struct spf_term *t)
{
	struct view hosts[SPF_NAMES];
	enum match m = NO_MATCH;
	struct dns_answer d;
	struct dns_mx mx;
	size_t n = 0;

	if (!ask(c, name, DNS_MX, &d) || has_failed(&d))
		return temperror(c, "no answer for MX");
	if (!count_void(c, &d))
		return permerror(c, "too many look-ups without an answer");
	if (d.n > SPF_NAMES)
		return permerror(c, "more than 10 mail exchangers");
	for (size_t i = 0; i < d.n; i++)
		if (dns_read_mx(d.rdata[i], c->a, &mx) == ST_OK && domain_fits(mx.host))
			dns_hint(c->r, hosts[n++] = mx.host, address_type(c));
	for (size_t i = 0; i < n && m == NO_MATCH; i++)
		m = match_address(c, hosts[i], t);
	return m;
}

static enum match match_ptr(struct check *c, struct view name)
{
	bool first = !c->asked_ptr;

	validate(c);
	if (first && (c->ptr_outcome == DNS_NO_DATA || c->ptr_outcome == DNS_NO_NAME) &&
	    ++c->out->voids > SPF_VOIDS)
		return permerror(c, "too many look-ups without an answer");
	for (size_t i = 0; i < c->n_validated; i++)
		if (domain_within(c->validated[i], name))
			return MATCH;
	return NO_MATCH;
}

static enum match match_exists(struct check *c, struct view name)
{
	struct dns_answer d;

	if (!ask(c, name, DNS_A, &d) || has_failed(&d))
		return temperror(c, "no answer for exists");
	if (!count_void(c, &d))
		return permerror(c, "too many look-ups without an answer");
	return d.outcome == DNS_FOUND ? MATCH : NO_MATCH;
}

static enum match match_network(const struct check *c, const struct spf_term *t)
{
	if (c->q->ip.v6 != (t->kind == SPF_IP6))
		return NO_MATCH;
	return ip_within(c->q->ip.bytes, t->ip, c->q->ip.v6 ? t->cidr6 : t->cidr4) ? MATCH : NO_MATCH;
}

static enum match match_asking(struct check *c, const struct spf_term *t, struct view domain)
{
	struct view name;

	if (++c->out->lookups > SPF_LOOKUPS)
		return permerror(c, "more than 10 terms that ask DNS");
	name = target(c, t->spec, domain);
	if (name.n == 0)
		return t->kind == SPF_INCLUDE ? permerror(c, "include of something that is no name") : NO_MATCH;
	switch (t->kind) {
	case SPF_INCLUDE:
		return match_include(c, name);
	case SPF_A:
		return match_address(c, name, t);
	case SPF_MX:
		return match_mx(c, name, t);
	case SPF_PTR:
		return match_ptr(c, name);
	default:
		return match_exists(c, name);
	}
}

static enum match match(struct check *c, const struct spf_term *t, struct view domain)
{
	switch (t->kind) {
	case SPF_ALL:
		return MATCH;
	case SPF_IP4:
	case SPF_IP6:
		return match_network(c, t);
	default:
		return match_asking(c, t, domain);
	}
}

/* ---- records ---- */

/* What will be asked without a doubt about its name, all at once; only as
 * many as may be asked. */
static void hint_all(struct check *c, const struct spf_record *rec, struct view domain)
{
	unsigned left = SPF_LOOKUPS - (c->out->lookups < SPF_LOOKUPS ? c->out->lookups : SPF_LOOKUPS);

	for (size_t i = 0; i < rec->n && left; i++) {
		const struct spf_term *t = &rec->terms[i];
		enum dns_type type = t->kind == SPF_INCLUDE ? DNS_TXT : t->kind == SPF_MX ? DNS_MX :
				     t->kind == SPF_EXISTS ? DNS_A : address_type(c);
		struct view name;

		if (match_network(c, t) == MATCH && (t->kind == SPF_IP4 || t->kind == SPF_IP6))
			return;
		if (t->kind == SPF_ALL || t->kind == SPF_PTR || t->kind == SPF_IP4 || t->kind == SPF_IP6 ||
		    view_find(t->spec, '%') < t->spec.n)
			continue;
		name = target(c, t->spec, domain);
		if (name.n)
			dns_hint(c->r, name, type);
		left--;
	}
}

/* 4.4, 4.5.  SPF_PASS: there is one. */
static enum spf_result find_record(struct check *c, struct view domain, struct view *ret_text)
{
	struct dns_answer d;
	struct view text;
	size_t n = 0;

	if (!ask(c, domain, DNS_TXT, &d) || has_failed(&d)) {
		temperror(c, "no answer for the SPF record");
		return SPF_TEMPERROR;
	}
	if (d.outcome != DNS_FOUND)
		return SPF_NONE;
	for (size_t i = 0; i < d.n; i++) {
		if (dns_read_txt(d.rdata[i], c->a, &text) != ST_OK || !spf_record_is(text))
			continue;
		*ret_text = text;
		n++;
	}
	if (n > 1)
		permerror(c, "more than one SPF record");
	return n == 0 ? SPF_NONE : n == 1 ? SPF_PASS : SPF_PERMERROR;
}

/* 6.2: trouble of any kind, and there is none. */
static void explain(struct check *c, struct view spec, struct view domain)
{
	struct view name = target(c, spec, domain), text;
	struct buf b = BUF(EXPLANATION_MOST);
	struct dns_answer d;

	if (name.n && ask(c, name, DNS_TXT, &d) && d.outcome == DNS_FOUND && d.n == 1 &&
	    dns_read_txt(d.rdata[0], c->a, &text) == ST_OK && expand(c, text, domain, true, &b) == ST_OK) {
		bool printable = true;

		for (size_t i = 0; i < b.n; i++)
			printable &= b.p[i] >= ' ' && b.p[i] <= '~';
		if (printable)
			c->out->explanation = arena_copy(c->a, buf_view(&b));
	}
	buf_free(&b);
}

static enum spf_result of_qualifier(char q)
{
	return q == '-' ? SPF_FAIL : q == '~' ? SPF_SOFTFAIL : q == '?' ? SPF_NEUTRAL : SPF_PASS;
}

static enum spf_result redirect(struct check *c, const struct spf_record *rec, struct view domain,
				bool outermost)
{
	struct view name;
	enum spf_result r;

	if (++c->out->lookups > SPF_LOOKUPS) {
		permerror(c, "more than 10 terms that ask DNS");
		return SPF_PERMERROR;
	}
	name = target(c, rec->redirect, domain);
	r = name.n ? check_domain(c, name, outermost) : SPF_NONE;
	if (r != SPF_NONE)
		return r;
	permerror(c, "redirect to a domain without SPF record");
	return SPF_PERMERROR;
}

static enum spf_result evaluate(struct check *c, const struct spf_record *rec, struct view domain,
				bool outermost)
{
	hint_all(c, rec, domain);
	for (size_t i = 0; i < rec->n; i++) {
		switch (match(c, &rec->terms[i], domain)) {
		case MATCH:
			c->out->mechanism = rec->terms[i].text;
			if (rec->terms[i].qualifier == '-' && outermost && rec->exp.p)
				explain(c, rec->exp, domain);
			return of_qualifier(rec->terms[i].qualifier);
		case TEMP:
			return SPF_TEMPERROR;
		case PERM:
			return SPF_PERMERROR;
		case NO_MATCH:
			break;
		}
	}
	if (rec->redirect.p && !rec->all)
		return redirect(c, rec, domain, outermost);
	return SPF_NEUTRAL;
}

/* check_host() of 4.  Only the outermost record may explain (6.2); that is
 * also the one that it redirects to. */
static enum spf_result check_domain(struct check *c, struct view domain, bool outermost)
{
	struct spf_record rec;
	struct view text = VIEW_NONE;
	enum spf_result r = find_record(c, domain, &text);
	enum status st;

	if (r != SPF_PASS)
		return r;
	if (outermost && c->out->record.n == 0)
		c->out->record = text;
	st = spf_record_parse(text, c->a, &rec);
	if (st == ST_OK)
		return evaluate(c, &rec, domain, outermost);
	if (st != ST_SYNTAX)
		c->st = st;
	permerror(c, "the SPF record does not follow the grammar");
	return SPF_PERMERROR;
}

/* ---- identities ---- */

static enum status run(struct check *c, struct view name, struct spf_answer *ret)
{
	struct spf_answer out = { .helo = ret->helo };
	enum status st = domain_ascii(name, c->a, &out.domain);

	if (st != ST_OK && st != ST_SYNTAX)
		return st;
	c->out = &out;
	if (st == ST_OK) {
		c->sender_domain = out.domain;
		out.result = check_domain(c, out.domain, true);
		if (out.result != SPF_TEMPERROR && out.result != SPF_PERMERROR)
			out.problem = NULL;
	}
	if (c->st == ST_OK)
		c->st = arena_status(c->a);
	if (c->st == ST_OK)
		*ret = out;
	return c->st;
}

/* The HELO identity (2.3). */
static enum status check_helo(const struct spf_query *q, struct resolver *r, struct arena *a, struct spf_answer *ret)
{
	struct check c = { .q = q, .r = r, .a = a, .local = VIEW("postmaster") };
	struct spf_answer out = { .helo = true };
	enum status st = run(&c, q->helo, &out);

	if (st == ST_OK)
		*ret = out;
	return st;
}

enum status spf_check(const struct spf_query *q, struct resolver *r, struct arena *a, struct spf_answer *ret)
{
	struct check c = { .q = q, .r = r, .a = a };
	struct spf_answer out = { 0 };
	size_t at = view_behind_last(q->sender, '@');
	enum status st;

	if (q->sender.n == 0)
		return check_helo(q, r, a, ret);
	c.local = at > 1 ? view_head(q->sender, at - 1) : VIEW("postmaster");
	st = run(&c, view_skip(q->sender, at), &out);
	if (st == ST_OK)
		*ret = out;
	return st;
}

/* ---- Received-SPF (9.1) ---- */

void spf_put_received(const struct spf_query *q, const struct spf_answer *s, struct buf *out)
{
	buf_putf(out, "Received-SPF: %s client-ip=", spf_result_name(s->result));
	put_ip(&q->ip, true, out);
	buf_puts(out, ";\r\n\tenvelope-from=");
	authres_put_quoted(q->sender, out);
	buf_puts(out, ";\r\n\thelo=");
	authres_put_quoted(q->helo, out);
	buf_putf(out, ";\r\n\tidentity=%s; receiver=", s->helo ? "helo" : "mailfrom");
	authres_put_quoted(q->receiver, out);
	if (s->mechanism.n) {
		buf_puts(out, ";\r\n\tmechanism=");
		authres_put_quoted(s->mechanism, out);
	}
	if (s->problem) {
		buf_puts(out, ";\r\n\tproblem=");
		authres_put_quoted(view_cstr(s->problem), out);
	}
	buf_puts(out, "\r\n");
}
