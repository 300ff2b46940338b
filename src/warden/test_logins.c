/* test_logins.c - tickets, remembered logins, guesses. */
#include "warden/guess.h"
#include "warden/remember.h"
#include "warden/ticket.h"

#include "base/buf.h"
#include "directory/directory.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct view v1 = { "$argon2id$one", 13 }, v2 = { "$argon2id$two", 13 };
static const wall_ms now = 1795343465000;

/* ---- tickets ---- */

static struct mac fixed_mac(void)
{
	static const unsigned char key[MAC_KEY] = "a key that only tests may use..";
	struct mac m;

	assert_int_equal(mac_init(&m, key), ST_OK);
	return m;
}

static void a_ticket_is_for_one_door_account_and_time(void **state)
{
	struct mac m = fixed_mac();
	struct buf t = BUF(TICKET_SIZE);
	uint64_t account, app;

	(void)state;
	assert_int_equal(ticket_make(&m, TICKET_ROOM, 7, 0, 3, v1, now, &t), ST_OK);
	assert_int_equal(t.n, TICKET_SIZE);
	assert_int_equal(ticket_account(TICKET_ROOM, buf_view(&t), &account, &app), ST_OK);
	assert_int_equal(account, 7);
	assert_int_equal(ticket_check(&m, TICKET_ROOM, buf_view(&t), 3, v1, now), ST_OK);
	assert_int_equal(ticket_check(&m, TICKET_ROOM, buf_view(&t), 3, v1, now + TICKET_LIFE_MS - 1), ST_OK);
	assert_int_equal(ticket_check(&m, TICKET_ROOM, buf_view(&t), 3, v1, now + TICKET_LIFE_MS), ST_TIMEOUT);
	assert_int_equal(ticket_check(&m, TICKET_ROOM, buf_view(&t), 2, v1, now), ST_DENIED);
	/* Nor does one that opens a room sign letters, or the other way round. */
	assert_int_equal(ticket_check(&m, TICKET_LETTERS, buf_view(&t), 3, v1, now), ST_SYNTAX);
	t.p[0] = TICKET_LETTERS;
	assert_int_equal(ticket_check(&m, TICKET_LETTERS, buf_view(&t), 3, v1, now), ST_DENIED);
	t.p[0] = TICKET_ROOM;
	/* The password was changed. */
	assert_int_equal(ticket_check(&m, TICKET_ROOM, buf_view(&t), 3, v2, now), ST_DENIED);
	buf_free(&t);
	mac_free(&m);
}

static void no_octet_of_a_ticket_can_be_changed(void **state)
{
	struct mac m = fixed_mac();
	struct buf t = BUF(TICKET_SIZE + 1);

	(void)state;
	assert_int_equal(ticket_make(&m, TICKET_ROOM, 7, 0, 3, v1, now, &t), ST_OK);
	for (size_t i = 0; i < t.n; i++) {
		t.p[i] = (char)(t.p[i] ^ 1);
		assert_int_not_equal(ticket_check(&m, TICKET_ROOM, buf_view(&t), 3, v1, now), ST_OK);
		t.p[i] = (char)(t.p[i] ^ 1);
	}
	assert_int_equal(ticket_check(&m, TICKET_ROOM, view_head(buf_view(&t), t.n - 1), 3, v1, now), ST_SYNTAX);
	buf_putc(&t, 'x');
	assert_int_equal(ticket_check(&m, TICKET_ROOM, buf_view(&t), 3, v1, now), ST_SYNTAX);
	assert_int_equal(ticket_check(&m, TICKET_ROOM, VIEW(""), 3, v1, now), ST_SYNTAX);
	buf_free(&t);
	mac_free(&m);
}

static void the_key_outlives_the_process(void **state)
{
	char path[] = "/tmp/waxwing-ticket-XXXXXX";
	int dir = open(mkdtemp(path), O_RDONLY | O_DIRECTORY);
	struct buf t = BUF(TICKET_SIZE);
	struct stat sb;
	struct mac m, again;

	(void)state;
	assert_int_equal(mac_open(dir, "ticket.key", &m), ST_OK);
	assert_int_equal(fstatat(dir, "ticket.key", &sb, 0), 0);
	assert_int_equal(sb.st_mode & 0777, 0600);
	assert_int_equal(ticket_make(&m, TICKET_ROOM, 7, 0, 3, v1, now, &t), ST_OK);
	assert_int_equal(mac_open(dir, "ticket.key", &again), ST_OK);
	assert_int_equal(ticket_check(&again, TICKET_ROOM, buf_view(&t), 3, v1, now), ST_OK);
	mac_free(&again);
	/* A file cut short is no key: a new one is made. */
	assert_int_equal(unlinkat(dir, "ticket.key", 0), 0);
	close(openat(dir, "ticket.key", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(mac_open(dir, "ticket.key", &again), ST_OK);
	assert_int_equal(ticket_check(&again, TICKET_ROOM, buf_view(&t), 3, v1, now), ST_DENIED);
	unlinkat(dir, "ticket.key", 0);
	close(dir);
	rmdir(path);
	mac_free(&m);
	mac_free(&again);
	buf_free(&t);
}

/* ---- remembered logins ---- */

static void only_what_was_proved_is_remembered(void **state)
{
	struct remember r;

	(void)state;
	assert_int_equal(remember_init(&r), ST_OK);
	remember_add(&r, 1, v1, VIEW("secret"), 1000);
	assert_true(remember_has(&r, 1, v1, VIEW("secret"), 999));
	assert_false(remember_has(&r, 2, v1, VIEW("secret"), 999));
	assert_false(remember_has(&r, 1, v2, VIEW("secret"), 999));
	assert_false(remember_has(&r, 1, v1, VIEW("Secret"), 999));
	assert_false(remember_has(&r, 1, v1, VIEW(""), 999));
	/* Where one part ends counts. */
	assert_false(remember_has(&r, 1, view_head(v1, 12), VIEW("esecret"), 999));
	assert_false(remember_has(&r, 1, v1, VIEW("secret"), 1000));
	assert_int_equal(r.n, 0);
	remember_free(&r);
}

static void the_oldest_proofs_go_first(void **state)
{
	struct remember r;

	(void)state;
	assert_int_equal(remember_init(&r), ST_OK);
	for (uint64_t i = 0; i <= REMEMBER_MAX; i++)
		remember_add(&r, i, v1, VIEW("x"), 1000);
	assert_int_equal(r.n, REMEMBER_MAX);
	assert_false(remember_has(&r, 0, v1, VIEW("x"), 1));
	assert_true(remember_has(&r, 1, v1, VIEW("x"), 1));
	assert_true(remember_has(&r, REMEMBER_MAX, v1, VIEW("x"), 1));
	/* Proved twice: the first one's end does not take the second along. */
	remember_add(&r, 2, v1, VIEW("x"), 5000);
	assert_true(remember_has(&r, 2, v1, VIEW("x"), 2000));
	remember_free(&r);
}

/* ---- guesses ---- */

static void an_address_is_a_network(void **state)
{
	(void)state;
	assert_int_not_equal(guess_network(VIEW("10.0.0.1")), guess_network(VIEW("10.0.0.2")));
	assert_int_equal(guess_network(VIEW("2001:db8:1:2::1")), guess_network(VIEW("2001:db8:1:2:ffff::")));
	assert_int_not_equal(guess_network(VIEW("2001:db8:1:2::1")), guess_network(VIEW("2001:db8:1:3::1")));
	assert_int_equal(guess_network(VIEW("nonsense")), 0);
}

static uint64_t wrong(struct guesses *g, uint64_t network, steady_ms at)
{
	assert_int_equal(guess_begin(g, &(struct guess_who){ .network = network }, at), ST_OK);
	return guess_end(g, &(struct guess_who){ .network = network }, true, 3, at);
}

static void guessing_gets_slower_and_ends(void **state)
{
	struct guesses g = { 0 };
	steady_ms at = 1000000;

	(void)state;
	assert_int_equal(wrong(&g, 5, at), GUESS_DELAY_MS);
	assert_int_equal(wrong(&g, 5, at), 2 * GUESS_DELAY_MS);
	assert_int_equal(wrong(&g, 5, at), 4 * GUESS_DELAY_MS);
	assert_int_equal(guess_begin(&g, &(struct guess_who){ .network = 5 }, at + GUESS_WAIT_MS - 1), ST_LIMIT);
	assert_int_equal(wrong(&g, 6, at), GUESS_DELAY_MS);
	assert_int_equal(wrong(&g, 5, at + GUESS_WAIT_MS), 8 * GUESS_DELAY_MS);
	assert_int_equal(guess_begin(&g, &(struct guess_who){ .network = 5 }, at + 2 * GUESS_WAIT_MS), ST_LIMIT);
	/* Ten minutes later all is forgiven. */
	assert_int_equal(wrong(&g, 5, at + GUESS_WINDOW_MS + 1), GUESS_DELAY_MS);
	guesses_free(&g);
}

static void a_right_password_takes_nothing_back(void **state)
{
	struct guesses g = { 0 };

	(void)state;
	wrong(&g, 5, 1);
	wrong(&g, 5, 1);
	assert_int_equal(guess_begin(&g, &(struct guess_who){ .network = 5 }, 1), ST_OK);
	assert_int_equal(guess_end(&g, &(struct guess_who){ .network = 5 }, false, 3, 1), 0);
	wrong(&g, 5, 1);
	assert_int_equal(guess_begin(&g, &(struct guess_who){ .network = 5 }, 1), ST_LIMIT);
	guesses_free(&g);
}

static void one_address_does_not_take_the_pool(void **state)
{
	struct guesses g = { 0 };

	(void)state;
	for (int i = 0; i < GUESS_IN_HAND; i++)
		assert_int_equal(guess_begin(&g, &(struct guess_who){ .network = 5 }, 1), ST_OK);
	assert_int_equal(guess_begin(&g, &(struct guess_who){ .network = 5 }, 1), ST_LIMIT);
	assert_int_equal(guess_begin(&g, &(struct guess_who){ .network = 6 }, 1), ST_OK);
	guess_end(&g, &(struct guess_who){ .network = 6 }, false, 3, 1);
	for (int i = 0; i < GUESS_IN_HAND; i++)
		guess_end(&g, &(struct guess_who){ .network = 5 }, false, 3, 1);
	assert_int_equal(g.n, 0);
	guesses_free(&g);
}

static enum status attempt(struct guesses *g, struct guess_who *who, bool is_wrong, steady_ms at)
{
	enum status st = guess_begin(g, who, at);

	if (st == ST_OK)
		guess_end(g, who, is_wrong, 3, at);
	return st;
}

static void the_same_once_more_is_no_guess(void **state)
{
	struct guesses g = { 0 };
	struct guess_who telephone = { .network = 5, .pair = 77 };

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(attempt(&g, &telephone, true, 1), ST_OK);
	/* Others do count. */
	for (uint64_t pair = 1; pair <= 2; pair++)
		assert_int_equal(attempt(&g, &(struct guess_who){ .network = 5, .pair = pair }, true, 1), ST_OK);
	assert_int_equal(attempt(&g, &telephone, true, 1), ST_LIMIT);
	guesses_free(&g);
}

static void who_is_familiar_does_not_wait_for_others(void **state)
{
	struct guesses g = { 0 };
	struct guess_who friend = { .network = 5, .person = 9 }, other = { .network = 5, .person = 10 };

	(void)state;
	assert_int_equal(attempt(&g, &friend, false, 1), ST_OK);
	for (int i = 0; i < 3; i++)
		wrong(&g, 5, 1);
	assert_int_equal(attempt(&g, &other, false, 1), ST_LIMIT);
	assert_int_equal(attempt(&g, &friend, false, 1), ST_OK);
	/* But for himself. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(attempt(&g, &friend, true, 1), ST_OK);
	assert_int_equal(attempt(&g, &friend, false, 1), ST_LIMIT);
	/* Not for ever, and not from elsewhere. */
	assert_int_equal(attempt(&g, &friend, false, 1 + GUESS_WAIT_MS), ST_OK);
	guesses_free(&g);
}

static void a_wide_network_waits_later(void **state)
{
	struct guesses g = { 0 };
	struct guess_who fresh = { .network = 999, .wide = 1003 };

	(void)state;
	for (uint64_t i = 1; i < 3 * GUESS_WIDE; i++)
		assert_int_equal(attempt(&g, &(struct guess_who){ .network = i, .wide = 1003 }, true, 1), ST_OK);
	assert_int_equal(attempt(&g, &fresh, true, 1), ST_OK);
	assert_int_equal(attempt(&g, &fresh, true, 1), ST_LIMIT);
	assert_int_equal(attempt(&g, &(struct guess_who){ .network = 999, .wide = 1004 }, false, 1), ST_OK);
	assert_int_equal(guess_wide(VIEW("10.0.0.1")), guess_wide(VIEW("10.0.0.200")));
	assert_int_not_equal(guess_wide(VIEW("10.0.0.1")), guess_wide(VIEW("10.0.1.1")));
	assert_int_equal(guess_wide(VIEW("2001:db8:1:2::1")), guess_wide(VIEW("2001:db8:1:3::1")));
	guesses_free(&g);
}

static void the_table_of_guessers_is_bounded(void **state)
{
	struct guesses g = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= GUESS_ENTRIES_MAX + 10; i++)
		wrong(&g, i, 1);
	assert_int_equal(g.n, GUESS_ENTRIES_MAX);
	guesses_free(&g);
}

/* A /48 has as many networks as the table has places. */
static void who_is_turned_away_pushes_nobody_out(void **state)
{
	struct guesses g = { 0 };
	struct guess_who other = { .network = 1, .wide = 1004 };
	uint64_t next = 2;

	(void)state;
	assert_int_equal(attempt(&g, &other, true, 1), ST_OK);
	while (next < 3 * GUESS_WIDE + 2)
		assert_int_equal(attempt(&g, &(struct guess_who){ .network = next++, .wide = 1003 }, true, 1), ST_OK);
	for (unsigned i = 0; i < GUESS_ENTRIES_MAX + 10; i++)
		assert_int_equal(attempt(&g, &(struct guess_who){ .network = 2000 + next++, .wide = 1003 }, true, 1), ST_LIMIT);
	assert_int_equal(g.n, 2 + 3 * GUESS_WIDE + 1);
	guesses_free(&g);
}

/* From ever other networks, as a door names them: at one account it ends. */
static void one_account_is_not_guessed_at_from_everywhere(void **state)
{
	struct guesses g = { 0 };
	struct guess_who owner = { .network = 5, .account = 7, .person = 9 }, fresh = { .network = 6, .account = 7 };

	(void)state;
	assert_int_equal(attempt(&g, &owner, false, 1), ST_OK);
	for (uint64_t i = 0; i < 3 * GUESS_ANYWHERE; i++)
		assert_int_equal(attempt(&g, &(struct guess_who){ .network = 1000 + i, .account = 7 }, true, 1), ST_OK);
	assert_int_equal(attempt(&g, &fresh, false, 1), ST_LIMIT);
	/* Its owner, where he is known; others; and who is nobody. */
	assert_int_equal(attempt(&g, &owner, false, 1), ST_OK);
	assert_int_equal(attempt(&g, &(struct guess_who){ .network = 6, .account = 8 }, false, 1), ST_OK);
	assert_int_equal(attempt(&g, &(struct guess_who){ .network = 6 }, false, 1), ST_OK);
	/* Nothing pushes it out. */
	for (uint64_t i = 0; i < GUESS_ENTRIES_MAX + 10; i++)
		wrong(&g, 10000 + i, 1);
	assert_int_equal(attempt(&g, &fresh, false, GUESS_WAIT_MS), ST_LIMIT);
	assert_int_equal(attempt(&g, &fresh, false, GUESS_WAIT_MS + 1), ST_OK);
	guesses_free(&g);
}

/* ---- verifiers ---- */

static void nobody_knows_the_dummys_password(void **state)
{
	struct buf dummy = BUF(256), real = BUF(256);

	(void)state;
	assert_int_equal(verifier_dummy(64 * 1024, 1, &dummy), ST_OK);
	assert_int_equal(verifier_make(VIEW("secret"), 64 * 1024, 1, &real), ST_OK);
	assert_int_equal(dummy.n, real.n);
	/* Same parameters: all up to the salt is the same text. */
	assert_true(view_eq(view_head(buf_view(&dummy), 28), view_head(buf_view(&real), 28)));
	assert_false(verifier_check(buf_view(&dummy), VIEW("secret")));
	assert_false(verifier_is_quick(buf_view(&dummy)));
	assert_true(verifier_check(buf_view(&real), VIEW("secret")));
	buf_free(&dummy);
	buf_free(&real);
}

/* One wide network has not the whole pool; who is known there has his own place. */
static void many_addresses_do_not_take_the_pool(void **state)
{
	struct guess_who friend = { .network = 5, .wide = 1003, .person = 9 }, all[GUESS_WIDE_IN_HAND];
	struct guesses g = { 0 };

	(void)state;
	assert_int_equal(attempt(&g, &friend, false, 1), ST_OK);
	for (uint64_t i = 0; i < GUESS_WIDE_IN_HAND; i++) {
		all[i] = (struct guess_who){ .network = 100 + i / GUESS_IN_HAND, .wide = 1003 };
		assert_int_equal(guess_begin(&g, &all[i], 2), ST_OK);
		assert_false(all[i].familiar);
	}
	assert_int_equal(guess_begin(&g, &(struct guess_who){ .network = 200, .wide = 1003 }, 2), ST_LIMIT);
	assert_int_equal(attempt(&g, &(struct guess_who){ .network = 200, .wide = 1004 }, false, 2), ST_OK);
	for (int i = 0; i < GUESS_OWN_IN_HAND; i++)
		assert_int_equal(guess_begin(&g, &friend, 2), ST_OK);
	assert_true(friend.familiar);
	assert_int_equal(guess_begin(&g, &friend, 2), ST_LIMIT);
	for (int i = 0; i < GUESS_OWN_IN_HAND; i++)
		guess_drop(&g, &friend);
	assert_int_equal(attempt(&g, &friend, false, 2), ST_OK);
	/* What could not be checked counts for nobody. */
	for (size_t i = 0; i < GUESS_WIDE_IN_HAND; i++)
		guess_drop(&g, &all[i]);
	assert_int_equal(g.n, 0);
	guesses_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_is_for_one_door_account_and_time),
		cmocka_unit_test(no_octet_of_a_ticket_can_be_changed),
		cmocka_unit_test(the_key_outlives_the_process),
		cmocka_unit_test(only_what_was_proved_is_remembered),
		cmocka_unit_test(the_oldest_proofs_go_first),
		cmocka_unit_test(an_address_is_a_network),
		cmocka_unit_test(guessing_gets_slower_and_ends),
		cmocka_unit_test(a_right_password_takes_nothing_back),
		cmocka_unit_test(one_address_does_not_take_the_pool),
		cmocka_unit_test(the_same_once_more_is_no_guess),
		cmocka_unit_test(who_is_familiar_does_not_wait_for_others),
		cmocka_unit_test(a_wide_network_waits_later),
		cmocka_unit_test(the_table_of_guessers_is_bounded),
		cmocka_unit_test(who_is_turned_away_pushes_nobody_out),
		cmocka_unit_test(one_account_is_not_guessed_at_from_everywhere),
		cmocka_unit_test(nobody_knows_the_dummys_password),
		cmocka_unit_test(many_addresses_do_not_take_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
