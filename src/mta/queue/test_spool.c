/* What is read back from the segment must be found whole, whatever else ran
 * on the stack in between. */
#include "mta/queue/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { LETTERS = 512, FRAME = 8192 };

static enum status none(void *arg, uint64_t id, const struct spool_place *at, struct view envelope,
			const struct spool_place *progress_at, struct view progress)
{
	(void)arg;
	(void)id;
	(void)at;
	(void)envelope;
	(void)progress_at;
	(void)progress;
	return ST_CORRUPT;
}

/* Something else ran on the stack and wrote one byte of it. */
static __attribute__((noinline)) void dirty_stack(int i)
{
	volatile char bytes[FRAME];

	bytes[(size_t)i * (FRAME / LETTERS)] = (char)(i | 1);
	assert_true(bytes[(size_t)i * (FRAME / LETTERS)] == (char)(i | 1));
}

static void reads_back(void **state)
{
	char folder[] = "/tmp/waxwing-spool-XXXXXX", command[128], text[1000];
	const struct view letter = { text, sizeof text };
	struct spool_place at[LETTERS];
	struct spool *s;
	struct view envelope, body;
	uint64_t id, damaged = 0;

	(void)state;
	memset(text, 'x', sizeof text);
	assert_non_null(mkdtemp(folder));
	assert_int_equal(spool_open(folder, 1 << 20, none, NULL, &s, &damaged), ST_OK);
	for (int i = 0; i < LETTERS; i++) {
		dirty_stack(i);
		assert_int_equal(spool_add(s, VIEW("envelope"), letter, -1, 0, &id, &at[i]), ST_OK);
		assert_int_equal(spool_commit(s), ST_OK);
	}
	/* All but the last come from the segment. */
	for (int i = 0; i < LETTERS; i++) {
		dirty_stack(i);
		assert_int_equal(spool_letter(s, &at[i], &envelope, &body), ST_OK);
		assert_true(view_eq(envelope, VIEW("envelope")));
		assert_true(view_eq(body, letter));
	}
	spool_close(s);
	snprintf(command, sizeof command, "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(reads_back) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
