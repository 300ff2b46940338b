/* verify.c - waxwing verify FILE: who sent this letter, as the door would have
 * judged it; and inspect dmarc, which is one part of that. */
#include "admin/inspect.h"
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/revoked.h"
#include "admin/tell.h"

#include "trust/verdict.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FIELD_MAX = 64 * 1024, SIGNATURES = DKIM_SIGNATURES_MOST };

static json_t *problem_or_null(const char *problem)
{
	return problem ? json_string(problem) : json_null();
}

/* ---- as JSON ---- */

static json_t *spf_json(const struct spf_answer *s)
{
	json_t *o = json_pack("{s:s, s:s}", "result", spf_result_name(s->result), "identity", s->helo ? "helo" : "mailfrom");

	json_object_set_new(o, "domain", json_text_or_null(s->domain));
	json_object_set_new(o, "mechanism", json_text_or_null(s->mechanism));
	json_object_set_new(o, "problem", problem_or_null(s->problem));
	return o;
}

static json_t *dkim_json(const struct dkim *d)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < d->n; i++)
		json_array_append_new(all, signature_json(&d->signatures[i]));
	return json_pack("{s:s, s:o, s:i}", "result", seal_result_name(dkim_result(d)), "signatures", all,
			 "beyond", (int)d->beyond);
}

static json_t *dmarc_json(const struct dmarc_answer *d)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:b, s:b, s:b}", "result", dmarc_result_name(d->result),
			      "policy", dmarc_policy_name(d->policy), "disposition", dmarc_policy_name(d->disposition),
			      "spf_aligned", (int)d->spf_aligned, "dkim_aligned", (int)d->dkim_aligned,
			      "no_such_domain", (int)d->no_such_domain);

	json_object_set_new(o, "domain", json_text_or_null(d->domain));
	json_object_set_new(o, "organization", json_text_or_null(d->organization));
	json_object_set_new(o, "record_at", json_text_or_null(d->record_at));
	json_object_set_new(o, "problem", problem_or_null(d->problem));
	return o;
}

static json_t *verdict_json(const struct trust_verdict *v, struct view sentence, struct view field)
{
	json_t *o = json_object(), *arc = json_pack("{s:s, s:i, s:o}", "result", arc_result_name(v->arc.result),
						    "sets", (int)v->arc.n, "problem", problem_or_null(v->arc.problem));

	json_object_set_new(o, "sentence", json_text(sentence));
	json_object_set_new(o, "author", author_json(&v->author));
	json_object_set_new(o, "spf", v->has_spf ? spf_json(&v->spf) : json_null());
	json_object_set_new(o, "dkim", dkim_json(&v->dkim));
	json_object_set_new(o, "dmarc", dmarc_json(&v->dmarc));
	json_object_set_new(o, "arc", arc);
	json_object_set_new(o, "authentication_results", json_text(field));
	return o;
}

/* ---- the letter ---- */

static bool take_letter(const struct invocation *in, struct checks_letter *l)
{
	const char *const *o = in->given;

	*l = (struct checks_letter){
		.now = clock_wall(), .helo = view_cstr(o[OPTION_helo]), .sender = view_cstr(o[OPTION_from]),
	};
	l->has_ip = o[OPTION_ip] != NULL;
	if (!l->has_ip || spf_ip_parse(view_cstr(o[OPTION_ip]), &l->ip) == ST_OK)
		return true;
	tell("--ip wants an address such as 192.0.2.1");
	return false;
}

static bool check(struct checks *c, const struct checks_letter *l, struct view letter, const char *what,
		  struct trust_verdict *ret)
{
	enum status st;

	checks_put(c, letter);
	st = checks_end(c, l, ret);
	if (st != ST_OK)
		tell("%s: %s", what, status_name(st));
	return st == ST_OK;
}

/* What S/MIME says, where the letter has any; NULL: nothing, or it has complained. */
static json_t *look_inside(const struct invocation *in, struct view letter, struct arena *a, struct trust_verdict *v)
{
	struct smime_reading how = { .now = clock_wall() };
	const struct smime_signer *s;
	struct buf sentence = BUF(FIELD_MAX);
	struct smime_means means;
	struct smime_letter l;
	json_t *o = NULL;

	if (!smime_concerns(letter) || !smime_means_open(&means, in))
		return NULL;
	how.trust = means.trust;
	how.keys = &means.keys;
	if (read_smime(in, &means, &how, letter, &l) == ST_OK) {
		s = smime_main_signer(&l);
		smime_put_sentence(&l, &sentence);
		v->smime = (struct content_seal){ .result = smime_result(l.word), .sentence = arena_copy(a, buf_view(&sentence)) };
		if (s && s->n_addresses)
			v->smime.identifier = arena_copy(a, s->addresses[0]);
		if (s) {
			v->smime.serial = arena_copy(a, s->serial);
			v->smime.issuer = arena_copy(a, s->issuer);
		}
		o = smime_json(&l);
		smime_free(&l);
	}
	buf_free(&sentence);
	smime_means_close(&means);
	return o;
}

static json_t *judged(const struct trust_verdict *v, const struct checks_letter *l, const struct checks_host *h,
		      bool json)
{
	struct buf sentence = BUF(FIELD_MAX), field = BUF(FIELD_MAX);
	json_t *o;

	verdict_put_sentence(v, &sentence);
	verdict_put_field(v, l, h->name, &field);
	o = verdict_json(v, buf_view(&sentence), buf_view(&field));
	if (!json)
		printf("%.*s\n\n%.*s", VIEW_ARG(buf_view(&sentence)), VIEW_ARG(buf_view(&field)));
	buf_free(&sentence);
	buf_free(&field);
	return o;
}

/* The name of the instance's host, where there is one. */
static void take_name(const struct invocation *in, struct buf *out)
{
	struct buf why = BUF(4096);
	struct conf c = { 0 };

	if (conf_load(in->dir, &c, &why) == ST_OK)
		buf_puts(out, c.host_name);
	conf_free(&c);
	buf_free(&why);
	if (out->n == 0)
		buf_puts(out, "localhost");
}

static json_t *judge(const struct invocation *in, struct resolver *r, struct view letter, const char *what, bool json)
{
	struct arena a = ARENA(FIELD_MAX);
	struct buf name = BUF(256);
	struct checks_host h = { .resolver = r, .signatures = SIGNATURES, .suffixes = suffixes_open() };
	struct checks_letter l;
	struct trust_verdict v;
	struct checks c;
	json_t *o = NULL, *inside;

	take_name(in, &name);
	h.name = buf_view(&name);
	checks_begin(&c, &h);
	if (take_letter(in, &l) && check(&c, &l, letter, what, &v)) {
		inside = look_inside(in, letter, &a, &v);
		o = judged(&v, &l, &h, json);
		json_object_set_new(o, "smime", inside ? inside : json_null());
	}
	checks_free(&c);
	suffixes_close(h.suffixes);
	buf_free(&name);
	arena_free(&a);
	return o;
}

json_t *inspect_dmarc(struct invocation *in, struct resolver *r)
{
	struct input i;
	json_t *o, *part;

	if (!input_open(&i, STDIN_FILENO, "standard input"))
		return NULL;
	o = judge(in, r, i.letter, "standard input", true);
	input_close(&i);
	part = o ? json_incref(json_object_get(o, "dmarc")) : NULL;

	if (part)
		json_object_set(part, "author", json_object_get(o, "author"));
	json_decref(o);
	return part;
}

int cmd_verify(struct invocation *in)
{
	bool from_stdin = strcmp(in->args[0], "-") == 0, json = in->given[OPTION_json] != NULL;
	struct asker asker = { 0 };
	struct resolver *r = NULL;
	struct input i;
	json_t *o = NULL;
	int fd;

	if (!take_time(in) || !take_fetch(in))
		return WRONG_USE;
	fd = from_stdin ? STDIN_FILENO : open(in->args[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return complain(in->args[0], ST_MISSING, NULL);
	if (input_open(&i, fd, in->args[0])) {
		r = asker_open(&asker, in);
		if (r)
			o = judge(in, r, i.letter, in->args[0], json);
		asker_close(&asker);
		input_close(&i);
	}
	if (!from_stdin)
		close(fd);
	if (o && json)
		return print_json(o);
	json_decref(o);
	return o && fflush(stdout) == 0 ? DONE : FAILED;
}
