/* tls.c - what doors ask for their handshakes. */
#include "warden/internal.h"

#include "base/log.h"

enum { SIGNATURE_MAX = 1024 };

void certificate_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_certificate_ask in;
	struct rec_certificate_answer out = { .verdict = VERDICT_NO };

	if (!rec_take_certificate_ask(rec->body, &in))
		return;
	if (keys_chain(w->keys, in.index, &out.chain, &out.key) == ST_OK)
		out.verdict = VERDICT_OK;
	rec_put_certificate_answer(&w->out, rec->call, rec->sid, &out);
	(void)!role_send(ch, &w->out, -1);
}

void sign_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct rec_sign_ask in;
	struct buf signature = BUF(SIGNATURE_MAX);
	enum status st;

	if (!rec_take_sign_ask(rec->body, &in))
		return;
	st = keys_sign(w->keys, in.key, in.scheme, in.input, &signature);
	if (st != ST_OK)
		log_event(LOG_WARN_, "not-signed", "door=%llu why=\"%s\"", (unsigned long long)ch->peer_id,
			  status_name(st));
	rec_put_sign_answer(&w->out, rec->call, rec->sid,
			    &(struct rec_sign_answer){ st == ST_OK ? VERDICT_OK : VERDICT_NO,
						       buf_view(&signature) });
	(void)!role_send(ch, &w->out, -1);
	buf_free(&signature);
}

void ticket_key_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	char key[TICKET_KEY_SIZE];

	if (keys_ticket(w->keys, key) != ST_OK)
		return;
	rec_put_ticket_key_answer(&w->out, rec->call, rec->sid,
				  &(struct rec_ticket_key_answer){ view_make(key, sizeof key) });
	(void)!role_send(ch, &w->out, -1);
}

static void tell_doors(struct warden *w)
{
	rec_put_certificates_changed(&w->out, 0, 0, &(struct rec_certificates_changed){ 0 });
	for (int i = 0; i < DOORS_MAX; i++)
		if (channel_is_open(&w->doors[i]))
			(void)!role_send(&w->doors[i], &w->out, -1);
}

/* A list with one bad pair is not shown: the one before stays. */
void key_file(struct warden *w, const struct record *rec)
{
	struct rec_key_file in;
	enum status st;

	if (!rec_take_key_file(rec->body, &in))
		return;
	if (in.index == 0 && in.what == KEY_FILE_CHAIN)
		w->keys_bad = false;
	st = in.what == KEY_FILE_CHAIN ? keys_take_chain(w->keys, in.index, rec->fd)
				       : keys_take_key(w->keys, in.index, rec->fd);
	if (st != ST_OK) {
		log_event(LOG_ERROR_, "bad-key", "index=%u file=%s why=\"%s\"", in.index,
			  in.what == KEY_FILE_CHAIN ? "certificate" : "key", status_name(st));
		w->keys_bad = true;
	}
	if (in.more || w->keys_bad)
		return;
	keys_show(w->keys);
	log_event(LOG_INFO_, "keys", "n=%zu", keys_count(w->keys));
	tell_doors(w);
}
