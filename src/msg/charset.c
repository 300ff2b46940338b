#include "msg/charset.h"

#include <errno.h>
#include <iconv.h>

const char *const CHARSET_FOLDERS[] = {
	"/usr/lib/x86_64-linux-gnu/gconv", "/usr/lib/aarch64-linux-gnu/gconv", "/usr/lib64/gconv", NULL,
};

enum { PIECE = 4096, CHARACTER = 16 };

static const struct view REPLACEMENT = { "\xef\xbf\xbd", 3 };

/* Names as mail writes them, and as iconv knows them (NULL: built in). */
static const struct {
	const char *name;
	enum charset_kind kind;
	const char *iconv;
} charsets[] = {
	{ "utf-8", CHARSET_UTF8, NULL }, { "utf8", CHARSET_UTF8, NULL },
	{ "unicode-1-1-utf-8", CHARSET_UTF8, NULL },
	{ "us-ascii", CHARSET_GUESS, NULL }, { "ascii", CHARSET_GUESS, NULL },
	{ "ansi_x3.4-1968", CHARSET_GUESS, NULL }, { "iso646-us", CHARSET_GUESS, NULL },
	{ "iso-8859-1", CHARSET_1252, NULL }, { "iso8859-1", CHARSET_1252, NULL },
	{ "iso_8859-1", CHARSET_1252, NULL }, { "latin1", CHARSET_1252, NULL },
	{ "windows-1252", CHARSET_1252, NULL }, { "cp1252", CHARSET_1252, NULL },
	{ "iso-8859-15", CHARSET_8859_15, NULL }, { "iso8859-15", CHARSET_8859_15, NULL },
	{ "latin-9", CHARSET_8859_15, NULL },
	{ "iso-8859-2", CHARSET_ICONV, "ISO-8859-2" }, { "iso-8859-3", CHARSET_ICONV, "ISO-8859-3" },
	{ "iso-8859-4", CHARSET_ICONV, "ISO-8859-4" }, { "iso-8859-5", CHARSET_ICONV, "ISO-8859-5" },
	{ "iso-8859-6", CHARSET_ICONV, "ISO-8859-6" }, { "iso-8859-6-i", CHARSET_ICONV, "ISO-8859-6" },
	{ "iso-8859-7", CHARSET_ICONV, "ISO-8859-7" }, { "iso-8859-8", CHARSET_ICONV, "ISO-8859-8" },
	{ "iso-8859-8-i", CHARSET_ICONV, "ISO-8859-8" }, { "iso-8859-9", CHARSET_ICONV, "ISO-8859-9" },
	{ "iso-8859-10", CHARSET_ICONV, "ISO-8859-10" }, { "iso-8859-11", CHARSET_ICONV, "ISO-8859-11" },
	{ "iso-8859-13", CHARSET_ICONV, "ISO-8859-13" }, { "iso-8859-14", CHARSET_ICONV, "ISO-8859-14" },
	{ "iso-8859-16", CHARSET_ICONV, "ISO-8859-16" },
	{ "windows-1250", CHARSET_ICONV, "CP1250" }, { "windows-1251", CHARSET_ICONV, "CP1251" },
	{ "windows-1253", CHARSET_ICONV, "CP1253" }, { "windows-1254", CHARSET_ICONV, "CP1254" },
	{ "windows-1255", CHARSET_ICONV, "CP1255" }, { "windows-1256", CHARSET_ICONV, "CP1256" },
	{ "windows-1257", CHARSET_ICONV, "CP1257" }, { "windows-1258", CHARSET_ICONV, "CP1258" },
	{ "cp1250", CHARSET_ICONV, "CP1250" }, { "cp1251", CHARSET_ICONV, "CP1251" },
	{ "windows-874", CHARSET_ICONV, "CP874" }, { "tis-620", CHARSET_ICONV, "TIS-620" },
	{ "cp437", CHARSET_ICONV, "CP437" }, { "ibm437", CHARSET_ICONV, "CP437" },
	{ "cp850", CHARSET_ICONV, "CP850" }, { "ibm850", CHARSET_ICONV, "CP850" },
	{ "cp866", CHARSET_ICONV, "CP866" }, { "ibm866", CHARSET_ICONV, "CP866" },
	{ "koi8-r", CHARSET_ICONV, "KOI8-R" }, { "koi8-u", CHARSET_ICONV, "KOI8-U" },
	{ "macintosh", CHARSET_ICONV, "MACINTOSH" },
	{ "gb2312", CHARSET_ICONV, "GB18030" }, { "gbk", CHARSET_ICONV, "GB18030" },
	{ "cp936", CHARSET_ICONV, "GB18030" }, { "gb18030", CHARSET_ICONV, "GB18030" },
	{ "hz-gb-2312", CHARSET_ICONV, "HZ" },
	{ "big5", CHARSET_ICONV, "BIG5-HKSCS" }, { "big5-hkscs", CHARSET_ICONV, "BIG5-HKSCS" },
	{ "iso-2022-jp", CHARSET_ICONV, "ISO-2022-JP-2" }, { "euc-jp", CHARSET_ICONV, "EUC-JP" },
	{ "shift_jis", CHARSET_ICONV, "CP932" }, { "shift-jis", CHARSET_ICONV, "CP932" },
	{ "sjis", CHARSET_ICONV, "CP932" }, { "windows-31j", CHARSET_ICONV, "CP932" },
	{ "cp932", CHARSET_ICONV, "CP932" },
	{ "euc-kr", CHARSET_ICONV, "CP949" }, { "ks_c_5601-1987", CHARSET_ICONV, "CP949" },
	{ "cp949", CHARSET_ICONV, "CP949" }, { "iso-2022-kr", CHARSET_ICONV, "ISO-2022-KR" },
	{ "utf-7", CHARSET_ICONV, "UTF-7" }, { "unicode-1-1-utf-7", CHARSET_ICONV, "UTF-7" },
	{ "utf-16", CHARSET_ICONV, "UTF-16" }, { "utf-16le", CHARSET_ICONV, "UTF-16LE" },
	{ "utf-16be", CHARSET_ICONV, "UTF-16BE" }, { "utf-32", CHARSET_ICONV, "UTF-32" },
};

/* windows-1252 0x80 to 0x9f; 0: not assigned. */
static const uint16_t high_1252[32] = {
	0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039,
	0x0152, 0, 0x017d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc,
	0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
};

static const struct {
	uint8_t byte;
	uint16_t code;
} differs_8859_15[] = {
	{ 0xa4, 0x20ac }, { 0xa6, 0x0160 }, { 0xa8, 0x0161 }, { 0xb4, 0x017d },
	{ 0xb8, 0x017e }, { 0xbc, 0x0152 }, { 0xbd, 0x0153 }, { 0xbe, 0x0178 },
};

/* ---- UTF-8 ---- */

/* How long the character at v is; 0: not valid; -1: more bytes are needed. */
static int utf8_length(struct view v)
{
	uint8_t a = (uint8_t)v.p[0], b;
	int n = a < 0x80 ? 1 : a >= 0xc2 && a < 0xe0 ? 2 : a >= 0xe0 && a < 0xf0 ? 3 :
		a >= 0xf0 && a < 0xf5 ? 4 : 0;

	if (n < 2)
		return n;
	if (v.n < 2)
		return -1;
	b = (uint8_t)v.p[1];
	if ((b & 0xc0) != 0x80 || (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) ||
	    (a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f))
		return 0;
	for (int i = 2; i < n; i++) {
		if ((size_t)i >= v.n)
			return -1;
		if (((uint8_t)v.p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

size_t utf8_valid(struct view v)
{
	size_t i = 0;

	while (i < v.n) {
		int n;

		i += ascii_run(view_skip(v, i));
		if (i == v.n)
			break;
		n = utf8_length(view_skip(v, i));
		if (n <= 0)
			break;
		i += (size_t)n;
	}
	return i;
}

static void put_code(struct buf *out, uint32_t c)
{
	char s[3];

	if (c < 0x80) {
		buf_putc(out, (char)c);
	} else if (c < 0x800) {
		s[0] = (char)(0xc0 | c >> 6);
		s[1] = (char)(0x80 | (c & 0x3f));
		buf_put(out, view_make(s, 2));
	} else {
		s[0] = (char)(0xe0 | c >> 12);
		s[1] = (char)(0x80 | (c >> 6 & 0x3f));
		s[2] = (char)(0x80 | (c & 0x3f));
		buf_put(out, view_make(s, 3));
	}
}

/* ---- one byte, one character ---- */

static uint32_t code_of(enum charset_kind kind, uint8_t byte)
{
	if (kind == CHARSET_8859_15) {
		for (size_t i = 0; i < sizeof differs_8859_15 / sizeof *differs_8859_15; i++)
			if (differs_8859_15[i].byte == byte)
				return differs_8859_15[i].code;
		return byte;
	}
	if (byte >= 0x80 && byte < 0xa0)
		return high_1252[byte - 0x80] ? high_1252[byte - 0x80] : 0xfffd;
	return byte;
}

static void put_bytes(enum charset_kind kind, struct view v, struct buf *out)
{
	while (v.n) {
		size_t run = ascii_run(v);

		buf_put(out, view_head(v, run));
		v = view_skip(v, run);
		if (v.n == 0)
			break;
		put_code(out, code_of(kind, (uint8_t)v.p[0]));
		v = view_skip(v, 1);
	}
}

/* ---- the kinds ---- */

static void hold(struct charset *c, struct view rest)
{
	c->n_held = rest.n < sizeof c->held ? rest.n : sizeof c->held;
	memcpy(c->held, rest.p, c->n_held);
}

/* UTF-8; guess: what is not, is windows-1252.  Each bad byte for itself, so
 * that it does not matter how the text came in pieces. */
static void put_utf8(struct charset *c, struct view v, bool guess, struct buf *out)
{
	while (v.n) {
		size_t good = utf8_valid(v);

		buf_put(out, view_head(v, good));
		v = view_skip(v, good);
		if (v.n == 0)
			return;
		if (utf8_length(v) < 0) {
			hold(c, v);
			return;
		}
		if (guess)
			put_code(out, code_of(CHARSET_1252, (uint8_t)v.p[0]));
		else
			buf_put(out, REPLACEMENT);
		v = view_skip(v, 1);
	}
}

static void put_iconv(struct charset *c, struct view v, struct buf *out)
{
	char *in = (char *)(uintptr_t)v.p;	/* iconv does not write there */
	size_t left = v.n;

	while (left) {
		size_t space = out->max - out->n;
		size_t room = space < PIECE && space > CHARACTER ? space : PIECE, rc, had;
		char *to;

		if (buf_reserve(out, room, &to) != ST_OK)
			return;
		had = room;
		rc = iconv((iconv_t)c->iconv, &in, &left, &to, &room);
		out->n += had - room;
		if (rc != (size_t)-1 || errno == E2BIG)
			continue;
		if (errno == EINVAL && left < sizeof c->held) {
			hold(c, view_make(in, left));
			return;
		}
		buf_put(out, REPLACEMENT);
		in++;
		left--;
	}
}

/* Some converters keep a character back until they know that none combines
 * with it. */
static void end_iconv(struct charset *c, struct buf *out)
{
	size_t room = CHARACTER, had = room;
	char *to;

	if (buf_reserve(out, room, &to) != ST_OK)
		return;
	(void)iconv((iconv_t)c->iconv, NULL, NULL, &to, &room);
	out->n += had - room;
}

static void put_piece(struct charset *c, struct view v, struct buf *out)
{
	switch (c->kind) {
	case CHARSET_GUESS:
		put_utf8(c, v, true, out);
		break;
	case CHARSET_UTF8:
		put_utf8(c, v, false, out);
		break;
	case CHARSET_1252:
	case CHARSET_8859_15:
		put_bytes(c->kind, v, out);
		break;
	case CHARSET_ICONV:
		put_iconv(c, v, out);
		break;
	}
}

/* ---- the converter ---- */

static int find(struct view name)
{
	for (size_t i = 0; i < sizeof charsets / sizeof *charsets; i++)
		if (view_eq_i(name, view_cstr(charsets[i].name)))
			return (int)i;
	return -1;
}

void charset_open(struct charset *c, struct view name)
{
	/* "utf-8*de" is RFC 2231 5's language; quotes come from broken senders. */
	struct view bare = view_trim(view_head(name, view_find(name, '*')));
	int i;

	if (bare.n >= 2 && bare.p[0] == '\'' && bare.p[bare.n - 1] == '\'')
		bare = view_make(bare.p + 1, bare.n - 2);
	i = find(bare);
	*c = (struct charset){ .kind = i < 0 ? CHARSET_GUESS : charsets[i].kind };
	if (c->kind == CHARSET_ICONV) {
		iconv_t cd = iconv_open("UTF-8", charsets[i].iconv);

		c->unopened = cd == (iconv_t)-1;
		if (c->unopened)
			c->kind = CHARSET_GUESS;
		else
			c->iconv = cd;
	}
}

void charset_put(struct charset *c, struct view v, struct buf *out)
{
	/* Finish the character that the last piece began. */
	while (c->n_held && v.n) {
		char joined[sizeof c->held];
		size_t n = c->n_held;

		if (n == sizeof joined)
			n--;	/* longer than any character: cannot be */
		memcpy(joined, c->held, n);
		joined[n++] = v.p[0];
		v = view_skip(v, 1);
		c->n_held = 0;
		put_piece(c, view_make(joined, n), out);
	}
	if (v.n)
		put_piece(c, v, out);
}

void charset_end(struct charset *c, struct buf *out)
{
	if (c->kind == CHARSET_ICONV)
		end_iconv(c, out);
	if (c->n_held == 0)
		return;
	if (c->kind == CHARSET_GUESS)
		put_bytes(CHARSET_1252, view_make(c->held, c->n_held), out);
	else
		buf_put(out, REPLACEMENT);
	c->n_held = 0;
}

void charset_close(struct charset *c)
{
	if (c->iconv)
		iconv_close((iconv_t)c->iconv);
	c->iconv = NULL;
	c->n_held = 0;
}

void charset_text(struct view name, struct view bytes, struct buf *out)
{
	struct charset c;

	charset_open(&c, name);
	charset_put(&c, bytes, out);
	charset_end(&c, out);
	charset_close(&c);
}
