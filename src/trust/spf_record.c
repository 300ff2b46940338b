#include "trust/spf_record.h"

#include <arpa/inet.h>

static bool is_alnum(char c)
{
	return ascii_alpha(c) || ascii_digit(c);
}

bool spf_record_is(struct view text)
{
	return view_starts_i(text, VIEW("v=spf1")) && (text.n == 6 || text.p[6] == ' ');
}

/* ---- macros ---- */

static bool is_delimiter(char c)
{
	return c && strchr(".-+,/_=", c) != NULL;
}

static bool is_letter(char c, bool explanation)
{
	c = ascii_lower(c);
	return c && strchr(explanation ? "slodipvhcrt" : "slodipvh", c) != NULL;
}

/* Behind "%{". */
static enum status expansion(struct view *text, bool explanation, struct spf_piece *ret)
{
	struct view v = *text;
	size_t n = 0;

	if (v.n == 0 || !is_letter(v.p[0], explanation))
		return ST_SYNTAX;
	*ret = (struct spf_piece){ .letter = v.p[0] };
	for (v = view_skip(v, 1); v.n && ascii_digit(v.p[0]); v = view_skip(v, 1), n++)
		ret->keep = ret->keep > 1000 ? ret->keep : ret->keep * 10 + (unsigned)(v.p[0] - '0');
	if (n && ret->keep == 0)
		return ST_SYNTAX;
	if (v.n && ascii_lower(v.p[0]) == 'r') {
		ret->reverse = true;
		v = view_skip(v, 1);
	}
	for (n = 0; n < v.n && is_delimiter(v.p[n]); n++)
		;
	ret->delimiters = view_head(v, n);
	v = view_skip(v, n);
	if (v.n == 0 || v.p[0] != '}')
		return ST_SYNTAX;
	*text = view_skip(v, 1);
	return ST_OK;
}

static enum status percent(struct view *text, bool explanation, struct spf_piece *ret)
{
	char c = text->n > 1 ? text->p[1] : '\0';

	*text = view_skip(*text, 2);
	switch (c) {
	case '{':
		return expansion(text, explanation, ret);
	case '%':
		*ret = (struct spf_piece){ .literal = VIEW("%") };
		return ST_OK;
	case '_':
		*ret = (struct spf_piece){ .literal = VIEW(" ") };
		return ST_OK;
	case '-':
		*ret = (struct spf_piece){ .literal = VIEW("%20") };
		return ST_OK;
	default:
		return ST_SYNTAX;
	}
}

bool spf_piece_next(struct view *text, bool explanation, struct spf_piece *ret, enum status *ret_st)
{
	size_t n = 0;

	*ret_st = ST_OK;
	if (text->n == 0)
		return false;
	if (text->p[0] == '%') {
		*ret_st = percent(text, explanation, ret);
		return *ret_st == ST_OK;
	}
	for (; n < text->n && text->p[n] != '%'; n++) {
		char c = text->p[n];

		if (c < '!' || c > '~') {
			/* Blanks stand in explanations only (6.2). */
			if (c != ' ' || !explanation) {
				*ret_st = ST_SYNTAX;
				return false;
			}
		}
	}
	*ret = (struct spf_piece){ .literal = view_head(*text, n) };
	*text = view_skip(*text, n);
	return true;
}

/* Of a whole macro-string, of a domain-spec.  Does it follow the grammar? */
static bool spf_macro_string_is(struct view text, bool explanation)
{
	struct spf_piece piece;
	enum status st;

	while (spf_piece_next(&text, explanation, &piece, &st))
		;
	return st == ST_OK;
}

/* toplabel: not digits alone, no hyphen at its ends. */
static bool is_toplabel(struct view v)
{
	bool other = false;

	if (v.n == 0 || v.p[0] == '-' || v.p[v.n - 1] == '-')
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (!is_alnum(v.p[i]) && v.p[i] != '-')
			return false;
		other |= !ascii_digit(v.p[i]);
	}
	return other;
}

/* domain-end: "." toplabel [ "." ], or a macro. */
static bool spf_domain_spec_is(struct view text)
{
	struct spf_piece piece = { 0 };
	struct view rest = text, last = text;
	enum status st;
	size_t dot;

	if (text.n == 0)
		return false;
	while (rest.n) {
		last = rest;
		if (!spf_piece_next(&rest, false, &piece, &st))
			return false;
	}
	if (last.p[0] == '%')
		return true;
	if (last.p[last.n - 1] == '.')
		last.n--;
	for (dot = last.n; dot > 0 && last.p[dot - 1] != '.'; dot--)
		;
	return dot > 0 && is_toplabel(view_skip(last, dot));
}

/* ---- terms ---- */

static const struct {
	struct view word;
	enum spf_kind kind;
	bool spec, must;	/* may it have a domain-spec, must it */
	bool cidr;
} mechanisms[] = {
	{ { "all", 3 }, SPF_ALL, false, false, false },
	{ { "include", 7 }, SPF_INCLUDE, true, true, false },
	{ { "a", 1 }, SPF_A, true, false, true },
	{ { "mx", 2 }, SPF_MX, true, false, true },
	{ { "ptr", 3 }, SPF_PTR, true, false, false },
	{ { "ip4", 3 }, SPF_IP4, true, true, true },
	{ { "ip6", 3 }, SPF_IP6, true, true, true },
	{ { "exists", 6 }, SPF_EXISTS, true, true, false },
};

/* The number behind the last `slashes`, taken off; false where it is not one. */
static bool take_cidr(struct view *v, const char *slashes, unsigned most, uint8_t *ret)
{
	size_t n = strlen(slashes), digits = v->n;
	uint64_t length;

	while (digits && ascii_digit(v->p[digits - 1]))
		digits--;
	if (digits == v->n || digits < n || memcmp(v->p + digits - n, slashes, n) != 0)
		return true;	/* none there */
	if (n == 1 && digits > 1 && v->p[digits - 2] == '/')
		return true;	/* the other one's */
	if (!view_u64(view_skip(*v, digits), &length) || length > most ||
	    (v->p[digits] == '0' && v->n - digits > 1))
		return false;
	*ret = (uint8_t)length;
	v->n = digits - n;
	return true;
}

/* Behind the word of an address mechanism: [":" spec] ["/" n] ["//" n]. */
static bool take_lengths(struct view *rest, struct spf_term *t)
{
	switch (t->kind) {
	case SPF_IP4:
		return take_cidr(rest, "/", 32, &t->cidr4);
	case SPF_IP6:
		return take_cidr(rest, "/", 128, &t->cidr6);
	default:
		return take_cidr(rest, "//", 128, &t->cidr6) && take_cidr(rest, "/", 32, &t->cidr4);
	}
}

static bool take_network(struct view text, struct spf_term *t)
{
	char word[INET6_ADDRSTRLEN];

	if (text.n >= sizeof word)
		return false;
	memcpy(word, text.p, text.n);
	word[text.n] = '\0';
	return inet_pton(t->kind == SPF_IP4 ? AF_INET : AF_INET6, word, t->ip) == 1;
}

static enum status mechanism(struct view term, size_t word, struct spf_term *t)
{
	struct view rest = view_skip(term, word);
	size_t i;

	for (i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
		if (view_eq_i(mechanisms[i].word, view_head(term, word)))
			break;
	if (i == sizeof mechanisms / sizeof *mechanisms)
		return ST_SYNTAX;
	t->kind = mechanisms[i].kind;
	t->cidr4 = 32;
	t->cidr6 = 128;
	if (mechanisms[i].cidr && !take_lengths(&rest, t))
		return ST_SYNTAX;
	if (rest.n == 0)
		return mechanisms[i].must ? ST_SYNTAX : ST_OK;
	if (!mechanisms[i].spec || rest.p[0] != ':')
		return ST_SYNTAX;
	t->spec = view_skip(rest, 1);
	if (t->kind == SPF_IP4 || t->kind == SPF_IP6)
		return take_network(t->spec, t) ? ST_OK : ST_SYNTAX;
	return spf_domain_spec_is(t->spec) ? ST_OK : ST_SYNTAX;
}

/* 6: name "=" macro-string; those that are known have a domain-spec. */
static enum status modifier(struct view name, struct view value, struct spf_record *ret)
{
	struct view *known = NULL;

	if (view_eq_i(name, VIEW("redirect")))
		known = &ret->redirect;
	else if (view_eq_i(name, VIEW("exp")))
		known = &ret->exp;
	if (known == NULL)
		return spf_macro_string_is(value, false) ? ST_OK : ST_SYNTAX;
	if (known->p || !spf_domain_spec_is(value))
		return ST_SYNTAX;
	*known = value;
	return ST_OK;
}

static bool is_name(char c)
{
	return is_alnum(c) || c == '-' || c == '_' || c == '.';
}

static enum status take_term(struct view term, struct spf_record *ret)
{
	struct spf_term t = { .text = term, .qualifier = '+' };
	size_t word = 0;
	enum status st;

	while (word < term.n && is_name(term.p[word]))
		word++;
	if (word < term.n && term.p[word] == '=')
		return word && ascii_alpha(term.p[0]) ?
			modifier(view_head(term, word), view_skip(term, word + 1), ret) : ST_SYNTAX;
	if (strchr("+-~?", term.p[0])) {
		t.qualifier = term.p[0];
		term = view_skip(term, 1);
	}
	for (word = 0; word < term.n && is_alnum(term.p[word]); word++)
		;
	st = mechanism(term, word, &t);
	if (st != ST_OK)
		return st;
	if (ret->n == SPF_TERMS_MOST)
		return ST_LIMIT;
	ret->all |= t.kind == SPF_ALL;
	ret->terms[ret->n++] = t;
	return ST_OK;
}

static size_t count_terms(struct view text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == ' ';
	return n < SPF_TERMS_MOST ? n : SPF_TERMS_MOST;
}

enum status spf_record_parse(struct view text, struct arena *a, struct spf_record *ret)
{
	struct spf_record out = { .terms = arena_array(a, count_terms(text), sizeof *out.terms) };
	enum status st = ST_OK;

	if (out.terms == NULL)
		return arena_status(a);
	text = view_skip(text, 6);
	while (text.n && st == ST_OK) {
		struct view term = view_head(text, view_find(text, ' '));

		text = view_skip(text, term.n + 1);
		if (term.n)
			st = term.p[0] ? take_term(term, &out) : ST_SYNTAX;
	}
	if (st == ST_OK)
		*ret = out;
	return st == ST_LIMIT ? ST_SYNTAX : st;
}
