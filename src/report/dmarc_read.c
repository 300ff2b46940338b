/* dmarc_read.c - aggregate reports of others (expat). */
#include "report/dmarc.h"

#include <expat.h>
#include <stdlib.h>

enum { DEPTH_MAX = 12, PATH_MAX_BYTES = 256, NAME_MAX_BYTES = 32, PIECE = 65536, ROWS_FIRST = 64 };

#define NAMESPACE "urn:ietf:params:xml:ns:dmarc-2.0"

/* Which text goes where: the path below `feedback`, and a view of the report
 * or of the row on its way. */
struct place {
	const char *path;
	enum { OF_REPORT, OF_ROW, OF_SIGNATURE } of;
	size_t offset;
};

#define REPORT(path, field) { path, OF_REPORT, offsetof(struct dmarc_report, field) }
#define ROW(path, field) { "record/" path, OF_ROW, offsetof(struct dmarc_row, field) }
#define SIGNATURE(path, field) { "record/auth_results/dkim/" path, OF_SIGNATURE, offsetof(struct dmarc_dkim, field) }

static const struct place places[] = {
	REPORT("report_metadata/org_name", organization),
	REPORT("report_metadata/email", email),
	REPORT("report_metadata/extra_contact_info", contact),
	REPORT("report_metadata/report_id", id),
	REPORT("report_metadata/error", error),
	REPORT("policy_published/domain", domain),
	REPORT("policy_published/p", p),
	REPORT("policy_published/sp", sp),
	REPORT("policy_published/np", np),
	REPORT("policy_published/fo", fo),
	REPORT("policy_published/adkim", adkim),
	REPORT("policy_published/aspf", aspf),
	REPORT("policy_published/testing", testing),
	REPORT("policy_published/pct", pct),
	ROW("row/source_ip", source),
	ROW("row/policy_evaluated/disposition", disposition),
	ROW("row/policy_evaluated/reason/type", reason),
	ROW("row/policy_evaluated/reason/comment", comment),
	ROW("identifiers/header_from", header_from),
	ROW("identifiers/envelope_from", envelope_from),
	ROW("identifiers/envelope_to", envelope_to),
	ROW("auth_results/spf/domain", spf_domain),
	ROW("auth_results/spf/result", spf_result),
	SIGNATURE("domain", domain),
	SIGNATURE("selector", selector),
	SIGNATURE("result", result),
};

struct reading {
	XML_Parser parser;
	struct arena *a;
	struct dmarc_report *r;
	struct dmarc_row *row;		/* on its way, or NULL */
	uint32_t room;			/* for rows */
	unsigned depth;
	bool is_report;			/* the root is `feedback` */
	size_t ends[DEPTH_MAX];		/* where the path ended before each element */
	struct buf path, text;
	enum status st;
};

static void give_up(struct reading *g, enum status st)
{
	if (g->st == ST_OK)
		g->st = st;
	XML_StopParser(g->parser, XML_FALSE);
}

/* ---- rows ---- */

static void begin_row(struct reading *g)
{
	struct dmarc_report *r = g->r;

	if (r->n_rows == g->room) {
		uint32_t room = g->room ? g->room * 2 : ROWS_FIRST;
		struct dmarc_row *more = room <= 2 * DMARC_RECORDS_MAX ? arena_array(g->a, room, sizeof *more) : NULL;

		if (more == NULL || r->n_rows >= DMARC_RECORDS_MAX) {
			give_up(g, more == NULL && arena_status(g->a) != ST_OK ? arena_status(g->a) : ST_LIMIT);
			return;
		}
		if (r->n_rows)
			memcpy(more, r->rows, r->n_rows * sizeof *more);
		r->rows = more;
		g->room = room;
	}
	g->row = &r->rows[r->n_rows];
}

static void end_row(struct reading *g)
{
	if (g->row)
		g->r->n_rows++;
	g->row = NULL;
}

static bool at(const struct reading *g, const char *path)
{
	return view_eq(buf_view(&g->path), view_cstr(path));
}

/* ---- texts ---- */

static struct view trimmed(struct view v)
{
	while (v.n && (unsigned char)v.p[0] <= ' ')
		v = view_skip(v, 1);
	while (v.n && (unsigned char)v.p[v.n - 1] <= ' ')
		v.n--;
	return v;
}

/* Where the text of this element belongs, if anywhere. */
static struct view *place_of(struct reading *g, const struct place *p)
{
	struct dmarc_row *row = g->row;

	switch (p->of) {
	case OF_REPORT:
		return (struct view *)((char *)g->r + p->offset);
	case OF_ROW:
		return row ? (struct view *)((char *)row + p->offset) : NULL;
	default:
		if (row == NULL || row->n_signatures >= DMARC_ROW_DKIM)
			return NULL;
		return (struct view *)((char *)&row->signatures[row->n_signatures] + p->offset);
	}
}

/* Numbers and the two yes-or-no's. */
static void take_value(struct reading *g, struct view v)
{
	uint64_t n = 0;

	if (at(g, "report_metadata/date_range/begin") && view_u64(v, &n) && n < INT64_MAX)
		g->r->begin = (int64_t)n;
	else if (at(g, "report_metadata/date_range/end") && view_u64(v, &n) && n < INT64_MAX)
		g->r->end = (int64_t)n;
	else if (g->row && at(g, "record/row/count") && view_u64(v, &n))
		g->row->count = n;
	else if (g->row && at(g, "record/row/policy_evaluated/dkim"))
		g->row->dkim = view_eq_i(v, VIEW("pass"));
	else if (g->row && at(g, "record/row/policy_evaluated/spf"))
		g->row->spf = view_eq_i(v, VIEW("pass"));
}

/* Of several only the first one counts, as for a header field. */
static void take_text(struct reading *g)
{
	struct view v = trimmed(view_head(buf_view(&g->text), DMARC_TEXT_MAX)), *into;

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		if (!at(g, places[i].path))
			continue;
		into = place_of(g, &places[i]);
		if (into && into->n == 0)
			*into = arena_copy(g->a, v);
		return;
	}
	take_value(g, v);
}

/* ---- what expat says ---- */

/* The name without its namespace; of a foreign one nothing is known. */
static struct view name_of(struct reading *g, const XML_Char *name)
{
	struct view v = view_cstr(name);
	size_t at_bar = view_find(v, '|');

	if (at_bar == v.n)
		return v;
	if (view_eq(view_head(v, at_bar), VIEW(NAMESPACE)))
		g->r->old_form = false;
	return view_skip(v, at_bar + 1);
}

static void XMLCALL begin_element(void *arg, const XML_Char *raw, const XML_Char **attributes)
{
	struct reading *g = arg;
	struct view name = name_of(g, raw);

	(void)attributes;
	buf_clear(&g->text);
	if (g->depth == DEPTH_MAX) {
		give_up(g, ST_LIMIT);
		return;
	}
	g->ends[g->depth++] = g->path.n;
	if (g->depth == 1) {
		g->is_report = view_eq(name, VIEW("feedback"));
		if (!g->is_report)
			give_up(g, ST_SYNTAX);
		return;
	}
	if (g->path.n)
		buf_putc(&g->path, '/');
	buf_put(&g->path, view_head(name, NAME_MAX_BYTES));
	if (g->depth == 2 && at(g, "record"))
		begin_row(g);
}

static void XMLCALL end_element(void *arg, const XML_Char *raw)
{
	struct reading *g = arg;

	(void)raw;
	take_text(g);
	buf_clear(&g->text);
	if (g->row && g->row->n_signatures < DMARC_ROW_DKIM && at(g, "record/auth_results/dkim"))
		g->row->n_signatures++;
	if (g->depth == 2 && at(g, "record"))
		end_row(g);
	if (g->depth)
		g->path.n = g->ends[--g->depth];
}

static void XMLCALL take_characters(void *arg, const XML_Char *s, int n)
{
	struct reading *g = arg;

	/* What is more than its maximum is not kept, and no error. */
	if (n > 0 && g->text.n + (size_t)n <= g->text.max)
		buf_put(&g->text, view_make(s, (size_t)n));
}

/* No report has one; entities, and files to read, come by it alone. */
static void XMLCALL refuse_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public,
				   int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	give_up(arg, ST_SYNTAX);
}

static enum status parse(struct reading *g, struct view xml)
{
	enum XML_Status ok = XML_STATUS_OK;

	while (ok == XML_STATUS_OK && g->st == ST_OK) {
		struct view piece = view_head(xml, PIECE);

		xml = view_skip(xml, piece.n);
		ok = XML_Parse(g->parser, piece.p, (int)piece.n, xml.n == 0);
		if (xml.n == 0)
			break;
	}
	if (g->st == ST_OK && ok != XML_STATUS_OK)
		g->st = XML_GetErrorCode(g->parser) == XML_ERROR_NO_MEMORY ? ST_NOMEM : ST_SYNTAX;
	if (g->st == ST_OK)
		g->st = buf_status(&g->path);
	if (g->st == ST_OK)
		g->st = buf_status(&g->text);
	return g->st != ST_OK ? g->st : arena_status(g->a);
}

enum status dmarc_xml_read(struct view xml, struct arena *a, struct dmarc_report *ret)
{
	struct dmarc_report r = { .old_form = true };
	struct reading g = {
		.a = a, .r = &r, .path = BUF(PATH_MAX_BYTES + DEPTH_MAX * NAME_MAX_BYTES), .text = BUF(4 * DMARC_TEXT_MAX),
		.parser = XML_ParserCreateNS(NULL, '|'),
	};
	enum status st;

	if (g.parser == NULL)
		return ST_NOMEM;
	XML_SetUserData(g.parser, &g);
	XML_SetElementHandler(g.parser, begin_element, end_element);
	XML_SetCharacterDataHandler(g.parser, take_characters);
	XML_SetStartDoctypeDeclHandler(g.parser, refuse_doctype);
	st = parse(&g, xml);
	XML_ParserFree(g.parser);
	buf_free(&g.path);
	buf_free(&g.text);
	if (st == ST_OK && r.domain.n == 0 && r.n_rows == 0)
		st = ST_SYNTAX;
	if (st == ST_OK)
		*ret = r;
	return st;
}
