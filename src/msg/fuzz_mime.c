/* Any letter: its tree is a tree, rendering and every section succeed, and
 * searching finds what stands there. */
#include "base/fuzz.h"
#include "msg/render.h"
#include "msg/search.h"
#include "msg/section.h"

#define MUST FUZZ_CHECK

static void check_tree(const struct mime *m)
{
	for (uint32_t i = 0; i < m->n; i++) {
		const struct mime_part *p = &m->parts[i];

		MUST(p->header <= p->header_end && p->header_end <= p->body && p->body <= p->end);
		MUST(p->end <= m->letter.n && p->depth <= MIME_DEPTH_MAX);
		MUST(p->lines <= p->end - p->body);
		MUST((p->kind == MIME_LEAF) == (p->child == MIME_NONE));
		if (i > 0) {
			const struct mime_part *parent = &m->parts[p->parent];

			MUST(p->parent < i && p->depth == parent->depth + 1);
			/* The line end before a delimiter may be the header's last. */
			MUST(p->header >= parent->body && p->body <= parent->end + 2);
			MUST(p->end <= parent->end || p->end == p->body);
		}
	}
}

static void check_letter(const struct mime *m, uint32_t top, uint32_t *path, uint32_t depth, struct arena *a);

/* The part that the path leads to, and those in it. */
static void check_part(const struct mime *m, uint32_t at, uint32_t *path, uint32_t depth, struct arena *a)
{
	struct buf out = BUF(1 << 22);
	uint64_t octets = 0;
	uint32_t found, n = 0;
	enum status st;

	MUST(section_part(m, path, depth, &found) == ST_OK && found == at);
	st = section_binary_size(m->letter, path, depth, a, &octets);
	MUST(st == ST_OK || st == ST_SYNTAX);
	MUST(section_binary(m->letter, path, depth, a, &out) == st);
	MUST(st != ST_OK || out.n == octets);
	buf_free(&out);
	if (depth >= 8)
		return;
	if (m->parts[at].kind == MIME_MESSAGE)
		check_letter(m, m->parts[at].child, path, depth, a);
	for (uint32_t c = m->parts[at].child; m->parts[at].kind == MIME_MULTIPART && c != MIME_NONE;
	     c = m->parts[c].next) {
		path[depth] = ++n;
		check_part(m, c, path, depth + 1, a);
	}
}

/* A letter in parts has them as its numbers; any other is its own part 1. */
static void check_letter(const struct mime *m, uint32_t top, uint32_t *path, uint32_t depth, struct arena *a)
{
	uint32_t n = 0;

	if (m->parts[top].kind != MIME_MULTIPART) {
		path[depth] = 1;
		check_part(m, top, path, depth + 1, a);
		return;
	}
	for (uint32_t c = m->parts[top].child; c != MIME_NONE; c = m->parts[c].next) {
		path[depth] = ++n;
		check_part(m, c, path, depth + 1, a);
	}
}

static void check_whole(struct view letter, struct arena *a)
{
	static const char *const names[] = { "HEADER", "TEXT", "HEADER.FIELDS (Subject To)", "1.MIME", "1.1.TEXT" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct buf out = BUF(1 << 22);
		struct section s;
		struct view v;
		enum status st;

		MUST(section_parse(view_cstr(names[i]), a, &s) == ST_OK);
		st = section_of(letter, &s, a, &out, &v);
		MUST(st == ST_OK || st == ST_MISSING);
		buf_free(&out);
	}
}

/* What is found the filter lets pass. */
static void check_needle(struct view letter, struct view text, struct view filter, struct arena *a)
{
	bool in_text = false, in_field = false;
	struct gram_keys keys;
	struct needle n = { 0 };

	MUST(needle_make(text, a, &n) == ST_OK);
	MUST(search_text(letter, &n, &in_text) == ST_OK);
	MUST(search_field(letter, VIEW("subject"), &n, &in_field) == ST_OK);
	gram_keys_of(n.scan.needle, &keys);
	MUST(!(in_text || in_field) || grams_may_hold(filter, &keys));
}

static void check_search(struct view letter, struct arena *a)
{
	static const char *const texts[] = { "needle", "\xc3\xa4", "a b" };
	static struct grams grams;
	struct buf filter = BUF(GRAM_HASH);
	enum status st;

	grams_clear(&grams);
	st = search_grams(letter, &grams);
	MUST(st == ST_OK || st == ST_MISSING);
	if (st == ST_OK)
		grams_filter(&grams, &filter);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		check_needle(letter, view_cstr(texts[i]), buf_view(&filter), a);
	/* Some of its own bytes, which may be text as they are. */
	for (size_t i = 1; i < 8; i++)
		check_needle(letter, view_head(view_skip(letter, letter.n * i / 8), i * 2), buf_view(&filter), a);
	buf_free(&filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view letter = view_make((const char *)data, size);
	struct arena a = ARENA(MIME_ARENA_MAX);
	uint32_t path[SECTION_DEPTH];
	struct msg_rendered r;
	struct mime m = { 0 };

	MUST(mime_parse(letter, &a, &m) == ST_OK);
	check_tree(&m);
	if (msg_render(letter, &r) == ST_OK)
		msg_rendered_free(&r);
	else
		MUST(false);
	if (m.n && m.n < 32)
		check_letter(&m, 0, path, 0, &a);
	check_whole(letter, &a);
	check_search(letter, &a);
	arena_free(&a);
	return 0;
}
