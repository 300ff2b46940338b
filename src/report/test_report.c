/* test_report.c - the formats of reports between mail systems. */
#include "base/test.h"

#include "report/address.h"
#include "report/dmarc.h"
#include "report/failure.h"
#include "report/letter.h"
#include "report/pack.h"
#include "report/tls.h"

enum { ARENA_MAX = 16 * 1024 * 1024 };

/* ---- DMARC ---- */

static struct dmarc_row some_row(void)
{
	return (struct dmarc_row){
		.source = VIEW("192.0.2.1"), .disposition = VIEW("none"), .dkim = true, .reason = VIEW("local_policy"),
		.comment = VIEW("a < b & c"), .header_from = VIEW("foo.com"), .envelope_from = VIEW("bar.com"),
		.signatures = { { VIEW("foo.com"), VIEW("s"), VIEW("pass") } }, .n_signatures = 1,
		.spf_domain = VIEW("bar.com"), .spf_result = VIEW("fail"), .count = 7,
	};
}

static void test_row_bytes(void **state)
{
	struct dmarc_row in = some_row(), out;
	struct buf b = BUF(DMARC_ROW_MAX);

	(void)state;
	dmarc_row_put(&b, &in);
	assert_int_equal(buf_status(&b), ST_OK);
	assert_true(dmarc_row_take(buf_view(&b), &out));
	assert_true(out.dkim && !out.spf && out.n_signatures == 1);
	assert_true(view_eq(out.comment, in.comment) && view_eq(out.spf_result, in.spf_result));
	/* Cut anywhere it is none. */
	for (size_t n = 0; n < b.n; n++)
		assert_false(dmarc_row_take(view_head(buf_view(&b), n), &out));
	buf_free(&b);
}

static void test_xml(void **state)
{
	struct dmarc_reporter who = { VIEW("A & B"), VIEW("p@foo.com"), VIEW_NONE, VIEW("1.2"), 86400, 172799, false };
	struct dmarc_published p = { .domain = VIEW("foo.com"), .p = VIEW("reject"), .sp = VIEW("none"), .strict_spf = true };
	struct dmarc_row row = some_row();
	struct arena a = ARENA(ARENA_MAX);
	struct buf xml = BUF(65536);
	struct dmarc_report r;

	(void)state;
	dmarc_xml_begin(&who, &p, &xml);
	dmarc_xml_row(&who, &row, &xml);
	dmarc_xml_end(&xml);
	assert_int_equal(dmarc_xml_read(buf_view(&xml), &a, &r), ST_OK);
	assert_false(r.old_form);
	assert_true(view_eq(r.organization, VIEW("A & B")) && view_eq(r.aspf, VIEW("s")) && view_eq(r.adkim, VIEW("r")));
	assert_true(r.begin == 86400 && r.end == 172799 && r.n_rows == 1 && r.rows[0].count == 7);
	assert_true(view_eq(r.rows[0].comment, VIEW("a < b & c")) && view_eq(r.rows[0].signatures[0].selector, VIEW("s")));
	/* For who reads nothing newer. */
	who.old_form = true;
	p.np = VIEW("reject");
	p.pct = 42;
	row.disposition = VIEW("pass");
	row.reason = VIEW("policy_test_mode");
	buf_clear(&xml);
	dmarc_xml_begin(&who, &p, &xml);
	dmarc_xml_row(&who, &row, &xml);
	dmarc_xml_end(&xml);
	assert_int_equal(dmarc_xml_read(buf_view(&xml), &a, &r), ST_OK);
	assert_true(r.old_form && view_eq(r.pct, VIEW("42")) && r.np.n == 0 && r.testing.n == 0);
	assert_true(view_eq(r.rows[0].disposition, VIEW("none")) && view_eq(r.rows[0].reason, VIEW("sampled_out")));
	buf_free(&xml);
	arena_free(&a);
}

static enum status read_xml(const char *text)
{
	struct arena a = ARENA(ARENA_MAX);
	struct dmarc_report r;
	enum status st = dmarc_xml_read(view_cstr(text), &a, &r);

	arena_free(&a);
	return st;
}

static void test_xml_that_is_none(void **state)
{
	(void)state;
	assert_int_equal(read_xml(""), ST_SYNTAX);
	assert_int_equal(read_xml("<feedback></feedback>"), ST_SYNTAX);
	assert_int_equal(read_xml("<html><policy_published><domain>a.b</domain></policy_published></html>"), ST_SYNTAX);
	assert_int_equal(read_xml("<feedback><policy_published><domain>a.b</domain></policy_published>"), ST_SYNTAX);
	assert_int_equal(read_xml("<feedback><policy_published><domain>a.b</domain></policy_published></feedback>"), ST_OK);
	assert_int_equal(read_xml("<!DOCTYPE feedback><feedback><policy_published><domain>a.b</domain></policy_published></feedback>"),
			 ST_SYNTAX);
	assert_int_equal(read_xml("<feedback><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a></a></a></a></a></feedback>"),
			 ST_LIMIT);
}

/* ---- gzip ---- */

static void test_pack(void **state)
{
	struct buf gz = BUF(REPORT_PACKED_MAX), again = BUF(REPORT_PACKED_MAX), out = BUF(REPORT_TEXT_MAX), blanks = BUF(REPORT_TEXT_MAX);
	char *room;

	(void)state;
	assert_int_equal(pack_gzip(VIEW("hello"), &gz), ST_OK);
	assert_int_equal(pack_gzip(VIEW("hello"), &again), ST_OK);
	assert_true(view_eq(buf_view(&gz), buf_view(&again)));
	assert_int_equal(unpack(buf_view(&gz), &out), ST_OK);
	assert_true(view_eq(buf_view(&out), VIEW("hello")));
	buf_clear(&out);
	assert_int_equal(unpack(view_head(buf_view(&gz), gz.n - 9), &out), ST_SYNTAX);
	/* A bomb: far more than it weighs. */
	assert_int_equal(buf_reserve(&blanks, 8 << 20, &room), ST_OK);
	memset(room, ' ', 8 << 20);
	blanks.n = 8 << 20;
	buf_clear(&gz);
	assert_int_equal(pack_gzip(buf_view(&blanks), &gz), ST_OK);
	buf_clear(&out);
	assert_int_equal(unpack(buf_view(&gz), &out), ST_LIMIT);
	assert_true(out.n < 4 << 20);
	buf_free(&gz);
	buf_free(&again);
	buf_free(&out);
	buf_free(&blanks);
}

/* ---- TLS ---- */

static void test_tls(void **state)
{
	struct tls_row rows[] = { { .result = TLS_RESULT_OK, .count = 5 },
				  { .result = TLS_EXPIRED, .host = VIEW("mx.bar.com"), .count = 2 } };
	struct tls_section s = { .policy = { .type = TLS_POLICY_TLSA, .domain = VIEW("mx.bar.com"), .strings = { VIEW("3 1 1 00") },
					     .n_strings = 1 }, .rows = rows, .n = 2 };
	struct tls_reporter who = { VIEW("foo"), VIEW("p@foo.com"), VIEW("7"), 0, 86399 };
	struct arena a = ARENA(ARENA_MAX);
	struct buf json = BUF(65536), b = BUF(TLS_LINE_MAX);
	struct tls_applied p;
	struct tls_report r;

	(void)state;
	assert_int_equal(tls_json(&who, &s, 1, &json), ST_OK);
	assert_int_equal(tls_json_read(buf_view(&json), &a, &r), ST_OK);
	assert_true(view_eq(r.begin, VIEW("1970-01-01T00:00:00Z")) && view_eq(r.end, VIEW("1970-01-01T23:59:59Z")));
	assert_true(r.n == 1 && r.policies[0].successes == 5 && r.policies[0].failures == 2 && r.policies[0].n == 1);
	assert_true(view_eq(r.policies[0].details[0].result, VIEW("certificate-expired")));
	assert_true(view_eq(r.policies[0].type, VIEW("tlsa")));
	tls_applied_put(&b, &s.policy);
	assert_true(tls_applied_take(buf_view(&b), &p) && view_eq(p.strings[0], VIEW("3 1 1 00")));
	assert_int_equal(tls_json_read(VIEW("[]"), &a, &r), ST_SYNTAX);
	assert_int_equal(tls_json_read(VIEW("{\"policies\":[]}"), &a, &r), ST_SYNTAX);
	buf_free(&json);
	buf_free(&b);
	arena_free(&a);
}

static void test_tlsrpt_record(void **state)
{
	struct view rua;

	(void)state;
	assert_int_equal(tlsrpt_record_parse(VIEW("v=TLSRPTv1; rua=mailto:a@b.c,https://d.e/f ;"), &rua), ST_OK);
	assert_true(view_eq(rua, VIEW("mailto:a@b.c,https://d.e/f")));
	assert_int_equal(tlsrpt_record_parse(VIEW("v=TLSRPTv1;x=y; rua=mailto:a@b.c"), &rua), ST_OK);
	assert_int_equal(tlsrpt_record_parse(VIEW("v=TLSRPTv1;"), &rua), ST_SYNTAX);
	assert_int_equal(tlsrpt_record_parse(VIEW("v=TLSRPTv2;rua=mailto:a@b.c"), &rua), ST_SYNTAX);
	assert_int_equal(tlsrpt_record_parse(VIEW("v=STSv1;rua=mailto:a@b.c"), &rua), ST_SYNTAX);
}

/* ---- addresses ---- */

static void test_addresses(void **state)
{
	struct report_address to[REPORT_ADDRESSES];
	struct arena a = ARENA(ARENA_MAX);

	(void)state;
	assert_int_equal(report_addresses(VIEW("mailto:a%2Bb@Foo.COM!10m , https://r.example:444/x?y#z,mailto:c@d.e!5"), &a, to), 3);
	assert_true(view_eq(to[0].mail, VIEW("a+b@foo.com")) && to[0].most == 10 << 20 && view_eq(to[0].host, VIEW("foo.com")));
	assert_true(view_eq(to[1].host, VIEW("r.example")) && to[1].port == 444 && view_eq(to[1].path, VIEW("/x?y")));
	assert_true(to[2].most == 5);
	/* Nothing that could end a command or a field, no literal, no login, no other scheme. */
	assert_int_equal(report_addresses(VIEW("mailto:a%0d%0aDATA@foo.com"), &a, to), 0);
	assert_int_equal(report_addresses(VIEW("mailto:a>@foo.com,mailto:@foo.com,mailto:a@[192.0.2.1],mailto:a@foo"), &a, to), 0);
	assert_int_equal(report_addresses(VIEW("https://u:p@foo.com/,http://foo.com/,https:///x,ftp://foo.com,a@foo.com"), &a, to), 0);
	assert_int_equal(report_addresses(VIEW("mailto:a@foo.com!10x,mailto:a@foo.com!,mailto:a@foo.com!0"), &a, to), 0);
	arena_free(&a);
}

/* ---- failures ---- */

static void test_failure(void **state)
{
	struct failure f = { .domain = VIEW("foo.com"), .source = VIEW("192.0.2.1"), .mail_from = VIEW("a@b.c\r\nX: y"),
			     .results = VIEW("mx;\r\n\tspf=fail"), .spf = true,
			     .spf_domain = VIEW("b.c"), .spf_record = VIEW("v=spf1 exp=\"\\\r\nX: y -all") };
	const struct view ours[] = { VIEW("Jones@foo.com"), VIEW_NONE, VIEW("b@foo.com") };
	struct buf out = BUF(65536), header = BUF(65536);
	struct arena a = ARENA(ARENA_MAX);
	struct failure_report r;

	(void)state;
	failure_put(&f, &out);
	assert_int_equal(failure_read(buf_view(&out), &a, &r), ST_OK);
	assert_true(view_eq(failure_value(&r, VIEW("original-mail-from")), VIEW("<a@b.cX: y>")));
	assert_true(view_eq(failure_value(&r, VIEW("Identity-Alignment")), VIEW("dkim")));
	assert_int_equal(failure_value(&r, VIEW("X")).n, 0);
	assert_true(view_eq(failure_value(&r, VIEW("SPF-DNS")), VIEW("txt : b.c : \"v=spf1 exp=\\\"\\\\X: y -all\"")));
	buf_clear(&out);
	failure_redact(VIEW("to jones@FOO.com, <Jones@foo.com> and Smith@foo.com; b@foo.co"), ours, 3, VIEW("key"), &out);
	assert_int_equal(out.n, sizeof "to @FOO.com, <@foo.com> and Smith@foo.com; b@foo.co" - 1 + 4 * FAILURE_REDACTED);
	assert_memory_equal(out.p + 3, out.p + 3 + 2 * FAILURE_REDACTED + sizeof "@FOO.com, <" - 1, 2 * FAILURE_REDACTED);
	assert_memory_equal(out.p + 3 + 2 * FAILURE_REDACTED, "@FOO.com, <", 11);
	failure_put_header(VIEW("Received: secret\nTo: Jones\r\nFrom: a\n b\r\nSubject: s\xff\r\nDelivered-To: J\r\n\r\nbody"), &header);
	assert_true(view_eq(buf_view(&header), VIEW("From: a\r\n b\r\nSubject: s?\r\n")));
	assert_int_equal(failure_read(VIEW("Version: 1\r\n"), &a, &r), ST_SYNTAX);
	buf_free(&out);
	buf_free(&header);
	arena_free(&a);
}

static void test_find(void **state)
{
	struct buf unpacked = BUF(65536);
	struct arena a = ARENA(ARENA_MAX);
	struct report_found f = { 0 };

	(void)state;
	assert_int_equal(report_find(VIEW("Subject: x\r\n\r\nhello\r\n"), &a, &unpacked, &f), ST_MISSING);
	assert_int_equal(report_find(VIEW("Content-Type: text/xml\r\n\r\n<feedback/>"), &a, &unpacked, &f), ST_OK);
	assert_int_equal(f.kind, REPORT_DMARC);
	assert_int_equal(report_find(VIEW("Content-Type: application/json\r\n\r\n{}"), &a, &unpacked, &f), ST_OK);
	assert_int_equal(f.kind, REPORT_TLS);
	assert_int_equal(report_find(VIEW("Content-Type: application/gzip\r\n\r\n\x1f\x8bnone"), &a, &unpacked, &f), ST_SYNTAX);
	assert_int_equal(report_find_any(VIEW("Feedback-Type: abuse\r\n"), &a, &unpacked, &f), ST_OK);
	assert_int_equal(f.kind, REPORT_FAILURE);
	buf_free(&unpacked);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_row_bytes), cmocka_unit_test(test_xml), cmocka_unit_test(test_xml_that_is_none),
		cmocka_unit_test(test_pack), cmocka_unit_test(test_tls), cmocka_unit_test(test_tlsrpt_record),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_failure), cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
