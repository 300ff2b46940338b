/* Authentication-Results, written and read, and whole verdicts. */
#include "base/test.h"

#include "trust/authres.h"
#include "trust/records.h"
#include "trust/verdict.h"

#include <stdlib.h>

/* ---- reading ---- */

static void test_parse(void **state)
{
	struct arena a = ARENA(1 << 20);
	struct authres r;

	(void)state;
	assert_int_equal(authres_parse(VIEW(" mx.foo.com (a (nested) comment) 1;\r\n\tspf=pass smtp.mailfrom=a@bar.com;"
					    " dkim/1 = fail (2048-bit) reason=\"b;c\" header.d=bar.com header.b = \"a/b=\";"),
				       &a, &r), ST_OK);
	assert_view(r.id, "mx.foo.com");
	assert_int_equal(r.n, 2);
	assert_view(r.results[0].method, "spf");
	assert_view(r.results[0].properties[0].type, "smtp");
	assert_view(r.results[0].properties[0].value, "a@bar.com");
	assert_view(r.results[1].result, "fail");
	assert_view(r.results[1].reason, "b;c");
	assert_view(r.results[1].properties[1].value, "a/b=");
	assert_int_equal(authres_parse(VIEW("\"foo com\"; none"), &a, &r), ST_OK);
	assert_view(r.id, "foo com");
	assert_int_equal(r.n, 0);
	assert_int_equal(authres_parse(VIEW("foo.com"), &a, &r), ST_OK);
	assert_int_equal(authres_parse(VIEW(""), &a, &r), ST_SYNTAX);
	assert_int_equal(authres_parse(VIEW("; spf=pass"), &a, &r), ST_SYNTAX);
	assert_int_equal(authres_parse(VIEW("foo.com; spf"), &a, &r), ST_SYNTAX);
	assert_int_equal(authres_parse(VIEW("foo.com; spf=pass smtp.mailfrom"), &a, &r), ST_SYNTAX);
	assert_int_equal(authres_parse(VIEW("foo.com; spf=pass reason=\"open"), &a, &r), ST_SYNTAX);
	arena_free(&a);
}

/* ---- forged ones ---- */

static void gather(void *arg, struct view run)
{
	buf_put(arg, run);
}

static void strip(const char *header, const char *want)
{
	struct buf out = BUF(65536);

	authres_strip(view_cstr(header), VIEW("mx.foo.com"), gather, &out);
	assert_view(buf_view(&out), want);
	buf_free(&out);
}

static void test_strip(void **state)
{
	static const char *const ours[] = {
		"Authentication-Results: mx.foo.com; dmarc=pass\r\n", "authentication-results : MX.Foo.Com; x=y\r\n",
		"Authentication-Results:\r\n\tmx.foo.com;\r\n\tspf=pass\r\n", "Authentication-Results: (hi) mx.foo.com 1; a=b\r\n",
		"Authentication-Results: \"mx.foo.com\"; a=b\r\n", "Authentication-Results: mx.foo.com.; a=b\r\n",
		"Authentication-Results: \"mx.\\foo.com\"; a=b\r\n", "Authentication-Results: mx.foo.com\r\n",
		"Authentication-Results: mx.foo.com x; a=b\r\n", "Authentication-Results: \r\n",
		"Authentication-Results: \"mx.foo.com; a=b\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		struct buf header = BUF(4096);

		buf_puts(&header, "A: b\r\n");
		buf_puts(&header, ours[i]);
		buf_puts(&header, "C: d\r\n\r\n");
		buf_putc(&header, '\0');
		strip(header.p, "A: b\r\nC: d\r\n\r\n");
		buf_free(&header);
	}
	strip("Authentication-Results: mx.bar.com; a=b\r\nX: y\r\n", "Authentication-Results: mx.bar.com; a=b\r\nX: y\r\n");
	strip("Authentication-Results: xmx.foo.com; a=b\r\n\r\nAuthentication-Results: mx.foo.com; in the body\r\n",
	      "Authentication-Results: xmx.foo.com; a=b\r\n\r\nAuthentication-Results: mx.foo.com; in the body\r\n");
	strip("", "");
}

/* ---- writing ---- */

static void value(const char *text, const char *want)
{
	struct buf b = BUF(1024);

	authres_put_value(view_cstr(text), &b);
	assert_view(buf_view(&b), want);
	buf_free(&b);
}

static void test_values(void **state)
{
	(void)state;
	value("bar.com", "bar.com");
	value("a@bar.com", "a@bar.com");
	value("a;b@bar.com", "\"a;b@bar.com\"");
	value("a\"\\\r\nX: y@b", "\"a\\\"\\\\??X: y@b\"");
	value("j\303\266rg@b.c", "\"j??rg@b.c\"");
	value("", "\"\"");
	value("a@b@c", "\"a@b@c\"");
}

struct judged {
	struct records *records;
	struct checks_host h;
	struct checks_letter l;
	struct checks c;
	struct trust_verdict v;
	struct buf field, sentence;
};

static void judge(struct judged *j, const char *zone, const char *from, const char *letter)
{
	unsigned line;

	*j = (struct judged){ .field = BUF(65536), .sentence = BUF(65536) };
	assert_int_equal(records_open(view_cstr(zone), &j->records, &line), ST_OK);
	j->h = (struct checks_host){ .resolver = records_resolver(j->records), .name = VIEW("mx.foo.com"), .signatures = 5 };
	j->l = (struct checks_letter){ .has_ip = true, .helo = VIEW("mail.bar.com"), .sender = view_cstr(from), .now = 1 };
	assert_int_equal(spf_ip_parse(VIEW("192.0.2.1"), &j->l.ip), ST_OK);
	checks_hint(&j->h, j->l.sender, j->l.helo);
	checks_begin(&j->c, &j->h);
	checks_put(&j->c, view_cstr(letter));
	assert_int_equal(checks_end(&j->c, &j->l, &j->v), ST_OK);
	verdict_put_field(&j->v, &j->l, j->h.name, &j->field);
	verdict_put_sentence(&j->v, &j->sentence);
}

static void done(struct judged *j)
{
	checks_free(&j->c);
	records_free(j->records);
	buf_free(&j->field);
	buf_free(&j->sentence);
}

static const char zone[] =
	"bar.com TXT \"v=spf1 ip4:192.0.2.1 -all\"\n_dmarc.bar.com TXT \"v=DMARC1; p=reject\"\nevil.example TXT \"v=spf1 +all\"\n";

static void test_verdicts(void **state)
{
	struct arena a = ARENA(1 << 20);
	struct authres r;
	struct judged j;

	(void)state;
	judge(&j, zone, "smith@bar.com", "From: Smith <smith@bar.com>\r\n\r\nHello\r\n");
	assert_view(buf_view(&j.field), "Authentication-Results: mx.foo.com;\r\n\tspf=pass smtp.mailfrom=smith@bar.com;\r\n"
		    "\tdkim=none;\r\n\tdmarc=pass (p=reject) header.from=bar.com\r\n");
	assert_view(buf_view(&j.sentence), "This letter is from bar.com: it came from a host that may send for it.");
	done(&j);
	/* HELO and MAIL FROM of somebody else, and a From: of ours. */
	judge(&j, zone, "eve@evil.example", "From: \"ceo@foo.com\" <smith@bar.com>\r\n\r\nHello\r\n");
	assert_int_equal(j.v.dmarc.result, DMARC_FAIL);
	assert_int_equal(j.v.dmarc.disposition, DMARC_REJECT);
	assert_true(j.v.author.name_lies);
	assert_int_equal(authres_parse(view_skip(buf_view(&j.field), 23), &a, &r), ST_OK);
	assert_int_equal(r.n, 3);
	assert_view(r.results[2].properties[1].name, "dmarc");
	assert_view(r.results[2].properties[1].value, "reject");
	done(&j);
	judge(&j, zone, "eve@evil.example", "From: smith@bar.com\r\nFrom: eve@evil.example\r\n\r\nHello\r\n");
	assert_int_equal(j.v.dmarc.result, DMARC_PERMERROR);
	assert_view(buf_view(&j.sentence), "Nobody can tell who wrote this letter: two From: fields.");
	done(&j);
	judge(&j, zone, "", "From: smith@nothing.example\r\n\r\nHello\r\n");
	assert_int_equal(j.v.dmarc.result, DMARC_NONE);
	assert_true(j.v.spf.helo);
	done(&j);
	arena_free(&a);
}

/* Whose letter it is, in all the ways to say that it is somebody else's. */
static void test_authors(void **state)
{
#define HEADER(text) { text "\r\n\r\n", sizeof text + 3 }
	static const struct {
		struct view header;
		enum author_kind kind;
		const char *domain;	/* of the first */
		bool lies;
	} cases[] = {
		{ HEADER("From: smith@bar.com"), AUTHOR_ONE, "bar.com", false },
		{ HEADER("FROM:\r\n\t(x)\r\n smith\r\n @\r\n bar.com"), AUTHOR_ONE, "bar.com", false },
		{ HEADER("From : smith@bar.com\r\nFrom: eve@evil.example"), AUTHOR_TWICE, "bar.com", false },
		{ HEADER("From: smith@bar.com\r\nfrom: smith@bar.com"), AUTHOR_TWICE, "bar.com", false },
		{ HEADER("From: smith@bar.com, eve@evil.example"), AUTHOR_SEVERAL, "bar.com", false },
		/* A group (RFC 6854): its members are the authors; one of nobody has none. */
		{ HEADER("From: friends: smith@bar.com, eve@evil.example;"), AUTHOR_SEVERAL, "bar.com", false },
		{ HEADER("From: \"boss@foo.com\": smith@bar.com;"), AUTHOR_ONE, "bar.com", false },
		{ HEADER("From: undisclosed:;"), AUTHOR_EMPTY, NULL, false },
		{ HEADER("From: <>"), AUTHOR_BAD, "", false },
		{ HEADER("Sender: smith@bar.com"), AUTHOR_NONE, NULL, false },
		/* Encoded words: text in a name, nothing of the kind in an address. */
		{ HEADER("From: =?utf-8?q?boss=40foo.com?= <smith@bar.com>"), AUTHOR_ONE, "bar.com", true },
		{ HEADER("From: =?utf-8?q?boss=40foo.com=3E=2C?= <smith@bar.com>"), AUTHOR_ONE, "bar.com", true },
		{ HEADER("From: smith@=?utf-8?q?bar.com?="), AUTHOR_BAD, "", false },
		{ HEADER("From: =?utf-8?q?smith=40bar.com?="), AUTHOR_BAD, "", false },
		/* NUL, here in the middle of a domain. */
		{ HEADER("From: smith@bar.com\0.evil.example"), AUTHOR_ONE, "bar.com.evil.example", false },
		{ HEADER("From: smith@[192.0.2.1]"), AUTHOR_BAD, "", false },
	};
	struct author au;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct arena a = ARENA(1 << 20);

		assert_int_equal(author_find(cases[i].header, &a, &au), ST_OK);
		if (au.kind != cases[i].kind || au.name_lies != cases[i].lies)
			print_error("%.*s: kind %d, lies %d\n", VIEW_ARG(cases[i].header), au.kind, au.name_lies);
		assert_int_equal(au.kind, cases[i].kind);
		assert_int_equal(au.name_lies, cases[i].lies);
		assert_int_equal(au.n > 0, cases[i].domain != NULL);
		if (cases[i].domain)
			assert_view(au.all[0].domain, cases[i].domain);
		arena_free(&a);
	}
}

static void test_huge_header(void **state)
{
	struct buf letter = BUF(2 * PASS_HEADER_MAX);
	struct judged j;

	(void)state;
	buf_puts(&letter, "From: smith@bar.com\r\n");
	while (letter.n <= PASS_HEADER_MAX)
		buf_puts(&letter, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
	buf_puts(&letter, "\r\nHello\r\n");
	buf_putc(&letter, '\0');
	judge(&j, zone, "smith@bar.com", letter.p);
	assert_int_equal(j.v.header, ST_LIMIT);
	assert_int_equal(j.v.spf.result, SPF_PASS);
	assert_int_equal(j.v.dmarc.result, DMARC_PERMERROR);
	done(&j);
	buf_free(&letter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),	 cmocka_unit_test(test_strip),	     cmocka_unit_test(test_values),
		cmocka_unit_test(test_verdicts), cmocka_unit_test(test_authors), cmocka_unit_test(test_huge_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
