/* burl.c - BURL (RFC 4468): a piece of the letter that lies in the mailbox of
 * who has logged in.  Here it is looked at whose URL it is; whether its token
 * is good is for the room. */
#include "mta/in/internal.h"

#include "base/log.h"
#include "wire/imap_url.h"

enum { URL_ARENA = 64 * 1024 };

/* Not on port 25 (3.1); and users of this machine have no ticket. */
static bool is_offered(const struct smtp_session *s)
{
	return smtp_is_submission(s) && !s->local.here && s->host->url && s->host->conf->submission_burl;
}

void smtp_put_burl(const struct smtp_session *s, struct buf *out)
{
	if (is_offered(s) && (s->account || smtp_auth_safe(s)))
		buf_puts(out, s->account ? "\nBURL imap" : "\nBURL");
}

/* absolute-URI [SP "LAST"] */
static enum reply take_arguments(struct smtp_session *s, struct view rest, struct view *ret_url, bool *ret_last)
{
	struct view url = view_head(rest, view_find(rest, ' ')), marker = view_skip(rest, url.n + 1);

	if (url.n == 0 || (url.n < rest.n && !view_eq_i(marker, VIEW("LAST"))))
		return SAY_BAD_ARGUMENT;
	/* The line lies in the connection's buffer, which may move while we wait. */
	*ret_url = arena_copy(&s->tx, url);
	*ret_last = url.n < rest.n;
	return arena_status(&s->tx) == ST_OK ? SAY_NOTHING : SAY_TRY_AGAIN;
}

/* "If the IMAP URL uses submit+, the userid in it must match" (3.3); no other
 * kind is resolved here. */
static enum reply check_url(const struct smtp_session *s, struct view text)
{
	struct view him = buf_view(&s->login);
	struct arena a = ARENA(URL_ARENA);
	struct imap_url u;
	enum status st = imap_url_take(text, &a, &u);
	enum reply r = SAY_NOTHING;

	if (st != ST_OK)
		r = st == ST_NOMEM ? SAY_TRY_AGAIN : view_starts_i(text, VIEW("imap:")) ? SAY_URL_NOTHING : SAY_URL_STRANGE;
	else if (!view_eq_i(u.host, view_cstr(s->host->conf->host_name)) || u.access != IMAP_URL_SUBMIT || !u.mechanism.p)
		r = SAY_URL_STRANGE;
	else if (!view_eq_i(u.access_user, him) || !view_eq_i(u.user, him))
		r = SAY_URL_NOT_YOURS;
	arena_free(&a);
	return r;
}

static void put(void *arg, struct view bytes)
{
	smtp_text_put(arg, bytes);
}

static enum reply fetch(struct smtp_session *s, struct view url)
{
	struct url_request what = {
		.sid = s->sid, .most = smtp_text_room(s), .ticket = buf_view(&s->ticket), .user = buf_view(&s->login),
		.url = url, .put = put, .arg = s,
	};

	switch (s->host->url(s->host->door, &what)) {
	case VERDICT_OK:
		break;
	case VERDICT_NO:
		return SAY_URL_NOTHING;
	case VERDICT_DENIED:
		return SAY_URL_NOT_YOURS;
	case VERDICT_FULL:
		return SAY_URL_TOO_LARGE;
	default:
		return SAY_NO_ROOM;
	}
	if (sink_status(&s->sink) != ST_OK)
		return sink_status(&s->sink) == ST_LIMIT ? SAY_URL_TOO_LARGE : SAY_NO_SPACE;
	return s->text.bare && s->env.body != BODY_BINARY ? SAY_URL_BINARY : SAY_NOTHING;
}

static void log_url(const struct smtp_session *s, struct view url, enum reply r)
{
	log_begin(LOG_INFO_, "burl");
	log_hex("sid", s->sid);
	/* Without its token. */
	log_view("url", view_head(url, view_find(url, ';')));
	log_str("result", r == SAY_NOTHING ? "ok" : smtp_reply_text(r));
	log_end();
}

enum reply cmd_burl(struct smtp_session *s, struct view rest)
{
	struct view url = VIEW_NONE;
	bool last = false;
	enum reply r;

	if (!is_offered(s))
		return SAY_NOT_IMPLEMENTED;
	if (!s->has_sender)
		return SAY_NEED_MAIL;
	if (s->env.n_recipients == 0)
		return SAY_NO_RECIPIENTS;
	r = take_arguments(s, rest, &url, &last);
	if (r == SAY_NOTHING)
		r = check_url(s, url);
	if (r == SAY_NOTHING && !s->text_begun)
		smtp_text_begin(s);
	if (r == SAY_NOTHING)
		r = fetch(s, url);
	log_url(s, url, r);
	if (r == SAY_NOTHING && !last)
		return SAY_URL_TAKEN;
	if (r == SAY_NOTHING) {
		smtp_text_finish(s);
		return SAY_NOTHING;
	}
	/* The whole transaction fails (3.2); chunks behind it are refused too. */
	smtp_reply(s, r);
	smtp_text_end(s);
	return SAY_NOTHING;
}
