/* ARC: chains of our own, longer and longer, and what breaks them.  What
 * others' chains look like the published suite asks. */
#include "base/test.h"

#include "trust/arc.h"
#include "trust/records.h"

#include <openssl/pem.h>

#define LETTER "From: Smith <smith@bar.com>\r\nTo: list@foo.com\r\nSubject: x\r\n\r\nHello\r\n"

struct world {
	struct signer_with_key key;
	struct records *records;
	struct arc arc;
	struct arc_sealing sealing;
	struct view results;		/* or empty: the usual ones */
	struct view sealers, domain;	/* where that is asked: */
	bool vouches;
};

static const wall_ms now = 1795343465000LL;

static void open_world(struct world *w)
{
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct buf zone = BUF(65536), text = BUF(1024);
	unsigned char raw[32];
	size_t n = sizeof raw;
	unsigned line;
	BIO *b = BIO_new(BIO_s_mem());
	char *p;

	assert_int_equal(PEM_write_bio_PrivateKey(b, ed, NULL, NULL, 0, NULL, NULL), 1);
	n = (size_t)BIO_get_mem_data(b, &p);
	assert_int_equal(signer_from_pem(view_make(p, n), VIEW("foo.com"), VIEW("s"), &w->key), ST_OK);
	BIO_free(b);
	n = sizeof raw;
	assert_int_equal(EVP_PKEY_get_raw_public_key(ed, raw, &n), 1);
	seal_encode(view_make((char *)raw, n), &text);
	buf_putf(&zone, "s._domainkey.foo.com TXT \"v=DKIM1; k=ed25519; p=%.*s\"\n", VIEW_ARG(buf_view(&text)));
	assert_int_equal(records_open(buf_view(&zone), &w->records, &line), ST_OK);
	buf_free(&zone);
	buf_free(&text);
	EVP_PKEY_free(ed);
}

static void close_world(struct world *w)
{
	signer_free(&w->key);
	records_free(w->records);
}

static void begin(void *arg, struct pass *p)
{
	struct world *w = arg;

	arc_collect(p, records_resolver(w->records), &w->arc);
	assert_int_equal(arc_seal_begin(p, &w->sealing), ST_OK);
}

/* Checks, and puts the next set before it. */
static enum status seal(struct world *w, struct buf *letter, enum arc_result want)
{
	struct buf fields = BUF(1 << 20);
	struct pass p;
	enum status st;

	w->sealing = (struct arc_sealing){ .signer = &w->key.signer, .results = w->results.n ? w->results : VIEW("foo.com; spf=pass"), .now = now };
	pass_begin(&p, begin, w);
	pass_put(&p, buf_view(letter));
	assert_int_equal(pass_end(&p), ST_OK);
	arc_check(&p, &w->arc, records_resolver(w->records), NULL, now);
	assert_int_equal(w->arc.result, want);
	w->vouches = arc_vouches(&p, &w->arc, w->sealers, w->domain);
	st = arc_seal_end(&p, &w->arc, &w->sealing, &fields);
	buf_put(&fields, buf_view(letter));
	buf_clear(letter);
	buf_put(letter, buf_view(&fields));
	buf_free(&fields);
	pass_free(&p);
	return st;
}

static void test_chain(void **state)
{
	struct buf letter = BUF(4 << 20);
	struct world w = { 0 };

	(void)state;
	open_world(&w);
	buf_puts(&letter, LETTER);
	for (int i = 0; i < ARC_SETS_MOST; i++)
		assert_int_equal(seal(&w, &letter, i ? ARC_PASS : ARC_NONE), ST_OK);
	assert_int_equal(w.arc.n, ARC_SETS_MOST - 1);
	assert_int_equal(seal(&w, &letter, ARC_PASS), ST_DENIED);
	assert_int_equal(w.arc.n, ARC_SETS_MOST);
	buf_free(&letter);
	close_world(&w);
}

/* A letter changed on its way: said once, then nothing is added. */
static void test_failed(void **state)
{
	struct buf letter = BUF(1 << 20);
	struct world w = { 0 };
	char *at;

	(void)state;
	open_world(&w);
	buf_puts(&letter, LETTER);
	assert_int_equal(seal(&w, &letter, ARC_NONE), ST_OK);
	at = memmem(letter.p, letter.n, "Hello", 5);
	assert_non_null(at);
	at[0] = 'J';
	assert_int_equal(seal(&w, &letter, ARC_FAIL), ST_OK);
	assert_string_equal(w.arc.problem, "the body was changed");
	assert_int_equal(seal(&w, &letter, ARC_FAIL), ST_DENIED);
	assert_true(w.arc.sealed_as_failed);
	buf_free(&letter);
	close_world(&w);
}

static void expect(struct world *w, const char *before, const char *problem)
{
	struct buf letter = BUF(1 << 20);

	buf_puts(&letter, before);
	buf_puts(&letter, LETTER);
	(void)!seal(w, &letter, ARC_FAIL);
	assert_string_equal(w->arc.problem, problem);
	buf_free(&letter);
}

static void test_sets(void **state)
{
	struct world w = { 0 };

	(void)state;
	open_world(&w);
	expect(&w, "ARC-Seal: i=1; cv=none\r\n", "a set is not complete");
	expect(&w, "ARC-Seal: i=0\r\n", "a field of the chain does not say which set it is of");
	expect(&w, "ARC-Seal: i=51\r\n", "a field of the chain does not say which set it is of");
	expect(&w, "ARC-Seal: nonsense\r\n", "a field of the chain does not say which set it is of");
	expect(&w, "ARC-Authentication-Results: i=1 foo.com\r\n", "a field of the chain does not say which set it is of");
	expect(&w, "ARC-Seal: i=1\r\nARC-Seal: i=1\r\n", "a set has a field twice");
	expect(&w, "ARC-Seal: i=2\r\nARC-Message-Signature: i=2\r\nARC-Authentication-Results: i=2; x\r\n",
	       "a set is not complete");
	close_world(&w);
}

/* One hop that found that, and whether it is believed. */
static bool is_believed(struct world *w, const char *results, const char *sealers, const char *domain)
{
	struct buf letter = BUF(1 << 20);

	w->results = view_cstr(results);
	w->sealers = view_cstr(sealers);
	w->domain = view_cstr(domain);
	buf_puts(&letter, LETTER);
	assert_int_equal(seal(w, &letter, ARC_NONE), ST_OK);
	assert_false(w->vouches);
	assert_int_equal(seal(w, &letter, ARC_PASS), ST_OK);
	buf_free(&letter);
	return w->vouches;
}

static void test_believed(void **state)
{
	static const char good[] = "foo.com; spf=pass; dmarc=pass (p=reject) header.from=bar.com";
	struct world w = { 0 };

	(void)state;
	open_world(&w);
	assert_true(is_believed(&w, good, "foo.com", "bar.com"));
	assert_true(is_believed(&w, good, "x.example  FOO.com", "bar.com"));
	/* Who is not named, in whichever way it looks alike; another author. */
	assert_false(is_believed(&w, good, "", "bar.com"));
	assert_false(is_believed(&w, good, "com oo.com foo.com.example bar.com", "bar.com"));
	assert_false(is_believed(&w, good, "foo.com", "evil.example"));
	assert_false(is_believed(&w, good, "foo.com", ""));
	/* What it saw. */
	assert_false(is_believed(&w, "foo.com; dmarc=fail header.from=bar.com", "foo.com", "bar.com"));
	assert_false(is_believed(&w, "foo.com; spf=pass smtp.mailfrom=a@bar.com", "foo.com", "bar.com"));
	assert_false(is_believed(&w, "foo.com; dmarc=pass", "foo.com", "bar.com"));
	assert_false(is_believed(&w, "foo.com; dmarc=pass header.from=bar.com; dmarc=fail header.from=bar.com", "foo.com", "bar.com"));
	assert_false(is_believed(&w, "foo.com; none", "foo.com", "bar.com"));
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
