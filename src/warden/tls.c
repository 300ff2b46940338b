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

void clients_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	rec_put_clients_answer(&w->out, rec->call, rec->sid,
			       &(struct rec_clients_answer){ issuers_tokens(w) != NULL, buf_view(&w->authorities_pem) });
	(void)!role_send(ch, &w->out, -1);
}

static enum status take_authorities(struct warden *w, int fd)
{
	enum status st;

	buf_free(&w->next_pem);
	w->next_pem = BUF(KEY_FILE_MAX);
	authorities_free(w->next_authorities);
	w->next_authorities = NULL;
	st = key_file_read(fd, &w->next_pem);
	return st == ST_OK ? authorities_new(buf_view(&w->next_pem), &w->next_authorities) : st;
}

/* What came since the last time counts from now on; what did not is gone. */
static void show_clients(struct warden *w)
{
	authorities_free(w->authorities);
	buf_free(&w->authorities_pem);
	w->authorities = w->next_authorities;
	w->authorities_pem = w->next_pem;
	w->next_authorities = NULL;
	w->next_pem = BUF(KEY_FILE_MAX);
	issuers_show(w);
}

static enum status take_file(struct warden *w, const struct rec_key_file *in, int fd)
{
	switch (in->what) {
	case KEY_FILE_CHAIN:
		return keys_take_chain(w->keys, in->index, fd);
	case KEY_FILE_KEY:
		return keys_take_key(w->keys, in->index, fd);
	case KEY_FILE_AUTHORITIES:
		return take_authorities(w, fd);
	case KEY_FILE_TOKENS:
		return issuers_take_file(w, in->index, fd);
	default:
		return ST_SYNTAX;
	}
}

/* A list with one bad pair is not shown: the one before stays. */
void key_file(struct warden *w, const struct record *rec)
{
	static const char *const files[] = { "certificate", "key", "authorities", "tokens" };
	struct rec_key_file in;
	enum status st;

	if (!rec_take_key_file(rec->body, &in))
		return;
	if (in.index == 0 && in.what == KEY_FILE_CHAIN)
		w->keys_bad = false;
	st = take_file(w, &in, rec->fd);
	if (st != ST_OK) {
		log_event(LOG_ERROR_, "bad-key", "index=%u file=%s why=\"%s\"", in.index,
			  in.what < sizeof files / sizeof *files ? files[in.what] : "unknown", status_name(st));
		/* Without the others certificates are still to be shown. */
		w->keys_bad = w->keys_bad || in.what == KEY_FILE_CHAIN || in.what == KEY_FILE_KEY;
	}
	if (in.more || w->keys_bad)
		return;
	if (keys_show(w->keys) != ST_OK)
		log_event(LOG_ERROR_, "ticket-key", "why=\"%s\"", status_name(ST_IO));
	show_clients(w);
	log_event(LOG_INFO_, "keys", "n=%zu", keys_count(w->keys));
	tell_doors(w);
}
