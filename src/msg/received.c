#include "msg/received.h"

#include "msg/lex.h"

#include <arpa/inet.h>

enum { ADDRESS_MAX = 45 };

/* What a comment says belongs to the clause before it. */
enum clause { NONE, FROM, BY, VIA, WITH, ID, FOR, CLAUSES };

static const char *const words[CLAUSES] = { "", "from", "by", "via", "with", "id", "for" };

static enum clause clause_of(struct view word)
{
	for (int i = FROM; i < CLAUSES; i++)
		if (view_eq_i(word, view_cstr(words[i])))
			return (enum clause)i;
	return NONE;
}

static void first(struct view *to, struct view v)
{
	if (to->n == 0)
		*to = v;
}

/* ---- addresses ---- */

static bool is_address(struct view v)
{
	char text[ADDRESS_MAX + 1];
	unsigned char out[16];

	if (v.n == 0 || v.n > ADDRESS_MAX)
		return false;
	memcpy(text, v.p, v.n);
	text[v.n] = '\0';
	return inet_pton(AF_INET, text, out) == 1 || inet_pton(AF_INET6, text, out) == 1;
}

/* "[IPv6:::1]", "[192.0.2.1]:25", "192.0.2.1:25", "fe80::1%6", or none. */
static struct view address_in(struct view v)
{
	if (v.n && v.p[0] == '[')
		v = view_skip(view_head(v, view_find(v, ']')), 1);
	if (view_starts_i(v, VIEW("IPv6:")))
		v = view_skip(v, 5);
	v = view_head(v, view_find(v, '%'));
	if (is_address(v))
		return v;
	v = view_head(v, view_find(v, ':'));
	return is_address(v) ? v : VIEW_NONE;
}

static struct view bare(struct view v)
{
	if (v.n && v.p[0] == '<')
		v = view_skip(view_head(v, view_find(v, '>')), 1);
	if (v.n && v.p[v.n - 1] == ',')
		v.n--;
	return v;
}

/* A name, or the address of an address literal. */
static struct view host(struct view v)
{
	struct view address = v.n && v.p[0] == '[' ? address_in(v) : VIEW_NONE;

	return address.n ? address : bare(v);
}

/* ---- words in comments ---- */

static bool splits(char c)
{
	return lex_is_blank(c) || c == '(' || c == ')' || c == ',' || c == ';' || c == ']';
}

static struct view next_word(struct view *rest)
{
	size_t n = 0;
	struct view word;

	while (rest->n && splits(rest->p[0]))
		*rest = view_skip(*rest, 1);
	/* "host[192.0.2.1]" is two. */
	while (n < rest->n && !splits(rest->p[n]) && (n == 0 || rest->p[n] != '['))
		n++;
	word = view_head(*rest, n);
	*rest = view_skip(*rest, n);
	return word;
}

static bool takes(struct view *word, struct view before)
{
	if (!view_starts_i(*word, before) || word->n == before.n)
		return false;
	*word = view_skip(*word, before.n);
	return true;
}

/* "TLS1.2:ECDHE_RSA_AES_256_GCM_SHA384:256", as Exim says it. */
static void tls_of_exim(struct received *r, struct view word)
{
	size_t colon = view_find(word, ':');

	first(&r->tls_version, view_head(word, colon));
	word = view_skip(word, colon + 1);
	first(&r->tls_cipher, view_head(word, view_find(word, ':')));
}

/* "TLS: TLS1.3, 128bits, ECDHE_RSA_AES_128_GCM_SHA256", as Courier says it. */
static void tls_of_courier(struct received *r, struct view *rest)
{
	first(&r->tls_version, next_word(rest));
	(void)next_word(rest);
	first(&r->tls_cipher, next_word(rest));
}

static void cipher(struct received *r, struct view word)
{
	if (view_starts_i(word, VIEW("TLS")) && view_find(word, ':') < word.n)
		tls_of_exim(r, word);
	else
		first(&r->tls_cipher, view_head(word, view_find(word, ':')));
}

static bool says_tls(struct received *r, struct view word, struct view *rest)
{
	if (takes(&word, VIEW("version=")))
		first(&r->tls_version, word);
	else if (takes(&word, VIEW("cipher=")))
		cipher(r, word);
	else if (view_eq_i(word, VIEW("cipher")) || view_eq_i(word, VIEW("tls_cipher")))
		cipher(r, next_word(rest));
	else if (view_eq_i(word, VIEW("TLS:")))
		tls_of_courier(r, rest);
	else if (view_starts_i(word, VIEW("TLS")) && view_find(word, ':') < word.n)
		tls_of_exim(r, word);
	else if (view_starts_i(word, VIEW("TLSv")) || view_starts_i(word, VIEW("SSLv")))
		first(&r->tls_version, word);
	else
		return false;
	return true;
}

static bool is_greeting(struct view word)
{
	return view_eq_i(word, VIEW("helo")) || view_eq_i(word, VIEW("ehlo")) || view_eq_i(word, VIEW("lhlo"));
}

/* A name that may stand before the address: of letters, digits, dots. */
static bool is_host(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_digit(v.p[i]) && !(ascii_lower(v.p[i]) >= 'a' && ascii_lower(v.p[i]) <= 'z') &&
		    v.p[i] != '.' && v.p[i] != '-' && v.p[i] != '_')
			return false;
	return view_find(v, '.') < v.n;
}

/* "host.example [192.0.2.1] helo=name", "HELO name", "user@192.0.2.1". */
static void comment_of_from(struct received *r, struct view rest)
{
	struct view all = rest, before = bare(next_word(&all)), word;

	if (is_host(before) && address_in(before).n == 0)
		first(&r->reverse, before);
	while ((word = next_word(&rest)).n) {
		struct view address, part = word;
		size_t at = view_find(word, '@');

		if (says_tls(r, word, &rest))
			continue;
		if (is_greeting(word)) {
			first(&r->helo, host(next_word(&rest)));
			continue;
		}
		if (takes(&part, VIEW("helo=")) || takes(&part, VIEW("ehlo="))) {
			first(&r->helo, host(part));
			continue;
		}
		address = address_in(at < word.n ? view_skip(word, at + 1) : word);
		first(&r->address, address);
	}
}

static void comment(struct received *r, enum clause clause, struct view inner)
{
	struct view word;

	if (clause == FROM) {
		comment_of_from(r, inner);
		return;
	}
	while ((word = next_word(&inner)).n)
		if (clause == NONE && view_eq_i(word, VIEW("from"))) {
			/* "(from user@host [192.0.2.1]) by ...", as Sendmail says it. */
			first(&r->from, next_word(&inner));
			comment_of_from(r, inner);
			return;
		} else {
			(void)says_tls(r, word, &inner);
		}
}

/* ---- clauses ---- */

/* To the next blank or comment; what stands in <> or [] is one word. */
static struct view token(struct cursor *c)
{
	struct view rest = view_make(c->p, cursor_left(c));
	size_t n = 0;

	if (rest.n && rest.p[0] == '<')
		n = view_find(rest, '>') < rest.n ? view_find(rest, '>') + 1 : 1;
	while (n < rest.n && !lex_is_blank(rest.p[n]) && rest.p[n] != '(' && rest.p[n] != ';')
		n++;
	return take_bytes(c, n);
}

/* Also "ESMTP/TLS/DHE-RSA-AES256-GCM-SHA384". */
static void take_protocol(struct received *r, struct view v)
{
	struct view rest = view_skip(v, view_find(v, '/') + 1);

	first(&r->with, view_head(v, view_find(v, '/')));
	if (takes(&rest, VIEW("TLS/")))
		first(&r->tls_cipher, rest);
}

static bool is_smtp(struct view v)
{
	return view_starts_i(v, VIEW("SMTP")) || view_starts_i(v, VIEW("ESMTP"));
}

static void take_clause(struct received *r, enum clause clause, struct view v)
{
	switch (clause) {
	case FROM:
		first(&r->from, host(v));
		break;
	case BY:
		first(&r->by, host(v));
		break;
	case VIA:
		first(&r->via, bare(v));
		break;
	case WITH:
		take_protocol(r, bare(v));
		break;
	case ID:
		first(&r->id, bare(v));
		break;
	case FOR:
		first(&r->to, bare(v));
		break;
	default:
		break;
	}
}

/* The date stands behind the last semicolon outside of comments. */
static struct view split_date(struct view value, struct view *ret_date)
{
	struct cursor c = cursor_over(value);
	size_t last = value.n;
	struct view inner;

	while (cursor_left(&c)) {
		char k = *c.p;

		if (k == '(') {
			lex_comment(&c, &inner);
			continue;
		}
		if (k == ';')
			last = (size_t)(c.p - value.p);
		take_bytes(&c, 1);
	}
	*ret_date = lex_trim(view_skip(value, last + 1));
	return view_head(value, last);
}

void received_parse(struct view value, struct received *ret)
{
	struct received r = { 0 };
	struct view clauses = split_date(value, &r.date_text), inner, word;
	struct cursor c = cursor_over(clauses);
	enum clause clause = NONE, next;
	bool filled = true;

	r.has_date = r.date_text.n && date_parse(r.date_text, &r.date) == ST_OK;
	for (lex_blank(&c); cursor_left(&c); lex_blank(&c)) {
		if (*c.p == '(') {
			lex_comment(&c, &inner);
			comment(&r, clause, inner);
			filled = true;
			continue;
		}
		word = token(&c);
		if (word.n == 0) {
			take_bytes(&c, 1);
			continue;
		}
		next = clause_of(word);
		if (next && filled) {
			clause = next;
			filled = false;
			continue;
		}
		if (!filled)
			take_clause(&r, clause, word);
		else if (clause == FROM && word.p[0] == '[')
			first(&r.address, address_in(word));
		else if (clause == WITH && is_smtp(word) && !is_smtp(r.with))
			r.with = word;	/* "with Microsoft SMTPSVC" */
		filled = true;
	}
	*ret = r;
}
