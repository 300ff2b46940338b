#include "base/test.h"
#include "directory/signing.h"

#include <stdio.h>
#include <unistd.h>

static struct directory *fresh(char path[static 64])
{
	struct directory *d = NULL;

	snprintf(path, 64, "/tmp/signing-%d.db", getpid());
	unlink(path);
	assert_true(directory_open(path, &d) == ST_OK);
	assert_true(directory_add_domain(d, VIEW("Foo.com")) == ST_OK);
	return d;
}

struct seen {
	struct buf text;
	unsigned n;
};

static void note(void *arg, const struct signing_key *k)
{
	struct seen *s = arg;

	s->n++;
	buf_putf(&s->text, "%.*s %.*s %s %s %lld %lld %lld|", VIEW_ARG(k->domain), VIEW_ARG(k->selector),
		 signing_algorithm_word(k->algorithm), signing_state_word(k->state), (long long)k->seen,
		 (long long)k->activated, (long long)k->retired);
}

static bool says(struct directory *d, const char *text)
{
	struct seen s = { .text = BUF(4096) };
	bool same;

	assert_true(signing_each(d, VIEW("FOO.com"), note, &s) == ST_OK);
	same = view_eq(buf_view(&s.text), view_cstr(text));
	if (!same)
		fprintf(stderr, "has: %.*s\n", VIEW_ARG(buf_view(&s.text)));
	buf_free(&s.text);
	return same;
}

static void test_life(struct directory *d)
{
	struct signing_key k = { .domain = VIEW("foo.COM"), .selector = VIEW("a1"), .algorithm = SIGNING_RSA,
				 .state = SIGNING_ACTIVE, .public_key = VIEW("AAAA"), .created = 1, .activated = 1 };

	assert_true(signing_add(d, &k) == ST_OK);
	assert_true(signing_add(d, &k) == ST_EXISTS);
	assert_true(signing_switch(d, VIEW("foo.com"), 7) == ST_MISSING);
	k.selector = VIEW("b2");
	k.algorithm = SIGNING_ED25519;
	k.state = SIGNING_NEXT;
	k.created = 2;
	k.activated = 0;
	assert_true(signing_add(d, &k) == ST_OK);
	assert_true(signing_set_seen(d, VIEW("foo.com"), VIEW("b2"), 5) == ST_OK);
	assert_true(signing_set_seen(d, VIEW("foo.com"), VIEW("c3"), 5) == ST_MISSING);
	assert_true(says(d, "foo.com a1 rsa active 0 1 0|foo.com b2 ed25519 next 5 0 0|"));
	assert_true(signing_switch(d, VIEW("Foo.com"), 9) == ST_OK);
	assert_true(says(d, "foo.com a1 rsa retired 0 1 9|foo.com b2 ed25519 active 5 9 0|"));
	assert_true(signing_remove(d, VIEW("foo.com"), VIEW("b2")) == ST_DENIED);
	assert_true(signing_remove(d, VIEW("foo.com"), VIEW("a1")) == ST_OK);
	assert_true(signing_remove(d, VIEW("foo.com"), VIEW("a1")) == ST_MISSING);
}

static void test_refused(struct directory *d)
{
	struct signing_key k = { .domain = VIEW("bar.com"), .selector = VIEW("a1"), .public_key = VIEW("AAAA") };
	char name[16];

	assert_true(signing_add(d, &k) == ST_MISSING);
	k.domain = VIEW("foo.com");
	k.selector = VIEW("../a");
	assert_true(signing_add(d, &k) == ST_SYNTAX);
	k.selector = VIEW("A");
	assert_true(signing_add(d, &k) == ST_SYNTAX);
	k.selector = VIEW("");
	assert_true(signing_add(d, &k) == ST_SYNTAX);
	for (int i = 0; i < SIGNING_KEYS_MOST - 1; i++) {
		snprintf(name, sizeof name, "s%d", i);
		k.selector = view_cstr(name);
		assert_true(signing_add(d, &k) == ST_OK);
	}
	k.selector = VIEW("more");
	assert_true(signing_add(d, &k) == ST_LIMIT);
}

static void test_record(void **state)
{
	struct signing_key k = { .algorithm = SIGNING_ED25519, .public_key = VIEW("AAAA") };
	struct buf b = BUF(100);

	(void)state;
	signing_put_record(&k, &b);
	assert_true(view_eq(buf_view(&b), VIEW("v=DKIM1; k=ed25519; p=AAAA")));
	buf_free(&b);
}

/* The keys of a domain that goes do not come back with its name. */
static void test_domain_goes(struct directory *d)
{
	assert_true(directory_remove_domain(d, VIEW("foo.com")) == ST_OK);
	assert_true(directory_add_domain(d, VIEW("foo.com")) == ST_OK);
	assert_true(says(d, ""));
}

static void test_all(void **state)
{
	char path[64];
	struct directory *d = fresh(path);

	(void)state;
	test_life(d);
	test_refused(d);
	test_domain_goes(d);
	directory_close(d);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all), cmocka_unit_test(test_record) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
