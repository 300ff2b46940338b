/* dns.c - waxwing dns: what has to be published, in the form that is wanted. */
#include "admin/dns/facts.h"
#include "admin/dns/seen.h"
#include "admin/dns/update.h"
#include "admin/inspect.h"
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ZONE_MAX = 64 * 1024 * 1024, SEEN_ARENA = 8 * 1024 * 1024, UPDATE_MS = 10000, DNS_PORT = 53 };

static struct view why_of(const struct wanted *w)
{
	return w->why.n ? w->why : view_cstr(wanted_kind_row(w->kind)->good_for);
}

/* ---- a zone file ---- */

/* Those of other zones come last, as comments. */
static void put_zone(const struct facts *f, const struct wanted_list *w, struct buf *out)
{
	const struct wanted_kind_row *before = NULL;

	buf_putf(out, "; what %.*s should say in DNS (waxwing dns)\n", VIEW_ARG(f->f.domain));
	for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
		for (size_t i = 0; i < w->n; i++) {
			const struct wanted *one = &w->list[i];
			const struct wanted_kind_row *kind = wanted_kind_row(one->kind);

			if (one->elsewhere != (elsewhere == 1))
				continue;
			if (kind != before)
				buf_putf(out, "\n; %s%s: %s\n", elsewhere ? "in another zone: " : "", kind->title, kind->good_for);
			before = kind;
			if (one->why.n)
				buf_putf(out, "; %.*s\n", VIEW_ARG(one->why));
			buf_puts(out, elsewhere ? "; " : "");
			wanted_line(one, f->f.ttl, out);
			buf_putc(out, '\n');
		}
		before = NULL;
	}
}

static int print_zone(const struct facts *f, const struct wanted_list *w)
{
	struct buf text = BUF(ZONE_MAX);
	int done = FAILED;

	put_zone(f, w, &text);
	if (buf_status(&text) != ST_OK)
		complain("dns", buf_status(&text), NULL);
	else if (fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0)
		done = DONE;
	buf_free(&text);
	return done;
}

/* ---- for programs ---- */

static json_t *row_of(const struct facts *f, const struct wanted *w)
{
	struct buf data = BUF(ZONE_MAX);
	json_t *o;

	dns_rdata_text(w->type, w->rdata, &data);
	o = json_pack("{s:s, s:o, s:s, s:o, s:I, s:o, s:b}", "kind", wanted_kind_row(w->kind)->word, "name",
		      json_text(w->name), "type", dns_type_name(w->type), "data", json_text(buf_view(&data)), "ttl",
		      (json_int_t)f->f.ttl, "why", json_text(why_of(w)), "elsewhere", (int)w->elsewhere);
	buf_free(&data);
	return o;
}

static int print_rows(struct invocation *in, const struct facts *f, const struct wanted_list *w)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < w->n; i++)
		json_array_append_new(rows, row_of(f, &w->list[i]));
	return listing_print(in, NULL, 0, rows, "");
}

/* ---- done, and to do ---- */

static void print_seen(const struct facts *f, const struct wanted *w, const struct seen *s)
{
	struct buf line = BUF(ZONE_MAX);

	wanted_line(w, f->f.ttl, &line);
	printf("%-8s %-18s %.*s\n", seen_state_name(s->state), wanted_kind_row(w->kind)->title, VIEW_ARG(why_of(w)));
	if (s->state != SEEN_GOOD)
		printf("         %s%.*s\n", w->elsewhere ? "in another zone: " : "", VIEW_ARG(buf_view(&line)));
	if (s->state == SEEN_CONFLICT)
		printf("         there is: %.*s\n", VIEW_ARG(s->other));
	if (s->state == SEEN_UNKNOWN)
		printf("         DNS does not say: %.*s\n", VIEW_ARG(s->other));
	buf_free(&line);
}

/* Kinds of which nothing is published, and how that would change. */
static const struct {
	enum wanted_kind kind;
	const char *so;
} absent[] = {
	{ WANTED_DKIM, "there is no key to sign with" },
	{ WANTED_DMARC, "publish.dmarc is empty" },
	{ WANTED_STS, "sts.mode is none, or listen.https empty; it needs a certificate of a public authority" },
	{ WANTED_CAA, "publish.caa and publish.caa_mail are empty; any authority may issue certificates" },
	{ WANTED_SMIMEA, "nobody here has a certificate for S/MIME" },
	{ WANTED_WEB, "listen.https is empty" },
	{ WANTED_PTR, "no public address of this host is known: see host.addresses" },
};

static void print_absent(const struct wanted_list *w)
{
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
		bool there = false;

		for (size_t j = 0; j < w->n; j++)
			there |= w->list[j].kind == absent[i].kind;
		if (!there)
			printf("%-8s %-18s %s\n", "-", wanted_kind_row(absent[i].kind)->title, absent[i].so);
	}
}

static int checklist(struct invocation *in, const struct facts *f, const struct wanted_list *w)
{
	struct arena a = ARENA(SEEN_ARENA);
	json_t *rows = json_array();
	struct direct *d = NULL;
	size_t good = 0;
	enum status st = open_direct(in, &d);
	bool json = in->given[OPTION_json] != NULL;

	for (size_t i = 0; i < w->n && st == ST_OK; i++) {
		struct seen s;
		json_t *row;

		st = wanted_look(&w->list[i], &f->f, direct_resolver(d), &a, &s);
		if (st != ST_OK)
			break;
		good += s.state == SEEN_GOOD;
		row = row_of(f, &w->list[i]);
		json_object_set_new(row, "state", json_string(seen_state_name(s.state)));
		json_object_set_new(row, "secure", json_boolean(s.secure));
		json_object_set_new(row, "other", json_text(s.other));
		json_array_append_new(rows, row);
		if (!json)
			print_seen(f, &w->list[i], &s);
	}
	direct_free(d);
	arena_free(&a);
	if (st == ST_OK && json)
		return listing_print(in, NULL, 0, rows, "") == DONE && good == w->n ? DONE : FAILED;
	json_decref(rows);
	if (st != ST_OK)
		return complain("dns", st, NULL);
	print_absent(w);
	printf("\n%.*s: %zu of %zu done\n", VIEW_ARG(f->f.domain), good, w->n);
	return fflush(stdout) == 0 && good == w->n ? DONE : FAILED;
}

/* ---- an update ---- */

struct telling {
	json_t *rows;
	size_t conflicts, changes;
	bool json;
};

static void tell_one(void *arg, enum update_what what, struct view line, struct view other)
{
	static const char *const words[] = {
		[UPDATE_KEPT] = "kept", [UPDATE_ADDED] = "added", [UPDATE_REMOVED] = "removed",
		[UPDATE_CONFLICT] = "conflict",
	};
	struct telling *t = arg;

	t->conflicts += what == UPDATE_CONFLICT;
	t->changes += what == UPDATE_ADDED || what == UPDATE_REMOVED;
	json_array_append_new(t->rows, json_pack("{s:s, s:o, s:o}", "what", words[what], "record", json_text(line),
						 "other", json_text(other)));
	if (t->json)
		return;
	printf("%-9s %.*s\n", words[what], VIEW_ARG(line));
	if (other.n)
		printf("          stays, and is not ours: %.*s\n", VIEW_ARG(other));
}

/* SERVER[:PORT], an IPv6 address in [] where a port follows. */
static bool take_server(const char *text, struct endpoint *ret)
{
	struct view v = view_cstr(text), port = VIEW_NONE;
	size_t colon = v.n;
	uint64_t n = DNS_PORT;

	while (colon && v.p[colon - 1] != ':')
		colon--;
	if (v.n && v.p[0] == '[') {
		port = view_skip(v, view_find(v, ']') + 1);
		v = view_skip(view_head(v, view_find(v, ']')), 1);
	} else if (colon && memchr(v.p, ':', colon - 1) == NULL) {
		port = view_skip(v, colon - 1);
		v = view_head(v, colon - 1);
	}
	if (port.n && (port.p[0] != ':' || !view_u64(view_skip(port, 1), &n) || n == 0 || n > UINT16_MAX))
		return false;
	return endpoint_parse(v, (uint16_t)n, ret) == ST_OK;
}

static enum status read_key(const char *path, struct tsig_key *ret)
{
	struct buf text = BUF(TSIG_FILE_MAX);
	struct stat sb;
	enum status st = stat(path, &sb) == 0 ? ST_OK : ST_MISSING;

	if (st == ST_OK && sb.st_mode & (S_IRWXG | S_IRWXO)) {
		tell("%s: others can read it; chmod 0600", path);
		return ST_DENIED;
	}
	if (st == ST_OK)
		st = read_file(path, &text);
	if (st == ST_OK) {
		st = tsig_key_parse(buf_view(&text), ret);
		if (st != ST_OK)
			tell("%s: %s", path, st == ST_DENIED ? "the key is for another algorithm than hmac-sha256"
							     : "no key of TSIG is in it");
	} else {
		complain(path, st, NULL);
	}
	buf_wipe(&text);
	return st;
}

static int update(struct invocation *in, const struct facts *f, const struct wanted_list *w)
{
	struct telling t = { .rows = json_array(), .json = in->given[OPTION_json] != NULL };
	struct buf why = BUF(FACTS_WHY);
	struct tsig_key key = { 0 };
	struct update u = {
		.dir = in->dir, .domain = f->f.domain, .wanted = w, .ttl = f->f.ttl,
		.key = in->given[OPTION_tsig] ? &key : NULL, .timeout_ms = UPDATE_MS, .each = tell_one, .arg = &t,
	};
	enum status st = ST_OK;

	if (!take_server(in->given[OPTION_update], &u.server)) {
		tell("--update wants the address of a name server, such as 192.0.2.53 or [2001:db8::53]:53");
		json_decref(t.rows);
		return WRONG_USE;
	}
	if (u.key)
		st = read_key(in->given[OPTION_tsig], &key);
	if (st == ST_OK) {
		st = update_run(&u, &why);
		if (st != ST_OK)
			tell("%s: %.*s", in->given[OPTION_update],
			     VIEW_ARG(why.n ? buf_view(&why) : view_cstr(status_name(st))));
	}
	explicit_bzero(&key, sizeof key);
	buf_free(&why);
	if (st == ST_OK && t.json)
		return listing_print(in, NULL, 0, t.rows, "") == DONE && t.conflicts == 0 ? DONE : FAILED;
	json_decref(t.rows);
	if (st == ST_OK && t.changes == 0 && t.conflicts == 0)
		puts("All is there already.");
	return st == ST_OK && t.conflicts == 0 && fflush(stdout) == 0 ? DONE : FAILED;
}

/* ---- the command ---- */

int cmd_dns(struct invocation *in)
{
	struct buf why = BUF(FACTS_WHY);
	struct wanted_list w = { 0 };
	const char *what = "";
	struct facts f;
	enum status st = facts_gather(in->dir, view_cstr(in->args[0]), &f, &why);
	int done = FAILED;

	if (st != ST_OK)
		tell("%.*s", VIEW_ARG(why.n ? buf_view(&why) : view_cstr(status_name(st))));
	else if ((st = wanted_make(&f.f, &w, &what)) != ST_OK)
		tell("%s of %s: %s", what, in->args[0], st == ST_SYNTAX ? "the settings make no record" : status_name(st));
	else if (in->given[OPTION_update])
		done = update(in, &f, &w);
	else if (in->given[OPTION_checklist])
		done = checklist(in, &f, &w);
	else if (in->given[OPTION_json])
		done = print_rows(in, &f, &w);
	else
		done = print_zone(&f, &w);
	wanted_free(&w);
	facts_free(&f);
	buf_free(&why);
	return done;
}
