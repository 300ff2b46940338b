/* report.c - a report on a letter of one's own, in a sentence for each recipient: what came of
 * it at the hosts (RFC 3464, RFC 6533), or before the recipient's eyes (RFC 8098).
 *
 * Anybody can write such a report (RFC 3464 4.1): what is said is what it says.
 */
#include "mua/copy/show_internal.h"

#include "msg/date.h"
#include "msg/dsn.h"
#include "msg/msgid.h"
#include "mua/copy/parts.h"

#include <time.h>

enum { PART_MAX = 1024 * 1024, VALUE_MAX = 4096, SENTENCES = 20, REASON_COLUMNS = 300 };

/* ---- fields ---- */

/* Unfolded, harmless; empty where there is none. */
static void value_of(struct view group, const char *name, struct buf *out)
{
	struct buf raw = BUF(VALUE_MAX);
	struct field f;

	buf_clear(out);
	if (field_find(group, view_cstr(name), &f)) {
		field_unfold(view_head(f.value, VALUE_MAX), &raw);
		show_line(buf_view(&raw), 0, out);
	}
	buf_free(&raw);
}

/* "rfc822; x@y" without its type; what is encoded for the type is decoded (RFC 3464 2.1.2,
 * RFC 6533 3). */
static void put_typed(struct view v, bool xtext, struct buf *out)
{
	size_t semicolon = view_find(v, ';');
	struct view type = view_trim(view_head(v, semicolon)), text = view_trim(view_skip(v, semicolon + 1));
	struct buf plain = BUF(VALUE_MAX);

	if (semicolon == v.n)
		text = type;
	if (view_eq_i(type, VIEW("utf-8")))
		dsn_utf8_xtext(text, &plain);
	else if (xtext)
		dsn_xtext(text, &plain);
	else
		buf_put(&plain, text);
	show_line(buf_view(&plain), REASON_COLUMNS, out);
	buf_free(&plain);
}

/* As the sender wrote it, else where it went. */
static void put_recipient(struct view group, struct buf *out)
{
	struct buf v = BUF(4 * VALUE_MAX);

	value_of(group, "Original-Recipient", &v);
	if (v.n) {
		put_typed(buf_view(&v), true, out);
	} else {
		value_of(group, "Final-Recipient", &v);
		put_typed(buf_view(&v), false, out);
	}
	buf_free(&v);
}

static void put_day(struct view raw, const char *before, struct buf *out)
{
	struct date d;
	struct tm tm;
	time_t t;
	char text[64];

	if (raw.n == 0 || date_parse(raw, &d) != ST_OK)
		return;
	t = (time_t)(date_wall(&d) / 1000);
	if (localtime_r(&t, &tm) && strftime(text, sizeof text, "%a, %e %b %Y %H:%M", &tm) > 0)
		buf_putf(out, "%s%s", before, text);
}

/* ---- delivery (RFC 3464) ---- */

/* What the host said, else what the code says. */
static void put_reason(struct view group, struct buf *out)
{
	struct buf said = BUF(4 * VALUE_MAX), status = BUF(4 * VALUE_MAX);

	value_of(group, "Diagnostic-Code", &said);
	value_of(group, "Status", &status);
	buf_puts(out, ": ");
	if (said.n)
		put_typed(buf_view(&said), false, out);
	else
		buf_puts(out, dsn_explain(view_head(buf_view(&status), view_find(buf_view(&status), ' '))).what);
	buf_free(&said);
	buf_free(&status);
}

static const struct {
	struct view action;
	const char *before, *behind;
	bool reason;
	enum show_style style;
} actions[] = {
	{ VIEW("failed"), "Your letter could not be delivered to ", "", true, SHOW_BAD },
	{ VIEW("delayed"), "Your letter could not be delivered yet to ", "", true, SHOW_UNSURE },
	{ VIEW("delivered"), "Your letter was delivered to ", ".", false, SHOW_GOOD },
	{ VIEW("relayed"), "Your letter went on to ", ", by a host that does not say what becomes of it.", false,
	  SHOW_GOOD },
	{ VIEW("expanded"), "Your letter was delivered to ", ", which sent it on to several.", false, SHOW_GOOD },
};

static void put_delivery(struct view group, struct showing_report *r)
{
	struct buf action = BUF(4 * VALUE_MAX), who = BUF(4 * VALUE_MAX), until = BUF(4 * VALUE_MAX);

	value_of(group, "Action", &action);
	put_recipient(group, &who);
	for (size_t i = 0; who.n && i < sizeof actions / sizeof *actions; i++) {
		if (!view_eq_i(view_head(buf_view(&action), actions[i].action.n), actions[i].action))
			continue;
		if (r->n++ >= SENTENCES)
			break;
		buf_putf(r->text, "%s%s%.*s%s", r->text->n ? "\n" : "", actions[i].before, VIEW_ARG(buf_view(&who)),
			 actions[i].behind);
		if (actions[i].reason)
			put_reason(group, r->text);
		value_of(group, "Will-Retry-Until", &until);
		put_day(buf_view(&until), " It is tried until ", r->text);
		/* The worst of them. */
		if (r->n == 1 || actions[i].style == SHOW_BAD || r->style == SHOW_GOOD)
			r->style = actions[i].style;
	}
	buf_free(&action);
	buf_free(&who);
	buf_free(&until);
}

/* A group of fields for the letter, then one a recipient, empty lines between (2.1). */
static void read_delivery(struct view text, struct showing_report *r)
{
	while (text.n) {
		struct field f;
		size_t at = 0;

		while (field_next(text, &at, &f))
			;
		if (at == 0)
			return;
		put_delivery(view_head(text, at), r);
		text = view_skip(text, at);
	}
	if (r->n > SENTENCES)
		buf_putf(r->text, "\nThe same is said of %zu others.", r->n - SENTENCES);
}

/* ---- reading (RFC 8098) ---- */

static const struct {
	struct view type;
	const char *words;
} dispositions[] = {
	{ VIEW("displayed"), "was displayed" },
	{ VIEW("deleted"), "was deleted" },
	{ VIEW("dispatched"), "went on from there" },
	{ VIEW("processed"), "was taken by a program" },
	{ VIEW("denied"), "is something that it does not tell about" },	/* of before RFC 8098 */
	{ VIEW("failed"), "could not be dealt with" },
};

/* "manual-action/MDN-sent-manually; displayed/error" (3.2.6). */
static void read_disposition(struct view group, struct view date, struct showing_report *r)
{
	struct buf v = BUF(4 * VALUE_MAX), who = BUF(4 * VALUE_MAX);
	struct view mode, type;

	value_of(group, "Disposition", &v);
	put_recipient(group, &who);
	mode = view_head(buf_view(&v), view_find(buf_view(&v), ';'));
	type = view_trim(view_skip(buf_view(&v), mode.n + 1));
	type = view_trim(view_head(type, view_find(type, '/')));
	for (size_t i = 0; who.n && i < sizeof dispositions / sizeof *dispositions; i++) {
		if (!view_eq_i(type, dispositions[i].type))
			continue;
		buf_putf(r->text, "The mail program of %.*s says that your letter %s", VIEW_ARG(buf_view(&who)),
			 dispositions[i].words);
		put_day(date, ", on ", r->text);
		buf_puts(r->text, view_starts_i(mode, VIEW("automatic-action")) ? ", without anybody's doing." : ".");
		r->n++;
		r->style = SHOW_UNSURE;
	}
	buf_free(&v);
	buf_free(&who);
}

/* ---- which letter ---- */

static void put_first_id(struct view field, struct buf *out)
{
	struct msgid_reader ids = msgid_reader(field);
	struct view id;

	if (out->n == 0 && msgid_next(&ids, &id))
		show_line(id, 0, out);
}

static void find_id(const struct mime *m, uint32_t i, struct view text, struct buf *out)
{
	struct field f;

	if (m->parts[i].kind == MIME_MESSAGE && m->parts[i].child != MIME_NONE)
		put_first_id(mime_field(m, &m->parts[m->parts[i].child], FIELD_MESSAGE_ID), out);
	else if (field_find(text, VIEW("Original-Message-ID"), &f) ||
		 ((parts_type(m, i, "text", "rfc822-headers") || parts_type(m, i, "message", "global-headers")) &&
		  field_find(text, VIEW("Message-ID"), &f)))
		put_first_id(f.value, out);
}

/* ---- all ---- */

static void read_part(const struct mime *m, uint32_t i, struct showing_report *r)
{
	struct buf text = BUF(PART_MAX);

	if (m->parts[i].kind == MIME_LEAF)
		parts_text(m, i, &text);
	if (parts_type(m, i, "message", "delivery-status") || parts_type(m, i, "message", "global-delivery-status"))
		read_delivery(buf_view(&text), r);
	else if (r->n == 0 && (parts_type(m, i, "message", "disposition-notification") ||
			       parts_type(m, i, "message", "global-disposition-notification")))
		read_disposition(buf_view(&text), mime_field(m, &m->parts[0], FIELD_DATE), r);
	find_id(m, i, buf_view(&text), r->id);
	buf_free(&text);
}

bool report_read(const struct mime *m, struct showing_report *r)
{
	if (m->parts[0].kind != MIME_MULTIPART || !parts_type(m, 0, "multipart", "report"))
		return false;
	for (uint32_t c = m->parts[0].child; c != MIME_NONE; c = m->parts[c].next)
		read_part(m, c, r);
	return r->n > 0;
}

enum status show_report(struct view letter, struct buf *text, struct buf *id)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct showing_report r = { .text = text, .id = id };
	struct mime m;
	enum status st = mime_parse(letter, &a, &m);

	if (st == ST_OK && !report_read(&m, &r))
		st = ST_MISSING;
	if (st == ST_OK)
		st = buf_status(text) == ST_NOMEM || buf_status(id) == ST_NOMEM ? ST_NOMEM : ST_OK;
	arena_free(&a);
	return st;
}
