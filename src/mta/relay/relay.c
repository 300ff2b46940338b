#include "mta/relay/relay.h"

#include "mta/relay/internal.h"

#include "base/json.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How long attempts may go on once we are asked to stop; the parent waits a
 * little longer. */
enum { LAST_CALL_MS = 8000 };

static void peer_says(struct channel *ch, struct record *rec)
{
	struct relay *r = ch->owner;

	if (rec->type == REC_attempt && ch == &r->queue)
		attempt_begin(r, rec);
	else if (rec->type == REC_evaluated)
		reporter_take_evaluated(r, rec);
	else if (rec->type == REC_failed)
		reporter_take_failure(r, rec);
	else if (rec->type == REC_issuer_ask)
		issuer_asked(r, rec);
	else if (rec->fd >= 0)
		close(rec->fd);
}

static struct channel *channel_of(struct relay *r, uint8_t role)
{
	switch (role) {
	case ROLE_WARDEN:
		return &r->warden;
	case ROLE_QUEUE:
		return &r->queue;
	case ROLE_NAMES:
		return &r->names;
	default:
		return NULL;
	}
}

/* There are several, each with a channel of its own, which ends with it. */
static void door_gone(struct channel *ch)
{
	free(ch);
}

static void add_door(struct relay *r, int fd)
{
	struct channel *ch = calloc(1, sizeof *ch);

	if (ch == NULL) {
		close(fd);
		return;
	}
	*ch = (struct channel){
		.receive = peer_says, .gone = door_gone, .allowed = record_allowed, .owner = r, .self = ROLE_RELAY,
		.peer = ROLE_DOOR,
	};
	if (channel_open(ch, r->proc.loop, fd) != ST_OK) {
		log_event(LOG_ERROR_, "channel", "%s", "");
		free(ch);
	}
}

static void parent_says(struct role_process *p, struct record *rec)
{
	struct relay *r = (struct relay *)((char *)p - offsetof(struct relay, proc));
	struct rec_channel_to to;
	struct channel *ch = NULL;

	if (rec->type == REC_channel_to && rec_take_channel_to(rec->body, &to)) {
		if (to.role == ROLE_DOOR) {
			add_door(r, rec->fd);
			return;
		}
		ch = channel_of(r, to.role);
	}
	if (ch == NULL) {
		if (rec->fd >= 0)
			close(rec->fd);
		return;
	}
	channel_close(ch);
	*ch = (struct channel){
		.receive = peer_says, .allowed = record_allowed, .owner = r,
		.self = ROLE_RELAY, .peer = to.role,
	};
	if (channel_open(ch, p->loop, rec->fd) != ST_OK)
		log_event(LOG_ERROR_, "channel", "%s", "");
}

/* ---- the end ---- */

static void last_call(struct timer *t)
{
	struct relay *r = (struct relay *)((char *)t - offsetof(struct relay, last_call));

	/* The queue takes them for given up, and asks again. */
	if (r->running)
		log_event(LOG_WARN_, "given-up", "attempts=%zu", r->running);
	loop_stop(r->proc.loop);
}

void relay_attempt_ended(struct relay *r)
{
	if (r->proc.stopping && r->running == 0 && loop_timer(r->proc.loop, &r->last_call, 0) != ST_OK)
		loop_stop(r->proc.loop);
}

static void stop(struct role_process *p)
{
	struct relay *r = (struct relay *)((char *)p - offsetof(struct relay, proc));
	uint64_t ms = r->running ? LAST_CALL_MS : 0;

	pool_clear(r);
	if (loop_timer(p->loop, &r->last_call, clock_steady() + ms) != ST_OK)
		loop_stop(p->loop);
}

/* ---- the beginning ---- */

static void begin_tls(struct relay *r)
{
	const char *authorities = r->proc.conf.relay_authorities;
	enum status st = tls_client_new(authorities, &r->tls);

	if (st == ST_MISSING) {
		log_event(LOG_WARN_, "no-authorities", "file=\"%s\" why=\"no certificate authority is trusted\"", authorities);
		st = tls_client_new("", &r->tls);
	}
	if (st != ST_OK) {
		log_event(LOG_ERROR_, "tls", "why=\"%s\"", status_name(st));
		exit(1);
	}
}

static void begin_credentials(struct relay *r)
{
	const char *path = r->proc.conf.relay_credentials;
	enum status st = path[0] ? credentials_load(path, &r->credentials) : ST_OK;

	if (st != ST_OK)
		log_event(LOG_ERROR_, "credentials", "file=\"%s\" why=\"%s\"", path,
			  st == ST_DENIED ? "others can read it; chmod 0600" : status_name(st));
}

static void begin_memory(struct relay *r, const char *folder)
{
	int64_t keep = r->proc.conf.relay_tls_memory;
	enum status st = keep ? memory_open(folder, keep, &r->memory) : ST_OK;

	if (st != ST_OK)
		log_event(LOG_WARN_, "no-memory", "file=\"%s/memory.db\" why=\"%s\"", folder, status_name(st));
}

static void begin_fetcher(struct relay *r)
{
	const struct conf *c = &r->proc.conf;
	bool needed = c->relay_sts || c->reports_tls || conf_issuers_are_far(c);
	enum status st = needed ? fetcher_new(r->proc.loop, c->relay_authorities, &r->fetcher) : ST_OK;

	if (st != ST_OK)
		log_event(LOG_ERROR_, "https", "why=\"%s\"", status_name(st));
}

static void begin_reports(struct relay *r, const char *folder)
{
	enum status st = reports_open(folder, r->proc.loop, &r->proc.conf, &r->reports);

	if (st != ST_OK)
		log_event(LOG_WARN_, "no-reports", "file=\"%s/reports.db\" why=\"%s\"", folder, status_name(st));
	reporter_begin(r);
}

/* `waxwing reports send` and `pending` */
static enum verdict command(struct role_process *p, struct channel *ch, const struct rec_command *cmd)
{
	return reporter_command((struct relay *)((char *)p - offsetof(struct relay, proc)), ch, cmd);
}

static void begin_sts(struct relay *r, const char *folder)
{
	struct fetcher *f = r->proc.conf.relay_sts ? r->fetcher : NULL;
	enum status st = f ? sts_open(folder, r->proc.loop, f, (uint16_t)r->proc.conf.relay_sts_port, &r->sts) : ST_OK;

	if (st != ST_OK)
		log_event(LOG_ERROR_, "sts", "file=\"%s/sts.db\" why=\"%s\"", folder, status_name(st));
}

int relay_main(void)
{
	struct relay *r = calloc(1, sizeof *r);
	char folder[4096];

	if (r == NULL)
		return 1;
	r->proc.parent.watch.fd = r->warden.watch.fd = r->queue.watch.fd = r->names.watch.fd = -1;
	r->last_call.fire = last_call;
	role_begin(&r->proc, ROLE_RELAY);
	r->proc.receive = parent_says;
	r->proc.stop = stop;
	r->proc.command = command;
	dns_over_channel(&r->dns, &r->names);
	hosts_learn_own(r);
	begin_tls(r);
	begin_credentials(r);
	begin_fetcher(r);
	/* jansson asks a file for it when the first object is made. */
	json_object_seed(0);
	snprintf(folder, sizeof folder, "%s/relay", r->proc.conf.dir);
	role_lock_in(&r->proc);
	begin_memory(r, folder);
	begin_sts(r, folder);
	begin_reports(r, folder);
	role_run(&r->proc);
	reports_close(r->reports);
	memory_close(r->memory);
	sts_close(r->sts);
	return 0;
}
