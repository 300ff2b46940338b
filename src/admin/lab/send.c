/* send.c - waxwing lab send: one letter, and what becomes of it. */
#include "admin/lab/dialog.h"

#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 10, PATIENCE_MS = 30000, ID_MAX = 64, TEXT_MAX = 4096, LINES_MOST = 10000 };

/* What became of it. */
enum outcome { UNDECIDED, DELIVERED, WAITS, RETURNED };

static const struct {
	const char *name, *text;
} outcomes[] = {
	[UNDECIDED] = { "unknown", "Nothing was heard of it in time; look into the logs" },
	[DELIVERED] = { "delivered", "Delivered" },
	[WAITS] = { "waits", "It waits at the host of its sender, and is tried again" },
	[RETURNED] = { "returned", "It comes back to its sender" },
};

struct story {
	struct lab *lab;
	const struct lab_place *from, *to;	/* to: NULL where it leaves the lab */
	const char *sender, *recipient;
	char id[ID_MAX];	/* at the host of the sender */
	char there[ID_MAX];	/* at the host of the recipient, once it is */
	json_t *lines;		/* all log lines meanwhile: {"host", "line"} */
	enum outcome outcome;
	struct buf how;		/* how the connection was secured */
	struct buf says;	/* why it waits or comes back */
	json_t *sealed, *checked;	/* its seal, and what the other host found; or NULL */
};

/* ---- what the logs say ---- */

static void keep_line(void *arg, const struct lab_place *at, const struct log_line *l)
{
	struct story *s = arg;
	struct view whole = view_make(l->at.p, (size_t)(l->rest.p + l->rest.n - l->at.p));

	if (json_array_size(s->lines) < LINES_MOST)
		json_array_append_new(s->lines, json_pack("{s:s, s:o}", "host", at->domain, "line", json_text(whole)));
}

/* One of the lines kept, taken apart again; false where it is of another host. */
static bool line_of(const json_t *kept, const struct lab_place *p, struct log_line *ret)
{
	return p && strcmp(json_string_value(json_object_get(kept, "host")), p->domain) == 0 &&
	       log_line_split(view_cstr(json_string_value(json_object_get(kept, "line"))), ret);
}

static bool names(const struct log_line *l, const char *id)
{
	return id[0] && view_eq(log_line_pair(l->rest, "id"), view_cstr(id));
}

/* "OK id=6920f8d100000.1": how the other host calls it. */
static void take_there(struct story *s, struct view says)
{
	const char *at = says.n ? memmem(says.p, says.n, "id=", 3) : NULL;

	if (at)
		snprintf(s->there, sizeof s->there, "%.*s",
			 VIEW_ARG(view_head(view_make(at + 3, (size_t)(says.p + says.n - at - 3)), ID_MAX - 1)));
}

static void judge_line(struct story *s, const struct log_line *l)
{
	bool relay = view_starts_i(l->process, VIEW("relay"));

	if (relay && view_eq(l->event, VIEW("relayed"))) {
		buf_clear(&s->how);
		buf_clear(&s->says);
		log_line_value(l->rest, "how", &s->how);
		log_line_value(l->rest, "says", &s->says);
		take_there(s, buf_view(&s->says));
	} else if (relay && (view_eq(l->event, VIEW("warning later")) || view_eq(l->event, VIEW("warning refused")))) {
		s->outcome = view_eq(l->event, VIEW("warning later")) ? WAITS : RETURNED;
		buf_clear(&s->says);
		log_line_value(l->rest, "says", &s->says);
	} else if (view_eq(l->event, VIEW("delivered"))) {
		s->outcome = DELIVERED;
	}
}

/* The pairs of a line that are there, as an object. */
static json_t *pairs_of(const struct log_line *l, const char *const *keys, size_t n)
{
	json_t *o = json_object();

	for (size_t i = 0; i < n; i++) {
		struct buf value = BUF(TEXT_MAX);

		log_line_value(l->rest, keys[i], &value);
		if (value.n)
			json_object_set_new(o, keys[i], json_text(buf_view(&value)));
		buf_free(&value);
	}
	return o;
}

static void keep_pairs(json_t **to, const struct log_line *l, const char *const *keys, size_t n)
{
	json_decref(*to);
	*to = pairs_of(l, keys, n);
}

/* The seal at one end, the verdict at the other.  A letter that was refused
 * has no name there; then its author tells. */
static void judge_seal(struct story *s, const json_t *kept)
{
	static const char *const seal[] = { "by", "domain", "why" };
	static const char *const verdict[] = { "spf", "dkim", "dmarc", "disposition", "arc" };
	struct log_line l;

	if (line_of(kept, s->from, &l) && names(&l, s->id) && view_starts_i(l.process, VIEW("relay")) &&
	    (view_eq(l.event, VIEW("sealed")) || view_eq(l.event, VIEW("warning not-sealed"))))
		keep_pairs(&s->sealed, &l, seal, sizeof seal / sizeof *seal);
	if (s->from != s->to && line_of(kept, s->to, &l) && view_eq(l.event, VIEW("checked")) &&
	    (s->there[0] ? names(&l, s->there) : view_eq_i(log_line_pair(l.rest, "from"), view_cstr(s->sender))))
		keep_pairs(&s->checked, &l, verdict, sizeof verdict / sizeof *verdict);
}

/* From all lines so far, which may have come in another order than they
 * mean. */
static void judge(struct story *s)
{
	const json_t *one;
	struct log_line l;
	size_t i;

	s->outcome = UNDECIDED;
	json_array_foreach(s->lines, i, one)
		if (line_of(one, s->from, &l) && names(&l, s->id))
			judge_line(s, &l);
	json_array_foreach(s->lines, i, one)
		if (line_of(one, s->to, &l) && names(&l, s->there) && view_eq(l.event, VIEW("delivered")))
			s->outcome = DELIVERED;
	json_array_foreach(s->lines, i, one)
		judge_seal(s, one);
}

static void follow(struct story *s, struct lab_tails *tails)
{
	steady_ms end = clock_steady() + PATIENCE_MS;

	while (s->outcome == UNDECIDED && clock_steady() < end) {
		if (lab_tails_poll(tails, keep_line, s))
			judge(s);
		else
			sleep_ms(LOOK_MS);
	}
}

/* ---- what DNS said ---- */

static void ask(const struct story *s, json_t *all, const char *type, const char *name)
{
	char dir[LAB_PATH], argument[512];

	snprintf(argument, sizeof argument, "%s %s", type, name);
	(void)!control_rows(lab_path(s->lab, dir, "%s", s->from->domain), "dns-lookup", argument, all, NULL);
}

/* The questions that a host has to ask before it connects, and the answers
 * that the host of the sender gets. */
static json_t *dns_of(const struct story *s)
{
	const char *domain = strchr(s->recipient, '@') + 1, *mx;
	json_t *all = json_array();
	char name[320];

	if (s->from == s->to)
		return all;
	ask(s, all, "MX", domain);
	mx = json_string_value(json_array_get(json_object_get(json_array_get(all, 0), "records"), 0));
	mx = mx ? strchr(mx, ' ') : NULL;
	if (mx == NULL || mx[1] == '\0' || mx[1] == '.')
		return all;
	snprintf(name, sizeof name, "%.255s", mx + 1);
	name[strlen(name) - 1] = '\0';	/* the last dot */
	ask(s, all, "A", name);
	snprintf(name, sizeof name, "_%d._tcp.%.*s", LAB_SMTP_PORT, (int)strlen(mx + 1) - 1, mx + 1);
	ask(s, all, "TLSA", name);
	return all;
}

/* ---- showing ---- */

/* What the way was worth, in one sentence. */
static const char *verdict_on(const struct story *s)
{
	struct view how = buf_view(&s->how);
	const char *before = memmem(how.p ? how.p : "", how.n, " (was", 5);

	if (before)
		how.n = (size_t)(before - how.p);
	if (s->outcome != DELIVERED || s->from == s->to)
		return NULL;
	if (memmem(how.p ? how.p : "", how.n, "DANE", 4))
		return "On the way it was encrypted, and DNSSEC and DANE had proved who the other host was";
	if (memmem(how.p ? how.p : "", how.n, "PKIX", 4))
		return "On the way it was encrypted, and an authority had vouched for the other host";
	if (how.n && view_starts_i(how, VIEW("TLS")))
		return "On the way it was encrypted, but nobody had proved who the other host was";
	return "On the way it was in clear: whoever listened has read it, and could have changed it";
}

static void print_dns(const json_t *all)
{
	const json_t *one, *record;
	size_t i, k;

	json_array_foreach(all, i, one) {
		const char *outcome = json_string_value(json_object_get(one, "outcome"));
		bool found = strcmp(outcome, "found") == 0;

		printf("  DNS          %s %s: ", json_string_value(json_object_get(one, "name")),
		       json_string_value(json_object_get(one, "type")));
		json_array_foreach(json_object_get(one, "records"), k, record)
			printf("%s%.60s%s", k ? ", " : "", json_string_value(record),
			       strlen(json_string_value(record)) > 60 ? "..." : "");
		printf("%s%s\n", found ? "" : outcome,
		       json_is_true(json_object_get(one, "secure")) ? "   (proved by DNSSEC)"
		       : found					    ? "   (not proved)"
									    : "");
	}
}

/* All turns of the session in which that host got the letter. */
static void each_turn(const struct story *s, const struct lab_place *p, const char *id,
		      void (*turn)(void *arg, struct lab_sessions *all, const struct lab_turn *t, struct view time),
		      void *arg)
{
	struct lab_sessions *sessions = lab_sessions_new(s->lab);
	char sid[ID_MAX];
	const json_t *one;
	struct log_line l;
	size_t i;

	snprintf(sid, sizeof sid, "%.*s", (int)strcspn(id, "."), id);
	json_array_foreach(s->lines, i, one) {
		struct lab_turn t;

		if (sessions == NULL || !line_of(one, p, &l) || !lab_turn_of(sessions, p, &l, sid, &t))
			continue;
		turn(arg, sessions, &t, l.at);
		buf_free(&t.text);
	}
	lab_sessions_free(sessions);
}

static void print_turn(void *arg, struct lab_sessions *all, const struct lab_turn *t, struct view time)
{
	(void)arg;
	lab_turn_print(all, t, time, true);
}

static void add_turn(void *arg, struct lab_sessions *all, const struct lab_turn *t, struct view time)
{
	(void)all;
	json_array_append_new(arg, lab_turn_json(t, time));
}

static void print_pairs(const char *host, const char *what, const json_t *pairs)
{
	const char *key;
	const json_t *value;

	if (pairs == NULL)
		return;
	printf("  %-12s %s", host, what);
	json_object_foreach((json_t *)pairs, key, value)
		printf(" %s=%s", key, json_string_value(value));
	putchar('\n');
}

static void print_story(const struct story *s, const struct invocation *in)
{
	json_t *dns = dns_of(s);
	const char *verdict = verdict_on(s);

	printf("Letter %s from %s to %s\n\n", s->id, s->sender, s->recipient);
	printf("  %-12s has it on disk\n", s->from->domain);
	print_dns(dns);
	print_pairs(s->from->domain, "sealed it:", s->sealed);
	if (s->how.n)
		printf("  %-12s gave it on: %.*s\n", s->from->domain, VIEW_ARG(buf_view(&s->how)));
	if (s->to)
		print_pairs(s->to->domain, "checked it:", s->checked);
	if (s->outcome == DELIVERED && s->to)
		printf("  %-12s has put it into the mailbox of %s\n", s->to->domain, s->recipient);
	else if (s->says.n)
		printf("  %-12s says: %.*s\n", s->from->domain, VIEW_ARG(buf_view(&s->says)));
	printf("\n%s.%s%s%s\n", outcomes[s->outcome].text, verdict ? " " : "", verdict ? verdict : "",
	       verdict ? "." : "");
	if (in->given[OPTION_explain] && s->there[0]) {
		putchar('\n');
		each_turn(s, s->to, s->there, print_turn, NULL);
	}
	json_decref(dns);
}

static void print_json_story(const struct story *s)
{
	const char *verdict = verdict_on(s);
	json_t *dialog = json_array();
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", s->id, "there", s->there, "from", s->sender, "to",
			      s->recipient, "outcome", outcomes[s->outcome].name);

	json_object_set_new(o, "how", json_text(buf_view(&s->how)));
	json_object_set_new(o, "says", json_text(buf_view(&s->says)));
	json_object_set_new(o, "verdict", verdict ? json_string(verdict) : json_null());
	json_object_set(o, "sealed", s->sealed ? s->sealed : json_null());
	json_object_set(o, "checked", s->checked ? s->checked : json_null());
	json_object_set_new(o, "dns", dns_of(s));
	if (s->there[0])
		each_turn(s, s->to, s->there, add_turn, dialog);
	json_object_set_new(o, "dialog", dialog);
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

/* ---- the command ---- */

static int send_letter(struct story *s, const struct invocation *in)
{
	struct lab_tails *tails = lab_tails_open(s->lab);
	struct buf id = BUF(ID_MAX - 1), why = BUF(TEXT_MAX);
	enum status st = tails ? lab_submit(s->lab, s->from, s->sender, s->recipient, &id, &why) : ST_NOMEM;

	if (st == ST_OK) {
		snprintf(s->id, sizeof s->id, "%.*s", VIEW_ARG(buf_view(&id)));
		follow(s, tails);
		if (in->given[OPTION_json])
			print_json_story(s);
		else
			print_story(s, in);
	} else {
		tell("%s does not take it: %.*s", s->from->mail, VIEW_ARG(buf_view(&why)));
	}
	lab_tails_close(tails);
	buf_free(&id);
	buf_free(&why);
	return st == ST_OK && s->outcome == DELIVERED ? DONE : FAILED;
}

static bool is_address(const char *text)
{
	const char *at = strchr(text, '@');

	return at && at > text && at[1] && strlen(text) < 250 && strpbrk(text, "<> \t\r\n") == NULL;
}

int cmd_lab_send(struct invocation *in)
{
	struct lab l;
	struct story s = {
		.lab = &l, .how = BUF(TEXT_MAX), .says = BUF(TEXT_MAX), .lines = json_array(),
		.sender = in->given[OPTION_from] ? in->given[OPTION_from] : "Smith@bar.com",
		.recipient = in->given[OPTION_to] ? in->given[OPTION_to] : "Jones@foo.com",
	};
	int done = FAILED;

	s.from = lab_place_of(view_cstr(s.sender));
	s.to = lab_place_of(view_cstr(s.recipient));
	if (!is_address(s.sender) || !is_address(s.recipient) || s.from == NULL) {
		tell("--from must be one of the people of the lab, --to an address; `waxwing lab up` names them");
		done = WRONG_USE;
	} else {
		if (lab_open(in, &l) == ST_OK)
			done = send_letter(&s, in);
		lab_close(&l);
	}
	json_decref(s.lines);
	json_decref(s.sealed);
	json_decref(s.checked);
	buf_free(&s.how);
	buf_free(&s.says);
	return done;
}
