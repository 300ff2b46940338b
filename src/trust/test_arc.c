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

	w->sealing = (struct arc_sealing){ .signer = &w->key.signer, .results = VIEW("foo.com; spf=pass"), .now = now };
	pass_begin(&p, begin, w);
	pass_put(&p, buf_view(letter));
	assert_int_equal(pass_end(&p), ST_OK);
	arc_check(&p, &w->arc, records_resolver(w->records), NULL, now);
	assert_int_equal(w->arc.result, want);
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
	struct world w;

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
	struct world w;
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
	struct world w;

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
