/* inspect_trust.c - waxwing inspect spf, dkim, dmarc, arc: each check alone. */
#include "admin/inspect.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "trust/records.h"
#include "trust/spf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECK_ARENA_MAX = 64 * 1024 * 1024 };

struct inspection {
	struct invocation *in;
	struct resolver *resolver;
	struct arena a;
};

static struct view given(const struct inspection *i, enum option_id o)
{
	return view_cstr(i->in->given[o] ? i->in->given[o] : "");
}

static json_t *text_or_null(struct view v)
{
	return v.n ? json_text(v) : json_null();
}

/* ---- SPF ---- */

static json_t *spf_json(const struct spf_query *q, const struct spf_answer *s)
{
	struct buf b = BUF(65536);
	json_t *o = json_pack("{s:s, s:s, s:i, s:i}", "result", spf_result_name(s->result),
			      "identity", s->helo ? "helo" : "mailfrom", "lookups", (int)s->lookups,
			      "voids", (int)s->voids);

	json_object_set_new(o, "domain", text_or_null(s->domain));
	json_object_set_new(o, "mechanism", text_or_null(s->mechanism));
	json_object_set_new(o, "explanation", text_or_null(s->explanation));
	json_object_set_new(o, "problem", s->problem ? json_string(s->problem) : json_null());
	spf_put_received(q, s, &b);
	json_object_set_new(o, "received_spf", json_text(buf_view(&b)));
	buf_free(&b);
	return o;
}

static json_t *inspect_spf(struct inspection *i)
{
	struct spf_query q = { .helo = given(i, OPTION_helo), .sender = given(i, OPTION_from), .now = clock_wall() };
	struct spf_answer s;

	if (spf_ip_parse(given(i, OPTION_ip), &q.ip) != ST_OK) {
		tell("inspect spf: --ip wants the address of the host that sends");
		return NULL;
	}
	if (spf_check(&q, i->resolver, &i->a, &s) != ST_OK) {
		tell("inspect spf: %s", status_name(ST_NOMEM));
		return NULL;
	}
	return spf_json(&q, &s);
}

/* ---- the kinds ---- */

static const struct {
	const char *kind;
	json_t *(*inspect)(struct inspection *i);	/* NULL: it has said why */
} kinds[] = {
	{ "spf", inspect_spf },
};

static enum status read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	char piece[65536];
	size_t n;

	if (f == NULL)
		return ST_MISSING;
	while ((n = fread(piece, 1, sizeof piece, f)) > 0 && buf_status(out) == ST_OK)
		buf_put(out, view_make(piece, n));
	fclose(f);
	return buf_status(out);
}

static struct records *open_records(const char *path)
{
	struct buf text = BUF(RECORDS_MAX);
	struct records *r = NULL;
	unsigned line = 0;
	enum status st = read_file(path, &text);

	if (st == ST_OK)
		st = records_open(buf_view(&text), &r, &line);
	if (st == ST_SYNTAX)
		tell("%s:%u: no record; they are NAME TYPE DATA", path, line);
	else if (st != ST_OK)
		tell("%s: %s", path, status_name(st));
	buf_free(&text);
	return r;
}

static int print_json(json_t *o)
{
	int failed = json_dumpf(o, stdout, JSON_COMPACT) || putchar('\n') == EOF || fflush(stdout);

	json_decref(o);
	return failed ? FAILED : DONE;
}

int inspect_trust(struct invocation *in)
{
	struct inspection i = { .in = in, .a = ARENA(CHECK_ARENA_MAX) };
	struct records *records;
	json_t *o;
	size_t k;

	for (k = 0; k < sizeof kinds / sizeof *kinds && strcmp(in->args[0], kinds[k].kind) != 0; k++)
		;
	if (k == sizeof kinds / sizeof *kinds) {
		tell("inspect: no kind %s; `waxwing help inspect` names them", in->args[0]);
		return WRONG_USE;
	}
	if (in->given[OPTION_records] == NULL) {
		tell("inspect %s: --records FILE is needed", kinds[k].kind);
		return WRONG_USE;
	}
	records = open_records(in->given[OPTION_records]);
	if (records == NULL)
		return FAILED;
	i.resolver = records_resolver(records);
	o = kinds[k].inspect(&i);
	records_free(records);
	arena_free(&i.a);
	return o ? print_json(o) : FAILED;
}
