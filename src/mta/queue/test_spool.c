/* What is read back from the segment must be found whole, whatever else ran
 * on the stack in between. */
#include "mta/queue/spool.h"

#include "base/disk.h"
#include "base/disk_record.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

/* ---- a queue that dies ---- */

static enum status take(void *arg, uint64_t id, const struct spool_place *at, struct view envelope,
			const struct spool_place *progress_at, struct view progress)
{
	unsigned *n = arg;

	(void)none(NULL, id, at, envelope, progress_at, progress);
	++*n;
	return ST_OK;
}

/* Two letters and the DONE of the first, each in a segment of its own; it dies
 * with the DONE written and not flushed. */
static void die_over_a_done(const char *folder)
{
	struct spool_place at[2], no_progress = { 0 };
	struct spool *s;
	uint64_t id[2], damaged;

	signal(SIGILL, SIG_DFL);	/* cmocka catches it */
	if (spool_open(folder, 1, none, NULL, &s, &damaged) != ST_OK)
		_exit(1);
	for (int i = 0; i < 2; i++)
		if (spool_add(s, VIEW("envelope"), VIEW("letter"), -1, 0, &id[i], &at[i]) != ST_OK ||
		    spool_commit(s) != ST_OK)
			_exit(1);
	if (spool_done(s, id[0], &at[0], &no_progress) != ST_OK || disk_fault(VIEW("write:DIE:0:1")) != ST_OK)
		_exit(1);
	(void)!spool_commit(s);
	_exit(1);
}

/* Where in the record of the disk an entry stands: op, and of which file (0: any). */
static size_t noted(const char *path, uint32_t op, uint64_t inode)
{
	struct {
		char magic[4];
		uint32_t op;
		uint64_t inode, at, n, folder;
	} e;
	FILE *f = fopen(path, "r");
	size_t place = 0;

	assert_non_null(f);
	for (size_t i = 1; place == 0 && fread(&e, sizeof e, 1, f) == 1; i++) {
		assert_int_equal(fseek(f, (long)e.n, SEEK_CUR), 0);
		if (e.op == op && (inode == 0 || e.inode == inode))
			place = i;
	}
	fclose(f);
	return place;
}

/* Else a loss of power brings the letter back, and its room, which was told
 * that no id so old comes again, takes it once more. */
static void what_removes_a_letter_is_on_disk_before(void **state)
{
	char folder[] = "/tmp/waxwing-spool-XXXXXX", path[128], command[128];
	struct spool *s;
	struct stat third;
	uint64_t damaged = 0;
	unsigned n = 0;
	int how = 0;
	pid_t child;

	(void)state;
	assert_non_null(mkdtemp(folder));
	child = fork();
	if (child == 0)
		die_over_a_done(folder);
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFSIGNALED(how));
	snprintf(path, sizeof path, "%s/0000000000000003.log", folder);
	assert_int_equal(stat(path, &third), 0);
	snprintf(path, sizeof path, "%s/record", folder);
	assert_int_equal(disk_record_to(path), ST_OK);
	assert_int_equal(spool_open(folder, 1, take, &n, &s, &damaged), ST_OK);
	assert_int_equal(n, 1);
	assert_true(noted(path, NOTE_UNLINK, 0) > 0);
	assert_in_range(noted(path, NOTE_FLUSH, third.st_ino), 1, noted(path, NOTE_UNLINK, 0) - 1);
	spool_close(s);
	snprintf(command, sizeof command, "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back), cmocka_unit_test(what_removes_a_letter_is_on_disk_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
