/* What a domain should say in DNS, made from facts. */
#include "base/test.h"

#include "admin/dns/seen.h"
#include "trust/records.h"

static struct dns_facts facts(void)
{
	struct dns_facts f = {
		.domain = VIEW("foo.com"), .host = VIEW("mail.foo.com"), .smtp_port = 25, .dmarc = VIEW("reject"),
		.reports = VIEW("postmaster@foo.com"), .ttl = 3600, .sts = STS_ENFORCE, .sts_age = 604800,
	};

	assert_int_equal(endpoint_parse(VIEW("192.0.2.1"), 0, &f.addresses[0]), ST_OK);
	assert_int_equal(endpoint_parse(VIEW("2001:db8::1"), 0, &f.addresses[1]), ST_OK);
	f.n_addresses = 2;
	f.ports[SERVICE_IMAPS] = 993;
	f.ports[SERVICE_HTTPS] = 443;
	return f;
}

static struct wanted_list made(const struct dns_facts *f)
{
	struct wanted_list w;
	const char *what = "";

	assert_int_equal(wanted_make(f, &w, &what), ST_OK);
	return w;
}

/* Is there this line, once? */
static size_t lines(const struct wanted_list *w, const char *want, bool elsewhere)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct buf b = BUF(65536);

		wanted_line(&w->list[i], 3600, &b);
		n += view_eq(buf_view(&b), view_cstr(want)) && w->list[i].elsewhere == elsewhere;
		buf_free(&b);
	}
	return n;
}

static void test_records(void **state)
{
	static const char *const own[] = {
		"foo.com. 3600 IN MX 10 mail.foo.com.", "mail.foo.com. 3600 IN A 192.0.2.1",
		"mail.foo.com. 3600 IN AAAA 2001:db8::1",
		"foo.com. 3600 IN TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all\"",
		"mail.foo.com. 3600 IN TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all\"",
		"_dmarc.foo.com. 3600 IN TXT \"v=DMARC1; p=reject; rua=mailto:postmaster@foo.com\"",
		"_smtp._tls.foo.com. 3600 IN TXT \"v=TLSRPTv1; rua=mailto:postmaster@foo.com\"",
		"mta-sts.foo.com. 3600 IN CNAME mail.foo.com.", "_imaps._tcp.foo.com. 3600 IN SRV 0 1 993 mail.foo.com.",
		"_imap._tcp.foo.com. 3600 IN SRV 0 0 0 .", "autoconfig.foo.com. 3600 IN CNAME mail.foo.com.",
	};
	struct dns_facts f = facts();
	struct wanted_list w = made(&f);

	(void)state;
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (lines(&w, own[i], false) != 1)
			fail_msg("%s", own[i]);
	assert_int_equal(lines(&w, "1.2.0.192.in-addr.arpa. 3600 IN PTR mail.foo.com.", true), 1);
	wanted_free(&w);
	/* Nothing is said of what is not there. */
	f.dmarc = f.reports = VIEW_NONE;
	f.ports[SERVICE_HTTPS] = 0;
	w = made(&f);
	for (size_t i = 0; i < w.n; i++)
		assert_true(w.list[i].kind != WANTED_DMARC && w.list[i].kind != WANTED_TLSRPT && w.list[i].kind != WANTED_STS &&
			    w.list[i].kind != WANTED_WEB && w.list[i].kind != WANTED_CAA && w.list[i].kind != WANTED_SMIMEA);
	wanted_free(&w);
}

static void test_tlsa_and_smimea(void **state)
{
	static const struct fact_certificate hugh = {
		VIEW("c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._smimecert.foo.com"), VIEW("\3\0\0\x30\0"),
	};
	struct dns_facts f = facts();
	struct wanted_list w;

	(void)state;
	f.n_pins = 2;
	memset(f.pins[0].digest, 0x11, PIN_SIZE);
	memset(f.pins[1].digest, 0x22, PIN_SIZE);
	f.pins[1].next = true;
	f.certificates = &hugh;
	f.n_certificates = 1;
	w = made(&f);
	assert_int_equal(lines(&w, "_25._tcp.mail.foo.com. 3600 IN TLSA 3 1 1 "
			       "1111111111111111111111111111111111111111111111111111111111111111", false), 1);
	assert_int_equal(lines(&w, "_25._tcp.mail.foo.com. 3600 IN TLSA 3 1 1 "
			       "2222222222222222222222222222222222222222222222222222222222222222", false), 1);
	assert_int_equal(lines(&w, "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._smimecert.foo.com. "
			       "3600 IN SMIMEA 3 0 0 3000", false), 1);
	wanted_free(&w);
}

/* RFC 1035 3.3.14: 255 octets a string; put together they are the record. */
static void test_long_texts_are_split(void **state)
{
	struct dns_facts f = facts();
	struct wanted_list w;
	struct buf spf = BUF(4096);
	struct arena a = ARENA(65536);
	struct view text;

	(void)state;
	for (int i = 0; i < 40; i++)
		buf_putf(&spf, "%sip4:198.51.100.%d", i ? " " : "", i);
	f.spf = buf_view(&spf);
	w = made(&f);
	for (size_t i = 0; i < w.n; i++) {
		if (w.list[i].kind != WANTED_SPF || !view_eq(w.list[i].name, f.domain))
			continue;
		assert_true(w.list[i].rdata.n > 2 * 256 && (unsigned char)w.list[i].rdata.p[0] == 255);
		assert_int_equal(dns_read_txt(w.list[i].rdata, &a, &text), ST_OK);
		assert_true(view_starts_i(text, VIEW("v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:198.51.100.0 ")));
		assert_view(view_skip(text, text.n - 23), " ip4:198.51.100.39 -all");
	}
	wanted_free(&w);
	buf_free(&spf);
	arena_free(&a);
}

/* What an operator writes forges no tag and no record. */
static void test_escaping(void **state)
{
	struct dns_facts f = facts();
	struct wanted_list w;

	(void)state;
	f.reports = VIEW("a!b,c;d@other.example");
	f.caa = VIEW("ca.example; account=\"x\\y\", ;");
	w = made(&f);
	assert_int_equal(lines(&w, "_dmarc.foo.com. 3600 IN TXT \"v=DMARC1; p=reject; rua=mailto:a%21b%2Cc%3Bd@other.example\"",
			       false), 1);
	assert_int_equal(lines(&w, "foo.com. 3600 IN CAA 0 issue \"ca.example; account=\\\"x\\\\y\\\"\"", false), 1);
	assert_int_equal(lines(&w, "foo.com. 3600 IN CAA 0 issue \";\"", false), 1);
	wanted_free(&w);
	f.reports = VIEW("r@other.example");
	w = made(&f);
	assert_int_equal(lines(&w, "foo.com._report._dmarc.other.example. 3600 IN TXT \"v=DMARC1;\"", true), 1);
	wanted_free(&w);
}

/* A host elsewhere has its records elsewhere. */
static void test_host_of_another_domain(void **state)
{
	struct dns_facts f = facts();
	struct wanted_list w;

	(void)state;
	f.host = VIEW("mx.bar.com");
	w = made(&f);
	assert_int_equal(lines(&w, "foo.com. 3600 IN MX 10 mx.bar.com.", false), 1);
	assert_int_equal(lines(&w, "mx.bar.com. 3600 IN A 192.0.2.1", true), 1);
	wanted_free(&w);
	f.host = VIEW("mx..bar.com");
	{
		const char *what = "";

		assert_int_equal(wanted_make(&f, &w, &what), ST_SYNTAX);
		assert_string_equal(what, "MX");
		wanted_free(&w);
	}
}

static enum seen_state state_of(const char *text, enum wanted_kind kind)
{
	struct dns_facts f = facts();
	struct wanted_list w = made(&f);
	struct arena a = ARENA(1 << 20);
	struct records *r;
	struct seen s = { .state = SEEN_UNKNOWN };
	unsigned line;

	assert_int_equal(records_open(view_cstr(text), &r, &line), ST_OK);
	for (size_t i = 0; i < w.n; i++)
		if (w.list[i].kind == kind) {
			assert_int_equal(wanted_look(&w.list[i], &f, records_resolver(r), &a, &s), ST_OK);
			break;
		}
	records_free(r);
	arena_free(&a);
	wanted_free(&w);
	return s.state;
}

static void test_seen(void **state)
{
	(void)state;
	assert_int_equal(state_of("foo.com MX 10 mail.foo.com", WANTED_MX), SEEN_GOOD);
	assert_int_equal(state_of("foo.com MX 10 MAIL.foo.com\nfoo.com MX 20 b.foo.com", WANTED_MX), SEEN_GOOD);
	assert_int_equal(state_of("foo.com MX 20 b.foo.com", WANTED_MX), SEEN_MISSING);
	assert_int_equal(state_of("foo.com TXT \"x\"", WANTED_MX), SEEN_MISSING);
	assert_int_equal(state_of("foo.com MX SERVFAIL", WANTED_MX), SEEN_UNKNOWN);
	assert_int_equal(state_of("foo.com MX BOGUS", WANTED_MX), SEEN_UNKNOWN);
	/* Its strings may be cut otherwise. */
	assert_int_equal(state_of("foo.com TXT \"v=spf1 ip4:192.0.2.1\" \" ip6:2001:db8::1 -all\"", WANTED_SPF), SEEN_GOOD);
	assert_int_equal(state_of("foo.com TXT \"v=spf1 +all\"", WANTED_SPF), SEEN_CONFLICT);
	assert_int_equal(state_of("foo.com TXT \"something else\"", WANTED_SPF), SEEN_MISSING);
	assert_int_equal(state_of("autoconfig.foo.com CNAME mail.foo.com\nmail.foo.com A 192.0.2.1", WANTED_WEB), SEEN_GOOD);
	assert_int_equal(state_of("autoconfig.foo.com A 192.0.2.1", WANTED_WEB), SEEN_GOOD);
	assert_int_equal(state_of("autoconfig.foo.com A 192.0.2.9", WANTED_WEB), SEEN_CONFLICT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records), cmocka_unit_test(test_tlsa_and_smimea),
		cmocka_unit_test(test_long_texts_are_split), cmocka_unit_test(test_escaping),
		cmocka_unit_test(test_host_of_another_domain), cmocka_unit_test(test_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
