/* The author, and what his domain asks for. */
#include "base/test.h"

#include "base/buf.h"
#include "trust/dmarc.h"
#include "trust/records.h"

/* ---- the author ---- */

static void author(const char *header, enum author_kind want, const char *domain)
{
	struct arena a = ARENA(1 << 20);
	struct author au;

	assert_int_equal(author_find(view_cstr(header), &a, &au), ST_OK);
	assert_int_equal(au.kind, want);
	if (domain)
		assert_view(au.all[0].domain, domain);
	arena_free(&a);
}

static void test_author(void **state)
{
	(void)state;
	author("From: Smith <smith@Bar.COM>\r\n", AUTHOR_ONE, "bar.com");
	author("from : smith@bar.com (Smith)\r\n", AUTHOR_ONE, "bar.com");
	author("From:\r\n smith\r\n @bar.com\r\n", AUTHOR_ONE, "bar.com");
	author("From: \"smith@foo.com\"@bar.com\r\n", AUTHOR_ONE, "bar.com");
	author("From: <@foo.com:smith@bar.com>\r\n", AUTHOR_ONE, "bar.com");
	author("From: s@b\303\274cher.example\r\n", AUTHOR_ONE, "xn--bcher-kva.example");
	author("From: Team: smith@bar.com;\r\n", AUTHOR_ONE, "bar.com");
	author("From: a@bar.com, b@bar.com\r\n", AUTHOR_SEVERAL, "bar.com");
	author("From: a@foo.com, b@bar.com\r\n", AUTHOR_SEVERAL, "foo.com");
	author("To: a@bar.com\r\n", AUTHOR_NONE, NULL);
	author("", AUTHOR_NONE, NULL);
	author("From:\r\n", AUTHOR_EMPTY, NULL);
	author("From: Team:;\r\n", AUTHOR_EMPTY, NULL);
	author("From: (nobody)\r\n", AUTHOR_EMPTY, NULL);
	author("From: a@bar.com\r\nSubject: x\r\nFrom: b@foo.com\r\n", AUTHOR_TWICE, NULL);
	author("From: a@bar.com\r\nFROM : a@bar.com\r\n", AUTHOR_TWICE, NULL);
	author("From: Smith\r\n", AUTHOR_BAD, NULL);
	author("From: <>\r\n", AUTHOR_BAD, NULL);
	author("From: @bar.com\r\n", AUTHOR_BAD, NULL);
	author("From: a@localhost\r\n", AUTHOR_BAD, NULL);
	author("From: a@[192.0.2.1]\r\n", AUTHOR_BAD, NULL);
	author("From: =?utf-8?q?a=40bar=2Ecom?= <a@=?utf-8?q?foo.com?=>\r\n", AUTHOR_BAD, NULL);
	author("From: =?utf-8?q?smith=40bar.com?=\r\n", AUTHOR_BAD, NULL);
	author("From: a@foo.com, b\r\n", AUTHOR_BAD, NULL);
}

static void test_author_nul(void **state)
{
	static const char header[] = "From: a@bar.com\0.evil.example\r\n";
	struct arena a = ARENA(1 << 20);
	struct author au;

	(void)state;
	assert_int_equal(author_find(view_make(header, sizeof header - 1), &a, &au), ST_OK);
	/* NUL is dropped where addresses are shown, so it is where they are judged. */
	assert_int_equal(au.kind, AUTHOR_ONE);
	assert_view(au.all[0].domain, "bar.com.evil.example");
	assert_view(au.all[0].address, "a@bar.com.evil.example");
	arena_free(&a);
}

static void name_lies(const char *header, bool want)
{
	struct arena a = ARENA(1 << 20);
	struct author au;

	assert_int_equal(author_find(view_cstr(header), &a, &au), ST_OK);
	assert_int_equal(au.name_lies, want);
	for (size_t i = 0; i < au.all[0].name.n; i++)
		assert_true((unsigned char)au.all[0].name.p[i] >= ' ');
	arena_free(&a);
}

static void test_name(void **state)
{
	(void)state;
	name_lies("From: \"ceo@foo.com\" <eve@evil.example>\r\n", true);
	name_lies("From: =?utf-8?q?ceo=40foo=2Ecom=0D=0A?= <eve@evil.example>\r\n", true);
	name_lies("From: \"eve@evil.example\" <eve@evil.example>\r\n", false);
	name_lies("From: \"Eve @ work\" <eve@evil.example>\r\n", false);
	name_lies("From: Eve <eve@evil.example>\r\n", false);
}

/* ---- records ---- */

static void test_records(void **state)
{
	struct dmarc_record r;

	(void)state;
	assert_int_equal(dmarc_record_parse(VIEW("v=DMARC1; p=reject; sp=none; adkim=s; pct=20; rua=mailto:a@b.c"), &r), ST_OK);
	assert_int_equal(r.p, DMARC_REJECT);
	assert_int_equal(r.sp, DMARC_POLICY_NONE);
	assert_int_equal(r.np, DMARC_POLICY_NONE);
	assert_true(r.strict_dkim && !r.strict_spf);
	assert_int_equal(r.pct, 20);
	assert_int_equal(dmarc_record_parse(VIEW("v = DMARC1 ;p=Quarantine;np=reject;t=y;psd=N;"), &r), ST_OK);
	assert_int_equal(r.sp, DMARC_QUARANTINE);
	assert_int_equal(r.np, DMARC_REJECT);
	assert_true(r.testing);
	assert_int_equal(r.psd, 'n');
	assert_int_equal(dmarc_record_parse(VIEW("v=DMARC1"), &r), ST_OK);
	assert_int_equal(r.p, DMARC_POLICY_NONE);
	assert_int_equal(dmarc_record_parse(VIEW("v=DMARC1; p=what; rua=mailto:a@b.c; pct=200"), &r), ST_OK);
	assert_int_equal(r.pct, 100);
	assert_int_equal(dmarc_record_parse(VIEW("v=DMARC1; p=what"), &r), ST_SYNTAX);
	assert_int_equal(dmarc_record_parse(VIEW("v=DMARC1; p=none; p=reject"), &r), ST_SYNTAX);
	assert_int_equal(dmarc_record_parse(VIEW("p=reject; v=DMARC1"), &r), ST_SYNTAX);
	assert_int_equal(dmarc_record_parse(VIEW("v=dmarc1; p=reject"), &r), ST_SYNTAX);
	assert_int_equal(dmarc_record_parse(VIEW("v=DMARC12; p=reject"), &r), ST_SYNTAX);
	assert_int_equal(dmarc_record_parse(VIEW("v=spf1 -all"), &r), ST_SYNTAX);
}

/* ---- whole checks ---- */

struct tried {
	struct records *records;
	struct arena a;
	struct dmarc_answer d;
};

static void check(struct tried *t, const char *zone, const char *from, const char *spf, const char *dkim,
		  unsigned sample, const struct suffixes *suffixes)
{
	struct spf_answer s = { .result = spf ? SPF_PASS : SPF_FAIL, .domain = view_cstr(spf) };
	struct signature sig = { .result = dkim ? SEAL_PASS : SEAL_FAIL, .domain = view_cstr(dkim) };
	struct dkim k = { .signatures = &sig, .n = 1 };
	struct buf header = BUF(4096);
	struct author au;
	struct dmarc_query q = { .author = &au, .spf = &s, .dkim = &k, .sample = sample, .suffixes = suffixes };
	unsigned line;

	*t = (struct tried){ .a = ARENA(1 << 20) };
	assert_int_equal(records_open(view_cstr(zone), &t->records, &line), ST_OK);
	buf_putf(&header, "From: %s\r\n", from);
	assert_int_equal(author_find(buf_view(&header), &t->a, &au), ST_OK);
	assert_int_equal(dmarc_check(&q, records_resolver(t->records), &t->a, &t->d), ST_OK);
	buf_free(&header);
}

static void done(struct tried *t)
{
	records_free(t->records);
	arena_free(&t->a);
}

static void expect(const char *zone, const char *from, const char *spf, const char *dkim, enum dmarc_result result,
		   enum dmarc_policy disposition)
{
	struct tried t;

	check(&t, zone, from, spf, dkim, 0, NULL);
	assert_int_equal(t.d.result, result);
	assert_int_equal(t.d.disposition, disposition);
	done(&t);
}

static const char plain[] =
	"_dmarc.bar.com TXT \"v=DMARC1; p=reject; sp=quarantine; np=reject\"\n"
	"a.bar.com A 192.0.2.1\nb.bar.com A 192.0.2.1\n"
	"_dmarc.strict.com TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"\n";

static void test_alignment(void **state)
{
	(void)state;
	expect(plain, "x@bar.com", "bar.com", NULL, DMARC_PASS, DMARC_POLICY_NONE);
	expect(plain, "x@bar.com", NULL, "bar.com", DMARC_PASS, DMARC_POLICY_NONE);
	expect(plain, "x@bar.com", "a.bar.com", NULL, DMARC_PASS, DMARC_POLICY_NONE);
	expect(plain, "x@a.bar.com", NULL, "b.bar.com", DMARC_PASS, DMARC_POLICY_NONE);
	expect(plain, "x@bar.com", "evil.example", "evil.example", DMARC_FAIL, DMARC_REJECT);
	expect(plain, "x@bar.com", "notbar.com", NULL, DMARC_FAIL, DMARC_REJECT);
	expect(plain, "x@bar.com", "com", NULL, DMARC_FAIL, DMARC_REJECT);
	expect(plain, "x@a.bar.com", NULL, NULL, DMARC_FAIL, DMARC_QUARANTINE);
	expect(plain, "x@nowhere.bar.com", NULL, NULL, DMARC_FAIL, DMARC_REJECT);
	expect(plain, "x@strict.com", NULL, "strict.com", DMARC_PASS, DMARC_POLICY_NONE);
	expect(plain, "x@strict.com", "a.strict.com", "a.strict.com", DMARC_FAIL, DMARC_REJECT);
	expect(plain, "x@foo.com", "foo.com", NULL, DMARC_NONE, DMARC_POLICY_NONE);
	expect(plain, "x@bar.com, y@foo.com", NULL, "foo.com", DMARC_FAIL, DMARC_REJECT);
	expect(plain, "x@foo.com, y@bar.com", NULL, "bar.com", DMARC_NONE, DMARC_POLICY_NONE);
	expect(plain, "nobody", "bar.com", "bar.com", DMARC_PERMERROR, DMARC_POLICY_NONE);
}

/* Names that two walks have in common are asked once, and count for both. */
static void test_common_names(void **state)
{
	static const char cut[] = "_dmarc.bar.com TXT \"v=DMARC1; p=reject\"\n_dmarc.c.bar.com TXT \"v=DMARC1; p=reject; psd=n\"\n";
	struct tried t;

	(void)state;
	check(&t, plain, "x@bar.com", "a.bar.com", "b.bar.com", 0, NULL);
	assert_true(t.d.spf_aligned && t.d.dkim_aligned);
	assert_int_equal(records_asked(t.records), 4);
	done(&t);
	expect(cut, "x@bar.com", "c.bar.com", "a.c.bar.com", DMARC_FAIL, DMARC_REJECT);
	expect(cut, "x@c.bar.com", "a.c.bar.com", NULL, DMARC_PASS, DMARC_POLICY_NONE);
	expect(cut, "x@a.c.bar.com, y@bar.com", "b.bar.com", NULL, DMARC_FAIL, DMARC_REJECT);
}

static void test_trouble(void **state)
{
	(void)state;
	expect("_dmarc.bar.com TXT SERVFAIL\n", "x@bar.com", "bar.com", NULL, DMARC_TEMPERROR, DMARC_POLICY_NONE);
	expect("_dmarc.bar.com TXT BOGUS\n", "x@bar.com", NULL, NULL, DMARC_TEMPERROR, DMARC_POLICY_NONE);
	/* Two records are none; so is one that is no record. */
	expect("_dmarc.bar.com TXT \"v=DMARC1; p=reject\"\n_dmarc.bar.com TXT \"v=DMARC1; p=none\"\n", "x@bar.com",
	       NULL, NULL, DMARC_NONE, DMARC_POLICY_NONE);
	expect("_dmarc.bar.com TXT \"v=DMARC1; p=reject\"\n_dmarc.bar.com TXT \"other\"\n", "x@bar.com", NULL, NULL,
	       DMARC_FAIL, DMARC_REJECT);
}

static void test_less(void **state)
{
	static const char zone[] =
		"_dmarc.t.com TXT \"v=DMARC1; p=reject; t=y\"\n_dmarc.q.com TXT \"v=DMARC1; p=quarantine; t=y\"\n"
		"_dmarc.p.com TXT \"v=DMARC1; p=reject; pct=30\"\n_dmarc.b.com TXT \"v=DMARC1; p=reject; pct=0; t=n\"\n";
	static const struct {
		const char *from;
		unsigned sample;
		enum dmarc_policy want;
	} cases[] = {
		{ "x@t.com", 0, DMARC_QUARANTINE }, { "x@q.com", 0, DMARC_POLICY_NONE }, { "x@p.com", 29, DMARC_REJECT },
		{ "x@p.com", 30, DMARC_QUARANTINE }, { "x@b.com", 99, DMARC_REJECT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tried t;

		check(&t, zone, cases[i].from, NULL, NULL, cases[i].sample, NULL);
		assert_int_equal(t.d.disposition, cases[i].want);
		done(&t);
	}
}

static void organization(const char *zone, const char *from, const char *want, const struct suffixes *s)
{
	struct tried t;

	check(&t, zone, from, NULL, NULL, 0, s);
	assert_view(t.d.organization, want);
	assert_true(records_asked(t.records) <= DMARC_WALK + 1);
	done(&t);
}

static void test_walk(void **state)
{
	struct suffixes *s = suffixes_open();

	(void)state;
	organization("_dmarc.bar.com TXT \"v=DMARC1\"\n", "x@a.b.c.bar.com", "bar.com", NULL);
	organization("_dmarc.bar.com TXT \"v=DMARC1\"\n_dmarc.b.c.bar.com TXT \"v=DMARC1\"\n", "x@a.b.c.bar.com", "bar.com", NULL);
	organization("_dmarc.bar.com TXT \"v=DMARC1\"\n_dmarc.c.bar.com TXT \"v=DMARC1; psd=n\"\n", "x@a.b.c.bar.com", "c.bar.com", NULL);
	organization("_dmarc.bank TXT \"v=DMARC1; psd=y\"\n", "x@a.b.my.bank", "my.bank", NULL);
	organization("_dmarc.my.bank TXT \"v=DMARC1; psd=y\"\n", "x@my.bank", "my.bank", NULL);
	organization("", "x@a.bar.com", "a.bar.com", NULL);
	organization("_dmarc.h.i.j.bar.com TXT \"v=DMARC1\"\n", "x@a.b.c.d.e.f.g.h.i.j.bar.com", "h.i.j.bar.com", NULL);
	/* Longer than seven labels, but not the whole name: never asked. */
	organization("_dmarc.c.d.e.f.g.h.i.j.bar.com TXT \"v=DMARC1\"\n", "x@b.c.d.e.f.g.h.i.j.bar.com", "b.c.d.e.f.g.h.i.j.bar.com", NULL);
	assert_non_null(s);
	organization("_dmarc.co.uk TXT \"v=DMARC1\"\n", "x@a.bar.co.uk", "co.uk", NULL);
	organization("_dmarc.co.uk TXT \"v=DMARC1\"\n", "x@a.bar.co.uk", "bar.co.uk", s);
	suffixes_close(s);
}

/* A policy above a public suffix that says it is one (RFC 9989 4.10.1). */
static void test_suffix_policy(void **state)
{
	struct tried t;

	(void)state;
	check(&t, "_dmarc.bank TXT \"v=DMARC1; p=none; sp=quarantine; np=reject; psd=y\"\nmy.bank A 192.0.2.1\n",
	      "x@my.bank", NULL, NULL, 0, NULL);
	assert_int_equal(t.d.disposition, DMARC_QUARANTINE);
	assert_view(t.d.record_at, "bank");
	done(&t);
	check(&t, "_dmarc.bank TXT \"v=DMARC1; p=none; sp=quarantine; np=reject; psd=y\"\n", "x@no.bank", NULL, NULL, 0, NULL);
	assert_int_equal(t.d.disposition, DMARC_REJECT);
	assert_true(t.d.no_such_domain);
	done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_author),	  cmocka_unit_test(test_author_nul), cmocka_unit_test(test_name),
		cmocka_unit_test(test_records),	  cmocka_unit_test(test_alignment),  cmocka_unit_test(test_trouble),
		cmocka_unit_test(test_less),	  cmocka_unit_test(test_walk),	     cmocka_unit_test(test_suffix_policy),
		cmocka_unit_test(test_common_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
