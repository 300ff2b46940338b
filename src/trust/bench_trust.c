/* How fast letters are signed and signatures are checked, beside what OpenSSL
 * alone needs for a hash of the same bytes and one signature, and beside
 * libopendkim where libopendkim-dev is installed; and SPF and DMARC with every
 * answer at hand, beside libspf2 and libopendmarc where libspf2-dev and
 * libopendmarc-dev are.
 *
 *     ninja -C build src/bench_trust && build/src/bench_trust [SECONDS [SIZE]]     # SIZE: letters of that size alone, without the others
 *
 * The bytes of the bare hash are those that a check has to hash: the body, and
 * the header with the signature's own field.  Ours and the bare one are run in
 * turn, ROUNDS times; told are the medians, and the median of the ratios.
 */
#include "trust/dkim.h"
#include "trust/dmarc.h"
#include "trust/records.h"
#include "trust/spf.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifdef WITH_OPENDKIM
#include <opendkim/dkim.h>
#endif
/* What their headers take for granted. */
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sys/param.h>
#ifdef WITH_SPF2
#include <spf2/spf.h>
#include <spf2/spf_dns_zone.h>
#endif
#ifdef WITH_OPENDMARC
#include <opendmarc/dmarc.h>
#endif

enum { ROUNDS = 25 };

struct bench {
	double seconds;
	bool alone;
#ifdef WITH_OPENDKIM
	DKIM_LIB *theirs;
	char key_file[64];
	struct buf pem;			/* their signer takes that, and parses it for each letter */
#endif
#ifdef WITH_SPF2
	SPF_server_t *spf2;
#endif
	struct buf letter, sealed;	/* as written; with our signature before it */
	size_t header;			/* of the letter */
	size_t field;			/* our signature's, before it */
	struct signer_with_key key;
	struct records *records;
	struct key_cache *cache;
	EVP_PKEY_CTX *verify, *sign;	/* bare: made once */
	uint8_t signature[512];
	size_t n_signature;
	struct dkim found;
	struct dkim_signing signing;
	struct signer *signers[1];
};

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	fprintf(stderr, "bench_trust: %s\n", what);
	exit(1);
}

/* Many at once between two looks at the clock, which takes longer than a
 * check from memory. */
static unsigned batch_of(struct bench *b, void (*one)(struct bench *b))
{
	unsigned batch = 1;

	for (double took = 0; took < 1e-3; batch *= 2) {
		double begin = seconds_now();

		for (unsigned i = 0; i < batch; i++)
			one(b);
		took = seconds_now() - begin;
	}
	return batch / 2;
}

/* Microseconds for one, in a run of so many seconds. */
static double run_for(struct bench *b, void (*one)(struct bench *b), unsigned batch, double seconds)
{
	double begin = seconds_now(), end = begin;
	unsigned n = 0;

	for (; end < begin + seconds; n += batch) {
		for (unsigned i = 0; i < batch; i++)
			one(b);
		end = seconds_now();
	}
	return (end - begin) / n * 1e6;
}

/* The best of five runs: others use this machine too. */
static double measure(struct bench *b, void (*one)(struct bench *b))
{
	unsigned batch = batch_of(b, one);
	double best = 1e12;

	for (int run = 0; run < 5; run++) {
		double took = run_for(b, one, batch, b->seconds / 5);

		if (took < best)
			best = took;
	}
	return best;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof *v, by_size);
	return v[ROUNDS / 2];
}

static void beside(struct bench *b, const char *what, size_t size, void (*ours)(struct bench *b),
		   void (*bare)(struct bench *b))
{
	unsigned ours_batch = batch_of(b, ours), bare_batch = batch_of(b, bare);
	double a[ROUNDS], c[ROUNDS], ratio[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		a[i] = run_for(b, ours, ours_batch, b->seconds / ROUNDS);
		c[i] = run_for(b, bare, bare_batch, b->seconds / ROUNDS);
		ratio[i] = a[i] / c[i];
	}
	printf("%-6s %8zu octets: %10.1f us, bare %10.1f us, %+.1f %%\n", what, size, median(a), median(c),
	       (median(ratio) - 1) * 100);
}

static void write_letter(struct bench *b, size_t size)
{
	static const char words[] = "the quick brown fox jumps over the lazy dog while nobody is looking at it";

	buf_clear(&b->letter);
	buf_puts(&b->letter, "Received: from mail.bar.com ([192.0.2.1])\r\n\tby mx.foo.com with ESMTPS id 1;\r\n"
		 "\tSun, 22 Nov 2026 10:31:05 +0000\r\nFrom: Smith <smith@bar.com>\r\nTo: Jones <jones@foo.com>\r\n"
		 "Subject: A letter to measure with\r\nDate: Sun, 22 Nov 2026 10:31:04 +0000\r\n"
		 "Message-ID: <1.2.3@bar.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
	b->header = b->letter.n;
	for (unsigned i = 0; b->letter.n < size; i++) {
		/* One line in 20 has a blank at its end, as some programs write. */
		buf_put(&b->letter, view_trim(view_make(words, 40 + i * 7 % 33)));
		if (i % 20 == 7)
			buf_putc(&b->letter, ' ');
		buf_puts(&b->letter, i % 9 ? "\r\n" : "\r\n\r\n");
	}
	if (buf_status(&b->letter) != ST_OK)
		fail("no memory");
}

static void put_all(struct pass *p, struct view v)
{
	/* As a connection brings it. */
	for (; v.n; v = view_skip(v, 64 * 1024))
		pass_put(p, view_head(v, 64 * 1024));
	if (pass_end(p) != ST_OK)
		fail("a pass failed");
}

static void collect(void *arg, struct pass *p)
{
	struct bench *b = arg;

	dkim_collect(p, 10, records_resolver(b->records), &b->found);
}

static void verify(struct bench *b)
{
	struct pass p;

	pass_begin(&p, collect, b);
	put_all(&p, buf_view(&b->sealed));
	dkim_check(&p, &b->found, records_resolver(b->records), b->cache, clock_wall());
	if (dkim_result(&b->found) != SEAL_PASS)
		fail("our signature is not good");
	pass_free(&p);
}

static void begin_signing(void *arg, struct pass *p)
{
	struct bench *b = arg;

	if (dkim_sign_begin(p, &b->signing) != ST_OK)
		fail("cannot sign");
}

static void sign_into(struct bench *b, struct buf *out)
{
	struct pass p;

	pass_begin(&p, begin_signing, b);
	put_all(&p, buf_view(&b->letter));
	if (dkim_sign_end(&p, &b->signing, out) != ST_OK)
		fail("cannot sign");
	pass_free(&p);
}

static void sign(struct bench *b)
{
	struct buf out = BUF(65536);

	sign_into(b, &out);
	buf_free(&out);
}

/* The same bytes: body, then header, each with one hash. */
static void bare_hashes(struct bench *b, uint8_t *ret_digest)
{
	struct view v = buf_view(&b->sealed);
	size_t header = b->field + b->header;

	if (EVP_Digest(v.p + header, v.n - header, ret_digest, NULL, EVP_sha256(), NULL) != 1 ||
	    EVP_Digest(v.p, header, ret_digest, NULL, EVP_sha256(), NULL) != 1)
		fail("no hash");
}

static void bare_verify(struct bench *b)
{
	uint8_t digest[SHA256_SIZE];

	bare_hashes(b, digest);
	if (EVP_PKEY_verify(b->verify, b->signature, b->n_signature, digest, SHA256_SIZE) != 1)
		fail("the bare signature is not good");
}

static void bare_sign(struct bench *b)
{
	uint8_t digest[SHA256_SIZE];

	bare_hashes(b, digest);
	b->n_signature = sizeof b->signature;
	if (EVP_PKEY_sign(b->sign, b->signature, &b->n_signature, digest, SHA256_SIZE) != 1)
		fail("cannot sign");
}

#ifdef WITH_OPENDKIM
/* Their keys come from a file that is read for each letter: that is a few
 * microseconds of theirs. */
static void open_theirs(struct bench *b, const char *record)
{
	int how = DKIM_QUERY_FILE;
	FILE *f;

	snprintf(b->key_file, sizeof b->key_file, "/tmp/bench_trust.%ld", (long)getpid());
	f = fopen(b->key_file, "we");
	if (f == NULL || fprintf(f, "s._domainkey.bar.com %s\n", record) < 0 || fclose(f) != 0)
		fail("no file for keys");
	b->theirs = dkim_init(NULL, NULL);
	if (b->theirs == NULL ||
	    dkim_options(b->theirs, DKIM_OP_SETOPT, DKIM_OPTS_QUERYMETHOD, &how, sizeof how) != DKIM_STAT_OK ||
	    dkim_options(b->theirs, DKIM_OP_SETOPT, DKIM_OPTS_QUERYINFO, b->key_file, strlen(b->key_file) + 1) !=
		    DKIM_STAT_OK)
		fail("no libopendkim");
}

static void verify_theirs(struct bench *b)
{
	DKIM_STAT st;
	DKIM *d = dkim_verify(b->theirs, (const unsigned char *)"1", NULL, &st);
	bool testing;

	if (d == NULL)
		fail("libopendkim does not begin");
	for (struct view v = buf_view(&b->sealed); v.n && st == DKIM_STAT_OK; v = view_skip(v, 64 * 1024)) {
		struct view piece = view_head(v, 64 * 1024);

		st = dkim_chunk(d, (unsigned char *)(uintptr_t)piece.p, piece.n);
	}
	if (st == DKIM_STAT_OK)
		st = dkim_chunk(d, NULL, 0);
	if (st != DKIM_STAT_OK || dkim_eom(d, &testing) != DKIM_STAT_OK)
		fail("libopendkim does not find our signature good");
	dkim_free(d);
}

static void sign_theirs(struct bench *b)
{
	unsigned char signature[4096];
	DKIM_STAT st;
	DKIM *d = dkim_sign(b->theirs, (const unsigned char *)"1", NULL, (unsigned char *)b->pem.p,
			    (const unsigned char *)"s", (const unsigned char *)"bar.com", DKIM_CANON_RELAXED,
			    DKIM_CANON_RELAXED, DKIM_SIGN_RSASHA256, -1, &st);

	if (d == NULL)
		fail("libopendkim does not begin to sign");
	for (struct view v = buf_view(&b->letter); v.n && st == DKIM_STAT_OK; v = view_skip(v, 64 * 1024)) {
		struct view piece = view_head(v, 64 * 1024);

		st = dkim_chunk(d, (unsigned char *)(uintptr_t)piece.p, piece.n);
	}
	if (st == DKIM_STAT_OK)
		st = dkim_chunk(d, NULL, 0);
	if (st != DKIM_STAT_OK || dkim_eom(d, NULL) != DKIM_STAT_OK ||
	    dkim_getsighdr(d, signature, sizeof signature, 0) != DKIM_STAT_OK)
		fail("libopendkim does not sign");
	dkim_free(d);
}
#endif

static void open_keys(struct bench *b)
{
	EVP_PKEY *k = EVP_RSA_gen(2048);
	BIO *pem = BIO_new(BIO_s_mem());
	struct buf text = BUF(65536), zone = BUF(65536);
	unsigned char *der = NULL;
	unsigned line = 0;
	char *p;
	long n;

	PEM_write_bio_PrivateKey(pem, k, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(pem, &p);
	if (signer_from_pem(view_make(p, (size_t)n), VIEW("bar.com"), VIEW("s"), &b->key) != ST_OK)
		fail("no key");
#ifdef WITH_OPENDKIM
	b->pem = BUF(65536);
	buf_put(&b->pem, view_make(p, (size_t)n));
	buf_putc(&b->pem, '\0');
#endif
	BIO_free(pem);
	n = i2d_PUBKEY(k, &der);
	seal_encode(view_make((char *)der, (size_t)n), &text);
	OPENSSL_free(der);
	buf_putf(&zone, "s._domainkey.bar.com TXT \"v=DKIM1; p=\" \"%.*s\" \"%s\"\n",
		 VIEW_ARG(view_head(buf_view(&text), 200)), text.p + 200);
	buf_puts(&zone, "bar.com TXT \"v=spf1 mx a:out.bar.com include:_spf.bar.com -all\"\nbar.com MX 10 mail.bar.com\n"
		 "mail.bar.com A 192.0.2.9\nout.bar.com A 192.0.2.8\n_spf.bar.com TXT \"v=spf1 ip4:192.0.2.0/24 ~all\"\n"
		 "_dmarc.bar.com TXT \"v=DMARC1; p=reject\"\n");
	if (records_open(buf_view(&zone), &b->records, &line) != ST_OK)
		fail("no records");
#ifdef WITH_OPENDKIM
	buf_clear(&zone);
	buf_putf(&zone, "v=DKIM1; p=%.*s", VIEW_ARG(buf_view(&text)));
	buf_putc(&zone, '\0');
	open_theirs(b, zone.p);
#endif
	buf_free(&text);
	buf_free(&zone);
	b->verify = EVP_PKEY_CTX_new(k, NULL);
	b->sign = EVP_PKEY_CTX_new(k, NULL);
	EVP_PKEY_verify_init(b->verify);
	EVP_PKEY_CTX_set_signature_md(b->verify, EVP_sha256());
	EVP_PKEY_sign_init(b->sign);
	EVP_PKEY_CTX_set_signature_md(b->sign, EVP_sha256());
	EVP_PKEY_free(k);
}

static void one_size(struct bench *b, size_t size)
{
	write_letter(b, size);
	buf_clear(&b->sealed);
	sign_into(b, &b->sealed);
	b->field = b->sealed.n;
	buf_put(&b->sealed, buf_view(&b->letter));
	bare_sign(b);
	beside(b, "verify", size, verify, bare_verify);
#ifdef WITH_OPENDKIM
	if (!b->alone)
		printf("verify %8zu octets: libopendkim %.1f us\n", size, measure(b, verify_theirs));
#endif
	beside(b, "sign", size, sign, bare_sign);
#ifdef WITH_OPENDKIM
	if (!b->alone)
		printf("sign   %8zu octets: libopendkim %.1f us\n", size, measure(b, sign_theirs));
#endif
}

static void check_spf(struct bench *b)
{
	static struct spf_query q = { .helo = { "out.bar.com", 11 }, .sender = { "smith@bar.com", 13 },
				      .ip = { .bytes = { 192, 0, 2, 1 } } };
	struct arena a = ARENA(SPF_ARENA_MAX);
	struct spf_answer s;

	if (spf_check(&q, records_resolver(b->records), &a, &s) != ST_OK || s.result != SPF_PASS)
		fail("SPF does not pass");
	arena_free(&a);
}

static void check_dmarc(struct bench *b)
{
	static struct spf_answer s = { .result = SPF_PASS, .domain = { "mail.bar.com", 12 } };
	static struct author_address one = { .domain = { "bar.com", 7 } };
	static struct author au = { .kind = AUTHOR_ONE, .all = &one, .n = 1 };
	struct dmarc_query q = { .author = &au, .spf = &s };
	struct arena a = ARENA(1 << 20);
	struct dmarc_answer d;

	if (dmarc_check(&q, records_resolver(b->records), &a, &d) != ST_OK || d.result != DMARC_PASS)
		fail("DMARC does not pass");
	arena_free(&a);
}

#ifdef WITH_SPF2
/* The same records, by its own layer that keeps them in memory. */
static void open_spf2(struct bench *b)
{
	static const struct {
		const char *name;
		ns_type type;
		const char *data;
	} zone[] = {
		{ "bar.com", ns_t_txt, "v=spf1 mx a:out.bar.com include:_spf.bar.com -all" },
		{ "bar.com", ns_t_mx, "mail.bar.com" },
		{ "mail.bar.com", ns_t_a, "192.0.2.9" },
		{ "out.bar.com", ns_t_a, "192.0.2.8" },
		{ "_spf.bar.com", ns_t_txt, "v=spf1 ip4:192.0.2.0/24 ~all" },
	};
	SPF_dns_server_t *records = SPF_dns_zone_new(NULL, "bench", 0);

	for (size_t i = 0; i < sizeof zone / sizeof *zone; i++)
		if (SPF_dns_zone_add_str(records, zone[i].name, zone[i].type, NETDB_SUCCESS, zone[i].data) != SPF_E_SUCCESS)
			fail("libspf2 takes no records");
	b->spf2 = SPF_server_new_dns(records, 0);
	/* Or it asks the machine for its name, each time. */
	SPF_server_set_rec_dom(b->spf2, "mx.foo.com");
}

static void check_spf_theirs(struct bench *b)
{
	SPF_request_t *q = SPF_request_new(b->spf2);
	SPF_response_t *s = NULL;

	SPF_request_set_ipv4_str(q, "192.0.2.1");
	SPF_request_set_helo_dom(q, "out.bar.com");
	SPF_request_set_env_from(q, "smith@bar.com");
	if (SPF_request_query_mailfrom(q, &s) != SPF_E_SUCCESS || SPF_response_result(s) != SPF_RESULT_PASS)
		fail("SPF does not pass with libspf2");
	SPF_response_free(s);
	SPF_request_free(q);
}
#endif

#ifdef WITH_OPENDMARC
static void open_opendmarc(void)
{
	OPENDMARC_LIB_T theirs = { .tld_type = OPENDMARC_TLD_TYPE_MOZILLA,
				   .tld_source_file = "/usr/share/publicsuffix/public_suffix_list.dat" };

	if (opendmarc_policy_library_init(&theirs) != DMARC_PARSE_OKAY)
		fail("no libopendmarc");
	opendmarc_dns_fake_record("_dmarc.bar.com", "v=DMARC1; p=reject");
}

static void check_dmarc_theirs(struct bench *b)
{
	unsigned char ip[] = "192.0.2.1", author[] = "bar.com", sender[] = "mail.bar.com", why[] = "";
	DMARC_POLICY_T *d = opendmarc_policy_connect_init(ip, DMARC_POLICY_IP_TYPE_IPV4);

	(void)b;
	if (opendmarc_policy_store_from_domain(d, author) != DMARC_PARSE_OKAY ||
	    opendmarc_policy_store_spf(d, sender, DMARC_POLICY_SPF_OUTCOME_PASS, DMARC_POLICY_SPF_ORIGIN_MAILFROM, why) !=
		    DMARC_PARSE_OKAY ||
	    opendmarc_policy_query_dmarc(d, author) != DMARC_PARSE_OKAY ||
	    opendmarc_get_policy_to_enforce(d) != DMARC_POLICY_PASS)
		fail("DMARC does not pass with libopendmarc");
	opendmarc_policy_connect_shutdown(d);
}
#endif

static void policies(struct bench *b)
{
	printf("SPF (mx, a, include): %.0f a second\n", 1e6 / measure(b, check_spf));
#ifdef WITH_SPF2
	open_spf2(b);
	printf("SPF: libspf2 %.0f\n", 1e6 / measure(b, check_spf_theirs));
	SPF_server_free(b->spf2);
#endif
	printf("DMARC (relaxed, two walks): %.0f a second\n", 1e6 / measure(b, check_dmarc));
#ifdef WITH_OPENDMARC
	open_opendmarc();
	printf("DMARC: libopendmarc %.0f\n", 1e6 / measure(b, check_dmarc_theirs));
#endif
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 4 * 1024, 100 * 1024, 10 * 1024 * 1024 };
	struct bench b = { .seconds = argc > 1 ? atof(argv[1]) : 2, .alone = argc > 2, .letter = BUF(64 << 20), .sealed = BUF(64 << 20) };

	open_keys(&b);
	b.cache = key_cache_new();
	b.signers[0] = &b.key.signer;
	b.signing = (struct dkim_signing){ .signers = b.signers, .n = 1, .now = clock_wall() };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		if (!b.alone || (size_t)atol(argv[2]) == sizes[i])
			one_size(&b, sizes[i]);
	if (!b.alone)
		policies(&b);
#ifdef WITH_OPENDKIM
	unlink(b.key_file);
#endif
	return 0;
}
