/* imap_read.c - a command as it comes: lines and literals (RFC 9051 2.2.1, RFC 7888). */
#include "wire/imap.h"

enum {
	TAIL_MAX = 32,			/* of a line thrown away: enough for "{4294967295+}\r\n" */
	HEAD_MAX = 256,			/* of a command refused: enough for its tag */
	THROWN_MAX = 256 * 1024 * 1024,
	KEEP_MEMORY = 16 * 1024,
};

void imap_reader_begin(struct imap_reader *r, size_t line_max, size_t literal_max)
{
	*r = (struct imap_reader){ .line_max = line_max, .literal_max = literal_max };
	r->text = BUF(line_max + 2 * literal_max + HEAD_MAX + 2 * TAIL_MAX);
}

void imap_reader_free(struct imap_reader *r)
{
	buf_free(&r->text);
}

static void next_command(struct imap_reader *r)
{
	if (r->text.cap > KEEP_MEMORY)
		buf_free(&r->text);
	buf_clear(&r->text);
	r->lines = r->line_at = 0;
	r->literals = r->wanted = r->thrown = 0;
	r->refused = r->done = false;
}

struct view imap_tag_of(struct view text)
{
	size_t n = 0;

	while (n < text.n && n < HEAD_MAX && text.p[n] > ' ' && text.p[n] < 127 &&
	       !strchr("(){%*\"\\+", text.p[n]))
		n++;
	return n && n < text.n && text.p[n] == ' ' ? view_head(text, n) : VIEW("*");
}

static bool is_append(const struct imap_reader *r)
{
	struct view v = buf_view(&r->text);

	return view_starts_i(view_skip(v, view_find(v, ' ')), VIEW(" APPEND "));
}

/* {n} or {n+} before the CRLF of a line. */
struct announced {
	bool is, waits;		/* there is one; the client waits for our "+" */
	uint64_t n;		/* UINT64_MAX: more than can be counted */
};

static struct announced literal_of(struct view line)
{
	struct announced a = { .waits = true };
	size_t i = line.n - 2, end;

	if (i < 3 || line.p[--i] != '}')
		return a;
	if (line.p[i - 1] == '+') {
		a.waits = false;
		i--;
	}
	end = i;
	while (i && ascii_digit(line.p[i - 1]))
		i--;
	if (i == end || i == 0 || line.p[i - 1] != '{')
		return a;
	a.is = true;
	if (end - i > 10 || !view_u64(view_make(line.p + i, end - i), &a.n))
		a.n = UINT64_MAX;
	return a;
}

/* The command is refused: of its text (and of what follows it) stay the head,
 * for its tag, and behind that the end of the line in hand, where a literal
 * may be announced.  The two may be the same bytes; both are needed. */
static enum imap_event refuse(struct imap_reader *r, enum imap_event why, struct view following)
{
	char tail[TAIL_MAX];
	size_t n = r->text.n - r->line_at;

	if (r->refused)
		return IMAP_MORE;
	if (n > TAIL_MAX)
		n = TAIL_MAX;
	if (n)
		memcpy(tail, r->text.p + r->text.n - n, n);
	r->refused = true;
	if (r->text.n > HEAD_MAX)
		r->text.n = HEAD_MAX;
	buf_put(&r->text, view_head(following, HEAD_MAX - r->text.n));
	r->line_at = r->text.n;
	buf_put(&r->text, view_make(tail, n));
	return why;
}

/* A literal that is not wanted: never sent when the client waits, else to be
 * thrown away. */
static enum imap_event refuse_literal(struct imap_reader *r, struct announced a)
{
	bool was = r->refused;

	if (!a.waits && a.n > THROWN_MAX)
		return IMAP_HOPELESS;
	(void)!refuse(r, IMAP_TOO_BIG, VIEW_NONE);
	if (a.waits)
		r->done = true;
	else
		r->wanted = a.n;
	return was ? IMAP_MORE : IMAP_TOO_BIG;
}

static enum imap_event begin_literal(struct imap_reader *r, struct announced a)
{
	bool append = is_append(r);
	char *p;

	if (r->refused || (append && (a.n > r->literal_max || a.n + r->literals > 2 * r->literal_max)) ||
	    (!append && (a.n > r->line_max || r->lines + a.n > r->line_max)))
		return refuse_literal(r, a);
	r->wanted = a.n;
	if (append)
		r->literals += a.n;
	else
		r->lines += a.n;
	if (buf_reserve(&r->text, (size_t)a.n, &p) != ST_OK)
		return IMAP_NO_MEMORY;
	return a.waits ? IMAP_CONTINUE : IMAP_MORE;
}

static bool bad_bytes(struct view line)
{
	return line.n < 2 || line.p[line.n - 2] != '\r' ||
	       view_find(line, '\r') != line.n - 2 || view_find(line, '\0') < line.n;
}

/* text[line_at..] is a whole line with its LF. */
static enum imap_event end_line(struct imap_reader *r)
{
	struct view line = view_skip(buf_view(&r->text), r->line_at);
	struct announced a = { 0 };
	bool bad = bad_bytes(line);

	if (!bad)
		a = literal_of(line);
	if (bad && !r->refused) {
		(void)!refuse(r, IMAP_BAD_BYTES, VIEW_NONE);
		r->done = true;
		return IMAP_BAD_BYTES;
	}
	if (a.is && !bad) {
		enum imap_event e = begin_literal(r, a);

		if (r->refused)
			r->text.n = r->line_at;
		else
			r->line_at = r->text.n;
		return e;
	}
	r->done = true;
	if (r->refused)
		return IMAP_MORE;
	r->text.n -= 2;
	return IMAP_COMMAND;
}

/* Of a line that is thrown away only the end matters. */
static void keep_tail(struct imap_reader *r, struct view piece)
{
	struct view tail = piece.n > TAIL_MAX ? view_skip(piece, piece.n - TAIL_MAX) : piece;
	size_t have = r->text.n - r->line_at;

	r->thrown += piece.n;
	if (have + tail.n > TAIL_MAX) {
		size_t drop = have + tail.n - TAIL_MAX;

		memmove(r->text.p + r->line_at, r->text.p + r->line_at + drop, have - drop);
		r->text.n -= drop;
	}
	buf_put(&r->text, tail);
}

static enum imap_event take_line(struct imap_reader *r, struct view bytes, size_t *used)
{
	size_t lf = view_find(bytes, '\n');
	struct view piece = view_head(bytes, lf + 1);
	enum imap_event e = IMAP_MORE;

	*used += piece.n;
	if (!r->refused && r->lines + piece.n > r->line_max + 2)
		e = refuse(r, IMAP_TOO_LONG, piece);
	if (r->refused) {
		keep_tail(r, piece);
	} else {
		r->lines += piece.n;
		buf_put(&r->text, piece);
	}
	if (buf_status(&r->text) != ST_OK)
		return IMAP_NO_MEMORY;
	if (r->thrown > THROWN_MAX)
		return IMAP_HOPELESS;
	if (lf < bytes.n) {
		enum imap_event end = end_line(r);

		/* That the line is too long is said first, however it was cut. */
		if (e == IMAP_MORE || end == IMAP_NO_MEMORY)
			e = end;
		else
			r->hopeless = end == IMAP_HOPELESS;
	}
	return e;
}

static enum imap_event take_literal(struct imap_reader *r, struct view bytes, size_t *used)
{
	struct view piece = view_head(bytes, r->wanted < bytes.n ? (size_t)r->wanted : bytes.n);

	*used += piece.n;
	r->wanted -= piece.n;
	if (r->refused)
		r->thrown += piece.n;
	else
		buf_put(&r->text, piece), r->line_at = r->text.n;
	return buf_status(&r->text) == ST_OK ? IMAP_MORE : IMAP_NO_MEMORY;
}

enum imap_event imap_read(struct imap_reader *r, struct view bytes, size_t *ret_used)
{
	size_t used = 0;
	enum imap_event e = r->hopeless ? IMAP_HOPELESS : IMAP_MORE;

	while (e == IMAP_MORE && used < bytes.n) {
		if (r->done)
			next_command(r);
		if (r->wanted)
			e = take_literal(r, view_skip(bytes, used), &used);
		else
			e = take_line(r, view_skip(bytes, used), &used);
	}
	*ret_used = used;
	return e;
}
