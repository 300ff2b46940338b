#include "admin/acme/agent.h"

#include "admin/confined.h"
#include "admin/inspect.h"
#include "admin/listing.h"
#include "mta/relay/fetch.h"
#include "role/role.h"
#include "smime/revocation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CALLS = SANDBOX_CONNECT | SANDBOX_FILES, QUESTION_MAX = 512 * 1024, TOLD_MAX = 4 * AGENT_ANSWER_MAX,
       DNS_ARENA = 1024 * 1024, WHY_MAX = 400 };

struct agent {
	const struct invocation *in;
	const struct conf *conf;
	struct sandbox_filter filter;
	struct confined child;
};

/* ---- the child ---- */

struct speaker {
	struct loop *loop;
	struct fetcher *fetcher;
	struct resolver *resolver;
	const struct conf *conf;
	/* One question. */
	const json_t *question;
	json_t *told;
	bool done;
};

static json_t *not_told(const char *why)
{
	return json_pack("{s:o}", "why", json_text(view_cstr(why)));
}

/* An object, a text, or nothing. */
static void add_body(json_t *told, const char *type, struct view body)
{
	bool json = view_starts_i(view_cstr(type), VIEW("application/json")) ||
		    view_starts_i(view_cstr(type), VIEW("application/problem+json"));
	json_t *o = json ? json_loadb(body.p ? body.p : "", body.n, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (json_is_object(o))
		json_object_set(told, "json", o);
	else if (!json)
		json_object_set_new(told, "text", json_text(body));
	json_decref(o);
}

static json_t *tell_answer(const struct fetch_said *said, struct view body)
{
	json_t *told = json_pack("{s:i, s:o, s:o, s:I}", "status", (int)said->status, "nonce",
				 json_text(view_cstr(said->nonce)), "location", json_text(view_cstr(said->location)),
				 "again", (json_int_t)said->again_s);

	if (told)
		add_body(told, said->type, body);
	return told;
}

/* As the question says; NULL: no memory. */
static json_t *speak(struct speaker *s)
{
	struct view url = view_cstr(json_string_value(json_object_get(s->question, "url")));
	struct view body = view_cstr(json_string_value(json_object_get(s->question, "body")));
	struct buf addresses = BUF(FETCH_ADDRESSES), out = BUF(AGENT_ANSWER_MAX);
	struct arena a = ARENA(DNS_ARENA);
	struct fetch_said said = { 0 };
	struct revocation_url u;
	struct fetch f = { .post = body, .post_type = "application/jose+json", .said = &said,
			   .timeout_ms = (uint64_t)s->conf->acme_timeout };
	json_t *told;

	if (revocation_url_parse(url, &u) != ST_OK || u.clear) {
		told = not_told("its URL is none of https with the name of a host");
	} else if (!fetch_addresses(s->resolver, u.host, &a, &addresses)) {
		told = not_told("its host is not found in DNS");
	} else {
		f.host = u.host;
		f.path = u.path;
		f.port = u.port;
		f.addresses = addresses.p;
		told = fetch(s->fetcher, &f, &out) == ST_OK ? tell_answer(&said, buf_view(&out)) : not_told(f.why);
	}
	arena_free(&a);
	buf_free(&addresses);
	buf_free(&out);
	return told;
}

static void speak_and_stop(void *arg)
{
	struct speaker *s = arg;

	s->told = speak(s);
	s->done = true;
	loop_stop(s->loop);
}

static enum status answer(struct speaker *s, struct view question)
{
	json_t *q = json_loadb(question.p ? question.p : "", question.n, 0, NULL);
	char *text = NULL;
	enum status st = q ? ST_OK : ST_SYNTAX;

	s->question = q;
	s->told = NULL;
	s->done = false;
	if (st == ST_OK)
		st = co_start(speak_and_stop, s);
	if (st == ST_OK && !s->done)
		loop_run(s->loop);
	if (st == ST_OK && (s->told == NULL || (text = json_dumps(s->told, JSON_COMPACT)) == NULL))
		st = ST_NOMEM;
	st = piece_write(STDOUT_FILENO, st, view_cstr(text));
	free(text);
	json_decref(s->told);
	json_decref(q);
	return st;
}

/* Everything that needs files, and then the walls. */
static bool get_ready(const struct agent *a, struct speaker *s, struct asker *asker)
{
	const char *own = a->conf->acme_authorities;
	struct sandbox walls = { .calls = CALLS, .uid = role_uid(a->conf, ROLE_RELAY, 0), .filter = &a->filter };
	const char *why = NULL;

	*s = (struct speaker){ .conf = a->conf };
	s->resolver = asker_open(asker, a->in);
	if (s->resolver == NULL)
		return false;
	if (loop_new(&s->loop) == ST_OK && fetcher_new(s->loop, own[0] ? own : system_authorities, &s->fetcher) == ST_OK &&
	    sandbox_enter(&walls, &why) == ST_OK)
		return true;
	fprintf(stderr, "waxwing: who speaks with the issuer cannot be locked in (%s)\n", why ? why : "no memory");
	return false;
}

static void run(void *arg)
{
	struct buf question = BUF(QUESTION_MAX);
	struct speaker s;
	struct asker asker;
	enum status st = get_ready(arg, &s, &asker) ? ST_OK : ST_DENIED, ignored;

	while (st == ST_OK) {
		st = piece_read(STDIN_FILENO, &question, &ignored);
		if (st == ST_OK)
			st = answer(&s, buf_view(&question));
	}
	_exit(0);
}

/* ---- ours ---- */

enum status agent_new(const struct invocation *in, const struct conf *c, struct agent **ret)
{
	struct agent *a = calloc(1, sizeof *a);
	enum status st = a ? confined_filter(CALLS, &a->filter) : ST_NOMEM;

	/* jansson asks for it when the first object is made, from a file. */
	json_object_seed(0);
	if (st == ST_OK) {
		a->in = in;
		a->conf = c;
		st = confined_begin(&a->child, run, a);
	}
	if (st == ST_OK)
		*ret = a;
	else
		agent_free(a);
	return st;
}

void agent_free(struct agent *a)
{
	if (a == NULL)
		return;
	confined_end(&a->child);
	sandbox_filter_free(&a->filter);
	free(a);
}

void agent_answer_free(struct agent_answer *a)
{
	json_decref(a->whole);
	*a = (struct agent_answer){ .whole = NULL };
}

static struct view text_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_string(v) ? view_make(json_string_value(v), json_string_length(v)) : VIEW_NONE;
}

/* A name in a certificate may stand in it. */
static void put_clean(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n && i < WHY_MAX; i++)
		buf_putc(out, v.p[i] >= ' ' && v.p[i] <= '~' ? v.p[i] : '?');
}

/* What it tells may be anything, were it not itself any more. */
static enum status take_told(struct view told, struct agent_answer *ret, struct buf *why)
{
	json_t *o = json_loadb(told.p ? told.p : "", told.n, 0, NULL);
	struct agent_answer a = {
		.whole = o, .nonce = text_of(o, "nonce"), .location = text_of(o, "location"), .text = text_of(o, "text"),
		.status = (unsigned)json_integer_value(json_object_get(o, "status")), .json = json_object_get(o, "json"),
		.again_s = (uint64_t)json_integer_value(json_object_get(o, "again")),
	};

	if (json_object_get(o, "status")) {
		*ret = a;
		return ST_OK;
	}
	put_clean(o ? text_of(o, "why") : VIEW("what it said was not understood"), why);
	json_decref(o);
	return ST_IO;
}

static enum status put_question(struct view url, struct view body, struct buf *out)
{
	json_t *q = json_pack("{s:o}", "url", json_text(url));
	char *text;

	if (q && body.n)
		json_object_set_new(q, "body", json_text(body));
	text = json_dumps(q, JSON_COMPACT);
	buf_puts(out, text ? text : "");
	free(text);
	json_decref(q);
	return text ? buf_status(out) : ST_NOMEM;
}

enum status agent_ask(struct agent *a, struct view url, struct view body, struct agent_answer *ret, struct buf *why)
{
	struct buf question = BUF(QUESTION_MAX), told = BUF(TOLD_MAX);
	enum status st = put_question(url, body, &question), its = ST_OK;

	if (st == ST_OK)
		st = piece_write(a->child.to, ST_OK, buf_view(&question));
	if (st == ST_OK)
		st = piece_read(a->child.from, &told, &its);
	if (st == ST_OK)
		st = its;
	if (st == ST_OK)
		st = take_told(buf_view(&told), ret, why);
	else
		buf_puts(why, st == ST_CLOSED ? "the process that speaks with it has ended" : status_name(st));
	buf_free(&question);
	buf_free(&told);
	return st;
}
