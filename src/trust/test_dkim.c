/* DKIM: the examples of RFC 6376 and RFC 8463, our own signatures, every piece
 * size, and what liars try. */
#include "base/test.h"

#include "base/buf.h"
#include "trust/dkim.h"
#include "trust/records.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define RSA_1024 "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jY" \
	"fcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
#define RSA_TEST "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/b" \
	"yYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
#define ED25519 "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static const char zone[] =
	"brisbane._domainkey.example.com TXT \"v=DKIM1; p=\" \"" RSA_1024 "\"\n"
	"brisbane._domainkey.football.example.com TXT \"v=DKIM1; k=ed25519; p=" ED25519 "\"\n"
	"test._domainkey.football.example.com TXT \"v=DKIM1; k=rsa; p=\" \"" RSA_TEST "\"\n";

/* RFC 6376 A.2 */
#define LETTER_6376                                                                  \
	"DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"         \
	"      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"         \
	"      h=Received : From : To : Subject : Date : Message-ID;\r\n"           \
	"      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"                \
	"      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n"          \
	"      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n"            \
	"      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n"            \
	"      4bmp/YzhwvcubU4=;\r\n"                                               \
	"Received: from client1.football.example.com  [192.0.2.1]\r\n"              \
	"      by submitserver.example.com with SUBMISSION;\r\n"                    \
	"      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n" PLAIN
#define HEADER                                                                       \
	"From: Joe SixPack <joe@football.example.com>\r\n"                          \
	"To: Suzie Q <suzie@shopping.example.net>\r\n"                              \
	"Subject: Is dinner ready?\r\n"                                             \
	"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"                           \
	"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
#define BODY "Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n"
#define PLAIN HEADER "\r\n" BODY
/* RFC 8463 A.3 */
#define LETTER_8463                                                                  \
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"             \
	" d=football.example.com; i=@football.example.com;\r\n"                     \
	" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"                   \
	" subject : date : message-id : from : subject : date;\r\n"                 \
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"                     \
	" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"           \
	" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"                                     \
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"                 \
	" d=football.example.com; i=@football.example.com;\r\n"                     \
	" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"             \
	" date : message-id : from : subject : date;\r\n"                           \
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"                     \
	" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"           \
	" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"           \
	" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n" PLAIN

static const wall_ms now = 1528637909LL * 1000 + 1000;

struct checking {
	struct pass p;
	struct dkim d;
	struct resolver *r;
	unsigned most;
};

static void collect(void *arg, struct pass *p)
{
	struct checking *c = arg;

	dkim_collect(p, c->most, c->r, &c->d);
}

static void check_text(struct checking *c, struct view text, const char *records, size_t piece, wall_ms at)
{
	struct records *rec;
	unsigned line;

	assert_int_equal(records_open(view_cstr(records), &rec, &line), ST_OK);
	c->r = records_resolver(rec);
	c->most = c->most ? c->most : 10;
	pass_begin(&c->p, collect, c);
	for (; text.n; text = view_skip(text, piece))
		pass_put(&c->p, view_head(text, piece));
	assert_int_equal(pass_end(&c->p), ST_OK);
	dkim_check(&c->p, &c->d, c->r, NULL, at);
	records_free(rec);
}

static void expect(const char *text, const char *records, enum seal_result want, const char *problem)
{
	struct checking c = { 0 };

	check_text(&c, view_cstr(text), records, 100, now);
	assert_int_equal(c.d.n, 1);
	if (problem)
		assert_string_equal(c.d.signatures[0].problem ? c.d.signatures[0].problem : "none", problem);
	assert_int_equal(c.d.signatures[0].result, want);
	pass_free(&c.p);
}

static void test_rfc_6376(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < sizeof LETTER_6376; piece += piece < 100 ? 1 : 97) {
		struct checking c = { 0 };

		check_text(&c, VIEW(LETTER_6376), zone, piece, now);
		assert_int_equal(c.d.n, 1);
		assert_null(c.d.signatures[0].problem);
		assert_int_equal(c.d.signatures[0].result, SEAL_PASS);
		assert_int_equal(c.d.signatures[0].key_bits, 1024);
		pass_free(&c.p);
	}
}

static void test_rfc_8463(void **state)
{
	struct checking c = { 0 };

	(void)state;
	check_text(&c, VIEW(LETTER_8463), zone, 7, now);
	assert_int_equal(c.d.n, 2);
	assert_int_equal(c.d.signatures[0].result, SEAL_PASS);
	assert_int_equal(c.d.signatures[1].result, SEAL_PASS);
	assert_int_equal(c.p.body.n, 1);
	assert_view(c.d.signatures[0].domain, "football.example.com");
	pass_free(&c.p);
}

/* The same letter with Unix line ends has the same hashes. */
static void test_line_ends(void **state)
{
	struct buf text = BUF(65536);
	struct checking c = { 0 };

	(void)state;
	for (const char *p = LETTER_8463; *p; p++)
		if (*p != '\r')
			buf_putc(&text, *p);
	check_text(&c, buf_view(&text), zone, 13, now);
	assert_int_equal(dkim_result(&c.d), SEAL_PASS);
	pass_free(&c.p);
	buf_free(&text);
}

/* ---- letters of our own ---- */

struct own {
	struct signer_with_key rsa, ed;
	struct buf zone;
};

static void put_pem(EVP_PKEY *k, struct buf *out)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;

	assert_int_equal(PEM_write_bio_PrivateKey(b, k, NULL, NULL, 0, NULL, NULL), 1);
	n = BIO_get_mem_data(b, &p);
	buf_put(out, view_make(p, (size_t)n));
	BIO_free(b);
}

static void put_key(struct buf *out, const char *name, const char *tags, EVP_PKEY *k)
{
	struct buf der = BUF(65536), text = BUF(65536);
	unsigned char *p = NULL, raw[32];
	size_t n = sizeof raw;

	if (EVP_PKEY_get_base_id(k) == EVP_PKEY_RSA) {
		int size = i2d_PUBKEY(k, &p);

		buf_put(&der, view_make((char *)p, (size_t)size));
		OPENSSL_free(p);
	} else {
		assert_int_equal(EVP_PKEY_get_raw_public_key(k, raw, &n), 1);
		buf_put(&der, view_make((char *)raw, n));
	}
	seal_encode(buf_view(&der), &text);
	buf_putf(out, "%s TXT \"v=DKIM1; %sp=\"", name, tags);
	for (struct view v = buf_view(&text); v.n; v = view_skip(v, 200))
		buf_putf(out, " \"%.*s\"", VIEW_ARG(view_head(v, 200)));
	buf_putc(out, '\n');
	buf_free(&der);
	buf_free(&text);
}

static void own_open(struct own *o)
{
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct buf pem = BUF(65536);

	o->zone = BUF(1 << 20);
	put_key(&o->zone, "r._domainkey.bar.com", "", rsa);
	put_key(&o->zone, "e._domainkey.bar.com", "k=ed25519; t=y:s; ", ed);
	put_pem(rsa, &pem);
	assert_int_equal(signer_from_pem(buf_view(&pem), VIEW("bar.com"), VIEW("r"), &o->rsa), ST_OK);
	buf_clear(&pem);
	put_pem(ed, &pem);
	assert_int_equal(signer_from_pem(buf_view(&pem), VIEW("bar.com"), VIEW("e"), &o->ed), ST_OK);
	buf_free(&pem);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ed);
	buf_putc(&o->zone, '\0');
}

static void own_close(struct own *o)
{
	signer_free(&o->rsa);
	signer_free(&o->ed);
	buf_free(&o->zone);
}

static void begin_signing(void *arg, struct pass *p)
{
	assert_int_equal(dkim_sign_begin(p, arg), ST_OK);
}

static enum status sign(struct own *o, const char *text, struct buf *out)
{
	struct signer *signers[] = { &o->rsa.signer, &o->ed.signer };
	struct dkim_signing s = { .signers = signers, .n = 2, .now = now, .lifetime = 86400 };
	struct pass p;
	enum status st;

	pass_begin(&p, begin_signing, &s);
	pass_put(&p, view_cstr(text));
	assert_int_equal(pass_end(&p), ST_OK);
	st = dkim_sign_end(&p, &s, out);
	buf_puts(out, text);
	pass_free(&p);
	return st;
}

static void expect_own(struct own *o, struct view text, enum seal_result want)
{
	struct checking c = { 0 };

	check_text(&c, text, o->zone.p, 11, now);
	assert_int_equal(c.d.n, 2);
	assert_int_equal(c.d.signatures[0].result, want);
	assert_int_equal(c.d.signatures[1].result, want);
	pass_free(&c.p);
}

static void expect_changed(struct own *o, struct view text, const char *from, const char *to, enum seal_result want)
{
	const char *at = memmem(text.p, text.n, from, strlen(from));
	struct buf changed = BUF(1 << 20);

	assert_non_null(at);
	buf_put(&changed, view_make(text.p, (size_t)(at - text.p)));
	buf_puts(&changed, to);
	buf_put(&changed, view_skip(text, (size_t)(at - text.p) + strlen(from)));
	expect_own(o, buf_view(&changed), want);
	buf_free(&changed);
}

static void test_signing(void **state)
{
	struct buf text = BUF(1 << 20);
	struct own o;

	(void)state;
	own_open(&o);
	assert_int_equal(sign(&o, PLAIN, &text), ST_OK);
	for (struct view v = buf_view(&text); v.n; v = view_skip(v, view_find(v, '\n') + 1))
		assert_true(view_find(v, '\n') < 79);
	expect_own(&o, buf_view(&text), SEAL_PASS);
	/* Relaxed: blanks and folds do not matter; anything else does. */
	expect_changed(&o, buf_view(&text), "Subject: Is", "SUBJECT:\t Is\r\n  ", SEAL_PASS);
	expect_changed(&o, buf_view(&text), "game. Are", "game. \t Are", SEAL_PASS);
	expect_changed(&o, buf_view(&text), "Joe.\r\n", "Joe. \r\n\r\n \r\n", SEAL_PASS);
	expect_changed(&o, buf_view(&text), "Joe.\r\n", "Joe.", SEAL_PASS);
	expect_changed(&o, buf_view(&text), "lost", "won", SEAL_FAIL);
	expect_changed(&o, buf_view(&text), "dinner", "supper", SEAL_FAIL);
	expect_changed(&o, buf_view(&text), "Suzie", "Susie", SEAL_FAIL);
	/* What was signed once more than it was there cannot be added. */
	expect_changed(&o, buf_view(&text), "From: Joe", "From: Eve <eve@evil.example>\r\nFrom: Joe", SEAL_FAIL);
	expect_changed(&o, buf_view(&text), "\r\n\r\nHi", "\r\nReply-To: eve@evil.example\r\n\r\nHi", SEAL_FAIL);
	expect_changed(&o, buf_view(&text), "From: Joe", "Received: by somebody\r\nFrom: Joe", SEAL_PASS);
	buf_clear(&text);
	assert_int_equal(sign(&o, "To: a@b.c\r\n\r\nx\r\n", &text), ST_SYNTAX);
	buf_free(&text);
	own_close(&o);
}

static void test_bodies(void **state)
{
	static const char *const bodies[] = {
		"", "\r\n", "\r\n\r\n", " ", " \r\n", "\t\r\n \r\n", "a", "a\r\n", "a\r", "a\rb\r\r\n", "a \r b\r\n", "\ra",
		"a\nb\n\n", " a  b\t\tc \r\n\r\n d\r\n\r\n\r\n", ".\r\n", "x \r\r\n", "\r\r\n\r\n\n\r\n",
	};
	struct own o;

	(void)state;
	own_open(&o);
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct buf text = BUF(1 << 20), letter = BUF(1 << 20);

		buf_puts(&letter, HEADER "\r\n");
		buf_puts(&letter, bodies[i]);
		buf_putc(&letter, '\0');
		assert_int_equal(sign(&o, letter.p, &text), ST_OK);
		expect_own(&o, buf_view(&text), SEAL_PASS);
		buf_free(&text);
		buf_free(&letter);
	}
	own_close(&o);
}

/* ---- canonical bodies, against the rules written out again ---- */

static void naive(enum canon c, struct view v, struct buf *out)
{
	struct buf lines = BUF(1 << 20);

	while (v.n) {
		size_t n = view_find(v, '\n'), len = n;

		if (n < v.n && len && v.p[len - 1] == '\r')
			len--;
		for (size_t i = 0; i < len; i++) {
			bool blank = v.p[i] == ' ' || v.p[i] == '\t';
			size_t j = i;

			if (c == CANON_SIMPLE || !blank) {
				buf_putc(&lines, v.p[i]);
				continue;
			}
			while (j + 1 < len && (v.p[j + 1] == ' ' || v.p[j + 1] == '\t'))
				j++;
			if (j + 1 < len)
				buf_putc(&lines, ' ');
			i = j;
		}
		buf_puts(&lines, "\r\n");
		v = view_skip(v, n + 1);
	}
	/* Empty lines at the end go (3.4.3, 3.4.4). */
	while (lines.n >= 2 && lines.p[lines.n - 1] == '\n' && lines.p[lines.n - 2] == '\r')
		lines.n -= 2;
	buf_put(out, buf_view(&lines));
	if (lines.n || c == CANON_SIMPLE)
		buf_puts(out, "\r\n");
	buf_free(&lines);
}

static void test_canon(void **state)
{
	static const char alphabet[] = "aa b\t\r\n\n\r\nzzzzzzzzzzzzzz";
	uint32_t x = 12345;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		char text[400];
		size_t n = (size_t)round % sizeof text, k;
		struct body_hashes b = { 0 };
		unsigned which[CANONS];

		for (size_t i = 0; i < n; i++) {
			x = x * 1103515245 + 12345;
			text[i] = alphabet[(x >> 16) % (round % 3 ? sizeof alphabet - 1 : 11)];
		}
		for (int c = 0; c < CANONS; c++)
			assert_int_equal(body_want(&b, (enum canon)c, UINT64_MAX, &which[c]), ST_OK);
		for (size_t at = 0; at < n; at += k) {
			x = x * 1103515245 + 12345;
			k = 1 + (x >> 16) % 90;
			body_put(&b, view_head(view_make(text + at, n - at), k));
		}
		assert_int_equal(body_end(&b), ST_OK);
		for (int c = 0; c < CANONS; c++) {
			struct buf want = BUF(4096);
			uint8_t digest[SHA256_SIZE];

			naive((enum canon)c, view_make(text, n), &want);
			assert_int_equal(EVP_Digest(want.p ? want.p : "", want.n, digest, NULL, EVP_sha256(), NULL), 1);
			assert_int_equal(b.bodies[c].length, want.n);
			assert_memory_equal(digest, b.hashes[which[c]].digest, SHA256_SIZE);
			buf_free(&want);
		}
		body_free(&b);
	}
}

/* ---- l= ---- */

static const char limited[] =
	"From: a@bar.com\r\nSubject: x\r\n\r\none\r\ntwo\r\n";

static void test_length(void **state)
{
	struct own o;
	struct buf field = BUF(65536), letter = BUF(65536), bytes = BUF(1024), text = BUF(4096);
	uint8_t digest[SHA256_SIZE];
	struct checking c = { 0 };
	struct piece_hash h;

	(void)state;
	own_open(&o);
	assert_int_equal(EVP_Digest("one\r\n", 5, digest, NULL, EVP_sha256(), NULL), 1);
	buf_puts(&field, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=bar.com; s=r; h=from; l=5; bh=");
	seal_encode(view_make((char *)digest, SHA256_SIZE), &field);
	buf_puts(&field, "; b=");
	piece_hash_begin(&h, NULL);
	piece_hash_put(&h, VIEW("from:a@bar.com\r\n"));
	assert_int_equal(signature_hash_own(CANON_RELAXED, buf_view(&field), view_skip(buf_view(&field), field.n), &h), ST_OK);
	assert_int_equal(piece_hash_end(&h, digest), ST_OK);
	assert_int_equal(o.rsa.signer.sign(&o.rsa.signer, digest, &bytes), ST_OK);
	seal_encode(buf_view(&bytes), &text);
	buf_put(&field, buf_view(&text));
	buf_put(&letter, buf_view(&field));
	buf_puts(&letter, "\r\n");
	buf_puts(&letter, limited);
	check_text(&c, buf_view(&letter), o.zone.p, 9, now);
	assert_int_equal(c.d.signatures[0].result, SEAL_PASS);
	assert_int_equal(c.d.signatures[0].unsigned_octets, 5);
	assert_false(dkim_proves(&c.d.signatures[0]));
	pass_free(&c.p);
	letter.n -= 5;
	c = (struct checking){ 0 };
	check_text(&c, buf_view(&letter), o.zone.p, 9, now);
	assert_true(dkim_proves(&c.d.signatures[0]));
	pass_free(&c.p);
	letter.n -= 5;
	c = (struct checking){ 0 };
	check_text(&c, buf_view(&letter), o.zone.p, 9, now);
	assert_int_equal(c.d.signatures[0].result, SEAL_PERMERROR);
	assert_string_equal(c.d.signatures[0].problem, "l= is more than the body");
	pass_free(&c.p);
	buf_free(&field);
	buf_free(&letter);
	buf_free(&bytes);
	buf_free(&text);
	own_close(&o);
}

/* ---- two stories in one letter (8.15) ---- */

static void expect_doubled(const char *before, const char *doubled)
{
	struct buf text = BUF(1 << 20);
	struct checking c = { 0 };

	buf_puts(&text, before);
	buf_puts(&text, LETTER_6376);
	check_text(&c, buf_view(&text), zone, 65536, now);
	assert_int_equal(c.d.signatures[0].result, SEAL_PASS);
	if (doubled)
		assert_string_equal(c.d.signatures[0].doubled, doubled);
	else
		assert_null(c.d.signatures[0].doubled);
	assert_int_equal(dkim_proves(&c.d.signatures[0]), doubled == NULL);
	pass_free(&c.p);
	buf_free(&text);
}

static void test_doubled(void **state)
{
	(void)state;
	expect_doubled("", NULL);
	expect_doubled("Subject: You have won\r\n", "Subject");
	expect_doubled("SUBJECT\t:\r\n You have won\r\n", "Subject");
	expect_doubled("X-Spam: no\r\nDate: Fri, 11 Jul 2025 21:00:37 -0700 (PDT)\r\n", "Date");
	/* The same again, however it is folded; fields of which there may be many;
	 * and what is not signed at all. */
	expect_doubled("subject:  Is\r\n\tdinner ready?\r\n", NULL);
	expect_doubled("Received: by somebody\r\nReceived: by another\r\n", NULL);
	expect_doubled("Cc: a@b.example\r\nCc: c@d.example\r\n", NULL);
}

/* ---- what liars and the careless write ---- */

#define SIGNED(tags) "DKIM-Signature: " tags "\r\n" PLAIN
#define BH "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
#define REST "c=simple/simple; h=from; " BH "; b=AAAA"

static void test_bad_signatures(void **state)
{
	static const struct {
		const char *text, *problem;
		enum seal_result want;
	} cases[] = {
		{ SIGNED("nonsense"), "the signature does not follow the grammar", SEAL_PERMERROR },
		{ SIGNED(""), "the signature does not follow the grammar", SEAL_PERMERROR },
		{ SIGNED("v=1; v=1"), "the signature does not follow the grammar", SEAL_PERMERROR },
		{ SIGNED("v=2; a=rsa-sha256; d=example.com; s=brisbane; " REST), "v= is not 1", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha1; d=example.com; s=brisbane; " REST), "SHA-1 proves nothing any more", SEAL_PERMERROR },
		{ SIGNED("v=1; a=none; d=example.com; s=brisbane; " REST), "a= is not known", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=; s=brisbane; " REST), "d= is no domain", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=com; s=brisbane; " REST), "d= is no domain", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=a b; " REST), "s= is no selector", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; h=to:cc; " BH "; b=AAAA"), "From: is not signed", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; h=from; bh=AAAA; b=AAAA"), "bh= is no hash", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; h=from; " BH "; b=!"), "b= is no base64", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; q=pigeon; " REST), "q= is not known", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; i=@evil.example; " REST), "i= is not of d=", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; i=@notexample.com; " REST), "i= is not of d=", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; l=-1; " REST), "l= is no number", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; l=0; " REST), "the body was changed", SEAL_FAIL },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; t=5; x=4; " REST), "x= is before t=", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; t=1; x=1528637000; " REST), "the signature has expired", SEAL_FAIL },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; t=1528639999; " REST), "the signature is from the future", SEAL_FAIL },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=nobody; " REST), "there is no such key", SEAL_PERMERROR },
		{ SIGNED("v=1; a=ed25519-sha256; d=example.com; s=brisbane; " REST), "the key is of another kind than the signature", SEAL_PERMERROR },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; " REST), "the signature does not fit the header", SEAL_FAIL },
		{ SIGNED("v=1; a=rsa-sha256; d=example.com; s=brisbane; h=from; bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=AAAA"),
		  "the body was changed", SEAL_FAIL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		expect(cases[i].text, zone, cases[i].want, cases[i].problem);
}

static void test_bad_keys(void **state)
{
	static const struct {
		const char *record, *problem;
		enum seal_result want;
	} cases[] = {
		{ "TXT SERVFAIL", "no answer for the key", SEAL_TEMPERROR },
		{ "TXT BOGUS", "no answer for the key", SEAL_TEMPERROR },
		{ "TXT NODATA", "there is no such key", SEAL_PERMERROR },
		{ "TXT \"v=spf1 -all\"", "what is published there is no key record", SEAL_PERMERROR },
		{ "TXT \"v=DKIM2; p=AAAA\"", "what is published there is no key record", SEAL_PERMERROR },
		{ "TXT \"p=AAAA; v=DKIM1\"", "what is published there is no key record", SEAL_PERMERROR },
		{ "TXT \"v=DKIM1; p=\"", "the key was revoked", SEAL_PERMERROR },
		{ "TXT \"v=DKIM1; p=AAAA\"", "the key cannot be read", SEAL_PERMERROR },
		{ "TXT \"v=DKIM1; p=!!\"", "the key cannot be read", SEAL_PERMERROR },
		{ "TXT \"v=DKIM1; h=sha1; p=\" \"" RSA_1024 "\"", "the key is not for SHA-256", SEAL_PERMERROR },
		{ "TXT \"v=DKIM1; s=tlsrpt; p=\" \"" RSA_1024 "\"", "the key is not for mail", SEAL_PERMERROR },
		{ "TXT \"v=DKIM1; k=ed25519; p=" ED25519 "\"", "the key is of another kind than the signature", SEAL_PERMERROR },
		{ "TXT \"v=DKIM1; t=s; s=*; h=sha1:sha256; p=\" \"" RSA_1024 "\"", "the key is for d= itself, i= is below it", SEAL_PERMERROR },
		{ "TXT \"v=DKIM1; t=y; s=email:x; g=nobody; n=a note; p=\" \"" RSA_1024 "\"", NULL, SEAL_PASS },
		{ "TXT \"p=\" \"" RSA_1024 "\"", NULL, SEAL_PASS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf records = BUF(65536);

		buf_putf(&records, "brisbane._domainkey.example.com %s\n", cases[i].record);
		buf_putc(&records, '\0');
		expect(LETTER_6376, records.p, cases[i].want, cases[i].problem);
		buf_free(&records);
	}
}

static void test_key_sizes(void **state)
{
	static const struct {
		unsigned bits;
		enum seal_result want;
	} sizes[] = { { 512, SEAL_POLICY }, { 1023, SEAL_POLICY }, { 1024, SEAL_PASS }, { 2048, SEAL_PASS } };
	struct key_cache *cache = key_cache_new();
	const char *problem;
	struct seal_key k;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		EVP_PKEY *pkey = EVP_RSA_gen(sizes[i].bits);
		struct buf line = BUF(65536);
		struct records *rec;
		unsigned at;

		put_key(&line, "s._domainkey.bar.com", "", pkey);
		assert_int_equal(records_open(buf_view(&line), &rec, &at), ST_OK);
		for (int again = 0; again < 2; again++) {
			struct arena a = ARENA(1 << 20);

			assert_int_equal(key_find(records_resolver(rec), VIEW("s"), VIEW("bar.com"), SEAL_RSA_SHA256,
						  cache, &a, &k, &problem), sizes[i].want);
			if (sizes[i].want == SEAL_PASS)
				key_free(&k);
			arena_free(&a);
		}
		records_free(rec);
		buf_free(&line);
		EVP_PKEY_free(pkey);
	}
	key_cache_free(cache);
}

/* Of a size that nobody makes: its modulus need be no product of primes. */
static EVP_PKEY *huge_key(unsigned bits)
{
	unsigned char *n = malloc(bits / 8);
	BIGNUM *modulus;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *e = BN_new();
	OSSL_PARAM *params;
	EVP_PKEY *pkey = NULL;

	memset(n, 0xab, bits / 8);
	modulus = BN_bin2bn(n, (int)(bits / 8), NULL);
	BN_set_word(e, 65537);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, modulus);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e);
	params = OSSL_PARAM_BLD_to_param(bld);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(modulus);
	BN_free(e);
	free(n);
	return pkey;
}

/* What costs a minute to use is not used. */
static void test_huge_keys(void **state)
{
	static const unsigned sizes[] = { 8200, 16384 };

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		EVP_PKEY *pkey = huge_key(sizes[i]);
		struct buf records = BUF(65536);

		put_key(&records, "brisbane._domainkey.example.com", "", pkey);
		buf_putc(&records, '\0');
		expect(LETTER_6376, records.p, SEAL_POLICY, "the key is too large");
		buf_free(&records);
		EVP_PKEY_free(pkey);
	}
}

/* Thousands of signatures cost what the first few cost. */
static void test_many(void **state)
{
	struct buf text = BUF(2 << 20);
	struct checking c = { .most = 5 };

	(void)state;
	for (int i = 0; i < 3000; i++)
		buf_puts(&text, "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=brisbane; " REST "\r\n");
	buf_puts(&text, PLAIN);
	check_text(&c, buf_view(&text), zone, 65536, now);
	assert_int_equal(c.d.n, 5);
	assert_int_equal(c.d.beyond, 2995);
	assert_int_equal(c.d.signatures[4].result, SEAL_FAIL);
	pass_free(&c.p);
	buf_free(&text);
}

static void ignore(void *arg, struct pass *p)
{
	(void)p;
	(*(int *)arg)++;
}

static void test_header_limit(void **state)
{
	char line[1024];
	struct pass p;
	int called = 0;

	(void)state;
	memset(line, 'x', sizeof line);
	line[0] = ' ';
	pass_begin(&p, ignore, &called);
	for (size_t n = 0; n <= PASS_HEADER_MAX; n += sizeof line)
		pass_put(&p, view_make(line, sizeof line));
	assert_int_equal(pass_end(&p), ST_LIMIT);
	assert_int_equal(called, 0);
	pass_free(&p);
	pass_begin(&p, ignore, &called);
	pass_put(&p, VIEW("A: b"));
	assert_int_equal(pass_end(&p), ST_OK);
	assert_int_equal(called, 1);
	assert_int_equal(p.n_fields, 1);
	pass_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_6376),
		cmocka_unit_test(test_rfc_8463),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_signing),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_canon),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_doubled),
		cmocka_unit_test(test_bad_signatures),
		cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_key_sizes),
		cmocka_unit_test(test_huge_keys),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_header_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
