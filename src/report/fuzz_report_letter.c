/* fuzz_report_letter.c - letters that may bring a report (RFC 5965 too), lists
 * of addresses for them, and our own letters about anything. */
#include "base/fuzz.h"

#include "report/address.h"
#include "report/failure.h"
#include "report/letter.h"

enum { ARENA_MAX = 64 * 1024 * 1024, OUT_MAX = 4 * 1024 * 1024 };

static void check_addresses(struct view list, struct arena *a)
{
	struct report_address to[REPORT_ADDRESSES];
	size_t n = report_addresses(list, a, to);

	for (size_t i = 0; i < n; i++) {
		FUZZ_CHECK(to[i].host.n && (to[i].mail.n != 0) != (to[i].url.n != 0));
		/* It stands in commands and headers of ours. */
		for (size_t k = 0; k < to[i].mail.n; k++)
			FUZZ_CHECK(to[i].mail.p[k] > ' ' && to[i].mail.p[k] < 127 && to[i].mail.p[k] != '<' && to[i].mail.p[k] != '>');
		for (size_t k = 0; k < to[i].path.n; k++)
			FUZZ_CHECK(to[i].path.p[k] > ' ' && to[i].path.p[k] < 127);
	}
}

static bool is_clean(struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c > 126 || c == 0 || (c == '\n' && (i == 0 || v.p[i - 1] != '\r')) ||
		    (c == '\r' && (i + 1 == v.n || v.p[i + 1] != '\n')))
			return false;
	}
	return true;
}

/* A report upon any letter is found in itself, and is 7 bit in lines. */
static void check_ours(struct view bytes, struct arena *a)
{
	struct failure f = { .domain = VIEW("foo.com"), .source = VIEW("192.0.2.1"), .mail_from = bytes, .results = bytes,
			     .header = bytes };
	struct buf feedback = BUF(OUT_MAX), header = BUF(OUT_MAX), out = BUF(OUT_MAX), text = BUF(OUT_MAX);
	struct report_letter l = { .kind = REPORT_FAILURE, .from = VIEW("a@foo.com"), .to = VIEW("b@bar.com"),
				   .domain = VIEW("bar.com"), .submitter = VIEW("mx.foo.com"), .id = VIEW("1.2.3"), .now = 1 };
	struct report_found found = { 0 };
	enum status st;

	failure_put(&f, &feedback);
	failure_put_header(bytes, &header);
	l.content = buf_view(&feedback);
	l.header = buf_view(&header);
	report_letter_put(&l, &out);
	if (buf_status(&out) == ST_OK && buf_status(&header) == ST_OK && buf_status(&feedback) == ST_OK) {
		FUZZ_CHECK(is_clean(buf_view(&out)));
		st = report_find(buf_view(&out), a, &text, &found);
		FUZZ_CHECK(st == ST_LIMIT || (st == ST_OK && found.kind == REPORT_FAILURE));
	}
	buf_free(&feedback);
	buf_free(&header);
	buf_free(&out);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view bytes = view_make((const char *)data, n);
	struct arena a = ARENA(ARENA_MAX);
	struct buf text = BUF(OUT_MAX);
	struct report_found found = { 0 };
	struct failure_report f;

	if (report_find_any(bytes, &a, &text, &found) == ST_OK && found.kind == REPORT_FAILURE &&
	    failure_read(found.text, &a, &f) == ST_OK)
		FUZZ_CHECK(f.n <= FAILURE_FIELDS_MAX && failure_value(&f, VIEW("feedback-type")).n);
	check_addresses(bytes, &a);
	check_ours(bytes, &a);
	buf_free(&text);
	arena_free(&a);
	return 0;
}
