/* recipient.c - where letters for an address go, and under which sender. */
#include "warden/internal.h"
#include "warden/srs.h"

#include "base/log.h"
#include "msg/address.h"
#include "msg/charset.h"

enum { FORM_ARENA = 64 * 1024 };

/* A bounce to an address that stands for somebody else's: on to him.  Such
 * addresses are for bounces alone; else we would be a relay for whoever saw
 * one. */
static enum verdict pass_back(struct warden *w, const struct rec_rcpt_ask *in)
{
	const struct conf *c = &w->proc.conf;
	struct buf address = BUF(ADDRESS_MAX);
	enum status st;

	if (in->sender.n)
		return VERDICT_NO;
	st = srs_take(&w->srs, in->address, clock_wall(), c->srs_expire, &address);
	if (st == ST_OK)
		target_put(&w->targets, &(struct target){ .address = buf_view(&address) });
	buf_free(&address);
	if (st != ST_OK) {
		log_begin(LOG_INFO_, "srs-refused");
		log_view("to", in->address);
		log_str("why", status_name(st));
		log_end();
	}
	return st == ST_OK ? VERDICT_OK : st == ST_NOMEM ? VERDICT_LATER : VERDICT_NO;
}

/* Is it somebody's of another host, so that no SPF of his names us? */
static enum verdict is_strange(struct warden *w, struct view sender)
{
	enum verdict v = sender.n && !conf_is_here(&w->proc.conf, sender) ?
				 directory_has_domain(w->directory, address_domain(sender)) : VERDICT_OK;

	return v == VERDICT_OK ? VERDICT_NO : v == VERDICT_NO ? VERDICT_OK : v;
}

/* The targets again, those elsewhere with a sender of ours. */
static enum verdict rewrite(struct warden *w, const struct rec_rcpt_ask *in)
{
	struct buf sender = BUF(ADDRESS_MAX), all = BUF(RECORD_MAX / 2);
	struct cursor c = cursor_over(buf_view(&w->targets));
	enum status st = srs_put(&w->srs, in->sender, address_domain(in->address), clock_wall(), &sender);
	struct target t;

	while (target_take(&c, &t)) {
		if (st == ST_OK && t.account == 0 && t.sender.n == 0)
			t.sender = buf_view(&sender);
		target_put(&all, &t);
	}
	if (buf_status(&all) == ST_OK) {
		buf_clear(&w->targets);
		buf_put(&w->targets, buf_view(&all));
	}
	/* No address can stand for some senders; their letters go as they are. */
	st = st == ST_SYNTAX || st == ST_LIMIT ? ST_OK : st;
	if (st == ST_OK)
		st = buf_status(&all);
	buf_free(&sender);
	buf_free(&all);
	return st == ST_OK && buf_status(&w->targets) == ST_OK ? VERDICT_OK : VERDICT_LATER;
}

/* A user of this machine, whom the directory does not know: where the operator's
 * local.accounts sends his letters.  Elsewhere they go as by an alias. */
static enum verdict of_user(struct warden *w, const struct asked *asked, enum verdict v)
{
	struct asked again = *asked;

	again.address = v == VERDICT_NO || v == VERDICT_RELAY ? conf_local_mailbox(&w->proc.conf, asked->address) : VIEW_NONE;
	if (again.address.n == 0)
		return v;
	v = directory_resolve(w->directory, &again, &w->targets);
	if (v != VERDICT_RELAY)
		return v;
	target_put(&w->targets, &(struct target){ .address = again.address });
	return VERDICT_OK;
}

/* The form that the directory has: a domain of U-labels is the same one in A-labels
 * (RFC 5890 2.3.2.1), which is how hosts without SMTPUTF8 write it. */
static struct view own_form(struct warden *w, struct view address, struct arena *a)
{
	struct view domain = address_domain(address), own = address, of;
	bool either = !view_is_ascii(domain);

	for (struct view left = domain; left.n && !either; left = view_skip(left, view_find(left, '.') + 1))
		either = view_starts_i(left, VIEW("xn--"));
	return either && own_address(w, address, a, &own, &of) == VERDICT_OK ? own : address;
}

static enum verdict find(struct warden *w, const struct rec_rcpt_ask *in)
{
	const struct conf *c = &w->proc.conf;
	struct asked asked = {
		.address = in->address, .sender = in->sender, .account = in->account,
		.separators = view_cstr(c->separators),
	};
	struct view domain = address_domain(in->address);
	enum verdict v, strange;

	if (srs_is(in->address)) {
		v = directory_has_domain(w->directory, domain);
		if (v == VERDICT_OK)
			return pass_back(w, in);
	}
	v = of_user(w, &asked, directory_resolve(w->directory, &asked, &w->targets));
	if (v != VERDICT_OK || domain.n == 0)
		return v;
	strange = is_strange(w, in->sender);
	return strange == VERDICT_OK ? rewrite(w, in) : strange == VERDICT_NO ? v : strange;
}

void rcpt_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct arena a = ARENA(FORM_ARENA);
	struct rec_rcpt_ask in;
	enum verdict v;

	if (!rec_take_rcpt_ask(rec->body, &in))
		return;
	in.address = own_form(w, in.address, &a);
	buf_clear(&w->targets);
	v = find(w, &in);
	rec_put_rcpt_answer(&w->out, rec->call, rec->sid,
			    &(struct rec_rcpt_answer){ (uint8_t)v, buf_view(&w->targets) });
	(void)!role_send(ch, &w->out, -1);
	arena_free(&a);
}
