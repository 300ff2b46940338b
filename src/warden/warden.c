#include "warden/warden.h"

#include "base/disk.h"
#include "base/json.h"
#include "base/log.h"
#include "warden/internal.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SENDER_ARENA = 16384 };

static void domain_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_domain_ask in;

	if (!rec_take_domain_ask(rec->body, &in))
		return;
	rec_put_domain_answer(&w->out, rec->call, rec->sid,
			      &(struct rec_domain_answer){ (uint8_t)directory_has_domain(w->directory, in.domain) });
	(void)!role_send(ch, &w->out, -1);
}

static void sender_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct arena arena = ARENA(SENDER_ARENA);
	struct view domain = VIEW_NONE, address;
	struct rec_sender_ask in;
	bool own = false;
	enum verdict v;

	if (!rec_take_sender_ask(rec->body, &in))
		return;
	address = in.address;
	v = own_address(w, in.address, &arena, &address, &domain);
	if (v != VERDICT_LATER)
		v = directory_may_send(w->directory, in.account, address, view_cstr(w->proc.conf.separators), &own);
	arena_free(&arena);
	rec_put_sender_answer(&w->out, rec->call, rec->sid, &(struct rec_sender_answer){ (uint8_t)v, own });
	(void)!role_send(ch, &w->out, -1);
}

static void local_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	enum { ACCOUNT_ARENA = 8192 };
	struct arena arena = ARENA(ACCOUNT_ARENA);
	struct rec_local_ask in;
	struct account acc = { 0 };
	enum status st;

	if (!rec_take_local_ask(rec->body, &in))
		return;
	st = directory_account(w->directory, in.address, &arena, &acc);
	rec_put_local_answer(&w->out, rec->call, rec->sid, &(struct rec_local_answer){
		.verdict = st == ST_OK ? VERDICT_OK : st == ST_MISSING ? VERDICT_NO : VERDICT_LATER,
		.account = st == ST_OK ? acc.id : 0,
	});
	(void)!role_send(ch, &w->out, -1);
	arena_free(&arena);
}

/* What may be asked (by whom: ipc/records.def), and what answers it: the only list. */
static const struct {
	enum record_type type;
	void (*answer)(struct warden *w, struct channel *ch, const struct record *rec);
} questions[] = {
	{ REC_rcpt_ask, rcpt_ask },
	{ REC_domain_ask, domain_ask },
	{ REC_sender_ask, sender_ask },
	{ REC_submit_ask, submit_ask },
	{ REC_local_ask, local_ask },
	{ REC_login_ask, login_ask },
	{ REC_room_ask, room_ask },
	{ REC_url_room_ask, url_room_ask },
	{ REC_certificate_ask, certificate_ask },
	{ REC_sign_ask, sign_ask },
	{ REC_ticket_key_ask, ticket_key_ask },
	{ REC_clients_ask, clients_ask },
	{ REC_sasl_begin, sasl_begin_asked },
	{ REC_sasl_next, sasl_next_asked },
	{ REC_sasl_drop, sasl_dropped },
	{ REC_identity_ask, identity_ask },
	{ REC_letter_sign_ask, letter_sign_ask },
	{ REC_local_ticket_ask, local_ticket_ask },
	{ REC_seal_grant_ask, seal_grant_ask },
	{ REC_seal_keys_ask, seal_keys_ask },
	{ REC_seal_ask, seal_ask },
	{ REC_authority_ask, authority_ask },
	{ REC_challenge, challenge_came },
};

static void peer_says(struct channel *ch, struct record *rec)
{
	struct warden *w = ch->owner;

	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
		if (questions[i].type == rec->type)
			questions[i].answer(w, ch, rec);
	if (rec->fd >= 0)
		close(rec->fd);
}

static struct channel *channel_of(struct warden *w, const struct rec_channel_to *to)
{
	if (to->role == ROLE_QUEUE)
		return &w->queue;
	if (to->role == ROLE_NAMES)
		return &w->names;
	if (to->role == ROLE_RELAY)
		return to->index < RELAYS_MAX ? w->relay_came[to->index]++, &w->relays[to->index] : NULL;
	if (to->role != ROLE_DOOR || to->index >= DOORS_MAX)
		return NULL;
	w->door_came[to->index]++;
	return &w->doors[to->index];
}

static void parent_says(struct role_process *p, struct record *rec)
{
	struct warden *w = (struct warden *)((char *)p - offsetof(struct warden, proc));
	struct rec_channel_to to;
	struct channel *ch = NULL;

	if (rec->type == REC_key_file)
		key_file(w, rec);
	if (rec->type == REC_local_user)
		local_user_came(w, rec);
	if (rec->type == REC_channel_to && rec_take_channel_to(rec->body, &to))
		ch = channel_of(w, &to);
	if (ch == NULL) {
		if (rec->fd >= 0)
			close(rec->fd);
		return;
	}
	channel_close(ch);
	*ch = (struct channel){
		.receive = peer_says, .allowed = record_allowed, .owner = w,
		.peer_id = to.index, .self = ROLE_WARDEN, .peer = to.role,
	};
	if (channel_open(ch, p->loop, rec->fd) != ST_OK)
		log_event(LOG_ERROR_, "channel", "%s", "");
}

static void reloaded(struct role_process *p)
{
	logins_settings((struct warden *)((char *)p - offsetof(struct warden, proc)));
}

static enum verdict operator_asks(struct role_process *p, struct channel *ch, const struct rec_command *cmd)
{
	struct warden *w = (struct warden *)((char *)p - offsetof(struct warden, proc));

	return view_eq(cmd->verb, VIEW("keys-check")) ? rotation_check(w, ch) : submission_command(p, ch, cmd);
}

/* Locked in: open what we answer from. */
static enum status open_all(struct warden *w, const char *directory, const char *keys)
{
	char path[4200];
	int fd;
	enum status st;

	snprintf(path, sizeof path, "%s/directory.db", directory);
	st = directory_open(path, &w->directory);
	if (st == ST_OK)
		st = disk_open(AT_FDCWD, keys, O_RDONLY | O_DIRECTORY, 0, &fd);
	if (st != ST_OK)
		return st;
	st = mac_open(fd, "srs.key", &w->srs);
	if (st == ST_OK)
		st = mac_open(fd, "seal.key", &w->sealing.grants);
	if (st == ST_OK)
		st = logins_open(w, directory, fd);
	if (st == ST_OK)
		st = pool_new(w->proc.loop, 0, POOL_THREADS_MAX, &w->sealing.pool);
	if (st == ST_OK)
		st = submissions_open(w, directory, fd);
	/* Keys of domains are read when they are first asked for. */
	w->sealing.keys = fd;
	return st;
}

int warden_main(void)
{
	struct warden *w = calloc(1, sizeof *w);
	char folder[4096], keys[4096];
	enum status st;

	if (w == NULL)
		return 1;
	/* No configuration file of the system's: it could load code. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	for (int i = 0; i < DOORS_MAX; i++)
		w->doors[i].watch.fd = -1;
	for (int i = 0; i < RELAYS_MAX; i++)
		w->relays[i].watch.fd = -1;
	w->proc.parent.watch.fd = w->queue.watch.fd = w->names.watch.fd = -1;
	dns_over_channel(&w->dns, &w->names);
	w->out = BUF(RECORD_MAX);
	w->targets = BUF(RECORD_MAX / 2);
	role_begin(&w->proc, ROLE_WARDEN);
	w->proc.receive = parent_says;
	w->proc.reloaded = reloaded;
	w->proc.command = operator_asks;
	/* jansson asks a file for it when the first object is made. */
	json_object_seed(0);
	snprintf(folder, sizeof folder, "%s/directory", w->proc.conf.dir);
	snprintf(keys, sizeof keys, "%s/keys", w->proc.conf.dir);
	if (keys_new(&w->keys) != ST_OK)
		return 1;
	role_lock_in(&w->proc);
	st = open_all(w, folder, keys);
	if (st != ST_OK) {
		log_event(LOG_ERROR_, "warden-open", "why=\"%s\"", status_name(st));
		log_flush();
		return 1;
	}
	w->fresh.loop = w->proc.loop;
	rotation_start(w);
	renewal_start(w);
	role_run(&w->proc);
	logins_flush(w);
	login_log_close(w->logins.log);
	submissions_close(w);
	directory_close(w->directory);
	keys_free(w->keys);
	mac_free(&w->srs);
	sealing_free(w);
	issuers_free(w->issuers);
	renewal_free(w);
	return 0;
}
