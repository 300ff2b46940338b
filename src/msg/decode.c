#include "msg/decode.h"

#include "msg/lex.h"

/* 0-63: a value; 64: '='; 65: blank; 66: does not belong there.  So B64_PAD
 * is the bit of what is no value. */
enum { B64_PAD = 64, B64_BLANK, B64_NO };

#define N B64_NO
#define S B64_BLANK
static const uint8_t base64_value[256] = {
	N, N, N, N, N, N, N, N, N, S, S, N, N, S, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N,
	S, N, N, N, N, N, N, N, N, N, N, 62, N, N, N, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, N, N, N, 64, N, N,
	N, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, N, N, N, N, N,
	N, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, N, N, N, N, N,
	N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N,
	N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N,
	N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N,
	N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N,
};
#undef N
#undef S

/* ---- base64 (RFC 4648 4) ---- */

/* As many whole quanta as stand together; how many characters. */
static size_t base64_quanta(struct view v, char *to, size_t *n)
{
	const uint8_t *p = (const uint8_t *)v.p;
	size_t i = 0;

	for (; i + 4 <= v.n; i += 4) {
		uint8_t a = base64_value[p[i]], b = base64_value[p[i + 1]], c = base64_value[p[i + 2]], e = base64_value[p[i + 3]];

		if ((a | b | c | e) & B64_PAD)
			break;
		to[(*n)++] = (char)(uint8_t)(a << 2 | b >> 4);
		to[(*n)++] = (char)(uint8_t)(b << 4 | c >> 2);
		to[(*n)++] = (char)(uint8_t)(c << 6 | e);
	}
	return i;
}

/* Padding ends a quantum, not the text: joined encodings are seen. */
static void base64_put(struct decoder *d, struct view v, struct buf *out)
{
	char *to;
	size_t n = 0;

	/* No more than can come of it: whoever sized `out` by the input has room. */
	if (buf_reserve(out, v.n / 4 * 3 + (v.n % 4 * 6 + (size_t)d->n_bits) / 8, &to) != ST_OK)
		return;
	for (size_t i = 0; i < v.n; i++) {
		uint8_t x;

		if (d->n_bits == 0)
			i += base64_quanta(view_skip(v, i), to, &n);
		if (i == v.n)
			break;
		x = base64_value[(uint8_t)v.p[i]];
		if (x >= B64_PAD) {
			d->damaged |= x == B64_NO;
			if (x == B64_PAD)
				d->bits = 0, d->n_bits = 0;
			continue;
		}
		d->bits = d->bits << 6 | x;
		d->n_bits += 6;
		if (d->n_bits >= 8) {
			d->n_bits -= 8;
			to[n++] = (char)(uint8_t)(d->bits >> d->n_bits);
		}
	}
	out->n += n;
}

/* ---- quoted-printable (RFC 2045 6.7) ---- */

/* What is held back: "=", "=4", "=\r", "= \t" or blanks at a line's end. */
static void qp_flush(struct decoder *d, struct buf *out)
{
	buf_put(out, view_make(d->held, d->n_held));
	d->n_held = 0;
}

static void qp_slow(struct decoder *d, struct view v, struct buf *out);

static void qp_escape(struct decoder *d, char c, struct buf *out)
{
	char first = d->n_held > 1 ? d->held[1] : '\0';

	if (c == '\n') {
		d->n_held = 0;	/* a soft line break, blanks behind it or not */
	} else if (d->n_held == 1 && ascii_hex(c) >= 0) {
		d->held[d->n_held++] = c;
	} else if (d->n_held == 2 && ascii_hex(first) >= 0 && ascii_hex(c) >= 0) {
		buf_putc(out, (char)(ascii_hex(first) << 4 | ascii_hex(c)));
		d->n_held = 0;
	} else if (lex_is_blank(c) && ascii_hex(first) < 0 && d->n_held < DECODE_LINE) {
		d->held[d->n_held++] = c;
	} else {
		/* No escape: as it stands (RFC 2045 6.7, note 1). */
		d->damaged = true;
		qp_flush(d, out);
		qp_slow(d, view_make(&c, 1), out);
	}
}

static void qp_blank(struct decoder *d, char c, struct buf *out)
{
	if (c == '\n') {
		/* Blanks before it were added on the way; its CR was not. */
		bool cr = d->held[d->n_held - 1] == '\r';

		d->n_held = 0;
		buf_put(out, cr ? VIEW("\r\n") : VIEW("\n"));
	} else if (lex_is_blank(c)) {
		if (d->n_held == DECODE_LINE)
			qp_flush(d, out);
		d->held[d->n_held++] = c;
	} else {
		qp_flush(d, out);
		qp_slow(d, view_make(&c, 1), out);
	}
}

static size_t qp_run(struct view v)
{
	size_t i = 0;

	while (i < v.n && v.p[i] != '=' && !lex_is_blank(v.p[i]))
		i++;
	return i;
}

/* One byte after another, what is not decided held back. */
static void qp_slow(struct decoder *d, struct view v, struct buf *out)
{
	while (v.n) {
		char c = v.p[0];

		if (d->n_held && d->held[0] == '=') {
			qp_escape(d, c, out);
		} else if (d->n_held) {
			qp_blank(d, c, out);
		} else if (c == '=' || c == ' ' || c == '\t' || c == '\r') {
			d->held[d->n_held++] = c;
		} else {
			size_t run = c == '\n' ? 1 : qp_run(v);

			buf_put(out, view_head(v, run));
			v = view_skip(v, run);
			continue;
		}
		v = view_skip(v, 1);
	}
}

/* A whole line, with its line end; `to` has room for all of it. */
static char *qp_line(struct decoder *d, struct view v, char *to)
{
	bool cr = v.n > 1 && v.p[v.n - 2] == '\r', soft = false;

	while (v.n && lex_is_blank(v.p[v.n - 1]))
		v.n--;
	while (v.n) {
		const char *escape = memchr(v.p, '=', v.n);
		size_t run = escape ? (size_t)(escape - v.p) : v.n;

		memcpy(to, v.p, run);
		to += run;
		v = view_skip(v, run);
		if (v.n > 2 && ascii_hex(v.p[1]) >= 0 && ascii_hex(v.p[2]) >= 0) {
			*to++ = (char)(ascii_hex(v.p[1]) << 4 | ascii_hex(v.p[2]));
			v = view_skip(v, 3);
		} else if (v.n == 1) {
			soft = true;
			break;
		} else if (v.n) {
			d->damaged = true;	/* as it stands (RFC 2045 6.7, note 1) */
			*to++ = '=';
			v = view_skip(v, 1);
		}
	}
	if (!soft && cr)
		*to++ = '\r';
	if (!soft)
		*to++ = '\n';
	return to;
}

static void qp_put(struct decoder *d, struct view v, struct buf *out)
{
	while (v.n) {
		size_t lf = view_find(v, '\n');
		struct view line = view_head(v, lf + 1);
		char *to;

		if (d->n_held || lf == v.n) {
			qp_slow(d, line, out);
		} else {
			if (buf_reserve(out, line.n, &to) != ST_OK)
				return;
			out->n += (size_t)(qp_line(d, line, to) - to);
		}
		v = view_skip(v, line.n);
	}
}

void decode_q(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '=' && i + 2 < v.n && ascii_hex(v.p[i + 1]) >= 0 && ascii_hex(v.p[i + 2]) >= 0) {
			buf_putc(out, (char)(ascii_hex(v.p[i + 1]) << 4 | ascii_hex(v.p[i + 2])));
			i += 2;
		} else {
			buf_putc(out, v.p[i] == '_' ? ' ' : v.p[i]);
		}
	}
}

/* ---- uuencode (POSIX) ---- */

static void uu_line(struct decoder *d, struct view line, struct buf *out)
{
	size_t want, at = 1;
	uint32_t bits;

	if (!d->begun) {
		d->begun = view_starts_i(line, VIEW("begin "));
		return;
	}
	if (d->ended || line.n == 0)
		return;
	want = (size_t)((line.p[0] - ' ') & 0x3f);
	if (want == 0 || view_eq(line, VIEW("end"))) {
		d->ended = true;
		return;
	}
	for (; want; at += 4) {
		bits = 0;
		for (size_t i = 0; i < 4; i++)
			bits = bits << 6 | (at + i < line.n ? (uint32_t)(line.p[at + i] - ' ') & 0x3f : 0);
		d->damaged |= at >= line.n;
		for (int i = 16; i >= 0 && want; i -= 8, want--)
			buf_putc(out, (char)(uint8_t)(bits >> i));
	}
}

static void uu_put(struct decoder *d, struct view v, struct buf *out)
{
	while (v.n) {
		size_t lf = view_find(v, '\n');
		size_t room = DECODE_LINE - d->n_held, take = lf < room ? lf : room;

		memcpy(d->held + d->n_held, v.p, take);
		d->n_held += take;
		if (lf == v.n)
			return;		/* what is longer than a line may be is dropped */
		v = view_skip(v, lf + 1);
		if (d->n_held && d->held[d->n_held - 1] == '\r')
			d->n_held--;
		uu_line(d, view_make(d->held, d->n_held), out);
		d->n_held = 0;
	}
}

/* ---- all of them ---- */

void decoder_begin(struct decoder *d, enum mime_encoding encoding)
{
	d->encoding = encoding;
	d->damaged = d->ended = d->begun = false;
	d->bits = 0;
	d->n_bits = 0;
	d->n_held = 0;
}

void decoder_put(struct decoder *d, struct view v, struct buf *out)
{
	switch (d->encoding) {
	case ENC_BASE64:
		base64_put(d, v, out);
		break;
	case ENC_QP:
		qp_put(d, v, out);
		break;
	case ENC_UUENCODE:
		uu_put(d, v, out);
		break;
	default:
		buf_put(out, v);
		break;
	}
}

void decoder_end(struct decoder *d, struct buf *out)
{
	if (d->encoding == ENC_UUENCODE && d->n_held)
		uu_line(d, view_make(d->held, d->n_held), out);
	else if (d->encoding == ENC_QP && d->n_held && d->held[0] == '=' && d->n_held > 1 && ascii_hex(d->held[1]) >= 0)
		qp_flush(d, out);
	/* Blanks, or a "=" alone, at the very end are of no line: dropped. */
	d->n_held = 0;
}

void decode_body(enum mime_encoding encoding, struct view bytes, struct buf *out)
{
	struct decoder d;

	decoder_begin(&d, encoding);
	decoder_put(&d, bytes, out);
	decoder_end(&d, out);
}
