/* test_message.c - answers in messages, with compression and without sense. */
#include "names/message.h"

#include "base/test.h"
#include "wire/rdata.h"

/* ---- writing a message ---- */

enum { ASKED = 12 };	/* where the name that was asked stands */

static void be16(struct buf *b, unsigned x)
{
	put_u8(b, (uint8_t)(x >> 8));
	put_u8(b, (uint8_t)x);
}

/* A question for x.y. */
static void begin(struct buf *b, unsigned flags, unsigned answers, unsigned authorities)
{
	buf_clear(b);
	be16(b, 0);
	be16(b, 0x8180 | flags);
	be16(b, 1);
	be16(b, answers);
	be16(b, authorities);
	be16(b, 0);
	buf_put(b, VIEW("\1x\1y\0\0\1\0\1"));
}

static void rr(struct buf *b, struct view owner, enum dns_type type, unsigned ttl, struct view rdata)
{
	buf_put(b, owner);
	be16(b, type);
	be16(b, 1);
	be16(b, ttl >> 16);
	be16(b, ttl & 0xffff);
	be16(b, (unsigned)rdata.n);
	buf_put(b, rdata);
}

#define POINT_ASKED VIEW("\300\14")	/* to x.y. */
#define POINT_Y VIEW("\300\16")

static enum status read_it(const struct buf *b, enum dns_type type, struct message_answer *ret)
{
	return message_read(buf_view(b), VIEW("\1x\1y\0"), type, ret);
}

/* ---- the tests ---- */

static void compressed_names_are_made_whole(void **state)
{
	struct buf b = BUF(4096);
	struct message_answer a;

	(void)state;
	begin(&b, 0, 2, 0);
	rr(&b, POINT_ASKED, DNS_MX, 300, VIEW("\0\12\4Mail\300\16"));
	rr(&b, VIEW("\1X\1Y\0"), DNS_MX, 200, VIEW("\0\24\300\14"));
	assert_int_equal(read_it(&b, DNS_MX, &a), ST_OK);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.ttl, 200);
	assert_view(buf_view(&a.name), "x.y");
	assert_true(view_eq(buf_view(&a.rdata),
			    VIEW("\12\0\0\0\0\12\4mail\1y\0\7\0\0\0\0\24\1x\1y\0")));
	message_answer_free(&a);
	buf_free(&b);
}

static void aliases_are_followed_in_any_order(void **state)
{
	struct buf b = BUF(4096);
	struct message_answer a;

	(void)state;
	begin(&b, 0, 4, 0);
	rr(&b, VIEW("\1b\300\16"), DNS_A, 300, VIEW("\1\2\3\4"));
	rr(&b, VIEW("\1a\300\16"), DNS_CNAME, 50, VIEW("\1b\300\16"));
	rr(&b, VIEW("\1z\300\16"), DNS_A, 1, VIEW("\6\6\6\6"));
	rr(&b, POINT_ASKED, DNS_CNAME, 300, VIEW("\1a\300\16"));
	assert_int_equal(read_it(&b, DNS_A, &a), ST_OK);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.ttl, 50);
	assert_view(buf_view(&a.name), "b.y");
	message_answer_free(&a);
	/* Who asks for the alias itself gets it. */
	assert_int_equal(read_it(&b, DNS_CNAME, &a), ST_OK);
	assert_int_equal(a.n, 1);
	assert_view(buf_view(&a.name), "x.y");
	message_answer_free(&a);
	buf_free(&b);
}

static void absence_lives_as_long_as_the_soa_says(void **state)
{
	static const struct view soa = { "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\74", 22 };
	struct buf b = BUF(4096);
	struct message_answer a;

	(void)state;
	begin(&b, RCODE_NXDOMAIN, 1, 1);
	rr(&b, POINT_ASKED, DNS_CNAME, 300, VIEW("\4gone\300\16"));
	rr(&b, POINT_Y, DNS_SOA, 900, soa);
	assert_int_equal(read_it(&b, DNS_A, &a), ST_OK);
	assert_int_equal(a.rcode, RCODE_NXDOMAIN);
	assert_int_equal(a.n, 0);
	assert_int_equal(a.ttl, 60);
	assert_view(buf_view(&a.name), "gone.y");
	message_answer_free(&a);
	begin(&b, 0, 0, 0);
	assert_int_equal(read_it(&b, DNS_A, &a), ST_OK);
	assert_int_equal(a.ttl, 0);
	message_answer_free(&a);
	buf_free(&b);
}

static void loops_end(void **state)
{
	struct buf b = BUF(8192);
	struct message_answer a;

	(void)state;
	begin(&b, 0, 2, 0);
	rr(&b, POINT_ASKED, DNS_CNAME, 300, VIEW("\1a\300\16"));
	rr(&b, VIEW("\1a\300\16"), DNS_CNAME, 300, POINT_ASKED);
	assert_int_equal(read_it(&b, DNS_A, &a), ST_LIMIT);
	message_answer_free(&a);
	buf_free(&b);
}

/* Pointers to themselves, forward, or round and round. */
static void pointers_lead_back_only(void **state)
{
	static const struct view owners[] = {
		{ "\300\25", 2 },	/* to itself: the first record is at 21 */
		{ "\300\377", 2 },	/* behind the end */
		{ "\1a\300\25", 4 },	/* to its own beginning */
		{ "\1a\300\27", 4 },	/* to the pointer */
		{ "\100", 1 },		/* neither length nor pointer */
	};
	struct buf b = BUF(4096);
	struct message_answer a;

	(void)state;
	for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
		begin(&b, 0, 1, 0);
		assert_int_equal(b.n, 21);
		rr(&b, owners[i], DNS_A, 300, VIEW("\1\2\3\4"));
		assert_int_equal(read_it(&b, DNS_A, &a), ST_SYNTAX);
		message_answer_free(&a);
	}
	buf_free(&b);
}

static void what_is_cut_off_is_no_answer(void **state)
{
	struct buf b = BUF(4096);
	struct message_answer a;

	(void)state;
	begin(&b, 0, 2, 0);
	rr(&b, POINT_ASKED, DNS_A, 300, VIEW("\1\2\3\4"));
	rr(&b, POINT_ASKED, DNS_A, 300, VIEW("\1\2\3\5"));
	for (size_t n = 0; n < b.n; n++) {
		assert_int_equal(message_read(view_make(b.p, n), VIEW("\1x\1y\0"), DNS_A, &a), ST_SYNTAX);
		message_answer_free(&a);
	}
	assert_int_equal(read_it(&b, DNS_A, &a), ST_OK);
	assert_int_equal(a.n, 2);
	message_answer_free(&a);
	buf_free(&b);
}

/* A name in RDATA that reaches past it. */
static void rdata_keeps_its_length(void **state)
{
	struct buf b = BUF(4096);
	struct message_answer a;

	(void)state;
	begin(&b, 0, 1, 0);
	rr(&b, POINT_ASKED, DNS_MX, 300, VIEW("\0\12\4ma"));
	buf_put(&b, VIEW("il\0"));
	assert_int_equal(read_it(&b, DNS_MX, &a), ST_SYNTAX);
	message_answer_free(&a);
	buf_free(&b);
}

static void too_much_is_refused(void **state)
{
	struct buf b = BUF(256 * 1024);
	struct message_answer a;
	char text[1001] = { 0 };

	(void)state;
	begin(&b, 0, 70, 0);
	for (int i = 0; i < 70; i++)
		rr(&b, POINT_ASKED, DNS_TXT, 300, view_make(text, sizeof text));
	assert_int_equal(read_it(&b, DNS_TXT, &a), ST_LIMIT);
	message_answer_free(&a);
	buf_free(&b);
}

static void flags_are_told(void **state)
{
	struct buf b = BUF(4096);
	struct message_answer a;

	(void)state;
	begin(&b, 0x200 | 5, 0, 0);
	assert_int_equal(read_it(&b, DNS_A, &a), ST_OK);
	assert_true(a.truncated);
	assert_int_equal(a.rcode, 5);
	message_answer_free(&a);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compressed_names_are_made_whole),
		cmocka_unit_test(aliases_are_followed_in_any_order),
		cmocka_unit_test(absence_lives_as_long_as_the_soa_says),
		cmocka_unit_test(loops_end),
		cmocka_unit_test(pointers_lead_back_only),
		cmocka_unit_test(what_is_cut_off_is_no_answer),
		cmocka_unit_test(rdata_keeps_its_length),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(flags_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
