/* The store gives back the room of what is gone, and loses nothing by it,
 * wherever it is cut off. */
#include "ms/testing.h"

static const struct store_settings quick = { .segment_size = 64 * 1024, .undelete_ms = 0 };

static void keep_house(struct store *s)
{
	assert_int_equal(store_turn(s), ST_OK);
	assert_int_equal(store_flush(s), ST_OK);
	for (int i = 0; i < 1000 && store_housekeeping(s); i++)
		continue;
}

static uint32_t put_big(struct mailbox *m, uint32_t i)
{
	struct buf b = BUF(8192);
	uint32_t uid;

	buf_putf(&b, "Subject: big %u\r\n\r\n", i);
	while (b.n < 2000)
		buf_putf(&b, "%u line %zu\r\n", i, b.n);
	assert_int_equal(mailbox_append(m, 0, 1000 * i, buf_view(&b), &uid), ST_OK);
	buf_free(&b);
	return uid;
}

static void expect_big(struct mailbox *m, uint32_t uid, uint32_t i)
{
	char text[64];
	struct view body;
	uint32_t at = mailbox_find(m, uid, false);
	int n = snprintf(text, sizeof text, "Subject: big %u\r\n", i);

	assert_true(at < m->n);
	assert_int_equal(message_body(m, &m->messages[at], &body), ST_OK);
	assert_memory_equal(body.p, text, (size_t)n);
}

static off_t total_size(void)
{
	char path[300];
	off_t sum = 0;

	for (unsigned i = 1; i < 40; i++) {
		struct stat sb;

		snprintf(path, sizeof path, "%s/%08x.seg", folder, i);
		if (stat(path, &sb) == 0)
			sum += sb.st_size;
	}
	return sum;
}

static void fill(struct store *s, uint32_t n)
{
	struct arena a = ARENA(1 << 20);
	struct mailbox *in = box(s, "INBOX"), *trash = box(s, "Trash");
	uint32_t *made;

	for (uint32_t i = 1; i <= n; i++) {
		put_big(in, i);
		if (i % 3 == 0)
			assert_int_equal(mailbox_flags(in, &i, 1, FLAGS_ADD, FLAG_SEEN, UINT64_MAX, &a, NULL, NULL), ST_OK);
		if (i % 20 == 0)
			assert_int_equal(mailbox_copy(in, &i, 1, trash, &a, &made), ST_OK);
	}
	mailbox_release(in);
	mailbox_release(trash);
	arena_free(&a);
}

/* Leaves each tenth. */
static void thin_out(struct store *s, uint32_t n)
{
	struct mailbox *in = box(s, "INBOX");

	for (uint32_t i = 1; i <= n; i++)
		if (i % 10)
			assert_int_equal(mailbox_expunge(in, &i, 1), ST_OK);
	mailbox_release(in);
}

static void check_thin(struct store *s, uint32_t n)
{
	struct mailbox *in = box(s, "INBOX"), *trash = box(s, "Trash");

	assert_int_equal(in->n, n / 10);
	assert_int_equal(in->uidnext, n + 1);
	assert_int_equal(trash->n, n / 20);
	for (uint32_t i = 10; i <= n; i += 10) {
		expect_big(in, i, i);
		assert_int_equal(in->messages[i / 10 - 1].flags, i % 3 ? 0 : FLAG_SEEN);
	}
	for (uint32_t i = 1; i <= n / 20; i++)
		expect_big(trash, i, i * 20);
	mailbox_release(in);
	mailbox_release(trash);
}

static void compaction(void **state)
{
	struct store *s = open_with(&quick, NULL);
	struct store_findings f;
	char *before, *after;
	off_t full;

	(void)state;
	fill(s, 200);
	full = total_size();
	thin_out(s, 200);
	check_thin(s, 200);
	keep_house(s);
	check_thin(s, 200);
	assert_true(total_size() < full / 3);
	flush_close(s);
	before = dump();
	s = open_with(&quick, &f);
	assert_false(f.rebuilt);
	check_thin(s, 200);
	flush_close(s);
	remove_index();
	s = open_with(&quick, &f);
	assert_int_equal(f.damaged, 0);
	check_thin(s, 200);
	flush_close(s);
	after = dump();
	same_dump(before, after);
	free(before);
	free(after);
}

/* Compaction that ends at any of its writes to disk leaves all as it was, or
 * as it should be, whether or not the index heard of it. */
static void compaction_cut(void **state)
{
	static const char *const faults[] = { "rename:EIO", "flush:EIO", "write:ENOSPC", "open:EIO" };
	char spec[64], cmd[1024];

	for (unsigned kind = 0; kind < 4; kind++)
		for (unsigned skip = 0; skip < 12; skip++) {
			struct store_findings f;
			struct store *s = open_with(&quick, NULL);

			fill(s, 100);
			thin_out(s, 100);
			assert_int_equal(store_flush(s), ST_OK);
			snprintf(spec, sizeof spec, "%s:%u", faults[kind], skip);
			assert_int_equal(disk_fault(view_cstr(spec)), ST_OK);
			for (int i = 0; i < 50; i++)
				store_housekeeping(s);
			assert_int_equal(disk_fault(VIEW("flush:EIO:0:0")), ST_OK);
			check_thin(s, 100);
			/* As after kill -9, and with an index that knows nothing. */
			snprintf(cmd, sizeof cmd, "mkdir '%s/x' && cp '%s'/*.* '%s/x'", folder, folder, folder);
			assert_int_equal(system(cmd), 0);
			store_close(s);
			snprintf(cmd, sizeof cmd, "cd '%s' && rm -f *.* && mv x/* . && rmdir x", folder);
			assert_int_equal(system(cmd), 0);
			s = open_with(&quick, &f);
			assert_int_equal(f.damaged, 0);
			check_thin(s, 100);
			store_close(s);
			remove_index();
			s = open_with(&quick, &f);
			assert_int_equal(f.damaged, 0);
			check_thin(s, 100);
			store_close(s);
			teardown(state);
			assert_int_equal(setup(state), 0);
		}
}

/* The index of before the compaction, as a power loss may leave it. */
static void compaction_old_index(void **state)
{
	struct store *s = open_with(&quick, NULL);
	struct store_findings f;
	char cmd[1024];

	(void)state;
	fill(s, 100);
	thin_out(s, 100);
	flush_close(s);
	snprintf(cmd, sizeof cmd, "mkdir '%s/old' && cp '%s'/index.db* '%s/old'", folder, folder, folder);
	assert_int_equal(system(cmd), 0);
	s = open_with(&quick, NULL);
	keep_house(s);
	flush_close(s);
	snprintf(cmd, sizeof cmd, "cd '%s' && rm -f index.db* && mv old/* .", folder);
	assert_int_equal(system(cmd), 0);
	s = open_with(&quick, &f);
	assert_true(f.rebuilt);
	check_thin(s, 100);
	flush_close(s);
}

/* What the disk does not give is not left out: the old file stays. */
static void not_readable(void **state)
{
	struct store *s = open_with(&quick, NULL);
	off_t full;

	(void)state;
	fill(s, 200);
	thin_out(s, 200);
	assert_int_equal(store_turn(s), ST_OK);
	assert_int_equal(store_flush(s), ST_OK);
	full = total_size();
	assert_int_equal(disk_fault(VIEW("read:EIO:0")), ST_OK);
	for (int i = 0; i < 1000 && store_housekeeping(s); i++)
		continue;
	assert_int_equal(disk_fault(VIEW("read:EIO:0:0")), ST_OK);
	assert_true(total_size() >= full);
	check_thin(s, 200);
	flush_close(s);
	s = open_with(&quick, NULL);
	check_thin(s, 200);
	flush_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { T(compaction), T(compaction_cut), T(compaction_old_index), T(not_readable) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
