#include "msg/surrogate.h"

#include "msg/charset.h"
#include "msg/convert.h"
#include "msg/encode.h"
#include "msg/header.h"

enum { FIELD_MAX = 1 << 20, NAME_MOST = 70 };

bool surrogate_needs(struct view letter, struct view *ret_header)
{
	*ret_header = view_head(letter, header_size(letter));
	return !view_is_ascii(*ret_header);
}

static bool has_addresses(struct view name)
{
	static const char *const names[] = {
		"From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Resent-From", "Resent-Sender", "Resent-Reply-To",
		"Resent-To", "Resent-Cc", "Resent-Bcc", "Return-Receipt-To", "Disposition-Notification-To",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (view_eq_i(name, view_cstr(names[i])))
			return true;
	return false;
}

/* What has no form in ASCII but that of a text. */
static void put_told(const struct field *f, struct buf *out)
{
	struct buf line = BUF(FIELD_MAX), text = BUF(FIELD_MAX);
	bool group = has_addresses(f->name);

	field_unfold(view_head(f->value, FIELD_MAX / 4), &line);
	charset_text(VIEW("us-ascii"), buf_view(&line), &text);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\r' || text.p[i] == '\n' || text.p[i] == '\0')
			text.p[i] = ' ';
	if (group)
		buf_putf(out, "%.*s: ", VIEW_ARG(f->name));
	else
		buf_putf(out, "Downgraded-%.*s: ", VIEW_ARG(f->name));
	encode_words(buf_view(&text), (group ? 0 : sizeof "Downgraded-" - 1) + f->name.n + 2, out);
	buf_puts(out, group ? ":;\r\n" : "\r\n");
	buf_free(&line);
	buf_free(&text);
}

/* A field by itself, as it can be written anew; else as a text. */
static enum status put_field(const struct field *f, struct view raw, struct arena *a, struct buf *out)
{
	struct buf one = BUF(2 * FIELD_MAX), made = BUF(4 * FIELD_MAX);
	struct convert_form takes = { .eightbit = true, .binary = true };
	enum status st;

	buf_put(&one, raw);
	buf_puts(&one, raw.n && raw.p[raw.n - 1] == '\n' ? "\r\n" : "\r\n\r\n");
	st = buf_status(&one);
	if (st == ST_OK)
		st = convert_header(buf_view(&one), takes, VIEW_NONE, a, &made);
	if (st == ST_OK && made.n >= 2)
		buf_put(out, view_head(buf_view(&made), made.n - 2));
	else if (st != ST_NOMEM && f->name.n && f->name.n <= NAME_MOST && view_is_ascii(f->name))
		put_told(f, out);
	/* What is no field, or is named in UTF-8, is left out. */
	buf_free(&one);
	buf_free(&made);
	return st == ST_NOMEM ? st : buf_status(out);
}

enum status surrogate_header(struct view header, struct arena *a, struct buf *out)
{
	enum status st = ST_OK;
	size_t at = 0;
	struct field f;

	while (st == ST_OK && field_next(header, &at, &f)) {
		struct view raw = view_make(header.p + f.start, f.end - f.start);

		if (view_is_ascii(raw))
			buf_put(out, raw);
		else
			st = put_field(&f, raw, a, out);
	}
	buf_puts(out, "\r\n");
	return st == ST_OK ? buf_status(out) : st;
}
