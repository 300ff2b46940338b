/* receipt.c - waxmail receipt: saying that a letter was read (RFC 8098). */
#include "msg/address.h"
#include "msg/header.h"
#include "mua/compose/write.h"
#include "mua/say.h"
#include "mua/verbs/ids.h"

#include <openssl/rand.h>
#include <stdlib.h>

enum { FIELD_MAX = 64 * 1024, SMALL_ARENA = 16 * 1024 * 1024, REPORT_MAX = 1024 * 1024 };

/* The one address of a field; false where there is none, or several. */
static bool only_address(struct view letter, struct view field, struct buf *out)
{
	struct address_reader r;
	struct address a;
	struct field f;
	int n = 0;

	if (!field_find(letter, field, &f))
		return false;
	r = address_reader(f.value);
	while (address_next(&r, &a)) {
		if (a.kind != ADDRESS_MAILBOX)
			continue;
		buf_clear(out);
		address_put(&a, out);
		n++;
	}
	return n == 1;
}

/* 3.1: what is for people, then what is for programs. */
static void put_report(struct place *p, struct view letter, struct buf *out)
{
	struct buf id = BUF(FIELD_MAX), subject = BUF(FIELD_MAX);
	unsigned char random[8] = { 0 };
	struct field f;
	char boundary[32] = "=_";

	(void)!RAND_bytes(random, sizeof random);
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(boundary + 2 + 2 * i, 3, "%02x", random[i]);
	if (field_find(letter, VIEW("Message-ID"), &f))
		field_unfold(f.value, &id);
	letter_text(letter, VIEW("Subject"), &subject);
	buf_putf(
		out,
		"Content-Type: multipart/report; report-type=disposition-notification;\r\n\tboundary=\"%s\"\r\n\r\n--%s\r\n"
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
		boundary, boundary);
	buf_putf(out, "Your letter to %s was shown to somebody there.\r\n", p->account->address);
	buf_puts(out, "That does not mean that it was understood, or agreed to.\r\n");
	buf_putf(out, "\r\n--%s\r\nContent-Type: message/disposition-notification\r\n\r\n"
		 "Reporting-UA: waxmail " WAXWING_VERSION "\r\nFinal-Recipient: rfc822; %s\r\n", boundary, p->account->address);
	if (id.n)
		buf_putf(out, "Original-Message-ID: %.*s\r\n", VIEW_ARG(buf_view(&id)));
	buf_putf(out, "Disposition: manual-action/MDN-sent-manually; displayed\r\n\r\n--%s--\r\n", boundary);
	buf_free(&id);
	buf_free(&subject);
}

static enum status build(struct place *p, struct view letter, struct view to, struct buf *out, struct buf *id)
{
	struct buf body = BUF(REPORT_MAX), subject = BUF(FIELD_MAX), ids = BUF(FIELD_MAX);
	struct draft d = { .from = view_cstr(p->account->address), .to = to, .at = clock_wall() };
	struct field f;
	enum status st;

	buf_puts(&subject, "Read: ");
	letter_text(letter, VIEW("Subject"), &subject);
	if (field_find(letter, VIEW("Message-ID"), &f))
		field_unfold(f.value, &ids);
	put_report(p, letter, &body);
	d.subject = buf_view(&subject);
	d.in_reply_to = d.references = buf_view(&ids);
	d.body = buf_view(&body);
	st = buf_status(&body) == ST_OK ? letter_build(&d, out, id, NULL) : buf_status(&body);
	buf_free(&body);
	buf_free(&subject);
	buf_free(&ids);
	return st;
}

/* Is it wanted, is it the first, and does it go to the author (2.1)? */
static bool may_answer(struct place *p, int64_t id, struct view letter, struct buf *to)
{
	struct arena a = ARENA(SMALL_ARENA);
	struct buf author = BUF(FIELD_MAX);
	struct copy_message m = { 0 };
	const char *why = NULL;
	struct field f;

	if (!field_find(letter, VIEW("Disposition-Notification-To"), &f))
		why = "its author did not ask for that";
	else if (copy_message(p->copy, id, &a, &m) != ST_OK || m.flags & COPY_MDN_SENT)
		why = "its author was told already";
	else if (!only_address(letter, VIEW("Disposition-Notification-To"), to) ||
		 !only_address(letter, VIEW("From"), &author) || !view_eq_i(buf_view(to), buf_view(&author)))
		why = "the answer would not go to its author alone, and so might tell somebody else";
	if (why)
		say("letter %lld: %s; nothing is sent", (long long)id, why);
	arena_free(&a);
	buf_free(&author);
	return why == NULL;
}

static enum status send_report(struct place *p, struct view report, const struct view *to, bool queue,
			       struct fate_told *told)
{
	struct post post = { .out = { .to = to, .n_to = 1 } };
	uint64_t out;
	enum status st = post_put(p, &post, report, &out);

	told->queued = queue;
	return st == ST_OK && !queue ? post_send(p, out, told) : st;
}

static enum status answer(const struct invocation *in, struct place *p, int64_t id, struct fate_told *told)
{
	struct buf to = BUF(FIELD_MAX), report = BUF(REPORT_MAX);
	struct copy_letter letter;
	struct view recipient;
	enum status st = place_letter(p, id, &letter);

	if (st != ST_OK)
		return st;
	st = may_answer(p, id, letter.bytes, &to)
		     ? build(p, letter.bytes, buf_view(&to), &report, &told->message_id)
		     : ST_DENIED;
	copy_letter_close(&letter);
	recipient = buf_view(&to);
	/* The null sender: nobody answers an answer (3). */
	if (st == ST_OK)
		st = send_report(p, buf_view(&report), &recipient, GIVEN(in, queue), told);
	if (st == ST_OK)
		st = copy_flags(p->copy, &id, 1, COPY_MDN_SENT, 0);
	buf_free(&to);
	buf_free(&report);
	return st;
}

int verb_receipt(struct invocation *in)
{
	struct fate_told told = { .message_id = BUF(512), .why = BUF(WHY_MAX) };
	struct place p;
	int64_t id;
	int status = FAILED;
	enum status st;

	if (!id_take(in->args[0], &id))
		return WRONG_USE;
	st = place_open(&p, in);
	if (st == ST_OK)
		st = answer(in, &p, id, &told);
	if (told.why.n)
		say("%.*s", VIEW_ARG(buf_view(&told.why)));
	if (st == ST_OK)
		status = !GIVEN(in, json) ? DONE :
			 print_object(json_pack("{ss,so}", "state", told.queued ? "queued" : "sent", "message_id",
						say_text(buf_view(&told.message_id))));
	buf_free(&told.message_id);
	buf_free(&told.why);
	place_close(&p);
	return status;
}
