/* inspect_trust.c - waxwing inspect spf, dkim, dmarc, arc: each check alone. */
#include "admin/inspect.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "trust/arc.h"
#include "trust/dkim.h"
#include "trust/spf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHECK_ARENA_MAX = 64 * 1024 * 1024, KEY_FILE_MAX = 65536, OUTPUT_MAX = 256 * 1024 };

struct inspection {
	struct invocation *in;
	struct resolver *resolver;
	struct arena a;
	struct dkim dkim;
	struct dkim_signing signing;
	struct arc arc;
	struct arc_sealing sealing;
};

static struct view given(const struct inspection *i, enum option_id o)
{
	return view_cstr(i->in->given[o] ? i->in->given[o] : "");
}

/* ---- SPF ---- */

static json_t *spf_json(const struct spf_query *q, const struct spf_answer *s)
{
	struct buf b = BUF(65536);
	json_t *o = json_pack("{s:s, s:s, s:i, s:i}", "result", spf_result_name(s->result),
			      "identity", s->helo ? "helo" : "mailfrom", "lookups", (int)s->lookups,
			      "voids", (int)s->voids);

	json_object_set_new(o, "domain", json_text_or_null(s->domain));
	json_object_set_new(o, "mechanism", json_text_or_null(s->mechanism));
	json_object_set_new(o, "explanation", json_text_or_null(s->explanation));
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

/* ---- letters on standard input ---- */

/* Feeds all of it; true unless it has complained. */
static bool read_letter(struct pass *p)
{
	char piece[65536];
	ssize_t n;

	while ((n = read(STDIN_FILENO, piece, sizeof piece)) > 0)
		pass_put(p, view_make(piece, (size_t)n));
	if (n == 0 && pass_end(p) == ST_OK)
		return true;
	tell("standard input: %s", n < 0 ? "cannot be read" : "its header is too large");
	return false;
}

static void collect_dkim(void *arg, struct pass *p)
{
	struct inspection *i = arg;

	dkim_collect(p, DKIM_SIGNATURES_MOST, i->resolver, &i->dkim);
}

json_t *signature_json(const struct signature *s)
{
	json_t *o = json_pack("{s:s, s:b, s:i, s:I}", "result", seal_result_name(s->result), "testing", (int)s->testing,
			      "key_bits", (int)s->key_bits, "unsigned_octets", (json_int_t)s->unsigned_octets);

	json_object_set_new(o, "problem", s->problem ? json_string(s->problem) : json_null());
	json_object_set_new(o, "doubled", s->doubled ? json_string(s->doubled) : json_null());
	json_object_set_new(o, "algorithm", json_text_or_null(s->algorithm_text));
	json_object_set_new(o, "domain", json_text_or_null(s->domain));
	json_object_set_new(o, "selector", json_text_or_null(s->selector));
	json_object_set_new(o, "identity", json_text_or_null(s->identity));
	json_object_set_new(o, "signed_at", s->signed_at >= 0 ? json_integer(s->signed_at) : json_null());
	json_object_set_new(o, "expires", s->expires >= 0 ? json_integer(s->expires) : json_null());
	return o;
}

static json_t *inspect_dkim(struct inspection *i)
{
	json_t *all = json_array(), *o = NULL;
	struct pass p;

	pass_begin(&p, collect_dkim, i);
	if (read_letter(&p)) {
		dkim_check(&p, &i->dkim, i->resolver, NULL, clock_wall());
		for (uint32_t k = 0; k < i->dkim.n; k++)
			json_array_append(all, signature_json(&i->dkim.signatures[k]));
		o = json_pack("{s:s, s:O, s:i}", "result", seal_result_name(dkim_result(&i->dkim)), "signatures", all,
			      "beyond", (int)i->dkim.beyond);
	}
	json_decref(all);
	pass_free(&p);
	return o;
}

/* ---- signing ---- */

static bool open_signer(struct inspection *i, struct signer_with_key *ret)
{
	struct buf pem = BUF(KEY_FILE_MAX);
	enum status st;

	if (given(i, OPTION_key).n == 0 || given(i, OPTION_selector).n == 0 || given(i, OPTION_domain).n == 0) {
		tell("inspect %s: --key FILE, --selector NAME and --domain DOMAIN are needed", i->in->args[0]);
		return false;
	}
	st = read_file(i->in->given[OPTION_key], &pem);
	if (st == ST_OK)
		st = signer_from_pem(buf_view(&pem), given(i, OPTION_domain), given(i, OPTION_selector), ret);
	buf_wipe(&pem);
	if (st != ST_OK)
		tell("%s: no private key, RSA of 1024 bits at least or Ed25519, in PEM", i->in->given[OPTION_key]);
	return st == ST_OK;
}

static void begin_signing(void *arg, struct pass *p)
{
	struct inspection *i = arg;

	p->st = dkim_sign_begin(p, &i->signing);
}

static json_t *inspect_dkim_sign(struct inspection *i)
{
	struct buf out = BUF(OUTPUT_MAX);
	struct signer_with_key key;
	struct signer *signers[] = { &key.signer };
	json_t *o = NULL;
	struct pass p;

	if (!open_signer(i, &key))
		return NULL;
	i->signing = (struct dkim_signing){ .signers = signers, .n = 1, .now = clock_wall() };
	pass_begin(&p, begin_signing, i);
	if (read_letter(&p)) {
		if (dkim_sign_end(&p, &i->signing, &out) == ST_OK)
			o = json_pack("{s:o}", "field", json_text(buf_view(&out)));
		else
			tell("inspect dkim-sign: a letter has one From: field to be signed");
	}
	pass_free(&p);
	signer_free(&key);
	buf_free(&out);
	return o;
}

/* ---- ARC ---- */

static void collect_arc(void *arg, struct pass *p)
{
	struct inspection *i = arg;

	arc_collect(p, i->resolver, &i->arc);
}

static json_t *inspect_arc(struct inspection *i)
{
	json_t *seals = json_array(), *o = NULL;
	struct pass p;

	pass_begin(&p, collect_arc, i);
	if (read_letter(&p)) {
		arc_check(&p, &i->arc, i->resolver, NULL, clock_wall());
		for (unsigned k = 0; i->arc.seals && k < i->arc.n; k++)
			json_array_append_new(seals, signature_json(&i->arc.seals[k]));
		o = json_pack("{s:s, s:i, s:O}", "result", arc_result_name(i->arc.result), "sets", (int)i->arc.n,
			      "seals", seals);
		json_object_set_new(o, "problem", i->arc.problem ? json_string(i->arc.problem) : json_null());
	}
	json_decref(seals);
	pass_free(&p);
	return o;
}

static void begin_sealing(void *arg, struct pass *p)
{
	struct inspection *i = arg;

	arc_collect(p, i->resolver, &i->arc);
	p->st = arc_seal_begin(p, &i->sealing);
}

/* Says cv= of what it finds, and of the letter itself that nobody checked it. */
static json_t *inspect_arc_seal(struct inspection *i)
{
	struct buf out = BUF(OUTPUT_MAX), results = BUF(1024);
	struct signer_with_key key;
	json_t *o = NULL;
	struct pass p;
	enum status st = ST_OK;

	if (!open_signer(i, &key))
		return NULL;
	buf_putf(&results, "%s; none", i->in->given[OPTION_domain]);
	i->sealing = (struct arc_sealing){ .signer = &key.signer, .results = buf_view(&results), .now = clock_wall() };
	pass_begin(&p, begin_sealing, i);
	if (read_letter(&p)) {
		arc_check(&p, &i->arc, i->resolver, NULL, clock_wall());
		st = arc_seal_end(&p, &i->arc, &i->sealing, &out);
		if (st == ST_OK)
			o = json_pack("{s:o}", "fields", json_text(buf_view(&out)));
		else
			tell("inspect arc-seal: %s", st == ST_DENIED ? "nothing may be added to this chain" :
			     st == ST_SYNTAX ? "the letter has no From:" : status_name(st));
	}
	pass_free(&p);
	signer_free(&key);
	buf_free(&out);
	buf_free(&results);
	return o;
}

/* ---- the kinds ---- */

static json_t *dmarc_alone(struct inspection *i)
{
	return inspect_dmarc(i->in, i->resolver);
}

static const struct {
	const char *kind;
	bool asks;	/* it needs DNS */
	json_t *(*inspect)(struct inspection *i);	/* NULL: it has said why */
} kinds[] = {
	{ "spf", true, inspect_spf },
	{ "dkim", true, inspect_dkim },
	{ "dkim-sign", false, inspect_dkim_sign },
	{ "dmarc", true, dmarc_alone },
	{ "arc", true, inspect_arc },
	{ "arc-seal", true, inspect_arc_seal },
};

int inspect_trust(struct invocation *in)
{
	struct inspection i = { .in = in, .a = ARENA(CHECK_ARENA_MAX) };
	struct asker asker = { 0 };
	json_t *o = NULL;
	size_t k;

	for (k = 0; k < sizeof kinds / sizeof *kinds && strcmp(in->args[0], kinds[k].kind) != 0; k++)
		;
	if (k == sizeof kinds / sizeof *kinds) {
		tell("inspect: no kind %s; `man waxwing-inspect` names them", in->args[0]);
		return WRONG_USE;
	}
	if (!take_time(in))
		return WRONG_USE;
	if (kinds[k].asks && (i.resolver = asker_open(&asker, in)) == NULL)
		return FAILED;
	o = kinds[k].inspect(&i);
	asker_close(&asker);
	arena_free(&i.a);
	return o ? print_json(o) : FAILED;
}
