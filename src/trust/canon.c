#include "trust/canon.h"

#include "msg/lex.h"

typedef uint8_t bytes32 __attribute__((vector_size(32)));
typedef uint64_t words4 __attribute__((vector_size(32)));

enum { WIDE = sizeof(bytes32), SPAN_MOST = 16 * 1024, DIRECT = 2048 };

/* ---- header fields (3.4.1, 3.4.2) ---- */

static void simple_field(struct view raw, struct buf *out)
{
	while (raw.n) {
		struct view line = view_head(raw, view_find(raw, '\n'));

		raw = view_skip(raw, line.n + 1);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		buf_put(out, line);
		buf_puts(out, "\r\n");
	}
}

static bool ends_line(struct view v, size_t i)
{
	return v.p[i] == '\n' || (v.p[i] == '\r' && i + 1 < v.n && v.p[i + 1] == '\n');
}

/* Eight octets; whether all are ASCII characters behind the blank, as most are
 * in a signature. */
static bool copy_word(const char *from, char *to)
{
	uint64_t x;

	memcpy(&x, from, sizeof x);
	memcpy(to, from, sizeof x);
	/* The lowest one that is a blank or less would go below zero. */
	return ((x | (x - 0x2121212121212121)) & 0x8080808080808080) == 0;
}

/* Blanks and folds become one blank, none at the ends.  Never longer than it
 * was: one reservation, and no look at it for each octet. */
static void relaxed_value(struct view v, struct buf *out)
{
	bool gap = false;
	size_t n = 0;
	char *to;

	/* Room for a word that is copied as a whole. */
	if (buf_reserve(out, v.n + sizeof(uint64_t), &to) != ST_OK)
		return;
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (!gap && i + sizeof(uint64_t) <= v.n && copy_word(v.p + i, to + n)) {
			i += sizeof(uint64_t) - 1;
			n += sizeof(uint64_t);
			continue;
		}
		if (c > ' ' || (c != ' ' && c != '\t' && !ends_line(v, i))) {
			if (gap && n)
				to[n++] = ' ';
			gap = false;
			to[n++] = c;
		} else if (c == ' ' || c == '\t') {
			gap = true;
		}
	}
	out->n += n;
}

static void relaxed_field(struct view raw, struct buf *out)
{
	size_t colon = view_find(raw, ':');
	struct view name = view_trim(view_head(raw, colon));

	char *to;

	if (buf_reserve(out, raw.n + 3, &to) != ST_OK)
		return;
	for (size_t i = 0; i < name.n; i++)
		to[i] = ascii_lower(name.p[i]);
	to[name.n] = ':';
	out->n += name.n + 1;
	relaxed_value(view_skip(raw, colon + 1), out);
	buf_put(out, VIEW("\r\n"));
}

void canon_field(enum canon c, struct view raw, bool without_end, struct buf *out)
{
	if (c == CANON_SIMPLE)
		simple_field(raw, out);
	else
		relaxed_field(raw, out);
	if (without_end && buf_status(out) == ST_OK && out->n >= 2)
		out->n -= 2;
}

/* ---- many small pieces ---- */

/* EVP_sha256() is looked up at each hash, behind locks: longer than a header
 * takes.  So once a process, and never freed. */
static const EVP_MD *sha256(void)
{
	static EVP_MD *md;

	if (md == NULL)
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	return md ? md : EVP_sha256();
}

void piece_hash_begin(struct piece_hash *h, EVP_MD_CTX *ctx)
{
	h->own = ctx == NULL;
	h->ctx = ctx ? ctx : EVP_MD_CTX_new();
	h->n = 0;
	h->st = h->ctx && EVP_DigestInit_ex(h->ctx, h->own ? sha256() : NULL, NULL) == 1 ? ST_OK : ST_NOMEM;
}

static void pieces_flush(struct piece_hash *h, struct view v)
{
	if (h->st == ST_OK && v.n && EVP_DigestUpdate(h->ctx, v.p, v.n) != 1)
		h->st = ST_NOMEM;
}

void piece_hash_put(struct piece_hash *h, struct view v)
{
	if (v.n > sizeof h->stage - h->n) {
		pieces_flush(h, view_make(h->stage, h->n));
		h->n = 0;
	}
	if (v.n > sizeof h->stage) {
		pieces_flush(h, v);
	} else if (v.n) {
		memcpy(h->stage + h->n, v.p, v.n);
		h->n += v.n;
	}
}

enum status piece_hash_end(struct piece_hash *h, uint8_t *ret_digest)
{
	pieces_flush(h, view_make(h->stage, h->n));
	if (h->st == ST_OK && EVP_DigestFinal_ex(h->ctx, ret_digest, NULL) != 1)
		h->st = ST_NOMEM;
	if (h->own)
		EVP_MD_CTX_free(h->ctx);
	return h->st;
}

/* ---- bodies (3.4.3, 3.4.4) ---- */

void body_begin(struct body_hashes *b)
{
	b->n = 0;
	b->st = ST_OK;
	for (int c = 0; c < CANONS; c++) {
		struct canon_body *k = &b->bodies[c];

		b->wanted[c] = k->cr = k->blank = false;
		k->ends = k->length = 0;
		k->n_stage = 0;
	}
}

enum status body_want(struct body_hashes *b, enum canon c, uint64_t limit, unsigned *ret_which)
{
	struct body_hash *h = &b->hashes[b->n];

	for (unsigned i = 0; i < b->n; i++) {
		if (b->hashes[i].canon != c || b->hashes[i].limit != limit)
			continue;
		*ret_which = i;
		return ST_OK;
	}
	if (b->n == BODY_HASHES_MOST)
		return ST_LIMIT;
	*h = (struct body_hash){ .canon = c, .limit = limit, .ctx = EVP_MD_CTX_new() };
	if (h->ctx == NULL || EVP_DigestInit_ex(h->ctx, sha256(), NULL) != 1) {
		EVP_MD_CTX_free(h->ctx);
		return ST_NOMEM;
	}
	b->wanted[c] = true;
	*ret_which = b->n++;
	return ST_OK;
}

static void hash(struct body_hashes *b, enum canon c, struct view v)
{
	struct canon_body *k = &b->bodies[c];

	for (unsigned i = 0; i < b->n; i++) {
		struct body_hash *h = &b->hashes[i];
		uint64_t left = h->limit - (k->length < h->limit ? k->length : h->limit);

		if (h->canon == c && left && EVP_DigestUpdate(h->ctx, v.p, v.n < left ? v.n : (size_t)left) != 1)
			b->st = ST_NOMEM;
	}
	k->length += v.n;
}

static void flush_stage(struct body_hashes *b, enum canon c)
{
	struct canon_body *k = &b->bodies[c];

	if (k->n_stage)
		hash(b, c, view_make(k->stage, k->n_stage));
	k->n_stage = 0;
}

static void emit(struct body_hashes *b, enum canon c, struct view v)
{
	struct canon_body *k = &b->bodies[c];

	if (v.n > CANON_STAGE - k->n_stage)
		flush_stage(b, c);
	if (v.n >= DIRECT) {
		flush_stage(b, c);
		hash(b, c, v);
	} else if (v.n) {
		memcpy(k->stage + k->n_stage, v.p, v.n);
		k->n_stage += v.n;
	}
}

/* Something follows: the line ends before it count. */
static void emit_ends(struct body_hashes *b, enum canon c)
{
	for (; b->bodies[c].ends; b->bodies[c].ends--)
		emit(b, c, VIEW("\r\n"));
}

static void emit_one(struct body_hashes *b, enum canon c, char x)
{
	emit_ends(b, c);
	emit(b, c, view_make(&x, 1));
}

/* One byte, with whatever is undecided before it. */
static void put_one(struct body_hashes *b, enum canon c, char x)
{
	struct canon_body *k = &b->bodies[c];

	if (x == '\n') {
		k->cr = k->blank = false;
		k->ends++;
		return;
	}
	/* Within a run of blanks nothing stands between it and the CR. */
	if (k->blank && x != ' ' && x != '\t' && x != '\r') {
		k->blank = false;
		emit_one(b, c, ' ');
	}
	if (k->cr) {
		if (k->blank)
			emit_one(b, c, ' ');
		k->cr = k->blank = false;
		emit_one(b, c, '\r');
	}
	if (x == '\r')
		k->cr = true;
	else if (c == CANON_RELAXED && (x == ' ' || x == '\t'))
		k->blank = true;
	else
		emit_one(b, c, x);
}

/* Must byte x, with y behind it, be looked at singly?  Somewhat more often
 * than it is needed. */
static bool is_trouble(enum canon c, char x, char y)
{
	if (y == '\n' && x != '\r')
		return true;
	return c == CANON_RELAXED && (x == '\t' || ((uint8_t)x > (uint8_t)y ? (uint8_t)x : (uint8_t)y) == ' ');
}

/* Of each two the larger one: a loop that becomes one instruction. */
__attribute__((always_inline)) static inline void larger(const bytes32 *x, const bytes32 *y, bytes32 *ret)
{
	for (size_t i = 0; i < WIDE; i++)
		(*ret)[i] = (*x)[i] > (*y)[i] ? (*x)[i] : (*y)[i];
}

/* Marks the bytes that is_trouble tells, of WIDE.  By pointer and inlined:
 * passed by value vectors would depend on which clone calls. */
__attribute__((always_inline)) static inline void mark(enum canon c, const char *p, bytes32 *ret)
{
	const bytes32 none = { 0 };
	bytes32 x, y, m, bad;

	memcpy(&x, p, WIDE);
	memcpy(&y, p + 1, WIDE);
	bad = (bytes32)(y == none + '\n') & (bytes32)(x != none + '\r');
	if (c == CANON_RELAXED) {
		larger(&x, &y, &m);
		bad |= (bytes32)(x == none + '\t') | (bytes32)(m == none + ' ');
	}
	*ret = bad;
}

__attribute__((always_inline)) static inline bool has_mark(const bytes32 *v)
{
	words4 w = (words4)*v;

	return (w[0] | w[1] | w[2] | w[3]) != 0;
}

/* Which byte is the first one.  Marked bytes are 0xff. */
__attribute__((always_inline)) static inline size_t first_mark(const bytes32 *v)
{
	words4 w = (words4)*v;
	size_t k = w[0] ? 0 : w[1] ? 1 : w[2] ? 2 : 3;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return k * 8 + (size_t)__builtin_ctzll(w[k]) / 8;
#else
	return k * 8 + (size_t)__builtin_clzll(w[k]) / 8;
#endif
}

/* How many bytes from p on pass as they are, each with another one behind it.
 * The machine's widest registers make it as cheap as it has to be beside
 * SHA-256 in hardware. */
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
__attribute__((target_clones("avx2", "default")))
#endif
static size_t clean_run(enum canon c, const char *p, size_t n)
{
	bytes32 a, b, d, e;
	size_t i = 0;

	for (; i + 4 * WIDE < n; i += 4 * WIDE) {
		mark(c, p + i, &a);
		mark(c, p + i + WIDE, &b);
		mark(c, p + i + 2 * WIDE, &d);
		mark(c, p + i + 3 * WIDE, &e);
		a |= b | d | e;
		if (has_mark(&a))
			break;
	}
	for (; i + WIDE < n; i += WIDE) {
		mark(c, p + i, &a);
		if (has_mark(&a))
			return i + first_mark(&a);
	}
	while (i + 1 < n && !is_trouble(c, p[i], p[i + 1]))
		i++;
	return i;
}

/* A run that passes as it is; the line ends at its end are held back.  Gives
 * how much of it was taken. */
static size_t put_run(struct body_hashes *b, enum canon c, const char *p, size_t n)
{
	size_t end = n;
	uint64_t ends = 0;

	if (end && p[end - 1] == '\r')
		n = --end;
	while (end >= 2 && p[end - 1] == '\n') {
		end -= 2;
		ends++;
	}
	if (end) {
		emit_ends(b, c);
		emit(b, c, view_make(p, end));
	}
	b->bodies[c].ends += ends;
	return n;
}

static void put_form(struct body_hashes *b, enum canon c, struct view v)
{
	struct canon_body *k = &b->bodies[c];
	size_t i = 0;

	while (i < v.n) {
		size_t most = v.n - i < SPAN_MOST ? v.n - i : SPAN_MOST, run = 0;

		if (!k->cr && !k->blank && v.p[i] != '\n')
			run = put_run(b, c, v.p + i, clean_run(c, v.p + i, most));
		if (run == 0)
			put_one(b, c, v.p[i++]);
		i += run;
	}
}

void body_put(struct body_hashes *b, struct view v)
{
	for (int c = 0; c < CANONS; c++)
		if (b->wanted[c])
			put_form(b, (enum canon)c, v);
}

static void end_form(struct body_hashes *b, enum canon c)
{
	struct canon_body *k = &b->bodies[c];
	bool content;

	if (k->cr) {
		if (k->blank)
			emit_one(b, c, ' ');
		emit_one(b, c, '\r');
	}
	content = k->length + k->n_stage > 0;
	if (content || c == CANON_SIMPLE)
		emit(b, c, VIEW("\r\n"));
	flush_stage(b, c);
}

enum status body_end(struct body_hashes *b)
{
	for (int c = 0; c < CANONS; c++)
		if (b->wanted[c])
			end_form(b, (enum canon)c);
	for (unsigned i = 0; i < b->n; i++)
		if (EVP_DigestFinal_ex(b->hashes[i].ctx, b->hashes[i].digest, NULL) != 1)
			b->st = ST_NOMEM;
	return b->st;
}

void body_free(struct body_hashes *b)
{
	for (unsigned i = 0; i < b->n; i++)
		EVP_MD_CTX_free(b->hashes[i].ctx);
	b->n = 0;
}
