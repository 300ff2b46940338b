/* The store as its callers see it: what goes in comes out, after a crash,
 * from a new index, in any order. */
#include "ms/store.h"

#include "base/buf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static char folder[256];
static const struct store_settings plain = { .segment_size = 256 * 1024, .undelete_ms = 7 * 86400000ull };

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/waxwing-store-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[300];

	(void)state;
	(void)!disk_fault(VIEW("flush:EIO:0:0"));
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", folder);
	return system(cmd);
}

static struct store *open_with(const struct store_settings *set, struct store_findings *f)
{
	struct store_findings own;
	struct store *s = NULL;

	assert_int_equal(store_open(folder, set, &s, f ? f : &own), ST_OK);
	return s;
}

static struct store *open_it(void)
{
	return open_with(&plain, NULL);
}

static struct mailbox *box(struct store *s, const char *name)
{
	struct mailbox *m = NULL;

	assert_int_equal(mailbox_open(s, view_cstr(name), &m), ST_OK);
	return m;
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

/* All rows of all tables but the journal's facts, as text. */
static char *dump(void)
{
	static const char *const tables[] = { "state", "list", "mailbox", "gone", "page", "letter", "removed" };
	struct buf b = BUF(1 << 24);
	char path[300];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/index.db", folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
		char text[80];
		sqlite3_stmt *q;

		/* How far the filters are is no matter (test_fulltext.c). */
		snprintf(text, sizeof text, "SELECT * FROM %s%s ORDER BY 1, 2", tables[t],
			 t == 0 ? " WHERE name <> 'fulltext'" : "");
		assert_int_equal(sqlite3_prepare_v2(db, text, -1, &q, NULL), SQLITE_OK);
		while (sqlite3_step(q) == SQLITE_ROW) {
			buf_puts(&b, tables[t]);
			for (int i = 0; i < sqlite3_column_count(q); i++) {
				const unsigned char *p = sqlite3_column_blob(q, i);
				int n = sqlite3_column_bytes(q, i);

				buf_putc(&b, '|');
				for (int k = 0; k < n; k++)
					buf_putf(&b, "%02x", p[k]);
			}
			buf_putc(&b, '\n');
		}
		sqlite3_finalize(q);
	}
	sqlite3_close(db);
	buf_putc(&b, '\0');
	assert_int_equal(buf_status(&b), ST_OK);
	assert_true(b.n > 100);
	return b.p;
}

static void flush_close(struct store *s)
{
	assert_int_equal(store_turn(s), ST_OK);
	assert_int_equal(store_flush(s), ST_OK);
	store_close(s);
}

static void remove_file(const char *name)
{
	char path[300];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	unlink(path);
}

static void remove_index(void)
{
	remove_file("index.db");
	remove_file("index.db-wal");
	remove_file("index.db-shm");
}

/* The first line that differs says more than both texts. */
static void same_dump(const char *a, const char *b)
{
	size_t i = 0, line = 0;

	for (; a[i] && a[i] == b[i]; i++)
		if (a[i] == '\n')
			line = i + 1;
	if (a[i] != b[i])
		fail_msg("one:   %.*s\nother: %.*s", (int)strcspn(a + line, "\n"), a + line,
			 (int)strcspn(b + line, "\n"), b + line);
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

static void crashed(void **state)
{
	struct store *s = open_it();
	int pipe_fd[2];
	char c;

	(void)state;
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
	s = open_it();
	check_changes(s);
	flush_close(s);
	close(pipe_fd[0]);
}

/* ---- compaction ---- */

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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(new_store), T(append_and_reopen), T(rebuilt_identical), T(delivered_once), T(uidvalidity_grows),
		T(names), T(rename_inbox), T(unchanged_since), T(undelete), T(quota), T(failed_flush),
		T(full_disk), T(flipped_bit), T(head_spoilt), T(truncated), T(forged_record), T(corrupt_index),
		T(crashed), T(compaction), T(compaction_cut), T(compaction_old_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
