/* fuzz_convert.c - any letter for a host that takes 7 bits: either it cannot be
 * done, or what comes out is 7-bit text in lines, and our own parser finds the
 * same parts with the same octets in it.  And its header for readers of ASCII. */
#include "base/fuzz.h"

#include "msg/convert.h"
#include "msg/decode.h"
#include "msg/mime.h"
#include "msg/surrogate.h"

static void check_leaf(const struct mime *a, const struct mime_part *x, const struct mime *b,
		       const struct mime_part *y)
{
	struct buf was = BUF(1 << 22), now = BUF(1 << 22);

	decode_body((enum mime_encoding)x->encoding, mime_body(a, x), &was);
	decode_body((enum mime_encoding)y->encoding, mime_body(b, y), &now);
	FUZZ_CHECK(view_eq(buf_view(&was), buf_view(&now)));
	buf_free(&was);
	buf_free(&now);
}

static void check_same(struct view was, struct view now)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct mime m = { 0 }, n = { 0 };
	bool parsed = mime_parse(was, &a, &m) == ST_OK && mime_parse(now, &a, &n) == ST_OK;

	FUZZ_CHECK(parsed && m.n == n.n);
	for (uint32_t i = 0; i < m.n && parsed; i++) {
		FUZZ_CHECK(m.parts[i].kind == n.parts[i].kind && m.parts[i].parent == n.parts[i].parent);
		FUZZ_CHECK(view_eq_i(m.parts[i].content.type, n.parts[i].content.type));
		if (m.parts[i].kind == MIME_LEAF)
			check_leaf(&m, &m.parts[i], &n, &n.parts[i]);
	}
	arena_free(&a);
}

static void check_for(struct view letter, struct convert_form takes)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct buf out = BUF((size_t)1 << 24);
	struct convert_form has = { 0 };
	enum status st = convert_letter(letter, takes, &a, &out);

	FUZZ_CHECK(st == ST_OK || st == ST_DENIED);
	if (st == ST_OK) {
		FUZZ_CHECK(convert_needs(buf_view(&out), &a, &has) == ST_OK);
		FUZZ_CHECK(!convert_lacks(takes, has));
		if (!takes.eightbit && !takes.utf8)
			for (size_t i = 0; i < out.n; i++)
				FUZZ_CHECK(!(out.p[i] & 0x80));
		check_same(letter, buf_view(&out));
	}
	FUZZ_CHECK(convert_needs(letter, &a, &has) == ST_OK);
	if (!convert_lacks(takes, has))
		FUZZ_CHECK(st == ST_OK);
	buf_free(&out);
	arena_free(&a);
}

/* A header in ASCII, and nothing behind its end. */
static void check_surrogate(struct view letter)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct buf out = BUF((size_t)1 << 24);
	struct view header;

	if (surrogate_needs(letter, &header)) {
		FUZZ_CHECK(surrogate_header(header, &a, &out) == ST_OK);
		FUZZ_CHECK(!surrogate_needs(buf_view(&out), &header));
		FUZZ_CHECK(header.n == out.n);
	}
	buf_free(&out);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view letter = view_make((const char *)data, n);

	check_surrogate(letter);
	check_for(letter, (struct convert_form){ 0 });
	check_for(letter, (struct convert_form){ .eightbit = true });
	check_for(letter, (struct convert_form){ .eightbit = true, .utf8 = true });
	return 0;
}
