/* inspect_report.c - waxwing inspect dmarc-report, tls-report, failure-report. */
#include "admin/report_json.h"

#include "report/pack.h"

enum status inspect_report(enum report_kind kind, struct view input, json_t **ret)
{
	struct arena a = ARENA(REPORT_ARENA_MAX);
	struct buf unpacked = BUF(REPORT_TEXT_MAX + 65536);
	struct report_found found = { 0 };
	enum status st = report_find_any(input, &a, &unpacked, &found);

	if (st == ST_OK)
		st = found.kind == kind ? report_json(&found, &a, ret) : ST_MISSING;
	buf_free(&unpacked);
	arena_free(&a);
	return st;
}
