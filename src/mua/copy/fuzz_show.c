/* Any letter as text: nothing in it moves a cursor, whatever the options. */
#include "base/fuzz.h"
#include "mua/copy/html.h"
#include "mua/copy/show.h"

#include "msg/charset.h"

/* No control but LF, nothing that turns text or hides. */
static void check_harmless(struct view v)
{
	FUZZ_CHECK(utf8_valid(v) == v.n);
	for (size_t i = 0; i < v.n; i++) {
		uint8_t x = (uint8_t)v.p[i];

		FUZZ_CHECK((x >= ' ' || x == '\n') && x != 0x7f);
		FUZZ_CHECK(!(x == 0xc2 && i + 1 < v.n && (uint8_t)v.p[i + 1] < 0xa0));
		FUZZ_CHECK(!(x == 0xe2 && i + 2 < v.n && (uint8_t)v.p[i + 1] == 0x80 && (uint8_t)v.p[i + 2] >= 0xaa &&
			     (uint8_t)v.p[i + 2] <= 0xae));
	}
}

struct styles {
	size_t last;
	const struct buf *out;
};

static void note(void *arg, size_t at, enum show_style style)
{
	struct styles *s = arg;

	(void)style;
	FUZZ_CHECK(at >= s->last && at <= s->out->n);
	s->last = at;
}

static void show(struct view letter, uint8_t how)
{
	struct buf out = BUF((size_t)1 << 20);
	struct styles s = { 0, &out };
	struct show_options o = { .width = how & 1 ? 40 : how & 2 ? 20 : 0, .all_headers = (how & 4) != 0,
				  .prefer_html = (how & 8) != 0, .authserv_id = VIEW("mx.foo.com"), .style = note,
				  .style_arg = &s };
	enum status st = show_letter(letter, !(how & 16), &o, &out);

	FUZZ_CHECK(st == ST_OK || st == ST_LIMIT);
	check_harmless(buf_view(&out));
	buf_free(&out);
}

static void parts(struct view letter)
{
	struct arena a = ARENA((size_t)1 << 28);
	struct buf octets = BUF((size_t)1 << 24);
	struct show_part *all;
	size_t n = 0;

	if (show_parts(letter, &a, &all, &n) == ST_OK)
		for (size_t i = 0; i < n; i++) {
			check_harmless(all[i].name);
			FUZZ_CHECK(all[i].name.n && all[i].name.n < 256 && view_find(all[i].name, '/') == all[i].name.n);
			FUZZ_CHECK(all[i].name.p[0] != '.' && all[i].name.p[0] != '-');
		}
	if (n)
		FUZZ_CHECK(show_part_octets(letter, (uint32_t)n, &octets) == ST_OK);
	buf_free(&octets);
	arena_free(&a);
}

static void report(struct view letter)
{
	struct buf text = BUF((size_t)1 << 22), id = BUF((size_t)1 << 22);

	if (show_report(letter, &text, &id) == ST_OK) {
		FUZZ_CHECK(text.n > 0 || buf_status(&text) != ST_OK);
		check_harmless(buf_view(&text));
		check_harmless(buf_view(&id));
		FUZZ_CHECK(view_find(buf_view(&id), '\n') == id.n);
	}
	buf_free(&text);
	buf_free(&id);
}

static void page(struct view html, uint8_t how)
{
	struct buf out = BUF((size_t)1 << 22);
	enum status st = html_text(html, how & 1 ? 40 : 0, true, &out);

	FUZZ_CHECK(st == ST_OK || st == ST_LIMIT);
	check_harmless(buf_view(&out));
	buf_free(&out);
}

/* The first byte says how; what begins with "<" is a page. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view v = view_make((const char *)data + 1, n ? n - 1 : 0);

	if (n == 0)
		return 0;
	if (v.n && v.p[0] == '<') {
		struct buf valid = BUF(4 * v.n + 16);

		charset_text(VIEW("utf-8"), v, &valid);
		page(buf_view(&valid), data[0]);
		buf_free(&valid);
	} else {
		show(v, data[0]);
		parts(v);
		report(v);
	}
	return 0;
}
