/* internal.h - what the files of the SMTP server share. */
#ifndef WAXWING_MTA_IN_INTERNAL_H
#define WAXWING_MTA_IN_INTERNAL_H

#include "mta/in/session.h"

#define REPLY(name, code, enhanced, text) SAY_##name,
enum reply {
	SAY_NOTHING = 0,	/* the command has answered itself, or will later */
#include "mta/in/replies.def"
	SAY_COUNT,
	SAY_ANSWERED,		/* of a step of a command: it was refused, and the client knows */
};
#undef REPLY

enum { ASK_MS = 30000 };	/* the longest wait for an answer of warden or queue */

/* ---- session.c ---- */

/* Put a reply into the connection's output.  Replies of 400 and more count
 * as errors of the client. */
void smtp_reply(struct smtp_session *s, enum reply r);

/* The same with a text of our own; '\n' parts it into the lines of a reply of
 * several (RFC 5321 4.2.1).  Enhanced codes go only to who said EHLO. */
void smtp_say(struct smtp_session *s, int code, const char *enhanced, struct view text);

/* A row of the table with another text. */
void smtp_reply_with(struct smtp_session *s, enum reply r, struct view text);

/* The text of a row, for replies that say more. */
const char *smtp_reply_text(enum reply r);

/* RSET: the transaction is as if it had never been. */
void smtp_forget(struct smtp_session *s);

static inline bool smtp_is_submission(const struct smtp_session *s)
{
	return s->service != SERVICE_SMTP;
}

/* On the ports of submission nothing goes before a login. */
static inline bool smtp_needs_login(const struct smtp_session *s)
{
	return smtp_is_submission(s) && s->account == 0 && !s->local.here;
}

/* ---- local.c: a user of this machine ---- */
/* Who is he?  False: it cannot be said now, the client was told. */
bool smtp_local_begin(struct smtp_session *s);
/* What shows warden that letters may be signed for his account, into s->ticket.
 * VERDICT_LATER: warden does not know of him. */
enum verdict smtp_local_ticket(struct smtp_session *s);
/* Is he one, and may name that sender though it is no address of his account? */
bool smtp_local_may_send(const struct smtp_session *s, struct view sender);
/* Root, or the user whose processes these are: he can read every key anyway. */
bool smtp_local_is_operator(const struct smtp_session *s);
/* From now on he is the account whose address the envelope's sender is.  SAY_NOTHING, or why
 * not. */
enum reply smtp_local_become(struct smtp_session *s);
/* What smtp_ask_warden has said of that recipient, as it is for him. */
enum verdict smtp_local_verdict(const struct smtp_session *s, struct view address, enum verdict v);
/* What stands in Received: in the place of the client. */
void smtp_local_trace(const struct smtp_session *s, struct buf *b);

/* ---- command.c: one line of the client ---- */
void smtp_command(struct smtp_session *s, struct view line);

/* ---- dialog.c: what was said, where log.dialog wants it ---- */
void smtp_dialog_reply(const struct smtp_session *s, struct view line);
void smtp_dialog_line(const struct smtp_session *s, struct view line);
void smtp_dialog_letter(const struct smtp_session *s, uint64_t size);

/* ---- envelope.c ---- */
enum reply cmd_mail(struct smtp_session *s, struct view rest);
enum reply cmd_rcpt(struct smtp_session *s, struct view rest);

/* What warden knows of an address; *ret_targets lies in the answer. */
enum verdict smtp_ask_warden(struct smtp_session *s, struct view address, struct buf *answer,
			     struct view *ret_targets);

/* One more recipient; SAY_RECIPIENT_OK, or the envelope is full. */
enum reply smtp_add_recipient(struct smtp_session *s, const struct recipient *r);
/* One of these without a login, whose letters the operator answers for. */
bool smtp_speaks_for_us(const struct smtp_session *s);
/* What MAIL or the letter asks for, as far as it may. */
void smtp_set_priority(struct smtp_session *s, int8_t priority);
/* The words of EHLO for the parameters that this client may use. */
void smtp_put_parameters(const struct smtp_session *s, struct buf *out);

/* ---- submit.c: letters of who has logged in (RFC 6409) ---- */

/* May he send as this address?  *ret_own: he gets its letters. */
enum verdict smtp_may_send(struct smtp_session *s, struct view address, bool *ret_own);
/* MAIL: SAY_NOTHING, or he has sent too much for now. */
enum reply smtp_submit_begin(struct smtp_session *s);
/* The header is complete: SAY_OK, and how it is mended; or why it is refused. */
struct mended {
	struct buf added;	/* goes before it */
	struct buf kept;	/* changed: what is left of it */
	bool changed;
};
enum reply smtp_submit_header(struct smtp_session *s, struct view header, struct buf *why, struct mended *ret);
/* The letter is complete: it is counted, and the envelope says whether it is
 * held and whether a copy goes into Sent. */
enum reply smtp_submit_charge(struct smtp_session *s, struct buf *why);
/* It is kept and held, and the owner does not know yet: he is told. */
void smtp_submit_tell(struct smtp_session *s);

/* ---- protect.c: letters signed and encrypted for who has logged in ---- */

/* The letter is complete, sealed and charged: what s->protect asks for is done to
 * it.  Recipients whom others must not know of get theirs apart, which is kept
 * already then.  SAY_OK, or why it is refused; nothing that was not protected has
 * been kept. */
enum reply smtp_protect(struct smtp_session *s, struct buf *why);

/* ---- loop.c: what comes back to who sent it on ---- */

/* How a recipient is reached by whom the letter was sent on before. */
enum { VIA_AGAIN = 0xff };
/* The text begins; its bytes. */
void smtp_loop_begin(struct smtp_session *s);
void smtp_loop_put(struct smtp_session *s, struct view run);
/* The text is complete: such recipients are no more.  False: nobody would get
 * it in the place of one of them. */
bool smtp_loop_end(struct smtp_session *s);

/* ---- checks.c: who really sent it ---- */

/* MAIL was taken: let DNS begin. */
void smtp_checks_hint(struct smtp_session *s);
/* The text begins; its bytes; it is over, for whatever reason. */
enum status smtp_checks_begin(struct smtp_session *s) MUST_USE;
void smtp_checks_put(struct smtp_session *s, struct view run);
void smtp_checks_forget(struct smtp_session *s);
/* The text is complete and not yet sealed: SAY_OK, and what was found stands
 * at its top; or why it is refused, and with that `why` when the row's text
 * does not say all. */
enum reply smtp_checks_end(struct smtp_session *s, struct buf *why);

/* ---- seal.c ---- */
/* The letter is good: what it may be signed for goes into its envelope.
 * SAY_OK, SAY_TRY_AGAIN. */
enum reply smtp_seal(struct smtp_session *s);

/* ---- evaluated.c: for reports to the author's domain ---- */

/* It was judged; r: how the letter is answered.  Waits for nobody. */
void smtp_evaluated(struct smtp_session *s, const struct trust_verdict *v, enum reply r, struct view results);

/* ---- challenge.c: letters of issuers of certificates ---- */

/* It was judged: is it one?  It is kept: warden is told. */
void smtp_challenge_look(struct smtp_session *s, const struct trust_verdict *v);
void smtp_challenge_tell(struct smtp_session *s);

/* ---- auth.c ---- */
enum reply cmd_auth(struct smtp_session *s, struct view rest);
/* The client's line in MODE_AUTH. */
void smtp_auth_line(struct smtp_session *s, struct view line);
void smtp_auth_forget(struct smtp_session *s);
/* May a password come over this connection? */
bool smtp_auth_safe(const struct smtp_session *s);
/* What this connection can log in with. */
void smtp_auth_offer(const struct smtp_session *s, struct sasl_offer *ret);

/* ---- burl.c ---- */
enum reply cmd_burl(struct smtp_session *s, struct view rest);
/* The word of EHLO, for who may use it or could by logging in. */
void smtp_put_burl(const struct smtp_session *s, struct buf *out);

/* ---- letter.c ---- */
enum reply cmd_data(struct smtp_session *s, struct view rest);
enum reply cmd_bdat(struct smtp_session *s, struct view rest);
/* A piece of the text that is neither a line of DATA nor the client's own: the
 * text begins with it, or goes on. */
void smtp_text_begin(struct smtp_session *s);
void smtp_text_put(struct smtp_session *s, struct view run);
/* How many octets more may come. */
uint64_t smtp_text_room(const struct smtp_session *s);
/* The text is whole: the letter is checked, kept and answered, and the
 * transaction is over. */
void smtp_text_finish(struct smtp_session *s);
/* The transaction is over, with a letter or without, and so are its clocks. */
void smtp_text_end(struct smtp_session *s);
/* Bytes in MODE_TEXT and MODE_CHUNK.  False when more must come first. */
bool smtp_take_text(struct smtp_session *s);
bool smtp_take_chunk_bytes(struct smtp_session *s);
/* The queue's word that the letter is on disk, with its envelope as it is now. */
enum reply smtp_keep(struct smtp_session *s, uint64_t *ret_queue_id);

#endif
