/* write.h - a letter while it is written: what is answered, the editor, and
 * where it goes from there.
 */
#ifndef WAXWING_MUA_COMPOSE_WRITE_H
#define WAXWING_MUA_COMPOSE_WRITE_H

#include "mua/compose/letter.h"
#include "mua/place.h"

enum { WRITING_TEXT_MAX = 64 * 1024 * 1024, ENCLOSURE_MAX = 256 * 1024 * 1024 };

struct writing {
	struct arena arena;		/* of the enclosures */
	/* As a person writes them: nicknames, names that are not encoded. */
	struct buf from, reply_to, to, cc, bcc, subject, text;
	struct buf in_reply_to, references, extra;
	struct enclosure enclosures[LETTER_PARTS_MAX];
	size_t n_enclosures;
	int64_t answers, forwards, draft;	/* messages that get a flag; a draft that goes */
	const char *notify;		/* DSN, or NULL */
	bool sign, encrypt, receipt;
	enum protection protect;		/* as the account has it, until something else is said */
	struct buf how_sealed;		/* out: what S/MIME did, in words; or empty */
	bool quote_below;		/* what is typed goes above what is quoted */
};

enum answering { ANSWER_AUTHOR, ANSWER_ALL, ANSWER_TO_LIST };
enum forward { FORWARD_WHOLE, FORWARD_INLINE };

/* From the account; the signature is the text.  writing_end in any case. */
enum status writing_begin(struct writing *w, struct place *p) MUST_USE;
void writing_end(struct writing *w);

/* Complain themselves.  The letter must be here whole (place_letter). */
enum status writing_answer(struct writing *w, struct place *p, int64_t id, enum answering how, bool quote) MUST_USE;
enum status writing_forward(struct writing *w, struct place *p, int64_t id, enum forward how) MUST_USE;
/* A draft taken up again. */
enum status writing_resume(struct writing *w, struct place *p, int64_t id) MUST_USE;
enum status writing_attach(struct writing *w, const char *path) MUST_USE;

/* In the person's editor, until the fields can be read.  ST_MISSING: nothing
 * was written.  Complains itself. */
enum status writing_edit(struct writing *w, struct place *p) MUST_USE;

enum fate { FATE_SEND, FATE_QUEUE, FATE_DRAFT };

struct fate_told {
	struct buf message_id;
	int64_t draft;		/* where it is a draft now */
	bool queued;		/* it waits in the outbox */
	bool held;		/* and goes only when it is released (`waxmail outbox send`) */
	uint64_t out;		/* its number there */
	struct buf why;		/* why it was not sent */
};

/* ST_OK: it is sent, or waits (told->queued), or is a draft, as wanted.
 * Complains itself of what the person gave; else told->why says why. */
enum status writing_finish(struct writing *w, struct place *p, enum fate fate, struct fate_told *told) MUST_USE;

/* The same, asked of the person at the terminal, after the editor: it is sent, edited again,
 * gets files, becomes a draft or is thrown away (ST_MISSING).  What cannot be sent as it is,
 * for want of a recipient, say, is asked about again, so that nothing that was written is lost.
 * Without a terminal, or with the setting review off, as writing_finish. */
enum status writing_review(struct writing *w, struct place *p, enum fate fate, struct fate_told *told) MUST_USE;

/* ---- sending on ---- */

struct resend {
	struct view to, cc, bcc;	/* as people write them */
	enum protection protect;
	bool queue;
};
/* A letter as it is, to others (RFC 5322 3.6.6); a recipient who is in bcc is named nowhere.
 * As writing_finish; ST_DENIED where it was to be encrypted. */
enum status letter_resend(struct place *p, int64_t id, const struct resend *r, struct fate_told *told) MUST_USE;

/* ---- for the verbs ---- */

/* Jo Jones <Jones@foo.com>, as people write it. */
void account_put_person(const struct account *a, struct buf *out);

/* A letter, whole: fetched where only its header is here.  Complains itself;
 * copy_letter_close. */
enum status place_letter(struct place *p, int64_t id, struct copy_letter *ret) MUST_USE;

/* A field's text, unfolded and decoded; nothing where there is none. */
void letter_text(struct view letter, struct view field, struct buf *out);
/* An address list for people: names decoded, quoted where they must be. */
void letter_addresses(struct view letter, struct view field, struct buf *out);

/* What is put into the outbox and sent; options and next are set by these. */
struct post {
	struct copy_out out;
	const char *notify;		/* DSN, or NULL */
	bool require_tls, no_copy;
};
/* Onto disk.  Complains itself. */
enum status post_put(struct place *p, const struct post *post, struct view letter, uint64_t *ret_out) MUST_USE;
/* On its way; ST_OK where it waits, too (told->queued).  Where it would be held, a person at
 * a terminal is asked. */
enum status post_send(struct place *p, uint64_t out, struct fate_told *told) MUST_USE;
/* A letter of the outbox at once, with less protection where that is said. */
enum status post_release(struct place *p, uint64_t out, bool less, struct fate_told *told) MUST_USE;

#endif
