#include "mda/deliver.h"

#include "base/log.h"
#include "base/mapped.h"

#include <unistd.h>

enum { HEAD_MAX = 8192, ARENA_MAX = 4 * 1024 * 1024 };

static enum verdict verdict_of(enum status st)
{
	return st == ST_OK ? VERDICT_OK : st == ST_NOSPACE ? VERDICT_FULL : VERDICT_LATER;
}

/* No space: is it the disk's, or the person's own? */
static enum verdict verdict_full(struct store *store, uint64_t more)
{
	struct store_usage u;

	if (store_usage(store, &u) == ST_OK && u.quota > 0 && u.bytes + more > (uint64_t)u.quota)
		return VERDICT_QUOTA;
	return VERDICT_FULL;
}

/* The mailbox of that use (RFC 6154), whatever it is called; made where there is
 * none. */
static struct view mailbox_for(struct store *store, enum special_use use, struct view name, struct arena *a)
{
	struct mailbox_info *all;
	uint32_t n = 0;

	if (store_mailboxes(store, a, &all, &n) != ST_OK)
		return VIEW_NONE;
	for (uint32_t i = 0; i < n; i++)
		if (all[i].use == use)
			return all[i].name;
	/* ST_EXISTS: one of that name, though not for that use. */
	(void)!store_create(store, name, use);
	return name;
}

/* As it is to be stored: in clear only where nobody wants anything else. */
static enum status form_of(const struct encryption *c, const struct envelope *e, struct view letter,
			   struct buf *sealed)
{
	enum status st;

	if (c->certificate.n == 0)
		return ST_OK;
	st = c->encrypt ? c->encrypt(letter, c->certificate, e->body == BODY_BINARY, sealed) : ST_CLOSED;
	return st == ST_EXISTS ? ST_OK : st;
}

static void log_put(const struct envelope *e, const struct recipient *to, uint32_t uid, bool encrypted,
		    enum status st)
{
	log_begin(st == ST_OK ? LOG_INFO_ : LOG_WARN_, st == ST_OK ? "delivered" : "not-delivered");
	log_view("id", e->id);
	log_view("to", to->address);
	log_u64("uid", uid);
	if (to->via_kind == VIA_SENT)
		log_str("mailbox", "sent");
	if (e->quarantine.n)
		log_str("mailbox", "junk");
	if (encrypted && st == ST_OK)
		log_str("encrypted", "yes");
	if (st != ST_OK)
		log_str("why", status_name(st));
	log_end();
}

static enum verdict put(struct store *store, const struct encryption *c, const struct rec_deliver *in,
			const struct envelope *e, struct view letter, struct buf *out)
{
	const struct recipient *to = &e->recipients[in->recipient];
	bool sent = to->via_kind == VIA_SENT;
	struct buf head = BUF(HEAD_MAX), sealed = BUF(ENCRYPT_LETTER_MAX);
	struct arena a = ARENA(ARENA_MAX);
	uint32_t uid = 0;
	size_t head_n;
	enum status st = form_of(c, e, letter, &sealed);

	if (!sent)
		buf_putf(&head, "Return-Path: <%.*s>\r\n", VIEW_ARG(recipient_sender(e, to)));
	recipient_head(to, &head);
	if (e->quarantine.n)
		buf_putf(&head, "X-Quarantine-Reason: %.*s\r\n", VIEW_ARG(e->quarantine));
	if (sealed.n)
		letter = buf_view(&sealed);
	struct delivery d = {
		.queue_id = in->queue_id, .recipient = in->recipient, .floor = in->floor,
		.date = e->received, .head = buf_view(&head), .letter = letter,
	};
	if (sent) {
		d.mailbox = mailbox_for(store, USE_SENT, VIEW("Sent"), &a);
		d.flags = FLAG_SEEN;
	} else if (e->quarantine.n) {
		d.mailbox = mailbox_for(store, USE_JUNK, VIEW("Junk"), &a);
	}
	head_n = head.n;
	if (st == ST_OK)
		st = buf_status(&head) == ST_OK ? store_deliver(store, &d, &uid) : buf_status(&head);
	buf_free(&head);
	buf_free(&sealed);
	arena_free(&a);
	log_put(e, to, uid, c->certificate.n > 0, st);
	buf_puts(out, status_name(st));
	return st == ST_NOSPACE ? verdict_full(store, letter.n + head_n) : verdict_of(st);
}

enum verdict deliver_take(struct store *store, const struct encryption *c, const struct rec_deliver *in, int fd,
			  struct buf *out)
{
	struct arena arena = ARENA(ARENA_MAX);
	struct view letter = in->body;
	struct envelope e;
	bool mapped = false;
	enum status st = envelope_take(in->envelope, &arena, &e);
	enum verdict v;

	if (st == ST_OK && in->recipient >= e.n_recipients)
		st = ST_SYNTAX;
	if (st == ST_OK && fd >= 0 && in->size) {
		st = mapped_sealed(fd, in->size, &letter);
		mapped = st == ST_OK;
	}
	v = st == ST_OK ? put(store, c, in, &e, letter, out) : verdict_of(st);
	if (mapped)
		mapped_free(letter);
	if (fd >= 0)
		close(fd);
	arena_free(&arena);
	return v;
}
