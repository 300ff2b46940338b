#include "wire/imap_url.h"

#include "base/cursor.h"
#include "wire/imap.h"

struct reading {
	struct cursor c;
	struct arena *arena;
	struct view text;
	enum status st;		/* of memory */
};

/* ---- letters of the grammar (RFC 5092 11) ---- */

static bool is_hex(char c)
{
	c = ascii_lower(c);
	return ascii_digit(c) || (c >= 'a' && c <= 'f');
}

/* achar, "%" of a pair among them. */
static bool is_achar(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || (c && strchr("-._~!$'()*+,&=%", c));
}

static bool is_bchar(char c)
{
	return is_achar(c) || c == ':' || c == '@' || c == '/';
}

static bool is_host(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '.' || c == '_';
}

static bool is_literal(char c)
{
	return is_hex(c) || c == ':' || c == '.';
}

static bool is_mechanism(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '.';
}

static bool is_time(char c)
{
	return ascii_digit(c) || (c && strchr("-+:.TZtz", c));
}

/* ---- pieces ---- */

static void fail(struct reading *r)
{
	r->c.failed = true;
}

static struct view some(struct reading *r, bool (*is)(char))
{
	struct view v = take_while(&r->c, is);

	if (v.n == 0)
		fail(r);
	return v;
}

/* Is that what comes (letters fold)?  Then it is taken. */
static bool try_word(struct reading *r, struct view word)
{
	if (!view_starts_i(view_make(r->c.p, cursor_left(&r->c)), word))
		return false;
	r->c.p += word.n;
	return true;
}

static unsigned digit_of(char c)
{
	return ascii_digit(c) ? (unsigned)(c - '0') : (unsigned)(ascii_lower(c) - 'a') + 10;
}

/* Percent-encoding off: UTF-8 without control characters, or it fails. */
static struct view decoded(struct reading *r, struct view v)
{
	char *out = arena_alloc(r->arena, v.n + 1);
	size_t n = 0;

	if (out == NULL) {
		r->st = ST_NOMEM;
		fail(r);
		return VIEW_NONE;
	}
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '%') {
			if (v.n - i < 3 || !is_hex(v.p[i + 1]) || !is_hex(v.p[i + 2])) {
				fail(r);
				return VIEW_NONE;
			}
			c = (char)(digit_of(v.p[i + 1]) << 4 | digit_of(v.p[i + 2]));
			i += 2;
		}
		if ((unsigned char)c < ' ' || c == 0x7f)
			fail(r);
		out[n++] = c;
	}
	if (!imap_is_utf8(view_make(out, n)))
		fail(r);
	return view_make(out, n);
}

static uint64_t number(struct reading *r, uint64_t least, uint64_t most)
{
	struct view v = some(r, ascii_digit);
	uint64_t x = 0;

	if (!cursor_ok(&r->c) || !view_u64(v, &x) || x < least || x > most)
		fail(r);
	return x;
}

/* ---- iserver ---- */

/* [enc-user] [";AUTH=" what] "@", where there is an "@" before the path. */
static void take_user(struct reading *r, struct imap_url *u)
{
	struct view left = view_make(r->c.p, cursor_left(&r->c));

	left = view_head(left, view_find(left, '/'));
	if (view_find(left, '@') == left.n)
		return;
	u->user = decoded(r, take_while(&r->c, is_achar));
	if (try_word(r, VIEW(";AUTH=")))
		u->auth = some(r, is_achar);
	if ((u->user.n == 0 && u->auth.n == 0) || !take_char(&r->c, '@'))
		fail(r);
}

static void take_server(struct reading *r, struct imap_url *u)
{
	const char *from;

	u->absolute = true;
	take_user(r, u);
	from = r->c.p;
	if (take_char(&r->c, '[')) {
		(void)some(r, is_literal);
		if (!take_char(&r->c, ']'))
			fail(r);
	} else {
		(void)some(r, is_host);
	}
	u->host = view_make(from, (size_t)(r->c.p - from));
	if (take_char(&r->c, ':'))
		u->port = (uint16_t)number(r, 1, 65535);
}

/* ---- the path ---- */

/* Up to the next ";" all belongs to the mailbox, but for the "/" before it. */
static void take_mailbox(struct reading *r, struct imap_url *u)
{
	struct view v = take_while(&r->c, is_bchar);

	if (peek_char(&r->c) == ';' && v.n && v.p[v.n - 1] == '/') {
		v.n--;
		r->c.p--;
	}
	u->mailbox = decoded(r, v);
	if (try_word(r, VIEW(";UIDVALIDITY=")))
		u->uidvalidity = (uint32_t)number(r, 1, UINT32_MAX);
}

static void take_part(struct reading *r, struct imap_url *u)
{
	if (try_word(r, VIEW("/;SECTION="))) {
		struct view v = some(r, is_bchar);

		/* As with the mailbox: the "/" is that of ";PARTIAL=". */
		if (peek_char(&r->c) == ';' && v.n && v.p[v.n - 1] == '/') {
			v.n--;
			r->c.p--;
		}
		u->section = decoded(r, v);
		if (u->section.n == 0)
			fail(r);
	}
	if (try_word(r, VIEW("/;PARTIAL="))) {
		u->partial = true;
		u->from = number(r, 0, INT64_MAX);
		if (take_char(&r->c, '.'))
			u->length = number(r, 1, INT64_MAX);
	}
}

/* ---- URLAUTH (RFC 4467 9) ---- */

static void take_access(struct reading *r, struct imap_url *u)
{
	static const struct {
		struct view word;
		enum imap_url_access access;
	} accesses[] = {
		{ { "submit+", 7 }, IMAP_URL_SUBMIT }, { { "user+", 5 }, IMAP_URL_USER },
		{ { "authuser", 8 }, IMAP_URL_AUTHUSER }, { { "anonymous", 9 }, IMAP_URL_ANONYMOUS },
	};

	for (size_t i = 0; i < sizeof accesses / sizeof *accesses && !u->access; i++)
		if (try_word(r, accesses[i].word))
			u->access = accesses[i].access;
	if (u->access == IMAP_URL_SUBMIT || u->access == IMAP_URL_USER)
		u->access_user = decoded(r, some(r, is_achar));
	if (u->access == IMAP_URL_NO_ACCESS)
		fail(r);
	u->rump = view_make(r->text.p, (size_t)(r->c.p - r->text.p));
}

static void take_token(struct reading *r, struct imap_url *u)
{
	if (!take_char(&r->c, ':'))
		return;
	u->mechanism = some(r, is_mechanism);
	if (!take_char(&r->c, ':'))
		fail(r);
	u->token = take_while(&r->c, is_hex);
	if (u->token.n < IMAP_URL_TOKEN_LEAST || u->token.n > IMAP_URL_TOKEN_MOST)
		fail(r);
}

static void take_urlauth(struct reading *r, struct imap_url *u)
{
	if (try_word(r, VIEW(";EXPIRE="))) {
		if (clock_parse_rfc3339(some(r, is_time), &u->expire) != ST_OK || u->expire <= 0)
			fail(r);
		if (peek_char(&r->c) != ';')
			fail(r);
	}
	if (!try_word(r, VIEW(";URLAUTH=")))
		return;
	take_access(r, u);
	take_token(r, u);
}

/* ---- all of it ---- */

static void take_letter(struct reading *r, struct imap_url *u)
{
	if (!try_word(r, VIEW(";UID=")))
		return;
	u->uid = (uint32_t)number(r, 1, UINT32_MAX);
	take_part(r, u);
	take_urlauth(r, u);
}

static void take_path(struct reading *r, struct imap_url *u)
{
	if (!u->absolute && peek_char(&r->c) == ';') {
		take_letter(r, u);
		return;
	}
	if (cursor_end(&r->c) && u->absolute)
		return;
	/* "//" begins a server, which is for base URLs of other protocols. */
	if (!take_char(&r->c, '/') || (!u->absolute && peek_char(&r->c) == '/'))
		fail(r);
	if (cursor_end(&r->c))
		return;
	take_mailbox(r, u);
	if (u->mailbox.n == 0)
		fail(r);
	if (take_char(&r->c, '?')) {
		(void)some(r, is_bchar);
		u->search = true;
	} else if (take_char(&r->c, '/')) {
		take_letter(r, u);
	}
}

enum status imap_url_take(struct view text, struct arena *a, struct imap_url *ret)
{
	struct reading r = { cursor_over(text), a, text, ST_OK };
	struct imap_url u = { 0 };

	if (text.n == 0)
		return ST_SYNTAX;
	if (text.n > IMAP_URL_MAX)
		return ST_LIMIT;
	if (try_word(&r, VIEW("imap://")))
		take_server(&r, &u);
	take_path(&r, &u);
	if (r.st != ST_OK)
		return r.st;
	if (!cursor_end(&r.c))
		return ST_SYNTAX;
	*ret = u;
	return ST_OK;
}

void imap_url_put(struct buf *b, struct view v, bool mailbox)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (is_host(c) || (mailbox && c == '/'))
			buf_putc(b, c);
		else
			buf_putf(b, "%%%02X", (unsigned char)c);
	}
}
