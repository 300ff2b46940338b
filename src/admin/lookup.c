/* lookup.c - waxwing lookup: what DNS says, and whether that is proved.  Asks
 * the running server, or DNS itself. */
#include "admin/inspect.h"
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "names/describe.h"
#include "names/direct.h"
#include "wire/rdata.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { JSON_MAX = 1024 * 1024, ARENA_MAX = 1024 * 1024, WHY_MAX = 1024, AGAIN_TRIES = 100, AGAIN_MS = 50 };

/* Whom we ask: the server that runs on dir, or (direct) DNS itself. */
struct looker {
	const char *dir;
	struct direct *direct;
};

/* ---- one question ---- */

static void keep_row(void *arg, struct view json)
{
	json_t **row = arg;

	json_decref(*row);
	*row = json_loadb(json.p, json.n, 0, NULL);
}

static json_t *ask_server(const char *dir, const char *name, enum dns_type type)
{
	struct buf argument = BUF(2 * DNS_TEXT_NAME_MAX);
	struct control_answer answer;
	json_t *row = NULL;
	enum status st;

	buf_putf(&argument, "%s %s", dns_type_name(type), name);
	buf_putc(&argument, '\0');
	st = buf_status(&argument);
	if (st == ST_OK)
		st = control_ask(dir, "dns-lookup", argument.p, keep_row, &row, &answer);
	buf_free(&argument);
	if (st == ST_OK)
		buf_free(&answer.text);
	if (st == ST_OK && row)
		return row;
	json_decref(row);
	complain(dir, st == ST_OK ? ST_LIMIT : st, NULL);
	return NULL;
}

static json_t *ask_direct(struct direct *d, const char *name, enum dns_type type)
{
	struct arena arena = ARENA(ARENA_MAX);
	struct buf json = BUF(JSON_MAX);
	struct dns_answer a;
	json_t *row = NULL;
	enum status st = dns_ask(direct_resolver(d), view_cstr(name), type, &arena, &a);

	if (st == ST_OK) {
		describe_answer(view_cstr(name), type, &a, &json);
		st = buf_status(&json);
	}
	if (st == ST_OK)
		row = json_loadb(json.p, json.n, 0, NULL);
	else
		complain(name, st, NULL);
	buf_free(&json);
	arena_free(&arena);
	return row;
}

/* NULL after having complained. */
static json_t *look(struct looker *l, const char *name, enum dns_type type)
{
	return l->direct ? ask_direct(l->direct, name, type) : ask_server(l->dir, name, type);
}

/* ---- how far it is proved ---- */

static bool says(const json_t *answer, const char *outcome)
{
	const char *text = json_string_value(json_object_get(answer, "outcome"));

	return text && strcmp(text, outcome) == 0;
}

static bool is_secure(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "secure"));
}

/* What the zone above says of the keys of this name: "signed", "unsigned",
 * "bogus", "failed", or NULL where no zone begins here (RFC 4035 5.2). */
static const char *security_at(struct looker *l, const char *name)
{
	json_t *ds = look(l, name, DNS_DS), *soa = NULL;
	const char *word = NULL;

	if (ds == NULL || says(ds, "failed"))
		word = "failed";
	else if (says(ds, "bogus"))
		word = "bogus";
	else if (says(ds, "found"))
		word = is_secure(ds) ? "signed" : "unsigned";
	else if (!is_secure(ds))
		word = "unsigned";
	else if ((soa = look(l, name, DNS_SOA)) != NULL && says(soa, "found") && !is_secure(soa))
		word = "unsigned";
	json_decref(ds);
	json_decref(soa);
	return word;
}

/* From the top down, the zones on the way to a name: [{"zone", "security"}];
 * ends at the first that is not signed. */
static json_t *chain_of(struct looker *l, const char *name)
{
	json_t *chain = json_array();
	const char *at = name + strlen(name);

	while (at > name) {
		const char *word;

		do
			at--;
		while (at > name && at[-1] != '.');
		word = security_at(l, at);
		/* A name within a zone that is bogus is no zone of its own. */
		if (word && strcmp(word, "bogus") == 0 && json_array_size(chain))
			json_object_set_new(json_array_get(chain, json_array_size(chain) - 1), "security",
					    json_string(word));
		else if (word)
			json_array_append_new(chain, json_pack("{s:s, s:s}", "zone", at, "security", word));
		if (word && strcmp(word, "signed") != 0)
			break;
	}
	return chain;
}

/* ---- for people ---- */

static const char *last_zone(const json_t *chain)
{
	size_t n = json_array_size(chain);
	const char *zone = n ? json_string_value(json_object_get(json_array_get(chain, n - 1), "zone")) : NULL;

	return zone ? zone : ".";
}

static void print_way(const json_t *chain)
{
	const json_t *one;
	size_t i;

	printf("  proved from the root down: .");
	json_array_foreach(chain, i, one)
		printf(" > %s", json_string_value(json_object_get(one, "zone")));
	putchar('\n');
}

static const struct {
	const char *outcome, *text;
} outcomes[] = {
	{ "found", "found" },
	{ "no-data", "the name is there, without records of this type" },
	{ "no-name", "there is no such name" },
	{ "failed", "no answer; this may pass, and mail waits" },
	{ "bogus", "bogus: proof was due and failed; nothing of it is used, and mail waits" },
};

static void print_answer(const json_t *a, const json_t *chain)
{
	const char *why = json_string_value(json_object_get(a, "why"));
	const char *canonical = json_string_value(json_object_get(a, "canonical"));
	const char *name = json_string_value(json_object_get(a, "name")), *bold = wants_colour() ? "\033[1m" : "";
	const json_t *one;
	size_t i;

	printf("%s%s %s%s: ", bold, name, json_string_value(json_object_get(a, "type")), *bold ? "\033[0m" : "");
	for (i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
		if (says(a, outcomes[i].outcome))
			printf("%s", outcomes[i].text);
	if (!says(a, "failed") && !says(a, "bogus"))
		printf(", %s, for %lld s", is_secure(a) ? "secure" : "insecure",
		       (long long)json_integer_value(json_object_get(a, "ttl")));
	putchar('\n');
	json_array_foreach(json_object_get(a, "records"), i, one)
		printf("  %s\n", json_string_value(one));
	if (canonical && *canonical && name && strcasecmp(canonical, name) != 0)
		printf("  the name is an alias of %s\n", canonical);
	if (why && *why)
		printf("  why: %s\n", why);
	if (is_secure(a))
		print_way(chain);
	else if (says(a, "bogus"))
		printf("  the proof breaks in the zone %s\n", last_zone(chain));
	else if (!says(a, "failed") && json_array_size(chain))
		printf("  the zone %s is not signed\n", last_zone(chain));
}

/* ---- the command ---- */

/* Does the process names of a running server answer?  After --forget it has
 * just begun anew: that takes some milliseconds. */
static bool server_answers(const struct invocation *in)
{
	struct control_answer answer;
	enum status st = control_ask(in->dir, in->given[OPTION_forget] ? "dns-forget" : "names-status", "",
				     NULL, NULL, &answer);

	if (st != ST_OK)
		return false;
	buf_free(&answer.text);
	for (int i = 0; i < AGAIN_TRIES && in->given[OPTION_forget]; i++) {
		usleep(AGAIN_MS * 1000);
		st = control_ask(in->dir, "names-status", "", NULL, NULL, &answer);
		if (st != ST_OK)
			continue;
		buf_free(&answer.text);
		break;
	}
	return st == ST_OK;
}

static enum status open_looker(struct invocation *in, struct looker *l)
{
	*l = (struct looker){ .dir = in->dir };
	if (!in->given[OPTION_resolver] && !in->given[OPTION_trust_anchor] && server_answers(in))
		return ST_OK;
	return open_direct(in, &l->direct);
}

/* The name, or of an address that of its PTR; with a NUL behind. */
static void name_of(const char *given, enum dns_type type, struct buf *out)
{
	struct view name = view_cstr(given);

	if (type != DNS_PTR || dns_reverse_name(name, out) != ST_OK) {
		buf_clear(out);
		if (name.n > 1 && name.p[name.n - 1] == '.')
			name.n--;
		for (size_t i = 0; i < name.n; i++)
			buf_putc(out, ascii_lower(name.p[i]));
	}
	buf_putc(out, '\0');
}

static int show(struct invocation *in, struct looker *l, const char *name, enum dns_type type)
{
	json_t *a = look(l, name, type), *chain;
	const char *canonical;
	int done = DONE;

	if (a == NULL)
		return FAILED;
	canonical = json_string_value(json_object_get(a, "canonical"));
	/* Where nobody answers, asking more only takes longer. */
	chain = says(a, "failed") ? json_array() : chain_of(l, canonical ? canonical : name);
	if (in->given[OPTION_json]) {
		json_object_set(a, "chain", chain);
		if (json_dumpf(a, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF)
			done = FAILED;
	} else {
		print_answer(a, chain);
	}
	if (says(a, "failed") || says(a, "bogus"))
		done = FAILED;
	json_decref(chain);
	json_decref(a);
	return fflush(stdout) == 0 ? done : FAILED;
}

int cmd_lookup(struct invocation *in)
{
	struct buf name = BUF(DNS_TEXT_NAME_MAX);
	enum dns_type type = DNS_MX;
	struct looker l;
	int done;

	if (in->n == 2 && !dns_type_of(view_cstr(in->args[1]), &type)) {
		tell("no type %.40s; `waxwing help lookup` lists them", in->args[1]);
		return WRONG_USE;
	}
	name_of(in->args[0], type, &name);
	if (buf_status(&name) != ST_OK) {
		tell("%.80s... is too long for a name", in->args[0]);
		buf_free(&name);
		return WRONG_USE;
	}
	done = open_looker(in, &l) == ST_OK ? show(in, &l, name.p, type) : FAILED;
	direct_free(l.direct);
	buf_free(&name);
	return done;
}
