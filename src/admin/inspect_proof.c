/* inspect_proof.c - waxwing inspect of what proves something (spf, dkim ..., tlsa), and
 * of reports. */
#include "admin/inspect.h"
#include "admin/report_json.h"
#include "admin/tell.h"

#include <string.h>

/* Of standard input. */
enum { INPUT_MAX = 256 * 1024 * 1024 };

static const struct reason why_no_report[] = {
	{ ST_MISSING, "no report of this kind" },
	{ ST_SYNTAX, "a report that cannot be read" },
	{ ST_LIMIT, "a report that is too large, or unpacks into too much" },
	{ ST_OK, NULL },
};

static enum report_kind report_kind_of(const char *kind)
{
	return strcmp(kind, "dmarc-report") == 0   ? REPORT_DMARC :
	       strcmp(kind, "tls-report") == 0	   ? REPORT_TLS :
	       strcmp(kind, "failure-report") == 0 ? REPORT_FAILURE :
						     REPORT_NONE;
}

int cmd_inspect(struct invocation *in)
{
	enum report_kind report = report_kind_of(in->args[0]);
	bool tlsa = strcmp(in->args[0], "tlsa") == 0;
	struct buf input = BUF(INPUT_MAX);
	json_t *o = NULL;
	enum status st;

	if (!tlsa && !report)
		return inspect_trust(in);
	if (!take_time(in))
		return WRONG_USE;
	st = read_input(&input);
	if (st == ST_OK && report)
		st = inspect_report(report, buf_view(&input), &o);
	else if (st == ST_OK)
		o = inspect_tlsa(in, buf_view(&input));
	buf_free(&input);
	if (o == NULL && tlsa && st == ST_OK)
		return FAILED;
	if (o == NULL)
		return complain("standard input", st == ST_OK ? ST_NOMEM : st, why_no_report);
	return print_json(o);
}
