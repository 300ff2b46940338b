/* fuzz_dmarc_row.c - the policy and the row of a letter, as a door that was taken over
 * might tell them, one behind the other: put again they are the same bytes, and in XML they
 * are a report of one record. */
#include "base/fuzz.h"

#include "report/dmarc.h"

static void check_xml(const struct dmarc_published *p, const struct dmarc_row *row)
{
	struct dmarc_reporter who = { VIEW("foo.com"), VIEW("reports@foo.com"), VIEW_NONE, VIEW("1"), 0, 86399, false };
	struct arena a = ARENA(1 << 24);
	struct buf out = BUF(1 << 24);
	struct dmarc_report r;

	dmarc_xml_begin(&who, p, &out);
	dmarc_xml_row(&who, row, &out);
	dmarc_xml_end(&out);
	FUZZ_CHECK(buf_status(&out) == ST_OK);
	if (buf_status(&out) == ST_OK) {
		enum status st = dmarc_xml_read(buf_view(&out), &a, &r);

		FUZZ_CHECK(st == ST_OK && r.n_rows == 1 && r.rows[0].n_signatures <= DMARC_ROW_DKIM);
	}
	buf_free(&out);
	arena_free(&a);
}

static void check_policy(struct view in, struct dmarc_published *p)
{
	struct buf b = BUF(in.n + 1);
	struct dmarc_published again;

	if (dmarc_published_take(in, p)) {
		dmarc_published_put(&b, p);
		FUZZ_CHECK(b.n == in.n && dmarc_published_take(buf_view(&b), &again));
	}
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view in = view_make((const char *)data, n), first = view_head(in, n ? data[0] * 4u : 0);
	struct dmarc_published p = { .domain = VIEW("bar.com"), .p = VIEW("none"), .sp = VIEW("none") };
	struct buf b = BUF(n + 1);
	struct dmarc_row row, again;

	check_policy(view_skip(first, 1), &p);
	in = view_skip(in, first.n ? first.n : 1);
	if (dmarc_row_take(in, &row)) {
		dmarc_row_put(&b, &row);
		FUZZ_CHECK(b.n == in.n && dmarc_row_take(buf_view(&b), &again));
		check_xml(&p, &row);
	}
	buf_free(&b);
	return 0;
}
