#include "msg/check.h"

#include "base/cursor.h"

/* RFC 5321 4.5.3.1.1, 4.5.3.1.2, erratum 1690 of RFC 3696; RFC 1035 2.3.4. */
enum { LOCAL_MAX = 64, DOMAIN_MAX = 255, ADDRESS_MAX = 254, LABEL_MAX = 63, IPV6_GROUPS = 8 };

/* What stood between two words. */
enum { GAP_BLANK = 1, GAP_COMMENT = 2 };

struct check {
	struct cursor c;
	enum address_verdict worst;
	size_t local, domain;	/* octets without comments and folds */
};

static const struct {
	const char *name, *category;
} verdicts[ADDRESS_VERDICTS] = {
#define V(name, category) [ADDRESS_##name] = { #name, #category },
#include "msg/check.def"
#undef V
};

const char *address_verdict_name(enum address_verdict v)
{
	return verdicts[v].name;
}

const char *address_category_name(enum address_verdict v)
{
	return verdicts[v].category;
}

static void note(struct check *k, enum address_verdict v)
{
	if (k->worst < ADDRESS_ERR_EXPECTING_DTEXT && v > k->worst)
		k->worst = v;
}

/* An error ends everything: nothing is left to read. */
static void fail(struct check *k, enum address_verdict v)
{
	note(k, v);
	k->c.failed = true;
}

static bool more(const struct check *k)
{
	return cursor_left(&k->c) > 0;
}

/* RFC 5322 3.2.3; RFC 6532 3.2. */
static bool is_atext(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || (uint8_t)c >= 0x80 ||
		(c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_control(char c)
{
	return (uint8_t)c < ' ' || c == 0x7f;
}

/* At CR: the fold and the blank behind it, which must be there. */
static void take_fold(struct check *k)
{
	if (cursor_left(&k->c) < 2 || k->c.p[1] != '\n') {
		fail(k, ADDRESS_ERR_CR_NO_LF);
		return;
	}
	k->c.p += 2;
	if (peek_char(&k->c) == '\r' && cursor_left(&k->c) > 1 && k->c.p[1] == '\n')
		fail(k, ADDRESS_ERR_FWS_CRLF_X2);
	else if (peek_char(&k->c) != ' ' && peek_char(&k->c) != '\t')
		fail(k, ADDRESS_ERR_FWS_CRLF_END);
}

/* FWS; more than one fold is the obsolete form.  False where there is none. */
static bool take_blank(struct check *k)
{
	const char *from = k->c.p;
	int folds = 0;

	while (more(k)) {
		if (*k->c.p == '\r') {
			take_fold(k);
			folds++;
		} else if (!take_char(&k->c, ' ') && !take_char(&k->c, '\t')) {
			break;
		}
	}
	if (k->c.failed || k->c.p == from)
		return k->c.failed;
	note(k, folds > 1 ? ADDRESS_DEPREC_FWS : ADDRESS_CFWS_FWS);
	return true;
}

/* Behind a backslash. */
static void take_pair(struct check *k)
{
	k->c.p++;
	if (!more(k)) {
		fail(k, ADDRESS_ERR_BACKSLASHEND);
		return;
	}
	if (is_control(*k->c.p) && *k->c.p != '\t')
		note(k, ADDRESS_DEPREC_QP);
	k->c.p++;
}

static void take_comment(struct check *k)
{
	size_t depth = 0;

	note(k, ADDRESS_CFWS_COMMENT);
	while (more(k)) {
		char c = *k->c.p;

		if (c == '\\') {
			take_pair(k);
			continue;
		}
		if (take_blank(k))
			continue;
		if (c == '\n' || c == '\0') {
			fail(k, ADDRESS_ERR_EXPECTING_CTEXT);
			return;
		}
		if (is_control(c))
			note(k, ADDRESS_DEPREC_CTEXT);
		k->c.p++;
		depth += c == '(';
		if (c == ')' && --depth == 0)
			return;
	}
	fail(k, ADDRESS_ERR_UNCLOSEDCOMMENT);
}

static int take_gap(struct check *k)
{
	int gap = 0;

	while (more(k)) {
		if (*k->c.p == '(') {
			take_comment(k);
			gap |= GAP_COMMENT;
		} else if (take_blank(k)) {
			gap |= GAP_BLANK;
		} else {
			break;
		}
	}
	return gap;
}

/* Blanks and comments beside a dot are obsolete (RFC 5322 4.4). */
static void note_gap_at_dot(struct check *k, int gap)
{
	if (gap & GAP_BLANK)
		note(k, ADDRESS_DEPREC_FWS);
	if (gap & GAP_COMMENT)
		note(k, ADDRESS_DEPREC_COMMENT);
}

static void take_quoted(struct check *k)
{
	k->c.p++;
	k->local += 2;
	while (more(k)) {
		char c = *k->c.p;
		const char *from = k->c.p;

		if (take_char(&k->c, '"'))
			return;
		if (c == '\\') {
			take_pair(k);
			k->local += (size_t)(k->c.p - from);
			continue;
		}
		if (take_blank(k)) {
			k->local++;
			continue;
		}
		if (c == '\n' || c == '\0') {
			fail(k, ADDRESS_ERR_EXPECTING_QTEXT);
			return;
		}
		if (is_control(c))
			note(k, ADDRESS_DEPREC_QTEXT);
		k->c.p++;
		k->local++;
	}
	fail(k, ADDRESS_ERR_UNCLOSEDQUOTEDSTR);
}

/* Behind a word: what may not stand there. */
static void check_behind(struct check *k, int gap, bool quoted)
{
	char c = peek_char(&k->c);

	if (!more(k) || c == '.' || c == '@')
		return;
	if (!is_atext(c))
		fail(k, ADDRESS_ERR_EXPECTING_ATEXT);
	else
		fail(k, gap ? ADDRESS_ERR_ATEXT_AFTER_CFWS : quoted ? ADDRESS_ERR_ATEXT_AFTER_QS :
		     ADDRESS_ERR_EXPECTING_ATEXT);
}

/* One word of the local part and the gap behind it. */
static int take_word(struct check *k, bool first, bool *any_quoted)
{
	bool quoted = peek_char(&k->c) == '"';
	struct view atom;
	int gap;

	if (quoted) {
		note(k, first ? ADDRESS_RFC5321_QUOTEDSTRING : ADDRESS_DEPREC_LOCALPART);
		take_quoted(k);
	} else {
		if (*any_quoted)
			note(k, ADDRESS_DEPREC_LOCALPART);
		atom = take_while(&k->c, is_atext);
		k->local += atom.n;
		if (atom.n == 0)
			fail(k, peek_char(&k->c) == '@' ? (first ? ADDRESS_ERR_NOLOCALPART : ADDRESS_ERR_DOT_END) :
			     peek_char(&k->c) == '.' ? (first ? ADDRESS_ERR_DOT_START : ADDRESS_ERR_CONSECUTIVEDOTS) :
			     more(k) ? ADDRESS_ERR_EXPECTING_ATEXT : ADDRESS_ERR_NODOMAIN);
	}
	*any_quoted |= quoted;
	gap = take_gap(k);
	check_behind(k, gap, quoted);
	return gap;
}

static void take_local(struct check *k)
{
	bool any_quoted = false;
	int gap;

	(void)take_gap(k);
	gap = take_word(k, true, &any_quoted);
	while (take_char(&k->c, '.')) {
		k->local++;
		note_gap_at_dot(k, gap);
		note_gap_at_dot(k, take_gap(k));
		gap = take_word(k, false, &any_quoted);
	}
	if (k->c.failed)
		return;
	if (!take_char(&k->c, '@')) {
		fail(k, ADDRESS_ERR_NODOMAIN);
		return;
	}
	if (gap)
		note(k, ADDRESS_DEPREC_CFWS_NEAR_AT);
	if (k->local > LOCAL_MAX)
		note(k, ADDRESS_RFC5322_LOCAL_TOOLONG);
}

/* ---- domain literals (RFC 5321 4.1.3) ---- */

static bool is_ipv4(struct view v)
{
	for (int part = 0; part < 4; part++) {
		struct view digits = view_head(v, view_find(v, '.'));
		uint64_t x;

		if (digits.n > 3 || !view_u64(digits, &x) || x > 255 || (digits.n == v.n) != (part == 3))
			return false;
		v = view_skip(v, digits.n + 1);
	}
	return true;
}

/* Takes an IPv4 address at the end away; how many groups it stands for. */
static size_t take_ipv4_end(struct view *v)
{
	const char *colon = v->n ? memrchr(v->p, ':', v->n) : NULL;
	size_t at = colon ? (size_t)(colon - v->p) + 1 : 0;

	if (!is_ipv4(view_skip(*v, at)))
		return 0;
	v->n = at;
	return 2;
}

static bool is_group(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_digit(v.p[i]) && !(ascii_lower(v.p[i]) >= 'a' && ascii_lower(v.p[i]) <= 'f'))
			return false;
	return v.n <= 4;
}

static void check_ipv6(struct check *k, struct view v)
{
	size_t ipv4 = take_ipv4_end(&v);
	const char *first = memmem(v.p, v.n, "::", 2), *last = first;
	size_t groups = ipv4 ? ipv4 - 1 : 0, most = IPV6_GROUPS;
	bool ends = !ipv4 && v.n && v.p[v.n - 1] == ':';

	for (const char *p = first; p; p = memmem(p + 1, (size_t)(v.p + v.n - p) - 1, "::", 2))
		last = p;
	for (size_t at = 0; at <= v.n; at++) {
		struct view group = view_head(view_skip(v, at), view_find(view_skip(v, at), ':'));

		groups++;
		at += group.n;
		if (!is_group(group))
			note(k, ADDRESS_RFC5322_IPV6_BADCHAR);
	}
	if (first && (first == v.p || (first == v.p + v.n - 2 && !ipv4)))
		most++;
	if (first == NULL && groups != IPV6_GROUPS)
		note(k, ADDRESS_RFC5322_IPV6_GRPCOUNT);
	if (first != last)
		note(k, ADDRESS_RFC5322_IPV6_2X2XCOLON);
	else if (first && groups > most)
		note(k, ADDRESS_RFC5322_IPV6_MAXGRPS);
	else if (first && groups == most)
		note(k, ADDRESS_RFC5321_IPV6DEPRECATED);	/* RFC 5952 4.2.2 */
	if (v.n && v.p[0] == ':' && first != v.p)
		note(k, ADDRESS_RFC5322_IPV6_COLONSTRT);
	if (ends && (v.n < 2 || v.p[v.n - 2] != ':'))
		note(k, ADDRESS_RFC5322_IPV6_COLONEND);
	note(k, ADDRESS_RFC5321_ADDRESSLITERAL);
}

static void check_literal(struct check *k, struct view v)
{
	if (view_starts_i(v, VIEW("IPv6:")))
		check_ipv6(k, view_skip(v, 5));
	else
		note(k, is_ipv4(v) ? ADDRESS_RFC5321_ADDRESSLITERAL : ADDRESS_RFC5322_DOMAINLITERAL);
}

static void take_literal(struct check *k)
{
	const char *from = ++k->c.p;

	while (more(k) && *k->c.p != ']') {
		char c = *k->c.p;

		if (c == '\\') {
			note(k, ADDRESS_RFC5322_DOMLIT_OBSDTEXT);
			take_pair(k);
		} else if (take_blank(k)) {
			continue;
		} else if (c == '[' || c == '\0' || (uint8_t)c >= 0x80) {
			fail(k, ADDRESS_ERR_EXPECTING_DTEXT);
		} else {
			if (is_control(c))
				note(k, ADDRESS_RFC5322_DOMLIT_OBSDTEXT);
			k->c.p++;
		}
	}
	if (!more(k)) {
		fail(k, ADDRESS_ERR_UNCLOSEDDOMLIT);
		return;
	}
	k->domain = (size_t)(k->c.p - from) + 2;
	check_literal(k, view_make(from, (size_t)(k->c.p - from)));
	k->c.p++;
	(void)take_gap(k);
	if (more(k))
		fail(k, ADDRESS_ERR_ATEXT_AFTER_DOMLIT);
}

/* ---- domains ---- */

static void check_label(struct check *k, struct view label)
{
	for (size_t i = 0; i < label.n; i++)
		if (!ascii_alpha(label.p[i]) && !ascii_digit(label.p[i]) && label.p[i] != '-' &&
		    (uint8_t)label.p[i] < 0x80)
			note(k, ADDRESS_RFC5322_DOMAIN);
	if (label.n > LABEL_MAX)
		note(k, ADDRESS_RFC5322_LABEL_TOOLONG);
	if (label.n && label.p[0] == '-')
		fail(k, ADDRESS_ERR_DOMAINHYPHENSTART);
	else if (label.n && label.p[label.n - 1] == '-')
		fail(k, ADDRESS_ERR_DOMAINHYPHENEND);
}

static struct view take_label(struct check *k, bool first)
{
	struct view label = take_while(&k->c, is_atext);

	k->domain += label.n;
	if (label.n == 0)
		fail(k, peek_char(&k->c) == '.' ? (first ? ADDRESS_ERR_DOT_START : ADDRESS_ERR_CONSECUTIVEDOTS) :
		     more(k) ? ADDRESS_ERR_EXPECTING_ATEXT : first ? ADDRESS_ERR_NODOMAIN : ADDRESS_ERR_DOT_END);
	check_label(k, label);
	return label;
}

static bool all_digits(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_digit(v.p[i]))
			return false;
	return v.n > 0;
}

static void take_domain(struct check *k)
{
	size_t labels = 1;
	struct view last;
	int gap;

	if (take_gap(k))
		note(k, ADDRESS_DEPREC_CFWS_NEAR_AT);
	if (peek_char(&k->c) == '[') {
		take_literal(k);
		return;
	}
	last = take_label(k, true);
	gap = take_gap(k);
	while (take_char(&k->c, '.')) {
		k->domain++;
		note_gap_at_dot(k, gap);
		note_gap_at_dot(k, take_gap(k));
		last = take_label(k, false);
		gap = take_gap(k);
		labels++;
	}
	if (more(k))
		fail(k, gap && is_atext(*k->c.p) ? ADDRESS_ERR_ATEXT_AFTER_CFWS : ADDRESS_ERR_EXPECTING_ATEXT);
	if (labels == 1)
		note(k, ADDRESS_RFC5321_TLD);
	if (all_digits(last))
		note(k, ADDRESS_RFC5321_TLDNUMERIC);
}

enum address_verdict address_check(struct view address)
{
	struct check k = { .c = cursor_over(address.p ? address : VIEW("")) };

	take_local(&k);
	if (!k.c.failed)
		take_domain(&k);
	if (k.domain > DOMAIN_MAX)
		note(&k, ADDRESS_RFC5322_DOMAIN_TOOLONG);
	if (k.local + 1 + k.domain > ADDRESS_MAX)
		note(&k, ADDRESS_RFC5322_TOOLONG);
	return k.worst;
}
