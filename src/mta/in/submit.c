/* submit.c - what somebody who has logged in, or a user of this machine, may hand in, and what becomes of
 * its header (RFC 6409 6, 8): whose From: it is, what is missing, what nobody
 * else is to see, how much of it in an hour. */
#include "mta/in/internal.h"

#include "base/log.h"
#include "msg/mend.h"
#include "trust/author.h"
#include "wire/smtp_values.h"

#include <stdio.h>

enum { AUTHORS_ARENA = 4 * 1024 * 1024, SHOWN_MAX = 300, BCC_MAX = 4000, SECONDS_OF_MINUTE = 60 };

/* ---- whose address is it? ---- */

enum verdict smtp_may_send(struct smtp_session *s, struct view address, bool *ret_own)
{
	struct buf b = BUF(RECORD_MAX), answer = BUF(1024);
	struct rec_sender_answer a;
	uint16_t type;
	enum verdict v = VERDICT_LATER;

	rec_put_sender_ask(&b, 0, s->sid, &(struct rec_sender_ask){ s->account, address });
	if (channel_ask(s->host->warden, &b, -1, ASK_MS, &answer, &type, NULL) == ST_OK &&
	    type == REC_sender_answer && rec_take_sender_answer(buf_view(&answer), &a)) {
		v = (enum verdict)a.verdict;
		*ret_own = a.own != 0;
	}
	buf_free(&b);
	buf_free(&answer);
	return v;
}

/* The envelope's sender was asked about already. */
static enum verdict is_his(struct smtp_session *s, struct view address, bool *ret_own)
{
	if (smtp_local_may_send(s, address)) {
		*ret_own = true;
		return VERDICT_OK;
	}
	if (s->env.sender.n && view_eq_i(address, s->env.sender)) {
		*ret_own = s->sender_own;
		return VERDICT_OK;
	}
	/* A user of this machine without an account has NAME@ and host.name alone. */
	if (!s->account)
		return VERDICT_NO;
	return smtp_may_send(s, address, ret_own);
}

/* A reply is ASCII, but to who speaks SMTPUTF8 (RFC 6531 3.7.4.2). */
static void put_shown(const struct smtp_session *s, struct view address, struct buf *out)
{
	address = view_head(address, SHOWN_MAX);
	for (size_t i = 0; i < address.n; i++)
		buf_putc(out, (address.p[i] & 0x80) && !s->env.smtputf8 ? '?' : address.p[i]);
}

/* What is known of the authors of a field. */
struct authors {
	struct author found;
	bool own;	/* one of them is an address whose letters he gets */
	bool login;	/* one is what he logged in as */
	bool strange;	/* one is neither his nor granted to him: this one */
	struct view stranger;
};

static enum reply look_at(struct smtp_session *s, struct authors *a)
{
	for (size_t i = 0; i < a->found.n; i++) {
		struct view address = a->found.all[i].address;
		bool own = false;
		enum verdict v = is_his(s, address, &own);

		if (v != VERDICT_OK && v != VERDICT_NO)
			return SAY_DIRECTORY_DOWN;
		a->own |= own && v == VERDICT_OK;
		a->login |= view_eq_i(address, buf_view(&s->login));
		if (v == VERDICT_NO && !a->strange) {
			a->strange = true;
			a->stranger = address;
		}
	}
	return SAY_OK;
}

static enum reply refuse(const struct smtp_session *s, const char *field, const struct authors *a, struct buf *why)
{
	buf_putf(why, "%s: has ", field);
	put_shown(s, a->stranger, why);
	buf_puts(why, ", which is not one of your addresses");
	return SAY_NOT_YOUR_FROM;
}

static bool has_addresses(const struct author *a)
{
	return a->kind == AUTHOR_ONE || a->kind == AUTHOR_SEVERAL;
}

/* A field besides From: that says who sends this. */
static enum reply check_field(struct smtp_session *s, const char *field, struct view value, struct arena *arena,
			      struct buf *why)
{
	struct authors a = { 0 };
	enum reply r;

	if (value.p == NULL)
		return SAY_OK;
	if (author_read(value, arena, &a.found) != ST_OK)
		return SAY_TRY_AGAIN;
	if (!has_addresses(&a.found)) {
		buf_putf(why, "%s: has no address, or one that is none", field);
		return SAY_NOT_YOUR_FROM;
	}
	r = look_at(s, &a);
	return r == SAY_OK && a.strange ? refuse(s, field, &a, why) : r;
}

/* From:, Resent-From: and Resent-Sender:, as submission.from wants them. */
static enum reply check_authors(struct smtp_session *s, struct view header, const struct mend_found *found,
				struct authors *a, struct arena *arena, struct buf *why)
{
	const char *whose = s->host->conf->submission_from;
	bool any = strcmp(whose, "any") == 0, resent = strcmp(whose, "resent") == 0 && found->resent_from.p;
	enum reply r = SAY_OK;

	if (!found->bare && author_find(header, arena, &a->found) != ST_OK)
		return SAY_TRY_AGAIN;
	if (found->bare)
		a->found.kind = AUTHOR_NONE;
	if (!any)
		r = check_field(s, "Resent-From", found->resent_from, arena, why);
	if (r == SAY_OK && !any)
		r = check_field(s, "Resent-Sender", found->resent_sender, arena, why);
	if (r != SAY_OK || a->found.kind == AUTHOR_NONE)
		return r;
	if (!has_addresses(&a->found) && !any && !resent) {
		buf_putf(why, "From: is refused: %s", author_problem(a->found.kind));
		return SAY_NO_AUTHOR;
	}
	r = look_at(s, a);
	return r == SAY_OK && a->strange && !any && !resent ? refuse(s, "From", a, why) : r;
}

/* ---- Sender: (RFC 5322 3.6.2) ---- */

static bool needs_sender(const struct smtp_session *s, const struct authors *a)
{
	const char *when = s->host->conf->submission_sender;

	if (a->found.kind == AUTHOR_NONE || strcmp(when, "never") == 0)
		return false;
	return a->found.n != 1 || (strcmp(when, "always") == 0 ? !a->login : !a->own);
}

/* One Sender: that is his stays; any other is replaced, or goes. */
static enum reply decide_sender(struct smtp_session *s, const struct mend_found *found, const struct authors *a,
				struct arena *arena, struct mending *m)
{
	struct authors sender = { 0 };
	enum reply r = SAY_OK;

	if (found->senders == 1) {
		if (author_read(found->sender, arena, &sender.found) != ST_OK)
			return SAY_TRY_AGAIN;
		r = look_at(s, &sender);
		if (r != SAY_OK || (sender.found.kind == AUTHOR_ONE && !sender.strange))
			return r;
	}
	if (needs_sender(s, a))
		m->sender = buf_view(&s->login);
	else
		m->drop_sender = true;
	return SAY_OK;
}

/* ---- mending (RFC 6409 8) ---- */

/* MT-Priority: says what MAIL did not (RFC 6758); here it has done its work. */
static void take_priority(struct smtp_session *s, const struct mend_found *found, struct mending *m)
{
	int8_t priority;

	if (!s->priority_given && smtp_take_priority(found->priority, &priority) == ST_OK)
		smtp_set_priority(s, priority);
	m->drop_priority = true;
}

static void take_sent(struct smtp_session *s, const struct mend_found *found)
{
	s->sent_asked = found->sent.p ? (view_eq_i(found->sent, VIEW("yes")) ? 1 : -1) : 0;
	s->bcc = found->bcc.n <= BCC_MAX ? arena_copy(&s->tx, found->bcc) : VIEW_NONE;
}

/* Waxwing-Protect: asks for this letter alone. */
static enum reply take_protect(struct smtp_session *s, const struct mend_found *found)
{
	enum protect asked;

	s->protect_asked = PROTECT_UNASKED;
	if (found->protect.p == NULL)
		return SAY_OK;
	if (protect_take(found->protect, &asked) != ST_OK)
		return SAY_BAD_PROTECT;
	s->protect_asked = (int8_t)asked;
	return SAY_OK;
}

enum reply smtp_submit_header(struct smtp_session *s, struct view header, struct buf *why, struct mended *ret)
{
	struct arena arena = ARENA(AUTHORS_ARENA);
	char date[RFC5322_DATE_SIZE], id[320];
	struct mending m = { 0 };
	struct mend_found found;
	struct authors a = { 0 };
	bool same = true;
	enum reply r;

	mend_look(header, &found);
	r = check_authors(s, header, &found, &a, &arena, why);
	if (r == SAY_OK)
		r = decide_sender(s, &found, &a, &arena, &m);
	if (r == SAY_OK)
		r = take_protect(s, &found);
	if (r == SAY_OK) {
		take_priority(s, &found, &m);
		take_sent(s, &found);
		if (s->host->conf->submission_mend) {
			snprintf(id, sizeof id, "<%.*s@%s>", VIEW_ARG(s->env.id), s->host->conf->host_name);
			m.message_id = view_cstr(id);
			m.date = view_cstr(clock_rfc5322(s->env.received, date));
			m.from = s->env.sender.n ? s->env.sender : buf_view(&s->login);
		}
		if (mend_header(header, &found, &m, &ret->added, &ret->kept, &same) != ST_OK)
			r = SAY_NO_SPACE;
		ret->changed = !same;
	}
	arena_free(&arena);
	return r;
}

/* ---- how much ---- */

static enum status ask(struct smtp_session *s, enum submit what, struct view addresses,
		       struct rec_submit_answer *ret)
{
	struct buf b = BUF(RECORD_MAX), answer = BUF(1024);
	uint16_t type;
	enum status st;

	rec_put_submit_ask(&b, 0, s->sid, &(struct rec_submit_ask){ s->account, (uint8_t)what, s->recipients_taken, addresses });
	st = channel_ask(s->host->warden, &b, -1, ASK_MS, &answer, &type, NULL);
	if (st == ST_OK && (type != REC_submit_answer || !rec_take_submit_answer(buf_view(&answer), ret)))
		st = ST_SYNTAX;
	buf_free(&b);
	buf_free(&answer);
	return st;
}

/* When it may be tried again, for people. */
static void put_wait(uint32_t seconds, struct buf *why)
{
	uint32_t minutes = (seconds + SECONDS_OF_MINUTE - 1) / SECONDS_OF_MINUTE;

	buf_putf(why, "; try again in %u %s", minutes, minutes == 1 ? "minute" : "minutes");
}

enum reply smtp_submit_begin(struct smtp_session *s)
{
	struct rec_submit_answer a;
	struct buf why = BUF(256);

	if (ask(s, SUBMIT_BEGIN, VIEW_NONE, &a) != ST_OK || (a.verdict != VERDICT_OK && a.verdict != VERDICT_SLOW))
		return SAY_DIRECTORY_DOWN;
	s->recipients_left = a.left;
	s->priority_most = (int8_t)a.priority;
	if (a.verdict == VERDICT_OK)
		return SAY_NOTHING;
	buf_puts(&why, smtp_reply_text(SAY_TOO_MUCH_MAIL));
	put_wait(a.wait, &why);
	smtp_reply_with(s, SAY_TOO_MUCH_MAIL, buf_view(&why));
	buf_free(&why);
	return SAY_ANSWERED;
}

/* As they were given; an alias of many targets is one. */
static void put_addresses(const struct smtp_session *s, struct buf *out)
{
	struct view before = VIEW_NONE;

	for (uint32_t i = 0; i < s->env.n_recipients; i++) {
		const struct recipient *r = &s->env.recipients[i];
		struct view given = r->original.n ? r->original : r->address;

		if (!view_eq_i(before, given))
			put_view(out, given);
		before = given;
	}
}

/* The author's copy, on the same way as everybody's, so that it is there once
 * however often anything crashes. */
static void add_sent(struct smtp_session *s, bool wanted)
{
	struct recipient copy = {
		.address = arena_copy(&s->tx, buf_view(&s->login)), .account = s->account, .notify = NOTIFY_NEVER,
		.via_kind = VIA_SENT, .via = s->bcc,
	};

	wanted = s->sent_asked ? s->sent_asked > 0 : wanted;
	/* What goes back to nobody is no letter of a person. */
	if (!wanted || s->env.sender.n == 0)
		return;
	if (smtp_add_recipient(s, &copy) == SAY_RECIPIENT_OK)
		return;
	log_begin(LOG_WARN_, "sent-left-out");
	log_view("id", s->env.id);
	log_str("why", "the envelope is full");
	log_end();
}

/* By the letter's own wish, or else the account's; what the operator demands
 * of all is the least. */
static void set_protect(struct smtp_session *s, uint8_t of_account)
{
	enum protect least = PROTECT_OFF;
	int wish = s->protect_asked == PROTECT_UNASKED ? of_account : s->protect_asked;

	/* What the server itself writes is for programs. */
	if (s->local.for_account) {
		s->protect = PROTECT_OFF;
		return;
	}
	/* A word that is none demands the most. */
	if (protect_take(view_cstr(s->host->conf->submission_protect), &least) != ST_OK)
		least = PROTECT_ENCRYPT;
	s->protect = (uint8_t)(wish > (int)least ? wish : (int)least);
}

enum reply smtp_submit_charge(struct smtp_session *s, struct buf *why)
{
	struct buf addresses = BUF(ENVELOPE_MAX);
	struct rec_submit_answer a;
	enum status st;

	put_addresses(s, &addresses);
	st = buf_status(&addresses);
	if (st == ST_OK)
		st = ask(s, SUBMIT_LETTER, buf_view(&addresses), &a);
	buf_free(&addresses);
	if (st != ST_OK || (a.verdict != VERDICT_OK && a.verdict != VERDICT_SLOW))
		return SAY_DIRECTORY_DOWN;
	if (a.verdict == VERDICT_SLOW) {
		buf_puts(why, smtp_reply_text(SAY_TOO_MUCH_MAIL));
		put_wait(a.wait, why);
		return SAY_TOO_MUCH_MAIL;
	}
	s->env.hold = a.hold & (uint8_t)~HOLD_TELL;
	s->tell_hold = (a.hold & HOLD_TELL) != 0;
	set_protect(s, a.protect);
	add_sent(s, a.sent);
	return SAY_OK;
}

/* ---- what the owner of an account is told whose letters are held ---- */

static void put_notice(const struct smtp_session *s, struct buf *b)
{
	const char *host = s->host->conf->host_name;
	char date[RFC5322_DATE_SIZE];

	buf_putf(b, "From: Mail system <postmaster@%s>\r\nTo: %.*s\r\n", host, VIEW_ARG(buf_view(&s->login)));
	buf_putf(b, "Subject: Your letters are held\r\nDate: %s\r\n", clock_rfc5322(clock_wall(), date));
	buf_putf(b, "Message-ID: <hold.%.*s@%s>\r\nAuto-Submitted: auto-generated\r\n\r\n", VIEW_ARG(s->env.id), host);
	buf_puts(b, "Your account suddenly writes to very many people to whom it has never\r\n"
		    "written before. That is what happens when somebody else has its password.\r\n"
		    "So from now on your letters are kept here and do not leave. None is lost.\r\n\r\n");
	buf_puts(b, "If it was you, ask your mail administrator to let them go.\r\n"
		    "If it was not, change your password now and tell him; he can drop them.\r\n\r\n");
	buf_putf(b, "For the administrator: waxwing account release %.*s [--drop]\r\n", VIEW_ARG(buf_view(&s->login)));
}

/* A letter of our own to him, on the way of all others. */
void smtp_submit_tell(struct smtp_session *s)
{
	struct recipient to = { .address = buf_view(&s->login), .account = s->account, .notify = NOTIFY_NEVER };
	struct buf env = BUF(4096), text = BUF(4096), b = BUF(RECORD_MAX), answer = BUF(1024), id = BUF(64);
	struct rec_letter_kept kept = { .verdict = VERDICT_LATER };
	struct rec_submit_answer a;
	uint16_t type;
	bool told;
	enum status st;

	buf_putf(&id, "h%.*s", VIEW_ARG(s->env.id));
	envelope_put(&env, &(struct envelope){ .id = buf_view(&id), .sid = s->sid, .received = clock_wall(),
					       .recipients = &to, .n_recipients = 1 });
	put_notice(s, &text);
	st = buf_status(&env) != ST_OK ? buf_status(&env) : buf_status(&text);
	rec_put_letter(&b, 0, s->sid, &(struct rec_letter){ buf_view(&env), text.n, buf_view(&text), false });
	if (st == ST_OK)
		st = channel_ask(s->host->queue, &b, -1, ASK_MS, &answer, &type, NULL);
	if (st == ST_OK && (type != REC_letter_kept || !rec_take_letter_kept(buf_view(&answer), &kept)))
		st = ST_SYNTAX;
	told = st == ST_OK && kept.verdict == VERDICT_OK;
	if (told && ask(s, SUBMIT_TOLD, VIEW_NONE, &a) != ST_OK)
		told = false;
	log_begin(LOG_WARN_, "account-held");
	log_hex("sid", s->sid);
	log_u64("account", s->account);
	log_view("address", buf_view(&s->login));
	log_str("told", told ? "yes" : "no");
	log_end();
	buf_free(&id);
	buf_free(&env);
	buf_free(&text);
	buf_free(&b);
	buf_free(&answer);
}
