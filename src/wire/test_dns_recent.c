/* Answers of a moment ago: what is answered from there, and what is not. */
#include "base/test.h"

#include "wire/dns_recent.h"

struct behind {
	struct resolver resolver;
	unsigned asked, hinted;
	struct dns_answer next;
};

static enum status ask(struct resolver *r, struct view name, enum dns_type type, struct arena *a,
		       struct dns_answer *ret)
{
	struct behind *b = (struct behind *)r;

	(void)type;
	(void)a;
	b->asked++;
	*ret = b->next;
	ret->name = name;
	return ST_OK;
}

static void hint(struct resolver *r, struct view name, enum dns_type type)
{
	(void)name;
	(void)type;
	((struct behind *)r)->hinted++;
}

static struct view rdata[] = { { "one", 3 }, { "two", 3 } };

static unsigned asked(struct dns_recent *d, struct behind *b, const char *name, enum dns_type type, struct dns_answer *ret,
		      struct arena *a)
{
	b->asked = 0;
	assert_int_equal(dns_ask(&d->resolver, view_cstr(name), type, a, ret), ST_OK);
	return b->asked;
}

static void test_kept(void **state)
{
	struct behind b = { .resolver = { ask, hint }, .next = { .outcome = DNS_FOUND, .secure = true, .ttl = 60, .rdata = rdata, .n = 2 } };
	struct arena a = ARENA(1 << 20);
	struct dns_answer got;
	struct dns_recent d;

	(void)state;
	assert_int_equal(dns_recent_begin(&d, &b.resolver), ST_OK);
	assert_int_equal(asked(&d, &b, "foo.com", DNS_TXT, &got, &a), 1);
	assert_int_equal(asked(&d, &b, "foo.com", DNS_TXT, &got, &a), 0);
	assert_true(got.outcome == DNS_FOUND && got.secure && got.n == 2 && got.ttl <= RECENT_MOST_S);
	assert_view(got.rdata[1], "two");
	assert_view(got.name, "foo.com");
	assert_int_equal(asked(&d, &b, "foo.com", DNS_A, &got, &a), 1);
	assert_int_equal(asked(&d, &b, "bar.com", DNS_TXT, &got, &a), 1);
	dns_recent_forget(&d);
	assert_int_equal(asked(&d, &b, "foo.com", DNS_TXT, &got, &a), 1);
	dns_recent_end(&d);
	arena_free(&a);
}

static void test_not_kept(void **state)
{
	static char large[RECENT_ANSWER_MAX];
	struct view big = { large, sizeof large };
	struct behind b = { .resolver = { ask, hint } };
	const struct dns_answer answers[] = {
		{ .outcome = DNS_FAILED, .ttl = 60 }, { .outcome = DNS_BOGUS, .ttl = 60 },
		{ .outcome = DNS_FOUND, .ttl = 0, .rdata = rdata, .n = 2 },
		{ .outcome = DNS_FOUND, .ttl = 60, .rdata = &big, .n = 1 },
	};
	struct arena a = ARENA(1 << 20);
	struct dns_answer got;
	struct dns_recent d;

	(void)state;
	assert_int_equal(dns_recent_begin(&d, &b.resolver), ST_OK);
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		b.next = answers[i];
		assert_int_equal(asked(&d, &b, "foo.com", DNS_TXT, &got, &a), 1);
		assert_int_equal(asked(&d, &b, "foo.com", DNS_TXT, &got, &a), 1);
		assert_int_equal(got.outcome, answers[i].outcome);
	}
	b.next = (struct dns_answer){ .outcome = DNS_NO_NAME, .ttl = 60 };
	assert_int_equal(asked(&d, &b, "foo.com", DNS_TXT, &got, &a), 1);
	assert_int_equal(asked(&d, &b, "foo.com", DNS_TXT, &got, &a), 0);
	assert_int_equal(got.outcome, DNS_NO_NAME);
	dns_recent_end(&d);
	arena_free(&a);
}

static void test_hints(void **state)
{
	struct behind b = { .resolver = { ask, hint }, .next = { .outcome = DNS_FOUND, .ttl = 60, .rdata = rdata, .n = 1 } };
	struct arena a = ARENA(1 << 20);
	struct dns_answer got;
	struct dns_recent d;

	(void)state;
	assert_int_equal(dns_recent_begin(&d, &b.resolver), ST_OK);
	dns_hint(&d.resolver, VIEW("foo.com"), DNS_TXT);
	dns_hint(&d.resolver, VIEW("foo.com"), DNS_TXT);
	assert_int_equal(b.hinted, 1);
	dns_hint(&d.resolver, VIEW("foo.com"), DNS_A);
	assert_int_equal(b.hinted, 2);
	assert_int_equal(asked(&d, &b, "bar.com", DNS_TXT, &got, &a), 1);
	dns_hint(&d.resolver, VIEW("bar.com"), DNS_TXT);
	assert_int_equal(b.hinted, 2);
	dns_recent_end(&d);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_not_kept),
		cmocka_unit_test(test_hints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
