/* turn.c - lines of a log as turns of a dialog. */
#include "admin/lab/dialog.h"

#include "admin/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SESSIONS_MAX = 256, LINE_MAX_OCTETS = 4096, WRAP = 88, INDENT = 30 };

/* Whom a session is with: learned from its line "connect". */
struct session {
	const struct lab_place *at;
	char sid[24];
	char who[64];
	bool mail;		/* SMTP: not a person who reads */
};

/* The last of them, round and round. */
struct lab_sessions {
	const struct lab *lab;
	struct session all[SESSIONS_MAX];
	size_t n;
	char way[160];		/* between whom the last turn was that was printed */
};

struct lab_sessions *lab_sessions_new(const struct lab *l)
{
	struct lab_sessions *s = calloc(1, sizeof *s);

	if (s)
		s->lab = l;
	return s;
}

void lab_sessions_free(struct lab_sessions *s)
{
	free(s);
}

static struct session *find(struct lab_sessions *s, const struct lab_place *at, struct view sid)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (s->all[i].at == at && view_eq(view_cstr(s->all[i].sid), sid))
			return &s->all[i];
	return NULL;
}

static struct session *learn(struct lab_sessions *s, const struct lab_place *at, const struct log_line *l)
{
	struct view sid = log_line_pair(l->rest, "sid"), peer = log_line_pair(l->rest, "peer");
	struct view service = log_line_pair(l->rest, "service");
	struct session *one = &s->all[s->n++ % SESSIONS_MAX];
	const struct lab_place *p;
	char address[LAB_ADDRESS];

	*one = (struct session){ .at = at, .who = "a mail program" };
	snprintf(one->sid, sizeof one->sid, "%.*s", VIEW_ARG(view_head(sid, sizeof one->sid - 1)));
	one->mail = view_starts_i(service, VIEW("smtp")) || view_starts_i(service, VIEW("submission"));
	for (size_t i = 0; (p = lab_place(i)) != NULL; i++)
		if (view_eq(peer, view_cstr(lab_address(s->lab, p->number, address))))
			snprintf(one->who, sizeof one->who, "%s", p->domain);
	return one;
}

/* ---- which lines are shown, and how ---- */

static void put_dialog(const struct log_line *l, struct lab_turn *t)
{
	t->by = view_eq(log_line_pair(l->rest, "by"), VIEW("server")) ? 'S' : 'C';
	t->tls = view_eq(log_line_pair(l->rest, "layer"), VIEW("TLS"));
	log_line_value(l->rest, "line", &t->text);
}

static void put_connect(const struct log_line *l, struct lab_turn *t)
{
	buf_puts(&t->text, "connection for ");
	log_line_value(l->rest, "service", &t->text);
}

static void put_tls(const struct log_line *l, struct lab_turn *t)
{
	log_line_value(l->rest, "with", &t->text);
}

static void put_tls_failed(const struct log_line *l, struct lab_turn *t)
{
	buf_puts(&t->text, "TLS failed: ");
	log_line_value(l->rest, "why", &t->text);
}

static void put_end(const struct log_line *l, struct lab_turn *t)
{
	(void)l;
	buf_puts(&t->text, "end of the connection");
}

static void put_kept(const struct log_line *l, struct lab_turn *t)
{
	buf_puts(&t->text, "on disk: letter ");
	log_line_value(l->rest, "id", &t->text);
}

static void put_delivered(const struct log_line *l, struct lab_turn *t)
{
	buf_puts(&t->text, "in the mailbox of ");
	log_line_value(l->rest, "to", &t->text);
}

/* What was found of who sent it. */
static void put_checked(const struct log_line *l, struct lab_turn *t)
{
	static const char *const checks[] = { "spf", "dkim", "dmarc", "arc" };

	buf_puts(&t->text, "checked:");
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
		if (log_line_pair(l->rest, checks[i]).n) {
			buf_putf(&t->text, " %s=", checks[i]);
			log_line_value(l->rest, checks[i], &t->text);
		}
}

static void put_sealed(const struct log_line *l, struct lab_turn *t)
{
	buf_puts(&t->text, "sealed by ");
	log_line_value(l->rest, "by", &t->text);
	buf_puts(&t->text, " for ");
	log_line_value(l->rest, "domain", &t->text);
}

static void put_relayed(const struct log_line *l, struct lab_turn *t)
{
	buf_puts(&t->text, "relayed: ");
	log_line_value(l->rest, "how", &t->text);
}

static void put_said(const struct log_line *l, struct lab_turn *t, const char *what)
{
	buf_puts(&t->text, what);
	log_line_value(l->rest, "to", &t->text);
	buf_puts(&t->text, ": ");
	log_line_value(l->rest, "says", &t->text);
}

static void put_later(const struct log_line *l, struct lab_turn *t)
{
	put_said(l, t, "waits, for ");
}

static void put_refused(const struct log_line *l, struct lab_turn *t)
{
	put_said(l, t, "returned, for ");
}

static const struct {
	const char *process;	/* begins with */
	const char *event;
	void (*put)(const struct log_line *l, struct lab_turn *t);
} shown[] = {
	{ "door", "connect", put_connect },
	{ "door", "dialog", put_dialog },
	{ "door", "tls", put_tls },
	{ "door", "tls-failed", put_tls_failed },
	{ "door", "disconnect", put_end },
	{ "door", "checked", put_checked },
	{ "relay", "sealed", put_sealed },
	{ "queue", "queued", put_kept },
	{ "queue", "delivered", put_delivered },
	{ "relay", "relayed", put_relayed },
	{ "relay", "warning later", put_later },
	{ "relay", "warning refused", put_refused },
};

bool lab_turn_of(struct lab_sessions *s, const struct lab_place *at, const struct log_line *l, const char *sid,
		 struct lab_turn *ret)
{
	struct view its = log_line_pair(l->rest, "sid"), id = log_line_pair(l->rest, "id");
	struct session *session;
	size_t i;

	/* A letter is named after the session that brought it. */
	if (its.n == 0)
		its = view_head(id, view_find(id, '.'));
	for (i = 0; i < sizeof shown / sizeof *shown; i++)
		if (view_starts_i(l->process, view_cstr(shown[i].process)) &&
		    view_eq(l->event, view_cstr(shown[i].event)))
			break;
	if (i == sizeof shown / sizeof *shown)
		return false;
	session = view_eq(l->event, VIEW("connect")) ? learn(s, at, l) : find(s, at, its);
	if ((session && !session->mail) || (sid && !view_eq(its, view_cstr(sid))))
		return false;
	*ret = (struct lab_turn){ .at = at, .by = '*', .text = BUF(LINE_MAX_OCTETS) };
	/* What the queue and the relay do is said to nobody. */
	if (session && view_starts_i(l->process, VIEW("door")))
		snprintf(ret->who, sizeof ret->who, "%s", session->who);
	shown[i].put(l, ret);
	ret->explanation = lab_explain(ret->by, buf_view(&ret->text), &ret->layer);
	return true;
}

/* ---- showing ---- */

json_t *lab_turn_json(const struct lab_turn *t, struct view time)
{
	char by[2] = { t->by, '\0' };
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:b}", "host", t->at->domain, "client", t->who, "by", by, "layer",
			      t->layer, "tls", t->tls);

	json_object_set_new(o, "at", json_text(time));
	json_object_set_new(o, "text", json_text(buf_view(&t->text)));
	if (t->explanation)
		json_object_set_new(o, "explanation", json_string(t->explanation));
	return o;
}

static const char *colour_of(char by)
{
	if (!wants_colour())
		return "";
	return by == 'C' ? "\033[32m" : by == 'S' ? "\033[36m" : "\033[1m";
}

/* Below the line that it explains, at words. */
static void print_explanation(const struct lab_turn *t)
{
	struct view left = view_cstr(t->explanation);
	bool colour = wants_colour();

	while (left.n) {
		size_t n = left.n < WRAP ? left.n : WRAP;

		while (n < left.n && n && left.p[n] != ' ')
			n--;
		printf("%*s%s%.*s%s\n", INDENT, "", colour ? "\033[2m" : "", VIEW_ARG(view_head(left, n)),
		       colour ? "\033[0m" : "");
		left = view_trim(view_skip(left, n));
	}
}

void lab_turn_print(struct lab_sessions *s, const struct lab_turn *t, struct view time, bool explain)
{
	struct view clock = view_head(view_skip(time, 11), 12);
	const char *colour = colour_of(t->by);
	char way[160], layer[32];

	snprintf(way, sizeof way, "%s%s%s", t->who, t->who[0] ? " > " : "", t->at->domain);
	if (strcmp(way, s->way) != 0)
		printf("%s\n", way);
	memcpy(s->way, way, sizeof s->way);
	snprintf(layer, sizeof layer, "%s%s", t->layer, t->tls && strcmp(t->layer, "SMTP") == 0 ? " in TLS" : "");
	printf("  %.*s  %-11s %s%c: %.*s%s\n", VIEW_ARG(clock), layer, colour, t->by, VIEW_ARG(buf_view(&t->text)),
	       *colour ? "\033[0m" : "");
	if (explain && t->explanation)
		print_explanation(t);
	fflush(stdout);
}
