#include "base/test.h"
#include "mua/copy/copy.h"

#include <stdlib.h>

/* A message of a made list: name, references, subject, when. */
struct made {
	uint64_t name;
	uint64_t refs[4];
	uint32_t n_refs;
	uint64_t subject;
	bool reply;
	wall_ms date;
};

enum { MOST = 32 };

/* "1(2(3)4)5": indexes of messages, children in brackets. */
static void threads_are(const struct made *m, size_t n, const char *want)
{
	struct copy_message all[MOST];
	struct copy_list l = { all, n, n };
	struct arena a = ARENA((size_t)1 << 24);
	struct buf out = BUF(1024);
	struct copy_row *rows;
	uint32_t depth = 0;

	for (size_t i = 0; i < n; i++)
		all[i] = (struct copy_message){ .name = m[i].name, .refs = (const char *)m[i].refs, .n_refs = m[i].n_refs,
						.base_subject = m[i].subject, .flags = m[i].reply ? COPY_REPLY : 0,
						.date = m[i].date };
	assert_int_equal(copy_threads(&l, false, &a, &rows), ST_OK);
	for (size_t i = 0; i < n; i++) {
		for (; depth > rows[i].depth; depth--)
			buf_putc(&out, ')');
		for (; depth < rows[i].depth; depth++)
			buf_putc(&out, '(');
		buf_putf(&out, "%s%u", i && rows[i - 1].depth >= rows[i].depth ? " " : "", rows[i].message);
	}
	for (; depth; depth--)
		buf_putc(&out, ')');
	assert_view(buf_view(&out), want);
	buf_free(&out);
	arena_free(&a);
}

#define THREADS(want, ...)                                                           \
	do {                                                                         \
		const struct made m[] = { __VA_ARGS__ };                             \
		threads_are(m, sizeof m / sizeof *m, want);                          \
	} while (0)

static void by_references(void **state)
{
	(void)state;
	THREADS("0(1(2))", { 10, { 0 }, 0, 1, false, 1 }, { 11, { 10 }, 1, 1, true, 2 }, { 12, { 10, 11 }, 2, 1, true, 3 });
	/* The middle one is missing: its child goes to the one above. */
	THREADS("0(1)", { 10, { 0 }, 0, 1, false, 1 }, { 12, { 10, 11 }, 2, 2, true, 3 });
	/* The first one is missing: brothers, the oldest in its place. */
	THREADS("0(1)", { 11, { 10 }, 1, 1, true, 2 }, { 12, { 10 }, 1, 2, true, 3 });
	/* Brothers by date, threads by their newest. */
	THREADS("3 0(2 1)", { 10, { 0 }, 0, 1, false, 1 }, { 11, { 10 }, 1, 1, true, 9 }, { 12, { 10 }, 1, 1, true, 5 },
		{ 20, { 0 }, 0, 2, false, 7 });
}

static void loops_and_twins(void **state)
{
	(void)state;
	/* Each answers the other. */
	THREADS("1(0)", { 10, { 11 }, 1, 1, false, 1 }, { 11, { 10 }, 1, 2, false, 2 });
	/* It answers itself. */
	THREADS("0", { 10, { 10 }, 1, 1, false, 1 });
	/* Two of one name. */
	THREADS("0(2) 1", { 10, { 0 }, 0, 1, false, 1 }, { 10, { 0 }, 0, 2, false, 4 }, { 12, { 10 }, 1, 1, true, 3 });
}

static void by_subject(void **state)
{
	(void)state;
	THREADS("0(1)", { 10, { 0 }, 0, 5, false, 1 }, { 11, { 0 }, 0, 5, true, 2 });
	/* Two answers to what is not here. */
	THREADS("0(1)", { 10, { 0 }, 0, 5, true, 1 }, { 11, { 0 }, 0, 5, true, 2 });
	/* Neither answers: a deviation, said in thread.c. */
	THREADS("0 1", { 10, { 0 }, 0, 5, false, 1 }, { 11, { 0 }, 0, 5, false, 2 });
	/* No subject is no bond. */
	THREADS("0 1", { 10, { 0 }, 0, 0, false, 1 }, { 11, { 0 }, 0, 0, true, 2 });
}

/* A chain longer than any conversation, given backwards and forwards. */
static void long_chain(void **state)
{
	enum { N = 20000 };
	struct copy_message *all = calloc(N, sizeof *all);
	uint64_t *refs = calloc(N, sizeof *refs);
	struct copy_list l = { all, N, N };

	(void)state;
	for (int way = 0; way < 2; way++) {
		struct arena a = ARENA((size_t)1 << 28);
		struct copy_row *rows;

		for (uint32_t i = 0; i < N; i++) {
			uint32_t at = way ? N - 1 - i : i;

			refs[at] = i;
			all[at] = (struct copy_message){ .name = i + 1, .refs = (const char *)&refs[at], .n_refs = i > 0,
							 .date = i };
		}
		assert_int_equal(copy_threads(&l, true, &a, &rows), ST_OK);
		assert_true(rows[0].size > 500);
		arena_free(&a);
	}
	free(all);
	free(refs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_references), cmocka_unit_test(loops_and_twins), cmocka_unit_test(by_subject),
		cmocka_unit_test(long_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
