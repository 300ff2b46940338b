/* test_rdata.c - records of DNS, right and wrong. */
#include "wire/rdata.h"

#include "base/test.h"

enum { ARENA_MAX = 128 * 1024 };

static void names_both_ways(void **state)
{
	static const struct {
		const char *text, *wire;	/* NULL: no name */
		size_t n;
		const char *back;
	} cases[] = {
		{ "", "", 1, "" },
		{ ".", "", 1, "" },
		{ "Foo.COM", "\3foo\3com", 9, "foo.com" },
		{ "foo.com.", "\3foo\3com", 9, "foo.com" },
		{ "_25._tcp.x", "\3_25\4_tcp\1x", 12, "_25._tcp.x" },
		{ "a\\.b.c", "\3a.b\1c", 7, "a\\.b.c" },
		{ "a\\\\b", "\3a\\b", 5, "a\\\\b" },
		{ "a\\032b\\255", "\4a b\xff", 6, "a\\032b\\255" },
		{ "..", NULL, 0, NULL },	{ ".a", NULL, 0, NULL },     { "a..b", NULL, 0, NULL },
		{ "a\\256", NULL, 0, NULL },	{ "a\\25", NULL, 0, NULL },  { "a\\", NULL, 0, NULL },
		{ "a\\2x5", NULL, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf wire = BUF(1024), text = BUF(1024);
		enum status st = dns_name_wire(view_cstr(cases[i].text), &wire);

		assert_int_equal(st, cases[i].wire ? ST_OK : ST_SYNTAX);
		if (st == ST_OK) {
			assert_int_equal(wire.n, cases[i].n);
			assert_memory_equal(wire.p, cases[i].wire, wire.n);
			dns_name_text(buf_view(&wire), &text);
			assert_view(buf_view(&text), cases[i].back);
		} else {
			assert_int_equal(wire.n, 0);
		}
		buf_free(&wire);
		buf_free(&text);
	}
}

/* "aaa...a.aaa...a." of these lengths. */
static enum status name_of_labels(const size_t *lengths, size_t n)
{
	struct buf text = BUF(2048), wire = BUF(2048);
	enum status st;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < lengths[i]; k++)
			buf_putc(&text, 'a');
		buf_putc(&text, '.');
	}
	st = dns_name_wire(buf_view(&text), &wire);
	buf_free(&text);
	buf_free(&wire);
	return st;
}

static void names_have_limits(void **state)
{
	(void)state;
	assert_int_equal(name_of_labels((const size_t[]){ 63 }, 1), ST_OK);
	assert_int_equal(name_of_labels((const size_t[]){ 64 }, 1), ST_SYNTAX);
	assert_int_equal(name_of_labels((const size_t[]){ 63, 63, 63, 61 }, 4), ST_OK);
	assert_int_equal(name_of_labels((const size_t[]){ 63, 63, 63, 62 }, 4), ST_SYNTAX);
}

static void mx_and_srv(void **state)
{
	struct arena a = ARENA(ARENA_MAX);
	struct dns_mx mx = { 7, VIEW("untouched") };
	struct dns_srv srv;

	(void)state;
	assert_int_equal(dns_read_mx(VIEW("\1\2\4Mail\3foo\3com\0"), &a, &mx), ST_OK);
	assert_int_equal(mx.preference, 258);
	assert_view(mx.host, "mail.foo.com");
	assert_int_equal(dns_read_mx(VIEW("\0\0\0"), &a, &mx), ST_OK);
	assert_view(mx.host, "");
	assert_int_equal(dns_read_srv(VIEW("\0\1\0\2\2\113\1x\0"), &a, &srv), ST_OK);
	assert_int_equal(srv.priority, 1);
	assert_int_equal(srv.weight, 2);
	assert_int_equal(srv.port, 587);
	assert_view(srv.target, "x");
	arena_free(&a);
}

static void wrong_ones_are_refused(void **state)
{
	static const struct view wrong[] = {
		{ "", 0 },		  { "\0", 1 },		 { "\0\1", 2 },
		{ "\0\1\4foo", 6 },	  { "\0\1\3foo", 6 },	 { "\0\1\3foo\0x", 8 },
		{ "\0\1\300\0", 4 },	  { "\0\1\100x", 4 },
	};
	struct arena a = ARENA(ARENA_MAX);
	struct dns_mx mx;
	struct view v;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(dns_read_mx(wrong[i], &a, &mx), ST_SYNTAX);
	assert_int_equal(dns_read_txt(VIEW(""), &a, &v), ST_SYNTAX);
	assert_int_equal(dns_read_txt(VIEW("\3ab"), &a, &v), ST_SYNTAX);
	assert_int_equal(dns_read_name(VIEW("\1a\0\0"), &a, &v), ST_SYNTAX);
	arena_free(&a);
}

static void a_txt_is_joined(void **state)
{
	struct arena a = ARENA(ARENA_MAX);
	struct view v;

	(void)state;
	assert_int_equal(dns_read_txt(VIEW("\7v=spf1 \0\4-all"), &a, &v), ST_OK);
	assert_view(v, "v=spf1 -all");
	assert_int_equal(dns_read_txt(VIEW("\0"), &a, &v), ST_OK);
	assert_int_equal(v.n, 0);
	arena_free(&a);
}

static void tlsa_and_caa(void **state)
{
	struct dns_tlsa t;
	struct dns_caa caa;

	(void)state;
	assert_int_equal(dns_read_tlsa(VIEW("\3\1\1\xab"), &t), ST_OK);
	assert_int_equal(t.usage * 100 + t.selector * 10 + t.matching, 311);
	assert_int_equal(t.data.n, 1);
	assert_int_equal(dns_read_tlsa(VIEW("\3\1\1"), &t), ST_SYNTAX);
	assert_int_equal(dns_read_tlsa(VIEW(""), &t), ST_SYNTAX);
	assert_int_equal(dns_read_caa(VIEW("\200\5issueca.example"), &caa), ST_OK);
	assert_int_equal(caa.flags, 128);
	assert_view(caa.tag, "issue");
	assert_view(caa.value, "ca.example");
	assert_int_equal(dns_read_caa(VIEW("\0\0x"), &caa), ST_SYNTAX);
	assert_int_equal(dns_read_caa(VIEW("\0\7issue"), &caa), ST_SYNTAX);
	assert_int_equal(dns_read_caa(VIEW("\0\3a b"), &caa), ST_SYNTAX);
}

static void reverse_names(void **state)
{
	static const struct {
		const char *address, *name;	/* NULL: no address */
	} cases[] = {
		{ "192.0.2.1", "1.2.0.192.in-addr.arpa" },
		{ "2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa" },
		{ "", NULL },	{ "foo.com", NULL }, { "192.0.2", NULL }, { "::1%lo", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf name = BUF(128);
		enum status st = dns_reverse_name(view_cstr(cases[i].address), &name);

		assert_int_equal(st, cases[i].name ? ST_OK : ST_SYNTAX);
		if (st == ST_OK)
			assert_view(buf_view(&name), cases[i].name);
		buf_free(&name);
	}
}

static void records_as_text(void **state)
{
	static const struct {
		enum dns_type type;
		struct view rdata;
		const char *text;
	} cases[] = {
		{ DNS_A, { "\300\0\2\1", 4 }, "192.0.2.1" },
		{ DNS_A, { "\300\0\2", 3 }, "\\# 3 c00002" },
		{ DNS_MX, { "\0\12\1x\0", 5 }, "10 x." },
		{ DNS_MX, { "\0\0\0", 3 }, "0 ." },
		{ DNS_MX, { "\1", 1 }, "\\# 1 01" },
		{ DNS_TXT, { "\1\"\2a\n", 5 }, "\"\\\"\" \"a\\010\"" },
		{ DNS_TLSA, { "\3\1\1\xab\xcd", 5 }, "3 1 1 abcd" },
		{ DNS_CAA, { "\0\5issue;", 8 }, "0 issue \";\"" },
		{ DNS_CNAME, { "\1a\1b\0", 5 }, "a.b." },
		{ DNS_SRV, { "\0\1\0\2\0\3\0", 7 }, "1 2 3 ." },
		{ DNS_TXT, { "", 0 }, "\\# 0 " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf text = BUF(1024);

		dns_rdata_text(cases[i].type, cases[i].rdata, &text);
		assert_view(buf_view(&text), cases[i].text);
		buf_free(&text);
	}
}

static void types_have_names(void **state)
{
	enum dns_type t;

	(void)state;
	assert_true(dns_type_of(VIEW("tlsa"), &t) && t == DNS_TLSA);
	assert_false(dns_type_of(VIEW("ANY"), &t));
	assert_string_equal(dns_type_name(DNS_AAAA), "AAAA");
	assert_null(dns_type_name(255));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_both_ways),  cmocka_unit_test(names_have_limits),
		cmocka_unit_test(mx_and_srv),	    cmocka_unit_test(wrong_ones_are_refused),
		cmocka_unit_test(a_txt_is_joined),  cmocka_unit_test(tlsa_and_caa),
		cmocka_unit_test(reverse_names),    cmocka_unit_test(records_as_text),
		cmocka_unit_test(types_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
