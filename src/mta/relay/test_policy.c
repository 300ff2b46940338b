/* What TLS a host must show, by what DNS says of it. */
#include "base/test.h"

#include "base/buf.h"
#include "mta/relay/policy.h"

/* One answer to every question. */
struct table {
	struct resolver resolver;
	struct dns_answer answer;
	unsigned asked;
};

static enum status ask(struct resolver *r, struct view name, enum dns_type type, struct arena *a, struct dns_answer *ret)
{
	struct table *t = (struct table *)r;

	(void)name;
	(void)a;
	assert_int_equal(type, DNS_TLSA);
	t->asked++;
	*ret = t->answer;
	return ST_OK;
}

/* Usage 3, SHA-256: a record that can be used; and of a usage that nobody knows. */
static const char usable[] = "\x03\x01\x01" "0123456789abcdef0123456789abcdef";
static const char unusable[] = "\x09\x01\x01" "0123456789abcdef0123456789abcdef";

struct asked {
	struct dns_answer answer;
	bool insecure;		/* MX or address */
	struct tls_wish wish;
	const struct sts_policy *sts;
	struct view name;
};

static struct tls_policy policy(const struct asked *q, struct arena *a)
{
	struct table t = { .resolver = { ask, NULL }, .answer = q->answer };
	struct policy_source source = { .resolver = &t.resolver };
	struct site_policy site = { .known = q->sts != NULL };
	struct view name = q->name.n ? q->name : VIEW("mx.foo.com");
	struct tlsa_base base = { .secure = !q->insecure, .name = name, .canonical = name, .port = 25 };
	struct tls_policy p = { 0 };

	if (q->sts)
		site.sts = *q->sts;
	assert_int_equal(tls_client_new("", &source.tls), ST_OK);
	assert_int_equal(policy_of_host(&source, &site, VIEW("foo.com"), !q->insecure, &base, &q->wish, a, &p), ST_OK);
	tls_client_free(source.tls);
	return p;
}

static enum tls_level level(struct asked q)
{
	struct arena a = ARENA(64 * 1024);
	enum tls_level l = policy(&q, &a).level;

	arena_free(&a);
	return l;
}

static struct dns_answer found(const char *rdata, size_t n, bool secure)
{
	static struct view one;

	one = view_make(rdata, n - 1);
	return (struct dns_answer){ .outcome = DNS_FOUND, .secure = secure, .rdata = &one, .n = 1 };
}
#define FOUND(rdata, secure) found(rdata, sizeof rdata, secure)

static const struct dns_answer nothing = { .outcome = DNS_NO_DATA, .secure = true }, silence = { .outcome = DNS_FAILED },
			       bogus = { .outcome = DNS_BOGUS };

static void test_dane(void **state)
{
	(void)state;
	assert_int_equal(level((struct asked){ .answer = nothing }), TLS_IF_OFFERED);
	assert_int_equal(level((struct asked){ .answer = FOUND(usable, true) }), TLS_VERIFIED);
	assert_int_equal(level((struct asked){ .answer = FOUND(unusable, true) }), TLS_ENCRYPTED);
	/* What nobody has signed says nothing; nor does what lies behind such. */
	assert_int_equal(level((struct asked){ .answer = FOUND(usable, false) }), TLS_IF_OFFERED);
	assert_int_equal(level((struct asked){ .answer = FOUND(usable, true), .insecure = true }), TLS_IF_OFFERED);
	/* No answer is no absence. */
	assert_int_equal(level((struct asked){ .answer = silence }), TLS_NOT_NOW);
	assert_int_equal(level((struct asked){ .answer = bogus }), TLS_NOT_NOW);
}

static void test_sts(void **state)
{
	struct view mx = VIEW("*.foo.com"), other = VIEW("*.bar.com");
	struct sts_policy enforce = { STS_ENFORCE, 1, &mx, 1 }, testing = { STS_TESTING, 1, &mx, 1 },
			  wrong = { STS_ENFORCE, 1, &other, 1 };

	(void)state;
	assert_int_equal(level((struct asked){ nothing, .sts = &enforce }), TLS_VERIFIED);
	assert_int_equal(level((struct asked){ nothing, .sts = &testing }), TLS_IF_OFFERED);
	assert_int_equal(level((struct asked){ nothing, .sts = &wrong }), TLS_NOT_NOW);
	/* DANE comes first, and its trouble too (RFC 8461 2). */
	assert_int_equal(level((struct asked){ FOUND(usable, true), .sts = &wrong }), TLS_VERIFIED);
	assert_int_equal(level((struct asked){ silence, .sts = &enforce }), TLS_NOT_NOW);
}

static void test_wishes(void **state)
{
	struct tls_wish require = { .require = true }, relax = { .relax = true }, both = { true, true };

	(void)state;
	assert_int_equal(level((struct asked){ nothing, .wish = require }), TLS_VERIFIED);
	assert_int_equal(level((struct asked){ nothing, .wish = require, .insecure = true }), TLS_NEVER);
	assert_int_equal(level((struct asked){ silence, .wish = require }), TLS_NOT_NOW);
	assert_int_equal(level((struct asked){ bogus, .wish = relax }), TLS_IF_OFFERED);
	assert_int_equal(level((struct asked){ bogus, .wish = both }), TLS_NOT_NOW);
}

/* With the longest names and reasons that can be. */
static void test_why(void **state)
{
	char name[DNS_NAME_MAX], why[400];
	struct asked q = { .name = view_make(name, sizeof name) };
	struct arena a = ARENA(64 * 1024);
	struct tls_policy p;

	(void)state;
	memset(name, 'n', sizeof name);
	memset(why, 'w', sizeof why);
	q.answer = (struct dns_answer){ .outcome = DNS_BOGUS, .why = view_make(why, sizeof why) };
	p = policy(&q, &a);
	assert_int_equal(p.level, TLS_NOT_NOW);
	assert_true(p.why.n > sizeof name);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dane),
		cmocka_unit_test(test_sts),
		cmocka_unit_test(test_wishes),
		cmocka_unit_test(test_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
