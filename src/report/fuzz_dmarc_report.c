/* fuzz_dmarc_report.c - anybody's XML: what is read keeps to its limits, and
 * said again in our own form it is read as the same. */
#include "base/fuzz.h"

#include "report/dmarc.h"

enum { ARENA_MAX = 64 * 1024 * 1024 };

static bool is_text(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < ' ' || v.p[i] > '~')
			return false;
	return v.n == 0 || (v.p[0] != ' ' && v.p[v.n - 1] != ' ');
}

static void check_row(const struct dmarc_row *r)
{
	FUZZ_CHECK(r->n_signatures <= DMARC_ROW_DKIM);
	FUZZ_CHECK(r->source.n <= DMARC_TEXT_MAX && r->comment.n <= DMARC_TEXT_MAX);
}

static void again(const struct dmarc_report *r, struct arena *a)
{
	struct dmarc_reporter who = { r->organization, r->email, r->contact, r->id, r->begin, r->end, false };
	struct dmarc_published p = { .domain = r->domain, .p = VIEW("none"), .sp = VIEW("none") };
	struct buf out = BUF(1 << 24);
	struct dmarc_report second;
	enum status st;

	dmarc_xml_begin(&who, &p, &out);
	for (uint32_t i = 0; i < r->n_rows; i++)
		dmarc_xml_row(&who, &r->rows[i], &out);
	dmarc_xml_end(&out);
	if (buf_status(&out) == ST_OK) {
		st = dmarc_xml_read(buf_view(&out), a, &second);
		/* Neither a domain nor a record is no report. */
		FUZZ_CHECK(st == ST_OK || st == ST_LIMIT || (st == ST_SYNTAX && r->domain.n == 0 && r->n_rows == 0));
		if (st == ST_OK) {
			FUZZ_CHECK(!second.old_form && second.n_rows == r->n_rows);
			FUZZ_CHECK(!is_text(r->domain) || view_eq(second.domain, r->domain));
			for (uint32_t i = 0; i < r->n_rows; i++)
				FUZZ_CHECK(second.rows[i].count == r->rows[i].count && second.rows[i].dkim == r->rows[i].dkim &&
					   (!is_text(r->rows[i].source) || view_eq(second.rows[i].source, r->rows[i].source)));
		}
	}
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA(ARENA_MAX);
	struct dmarc_report r;

	if (dmarc_xml_read(view_make((const char *)data, n), &a, &r) == ST_OK) {
		for (uint32_t i = 0; i < r.n_rows; i++)
			check_row(&r.rows[i]);
		again(&r, &a);
	}
	arena_free(&a);
	return 0;
}
