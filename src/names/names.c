#include "names/names.h"

#include "base/log.h"
#include "names/internal.h"
#include "wire/rdata.h"

#include <stdlib.h>
#include <unistd.h>

enum { WHY_MAX = 1024 };

/* One question of one asker. */
struct question {
	struct lookup_wait wait;
	struct names *n;
	struct asker *asker;
	uint64_t came;
	uint32_t call;		/* 0: only a hint */
	uint64_t sid;
	uint16_t type;
};

static void count(struct names *n, uint8_t outcome)
{
	n->asked++;
	n->failed += outcome == DNS_FAILED;
	n->bogus += outcome == DNS_BOGUS;
}

static void log_trouble(const struct question *q, const struct rec_dns_answer *a)
{
	log_begin(a->outcome == DNS_BOGUS ? LOG_WARN_ : LOG_INFO_, "dns");
	if (q->sid)
		log_hex("sid", q->sid);
	log_view("name", a->name);
	log_str("type", dns_type_name(q->type));
	log_str("result", dns_outcome_name((enum dns_outcome)a->outcome));
	log_view("why", a->why);
	log_end();
}

static void answered(struct lookup_wait *w, const struct rec_dns_answer *a)
{
	struct question *q = (struct question *)w;
	struct names *n = q->n;

	count(n, a->outcome);
	if (a->outcome >= DNS_FAILED)
		log_trouble(q, a);
	if (q->came == q->asker->came) {
		q->asker->in_flight--;
		if (q->call && channel_is_open(&q->asker->ch)) {
			rec_put_dns_answer(&n->out, q->call, q->sid, a);
			(void)!role_send(&q->asker->ch, &n->out, -1);
		}
	}
	free(q);
}

static void refuse(struct names *n, struct channel *ch, const struct record *rec, struct view name)
{
	if (rec->call == 0)
		return;
	rec_put_dns_answer(&n->out, rec->call, rec->sid, &(struct rec_dns_answer){
		.outcome = DNS_FAILED, .name = name, .why = VIEW("too many questions in flight") });
	(void)!role_send(ch, &n->out, -1);
}

static void asker_says(struct channel *ch, struct record *rec)
{
	struct asker *asker = (struct asker *)((char *)ch - offsetof(struct asker, ch));
	struct names *n = ch->owner;
	struct question *q = NULL;
	struct rec_dns_ask in;

	if (rec->type != REC_dns_ask || !rec_take_dns_ask(rec->body, &in))
		return;
	if (asker->in_flight < (unsigned)n->proc.conf.dns_questions)
		q = calloc(1, sizeof *q);
	if (q == NULL) {
		refuse(n, ch, rec, in.name);
		return;
	}
	*q = (struct question){
		.wait = { .done = answered }, .n = n, .asker = asker, .came = asker->came,
		.call = rec->call, .sid = rec->sid, .type = in.type,
	};
	asker->in_flight++;
	lookups_ask(n->lookups, in.name, in.type, &q->wait);
}

/* ---- the parent ---- */

static void parent_says(struct role_process *p, struct record *rec)
{
	struct names *n = (struct names *)((char *)p - offsetof(struct names, proc));
	struct rec_channel_to to;
	struct asker *a;

	if (rec->type != REC_channel_to || !rec_take_channel_to(rec->body, &to) ||
	    to.role >= ROLE_COUNT || to.index >= ASKERS_MAX) {
		if (rec->fd >= 0)
			close(rec->fd);
		return;
	}
	a = &n->askers[to.role][to.index];
	channel_close(&a->ch);
	*a = (struct asker){
		.ch = {
			.receive = asker_says, .allowed = record_allowed, .owner = n,
			.peer_id = to.index, .self = ROLE_NAMES, .peer = to.role,
		},
		.came = a->came + 1,
	};
	if (channel_open(&a->ch, p->loop, rec->fd) != ST_OK)
		log_event(LOG_ERROR_, "channel", "role=%s", role_name(to.role));
}

/* Files cannot be read any more and libunbound takes no other settings: the
 * next process will have them.  Who waits asks again. */
static void reloaded(struct role_process *p)
{
	struct names *n = (struct names *)((char *)p - offsetof(struct names, proc));
	struct lookup_settings was = lookup_settings(&n->begun), now = lookup_settings(&p->conf);

	if (!lookup_settings_differ(&was, &now))
		return;
	log_event(LOG_INFO_, "dns-settings", "%s", "next=restart");
	loop_stop(p->loop);
}

static void open_lookups(struct names *n)
{
	struct buf text = BUF(RECORD_MAX), why = BUF(WHY_MAX);
	struct lookup_settings s;
	enum status st;

	conf_text(&n->proc.conf, &text);
	st = buf_status(&text) == ST_OK ? conf_take(buf_view(&text), &n->begun) : buf_status(&text);
	if (st == ST_OK) {
		s = lookup_settings(&n->begun);
		st = lookups_open(&s, n->proc.loop, &why, &n->lookups);
	}
	buf_free(&text);
	if (st == ST_OK) {
		buf_free(&why);
		return;
	}
	log_begin(LOG_ERROR_, "dns-settings");
	log_view("why", why.n ? buf_view(&why) : view_cstr(status_name(st)));
	log_end();
	log_flush();
	exit(1);
}

int names_main(void)
{
	struct names *n = calloc(1, sizeof *n);

	if (n == NULL)
		return 1;
	for (size_t r = 0; r < ROLE_COUNT; r++)
		for (size_t i = 0; i < ASKERS_MAX; i++)
			n->askers[r][i].ch.watch.fd = -1;
	n->out = BUF(RECORD_MAX);
	n->proc.parent.watch.fd = -1;
	role_begin(&n->proc, ROLE_NAMES);
	n->proc.receive = parent_says;
	n->proc.reloaded = reloaded;
	n->proc.command = names_command;
	open_lookups(n);
	role_lock_in(&n->proc);
	role_run(&n->proc);
	return 0;
}
