/* resend.c - a letter sent on as it is (RFC 5322 3.6.6). */
#include "mua/compose/write.h"

#include "msg/header.h"
#include "mua/compose/aliases.h"
#include "mua/say.h"

enum { HEAD_MAX = 4 * 1024 * 1024, SMALL_ARENA = 64 * 1024 * 1024, BAD_MAX = 4096 };

/* Those whom the letter names, and then the others. */
static enum status take_people(const struct resend *r, struct buf *to, struct buf *cc, struct buf *all)
{
	struct buf aliases = BUF(ALIASES_MAX), bcc = BUF(ALIASES_EXPANDED_MAX), *lists[] = { to, cc, &bcc };
	struct view given[] = { r->to, r->cc, r->bcc };
	enum status st = aliases_read(&aliases);

	for (size_t i = 0; st == ST_OK && i < sizeof lists / sizeof *lists; i++) {
		st = aliases_expand(buf_view(&aliases), given[i], lists[i]);
		buf_puts(all, all->n && lists[i]->n ? ", " : "");
		buf_put(all, buf_view(lists[i]));
	}
	buf_free(&aliases);
	buf_free(&bcc);
	return st == ST_OK ? buf_status(all) : st;
}

static enum status put_head(struct place *p, struct view to, struct view cc, struct buf *out, struct buf *ret_id,
			    struct buf *bad)
{
	char date[RFC5322_DATE_SIZE];
	struct buf from = BUF(HEAD_MAX);
	wall_ms now = clock_wall();
	enum status st;

	buf_putf(out, "Resent-Date: %s\r\n", p->account->local_time ? clock_rfc5322_local(now, date) : clock_rfc5322(now, date));
	account_put_person(p->account, &from);
	st = letter_put_addresses("Resent-From", buf_view(&from), out, bad);
	if (st == ST_OK)
		st = letter_put_addresses("Resent-To", to, out, bad);
	if (st == ST_OK)
		st = letter_put_addresses("Resent-Cc", cc, out, bad);
	if (st == ST_OK)
		st = letter_put_id(buf_view(&from), ret_id);
	buf_putf(out, "Resent-Message-ID: <%.*s>\r\n", VIEW_ARG(buf_view(ret_id)));
	buf_free(&from);
	return st == ST_OK ? buf_status(out) : st;
}

/* Above everything, and in the letter nothing else is touched; but Return-Path is ours no
 * longer (RFC 5321 4.4), and neither is a list of those whom nobody was to see. */
static enum status put_letter(struct view letter, struct buf *out)
{
	struct field f;
	size_t at = 0, body = 0;

	for (; field_next(letter, &at, &f); body = f.end)
		if (f.name.n && !view_eq_i(f.name, VIEW("Return-Path")) && !view_eq_i(f.name, VIEW("Bcc")) &&
		    !view_eq_i(f.name, VIEW("Resent-Bcc")))
			buf_put(out, view_make(letter.p + f.start, f.end - f.start));
	buf_put(out, view_skip(letter, body));
	return buf_status(out);
}

static enum status put_and_send(struct place *p, const struct resend *r, struct view letter, struct view people,
				struct fate_told *told, struct buf *bad)
{
	struct arena a = ARENA(SMALL_ARENA);
	struct post post = { .out = { .from = view_cstr(p->account->address) }, .no_copy = true,
			     .require_tls = r->protect == PROTECTION_FULL };
	struct view *to = NULL;
	uint64_t out;
	enum status st = letter_recipients(people, &a, &to, &post.out.n_to, bad);

	if (st == ST_OK && post.out.n_to == 0) {
		say("it has no recipient: --to ADDRESS");
		st = ST_MISSING;
	}
	post.out.to = to;
	if (st == ST_OK)
		st = post_put(p, &post, letter, &out);
	told->queued = st == ST_OK && r->queue;
	if (st == ST_OK && !r->queue)
		st = post_send(p, out, told);
	arena_free(&a);
	return st;
}

enum status letter_resend(struct place *p, int64_t id, const struct resend *r, struct fate_told *told)
{
	struct buf to = BUF(ALIASES_EXPANDED_MAX), cc = BUF(ALIASES_EXPANDED_MAX), all = BUF(3 * (size_t)ALIASES_EXPANDED_MAX);
	struct buf out = BUF(BUILT_MAX), bad = BUF(BAD_MAX);
	struct copy_letter letter = { .whole = false };
	enum status st;

	*told = (struct fate_told){ .message_id = BUF(512), .why = BUF(WHY_MAX) };
	if (r->protect == PROTECTION_ENCRYPT) {
		say("a letter that is sent on stays as it is and cannot be encrypted; forward it, or --protect auto");
		return ST_DENIED;
	}
	st = place_letter(p, id, &letter);
	if (st != ST_OK)
		return st;
	st = take_people(r, &to, &cc, &all);
	if (st == ST_OK)
		st = put_head(p, buf_view(&to), buf_view(&cc), &out, &told->message_id, &bad);
	if (st == ST_OK)
		st = put_letter(letter.bytes, &out);
	if (st == ST_OK)
		st = put_and_send(p, r, buf_view(&out), buf_view(&all), told, &bad);
	if (st == ST_SYNTAX && bad.n)
		say("%.*s is no address, and no nickname of the address book", VIEW_ARG(view_head(buf_view(&bad), 200)));
	buf_free(&to);
	buf_free(&cc);
	buf_free(&all);
	buf_free(&out);
	buf_free(&bad);
	copy_letter_close(&letter);
	return st;
}
