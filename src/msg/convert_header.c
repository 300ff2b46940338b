/* convert_header.c - header sections for hosts that take ASCII only. */
#include "msg/convert.h"

#include "msg/address.h"
#include "msg/charset.h"
#include "msg/content.h"
#include "msg/encode.h"
#include "msg/header.h"
#include "msg/lex.h"
#include "msg/word.h"

#include <string.h>

/* RFC 5322 2.1.1; where we fold; of one RFC 2231 section. */
enum { LINE_LONGEST = 998, FOLD_AT = 900, SECTION_MAX = 60, TEXT_MAX = 1 << 20 };

enum kind { TEXT, ADDRESSES, PARAMETERS, CLOSED };

/* How a field can be written in ASCII.  All others are text (RFC 6532 3.6
 * lets any field have UTF-8; those that are closed have nowhere to put it). */
static const struct {
	struct view name;
	enum kind kind;
} kinds[] = {
	{ { "from", 4 }, ADDRESSES },		{ { "sender", 6 }, ADDRESSES },
	{ { "reply-to", 8 }, ADDRESSES },	{ { "to", 2 }, ADDRESSES },
	{ { "cc", 2 }, ADDRESSES },		{ { "bcc", 3 }, ADDRESSES },
	{ { "resent-from", 11 }, ADDRESSES },	{ { "resent-sender", 13 }, ADDRESSES },
	{ { "resent-to", 9 }, ADDRESSES },	{ { "resent-cc", 9 }, ADDRESSES },
	{ { "resent-bcc", 10 }, ADDRESSES },	{ { "resent-reply-to", 15 }, ADDRESSES },
	{ { "return-receipt-to", 17 }, ADDRESSES },
	{ { "disposition-notification-to", 27 }, ADDRESSES },
	{ { "content-type", 12 }, PARAMETERS },	{ { "content-disposition", 19 }, PARAMETERS },
	{ { "message-id", 10 }, CLOSED },	{ { "in-reply-to", 11 }, CLOSED },
	{ { "references", 10 }, CLOSED },	{ { "content-id", 10 }, CLOSED },
	{ { "return-path", 11 }, CLOSED },	{ { "dkim-signature", 14 }, CLOSED },
	{ { "content-transfer-encoding", 25 }, CLOSED },
	{ { "mime-version", 12 }, CLOSED },	{ { "date", 4 }, CLOSED },
	{ { "received", 8 }, CLOSED },		{ { "delivered-to", 12 }, CLOSED },
};

static enum kind kind_of(struct view name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (view_eq_i(name, kinds[i].name))
			return kinds[i].kind;
	return TEXT;
}

/* ---- text and phrases ---- */

/* What it says, as encoded words where it must be. */
static void put_words(struct view text, size_t column, struct buf *out)
{
	struct buf plain = BUF(TEXT_MAX);

	words_decode(text, &plain);
	encode_words(lex_trim(buf_view(&plain)), column, out);
	if (buf_status(&plain) != ST_OK && buf_status(out) == ST_OK)
		out->st = buf_status(&plain);
	buf_free(&plain);
}

static void put_quoted(struct view v, struct buf *out)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '"' || c == '\\')
			buf_putc(out, '\\');
		buf_putc(out, (unsigned char)c < ' ' || c == 0x7f ? ' ' : c);
	}
	buf_putc(out, '"');
}

/* A display name: as a quoted string, or where it says more as words. */
static void put_phrase(struct view phrase, struct buf *out)
{
	if (phrase.n == 0 || (view_is_ascii(phrase) && memmem(phrase.p, phrase.n, "=?", 2) == NULL))
		put_quoted(phrase, out);
	else
		put_words(phrase, ENCODED_LINE, out);
}

static void put_mailbox(const struct address *x, struct view phrase, struct buf *out)
{
	if (phrase.n) {
		put_phrase(phrase, out);
		buf_puts(out, "\r\n <");
	}
	address_put(x, out);
	if (phrase.n)
		buf_putc(out, '>');
}

/* Each on a line of its own.  ST_DENIED where an address itself is not ASCII,
 * or is none. */
static enum status put_addresses(struct view value, struct buf *out)
{
	struct address_reader r = address_reader(value);
	struct buf phrase = BUF(TEXT_MAX);
	enum status st = ST_OK;
	struct address x;
	bool first = true;

	while (st == ST_OK && address_next(&r, &x)) {
		buf_clear(&phrase);
		address_put_name(&x, &phrase);
		if (x.kind == ADDRESS_GROUP_END) {
			buf_putc(out, ';');
			continue;
		}
		buf_puts(out, first ? "" : ",\r\n ");
		first = x.kind == ADDRESS_GROUP;
		if (x.kind == ADDRESS_GROUP) {
			put_phrase(buf_view(&phrase), out);
			buf_puts(out, ":");
		} else if (!view_is_ascii(x.local) || !view_is_ascii(x.domain) || x.domain.n == 0) {
			st = ST_DENIED;
		} else {
			put_mailbox(&x, buf_view(&phrase), out);
		}
	}
	if (st == ST_OK)
		st = buf_status(&phrase);
	buf_free(&phrase);
	return st;
}

/* ---- parameters (RFC 2231 3, 4) ---- */

static bool is_attribute_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || (c && strchr("!#$&+-.^_`{|}~", c));
}

/* In sections, each on a line. */
static void put_extended(struct view name, struct view charset, struct view octets, struct buf *out)
{
	unsigned section = 0;

	for (size_t i = 0; i < octets.n || section == 0;) {
		size_t used = 0;

		buf_putf(out, ";\r\n %.*s*%u*=", VIEW_ARG(name), section);
		if (section++ == 0)
			buf_putf(out, "%.*s''", VIEW_ARG(charset));
		for (; i < octets.n && used < SECTION_MAX; i++) {
			char c = octets.p[i];

			if (is_attribute_char(c))
				buf_putc(out, c);
			else
				buf_putf(out, "%%%02X", (unsigned)(unsigned char)c);
			used += is_attribute_char(c) ? 1 : 3;
		}
		if (octets.n == 0)
			break;
	}
}

static enum status put_param(const struct param *p, struct buf *out)
{
	struct buf octets = BUF(TEXT_MAX), text = BUF(TEXT_MAX);
	enum status st;

	param_octets(p, &octets);
	if (!view_is_ascii(p->name) || !view_is_ascii(p->charset))
		st = ST_DENIED;
	else if (view_eq_i(p->name, VIEW("boundary")) && !view_is_ascii(buf_view(&octets)))
		st = ST_DENIED;
	else
		st = buf_status(&octets);
	if (st == ST_OK && p->extended) {
		put_extended(p->name, p->charset, buf_view(&octets), out);
	} else if (st == ST_OK && (!view_is_ascii(buf_view(&octets)) || octets.n > SECTION_MAX * 4)) {
		charset_text(VIEW_NONE, buf_view(&octets), &text);
		put_extended(p->name, VIEW("utf-8"), buf_view(&text), out);
		st = buf_status(&text);
	} else if (st == ST_OK) {
		buf_putf(out, ";\r\n %.*s=", VIEW_ARG(p->name));
		put_quoted(buf_view(&octets), out);
	}
	buf_free(&octets);
	buf_free(&text);
	return st;
}

static enum status put_parameters(struct view value, struct arena *a, struct buf *out)
{
	struct content c = { 0 };
	enum status st = content_parse(value, a, &c);

	if (st != ST_OK)
		return st;
	if (c.type.n == 0 || !view_is_ascii(c.type) || !view_is_ascii(c.subtype) || c.type.n + c.subtype.n > SECTION_MAX)
		return ST_DENIED;
	buf_put(out, c.type);
	if (c.subtype.n) {
		buf_putc(out, '/');
		buf_put(out, c.subtype);
	}
	for (uint32_t i = 0; i < c.n && st == ST_OK; i++)
		st = put_param(&c.params[i], out);
	return st;
}

/* ---- fields ---- */

/* The lines of a field once more, ended by CRLF, without NUL and CR; longer
 * ones are folded at a blank.  A line of blanks alone would end the header for
 * some, and goes.  ST_DENIED: there is no blank. */
static enum status put_lines(struct view field, struct buf *out)
{
	while (field.n) {
		size_t lf = view_find(field, '\n');
		struct view line = view_head(field, lf);

		field = view_skip(field, lf + 1);
		if (lex_trim(line).n == 0)
			continue;
		if (line.p[line.n - 1] == '\r')
			line.n--;
		while (line.n > LINE_LONGEST) {
			size_t n = FOLD_AT;

			while (n && line.p[n] != ' ' && line.p[n] != '\t')
				n--;
			if (lex_trim(view_head(line, n)).n == 0)
				return ST_DENIED;
			buf_put(out, view_head(line, n));
			buf_puts(out, "\r\n");
			line = view_skip(line, n);
		}
		buf_put(out, line);
		buf_puts(out, "\r\n");
	}
	return ST_OK;
}

/* NUL, and CR that ends no line. */
static bool is_stray(struct view field, size_t at)
{
	return field.p[at] == '\0' || (field.p[at] == '\r' && (at + 1 == field.n || field.p[at + 1] != '\n'));
}

static bool has_stray(struct view field)
{
	for (size_t i = 0; i < field.n; i++)
		if (is_stray(field, i))
			return true;
	return false;
}

/* With blanks for what is stray. */
static enum status put_cleaned(struct view field, struct arena *a, struct buf *out)
{
	char *copy = arena_alloc(a, field.n + 1);

	if (copy == NULL)
		return arena_status(a);
	for (size_t i = 0; i < field.n; i++)
		copy[i] = is_stray(field, i) ? ' ' : field.p[i];
	return put_lines(view_make(copy, field.n), out);
}

static enum status put_ascii(const struct field *f, struct arena *a, struct buf *out)
{
	enum status st = ST_OK;

	if (f->name.n == 0 || !view_is_ascii(f->name))
		return ST_DENIED;
	buf_put(out, f->name);
	buf_puts(out, ": ");
	switch (kind_of(f->name)) {
	case TEXT:
		put_words(f->value, f->name.n + 2, out);
		break;
	case ADDRESSES:
		st = put_addresses(f->value, out);
		break;
	case PARAMETERS:
		st = put_parameters(f->value, a, out);
		break;
	case CLOSED:
		st = ST_DENIED;
		break;
	}
	buf_puts(out, "\r\n");
	return st;
}

static enum status put_field(struct view header, const struct field *f, struct convert_form takes,
			     struct arena *a, struct buf *out)
{
	struct view whole = view_make(header.p + f->start, f->end - f->start);
	struct convert_form has = convert_scan(whole, true);
	struct buf fresh = BUF(out->max);
	enum status st = ST_OK;

	/* A last line without its line end gets one. */
	has.binary |= whole.n && whole.p[whole.n - 1] != '\n';
	if (!convert_lacks(takes, has)) {
		buf_put(out, whole);
	} else if ((f->name.n == 0 || kind_of(f->name) != TEXT) && has_stray(whole)) {
		st = ST_DENIED;		/* a blank could make something else of it */
	} else if (has.utf8 && !takes.utf8) {
		st = put_ascii(f, a, &fresh);
		if (st == ST_OK)
			st = buf_status(&fresh);
		if (st == ST_OK)
			st = put_lines(buf_view(&fresh), out);
	} else {
		st = put_cleaned(whole, a, out);
	}
	buf_free(&fresh);
	return st;
}

enum status convert_header(struct view header, struct convert_form takes, struct view encoding,
			   struct arena *a, struct buf *out)
{
	size_t at = 0, end = 0;
	enum status st = ST_OK;
	bool said = encoding.n == 0;
	struct field f;

	while (st == ST_OK && field_next(header, &at, &f)) {
		end = f.end;
		if (encoding.n && view_eq_i(f.name, VIEW("Content-Transfer-Encoding"))) {
			if (!said)
				buf_putf(out, "Content-Transfer-Encoding: %.*s\r\n", VIEW_ARG(encoding));
			said = true;
			continue;
		}
		st = put_field(header, &f, takes, a, out);
	}
	if (st == ST_OK && !said)
		buf_putf(out, "Content-Transfer-Encoding: %.*s\r\n", VIEW_ARG(encoding));
	/* The empty line, where there was one; a body must have it. */
	if (st == ST_OK && end < header.n)
		buf_puts(out, takes.binary ? header.p[end] == '\n' ? "\n" : "\r\n" : "\r\n");
	return st;
}
