#include "msg/encode.h"

/* "=?utf-8?q?" and "?="; of a word's text, and of octets for one in base64. */
enum { WORD_MARKS = 12, WORD_TEXT = 74 - WORD_MARKS, WORD_LEAST = 16 };

static const char digits[] = "0123456789ABCDEF";

/* ---- quoted-printable (RFC 2045 6.7) ---- */

struct qp {
	struct buf *out;
	size_t column;
};

static void qp_piece(struct qp *q, struct view piece, bool last)
{
	/* The "=" of a soft line break needs a place, too. */
	if (q->column + piece.n > (last ? ENCODED_LINE : ENCODED_LINE - 1)) {
		buf_puts(q->out, "=\r\n");
		q->column = 0;
	}
	buf_put(q->out, piece);
	q->column += piece.n;
}

static bool is_crlf(struct view v, size_t at)
{
	return at + 1 < v.n && v.p[at] == '\r' && v.p[at + 1] == '\n';
}

static bool qp_plain(const struct qp *q, struct view v, size_t at, bool last)
{
	char c = v.p[at];

	if (c == ' ' || c == '\t')
		return !last;
	/* A delimiter begins with "--", mbox's separator with "From ": neither may
	 * begin a line that we made. */
	if (q->column == 0 || q->column >= ENCODED_LINE - 2)
		if (view_starts_i(view_skip(v, at), VIEW("--")) || view_starts_i(view_skip(v, at), VIEW("From ")))
			return false;
	return c > ' ' && c < 0x7f && c != '=';
}

void encode_qp(struct view v, struct buf *out)
{
	struct qp q = { out, 0 };

	for (size_t i = 0; i < v.n; i++) {
		bool last = i + 1 == v.n || is_crlf(v, i + 1);
		unsigned char c = (unsigned char)v.p[i];

		if (is_crlf(v, i)) {
			buf_puts(out, "\r\n");
			q.column = 0;
			i++;
		} else if (qp_plain(&q, v, i, last)) {
			qp_piece(&q, view_make(v.p + i, 1), last);
		} else {
			char escape[3] = { '=', digits[c >> 4], digits[c & 15] };

			qp_piece(&q, view_make(escape, 3), last);
		}
	}
}

bool encode_suits_qp(struct view v)
{
	size_t escapes = 0;

	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		escapes += (c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f || (c & 0x80);
	}
	/* Two more for each, against a third of all: a little longer is still better
	 * for who reads the raw text. */
	return escapes * 3 <= v.n;
}

/* ---- base64 (RFC 4648 4) ---- */

static void quantum(const unsigned char *p, size_t n, char to[4])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0u);

	to[0] = letters[bits >> 18];
	to[1] = letters[bits >> 12 & 63];
	to[2] = n > 1 ? letters[bits >> 6 & 63] : '=';
	to[3] = n > 2 ? letters[bits & 63] : '=';
}

static void base64_run(struct view v, struct buf *out)
{
	char *to;

	if (buf_reserve(out, (v.n + 2) / 3 * 4, &to) != ST_OK)
		return;
	for (size_t i = 0; i < v.n; i += 3, to += 4, out->n += 4)
		quantum((const unsigned char *)v.p + i, v.n - i < 3 ? v.n - i : 3, to);
}

void encode_base64(struct view v, struct buf *out)
{
	while (v.n) {
		struct view line = view_head(v, ENCODED_LINE / 4 * 3);

		base64_run(line, out);
		v = view_skip(v, line.n);
		if (v.n)
			buf_puts(out, "\r\n");
	}
}

/* ---- encoded words (RFC 2047 2, 4, 5) ---- */

/* What may stand as it is in a word within a phrase too (RFC 2047 5 (3)). */
static bool is_word_plain(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

static size_t character(struct view v, size_t at)
{
	size_t n = 1;

	while (at + n < v.n && ((unsigned char)v.p[at + n] & 0xc0) == 0x80 && n < 4)
		n++;
	return n;
}

static size_t q_size(struct view v)
{
	size_t n = 0;

	for (size_t i = 0; i < v.n; i++)
		n += is_word_plain(v.p[i]) || v.p[i] == ' ' ? 1 : 3;
	return n;
}

static void put_q(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c == ' ')
			buf_putc(out, '_');
		else if (is_word_plain(v.p[i]))
			buf_putc(out, v.p[i]);
		else
			buf_put(out, view_make((char[]){ '=', digits[c >> 4], digits[c & 15] }, 3));
	}
}

/* As many whole characters as one word holds. */
static size_t word_takes(struct view v, bool q, size_t room)
{
	size_t n = 0, used = 0;

	if (!q)
		room = room / 4 * 3;
	while (n < v.n) {
		size_t more = character(v, n);
		size_t size = q ? q_size(view_make(v.p + n, more)) : more;

		if (used + size > room)
			break;
		used += size;
		n += more;
	}
	return n;
}

void encode_words(struct view v, size_t column, struct buf *out)
{
	bool q = encode_suits_qp(v);

	if (column > WORD_TEXT - WORD_LEAST) {
		buf_puts(out, "\r\n ");
		column = 0;
	}
	for (; v.n; column = 0) {
		struct view part = view_head(v, word_takes(v, q, WORD_TEXT - column));

		buf_puts(out, q ? "=?utf-8?q?" : "=?utf-8?b?");
		if (q)
			put_q(part, out);
		else
			base64_run(part, out);
		buf_puts(out, "?=");
		v = view_skip(v, part.n);
		if (v.n)
			buf_puts(out, "\r\n ");
	}
}
