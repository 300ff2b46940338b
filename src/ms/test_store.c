/* The store as its callers see it: what goes in comes out, after a crash,
 * from a new index, in any order. */
#include "ms/testing.h"

#include <fcntl.h>

static const struct store_settings plain = { .segment_size = 256 * 1024, .undelete_ms = 7 * 86400000ull };

static struct store *open_it(void)
{
	return open_with(&plain, NULL);
}

static uint32_t put(struct mailbox *m, uint64_t flags, const char *subject)
{
	char text[256];
	uint32_t uid = 0;
	int n = snprintf(text, sizeof text, "From: a@b\r\nSubject: %s\r\n\r\nHello %s\r\n", subject, subject);

	assert_int_equal(mailbox_append(m, flags, 1700000000000, view_make(text, (size_t)n), &uid), ST_OK);
	return uid;
}

static void expect_body(struct mailbox *m, uint32_t uid, const char *subject)
{
	char text[256];
	struct view body;
	uint32_t i = mailbox_find(m, uid, false);
	int n = snprintf(text, sizeof text, "From: a@b\r\nSubject: %s\r\n\r\nHello %s\r\n", subject, subject);

	assert_true(i < m->n);
	assert_int_equal(message_body(m, &m->messages[i], &body), ST_OK);
	assert_int_equal(body.n, n);
	assert_memory_equal(body.p, text, (size_t)n);
}

/* ---- tests ---- */

static void new_store(void **state)
{
	struct arena a = ARENA(1 << 20);
	struct mailbox_info *all;
	uint32_t n;
	struct store *s = open_it(), *second;
	struct store_findings f;

	(void)state;
	assert_int_equal(store_mailboxes(s, &a, &all, &n), ST_OK);
	assert_int_equal(n, 6);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(all[i].uidvalidity > 0);
		assert_true(all[i].subscribed);
		assert_int_equal(all[i].uidnext, 1);
	}
	assert_true(view_eq(all[2].name, VIEW("INBOX")));
	assert_int_equal(all[2].use, USE_INBOX);
	assert_int_equal(store_open(folder, &plain, &second, &f), ST_EXISTS);
	arena_free(&a);
	flush_close(s);
}

static void append_and_reopen(void **state)
{
	struct store *s = open_it();
	struct mailbox *m = box(s, "inbox");

	(void)state;
	assert_int_equal(put(m, 0, "one"), 1);
	assert_int_equal(put(m, FLAG_SEEN, "two"), 2);
	assert_int_equal(m->n, 2);
	expect_body(m, 1, "one");
	mailbox_release(m);
	flush_close(s);
	s = open_it();
	m = box(s, "INBOX");
	assert_int_equal(m->n, 2);
	assert_int_equal(m->uidnext, 3);
	assert_int_equal(m->messages[1].flags, FLAG_SEEN);
	assert_true(m->messages[0].date == 1700000000000);
	expect_body(m, 2, "two");
	mailbox_release(m);
	flush_close(s);
}

/* All kinds of changes, some of them undone again. */
static void many_changes(struct store *s)
{
	struct arena a = ARENA(1 << 20);
	struct mailbox *in = box(s, "INBOX"), *work;
	uint32_t uids[200], *made, n = 0;
	uint64_t red, blue;

	for (uint32_t i = 0; i < 200; i++) {
		char t[16];

		snprintf(t, sizeof t, "m%u", i);
		put(in, i % 3 ? 0 : FLAG_SEEN, t);
		uids[n++] = i + 1;
	}
	assert_int_equal(store_create(s, VIEW("Work/Deep/Er"), USE_NONE), ST_OK);
	work = box(s, "Work/Deep");
	assert_int_equal(mailbox_keyword(in, VIEW("$Red"), true, &red), ST_OK);
	assert_int_equal(mailbox_keyword(work, VIEW("$Blue"), true, &blue), ST_OK);
	assert_int_equal(mailbox_flags(in, uids + 10, 50, FLAGS_ADD, red | FLAG_FLAGGED, UINT64_MAX, &a, NULL, NULL), ST_OK);
	assert_int_equal(mailbox_flags(in, uids + 20, 10, FLAGS_REMOVE, FLAG_FLAGGED, UINT64_MAX, &a, NULL, NULL), ST_OK);
	assert_int_equal(mailbox_flags(in, uids + 25, 10, FLAGS_REPLACE, FLAG_DELETED, UINT64_MAX, &a, NULL, NULL), ST_OK);
	assert_int_equal(mailbox_copy(in, uids + 5, 30, work, &a, &made), ST_OK);
	assert_int_equal(made[0], 1);
	assert_int_equal(mailbox_move(in, uids + 100, 30, work, &a, &made), ST_OK);
	assert_int_equal(made[29], 60);
	assert_int_equal(mailbox_expunge(in, uids + 25, 20), ST_OK);
	assert_int_equal(store_create(s, VIEW("Gone"), USE_NONE), ST_OK);
	assert_int_equal(store_delete(s, VIEW("Gone")), ST_OK);
	assert_int_equal(store_rename(s, VIEW("Work"), VIEW("Play")), ST_OK);
	assert_int_equal(store_subscribe(s, VIEW("Nowhere"), true), ST_OK);
	mailbox_release(work);
	mailbox_release(in);
	arena_free(&a);
}

static void check_changes(struct store *s)
{
	struct mailbox *in = box(s, "INBOX"), *work = box(s, "Play/Deep");
	struct arena a = ARENA(1 << 20);
	struct mailbox_info info;
	uint32_t *uids, n;
	uint64_t red;

	assert_int_equal(in->n, 150);
	assert_int_equal(work->n, 60);
	assert_int_equal(in->uidnext, 201);
	expect_body(work, 1, "m5");
	expect_body(work, 60, "m129");
	assert_int_equal(mailbox_keyword(work, VIEW("$red"), false, &red), ST_OK);
	assert_true(work->messages[6].flags & red);
	assert_true(work->messages[6].flags & FLAG_FLAGGED);
	assert_int_equal(mailbox_vanished(in, 0, &a, &uids, &n), ST_OK);
	assert_int_equal(n, 50);
	assert_int_equal(uids[0], 26);
	assert_int_equal(uids[49], 130);
	assert_int_equal(store_mailbox_info(s, VIEW("INBOX"), &a, &info), ST_OK);
	assert_int_equal(info.messages, 150);
	assert_int_equal(info.deleted, 0);
	arena_free(&a);
	mailbox_release(in);
	mailbox_release(work);
}

static void rebuilt_identical(void **state)
{
	struct store_findings f;
	struct store *s = open_it();
	char *before, *after;

	(void)state;
	many_changes(s);
	check_changes(s);
	flush_close(s);
	before = dump();
	remove_index();
	s = open_with(&plain, &f);
	assert_true(f.rebuilt);
	check_changes(s);
	flush_close(s);
	after = dump();
	same_dump(before, after);
	free(before);
	free(after);
	/* And asked for, with a mailbox in use. */
	s = open_it();
	struct mailbox *in = box(s, "INBOX");

	assert_int_equal(store_rebuild(s, NULL), ST_OK);
	assert_int_equal(in->n, 150);
	mailbox_release(in);
	check_changes(s);
	flush_close(s);
}

static void delivered_once(void **state)
{
	struct delivery d = { .queue_id = 7, .recipient = 1, .letter = VIEW("Subject: x\r\n\r\ny\r\n"),
			      .head = VIEW("Return-Path: <a@b>\r\n"), .mailbox = VIEW("Nowhere") };
	struct store *s = open_it();
	struct mailbox *m;
	uint32_t uid, again;

	(void)state;
	assert_int_equal(store_deliver(s, &d, &uid), ST_OK);
	assert_int_equal(store_deliver(s, &d, &again), ST_OK);
	assert_int_equal(uid, again);
	flush_close(s);
	s = open_it();
	again = 0;
	assert_int_equal(store_deliver(s, &d, &again), ST_OK);
	assert_int_equal(uid, again);
	d.recipient = 2;
	assert_int_equal(store_deliver(s, &d, &again), ST_OK);
	assert_int_equal(again, uid + 1);
	m = box(s, "INBOX");
	assert_int_equal(m->n, 2);
	mailbox_release(m);
	flush_close(s);
}

static void uidvalidity_grows(void **state)
{
	struct arena a = ARENA(1 << 20);
	struct mailbox_info one, two;
	struct store *s = open_it();

	(void)state;
	assert_int_equal(store_create(s, VIEW("A"), USE_NONE), ST_OK);
	assert_int_equal(store_mailbox_info(s, VIEW("A"), &a, &one), ST_OK);
	assert_int_equal(store_delete(s, VIEW("A")), ST_OK);
	flush_close(s);
	remove_index();
	s = open_it();
	assert_int_equal(store_create(s, VIEW("A"), USE_NONE), ST_OK);
	assert_int_equal(store_mailbox_info(s, VIEW("A"), &a, &two), ST_OK);
	assert_true(two.uidvalidity > one.uidvalidity);
	arena_free(&a);
	flush_close(s);
}

static void names(void **state)
{
	struct store *s = open_it();

	(void)state;
	assert_int_equal(store_create(s, VIEW("inbox"), USE_NONE), ST_EXISTS);
	assert_int_equal(store_create(s, VIEW("a//b"), USE_NONE), ST_SYNTAX);
	assert_int_equal(store_create(s, VIEW("/a"), USE_NONE), ST_SYNTAX);
	assert_int_equal(store_create(s, VIEW("a*"), USE_NONE), ST_SYNTAX);
	assert_int_equal(store_create(s, VIEW("a\r\nb"), USE_NONE), ST_SYNTAX);
	assert_int_equal(store_create(s, VIEW("\xc0\xaf"), USE_NONE), ST_SYNTAX);
	assert_int_equal(store_create(s, VIEW("Gr\xc3\xbc\xc3\x9f" "e"), USE_NONE), ST_OK);
	assert_int_equal(store_create(s, VIEW("a/b"), USE_NONE), ST_OK);
	assert_int_equal(store_delete(s, VIEW("a")), ST_DENIED);
	assert_int_equal(store_delete(s, VIEW("INBOX")), ST_DENIED);
	assert_int_equal(store_delete(s, VIEW("zz")), ST_MISSING);
	assert_int_equal(store_rename(s, VIEW("a"), VIEW("a/b/c")), ST_SYNTAX);
	assert_int_equal(store_rename(s, VIEW("a"), VIEW("Sent")), ST_EXISTS);
	assert_int_equal(store_rename(s, VIEW("zz"), VIEW("y")), ST_MISSING);
	flush_close(s);
}

static void rename_inbox(void **state)
{
	struct store *s = open_it();
	struct mailbox *in = box(s, "INBOX"), *old;

	(void)state;
	put(in, 0, "x");
	assert_int_equal(store_rename(s, VIEW("INBOX"), VIEW("Old")), ST_OK);
	old = box(s, "Old");
	assert_int_equal(in->n, 0);
	assert_int_equal(old->n, 1);
	assert_int_equal(in->uidnext, 2);
	mailbox_release(in);
	mailbox_release(old);
	flush_close(s);
}

static void unchanged_since(void **state)
{
	struct arena a = ARENA(1 << 20);
	struct store *s = open_it();
	struct mailbox *m = box(s, "INBOX");
	uint32_t uids[] = { 1, 2, 9 }, *failed, n;
	uint64_t then;

	(void)state;
	put(m, 0, "a");
	put(m, 0, "b");
	then = m->modseq;
	assert_int_equal(mailbox_flags(m, uids, 1, FLAGS_ADD, FLAG_SEEN, UINT64_MAX, &a, NULL, NULL), ST_OK);
	assert_true(m->modseq > then);
	assert_int_equal(mailbox_flags(m, uids, 3, FLAGS_ADD, FLAG_FLAGGED, then, &a, &failed, &n), ST_OK);
	assert_int_equal(n, 1);
	assert_int_equal(failed[0], 1);
	assert_int_equal(m->messages[0].flags, FLAG_SEEN);
	assert_int_equal(m->messages[1].flags, FLAG_FLAGGED);
	/* What changes nothing has no mod-sequence of its own. */
	then = m->modseq;
	assert_int_equal(mailbox_flags(m, uids, 3, FLAGS_REMOVE, FLAG_DRAFT, UINT64_MAX, &a, NULL, NULL), ST_OK);
	assert_true(m->modseq == then);
	arena_free(&a);
	mailbox_release(m);
	flush_close(s);
}

static void undelete(void **state)
{
	struct store *s = open_it();
	struct mailbox *m = box(s, "INBOX"), *trash = box(s, "Trash");
	uint32_t uids[] = { 1, 3 }, n = 0;

	(void)state;
	put(m, 0, "a");
	put(m, FLAG_SEEN, "b");
	put(m, FLAG_DELETED | FLAG_SEEN, "c");
	assert_int_equal(mailbox_expunge(m, uids, 2), ST_OK);
	assert_int_equal(m->n, 1);
	mailbox_release(m);
	mailbox_release(trash);
	flush_close(s);
	s = open_it();
	assert_int_equal(store_undelete(s, 0, VIEW("Trash"), &n), ST_OK);
	assert_int_equal(n, 2);
	trash = box(s, "Trash");
	expect_body(trash, 2, "c");
	assert_int_equal(trash->messages[1].flags, FLAG_SEEN);
	assert_int_equal(store_undelete(s, 0, VIEW("Trash"), &n), ST_OK);
	assert_int_equal(n, 0);
	mailbox_release(trash);
	flush_close(s);
}

static void quota(void **state)
{
	struct store_settings set = plain;
	struct store *s;
	struct mailbox *m;
	uint32_t uid;

	(void)state;
	set.quota = 100;
	s = open_with(&set, NULL);
	m = box(s, "INBOX");
	assert_int_equal(mailbox_append(m, 0, 0, VIEW("0123456789012345678901234567890123456789"), &uid), ST_OK);
	assert_int_equal(mailbox_append(m, 0, 0, VIEW("0123456789012345678901234567890123456789"), &uid), ST_OK);
	assert_int_equal(mailbox_append(m, 0, 0, VIEW("0123456789012345678901234567890123456789"), &uid), ST_NOSPACE);
	assert_int_equal(m->n, 2);
	mailbox_release(m);
	flush_close(s);
}

/* ---- trouble ---- */

/* A flush that fails is never made good by asking again: the records go into
 * another file. */
static void failed_flush(void **state)
{
	struct store *s = open_it();
	struct mailbox *m = box(s, "INBOX");
	uint32_t segment;

	(void)state;
	put(m, 0, "safe");
	assert_int_equal(store_flush(s), ST_OK);
	put(m, 0, "a");
	segment = m->messages[1].at.segment;
	assert_int_equal(disk_fault(VIEW("flush:EIO:0:1")), ST_OK);
	assert_int_equal(store_flush(s), ST_OK);
	assert_true(m->messages[1].at.segment > segment);
	expect_body(m, 1, "safe");
	expect_body(m, 2, "a");
	put(m, 0, "b");
	/* And where that fails too nothing is called durable. */
	assert_int_equal(disk_fault(VIEW("flush:EIO:0:2")), ST_OK);
	assert_int_not_equal(store_flush(s), ST_OK);
	assert_int_equal(store_flush(s), ST_OK);
	expect_body(m, 3, "b");
	mailbox_release(m);
	flush_close(s);
	remove_index();
	s = open_it();
	m = box(s, "INBOX");
	assert_int_equal(m->n, 3);
	expect_body(m, 3, "b");
	mailbox_release(m);
	flush_close(s);
}

static void full_disk(void **state)
{
	struct store *s = open_it();
	struct mailbox *m = box(s, "INBOX");
	uint32_t uid = 77;

	(void)state;
	put(m, 0, "a");
	assert_int_equal(disk_fault(VIEW("write:ENOSPC:0:1")), ST_OK);
	assert_int_equal(mailbox_append(m, 0, 0, VIEW("Subject: x\r\n\r\n"), &uid), ST_NOSPACE);
	assert_int_equal(uid, 77);
	assert_int_equal(m->n, 1);
	assert_int_equal(put(m, 0, "b"), 2);
	mailbox_release(m);
	flush_close(s);
	s = open_it();
	m = box(s, "INBOX");
	assert_int_equal(m->n, 2);
	expect_body(m, 2, "b");
	mailbox_release(m);
	flush_close(s);
}

static void flip(const char *file, off_t at)
{
	char path[300], c;
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, file);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 0x10;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void flipped_bit(void **state)
{
	struct store_findings f;
	struct store *s = open_it();
	struct mailbox *m = box(s, "INBOX");
	struct view body;
	off_t at;

	(void)state;
	put(m, 0, "a");
	put(m, 0, "b");
	put(m, 0, "c");
	at = (off_t)m->messages[1].at.offset + 120;
	mailbox_release(m);
	flush_close(s);
	flip("00000001.seg", at);
	s = open_it();
	m = box(s, "INBOX");
	assert_int_equal(message_body(m, &m->messages[1], &body), ST_CORRUPT);
	expect_body(m, 1, "a");
	expect_body(m, 3, "c");
	mailbox_release(m);
	flush_close(s);
	/* A rebuild says so, and loses that one. */
	remove_index();
	s = open_with(&plain, &f);
	assert_int_equal(f.damaged, 1);
	m = box(s, "INBOX");
	assert_int_equal(m->n, 2);
	assert_int_equal(m->uidnext, 4);
	mailbox_release(m);
	flush_close(s);
}

/* Somebody cuts the file while it is open: what is gone is an error, not the end of us. */
static void cut_under_us(void **state)
{
	enum { LETTERS = 1200, KEPT = 100 * 1024, LONGER_THAN_A_LOOK_US = 150 * 1000 };
	struct store *s = open_it();
	struct mailbox *m = box(s, "INBOX");
	struct view body;
	char path[300];
	enum status st;

	(void)state;
	for (int i = 0; i < LETTERS; i++)
		put(m, 0, "a");
	expect_body(m, 1, "a");
	expect_body(m, LETTERS, "a");
	assert_true(m->messages[LETTERS - 1].at.offset > KEPT);
	snprintf(path, sizeof path, "%s/00000001.seg", folder);
	assert_int_equal(truncate(path, KEPT), 0);
	usleep(LONGER_THAN_A_LOOK_US);
	assert_int_equal(message_body(m, &m->messages[LETTERS - 1], &body), ST_IO);
	assert_int_equal(message_body(m, &m->messages[LETTERS - 2], &body), ST_IO);
	expect_body(m, 1, "a");
	/* Where the next one is written there is a hole before it. */
	put(m, 0, "b");
	expect_body(m, LETTERS + 1, "b");
	st = message_body(m, &m->messages[LETTERS - 1], &body);
	assert_true(st == ST_IO || st == ST_CORRUPT);
	mailbox_release(m);
	flush_close(s);
	s = open_it();
	m = box(s, "INBOX");
	expect_body(m, 1, "a");
	expect_body(m, LETTERS + 1, "b");
	mailbox_release(m);
	flush_close(s);
}

static void head_spoilt(void **state)
{
	struct store *s = open_it();
	struct mailbox *m = box(s, "INBOX");

	(void)state;
	put(m, 0, "a");
	mailbox_release(m);
	flush_close(s);
	flip("00000001.seg", 3);
	remove_index();
	s = open_it();
	m = box(s, "INBOX");
	expect_body(m, 1, "a");
	mailbox_release(m);
	flush_close(s);
}

static void truncated(void **state)
{
	struct store_findings f;
	struct store *s = open_it();
	struct mailbox *m = box(s, "INBOX");
	uint64_t modseq;
	char path[300];

	(void)state;
	put(m, 0, "a");
	put(m, 0, "b");
	put(m, 0, "c");
	modseq = m->modseq;
	off_t cut = (off_t)m->messages[2].at.offset + 50;

	mailbox_release(m);
	flush_close(s);
	snprintf(path, sizeof path, "%s/00000001.seg", folder);
	assert_int_equal(truncate(path, cut), 0);
	s = open_with(&plain, &f);
	assert_true(f.rebuilt);
	m = box(s, "INBOX");
	assert_int_equal(m->n, 2);
	/* What clients have seen is not given to another message. */
	assert_int_equal(m->uidnext, 4);
	assert_true(m->modseq >= modseq);
	assert_int_equal(put(m, 0, "d"), 4);
	assert_true(m->modseq > modseq);
	mailbox_release(m);
	flush_close(s);
}

/* Bytes of a letter that look like records are none, even when the record
 * around them is spoilt. */
static void forged_record(void **state)
{
	struct store_findings f;
	struct store *s = open_it();
	struct mailbox *m = box(s, "INBOX");
	struct buf letter = BUF(1 << 16);
	struct view body;
	uint32_t uid;
	char raw[512];
	char path[300];
	int fd;

	(void)state;
	put(m, 0, "real");
	snprintf(path, sizeof path, "%s/00000001.seg", folder);
	fd = open(path, O_RDONLY);
	assert_true(pread(fd, raw, sizeof raw, 64) > 300);
	close(fd);
	buf_puts(&letter, "Subject: f\r\n\r\n");
	while (letter.n % 8)
		buf_putc(&letter, '.');
	for (int i = 0; i < 64; i++)
		buf_put(&letter, view_make(raw, sizeof raw));
	assert_int_equal(mailbox_append(m, 0, 0, buf_view(&letter), &uid), ST_OK);
	put(m, 0, "later");
	off_t at = (off_t)m->messages[1].at.offset + 20;

	mailbox_release(m);
	flush_close(s);
	flip("00000001.seg", at);
	remove_index();
	s = open_with(&plain, &f);
	m = box(s, "INBOX");
	assert_int_equal(m->n, 2);
	assert_int_equal(message_body(m, &m->messages[1], &body), ST_OK);
	expect_body(m, 3, "later");
	mailbox_release(m);
	flush_close(s);
	buf_free(&letter);
}

static void corrupt_index(void **state)
{
	struct store_findings f;
	struct store *s = open_it();
	char path[300];
	FILE *file;

	(void)state;
	many_changes(s);
	flush_close(s);
	snprintf(path, sizeof path, "%s/index.db", folder);
	file = fopen(path, "r+");
	for (int i = 0; i < 20000; i++)
		fputc(i * 7, file);
	fclose(file);
	remove_file("index.db-wal");
	remove_file("index.db-shm");
	s = open_with(&plain, &f);
	assert_true(f.rebuilt);
	check_changes(s);
	flush_close(s);
}

/* A list whose last name is cut: what stands before it was read already. */
static void corrupt_list(void **state)
{
	struct store_findings f;
	struct store *s = open_it();
	char path[300];
	sqlite3 *db;

	(void)state;
	many_changes(s);
	flush_close(s);
	snprintf(path, sizeof path, "%s/index.db", folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE list SET data = CAST(data || x'ff000000' AS BLOB) WHERE name = 'subscribed'", NULL,
				      NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_close(db);
	s = open_with(&plain, &f);
	assert_true(f.rebuilt);
	check_changes(s);
	flush_close(s);
}

/* Changes that the index does not know, by a process that was killed. */
static void change_and_die(void)
{
	struct store *s = open_it();
	int pipe_fd[2];
	char c;

	flush_close(s);
	assert_int_equal(pipe(pipe_fd), 0);
	if (fork() == 0) {
		/* Written, never committed nor flushed: kill -9 takes nothing. */
		s = open_it();
		many_changes(s);
		_exit(0);
	}
	close(pipe_fd[1]);
	assert_int_equal(read(pipe_fd[0], &c, 1), 0);
	close(pipe_fd[0]);
}

static void crashed(void **state)
{
	struct store *s;

	(void)state;
	change_and_die();
	s = open_it();
	check_changes(s);
	flush_close(s);
}

/* What the disk does not give now is not taken for an unfinished end. */
static void end_not_readable(void **state)
{
	static const char *const faults[] = { "read:EIO:0", "read:EIO:1" };
	struct store_findings f;
	struct store *s = NULL;
	struct stat before, after;
	char path[300];

	(void)state;
	change_and_die();
	snprintf(path, sizeof path, "%s/00000001.seg", folder);
	assert_int_equal(stat(path, &before), 0);
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		assert_int_equal(disk_fault(view_cstr(faults[i])), ST_OK);
		assert_int_equal(store_open(folder, &plain, &s, &f), ST_IO);
		assert_int_equal(stat(path, &after), 0);
		assert_int_equal(after.st_size, before.st_size);
	}
	assert_int_equal(disk_fault(VIEW("read:EIO:0:0")), ST_OK);
	s = open_it();
	check_changes(s);
	flush_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(new_store), T(append_and_reopen), T(rebuilt_identical), T(delivered_once), T(uidvalidity_grows),
		T(names), T(rename_inbox), T(unchanged_since), T(undelete), T(quota), T(failed_flush),
		T(full_disk), T(flipped_bit), T(cut_under_us), T(head_spoilt), T(truncated), T(forged_record), T(corrupt_index),
		T(corrupt_list),
		T(crashed), T(end_not_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
