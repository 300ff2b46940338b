/* test_mechanisms.c - the examples of the RFCs, and what is not them. */
#include "warden/mechanism.h"
#include "warden/tokens.h"

#include "wire/sasl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* One person, known by name, with a password. */
struct person {
	const char *name, *password, *salt;	/* base64 */
	uint32_t iterations;
};

static enum status find(struct exchange *x)
{
	const struct person *p = x->host->owner;
	struct buf salt = BUF(SCRAM_SALT_MAX);
	struct scram_keys *k = &x->who.scram;
	enum status st = ST_OK;

	x->who.known = view_eq(buf_view(&x->name), view_cstr(p->name));
	buf_clear(&x->who.plain);
	buf_puts(&x->who.plain, p->password);
	if (exchange_hash(x) != SCRAM_HASHES) {
		assert_int_equal(sasl_decode(view_cstr(p->salt), &salt), ST_OK);
		k->salt_n = salt.n;
		memcpy(k->salt, salt.p, salt.n);
		st = scram_derive(exchange_hash(x), view_cstr(p->password), p->iterations, k);
	}
	buf_free(&salt);
	return st;
}

struct talk {
	struct exchange_host host;
	struct exchange x;
	struct buf out;
	enum mechanism_result r;
};

static void begin(struct talk *t, const char *mechanism, const struct person *p, const char *nonce)
{
	*t = (struct talk){ .host = { .find = find, .owner = (void *)(uintptr_t)p, .host_name = "elwood.innosoft.com" },
			    .out = BUF(EXCHANGE_CHALLENGE_MAX) };
	assert_int_equal(exchange_begin(&t->x, view_cstr(mechanism), &t->host), ST_OK);
	snprintf(t->x.nonce, sizeof t->x.nonce, "%s", nonce);
	t->x.service = SERVICE_IMAP;
}

static const char *say(struct talk *t, const char *message)
{
	t->r = exchange_step(&t->x, view_cstr(message), &t->out);
	buf_putc(&t->out, '\0');
	return t->out.p;
}

static void end(struct talk *t)
{
	exchange_end(&t->x);
	buf_free(&t->out);
}

/* ---- SCRAM ---- */

static const struct person user_1 = { "user", "pencil", "QSXCR+Q6sek8bf92", 4096 };
static const struct person user_256 = { "user", "pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096 };

/* RFC 5802 5 */
static void scram_sha_1(void **state)
{
	struct talk t;

	(void)state;
	begin(&t, "SCRAM-SHA-1", &user_1, "3rfcNHYJY1ZVvWVs7j");
	assert_string_equal(say(&t, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"),
			    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
	assert_string_equal(say(&t, "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
				    "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="),
			    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
	assert_int_equal(t.r, MECHANISM_RIGHT);
	end(&t);
}

/* RFC 7677 3 */
static const char first_256[] = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
static const char final_256[] = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
				"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

static void scram_sha_256(void **state)
{
	struct talk t;

	(void)state;
	begin(&t, "SCRAM-SHA-256", &user_256, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
	assert_string_equal(say(&t, first_256), "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
						"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
	assert_string_equal(say(&t, final_256), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	assert_int_equal(t.r, MECHANISM_RIGHT);
	end(&t);
}

/* A right proof of the wrong thing. */
static void scram_refuses(void **state)
{
	static const struct person other = { "user", "pencils", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096 };
	static const struct person nobody = { "somebody", "pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096 };
	static const struct {
		const struct person *p;
		const char *nonce, *last;
		enum mechanism_result r;
	} cases[] = {
		{ &other, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", final_256, MECHANISM_WRONG },
		{ &nobody, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", final_256, MECHANISM_WRONG },
		/* Said before, to another exchange. */
		{ &user_256, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k1", final_256, MECHANISM_WRONG },
		{ &user_256, "x", "c=biws,r=rOprNGfwEbeRWgbNEkqOx", MECHANISM_BAD },
		{ &user_256, "x", "c=biws,r=rOprNGfwEbeRWgbNEkqOx,p=", MECHANISM_BAD },
		{ &user_256, "x", "c=biws,r=rOprNGfwEbeRWgbNEkqOx,m=a,p=AAAA", MECHANISM_BAD },
		{ &user_256, "x", "c=biws,r=rOprNGfwEbeRWgbNEkqOx,p=AAAA", MECHANISM_BAD },
		{ &user_256, "x", "", MECHANISM_BAD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct talk t;

		begin(&t, "SCRAM-SHA-256", cases[i].p, cases[i].nonce);
		say(&t, first_256);
		assert_int_equal(t.r, MECHANISM_MORE);
		say(&t, cases[i].last);
		if (t.r != cases[i].r)
			fail_msg("case %zu: %d", i, (int)t.r);
		end(&t);
	}
}

static void scram_grammar(void **state)
{
	static const struct {
		const char *first;
		enum mechanism_result r;
	} cases[] = {
		{ "n,,n=a,r=b", MECHANISM_MORE },	   { "y,,n=a,r=b", MECHANISM_MORE },
		{ "n,a=x=2Cy,n=a,r=b", MECHANISM_MORE },   { "n,,n=a=3D=2C,r=b,x=later", MECHANISM_MORE },
		{ "n,,n=a=2X,r=b", MECHANISM_BAD },	   { "n,,n=,r=b", MECHANISM_BAD },
		{ "n,,n=a,r=", MECHANISM_BAD },		   { "n,,m=x,n=a,r=b", MECHANISM_BAD },
		{ "n,,n=a", MECHANISM_BAD },		   { "", MECHANISM_BAD },
		{ "x,,n=a,r=b", MECHANISM_BAD },	   { "n,b=x,n=a,r=b", MECHANISM_BAD },
		{ "n,,n=a,r=\xc3\xa4", MECHANISM_BAD },	   { "p=tls-unique,,n=a,r=b", MECHANISM_WRONG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct talk t;

		begin(&t, "SCRAM-SHA-1", &user_1, "x");
		say(&t, cases[i].first);
		if (t.r != cases[i].r)
			fail_msg("%s: %d", cases[i].first, (int)t.r);
		end(&t);
	}
}

/* RFC 5802 6: what the client thinks of binding, and what there is. */
static void scram_binds(void **state)
{
	static const struct {
		const char *mechanism, *name, *first;
		enum mechanism_result r;
	} cases[] = {
		{ "SCRAM-SHA-1-PLUS", "tls-exporter", "p=tls-exporter,,n=user,r=b", MECHANISM_MORE },
		{ "SCRAM-SHA-1-PLUS", "tls-exporter", "p=tls-unique,,n=user,r=b", MECHANISM_WRONG },
		{ "SCRAM-SHA-1-PLUS", "tls-exporter", "n,,n=user,r=b", MECHANISM_WRONG },
		{ "SCRAM-SHA-1-PLUS", "", "p=,,n=user,r=b", MECHANISM_WRONG },
		/* It could, and was told that we cannot: somebody is on the way. */
		{ "SCRAM-SHA-1", "tls-exporter", "y,,n=user,r=b", MECHANISM_WRONG },
		{ "SCRAM-SHA-1", "tls-exporter", "n,,n=user,r=b", MECHANISM_MORE },
		{ "SCRAM-SHA-1", "", "y,,n=user,r=b", MECHANISM_MORE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct talk t;

		begin(&t, cases[i].mechanism, &user_1, "x");
		buf_puts(&t.x.binding_name, cases[i].name);
		if (cases[i].name[0])
			buf_puts(&t.x.binding, "0123456789abcdef");
		say(&t, cases[i].first);
		if (t.r != cases[i].r)
			fail_msg("case %zu: %d", i, (int)t.r);
		end(&t);
	}
}

/* ---- RFC 2195 2, RFC 1939 7, RFC 2831 4 ---- */

static void cram_md5(void **state)
{
	static const struct person tim = { "tim", "tanstaaftanstaaf", "", 0 };
	struct talk t;

	(void)state;
	begin(&t, "CRAM-MD5", &tim, "x");
	buf_puts(&t.x.text, "<1896.697170952@postoffice.reston.mci.net>");
	say(&t, "tim b913a602c7eda7a495b4e6e7334d3890");
	assert_int_equal(t.r, MECHANISM_RIGHT);
	say(&t, "tim b913a602c7eda7a495b4e6e7334d3891");
	assert_int_equal(t.r, MECHANISM_WRONG);
	say(&t, "kim b913a602c7eda7a495b4e6e7334d3890");
	assert_int_equal(t.r, MECHANISM_WRONG);
	say(&t, "tim");
	assert_int_equal(t.r, MECHANISM_BAD);
	end(&t);
	/* What nobody was asked, nobody can answer. */
	begin(&t, "CRAM-MD5", &tim, "x");
	say(&t, "tim b913a602c7eda7a495b4e6e7334d3890");
	assert_int_equal(t.r, MECHANISM_BAD);
	end(&t);
}

static void apop(void **state)
{
	static const struct person mrose = { "mrose", "tanstaaf", "", 0 };
	static const char right[] = "<1896.697170952@dbc.mtview.ca.us>\0mrose\0c4c9334bac560ecc979e58001b3e22fb";
	struct talk t;

	(void)state;
	begin(&t, "APOP", &mrose, "x");
	assert_int_equal(exchange_step(&t.x, view_make(right, sizeof right - 1), &t.out), MECHANISM_RIGHT);
	assert_int_equal(exchange_step(&t.x, view_make(right, sizeof right - 2), &t.out), MECHANISM_WRONG);
	end(&t);
}

/* What a door says for itself is answered alike however long the password is. */
static void apop_shows_no_length(void **state)
{
	static const struct person mrose = { "mrose", "tanstaaf", "", 0 };
	static const char rest[] = "\0mrose\0c4c9334bac560ecc979e58001b3e22fb";
	char message[EXCHANGE_TEXT_MAX + sizeof rest];
	struct talk t;

	(void)state;
	for (size_t n = EXCHANGE_TEXT_MAX - 16; n < EXCHANGE_TEXT_MAX; n++) {
		memset(message, 'x', n);
		memcpy(message + n, rest, sizeof rest - 1);
		begin(&t, "APOP", &mrose, "x");
		assert_int_equal(exchange_step(&t.x, view_make(message, n + sizeof rest - 1), &t.out), MECHANISM_BAD);
		end(&t);
	}
}

#define CHRIS(realm, nonce, nc, rest)                                                                   \
	"charset=utf-8,username=\"chris\",realm=\"" realm "\",nonce=\"" nonce "\",nc=" nc               \
	",cnonce=\"OA6MHXh6VqTrRk\",digest-uri=\"imap/elwood.innosoft.com\","                           \
	"response=d388dad90d4bbd760a152321f2143af7,qop=auth" rest

static void digest_md5(void **state)
{
	static const struct person chris = { "chris", "secret", "", 0 };
	static const struct {
		const char *message;
		enum mechanism_result r;
	} cases[] = {
		{ CHRIS("elwood.innosoft.com", "OA6MG9tEQGm2hh", "00000001", ""), MECHANISM_RIGHT },
		{ CHRIS("elwood.innosoft.com", "OA6MG9tEQGm2hi", "00000001", ""), MECHANISM_WRONG },
		{ CHRIS("elwood.innosoft.com", "OA6MG9tEQGm2hh", "00000002", ""), MECHANISM_WRONG },
		{ CHRIS("elsewhere", "OA6MG9tEQGm2hh", "00000001", ""), MECHANISM_WRONG },
		{ CHRIS("elwood.innosoft.com", "OA6MG9tEQGm2hh", "00000001", ",qop=auth"), MECHANISM_BAD },
		{ CHRIS("elwood.innosoft.com", "OA6MG9tEQGm2hh", "00000001", ",x=\"unfinished"), MECHANISM_BAD },
		{ CHRIS("elwood.innosoft.com", "OA6MG9tEQGm2hh", "00000001", ",authzid=\"other\""), MECHANISM_WRONG },
		{ "username=\"chris\"", MECHANISM_BAD },
		{ "", MECHANISM_BAD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct talk t;

		begin(&t, "DIGEST-MD5", &chris, "OA6MG9tEQGm2hh");
		t.x.silent = true;
		assert_string_equal(say(&t, ""), "realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",qop=\"auth\","
						 "charset=utf-8,algorithm=md5-sess");
		say(&t, cases[i].message);
		if (t.r != cases[i].r)
			fail_msg("case %zu: %d", i, (int)t.r);
		if (t.r == MECHANISM_RIGHT)
			assert_string_equal(t.out.p, "rspauth=ea40f60335c427b5527b84dbabcdfffd");
		end(&t);
	}
}

/* ---- tokens: the examples of RFC 7515 A.2, A.3 and RFC 8037 A ---- */

static const char rs_jwk[] =
	"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx"
	"HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
	"D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSH"
	"SXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV"
	"MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8"
	"NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}";
static const char rs_token[] =
	"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
	"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
	"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"
	"AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
	"BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
	"0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
	"hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB"
	"p0igcN_IoypGlUPQGe77Rw";
static const char es_jwk[] =
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
static const char es_token[] =
	"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
	"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
	"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

static const char named_jwk[] =
	"{\"keys\":[{\"kty\":\"EC\",\"kid\":\"old\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

/* In the examples there is no audience: so what is asked for here is that the
 * signature is looked at before it, and nothing is good without one. */
static enum status check(const char *jwk, const char *algorithms, const char *token)
{
	struct token_issuer issuer = { .issuer = VIEW("joe"), .audience = VIEW("us"), .claim = "email" };
	struct token_issuers all = { &issuer, 1, 60000 };
	const struct token_issuer *by;
	struct jwks *keys = NULL;
	struct buf who = BUF(256);
	enum status st = jwk ? jwks_new(view_cstr(jwk), view_cstr(algorithms), &keys) : ST_OK;

	if (st != ST_OK)
		return st;
	issuer.keys = keys;
	st = token_check(&all, view_cstr(token), 1300819000000, &who, &by);
	assert_true(by == NULL || by == &issuer);
	jwks_free(keys);
	buf_free(&who);
	return st;
}

/* The signature alone. */
static enum status signature(const char *jwk, const char *algorithm, const char *kid, const char *token)
{
	struct view all = view_cstr(token), text = all;
	struct buf bytes = BUF(512);
	struct jwks *keys;
	enum status st;

	while (text.n && text.p[text.n - 1] != '.')
		text.n--;
	assert_int_equal(jwks_take_base64url(view_skip(all, text.n), &bytes), ST_OK);
	text.n--;
	assert_int_equal(jwks_new(view_cstr(jwk), VIEW("RS256+ES256"), &keys), ST_OK);
	st = jwks_check(keys, view_cstr(algorithm), kid, text, buf_view(&bytes));
	jwks_free(keys);
	buf_free(&bytes);
	return st;
}

static void signatures_of_the_rfcs(void **state)
{
	(void)state;
	assert_int_equal(signature(rs_jwk, "RS256", NULL, rs_token), ST_OK);
	assert_int_equal(signature(es_jwk, "ES256", NULL, es_token), ST_OK);
	assert_int_equal(signature(es_jwk, "ES256", "any", es_token), ST_OK);
	assert_int_equal(signature(named_jwk, "ES256", "old", es_token), ST_OK);
	assert_int_equal(signature(named_jwk, "ES256", NULL, es_token), ST_OK);
	assert_int_equal(signature(named_jwk, "ES256", "new", es_token), ST_MISSING);
	assert_int_equal(signature(named_jwk, "none", "old", es_token), ST_DENIED);
	assert_int_equal(signature(named_jwk, "HS256", "old", es_token), ST_DENIED);
	assert_int_equal(signature(named_jwk, "ES256", "old", rs_token), ST_DENIED);
	assert_int_equal(signature(rs_jwk, "ES256", NULL, rs_token), ST_MISSING);
}

static void tokens_need_rules(void **state)
{
	static const char every[] = "RS256 ES256 EdDSA";
	char deep[4096];

	(void)state;
	assert_int_equal(check("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", every, ""), ST_SYNTAX);
	assert_int_equal(check("{}", every, ""), ST_SYNTAX);
	assert_int_equal(check(rs_jwk, "ES256", rs_token), ST_SYNTAX);
	assert_int_equal(check(rs_jwk, every, rs_token), ST_DENIED);
	assert_int_equal(check(es_jwk, every, es_token), ST_DENIED);
	assert_int_equal(check(es_jwk, every, rs_token), ST_MISSING);
	assert_int_equal(check(NULL, every, rs_token), ST_MISSING);
	assert_int_equal(check(rs_jwk, every, "a.b"), ST_SYNTAX);
	assert_int_equal(check(rs_jwk, every, ""), ST_SYNTAX);
	/* Deeper than a stack is. */
	memset(deep, '[', sizeof deep);
	memcpy(deep, "{\"keys\":", 8);
	deep[sizeof deep - 1] = '\0';
	assert_int_equal(check(deep, every, ""), ST_SYNTAX);
}

static void whose_accounts(void **state)
{
	const struct token_issuer list[] = {
		{ .issuer = VIEW("a"), .domains = VIEW("foo.com+bar.com") },
		{ .issuer = VIEW("b"), .domains = VIEW("Baz.com") },
	};
	const struct token_issuers all = { list, 2, 0 }, none = { list, 0, 0 };

	(void)state;
	assert_ptr_equal(token_issuer_for(&all, VIEW("Jones@bar.com")), &list[0]);
	assert_ptr_equal(token_issuer_for(&all, VIEW("\"a@foo.com\"@baz.com")), &list[1]);
	assert_ptr_equal(token_issuer_for(&all, VIEW("")), &list[0]);
	assert_ptr_equal(token_issuer_for(&all, VIEW("who@else.example")), &list[0]);
	assert_null(token_issuer_for(&none, VIEW("Jones@bar.com")));
}

/* RFC 7628 4.3: who has no token asks where to get one. */
static void tells_where_tokens_are(void **state)
{
	const struct token_issuer issuer = {
		.issuer = VIEW("joe"), .audience = VIEW("us"), .claim = "email", .scope = VIEW("a \"b\""),
		.configuration = VIEW("https://example.com/.well-known/openid-configuration"),
	};
	const struct token_issuers all = { &issuer, 1, 0 };
	const struct person nobody = { .name = "nobody", .password = "" };
	const struct exchange_host host = { .find = find, .owner = (void *)(uintptr_t)&nobody, .tokens = &all };
	struct buf out = BUF(EXCHANGE_CHALLENGE_MAX);
	struct exchange x;

	(void)state;
	assert_int_equal(exchange_begin(&x, VIEW("OAUTHBEARER"), &host), ST_OK);
	assert_int_equal(exchange_step(&x, VIEW("n,a=user@example.com,\1host=server.example.com\1port=143\1auth=\1\1"), &out),
			 MECHANISM_BAD);
	assert_true(view_eq(buf_view(&out),
			    VIEW("{\"status\":\"invalid_token\",\"scope\":\"a \\\"b\\\"\",\"openid-configuration\":"
				 "\"https://example.com/.well-known/openid-configuration\"}")));
	exchange_end(&x);
	/* Nothing binds. */
	assert_int_equal(exchange_begin(&x, VIEW("OAUTHBEARER"), &host), ST_OK);
	assert_int_equal(exchange_step(&x, VIEW("p=tls-unique,,\1auth=Bearer a.b.c\1\1"), &out), MECHANISM_BAD);
	assert_int_equal(out.n, 0);
	exchange_end(&x);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scram_sha_1),	  cmocka_unit_test(scram_sha_256),
		cmocka_unit_test(scram_refuses),  cmocka_unit_test(scram_grammar),
		cmocka_unit_test(scram_binds),	  cmocka_unit_test(cram_md5),
		cmocka_unit_test(apop),		  cmocka_unit_test(digest_md5),
		cmocka_unit_test(apop_shows_no_length),
		cmocka_unit_test(tokens_need_rules), cmocka_unit_test(signatures_of_the_rfcs),
		cmocka_unit_test(whose_accounts), cmocka_unit_test(tells_where_tokens_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
