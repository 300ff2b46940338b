/* imap.c - the words of IMAP's grammar, read and written (RFC 9051 9). */
#include "wire/imap.h"

enum { ID_PAIRS_MAX = 30, QUOTED_MAX = 1024 };

/* ---- classes of characters ---- */

/* ATOM-CHAR: no CTL, blank, ( ) { % * " \ ]; 7 bits. */
static bool is_atom(char c)
{
	return c > ' ' && c < 127 && !strchr("(){%*\"\\]", c);
}

static bool is_astring(char c)
{
	return is_atom(c) || c == ']';
}

static bool is_pattern(char c)
{
	return is_astring(c) || c == '%' || c == '*';
}

static bool is_tag(char c)
{
	return is_astring(c) && c != '+';
}

static bool is_base64(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '+' || c == '/' || c == '=';
}

/* ---- small steps ---- */

void imap_fail(struct imap_parse *p)
{
	p->c.failed = true;
}

void imap_want(struct imap_parse *p, char c)
{
	if (!take_char(&p->c, c))
		imap_fail(p);
}

void imap_space(struct imap_parse *p)
{
	imap_want(p, ' ');
}

bool imap_try(struct imap_parse *p, char c)
{
	return take_char(&p->c, c);
}

bool imap_try_word(struct imap_parse *p, struct view word)
{
	struct view left = view_make(p->c.p, cursor_left(&p->c));

	if (!view_starts_i(left, word))
		return false;
	if (left.n > word.n && (is_atom(left.p[word.n]) && left.p[word.n] != '[' && left.p[word.n] != '<'))
		return false;
	p->c.p += word.n;
	return true;
}

static struct view take_some(struct imap_parse *p, bool (*is)(char))
{
	struct view v = take_while(&p->c, is);

	if (v.n == 0)
		imap_fail(p);
	return v;
}

struct view imap_take_tag(struct imap_parse *p)
{
	return take_some(p, is_tag);
}

struct view imap_take_atom(struct imap_parse *p)
{
	return take_some(p, is_atom);
}

struct view imap_take_base64(struct imap_parse *p)
{
	return take_some(p, is_base64);
}

uint64_t imap_take_number64(struct imap_parse *p)
{
	struct view v = take_some(p, ascii_digit);
	uint64_t x = 0;

	if (v.n && (!view_u64(v, &x) || x > INT64_MAX))
		imap_fail(p);
	return imap_ok(p) ? x : 0;
}

uint32_t imap_take_number(struct imap_parse *p)
{
	uint64_t x = imap_take_number64(p);

	if (x > UINT32_MAX)
		imap_fail(p);
	return imap_ok(p) ? (uint32_t)x : 0;
}

uint32_t imap_take_nz_number(struct imap_parse *p)
{
	uint32_t x = imap_take_number(p);

	if (x == 0)
		imap_fail(p);
	return x;
}

/* ---- strings ---- */

/* Without the backslashes, in the arena. */
static struct view unescape(struct imap_parse *p, struct view v)
{
	char *out = arena_alloc(p->arena, v.n);
	size_t n = 0;

	if (out == NULL) {
		imap_fail(p);
		return VIEW_NONE;
	}
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\\')
			i++;
		out[n++] = v.p[i];
	}
	return view_make(out, n);
}

/* Behind the opening quote. */
static struct view take_quoted(struct imap_parse *p)
{
	const char *from = p->c.p;
	bool escapes = false;

	for (; cursor_left(&p->c); p->c.p++) {
		char c = *p->c.p;

		if (c == '"') {
			struct view v = view_make(from, (size_t)(p->c.p - from));

			p->c.p++;
			if (!imap_is_utf8(v))
				break;
			return escapes ? unescape(p, v) : v;
		}
		if (c == '\r' || c == '\n')
			break;
		if (c != '\\')
			continue;
		escapes = true;
		p->c.p++;
		if (peek_char(&p->c) != '"' && peek_char(&p->c) != '\\')
			break;
	}
	imap_fail(p);
	return VIEW_NONE;
}

/* The reader has checked the announcement; here it is only read again. */
struct view imap_take_literal(struct imap_parse *p)
{
	uint32_t n;

	imap_try(p, '~');
	imap_want(p, '{');
	n = imap_take_number(p);
	imap_try(p, '+');
	imap_want(p, '}');
	imap_want(p, '\r');
	imap_want(p, '\n');
	return imap_ok(p) ? take_bytes(&p->c, n) : VIEW_NONE;
}

struct view imap_take_string(struct imap_parse *p)
{
	struct view v;

	if (imap_try(p, '"'))
		return take_quoted(p);
	if (peek_char(&p->c) == '~')
		imap_fail(p);
	v = imap_take_literal(p);
	if (view_find(v, '\0') < v.n)
		imap_fail(p);
	return v;
}

static bool string_stands_here(const struct imap_parse *p)
{
	char c = peek_char(&p->c);

	return c == '"' || c == '{';
}

struct view imap_take_astring(struct imap_parse *p)
{
	char c = peek_char(&p->c);

	return c == '"' || c == '{' ? imap_take_string(p) : take_some(p, is_astring);
}

struct view imap_take_nstring(struct imap_parse *p)
{
	if (!string_stands_here(p) && imap_try_word(p, VIEW("NIL")))
		return VIEW_NONE;
	return imap_take_string(p);
}

/* ---- names of mailboxes ---- */

static struct view as_name(struct imap_parse *p, struct view v)
{
	struct buf out = BUF(4 * v.n + 1);
	struct view name;

	if (view_eq_i(v, VIEW("INBOX")))
		return VIEW("INBOX");
	if (p->utf8 || view_find(v, '&') == v.n)
		return v;
	if (imap_utf7_decode(v, &out) != ST_OK) {
		buf_free(&out);
		imap_fail(p);
		return VIEW_NONE;
	}
	name = arena_copy(p->arena, buf_view(&out));
	if (arena_status(p->arena) != ST_OK)
		imap_fail(p);
	buf_free(&out);
	return name;
}

struct view imap_take_mailbox(struct imap_parse *p)
{
	return as_name(p, imap_take_astring(p));
}

struct view imap_take_pattern(struct imap_parse *p)
{
	char c = peek_char(&p->c);

	return as_name(p, c == '"' || c == '{' ? imap_take_string(p) : take_some(p, is_pattern));
}

/* ---- lists ---- */

static void list_add(struct imap_parse *p, struct imap_list *l, uint32_t *cap, uint32_t most, struct view v)
{
	if (l->n == most) {
		imap_fail(p);
		return;
	}
	if (l->n == *cap) {
		uint32_t bigger = *cap ? 2 * *cap : 4;
		struct view *grown = arena_array(p->arena, bigger, sizeof *grown);

		if (grown == NULL) {
			imap_fail(p);
			return;
		}
		if (l->n)
			memcpy(grown, l->v, l->n * sizeof *grown);
		l->v = grown;
		*cap = bigger;
	}
	l->v[l->n++] = v;
}

struct imap_list imap_take_astrings(struct imap_parse *p)
{
	struct imap_list l = { 0 };
	uint32_t cap = 0;

	imap_want(p, '(');
	do
		list_add(p, &l, &cap, IMAP_LIST_MAX, imap_take_astring(p));
	while (imap_try(p, ' '));
	imap_want(p, ')');
	return imap_ok(p) ? l : (struct imap_list){ 0 };
}

struct imap_list imap_take_id(struct imap_parse *p)
{
	struct imap_list l = { 0 };
	uint32_t cap = 0;

	if (imap_try_word(p, VIEW("NIL")))
		return l;
	imap_want(p, '(');
	if (imap_try(p, ')'))
		return l;
	do {
		list_add(p, &l, &cap, 2 * ID_PAIRS_MAX, imap_take_string(p));
		imap_space(p);
		list_add(p, &l, &cap, 2 * ID_PAIRS_MAX, imap_take_nstring(p));
	} while (imap_try(p, ' '));
	imap_want(p, ')');
	return imap_ok(p) ? l : (struct imap_list){ 0 };
}

/* ---- writing ---- */

/* 7-bit, or what RFC 9051 allows in quoted: no CTL but what a client can read. */
static bool can_quote(struct view v)
{
	if (v.n > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < ' ' || (unsigned char)v.p[i] >= 127)
			return false;
	return true;
}

static void put_quoted(struct buf *b, struct view v)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_putc(b, '\\');
		buf_putc(b, v.p[i]);
	}
	buf_putc(b, '"');
}

void imap_put_string(struct buf *b, struct view v)
{
	if (can_quote(v)) {
		put_quoted(b, v);
		return;
	}
	buf_putc(b, '{');
	buf_putu(b, v.n);
	buf_puts(b, "}\r\n");
	buf_put(b, v);
}

static bool is_plain_name(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!is_astring(v.p[i]))
			return false;
	return v.n && !view_eq_i(v, VIEW("NIL"));
}

void imap_put_mailbox(struct buf *b, struct view name, bool utf8)
{
	struct buf seven = BUF(8 * name.n + 8);

	if (utf8) {
		if (is_plain_name(name))
			buf_put(b, name);
		else
			put_quoted(b, name);
		return;
	}
	imap_utf7_encode(name, &seven);
	if (is_plain_name(buf_view(&seven)))
		buf_put(b, buf_view(&seven));
	else
		imap_put_string(b, buf_view(&seven));
	if (buf_status(&seven) != ST_OK)
		b->st = b->st ? b->st : buf_status(&seven);
	buf_free(&seven);
}
