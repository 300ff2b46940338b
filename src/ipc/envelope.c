#include "ipc/envelope.h"

/* Form 1 has no priority, forms 1 and 2 have no via, sender and detail, the
 * first three no times, hold and seal, and the first four no quarantine. */
enum { FORM = 5, FORM_PRIORITY = 2, FORM_VIA = 3, FORM_TIMES = 4, FORM_QUARANTINE = 5 };
/* Bytes, where all views are empty. */
enum { LEAST = 71, RECIPIENT_LEAST = 34, RECIPIENT_LEAST_ONCE = 21 };
/* Bits of one byte. */
enum { WITH_SMTPUTF8 = 1, WITH_REQUIRETLS = 2, WITH_TRACE = 4, WITH_HELD_BACK = 8, WITH_ALL = 15 };

void envelope_put(struct buf *b, const struct envelope *e)
{
	put_u8(b, FORM);
	put_view(b, e->id);
	put_u64(b, e->sid);
	put_u64(b, (uint64_t)e->received);
	put_view(b, e->sender);
	put_view(b, e->envid);
	put_u8(b, e->body);
	put_u8(b, (uint8_t)((e->smtputf8 ? WITH_SMTPUTF8 : 0) | (e->requiretls ? WITH_REQUIRETLS : 0) |
			    (e->by_trace ? WITH_TRACE : 0) | (e->held_back ? WITH_HELD_BACK : 0)));
	put_u8(b, e->ret);
	put_u64(b, e->authenticated);
	put_u8(b, (uint8_t)e->priority);
	put_u8(b, e->hold);
	put_u64(b, (uint64_t)e->release);
	put_u64(b, (uint64_t)e->deliver_by);
	put_u8(b, e->by_mode);
	put_view(b, e->seal);
	put_view(b, e->quarantine);
	put_u32(b, e->n_recipients);
	for (uint32_t i = 0; i < e->n_recipients; i++) {
		const struct recipient *r = &e->recipients[i];

		put_view(b, r->address);
		put_view(b, r->original);
		put_view(b, r->orcpt);
		put_u64(b, r->account);
		put_u8(b, r->notify);
		put_u8(b, r->via_kind);
		put_view(b, r->via);
		put_view(b, r->sender);
		put_view(b, r->detail);
	}
}

size_t envelope_size(const struct envelope *e)
{
	return LEAST + e->id.n + e->sender.n + e->envid.n + e->seal.n + e->quarantine.n;
}

size_t recipient_size(const struct recipient *r)
{
	return RECIPIENT_LEAST + r->address.n + r->original.n + r->orcpt.n + r->via.n + r->sender.n +
		r->detail.n;
}

static void take_recipient(struct cursor *c, uint8_t form, struct recipient *r)
{
	r->address = take_view(c);
	r->original = take_view(c);
	r->orcpt = take_view(c);
	r->account = take_u64(c);
	r->notify = take_u8(c);
	if (form < FORM_VIA)
		return;
	r->via_kind = take_u8(c);
	r->via = take_view(c);
	r->sender = take_view(c);
	r->detail = take_view(c);
}

/* The times, and whether they fit each other. */
static bool take_times(struct cursor *c, struct envelope *e)
{
	e->hold = take_u8(c);
	e->release = (wall_ms)take_u64(c);
	e->deliver_by = (wall_ms)take_u64(c);
	e->by_mode = take_u8(c);
	return e->hold <= HOLD_RECIPIENTS && e->release >= 0 && e->deliver_by >= 0 &&
	       (e->deliver_by ? e->by_mode == 'R' || e->by_mode == 'N' : e->by_mode == 0);
}

enum status envelope_take(struct view bytes, struct arena *a, struct envelope *ret)
{
	struct cursor c = cursor_over(bytes);
	struct envelope e = { 0 };
	uint8_t form = take_u8(&c);
	uint8_t with;

	if (form < 1 || form > FORM)
		return ST_SYNTAX;
	e.id = take_view(&c);
	e.sid = take_u64(&c);
	e.received = (wall_ms)take_u64(&c);
	e.sender = take_view(&c);
	e.envid = take_view(&c);
	e.body = take_u8(&c);
	with = take_u8(&c);
	e.smtputf8 = (with & WITH_SMTPUTF8) != 0;
	e.requiretls = (with & WITH_REQUIRETLS) != 0;
	e.by_trace = (with & WITH_TRACE) != 0;
	e.held_back = (with & WITH_HELD_BACK) != 0;
	e.ret = take_u8(&c);
	e.authenticated = take_u64(&c);
	if (form >= FORM_PRIORITY)
		e.priority = (int8_t)take_u8(&c);
	if (form >= FORM_TIMES && !take_times(&c, &e))
		return ST_SYNTAX;
	if (form >= FORM_TIMES)
		e.seal = take_view(&c);
	if (form >= FORM_QUARANTINE)
		e.quarantine = take_view(&c);
	e.n_recipients = take_u32(&c);
	/* An unknown bit asks for something that would not be kept. */
	if (!cursor_ok(&c) || (with & ~WITH_ALL) || e.n_recipients > RECIPIENTS_MAX ||
	    e.n_recipients > cursor_left(&c) / (form < FORM_VIA ? RECIPIENT_LEAST_ONCE : RECIPIENT_LEAST))
		return ST_SYNTAX;
	e.recipients = arena_array(a, e.n_recipients, sizeof *e.recipients);
	if (e.recipients == NULL)
		return arena_status(a);
	for (uint32_t i = 0; i < e.n_recipients; i++)
		take_recipient(&c, form, &e.recipients[i]);
	if (!cursor_end(&c))
		return ST_SYNTAX;
	*ret = e;
	return ST_OK;
}

/* A list's name is its address with a dot for the "@" (RFC 2919 2). */
static void put_list_id(struct view address, struct buf *out)
{
	size_t at = view_behind_last(address, '@');

	if (at == 0)
		return;
	buf_puts(out, "List-Id: <");
	buf_put(out, view_head(address, at - 1));
	buf_putc(out, '.');
	buf_put(out, view_skip(address, at));
	buf_puts(out, ">\r\n");
}

/* What may stand in <mailto:> as it is (RFC 6068 2). */
static void put_mailto(struct view address, struct buf *out)
{
	static const char plain[] = "-._~@!$'*+";

	for (size_t i = 0; i < address.n; i++) {
		char c = address.p[i];

		if (ascii_alpha(c) || ascii_digit(c) || (c && strchr(plain, c)))
			buf_putc(out, c);
		else
			buf_putf(out, "%%%02X", (unsigned)(unsigned char)c);
	}
}

/* One field of RFC 2369 3; subject: of the letter that does it, or NULL. */
static void put_list_field(const char *name, struct view address, const char *subject, struct buf *out)
{
	buf_putf(out, "%s: <mailto:", name);
	put_mailto(address, out);
	if (subject)
		buf_putf(out, "?subject=%s", subject);
	buf_puts(out, ">\r\n");
}

void recipient_head(const struct recipient *r, struct buf *out)
{
	struct view owner = r->sender.n ? r->sender : r->via;

	if (r->via_kind == VIA_NOTHING || r->via.n == 0)
		return;
	if (r->via_kind == VIA_SENT) {
		buf_putf(out, "Bcc:%.*s\r\n", VIEW_ARG(r->via));
		return;
	}
	buf_putf(out, "Delivered-To: %.*s\r\n", VIEW_ARG(r->via));
	if (r->via_kind != VIA_GROUP)
		return;
	put_list_id(r->via, out);
	put_list_field("List-Post", r->via, NULL, out);
	put_list_field("List-Help", owner, "help", out);
	put_list_field("List-Owner", owner, NULL, out);
	put_list_field("List-Unsubscribe", owner, "unsubscribe", out);
	buf_puts(out, "Precedence: list\r\n");
}

void target_put(struct buf *b, const struct target *t)
{
	put_u64(b, t->account);
	put_view(b, t->address);
	put_u8(b, t->via_kind);
	put_view(b, t->via);
	put_view(b, t->sender);
	put_view(b, t->detail);
}

bool target_take(struct cursor *c, struct target *ret)
{
	struct target t = { 0 };

	if (cursor_left(c) == 0)
		return false;
	t.account = take_u64(c);
	t.address = take_view(c);
	t.via_kind = take_u8(c);
	t.via = take_view(c);
	t.sender = take_view(c);
	t.detail = take_view(c);
	if (!cursor_ok(c))
		return false;
	*ret = t;
	return true;
}

static const struct view protects[] = {
	[PROTECT_OFF] = { "off", 3 }, [PROTECT_SIGN] = { "sign", 4 }, [PROTECT_BEST] = { "protect", 7 },
	[PROTECT_ENCRYPT] = { "encrypt", 7 },
};

const char *protect_word(enum protect p)
{
	return protects[p].p;
}

enum status protect_take(struct view word, enum protect *ret)
{
	for (unsigned i = 0; i < sizeof protects / sizeof *protects; i++)
		if (view_eq_i(word, protects[i])) {
			*ret = (enum protect)i;
			return ST_OK;
		}
	return ST_SYNTAX;
}
