#include "base/disk.h"
#include "mua/copy/query.h"
#include "mua/copy/test_copy.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void putting_and_listing(void **state)
{
	struct copy_findings f;
	struct copy *c = opened(&f);
	struct arena a = ARENA(COPY_LIST_ARENA(100));
	int64_t inbox = folder_id(c, "inbox"), id;
	struct copy_list l;
	struct copy_letter letter;

	(void)state;
	assert_false(f.rebuilt);
	id = put(c, inbox, 1, 0, "=?utf-8?q?Gr=C3=BC=C3=9Fe?= \xe2\x80\xae" "bcd", "Hello");
	put(c, inbox, 2, 1, "Re: Gr\xc3\xbc\xc3\x9f" "e", "Hello again");
	assert_int_equal(copy_list(c, inbox, COPY_BY_DATE, true, 0, 10, &a, &l), ST_OK);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.total, 2);
	assert_view(l.all[1].subject, "Gr\xc3\xbc\xc3\x9f" "e bcd");
	assert_view(l.all[1].from, "Mary Smith");
	assert_view(l.all[1].address, "mary@example.net");
	assert_view(l.all[1].to, "Jones, A.");
	assert_view(l.all[1].message_id, "1@x");
	assert_true(l.all[0].flags & COPY_REPLY);
	assert_int_equal(l.all[0].n_refs, 1);
	assert_int_equal(copy_ref(&l.all[0], 0), l.all[1].name);
	assert_int_equal(files_in("INBOX/cur"), 2);
	assert_int_equal(files_in("INBOX/tmp"), 0);
	assert_int_equal(copy_read(c, id, &letter), ST_OK);
	assert_true(letter.whole && letter.bytes.n > 100);
	copy_letter_close(&letter);
	assert_int_equal(counts(c, "INBOX").unseen, 2);
	/* The same again changes nothing. */
	put(c, inbox, 2, 1, "Re: other", "Hello again");
	assert_int_equal(counts(c, "INBOX").messages, 2);
	assert_int_equal(files_in("INBOX/cur"), 2);
	arena_free(&a);
	copy_close(c);
}

static void headers_first(void **state)
{
	struct copy *c = opened(NULL);
	int64_t inbox = folder_id(c, "INBOX"), id, again;
	struct copy_arrival w = { .folder = inbox, .uid = 7, .flags = COPY_SEEN, .keywords = VIEW("$Forwarded work") };
	struct copy_letter l;
	struct arena a = ARENA((size_t)1 << 20);
	struct copy_message m;

	(void)state;
	assert_int_equal(copy_put_header(c, &w, VIEW("Subject: only me\r\n\r\n"), 1234, COPY_ATTACHMENTS, &id), ST_OK);
	assert_int_equal(copy_read(c, id, &l), ST_OK);
	assert_false(l.whole);
	assert_view(l.bytes, "Subject: only me\r\n\r\n");
	copy_letter_close(&l);
	assert_int_equal(copy_message(c, id, &a, &m), ST_OK);
	assert_int_equal(m.size, 1234);
	assert_int_equal(m.flags & COPY_FLAGS, COPY_SEEN | COPY_FORWARDED);
	assert_true(m.flags & COPY_ATTACHMENTS);
	assert_view(m.keywords, "work");
	/* Its body comes; it is the same message. */
	assert_int_equal(copy_put(c, &w, VIEW("Subject: only me\r\n\r\nbody\r\n"), &again), ST_OK);
	assert_int_equal(again, id);
	assert_int_equal(copy_read(c, id, &l), ST_OK);
	assert_true(l.whole);
	copy_letter_close(&l);
	assert_int_equal(counts(c, "INBOX").bodies, 1);
	arena_free(&a);
	copy_close(c);
}

static size_t ops(struct copy *c, struct arena *a, struct copy_op **ret)
{
	size_t n = 0;

	assert_int_equal(copy_pending(c, 100, a, ret, &n), ST_OK);
	return n;
}

static void changes_wait_and_are_told(void **state)
{
	struct copy *c = opened(NULL);
	struct arena a = ARENA((size_t)16 << 20);
	int64_t inbox = folder_id(c, "INBOX"), trash = folder_id(c, "Trash"), id;
	struct copy_op *op;
	struct copy_sync sync = { .uidvalidity = 9, .uidnext = 2 };

	(void)state;
	assert_int_equal(copy_folder_sync(c, inbox, &sync), ST_OK);
	assert_int_equal(copy_folder_sync(c, trash, &sync), ST_OK);
	id = put(c, inbox, 1, 0, "x", "y");
	assert_int_equal(ops(c, &a, &op), 0);
	assert_int_equal(copy_flags(c, &id, 1, COPY_SEEN, 0), ST_OK);
	assert_true(has_file("INBOX/cur", "1.9_1.waxmail,U=1:2,S"));
	/* Undone before anybody heard of it. */
	assert_int_equal(copy_flags(c, &id, 1, 0, COPY_SEEN), ST_OK);
	assert_int_equal(ops(c, &a, &op), 0);
	assert_int_equal(copy_flags(c, &id, 1, COPY_SEEN | COPY_FLAGGED, 0), ST_OK);
	assert_int_equal(copy_keyword(c, &id, 1, VIEW("work"), true), ST_OK);
	assert_int_equal(copy_keyword(c, &id, 1, VIEW("no atom"), true), ST_SYNTAX);
	assert_int_equal(copy_move(c, &id, 1, trash), ST_OK);
	assert_int_equal(files_in("INBOX/cur"), 0);
	assert_true(has_file("Trash/cur", "1.9_1.waxmail,U=1:2,FSa"));
	assert_int_equal(counts(c, "INBOX").messages, 0);
	assert_int_equal(counts(c, "Trash").pending, 1);
	assert_int_equal(ops(c, &a, &op), 1);
	assert_int_equal(op->kind, COPY_OP_FLAGS);
	assert_int_equal(op->add, COPY_SEEN | COPY_FLAGGED);
	assert_view(op->add_keywords, "work");
	assert_int_equal(op->from, inbox);
	/* The server says something of other flags meanwhile. */
	assert_int_equal(copy_server_flags(c, inbox, 1, COPY_ANSWERED, VIEW(""), 5), ST_OK);
	flags_of(c, id, COPY_SEEN | COPY_FLAGGED | COPY_ANSWERED);
	assert_int_equal(ops(c, &a, &op), 1);
	assert_int_equal(op->add, COPY_SEEN | COPY_FLAGGED);
	assert_int_equal(copy_done(c, op, 0), ST_OK);
	assert_int_equal(ops(c, &a, &op), 1);
	assert_int_equal(op->kind, COPY_OP_MOVE);
	assert_int_equal(op->uid, 1);
	assert_int_equal(op->to, trash);
	assert_int_equal(copy_done(c, op, 44), ST_OK);
	assert_int_equal(ops(c, &a, &op), 0);
	assert_true(has_file("Trash/cur", "2.9_44.waxmail,U=44:2,FRSa"));
	/* Removed: out of sight, back, and gone. */
	assert_int_equal(copy_remove(c, &id, 1), ST_OK);
	assert_int_equal(counts(c, "Trash").messages, 0);
	assert_int_equal(copy_restore(c, &id, 1), ST_OK);
	assert_int_equal(counts(c, "Trash").messages, 1);
	assert_int_equal(copy_remove(c, &id, 1), ST_OK);
	assert_int_equal(ops(c, &a, &op), 1);
	assert_int_equal(op->kind, COPY_OP_REMOVE);
	assert_int_equal(copy_done(c, op, 0), ST_OK);
	assert_int_equal(files_in("Trash/cur"), 0);
	arena_free(&a);
	copy_close(c);
}

static void refusals_and_copies(void **state)
{
	struct copy *c = opened(NULL);
	struct arena a = ARENA((size_t)16 << 20);
	int64_t inbox = folder_id(c, "INBOX"), other = folder_id(c, "A/B.c/cur"), id, mine;
	struct copy_op *op;
	struct copy_server *all;
	size_t n;

	(void)state;
	id = put(c, inbox, 1, 0, "x", "y");
	assert_int_equal(copy_move(c, &id, 1, other), ST_OK);
	assert_int_equal(files_in("A/B.c/%63ur/cur"), 1);
	assert_int_equal(ops(c, &a, &op), 1);
	assert_int_equal(copy_refused(c, op), ST_OK);
	assert_int_equal(counts(c, "INBOX").messages, 1);
	assert_int_equal(files_in("INBOX/cur"), 1);
	assert_int_equal(copy_copy(c, &id, 1, other), ST_OK);
	assert_int_equal(counts(c, "A/B.c/cur").messages, 1);
	assert_int_equal(ops(c, &a, &op), 1);
	assert_int_equal(op->kind, COPY_OP_COPY);
	assert_int_equal(op->uid, 1);
	assert_int_equal(copy_done(c, op, 3), ST_OK);
	assert_int_equal(copy_server_all(c, other, &a, &all, &n), ST_OK);
	assert_int_equal(n, 1);
	assert_int_equal(all[0].uid, 3);
	assert_true(all[0].body);
	/* A draft made here; removed before the server heard of it. */
	assert_int_equal(copy_add(c, other, COPY_DRAFT | COPY_SEEN, VIEW("Subject: d\r\n\r\n"), &mine), ST_OK);
	assert_int_equal(ops(c, &a, &op), 1);
	assert_int_equal(op->kind, COPY_OP_APPEND);
	assert_int_equal(op->flags, COPY_DRAFT | COPY_SEEN);
	assert_int_equal(copy_remove(c, &mine, 1), ST_OK);
	assert_int_equal(ops(c, &a, &op), 0);
	assert_int_equal(copy_server_gone(c, other, (const uint32_t[]){ 3 }, 1), ST_OK);
	assert_int_equal(files_in("A/B.c/%63ur/cur"), 0);
	assert_int_equal(copy_server_all(c, other, &a, &all, &n), ST_OK);
	assert_int_equal(n, 0);
	arena_free(&a);
	copy_close(c);
}

static void other_uidvalidity(void **state)
{
	struct copy *c = opened(NULL);
	struct arena a = ARENA((size_t)16 << 20);
	int64_t inbox = folder_id(c, "INBOX"), trash = folder_id(c, "Trash"), moved, mine;
	struct copy_op *op;

	(void)state;
	put(c, inbox, 1, 0, "x", "y");
	moved = put(c, inbox, 2, 0, "x", "y");
	assert_int_equal(copy_add(c, inbox, 0, VIEW("Subject: d\r\n\r\n"), &mine), ST_OK);
	assert_int_equal(copy_move(c, &moved, 1, trash), ST_OK);
	assert_int_equal(copy_folder_reset(c, inbox), ST_OK);
	/* What the server had is gone; what it never had, or was moved away, waits. */
	assert_int_equal(counts(c, "INBOX").messages, 1);
	assert_int_equal(counts(c, "Trash").messages, 1);
	assert_int_equal(ops(c, &a, &op), 2);
	assert_int_equal(op[0].kind, COPY_OP_APPEND);
	assert_int_equal(op[1].kind, COPY_OP_APPEND);
	assert_int_equal(copy_folder_rename(c, trash, VIEW("Bin/x")), ST_OK);
	assert_int_equal(files_in("Bin/x/cur"), 1);
	assert_int_equal(copy_folder_remove(c, inbox), ST_OK);
	assert_int_equal(ops(c, &a, &op), 1);
	arena_free(&a);
	copy_close(c);
}

/* A level that no file system has a name for. */
static const char *long_name(void)
{
	static char name[COPY_FOLDER_MAX];

	snprintf(name, sizeof name, "Lists/%0300d", 7);
	return name;
}

static void index_lost(void **state)
{
	static const char *const files[] = { "index.db", "index.db-wal", "index.db-shm" };
	struct copy_findings f;
	struct copy *c = opened(NULL);
	struct arena a = ARENA(COPY_LIST_ARENA(100));
	int64_t inbox = folder_id(c, "INBOX"), lists = folder_id(c, long_name()), id, moved, mine;
	struct copy_sync sync = { .uidvalidity = 5, .uidnext = 3, .modseq = 17 };
	struct copy_folder *all;
	struct copy_op *op;
	size_t n;
	char path[128];

	(void)state;
	assert_int_equal(copy_folder_sync(c, inbox, &sync), ST_OK);
	id = put(c, inbox, 1, 0, "one", "y");
	moved = put(c, inbox, 2, 0, "two", "y");
	assert_int_equal(copy_flags(c, &id, 1, COPY_FLAGGED, 0), ST_OK);
	assert_int_equal(copy_keyword(c, &id, 1, VIEW("kept"), true), ST_OK);
	assert_int_equal(copy_move(c, &moved, 1, lists), ST_OK);
	assert_int_equal(copy_add(c, lists, COPY_SEEN, VIEW("Subject: d\r\n\r\n"), &mine), ST_OK);
	copy_close(c);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		unlink(path);
	}
	c = opened(&f);
	assert_true(f.rebuilt);
	assert_int_equal(f.adopted, 3);
	assert_int_equal(counts(c, "INBOX").messages, 1);
	assert_int_equal(counts(c, "INBOX").sync.modseq, 0);
	assert_int_equal(counts(c, "INBOX").sync.uidvalidity, 5);
	assert_int_equal(counts(c, long_name()).messages, 2);
	assert_int_equal(copy_folders(c, &a, &all, &n), ST_OK);
	assert_int_equal(n, 2);
	assert_int_equal(ops(c, &a, &op), 3);
	assert_int_equal(op[0].kind, COPY_OP_FLAGS);
	assert_int_equal(op[0].add, COPY_FLAGGED);
	assert_view(op[0].add_keywords, "kept");
	assert_int_equal(op[1].kind, COPY_OP_APPEND);
	assert_int_equal(op[2].kind, COPY_OP_MOVE);
	assert_int_equal(op[2].uid, 2);
	assert_int_equal(op[2].from, inbox);
	copy_close(c);
	/* A damaged one is as good as none. */
	snprintf(path, sizeof path, "%s/index.db", folder);
	assert_int_equal(truncate(path, 5000), 0);
	c = opened(&f);
	assert_true(f.rebuilt);
	assert_int_equal(counts(c, long_name()).messages, 2);
	arena_free(&a);
	copy_close(c);
}

/* Whatever the other program did to the files, after a bad end. */
static void tree_mended(void **state)
{
	struct copy_findings f;
	char from[256], to[256];
	int64_t inbox, id;
	struct copy *c;
	pid_t child;
	int how;

	(void)state;
	c = opened(NULL);
	inbox = folder_id(c, "INBOX");
	copy_close(c);
	child = fork();
	if (child == 0) {
		c = opened(NULL);
		put(c, inbox, 1, 0, "one", "y");
		put(c, inbox, 2, 0, "two", "y");
		id = put(c, inbox, 3, 0, "three", "y");
		assert_int_equal(copy_flags(c, &id, 1, COPY_SEEN, 0), ST_OK);
		_exit(0);	/* without closing */
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_int_equal(how, 0);
	snprintf(from, sizeof from, "%s/mail/INBOX/cur/1.0_1.waxmail,U=1:2,", folder);
	snprintf(to, sizeof to, "%s/mail/INBOX/tmp/1.0_1.waxmail,U=1", folder);
	assert_int_equal(rename(from, to), 0);	/* committed, not yet shown */
	snprintf(from, sizeof from, "%s/mail/INBOX/cur/1.0_2.waxmail,U=2:2,", folder);
	assert_int_equal(unlink(from), 0);
	snprintf(from, sizeof from, "%s/mail/INBOX/cur/1.0_3.waxmail,U=3:2,S", folder);
	snprintf(to, sizeof to, "%s/mail/INBOX/cur/1.0_3.waxmail,U=3:2,", folder);
	assert_int_equal(rename(from, to), 0);	/* flagged, not yet renamed */
	snprintf(to, sizeof to, "%s/mail/INBOX/tmp/1.0_9.waxmail,U=9", folder);
	fclose(fopen(to, "w"));			/* never committed */
	snprintf(to, sizeof to, "%s/mail/INBOX/cur/1.0_8.waxmail,U=8:2,S", folder);
	fclose(fopen(to, "w"));			/* removed, not yet gone */
	snprintf(to, sizeof to, "%s/mail/INBOX/new/123.another.program", folder);
	fclose(fopen(to, "w"));
	c = opened(&f);
	assert_false(f.rebuilt);
	assert_int_equal(f.lost, 1);
	assert_int_equal(f.adopted, 1);
	assert_true(has_file("INBOX/cur", "1.0_1.waxmail,U=1:2,"));
	assert_true(has_file("INBOX/cur", "1.0_3.waxmail,U=3:2,S"));
	assert_int_equal(files_in("INBOX/tmp"), 0);
	assert_int_equal(files_in("INBOX/cur"), 3);
	assert_int_equal(counts(c, "INBOX").messages, 4);
	assert_int_equal(counts(c, "INBOX").bodies, 3);
	copy_close(c);
}

/* What a child does until it dies at its k-th call to the disk; each thing that
 * was acknowledged is one byte in the pipe. */
static void do_until_death(uint32_t k, int out)
{
	struct copy_findings f;
	struct copy *c;
	int64_t inbox, trash, id;
	char spec[32];
	uint32_t uid = k + 1;

	signal(SIGILL, SIG_DFL);	/* the test's own handler would survive it */
	snprintf(spec, sizeof spec, "any:DIE:%u", k);
	assert_int_equal(disk_fault(view_cstr(spec)), ST_OK);
	c = opened(&f);
	inbox = folder_id(c, "INBOX");
	trash = folder_id(c, "Trash");
	id = put(c, inbox, uid, 0, "kept", "body");
	assert_int_equal(write(out, "p", 1), 1);
	assert_int_equal(copy_flags(c, &id, 1, COPY_FLAGGED, 0), ST_OK);
	assert_int_equal(write(out, "f", 1), 1);
	assert_int_equal(copy_move(c, &id, 1, trash), ST_OK);
	assert_int_equal(write(out, "m", 1), 1);
	copy_close(c);
	_exit(0);
}

static void has_what_was_acknowledged(uint32_t uid, size_t n)
{
	struct copy_findings f;
	struct copy *c = opened(&f);
	struct arena a = ARENA((size_t)1 << 26);
	int64_t inbox = folder_id(c, "INBOX"), trash = folder_id(c, "Trash");
	struct copy_server *all;
	struct copy_message m;
	struct copy_letter l;
	size_t count, i = 0;

	assert_false(f.rebuilt);
	assert_int_equal(f.lost, 0);
	assert_int_equal(copy_server_all(c, inbox, &a, &all, &count), ST_OK);
	while (i < count && all[i].uid != uid)
		i++;
	assert_true(n == 0 || i < count);
	if (i < count) {
		assert_int_equal(copy_message(c, all[i].id, &a, &m), ST_OK);
		assert_int_equal(copy_read(c, m.id, &l), ST_OK);
		assert_true(l.whole && l.bytes.n > 50);
		copy_letter_close(&l);
		assert_true(n < 2 || m.flags & COPY_FLAGGED);
		assert_true(n < 3 || m.folder == trash);
		assert_true(files_in("Trash/cur") + files_in("INBOX/cur") == count);
	}
	assert_int_equal(files_in("INBOX/tmp") + files_in("Trash/tmp"), 0);
	arena_free(&a);
	copy_close(c);
}

static void killed_anywhere(void **state)
{
	bool whole = false;

	(void)state;
	for (uint32_t k = 0; !whole; k++) {
		int p[2], how;
		char said[8];
		size_t n = 0;
		pid_t child;

		assert_int_equal(pipe(p), 0);
		child = fork();
		if (child == 0)
			do_until_death(k, p[1]);
		close(p[1]);
		while (read(p[0], said + n, 1) == 1)
			n++;
		close(p[0]);
		assert_int_equal(waitpid(child, &how, 0), child);
		whole = how == 0;
		assert_true(whole || WIFSIGNALED(how));
		has_what_was_acknowledged(k + 1, n);
		assert_true(k < 500);
	}
}

static void batches(void **state)
{
	struct copy *c = opened(NULL), *reader;
	int64_t inbox = folder_id(c, "INBOX"), version;

	(void)state;
	reader = opened(NULL);
	version = copy_version(reader);
	assert_int_equal(copy_begin(c), ST_OK);
	for (uint32_t i = 1; i <= 100; i++)
		put(c, inbox, i, 0, "x", "y");
	assert_int_equal(counts(reader, "INBOX").messages, 0);
	assert_int_equal(copy_version(reader), version);
	assert_int_equal(copy_commit(c), ST_OK);
	assert_int_equal(counts(reader, "INBOX").messages, 100);
	assert_int_not_equal(copy_version(reader), version);
	assert_int_equal(copy_begin(c), ST_OK);
	put(c, inbox, 101, 0, "x", "y");
	copy_roll_back(c);
	assert_int_equal(counts(c, "INBOX").messages, 100);
	assert_int_equal(files_in("INBOX/tmp"), 0);
	copy_close(reader);
	copy_close(c);
}

static size_t found(struct copy *c, const struct copy_list *l, const char *text)
{
	struct arena a = ARENA((size_t)16 << 20);
	struct copy_list other;
	struct query q;
	uint32_t *hits;
	size_t n;

	assert_int_equal(query_parse(view_cstr(text), 1700000000000, &a, &q), ST_OK);
	assert_int_equal(copy_search(c, l, &q, NULL, 0, &a, &hits, &n), ST_OK);
	/* Without a list it finds the same. */
	assert_int_equal(copy_find(c, l->all[0].folder, &q, true, &a, &other), ST_OK);
	assert_int_equal(other.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(other.all[i].id, l->all[hits[i]].id);
	arena_free(&a);
	return n;
}

static void searching(void **state)
{
	struct copy *c = opened(NULL);
	int64_t inbox = folder_id(c, "INBOX"), id;
	struct arena a = ARENA(COPY_LIST_ARENA(100));
	struct copy_list l;
	bool more = true;

	(void)state;
	put(c, inbox, 1, 0, "Meeting", "We meet on Monday, at the old mill.");
	id = put(c, inbox, 2, 1, "Re: Meeting", "Monday is good. \xe6\x9c\x88\xe6\x9b\x9c\xe6\x97\xa5");
	put(c, inbox, 3, 0, "Invoice", "Please pay.");
	assert_int_equal(copy_flags(c, &id, 1, COPY_SEEN, 0), ST_OK);
	assert_int_equal(copy_list(c, inbox, COPY_BY_DATE, true, 0, 100, &a, &l), ST_OK);
	for (int i = 0; i < 2; i++) {
		/* First without, then with their words. */
		assert_int_equal(found(c, &l, "meeting"), 2);
		assert_int_equal(found(c, &l, "MEETING -subject:re:"), 1);
		assert_int_equal(found(c, &l, "from:mary to:jones is:unread"), 2);
		assert_int_equal(found(c, &l, "body:monday"), 2);
		assert_int_equal(found(c, &l, "body:\"old mill\""), 1);
		assert_int_equal(found(c, &l, "body:\"mill old\""), 0);
		assert_int_equal(found(c, &l, "-body:monday"), 1);
		assert_int_equal(found(c, &l, "body:\xe6\x9b\x9c"), 1);
		assert_int_equal(found(c, &l, "on:2023-11-14 body:pay"), 1);
		assert_int_equal(found(c, &l, "before:2023"), 0);
		assert_int_equal(found(c, &l, "after:2023"), 3);
		assert_int_equal(found(c, &l, "larger:1m"), 0);
		assert_int_equal(found(c, &l, "id:3@x"), 1);
		assert_int_equal(found(c, &l, "nosuchkey:x"), 0);
		assert_int_equal(found(c, &l, ""), 3);
		while (more)
			assert_int_equal(copy_step(c, &more), ST_OK);
	}
	arena_free(&a);
	copy_close(c);
}

static void outbox(void **state)
{
	struct copy *c = opened(NULL), *other = opened(NULL);
	struct arena a = ARENA((size_t)1 << 20);
	const struct view to[] = { VIEW("a@b"), VIEW("c@d") };
	struct copy_out o = { .from = VIEW("me@x"), .to = to, .n_to = 2, .options = VIEW("requiretls") }, *all;
	struct copy_letter l;
	uint64_t id;
	size_t n;
	bool mine;

	(void)state;
	assert_int_equal(copy_out_put(c, &o, VIEW("Subject: x\r\n\r\n"), &id), ST_OK);
	assert_int_equal(copy_out_all(other, &a, &all, &n), ST_OK);
	assert_int_equal(n, 1);
	assert_int_equal(all[0].n_to, 2);
	assert_view(all[0].to[1], "c@d");
	assert_view(all[0].options, "requiretls");
	assert_int_equal(copy_out_read(other, id, &l), ST_OK);
	assert_view(l.bytes, "Subject: x\r\n\r\n");
	copy_letter_close(&l);
	assert_int_equal(copy_out_claim(c, id, &mine), ST_OK);
	assert_true(mine);
	assert_int_equal(copy_out_claim(other, id, &mine), ST_OK);
	assert_false(mine);
	assert_int_equal(copy_out_failed(c, id, VIEW("no way"), 99), ST_OK);
	assert_int_equal(copy_out_claim(other, id, &mine), ST_OK);
	assert_true(mine);
	assert_int_equal(copy_out_all(other, &a, &all, &n), ST_OK);
	assert_view(all[0].problem, "no way");
	assert_int_equal(all[0].tries, 1);
	assert_int_equal(copy_out_remove(other, id), ST_OK);
	assert_int_equal(copy_out_all(c, &a, &all, &n), ST_OK);
	assert_int_equal(n, 0);
	arena_free(&a);
	copy_close(other);
	copy_close(c);
}

static void pop3(void **state)
{
	struct copy *c = opened(NULL);
	struct copy_arrival w = { .folder = folder_id(c, "INBOX"), .uidl = VIEW("zz") };
	struct arena a = ARENA((size_t)1 << 20);
	struct view *all;
	int64_t id;
	size_t n;

	(void)state;
	assert_int_equal(copy_put(c, &w, VIEW("Subject: x\r\n\r\n"), &id), ST_OK);
	w.uidl = VIEW("aa");
	assert_int_equal(copy_put(c, &w, VIEW("Subject: x\r\n\r\n"), &id), ST_OK);
	assert_int_equal(counts(c, "INBOX").messages, 2);
	assert_int_equal(copy_server_uidls(c, w.folder, &a, &all, &n), ST_OK);
	assert_int_equal(n, 2);
	assert_view(all[0], "aa");
	arena_free(&a);
	copy_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(putting_and_listing, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(headers_first, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(changes_wait_and_are_told, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(refusals_and_copies, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(other_uidvalidity, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(index_lost, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(tree_mended, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(killed_anywhere, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(batches, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(searching, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(outbox, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(pop3, make_folder, drop_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
