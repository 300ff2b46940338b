/* What the published suite does not ask: limits, what is asked when, names
 * that are not ASCII, and the text of Received-SPF. */
#include "base/test.h"

#include "base/buf.h"
#include "trust/records.h"
#include "trust/spf.h"

struct checked {
	struct records *records;
	struct arena a;
	struct spf_answer s;
	struct spf_query q;
};

static void check(struct checked *c, const char *zone, const char *ip, const char *helo, const char *from)
{
	unsigned line;

	*c = (struct checked){ .a = ARENA(SPF_ARENA_MAX) };
	assert_int_equal(records_open(view_cstr(zone), &c->records, &line), ST_OK);
	assert_int_equal(spf_ip_parse(view_cstr(ip), &c->q.ip), ST_OK);
	c->q.helo = view_cstr(helo);
	c->q.sender = view_cstr(from);
	c->q.receiver = VIEW("mx.foo.com");
	assert_int_equal(spf_check(&c->q, records_resolver(c->records), &c->a, &c->s), ST_OK);
}

static void done(struct checked *c)
{
	records_free(c->records);
	arena_free(&c->a);
}

static void expect(const char *zone, const char *from, enum spf_result want, unsigned lookups)
{
	struct checked c;

	check(&c, zone, "192.0.2.1", "mail.bar.com", from);
	assert_int_equal(c.s.result, want);
	assert_int_equal(c.s.lookups, lookups);
	assert_true(records_asked(c.records) <= 1 + SPF_LOOKUPS * (1 + SPF_NAMES));
	done(&c);
}

static void test_loops(void **state)
{
	(void)state;
	expect("bar.com TXT \"v=spf1 include:bar.com -all\"\n", "a@bar.com", SPF_PERMERROR, 11);
	expect("bar.com TXT \"v=spf1 redirect=bar.com\"\n", "a@bar.com", SPF_PERMERROR, 11);
	expect("bar.com TXT \"v=spf1 include:foo.com -all\"\nfoo.com TXT \"v=spf1 redirect=bar.com\"\n",
	       "a@bar.com", SPF_PERMERROR, 11);
	expect("bar.com TXT \"v=spf1 a a a a a a a a a a a -all\"\nbar.com A 192.0.2.9\n", "a@bar.com",
	       SPF_PERMERROR, 11);
	expect("bar.com TXT \"v=spf1 a a a a a a a a a a -all\"\nbar.com A 192.0.2.9\n", "a@bar.com", SPF_FAIL, 10);
}

static void test_mx_limit(void **state)
{
	struct buf zone = BUF(65536);

	(void)state;
	buf_puts(&zone, "bar.com TXT \"v=spf1 mx -all\"\n");
	for (int i = 0; i < 10; i++)
		buf_putf(&zone, "bar.com MX 10 m%d.bar.com\nm%d.bar.com A 192.0.2.%d\n", i, i, i == 9 ? 1 : i + 10);
	buf_putc(&zone, '\0');
	expect(zone.p, "a@bar.com", SPF_PASS, 1);
	zone.n--;
	buf_puts(&zone, "bar.com MX 10 m10.bar.com\n");
	buf_putc(&zone, '\0');
	expect(zone.p, "a@bar.com", SPF_PERMERROR, 1);
	buf_free(&zone);
}

static void test_trouble(void **state)
{
	(void)state;
	expect("bar.com TXT SERVFAIL\n", "a@bar.com", SPF_TEMPERROR, 0);
	expect("bar.com TXT BOGUS\n", "a@bar.com", SPF_TEMPERROR, 0);
	expect("bar.com TXT \"v=spf1 a:m.bar.com -all\"\nm.bar.com A BOGUS\n", "a@bar.com", SPF_TEMPERROR, 1);
	expect("bar.com TXT \"v=spf1 exists:a.bar.com exists:b.bar.com exists:c.bar.com -all\"\n", "a@bar.com",
	       SPF_PERMERROR, 3);
	expect("bar.com TXT \"v=spf1 exists:a.bar.com exists:b.bar.com -all\"\n", "a@bar.com", SPF_FAIL, 2);
	expect("bar.com TXT NODATA\n", "a@bar.com", SPF_NONE, 0);
}

static void test_identities(void **state)
{
	static const char zone[] = "mail.bar.com TXT \"v=spf1 a -all\"\nmail.bar.com A 192.0.2.1\n";
	struct checked c;

	(void)state;
	check(&c, zone, "::ffff:192.0.2.1", "mail.bar.com", "");
	assert_int_equal(c.s.result, SPF_PASS);
	assert_true(c.s.helo);
	assert_view(c.s.mechanism, "a");
	done(&c);
	check(&c, zone, "192.0.2.1", "[192.0.2.1]", "");
	assert_int_equal(c.s.result, SPF_NONE);
	assert_int_equal(c.s.domain.n, 0);
	done(&c);
	check(&c, "b\\195 TXT \"x\"\nxn--bcher-kva.example TXT \"v=spf1 exists:%{l}.x.example +all\"\n", "192.0.2.1",
	      "h.example", "j\303\266rg@B\303\274cher.example");
	assert_int_equal(c.s.result, SPF_PASS);
	assert_view(c.s.domain, "xn--bcher-kva.example");
	assert_int_equal(records_asked(c.records), 1);
	done(&c);
}

static void test_deadline(void **state)
{
	struct checked c;

	(void)state;
	check(&c, "bar.com TXT \"v=spf1 +all\"\n", "192.0.2.1", "mail.bar.com", "a@bar.com");
	assert_int_equal(c.s.result, SPF_PASS);
	c.q.deadline = 1;
	assert_int_equal(spf_check(&c.q, records_resolver(c.records), &c.a, &c.s), ST_OK);
	assert_int_equal(c.s.result, clock_steady() > 1 ? SPF_TEMPERROR : SPF_PASS);
	done(&c);
}

/* Nothing that a stranger wrote ends the field or a quoted string in it. */
static void test_received(void **state)
{
	struct buf b = BUF(4096);
	struct checked c;

	(void)state;
	check(&c, "bar.com TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n", "192.0.2.1", "h\"\r\nX: y", "a\"\\\r\nb@bar.com");
	spf_put_received(&c.q, &c.s, &b);
	assert_view(buf_view(&b), "Received-SPF: pass client-ip=192.0.2.1;\r\n"
		    "\tenvelope-from=\"a\\\"\\\\??b@bar.com\";\r\n\thelo=\"h\\\"??X: y\";\r\n"
		    "\tidentity=mailfrom; receiver=\"mx.foo.com\";\r\n\tmechanism=\"ip4:192.0.2.0/24\"\r\n");
	buf_free(&b);
	done(&c);
}

/* An explanation goes into an SMTP reply: printable ASCII or nothing. */
static void test_explanation(void **state)
{
	static const char zone[] = "bar.com TXT \"v=spf1 -all exp=e.bar.com\"\ne.bar.com TXT \"%{l} may not\"\n";
	struct checked c;

	(void)state;
	check(&c, zone, "192.0.2.1", "h.bar.com", "a b@bar.com");
	assert_view(c.s.explanation, "a b may not");
	done(&c);
	check(&c, zone, "192.0.2.1", "h.bar.com", "a\r\n250 ok@bar.com");
	assert_int_equal(c.s.result, SPF_FAIL);
	assert_int_equal(c.s.explanation.n, 0);
	done(&c);
}

static void test_records(void **state)
{
	struct records *r;
	unsigned line = 0;

	(void)state;
	assert_int_equal(records_open(VIEW("a.b A 1.2.3.4\na.b A 1.2.3\n"), &r, &line), ST_SYNTAX);
	assert_int_equal(line, 2);
	assert_int_equal(records_open(VIEW("a.b TXT \"open\n"), &r, &line), ST_SYNTAX);
	assert_int_equal(records_open(VIEW("a.b WHAT x\n"), &r, &line), ST_SYNTAX);
	expect("bar.com CNAME foo.com\nfoo.com CNAME bar.com\n", "a@bar.com", SPF_TEMPERROR, 0);
	expect("bar.com CNAME foo.com ; an alias\nfoo.com TXT \"v=spf1 +all\"\n", "a@bar.com", SPF_PASS, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loops),	   cmocka_unit_test(test_mx_limit),
		cmocka_unit_test(test_trouble),	   cmocka_unit_test(test_identities),
		cmocka_unit_test(test_deadline),   cmocka_unit_test(test_received),
		cmocka_unit_test(test_explanation), cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
