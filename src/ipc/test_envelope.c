/* The envelope on its way and in the spool: older forms, and what is written
 * before a letter for one recipient. */
#include "base/test.h"

#include "ipc/envelope.h"

static void put_common(struct buf *b, uint8_t form)
{
	put_u8(b, form);
	put_view(b, VIEW("x.1"));
	put_u64(b, 1);
	put_u64(b, 2);
	put_view(b, VIEW("s@t.u"));
	put_view(b, VIEW("env"));
	put_u8(b, BODY_8BIT);
	put_u8(b, 0);
	put_u8(b, 'H');
	put_u64(b, 9);
	if (form >= 2)
		put_u8(b, 3);
	put_u32(b, 1);
	put_view(b, VIEW("a@b.c"));
	put_view(b, VIEW("o@b.c"));
	put_view(b, VIEW("rfc822;o@b.c"));
	put_u64(b, 7);
	put_u8(b, NOTIFY_FAILURE);
	if (form < 3)
		return;
	put_u8(b, VIA_FORWARD);
	put_view(b, VIEW("v@b.c"));
	put_view(b, VIEW_NONE);
	put_view(b, VIEW_NONE);
}

static void test_older_forms(void **state)
{
	(void)state;
	for (uint8_t form = 1; form <= 3; form++) {
		struct arena a = ARENA(4096);
		struct buf b = BUF(1024);
		struct envelope e;

		put_common(&b, form);
		assert_int_equal(envelope_take(buf_view(&b), &a, &e), ST_OK);
		assert_int_equal(e.priority, form == 1 ? 0 : 3);
		assert_int_equal(e.n_recipients, 1);
		assert_view(e.recipients[0].address, "a@b.c");
		assert_int_equal(e.recipients[0].notify, NOTIFY_FAILURE);
		assert_view(recipient_sender(&e, &e.recipients[0]), "s@t.u");
		assert_true(e.release == 0 && e.deliver_by == 0 && e.hold == HOLD_NOT);
		b.p[0] = 5;
		assert_int_equal(envelope_take(buf_view(&b), &a, &e), ST_SYNTAX);
		buf_free(&b);
		arena_free(&a);
	}
}

static void test_round_trip(void **state)
{
	struct recipient r = {
		.address = VIEW("m@x.y"), .via_kind = VIA_GROUP, .via = VIEW("g@b.c"),
		.sender = VIEW("g-owner@b.c"), .detail = VIEW("lists"),
	};
	struct envelope e = { .id = VIEW("x.1"), .sender = VIEW("s@t.u"), .recipients = &r, .n_recipients = 1,
			      .quarantine = VIEW("DMARC: nothing proves t.u") };
	struct arena a = ARENA(4096);
	struct buf b = BUF(1024);

	(void)state;
	envelope_put(&b, &e);
	assert_int_equal(b.n, envelope_size(&e) + recipient_size(&r));
	assert_int_equal(envelope_take(buf_view(&b), &a, &e), ST_OK);
	assert_view(e.quarantine, "DMARC: nothing proves t.u");
	assert_view(e.recipients[0].via, "g@b.c");
	assert_view(e.recipients[0].detail, "lists");
	assert_view(recipient_sender(&e, &e.recipients[0]), "g-owner@b.c");
	buf_free(&b);
	arena_free(&a);
}

static void test_times(void **state)
{
	struct recipient r = { .address = VIEW("m@x.y"), .via_kind = VIA_SENT, .via = VIEW(" b@c.d") };
	struct envelope e = { .id = VIEW("x.1"), .recipients = &r, .n_recipients = 1, .hold = HOLD_RECIPIENTS,
			      .release = 1000, .deliver_by = 2000, .by_mode = 'N', .by_trace = 1, .requiretls = 1, .held_back = 1 };
	struct envelope again;
	struct arena a = ARENA(4096);
	struct buf b = BUF(1024);

	(void)state;
	envelope_put(&b, &e);
	assert_int_equal(envelope_take(buf_view(&b), &a, &again), ST_OK);
	assert_true(again.hold == HOLD_RECIPIENTS && again.release == 1000 && again.deliver_by == 2000 &&
		    again.by_mode == 'N' && again.by_trace == 1 && again.requiretls == 1 && again.held_back == 1);
	buf_clear(&b);
	recipient_head(&again.recipients[0], &b);
	assert_view(buf_view(&b), "Bcc: b@c.d\r\n");
	/* A mode without a time, and none with one. */
	e.deliver_by = 0;
	buf_clear(&b);
	envelope_put(&b, &e);
	assert_int_equal(envelope_take(buf_view(&b), &a, &again), ST_SYNTAX);
	e.deliver_by = 1;
	e.by_mode = 0;
	buf_clear(&b);
	envelope_put(&b, &e);
	assert_int_equal(envelope_take(buf_view(&b), &a, &again), ST_SYNTAX);
	buf_free(&b);
	arena_free(&a);
}

static void test_head(void **state)
{
	struct recipient r = { .address = VIEW("m@x.y") };
	struct buf b = BUF(1024);

	(void)state;
	recipient_head(&r, &b);
	assert_int_equal(b.n, 0);
	r.via_kind = VIA_FORWARD;
	r.via = VIEW("j@b.c");
	recipient_head(&r, &b);
	assert_view(buf_view(&b), "Delivered-To: j@b.c\r\n");
	buf_clear(&b);
	r.via_kind = VIA_GROUP;
	r.via = VIEW("a&b@c.d");
	r.sender = VIEW("a&b-owner@c.d");
	recipient_head(&r, &b);
	assert_view(buf_view(&b),
		    "Delivered-To: a&b@c.d\r\n"
		    "List-Id: <a&b.c.d>\r\n"
		    "List-Post: <mailto:a%26b@c.d>\r\n"
		    "List-Help: <mailto:a%26b-owner@c.d?subject=help>\r\n"
		    "List-Owner: <mailto:a%26b-owner@c.d>\r\n"
		    "List-Unsubscribe: <mailto:a%26b-owner@c.d?subject=unsubscribe>\r\n"
		    "Precedence: list\r\n");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_older_forms),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
