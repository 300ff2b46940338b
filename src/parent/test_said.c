/* What the log's lines become of what a process says. */
#include "base/test.h"

#include "parent/said.h"

#include <stdio.h>

#define AT "2026-11-22T10:31:05.123Z "

static const struct view name = { "door.0[412]", 11 };
static const wall_ms now = 1795343465123;	/* AT */

/* In pieces of so many bytes. */
static struct buf taken(struct view bytes, size_t piece)
{
	struct buf rest = BUF(LINE_MOST), out = BUF(1 << 24);

	for (; bytes.n; bytes = view_skip(bytes, piece))
		said_take(&rest, view_head(bytes, piece), name, now, &out);
	said_end(&rest, name, now, &out);
	assert_null(rest.p);
	assert_int_equal(buf_status(&out), ST_OK);
	return out;
}

static void becomes(struct view bytes, const char *lines)
{
	for (size_t piece = 1; piece <= bytes.n; piece++) {
		struct buf out = taken(bytes, piece);

		assert_view(buf_view(&out), lines);
		buf_free(&out);
	}
}

static void lines_get_the_name(void **state)
{
	(void)state;
	becomes(VIEW(AT "connect sid=9f\n" AT "warning late\n"),
		AT "door.0[412] connect sid=9f\n" AT "door.0[412] warning late\n");
	becomes(VIEW("\n\n"), "");
}

static void nobody_speaks_for_another(void **state)
{
	(void)state;
	becomes(VIEW(AT "parent[1] stopped\n"), AT "door.0[412] parent[1] stopped\n");
	/* Neither by a line that begins within one, nor by what a terminal understands. */
	becomes(VIEW(AT "rcpt to=\r" AT "x\n"), AT "door.0[412] warning stray text=\"" AT "rcpt to=\\x0d" AT "x\"\n");
	becomes(VIEW(AT "rcpt \0 to=\x1b[2J\xff\n"),
		AT "door.0[412] warning stray text=\"" AT "rcpt \\x00 to=\\x1b[2J\\xff\"\n");
}

static void what_has_no_form_is_stray(void **state)
{
	static const char *const all[] = { "free(): invalid pointer", "2026-11-22T10:31:05.123Z",
					   "2026-11-22T10:31:05.123Z ", "2026-11-22T10:31:05.123Z  x",
					   "2026-11-22 10:31:05.123Z event", "2o26-11-22T10:31:05.123Z event" };

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		char in[64], out[160];

		snprintf(in, sizeof in, "%s\n", all[i]);
		snprintf(out, sizeof out, strchr(all[i], ' ') ? AT "door.0[412] warning stray text=\"%s\"\n"
							      : AT "door.0[412] warning stray text=%s\n", all[i]);
		becomes(view_cstr(in), out);
	}
}

static void the_last_line_need_not_end(void **state)
{
	(void)state;
	becomes(VIEW(AT "died of=x"), AT "door.0[412] died of=x\n");
	becomes(VIEW("half"), AT "door.0[412] warning stray text=half\n");
}

static void much_does_not_become_of_little(void **state)
{
	static char many[64 * 1024], one[3 * LINE_MOST];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof many; i++)
		many[i] = i & 1 ? '\n' : 'x';
	out = taken(view_make(many, sizeof many), sizeof many);
	assert_true(out.n < 2 * sizeof many);
	assert_non_null(memmem(out.p, out.n, "stray more=32668\n", 17));
	buf_free(&out);
	memset(one, 'y', sizeof one);
	memcpy(one, AT "z", sizeof AT);
	out = taken(view_make(one, sizeof one), 1000);
	assert_true(out.n > LINE_MOST && out.n < 2 * LINE_MOST);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_get_the_name),
		cmocka_unit_test(nobody_speaks_for_another),
		cmocka_unit_test(what_has_no_form_is_stray),
		cmocka_unit_test(the_last_line_need_not_end),
		cmocka_unit_test(much_does_not_become_of_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
