/* The full-text index: with it a search finds what it finds without, whatever
 * happened to it. */
#include "ms/store.h"

#include "base/buf.h"
#include "msg/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>

enum { LETTERS = 300, NEEDLES = 200 };

static char folder[256];
static uint64_t chance;

static uint32_t pick(uint32_t n)
{
	chance = chance * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(chance >> 33) % n;
}

static int setup(void **state)
{
	(void)state;
	chance = 1;
	snprintf(folder, sizeof folder, "/tmp/waxwing-store-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[300];

	(void)state;
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", folder);
	return system(cmd);
}

static struct store *open_it(void)
{
	static const struct store_settings set = { .segment_size = 64 * 1024, .undelete_ms = 1 };
	struct store_findings f;
	struct store *s = NULL;

	assert_int_equal(store_open(folder, &set, &s, &f), ST_OK);
	return s;
}

static struct mailbox *inbox(struct store *s)
{
	struct mailbox *m = NULL;

	assert_int_equal(mailbox_open(s, VIEW("INBOX"), &m), ST_OK);
	return m;
}

static const char *const words[] = {
	"budget", "Zebra", "gr\xc3\xbc\xc3\x9f" "e", "Stra\xc3\x9f" "e", "x", "of", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
	"cafe\xcc\x81", "caf\xc3\xa9", "a b", "1234567890", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "=?x?=", "end\r\nof line",
};

static const char *word(void)
{
	return words[pick(sizeof words / sizeof *words)];
}

static void put_base64(struct buf *out, struct view v)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < v.n; i += 3) {
		uint32_t x = 0, n = v.n - i < 3 ? (uint32_t)(v.n - i) : 3;

		for (uint32_t k = 0; k < 3; k++)
			x = x << 8 | (k < n ? (uint8_t)v.p[i + k] : 0);
		for (uint32_t k = 0; k < 4; k++)
			buf_putc(out, k <= n ? digits[x >> (18 - 6 * k) & 63] : '=');
		if (i % 57 == 54)
			buf_puts(out, "\r\n");
	}
}

static void random_letter(struct buf *out)
{
	struct buf body = BUF(1 << 16);
	bool coded = pick(2);

	for (uint32_t i = pick(40); i > 0; i--) {
		buf_puts(&body, word());
		buf_puts(&body, pick(3) ? " " : pick(2) ? "" : "\r\n");
	}
	buf_clear(out);
	buf_putf(out, "From: %s <a@b.example>\r\n", word());
	if (pick(2)) {
		buf_puts(out, "Subject: =?utf-8?b?");
		put_base64(out, view_cstr(words[pick(5)]));
		buf_puts(out, "?=\r\n");
	} else {
		buf_putf(out, "Subject: %s\r\n %s\r\n", words[pick(9)], words[pick(9)]);
	}
	buf_putf(out, "Content-Type: text/plain; charset=%s\r\n", pick(4) ? "utf-8" : "iso-8859-1");
	buf_puts(out, coded ? "Content-Transfer-Encoding: base64\r\n\r\n" : "\r\n");
	if (coded)
		put_base64(out, buf_view(&body));
	else
		buf_put(out, buf_view(&body));
	assert_int_equal(buf_status(out), ST_OK);
	buf_free(&body);
}

static void fill(struct mailbox *m, uint32_t n)
{
	struct buf letter = BUF(1 << 17);
	uint32_t uid;

	for (uint32_t i = 0; i < n; i++) {
		random_letter(&letter);
		assert_int_equal(mailbox_append(m, 0, 1700000000000, buf_view(&letter), &uid), ST_OK);
	}
	assert_int_equal(store_flush(m->store), ST_OK);
	buf_free(&letter);
}

static void keep_house(struct store *s)
{
	for (int i = 0; i < 1000 && store_housekeeping(s); i++)
		continue;
}

static void random_needle(struct buf *out)
{
	buf_clear(out);
	for (uint32_t i = pick(3) + 1; i > 0; i--)
		buf_puts(out, word());
	/* Some part of it, often not at a character's edge. */
	buf_drop(out, pick((uint32_t)out->n));
	out->n -= pick((uint32_t)out->n);
}

static bool is_in(const uint32_t *uids, uint32_t n, uint32_t uid)
{
	for (uint32_t i = 0; i < n; i++)
		if (uids[i] == uid)
			return true;
	return false;
}

static bool found_in(struct mailbox *m, const struct message *msg, const struct needle *n)
{
	bool text = false, body = false, field = false;
	struct view letter;

	assert_int_equal(message_body(m, msg, &letter), ST_OK);
	assert_int_equal(search_text(letter, n, &text), ST_OK);
	assert_int_equal(search_body(letter, n, &body), ST_OK);
	assert_int_equal(search_field(letter, VIEW("subject"), n, &field), ST_OK);
	return text || body || field;
}

/* Each letter that holds a needle is among the candidates.  The number of
 * letters that needed not be read. */
static uint32_t check(struct mailbox *m)
{
	struct buf text = BUF(1024);
	uint32_t spared = 0;

	for (int i = 0; i < NEEDLES; i++) {
		struct arena a = ARENA(1 << 22);
		struct needle needle;
		uint32_t *uids, n;

		random_needle(&text);
		assert_int_equal(needle_make(buf_view(&text), &a, &needle), ST_OK);
		if (mailbox_candidates(m, needle.scan.needle, &a, &uids, &n) == ST_OK) {
			spared += m->n - n;
			for (uint32_t k = 0; k < m->n; k++)
				if (!is_in(uids, n, m->messages[k].uid) && found_in(m, &m->messages[k], &needle))
					fail_msg("needle %.*s is in uid %u", VIEW_ARG(buf_view(&text)),
						 m->messages[k].uid);
		}
		arena_free(&a);
	}
	buf_free(&text);
	return spared;
}

static void run_sql(const char *text)
{
	char path[300];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/index.db", folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int64_t ask_sql(const char *text)
{
	char path[300];
	sqlite3 *db;
	sqlite3_stmt *q;
	int64_t n;

	snprintf(path, sizeof path, "%s/index.db", folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return n;
}

static void close_it(struct mailbox *m)
{
	struct store *s = m->store;

	mailbox_release(m);
	store_close(s);
}

static void finds_the_same(void **state)
{
	struct store *s = open_it();
	struct mailbox *m = inbox(s);
	uint32_t spared;

	(void)state;
	fill(m, LETTERS);
	assert_int_equal(check(m), 0);
	keep_house(s);
	spared = check(m);
	assert_true(spared > LETTERS * NEEDLES / 4);
	/* Letters that came later are candidates. */
	fill(m, 20);
	assert_true(check(m) > 0);
	close_it(m);
	s = open_it();
	m = inbox(s);
	assert_true(check(m) > 0);
	keep_house(s);
	close_it(m);
	assert_int_equal(ask_sql("SELECT count(*) FROM filter"), LETTERS + 20);
}

/* Without a moment of rest most letters have theirs nevertheless. */
static void keeps_up(void **state)
{
	static char letter[16 * 1024];	/* a step is a few dozen of these */
	struct mailbox *m = inbox(open_it());
	uint32_t uid;

	(void)state;
	memset(letter, 'x', sizeof letter);
	memcpy(letter, "Subject: x\r\n\r\n", 14);
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(mailbox_append(m, 0, 0, view_make(letter, sizeof letter), &uid), ST_OK);
		if (i % 10 == 9)
			assert_int_equal(store_flush(m->store), ST_OK);
		assert_int_equal(store_turn(m->store), ST_OK);
	}
	close_it(m);
	assert_true(ask_sql("SELECT count(*) FROM filter") > 2000 - 600);
}

static void damage_costs_time_only(void **state)
{
	struct mailbox *m = inbox(open_it());

	(void)state;
	fill(m, LETTERS);
	keep_house(m->store);
	close_it(m);
	run_sql("UPDATE filter SET data = zeroblob(length(data)) WHERE body % 3 = 0;"
		"UPDATE filter SET data = x'00' WHERE body % 3 = 1 AND body < 100;"
		"DELETE FROM filter WHERE body % 7 = 0");
	m = inbox(open_it());
	assert_true(check(m) > 0);
	close_it(m);
	/* Without its state all is made again, without its index too. */
	run_sql("DELETE FROM state WHERE name = 'fulltext'; DELETE FROM filter");
	m = inbox(open_it());
	assert_int_equal(check(m), 0);
	keep_house(m->store);
	assert_true(check(m) > LETTERS * NEEDLES / 4);
	close_it(m);
	assert_int_equal(ask_sql("SELECT count(*) FROM filter"), LETTERS);
	m = inbox(open_it());
	assert_int_equal(store_rebuild(m->store, NULL), ST_OK);
	assert_true(check(m) > LETTERS * NEEDLES / 4);
	close_it(m);
	assert_int_equal(ask_sql("SELECT count(*) FROM filter"), LETTERS);
}

static void goes_with_its_letters(void **state)
{
	struct mailbox *m = inbox(open_it());
	uint32_t uids[LETTERS];

	(void)state;
	fill(m, LETTERS);
	keep_house(m->store);
	for (uint32_t i = 0; i < LETTERS; i++)
		uids[i] = m->messages[i].uid;
	assert_int_equal(mailbox_expunge(m, uids, LETTERS * 3 / 4), ST_OK);
	assert_int_equal(store_flush(m->store), ST_OK);
	close_it(m);
	clock_override(clock_wall() + 1000);
	m = inbox(open_it());
	keep_house(m->store);
	assert_true(check(m) > 0);
	fill(m, 30);
	keep_house(m->store);
	assert_true(check(m) > 0);
	close_it(m);
	assert_int_equal(ask_sql("SELECT count(*) FROM filter"), LETTERS / 4 + 30);
	assert_int_equal(ask_sql("SELECT count(*) FROM filter WHERE body NOT IN (SELECT body FROM letter)"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(finds_the_same), T(keeps_up), T(damage_costs_time_only), T(goes_with_its_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
