#include "wire/smtp_reply.h"

#include "wire/smtp_values.h"

void smtp_reply_begin(struct smtp_reply *r)
{
	struct buf text = r->text;

	buf_clear(&text);
	text.max = REPLY_TEXT;
	*r = (struct smtp_reply){ .text = text };
}

void smtp_reply_free(struct smtp_reply *r)
{
	buf_free(&r->text);
}

static bool take_code(struct view line, uint16_t *ret)
{
	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !ascii_digit(line.p[1]) || !ascii_digit(line.p[2]))
		return false;
	*ret = (uint16_t)((line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0'));
	return true;
}

/* "5.1.1" (RFC 3463 2) of the same class as the code; 0 where there is none. */
static size_t status_size(struct view text, uint16_t code)
{
	size_t i = 1;

	if (text.n < 5 || text.p[0] != '0' + code / 100 || text.p[0] == '3')
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;

		if (i >= text.n || text.p[i++] != '.')
			return 0;
		while (i < text.n && ascii_digit(text.p[i]) && digits < 4)
			i++, digits++;
		if (digits == 0 || digits > 3)
			return 0;
	}
	return i == text.n || text.p[i] == ' ' ? i : 0;
}

/* Past the maximum the rest is left out: it is for people. */
static void put_printable(struct buf *b, struct view v)
{
	char *p;

	v = view_head(v, b->max - b->n);
	if (v.n == 0 || buf_reserve(b, v.n, &p) != ST_OK)
		return;
	for (size_t i = 0; i < v.n; i++)
		p[i] = v.p[i] >= 32 && v.p[i] < 127 ? v.p[i] : '?';
	b->n += v.n;
}

enum status smtp_reply_line(struct smtp_reply *r, struct view line)
{
	struct view text = view_skip(line, 4);
	uint16_t code;
	size_t n;

	if (line.n > REPLY_LINE || r->lines == REPLY_LINES)
		return ST_LIMIT;
	if (!take_code(line, &code) || (r->lines && code != r->code) ||
	    (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return ST_SYNTAX;
	r->code = code;
	if (r->lines++ == 0 && (n = status_size(text, code)) != 0 && n < sizeof r->status) {
		memcpy(r->status, text.p, n);
		r->status[n] = '\0';
	} else if (r->lines > 1) {
		struct view end = VIEW("\n");

		if (r->text.n < r->text.max)
			buf_put(&r->text, end);
	}
	put_printable(&r->text, text);
	if (buf_status(&r->text) != ST_OK)
		return buf_status(&r->text);
	return line.n > 3 && line.p[3] == '-' ? ST_AGAIN : ST_OK;
}

/* ---- EHLO ---- */

/* AUTH's mechanisms; those that nobody here speaks are passed over. */
static void take_mechanisms(struct smtp_offer *o, struct view rest)
{
	static const struct {
		const char *word;
		unsigned bit;
	} words[] = { { "PLAIN", EXT_PLAIN }, { "LOGIN", EXT_LOGIN }, { "CRAM-MD5", EXT_CRAM_MD5 } };

	while (rest.n) {
		struct view word = view_head(rest, view_find(rest, ' '));

		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (view_eq_i(word, view_cstr(words[i].word)))
				o->set |= words[i].bit;
		rest = view_skip(rest, word.n + 1);
	}
}

void smtp_offer_line(struct smtp_offer *o, struct view line)
{
	static const struct {
		const char *word;
		unsigned bit;
	} words[] = { { "PIPELINING", EXT_PIPELINING }, { "8BITMIME", EXT_8BITMIME },
		      { "CHUNKING", EXT_CHUNKING },	{ "BINARYMIME", EXT_BINARYMIME },
		      { "SIZE", EXT_SIZE },		{ "STARTTLS", EXT_STARTTLS },
		      { "SMTPUTF8", EXT_SMTPUTF8 },	{ "DSN", EXT_DSN },
		      { "REQUIRETLS", EXT_REQUIRETLS },	{ "DELIVERBY", EXT_DELIVERBY },
		      { "MT-PRIORITY", EXT_MT_PRIORITY } };
	struct view word = view_head(line, view_find(line, ' ')), rest = view_trim(view_skip(line, word.n));
	uint64_t size;
	uint32_t least;

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (view_eq_i(word, view_cstr(words[i].word)))
			o->set |= words[i].bit;
	if (view_eq_i(word, VIEW("SIZE")) && view_u64(rest, &size))
		o->size = size;
	if (view_eq_i(word, VIEW("DELIVERBY")) && smtp_take_hold_for(rest, &least) == ST_OK)
		o->least_by = least;
	/* "AUTH=PLAIN LOGIN" is what some old servers say. */
	if (view_starts_i(line, VIEW("AUTH=")))
		take_mechanisms(o, view_skip(line, 5));
	else if (view_eq_i(word, VIEW("AUTH")))
		take_mechanisms(o, rest);
}

struct smtp_offer smtp_offer_of(struct view text)
{
	struct smtp_offer o = { 0 };
	size_t first = view_find(text, '\n');

	text = view_skip(text, first + 1);
	while (text.n) {
		struct view line = view_head(text, view_find(text, '\n'));

		smtp_offer_line(&o, line);
		text = view_skip(text, line.n + 1);
	}
	return o;
}
