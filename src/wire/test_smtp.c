/* test_smtp.c - the grammar of SMTP: paths, parameters, and above all the
 * text of DATA, cut at every place. */
#include "ipc/envelope.h"
#include "wire/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the text of DATA ---- */

static void put(void *arg, struct view run)
{
	buf_put(arg, run);
}

/* The rule itself, without cleverness: what stands before CRLF.CRLF, dots
 * unstuffed.  Returns the bytes used, or 0 where there is no end. */
static size_t plainly(struct view in, struct buf *out, bool *ret_bare)
{
	bool at_line = true;

	*ret_bare = false;
	for (size_t i = 0; i < in.n; i++) {
		if (at_line && in.n - i >= 3 && memcmp(in.p + i, ".\r\n", 3) == 0)
			return i + 3;
		if (at_line && in.p[i] == '.') {
			at_line = false;
			continue;
		}
		at_line = false;
		if (in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] == '\n') {
			buf_puts(out, "\r\n");
			i++;
			at_line = true;
		} else {
			*ret_bare |= in.p[i] == '\r' || in.p[i] == '\n' || in.p[i] == '\0';
			buf_putc(out, in.p[i]);
		}
	}
	return 0;
}

/* In pieces that end at `a` and `b`. */
static size_t in_pieces(struct view in, size_t a, size_t b, struct buf *out, bool *ret_bare)
{
	struct smtp_text t = { 0 };
	size_t cuts[] = { 0, a, b, in.n }, total = 0;

	for (int i = 0; i < 3; i++) {
		size_t used;

		if (smtp_text_take(&t, view_make(in.p + cuts[i], cuts[i + 1] - cuts[i]), put, out, &used) == TEXT_END) {
			total = cuts[i] + used;
			break;
		}
		assert_int_equal(used, cuts[i + 1] - cuts[i]);
	}
	*ret_bare = t.bare;
	return total;
}

static void compare(struct view in, size_t a, size_t b)
{
	struct buf want = BUF(4096), got = BUF(4096);
	bool want_bare, got_bare;
	size_t want_used = plainly(in, &want, &want_bare), got_used = in_pieces(in, a, b, &got, &got_bare);

	assert_int_equal(want_used, got_used);
	if (want_used) {
		assert_int_equal(want_bare, got_bare);
		assert_int_equal(want.n, got.n);
		assert_true(view_eq(buf_view(&want), buf_view(&got)));
	}
	buf_free(&want);
	buf_free(&got);
}

static void test_text_cut_everywhere(void **state)
{
	static const char *const texts[] = {
		".\r\n", "\r\n.\r\n", "a\r\n.\r\n", "..\r\n.\r\n", "a\r\n..b\r\n.\r\nrest", "a\n.\nb\r\n.\r\n",
		"a\r.\rb\r\n.\r\n", "a\r\n.\rb\r\n.\r\n", "a\r\n.\n\r\n.\r\n", "\r\r\n.\r\n", "a\r\r\n.\r\r\n.\r\n",
		".a\r\n.\r\n", "...\r\n.\r\n", "a\r\n.b.\r\n\r\n\r\n.\r\n", "x\r\n. \r\n.\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct view in = view_cstr(texts[i]);

		for (size_t a = 0; a <= in.n; a++)
			for (size_t b = a; b <= in.n; b++)
				compare(in, a, b);
	}
	compare(VIEW("a\0b\r\n.\0\r\n.\r\n"), 1, 2);
}

/* All texts of nine bytes over the alphabet that matters. */
static void test_text_all_short(void **state)
{
	static const char letters[] = { '\r', '\n', '.', 'a' };
	char text[9];

	(void)state;
	for (unsigned n = 0; n < 1u << (2 * sizeof text); n++) {
		for (unsigned i = 0; i < sizeof text; i++)
			text[i] = letters[n >> (2 * i) & 3];
		compare(view_make(text, sizeof text), n % 7, 7 + n % 3);
	}
}

static void test_mend(void **state)
{
	struct buf out = BUF(4096);
	struct smtp_text t = { .mend = true };
	size_t used;

	(void)state;
	assert_int_equal(smtp_text_take(&t, VIEW("a\nb\rc\n.\n.\rd\r\n.\r\n"), put, &out, &used), TEXT_END);
	assert_int_equal(used, 16);
	assert_false(t.bare);
	assert_true(view_eq(buf_view(&out), VIEW("a\r\nb\r\nc\r\n.\r\n.\r\nd\r\n")));
	buf_free(&out);
}

static void test_chunk(void **state)
{
	static const struct {
		const char *in;
		bool bare;
	} rows[] = { { "a\r\n.\r\nb", false }, { "a\nb", true }, { "a\rb", true }, { "a\r", true }, { "\r\n\r\n", false }, { "", false } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct view in = view_cstr(rows[i].in);

		for (size_t cut = 0; cut <= in.n; cut++) {
			struct buf out = BUF(64);
			struct smtp_text t = { 0 };

			smtp_chunk_take(&t, view_head(in, cut), put, &out);
			smtp_chunk_take(&t, view_skip(in, cut), put, &out);
			smtp_chunk_end(&t, put, &out);
			assert_true(view_eq(buf_view(&out), in));
			assert_int_equal(t.bare, rows[i].bare);
			buf_free(&out);
		}
	}
}

/* ---- paths ---- */

static void test_paths(void **state)
{
	static const struct {
		const char *rest;
		enum status st;
		const char *address;
		size_t parameters;
	} rows[] = {
		{ "TO:<a@b.c>", ST_OK, "a@b.c", 0 },
		{ "to: <a@b.c>  SIZE=1 X", ST_OK, "a@b.c", 2 },
		{ "TO:<@x.y,@z:a@b.c>", ST_OK, "a@b.c", 0 },
		{ "TO:<Postmaster>", ST_OK, "Postmaster", 0 },
		{ "TO:<\"a b\\\"\"@b.c>", ST_OK, "\"a b\\\"\"@b.c", 0 },
		{ "TO:<a@[IPv6:::1]>", ST_OK, "a@[IPv6:::1]", 0 },
		{ "TO:<a.b+c@b_d.c>", ST_OK, "a.b+c@b_d.c", 0 },
		{ "TO:<>", ST_SYNTAX, NULL, 0 },
		{ "TO:<@b.c>", ST_SYNTAX, NULL, 0 },
		{ "TO:<a@>", ST_SYNTAX, NULL, 0 },
		{ "TO:<a..b@c>", ST_SYNTAX, NULL, 0 },
		{ "TO:<.a@c>", ST_SYNTAX, NULL, 0 },
		{ "TO:<a@b..c>", ST_SYNTAX, NULL, 0 },
		{ "TO:<a@b.c>x", ST_SYNTAX, NULL, 0 },
		{ "TO:<a@b.c> =1", ST_SYNTAX, NULL, 0 },
		{ "TO:<a@b.c> K=", ST_SYNTAX, NULL, 0 },
		{ "TO:<a@b.c", ST_SYNTAX, NULL, 0 },
		{ "TO:<\"a@b.c>", ST_SYNTAX, NULL, 0 },
		{ "TO:<\"a\\", ST_SYNTAX, NULL, 0 },
		{ "TO:<a\xc3@b.c>", ST_SYNTAX, NULL, 0 },
		{ "TO:<a\xed\xa0\x80@b.c>", ST_SYNTAX, NULL, 0 },
		{ "TO:<a@b.c> 1 2 3 4 5 6 7 8 9 a b c d e f g h", ST_LIMIT, NULL, 0 },
		{ "TO:<@:a@b.c>", ST_SYNTAX, NULL, 0 },
		{ "TO", ST_SYNTAX, NULL, 0 },
		{ "", ST_SYNTAX, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct smtp_path_command pc;
		enum status st = smtp_take_path(view_cstr(rows[i].rest), VIEW("TO:"), &pc);

		assert_int_equal(st, rows[i].st);
		if (st == ST_OK) {
			assert_true(view_eq(pc.path.address, view_cstr(rows[i].address)));
			assert_int_equal(pc.n_parameters, rows[i].parameters);
		}
	}
}

static void test_long_parts(void **state)
{
	char path[400];
	struct smtp_path p;

	(void)state;
	memset(path, 'a', sizeof path);
	path[64] = '@';
	assert_int_equal(smtp_take_mailbox(view_make(path, 64 + 1 + 63), &p), ST_OK);
	path[64] = 'a';
	path[65] = '@';
	assert_int_equal(smtp_take_mailbox(view_make(path, 65 + 1 + 63), &p), ST_LIMIT);
	memset(path, 'a', sizeof path);
	path[1] = '@';
	for (size_t i = 2 + 60; i < sizeof path; i += 61)
		path[i] = '.';
	assert_int_equal(smtp_take_mailbox(view_make(path, 254), &p), ST_OK);
	assert_int_equal(smtp_take_mailbox(view_make(path, 255), &p), ST_LIMIT);
}

/* ---- parameters of RFC 3461 and 3030 ---- */

static void test_notify(void **state)
{
	uint8_t set = 0;

	(void)state;
	assert_int_equal(smtp_take_notify(VIEW("never"), &set), ST_OK);
	assert_int_equal(set, NOTIFY_NEVER);
	assert_int_equal(smtp_take_notify(VIEW("SUCCESS,DELAY,FAILURE"), &set), ST_OK);
	assert_int_equal(set, NOTIFY_SUCCESS | NOTIFY_DELAY | NOTIFY_FAILURE);
	assert_int_equal(smtp_take_notify(VIEW("NEVER,DELAY"), &set), ST_SYNTAX);
	assert_int_equal(smtp_take_notify(VIEW("DELAY,DELAY"), &set), ST_SYNTAX);
	assert_int_equal(smtp_take_notify(VIEW("DELAY,"), &set), ST_SYNTAX);
	assert_int_equal(smtp_take_notify(VIEW(""), &set), ST_SYNTAX);
}

static void test_xtext(void **state)
{
	(void)state;
	assert_true(smtp_is_xtext(VIEW("QQ314159")));
	assert_true(smtp_is_xtext(VIEW("a+2Bb+3D")));
	assert_false(smtp_is_xtext(VIEW("a+2b")));
	assert_false(smtp_is_xtext(VIEW("a+2")));
	assert_false(smtp_is_xtext(VIEW("a=b")));
	assert_false(smtp_is_xtext(VIEW("")));
	assert_true(smtp_is_orcpt(VIEW("rfc822;Bob@x.y")));
	assert_false(smtp_is_orcpt(VIEW("rfc822;")));
	assert_false(smtp_is_orcpt(VIEW(";x")));
	assert_false(smtp_is_orcpt(VIEW("rfc822")));
}

static void test_chunk_argument(void **state)
{
	uint64_t n = 7;
	bool last = true;

	(void)state;
	assert_int_equal(smtp_take_chunk(VIEW("0"), &n, &last), ST_OK);
	assert_true(n == 0 && !last);
	assert_int_equal(smtp_take_chunk(VIEW("12 last"), &n, &last), ST_OK);
	assert_true(n == 12 && last);
	assert_int_equal(smtp_take_chunk(VIEW(""), &n, &last), ST_SYNTAX);
	assert_int_equal(smtp_take_chunk(VIEW("-1"), &n, &last), ST_SYNTAX);
	assert_int_equal(smtp_take_chunk(VIEW("12 lastx"), &n, &last), ST_SYNTAX);
	assert_int_equal(smtp_take_chunk(VIEW("18446744073709551616"), &n, &last), ST_SYNTAX);
	assert_int_equal(smtp_take_chunk(VIEW("LAST"), &n, &last), ST_SYNTAX);
}

/* ---- the envelope ---- */

static void test_envelope(void **state)
{
	struct recipient r[] = {
		{ .address = VIEW("a@b.c"), .orcpt = VIEW("rfc822;a@b.c"), .account = 7, .notify = NOTIFY_DELAY },
		{ .address = VIEW("d@b.c"), .original = VIEW("alias@b.c"), .account = 8 },
	};
	struct envelope e = { .id = VIEW("x.1"), .sid = 3, .received = 4, .sender = VIEW("s@t.u"), .envid = VIEW("id"),
			      .body = BODY_BINARY, .smtputf8 = 1, .ret = 'H', .authenticated = 9, .recipients = r, .n_recipients = 2 };
	struct envelope back;
	struct buf b = BUF(ENVELOPE_MAX), again = BUF(ENVELOPE_MAX);
	struct arena a = ARENA(65536);

	(void)state;
	envelope_put(&b, &e);
	assert_int_equal(b.n, envelope_size(&e) + recipient_size(&r[0]) + recipient_size(&r[1]));
	assert_int_equal(envelope_take(buf_view(&b), &a, &back), ST_OK);
	envelope_put(&again, &back);
	assert_true(view_eq(buf_view(&b), buf_view(&again)));
	for (size_t n = 0; n < b.n; n++)
		assert_int_not_equal(envelope_take(view_head(buf_view(&b), n), &a, &back), ST_OK);
	buf_free(&b);
	buf_free(&again);
	arena_free(&a);
}

/* ---- a letter as it is sent ---- */

/* The other side, strictly: what is sent ends where it should, and nothing in
 * it stands alone. */
static void sent_is_read(struct view letter, size_t a, size_t b)
{
	struct smtp_sender t = { .dots = true };
	struct smtp_text reader = { 0 };
	struct buf sent = BUF(4096), again = BUF(4096), mended = BUF(4096);
	size_t used;

	smtp_send_text(&t, view_head(letter, a), &sent);
	smtp_send_text(&t, view_make(letter.p + a, b - a), &sent);
	smtp_send_text(&t, view_skip(letter, b), &sent);
	smtp_send_end(&t, &sent);
	assert_int_equal(smtp_text_take(&reader, buf_view(&sent), put, &again, &used), TEXT_END);
	assert_int_equal(used, sent.n);
	assert_false(reader.bare);
	t = (struct smtp_sender){ 0 };
	smtp_send_text(&t, letter, &mended);
	smtp_send_end(&t, &mended);
	assert_true(view_eq(buf_view(&again), buf_view(&mended)));
	buf_free(&sent);
	buf_free(&again);
	buf_free(&mended);
}

/* Every text of up to six of these, cut at every place. */
static void test_sending(void **state)
{
	static const char alphabet[] = "\r\n.x";
	char text[6];

	(void)state;
	for (size_t n = 0; n <= sizeof text; n++)
		for (unsigned k = 0; k < 1u << (2 * n); k++) {
			for (size_t i = 0; i < n; i++)
				text[i] = alphabet[k >> (2 * i) & 3];
			for (size_t a = 0; a <= n; a++)
				sent_is_read(view_make(text, n), a, a + (n - a) / 2);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sending),
		cmocka_unit_test(test_text_cut_everywhere), cmocka_unit_test(test_text_all_short),
		cmocka_unit_test(test_mend),		    cmocka_unit_test(test_chunk),
		cmocka_unit_test(test_paths),		    cmocka_unit_test(test_long_parts),
		cmocka_unit_test(test_notify),		    cmocka_unit_test(test_xtext),
		cmocka_unit_test(test_chunk_argument),	    cmocka_unit_test(test_envelope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
