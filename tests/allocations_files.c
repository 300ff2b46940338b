/* allocations_files.c - what works on files and channels, for
 * tests/allocations.c: the input is the name of one of the rows below.  After
 * a run in which memory was missing, what was acknowledged must be there. */
#include "base/fuzz.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "ipc/envelope.h"
#include "ms/store.h"
#include "mta/queue/spool.h"
#include "mua/copy/copy.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

/* Of allocations.c: from here on in this run all is given. */
void allocations_pause(void);

enum { LETTERS = 6 };

static char folder[] = "/dev/shm/waxwing-alloc-XXXXXX";
static const char text[] = "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
			   "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n";
static const struct view letter = { text, sizeof text - 1 };

static void need(bool x, const char *what)
{
	if (x)
		return;
	fprintf(stderr, "\nlost: %s\n", what);
	abort();
}

static int remove_one(const char *path, const struct stat *sb, int type, struct FTW *f)
{
	(void)sb;
	(void)type;
	return f->level ? remove(path) : 0;
}

static void remove_all(void)
{
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	rmdir(folder);
}

static void empty_folder(void)
{
	static bool made;

	if (!made) {
		if (mkdtemp(folder) == NULL)
			abort();
		atexit(remove_all);
		made = true;
	}
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- the store ---- */

static const struct store_settings small = { .segment_size = 4096, .undelete_ms = 1000 };

static enum status deliver(struct store *s, uint64_t id)
{
	struct delivery d = { .queue_id = id, .head = VIEW("Return-Path: <>\r\n"), .letter = letter };
	uint32_t uid;

	return store_deliver(s, &d, &uid);
}

/* How many were delivered and flushed. */
static unsigned use_store(struct store *s)
{
	struct arena a = ARENA(1 << 20);
	struct mailbox *m = NULL, *to = NULL;
	uint32_t *failed, *uids, n_failed, all[] = { 1, 2 };
	unsigned kept = 0;

	for (uint64_t id = 1; id <= LETTERS; id++)
		kept += deliver(s, id) == ST_OK && store_flush(s) == ST_OK && kept == id - 1;
	if (store_create(s, VIEW("a/b"), USE_NONE) == ST_OK && mailbox_open(s, VIEW("INBOX"), &m) == ST_OK &&
	    mailbox_open(s, VIEW("a/b"), &to) == ST_OK) {
		(void)!mailbox_flags(m, all, 2, FLAGS_ADD, FLAG_SEEN, UINT64_MAX, &a, &failed, &n_failed);
		(void)!mailbox_copy(m, all, 2, to, &a, &uids);
		(void)!mailbox_expunge(to, all, 1);
	}
	if (to)
		mailbox_release(to);
	if (m)
		mailbox_release(m);
	(void)!store_rename(s, VIEW("a"), VIEW("c"));
	(void)!store_turn(s);
	(void)!store_flush(s);
	arena_free(&a);
	return kept;
}

static void try_store(void)
{
	struct store_findings f;
	struct store *s;
	struct mailbox *m;
	struct view body;
	unsigned kept = 0;
	uint32_t at;

	for (int i = 0; i < 2; i++) {
		if (store_open(folder, &small, &s, &f) != ST_OK)
			continue;
		kept = i == 0 ? use_store(s) : kept;
		store_close(s);
	}
	allocations_pause();
	need(store_open(folder, &small, &s, &f) == ST_OK, "the store itself");
	need(mailbox_open(s, VIEW("INBOX"), &m) == ST_OK, "INBOX");
	for (uint32_t uid = 1; uid <= kept; uid++)
		need((at = mailbox_find(m, uid, false)) < m->n &&
			     message_body(m, &m->messages[at], &body) == ST_OK &&
			     view_eq(view_skip(body, body.n - letter.n), letter),
		     "a letter that was flushed");
	mailbox_release(m);
	store_close(s);
}

/* ---- the spool ---- */

static enum status count_found(void *arg, uint64_t id, const struct spool_place *at, struct view envelope,
			       const struct spool_place *progress_at, struct view progress)
{
	(void)at;
	(void)envelope;
	(void)progress_at;
	(void)progress;
	*(uint64_t *)arg |= 1ull << (id & 63);
	return ST_OK;
}

static void try_spool(void)
{
	struct spool_place at, none = { 0 };
	struct view envelope, body;
	uint64_t damaged, found = 0, kept = 0, id;
	struct spool *s;

	if (spool_open(folder, 1 << 16, count_found, &found, &s, &damaged) == ST_OK) {
		for (int i = 0; i < LETTERS; i++) {
			if (spool_add(s, VIEW("envelope"), letter, -1, 0, &id, &at) != ST_OK ||
			    spool_commit(s) != ST_OK)
				continue;
			kept |= 1ull << (id & 63);
			(void)!spool_letter(s, &at, &envelope, &body);
			if (i % 2 && spool_done(s, id, &at, &none) == ST_OK && spool_commit(s) == ST_OK)
				kept &= ~(1ull << (id & 63));
		}
		spool_close(s);
	}
	allocations_pause();
	found = 0;
	need(spool_open(folder, 1 << 16, count_found, &found, &s, &damaged) == ST_OK, "the spool itself");
	need((found & kept) == kept, "a letter that was committed");
	spool_close(s);
}

/* ---- accounts ---- */

static void try_directory(void)
{
	struct arena a = ARENA(1 << 16);
	struct buf out = BUF(4096);
	struct directory *d;
	struct account account;
	char path[64];
	uint64_t id;
	bool made = false;

	snprintf(path, sizeof path, "%s/directory.db", folder);
	if (directory_open(path, &d) == ST_OK) {
		made = directory_add_domain(d, VIEW("foo.com")) == ST_OK &&
		       directory_add_account(d, VIEW("Jones@foo.com"), VIEW("verifier"), 0, &id) == ST_OK;
		(void)!directory_add_alias(d, VIEW("J@foo.com"), VIEW("Jones@foo.com"));
		(void)directory_resolve(d, &(struct asked){ .address = VIEW("J@foo.com") }, &out);
		(void)!directory_account(d, VIEW("Jones@foo.com"), &a, &account);
		directory_close(d);
	}
	allocations_pause();
	arena_free(&a);
	if (made) {
		need(directory_open(path, &d) == ST_OK, "the directory itself");
		need(directory_account(d, VIEW("jones@FOO.com"), &a, &account) == ST_OK, "an account");
		directory_close(d);
	}
	buf_free(&out);
	arena_free(&a);
}

/* ---- settings ---- */

static void try_conf(void)
{
	struct buf out = BUF(65536), why = BUF(4096);
	struct conf c = { 0 }, again;

	if (conf_defaults(&c) == ST_OK) {
		(void)!conf_set(&c, VIEW("host.name"), VIEW("mx.foo.com"), &why);
		(void)!conf_set(&c, VIEW("host.nam"), VIEW("x"), &why);
		conf_text(&c, &out);
		if (buf_status(&out) == ST_OK && conf_take(buf_view(&out), &again) == ST_OK)
			conf_free(&again);
	}
	conf_free(&c);
	buf_free(&out);
	buf_free(&why);
}

/* ---- the local copy of waxmail ---- */

static int64_t copy_inbox(struct copy *c)
{
	struct arena a = ARENA(1 << 20);
	struct copy_folder f = { .id = 0 };

	if (copy_folder(c, VIEW("INBOX"), true, &a, &f) != ST_OK)
		f.id = 0;
	arena_free(&a);
	return f.id;
}

/* The ids of those that were put; the first ones are flagged and moved, too. */
static size_t use_copy(struct copy *c, int64_t *ids)
{
	struct arena a = ARENA(1 << 20);
	struct copy_arrival w = { .folder = copy_inbox(c), .uid = 1 };
	struct copy_op *ops;
	size_t n = 0, n_ops;
	bool more;

	for (; w.folder && w.uid <= LETTERS; w.uid++)
		n += copy_put(c, &w, letter, &ids[n]) == ST_OK;
	(void)!copy_flags(c, ids, n, COPY_SEEN, 0);
	(void)!copy_keyword(c, ids, n, VIEW("x"), true);
	(void)!copy_copy(c, ids, n > 0, w.folder);
	(void)!copy_step(c, &more);
	if (copy_pending(c, 10, &a, &ops, &n_ops) == ST_OK && n_ops)
		(void)!copy_done(c, &ops[0], 0);
	arena_free(&a);
	return n;
}

static void try_copy(void)
{
	struct copy_letter l;
	struct copy *c;
	int64_t ids[LETTERS];
	size_t n = 0;

	for (int i = 0; i < 2; i++) {
		if (copy_open(folder, &c, NULL) != ST_OK)
			continue;
		n = i == 0 ? use_copy(c, ids) : n;
		copy_close(c);
	}
	allocations_pause();
	need(copy_open(folder, &c, NULL) == ST_OK, "the copy itself");
	for (size_t i = 0; i < n; i++) {
		need(copy_read(c, ids[i], &l) == ST_OK && view_eq(l.bytes, letter), "a letter that was put");
		copy_letter_close(&l);
	}
	copy_close(c);
}

/* ---- channels ---- */

static unsigned heard;

static void hear(struct channel *ch, struct record *rec)
{
	struct rec_letter in;

	(void)ch;
	if (rec->fd >= 0)
		close(rec->fd);
	heard += rec_take_letter(rec->body, &in);
}

/* More than the socket holds, so that some wait in memory: what was taken
 * arrives, unless the channel ends. */
static void try_channel(void)
{
	struct channel a = { .receive = hear, .self = ROLE_DOOR, .peer = ROLE_QUEUE }, b = a;
	static const char body[60000];
	struct buf rec = BUF(RECORD_MAX);
	struct loop *l;
	unsigned sent = 0;
	int fds[2];

	a.watch.fd = b.watch.fd = -1;
	heard = 0;
	if (channel_pair(fds) != ST_OK || loop_new(&l) != ST_OK)
		goto out;
	rec_put_letter(&rec, 0, 1,
		       &(struct rec_letter){ VIEW("envelope"), sizeof body, view_make(body, sizeof body), 0 });
	if (channel_open(&a, l, fds[0]) == ST_OK && channel_open(&b, l, fds[1]) == ST_OK)
		for (int i = 0; i < 40; i++)
			sent += channel_send(&a, &rec, -1) == ST_OK;
	channel_drain(&b);
	FUZZ_CHECK(heard > 0 && sent == 40);
	channel_close(&a);
	loop_free(l);
out:
	buf_free(&rec);
}

static const struct {
	const char *name;
	void (*try)(void);
} all[] = {
	{ "store", try_store }, { "spool", try_spool }, { "directory", try_directory },
	{ "conf", try_conf }, { "channel", try_channel }, { "copy", try_copy },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view name = view_make((const char *)data, n);

	empty_folder();
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (view_eq(name, view_cstr(all[i].name)))
			all[i].try();
	return 0;
}
