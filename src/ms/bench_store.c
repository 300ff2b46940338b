/* bench_store - how fast the store is, alone.
 *
 *     bench_store FOLDER [MESSAGES [KIB]]
 *
 * Fills an empty folder's INBOX through delivery, then times what sessions do.
 * Not a test: it prints, and a person compares. */
#include "ms/store.h"

#include "base/buf.h"
#include "msg/search.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static double begun;

static void report(const char *what, const char *unit, double per)
{
	double ms = now() - begun;

	printf("%-44s %9.2f ms", what, ms);
	if (unit)
		printf("  %9.2f %s", per / ms, unit);
	putchar('\n');
	begun = now();
}

static void must(enum status st, const char *what)
{
	if (st == ST_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, status_name(st));
	exit(1);
}

static struct store *open_store(const char *folder)
{
	struct store_settings set = { .segment_size = 256 << 20, .undelete_ms = 7 * 86400000ull };
	struct store_findings f;
	struct store *s;

	must(store_open(folder, &set, &s, &f), "open");
	if (f.rebuilt || f.damaged || f.replayed)
		printf("    rebuilt=%d damaged=%llu replayed=%llu\n", f.rebuilt, (unsigned long long)f.damaged,
		       (unsigned long long)f.replayed);
	return s;
}

static void make_letter(struct buf *b, unsigned i, size_t size)
{
	buf_clear(b);
	buf_putf(b,
		 "Received: from mx.bar.com by mail.foo.com with ESMTP id %08x; Sun, 22 Nov 2026 10:31:05 +0000\r\n"
		 "Message-ID: <%u.bench@bar.com>\r\nDate: Sun, 22 Nov 2026 10:31:05 +0000\r\n"
		 "From: John Smith <Smith@bar.com>\r\nTo: Jones@foo.com, \"Brown, B.\" <Brown@foo.com>\r\n"
		 "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_?= number %u\r\nMIME-Version: 1.0\r\n"
		 "Content-Type: multipart/alternative; boundary=\"x%u\"\r\n\r\n--x%u\r\n"
		 "Content-Type: text/plain; charset=utf-8\r\n\r\n",
		 i * 2654435761u, i, i, i, i);
	while (b->n + 200 < size)
		buf_putf(b, "Line of text %u with words %u that nobody reads %x\r\n", i, i * 7919, (unsigned)b->n * i);
	buf_putf(b, "--x%u\r\nContent-Type: text/html\r\n\r\n<p>hi %u</p>\r\n--x%u--\r\n", i, i, i);
}

static void deliver_all(struct store *s, unsigned n, size_t size)
{
	struct buf letter = BUF(64 << 20);
	double used, filters, turned = 0;
	uint32_t uid;

	make_letter(&letter, 1, size);
	used = cpu();
	for (unsigned i = 0; i < n; i++) {
		struct delivery d = { .queue_id = i + 1, .letter = buf_view(&letter), .date = clock_wall(),
				      .head = VIEW("Return-Path: <Smith@bar.com>\r\n"),
				      .floor = i > 500 ? i - 500 : 0 };

		turned -= cpu();
		make_letter(&letter, i, size);
		turned += cpu();
		d.letter = buf_view(&letter);
		must(store_deliver(s, &d, &uid), "deliver");
		if (i % 20 == 19)
			must(store_turn(s), "turn");
		if (i % 1000 == 999)
			must(store_flush(s), "flush");
	}
	must(store_flush(s), "flush");
	filters = cpu();
	while (store_housekeeping(s))
		continue;
	filters = cpu() - filters;
	printf("index and filters, behind: %.1f us a letter\n", filters * 1e3 / n);
	printf("deliver: %.1f us of processor time a letter, index and all\n", (cpu() - used - turned) * 1e3 / n);
	buf_free(&letter);
}

static enum status see(void *arg, uint32_t uid, struct view envelope, struct view body, struct view structure)
{
	size_t *n = arg;

	(void)uid;
	*n += envelope.n + body.n + structure.n;
	return ST_OK;
}

static void read_bodies(struct mailbox *m, const char *what)
{
	size_t total = 0, sum = 0;

	for (uint32_t i = 0; i < m->n; i++) {
		struct view body;

		must(message_body(m, &m->messages[i], &body), "body");
		total += body.n;
		for (size_t k = 0; k < body.n; k += 64)
			sum += (unsigned char)body.p[k];
	}
	report(what, "GB/s", (double)total / 1e6 + (double)(sum & 1) * 1e-9);
}

/* A text that one letter in a hundred holds: all are read, or those that the
 * full-text index leaves. */
static void search_all(struct mailbox *m, bool indexed, const char *what)
{
	struct arena a = ARENA(64 << 20);
	struct needle needle;
	uint32_t *uids = NULL, n = 0, hits = 0;

	begun = now();
	must(needle_make(VIEW("with words 79"), &a, &needle), "needle");
	if (indexed && mailbox_candidates(m, needle.scan.needle, &a, &uids, &n) != ST_OK)
		indexed = false;
	for (uint32_t i = 0; i < (indexed ? n : m->n); i++) {
		uint32_t at = indexed ? mailbox_find(m, uids[i], false) : i;
		struct view letter;
		bool found = false;

		must(message_body(m, &m->messages[at], &letter), "body");
		must(search_text(letter, &needle, &found), "search");
		hits += found;
	}
	report(what, "messages/ms", m->n);
	printf("    %u hits, %u read\n", hits, indexed ? n : m->n);
	arena_free(&a);
}

static void drop_cache(const char *folder)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s/00000001.seg", folder);
	fd = open(path, O_RDONLY);
	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void flag_all(struct mailbox *m, uint32_t *uids, enum flag_op op, uint64_t flags, const char *what)
{
	struct arena a = ARENA(64 << 20);

	begun = now();
	must(mailbox_flags(m, uids, m->n, op, flags, UINT64_MAX, &a, NULL, NULL), "flags");
	must(store_turn(m->store), "turn");
	report(what, NULL, 0);
	must(store_flush(m->store), "flush");
	report("    its flush", NULL, 0);
	store_housekeeping(m->store);
	report("    the index, behind", NULL, 0);
	arena_free(&a);
}

int main(int argc, char **argv)
{
	unsigned n = argc > 2 ? (unsigned)atoi(argv[2]) : 10000;
	size_t size = (size_t)(argc > 3 ? atoi(argv[3]) : 18) * 1024, rendered = 0;
	struct store *s;
	struct mailbox *m;
	uint32_t *uids;

	if (argc < 2)
		return 2;
	s = open_store(argv[1]);
	must(mailbox_open(s, VIEW("INBOX"), &m), "INBOX");
	if (m->n == 0)
		deliver_all(s, n, size);
	mailbox_release(m);
	store_close(s);

	begun = now();
	s = open_store(argv[1]);
	report("open the store", NULL, 0);
	must(mailbox_open(s, VIEW("INBOX"), &m), "INBOX");
	report("SELECT for the first time", NULL, 0);
	for (int i = 0; i < 2; i++) {
		rendered = 0;
		must(mailbox_rendered(m, 1, UINT32_MAX, see, &rendered), "rendered");
		report(i ? "rendered, again" : "rendered, all rows", NULL, 0);
	}
	printf("    %zu bytes\n", rendered);
	read_bodies(m, "all bodies, warm, sums checked");
	read_bodies(m, "all bodies, warm, again");
	search_all(m, false, "search, all read");
	search_all(m, true, "search, by the full-text index");
	search_all(m, true, "search, again");
	drop_cache(argv[1]);
	mailbox_release(m);
	store_close(s);
	drop_cache(argv[1]);
	s = open_store(argv[1]);
	must(mailbox_open(s, VIEW("INBOX"), &m), "INBOX");
	begun = now();
	read_bodies(m, "all bodies, cold");
	uids = calloc(m->n, sizeof *uids);
	for (uint32_t i = 0; i < m->n && uids; i++)
		uids[i] = m->messages[i].uid;
	flag_all(m, uids, FLAGS_ADD, FLAG_SEEN, "flags over all");
	flag_all(m, uids, FLAGS_REMOVE, FLAG_SEEN, "flags over all, again");
	free(uids);
	mailbox_release(m);
	store_close(s);
	return 0;
}
