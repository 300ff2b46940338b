/* test_sasl.c - SASL mechanisms and strict base64. */
#include "wire/sasl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* RFC 4648 10 */
static const struct {
	const char *plain, *base64;
} vectors[] = {
	{ "", "" },		{ "f", "Zg==" },	 { "fo", "Zm8=" },	 { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
};

static void base64_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		struct buf b = BUF(64);

		sasl_encode(view_cstr(vectors[i].plain), &b);
		assert_true(view_eq(buf_view(&b), view_cstr(vectors[i].base64)));
		buf_clear(&b);
		assert_int_equal(sasl_decode(view_cstr(vectors[i].base64), &b), ST_OK);
		assert_true(view_eq(buf_view(&b), view_cstr(vectors[i].plain)));
		buf_free(&b);
	}
}

static void base64_is_strict(void **state)
{
	static const char *const bad[] = { "Zg", "Zg=", "Zg=a", "Zh==", "Zm9=", "=", "====", "Zg==Zg==",
					   "Zm 9", "Zm9v\n", "Zm9*", "Z===", "\xc3\xa4\xc3\xa4" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct buf b = BUF(64);

		if (sasl_decode(view_cstr(bad[i]), &b) != ST_SYNTAX)
			fail_msg("taken as base64: %s", bad[i]);
		buf_free(&b);
	}
}

static struct view encoded(struct view raw, struct buf *b)
{
	buf_clear(b);
	sasl_encode(raw, b);
	return buf_view(b);
}

static const struct sasl_offer under_tls = { .tls = true, .wanted = "PLAIN LOGIN SCRAM-SHA-256 CRAM-MD5" };

struct talk {
	struct sasl s;
	struct buf in, out;
	enum sasl_result r;
};

static struct talk begin(const char *mechanism, struct view initial)
{
	struct talk t = { .in = BUF(100000), .out = BUF(1024) };

	t.r = sasl_begin(&t.s, view_cstr(mechanism), initial, &under_tls, &t.out);
	return t;
}

static enum sasl_result say(struct talk *t, struct view raw)
{
	return t->r = sasl_line(&t->s, encoded(raw, &t->in), &t->out);
}

static void end(struct talk *t)
{
	sasl_end(&t->s);
	buf_free(&t->in);
	buf_free(&t->out);
}

static void plain_proves(void **state)
{
	struct buf b = BUF(256);
	struct talk t = begin("plain", encoded(VIEW("\0tim\0tanstaaftanstaaf"), &b));

	(void)state;
	assert_int_equal(t.r, SASL_PROVE);
	assert_true(view_eq(sasl_name(&t.s), VIEW("tim")));
	assert_true(view_eq(sasl_secret(&t.s), VIEW("tanstaaftanstaaf")));
	assert_int_equal(sasl_authzid(&t.s).n, 0);
	end(&t);
	t = begin("PLAIN", VIEW_NONE);
	assert_int_equal(t.r, SASL_MORE);
	assert_int_equal(t.out.n, 0);
	assert_int_equal(say(&t, VIEW("Ursel\0Kurt\0xipj3plmq")), SASL_PROVE);
	assert_true(view_eq(sasl_authzid(&t.s), VIEW("Ursel")));
	end(&t);
	buf_free(&b);
}

static void plain_refuses(void **state)
{
	static const struct view bad[] = {
		{ "", 0 }, { "\0", 1 }, { "\0\0", 2 }, { "\0tim\0", 5 }, { "\0\0pw", 4 },
		{ "tim", 3 }, { "\0tim", 4 }, { "\0tim\0pw\0", 8 }, { "\0tim\0p\0w", 8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct talk t = begin("PLAIN", VIEW_NONE);

		assert_int_equal(say(&t, bad[i]), SASL_BAD);
		end(&t);
	}
}

static void an_empty_initial_response_is_no_missing_one(void **state)
{
	struct talk t = begin("PLAIN", VIEW("="));

	(void)state;
	assert_int_equal(t.r, SASL_BAD);
	end(&t);
	t = begin("PLAIN", VIEW(""));
	assert_int_equal(t.r, SASL_BAD);
	end(&t);
}

static void login_asks_twice(void **state)
{
	struct talk t = begin("LOGIN", VIEW_NONE);

	(void)state;
	assert_int_equal(t.r, SASL_MORE);
	assert_true(view_eq(buf_view(&t.out), VIEW("VXNlcm5hbWU6")));
	assert_int_equal(say(&t, VIEW("Jones@foo.com")), SASL_MORE);
	assert_true(view_eq(buf_view(&t.out), VIEW("UGFzc3dvcmQ6")));
	assert_int_equal(say(&t, VIEW("secret")), SASL_PROVE);
	assert_true(view_eq(sasl_name(&t.s), VIEW("Jones@foo.com")));
	assert_true(view_eq(sasl_secret(&t.s), VIEW("secret")));
	end(&t);
	t = begin("LOGIN", VIEW("Sm9uZXNAZm9vLmNvbQ=="));
	assert_int_equal(t.r, SASL_MORE);
	assert_int_equal(say(&t, VIEW("")), SASL_BAD);
	end(&t);
}

static void star_cancels_and_limits_hold(void **state)
{
	struct buf big = BUF(100000);
	struct talk t = begin("PLAIN", VIEW_NONE);

	(void)state;
	assert_int_equal(sasl_line(&t.s, VIEW("*"), &t.out), SASL_CANCELLED);
	end(&t);
	t = begin("PLAIN", VIEW_NONE);
	buf_put(&big, VIEW("\0tim\0"));
	while (big.n < SASL_SECRET_MAX + 6)
		buf_putc(&big, 'x');
	assert_int_equal(say(&t, buf_view(&big)), SASL_TOO_LONG);
	end(&t);
	while (big.n < 50000)
		buf_putc(&big, 'A');
	t = begin("PLAIN", VIEW_NONE);
	assert_int_equal(sasl_line(&t.s, buf_view(&big), &t.out), SASL_TOO_LONG);
	end(&t);
	t = begin("GSSAPI", VIEW_NONE);
	assert_int_equal(t.r, SASL_UNKNOWN);
	end(&t);
	buf_free(&big);
}

static void others_are_for_warden(void **state)
{
	struct talk t = begin("SCRAM-SHA-256", VIEW_NONE);

	(void)state;
	assert_int_equal(t.r, SASL_MORE);
	assert_int_equal(say(&t, VIEW("n,,n=user,r=x")), SASL_ASK);
	assert_true(view_eq(sasl_message(&t.s), VIEW("n,,n=user,r=x")));
	assert_int_equal(sasl_challenge(&t.s, VIEW("foo"), &t.out), SASL_MORE);
	assert_true(view_eq(buf_view(&t.out), VIEW("Zm9v")));
	end(&t);
	/* The server begins: no initial response (RFC 4422 5). */
	t = begin("CRAM-MD5", VIEW_NONE);
	assert_int_equal(t.r, SASL_ASK);
	assert_null(sasl_message(&t.s).p);
	end(&t);
	t = begin("CRAM-MD5", VIEW("Zm9v"));
	assert_int_equal(t.r, SASL_BAD);
	end(&t);
}

static void nothing_is_offered_in_clear(void **state)
{
	struct buf b = BUF(256);
	struct sasl_offer offer = under_tls;

	(void)state;
	offer.tls = false;
	sasl_list(&b, " AUTH=", &offer);
	assert_int_equal(b.n, 0);
	offer.in_clear = true;	/* only what shows no secret */
	sasl_list(&b, " AUTH=", &offer);
	assert_true(view_eq(buf_view(&b), VIEW(" AUTH=SCRAM-SHA-256 AUTH=CRAM-MD5")));
	buf_clear(&b);
	sasl_list(&b, " ", &under_tls);
	assert_true(view_eq(buf_view(&b), VIEW(" SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5")));
	buf_clear(&b);
	offer.tls = offer.bindable = true;
	sasl_list(&b, " ", &offer);
	assert_true(view_starts_i(buf_view(&b), VIEW(" SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN")));
	/* What needs more than there is, and what is not wanted. */
	assert_false(sasl_offered(VIEW("EXTERNAL"), &offer));
	assert_false(sasl_offered(VIEW("SCRAM-SHA-1"), &offer));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_vectors),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(plain_proves),
		cmocka_unit_test(plain_refuses),
		cmocka_unit_test(an_empty_initial_response_is_no_missing_one),
		cmocka_unit_test(login_asks_twice),
		cmocka_unit_test(star_cancels_and_limits_hold),
		cmocka_unit_test(others_are_for_warden),
		cmocka_unit_test(nothing_is_offered_in_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
