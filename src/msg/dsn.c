#include "msg/dsn.h"

#include "msg/charset.h"
#include "msg/encode.h"
#include "msg/header.h"
#include "msg/lex.h"
#include "msg/word.h"

#include <string.h>

/* Of what others said, in a field and in the text; lines of the report. */
enum { REPLY_MAX = 2000, VALUE_MAX = 500, COLUMNS = 76, LINE_LONGEST = 998, SUBJECT_SHOWN = 60,
       LONG_WORD = 900 };
/* Codes of RFC 3463 2: class "." subject "." detail. */
enum { STATUS_MAX = 9 };

static const struct {
	const char *word, *subject, *did;
} actions[] = {
	[DSN_EXPANDED] = { "expanded", "was passed on", "was passed on to the people behind:" },
	[DSN_RELAYED] = { "relayed", "was passed on", "was passed on to a host that sends no reports, for:" },
	[DSN_DELIVERED] = { "delivered", "has arrived", "has arrived in the mailbox of:" },
	[DSN_DELAYED] = { "delayed", "is delayed", "has not arrived yet at:" },
	[DSN_FAILED] = { "failed", "was not delivered", "could not be delivered to:" },
};

/* ---- status codes ---- */

static const struct {
	struct view code;	/* without the class */
	struct dsn_words words;
} words[] = {
#define W(code, what, advice) { { code, sizeof code - 1 }, { what, advice } },
#include "msg/dsn.def"
#undef W
};

static bool is_status(struct view v)
{
	size_t dots = 0, digits = 0;

	if (v.n > STATUS_MAX || v.n < 5 || (v.p[0] != '2' && v.p[0] != '4' && v.p[0] != '5'))
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] != '.' && !ascii_digit(v.p[i]))
			return false;
		digits = v.p[i] == '.' ? 0 : digits + 1;
		dots += v.p[i] == '.';
		if (digits > (dots ? 3u : 1u) || (v.p[i] == '.' && (i + 1 == v.n || v.p[i + 1] == '.')))
			return false;
	}
	return dots == 2;
}

struct dsn_words dsn_explain(struct view status)
{
	struct view code = is_status(status) ? view_skip(status, 2) : VIEW_NONE;

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		struct view row = words[i].code;
		bool rest = row.p[row.n - 1] == '.';

		if (rest ? view_starts_i(code, row) : view_eq(code, row))
			return words[i].words;
	}
	return (struct dsn_words){ "The mail system gave no reason that it has a name for.",
				   "What it said below may tell more; your mail administrator can help." };
}

/* The code that goes with the action, where the one given does not (RFC 3464
 * 2.3.4).  What failed may have failed for a while until it was given up. */
static struct view status_of(const struct dsn_recipient *r)
{
	static const char *const classes[] = { "2", "2", "2", "4", "54" };
	static const struct view usual[] = { { "2.0.0", 5 }, { "2.0.0", 5 }, { "2.0.0", 5 }, { "4.0.0", 5 },
					     { "5.0.0", 5 } };

	return is_status(r->status) && strchr(classes[r->action], r->status.p[0]) ? r->status : usual[r->action];
}

/* ---- what others said, made harmless ---- */

void dsn_xtext(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '+' && i + 2 < v.n && ascii_hex(v.p[i + 1]) >= 0 && ascii_hex(v.p[i + 2]) >= 0) {
			buf_putc(out, (char)(ascii_hex(v.p[i + 1]) << 4 | ascii_hex(v.p[i + 2])));
			i += 2;
		} else {
			buf_putc(out, v.p[i]);
		}
	}
}

/* One character as UTF-8; nothing for what is none (RFC 3629 3). */
static void put_character(uint32_t c, struct buf *out)
{
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return;
	if (c < 0x80) {
		buf_putc(out, (char)c);
		return;
	}
	if (c >= 0x10000)
		buf_putc(out, (char)(0xf0 | c >> 18));
	else if (c >= 0x800)
		buf_putc(out, (char)(0xe0 | c >> 12));
	else
		buf_putc(out, (char)(0xc0 | c >> 6));
	if (c >= 0x10000)
		buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
	if (c >= 0x800)
		buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	buf_putc(out, (char)(0x80 | (c & 0x3f)));
}

/* "\x{HEX}" with 2 to 6 digits; how many bytes it takes, 0 where it is none. */
static size_t take_embedded(struct view v, uint32_t *ret)
{
	uint32_t c = 0;
	size_t i = 3;

	if (!view_starts_i(v, VIEW("\\x{")))
		return 0;
	for (; i < v.n && i < 9 && ascii_hex(v.p[i]) >= 0; i++)
		c = c << 4 | (uint32_t)ascii_hex(v.p[i]);
	if (i == 3 || i >= v.n || v.p[i] != '}')
		return 0;
	*ret = c;
	return i + 1;
}

void dsn_utf8_xtext(struct view v, struct buf *out)
{
	while (v.n) {
		uint32_t c = 0;
		size_t n = take_embedded(v, &c);

		if (n)
			put_character(c, out);
		else
			buf_putc(out, v.p[0]);
		v = view_skip(v, n ? n : 1);
	}
}

/* Without controls: each becomes a blank; bytes that are no UTF-8, or all
 * beyond ASCII where utf8 is not allowed, become "?". */
static void put_harmless(struct view v, bool utf8, struct buf *out)
{
	while (v.n) {
		size_t ascii = ascii_run(v), n = ascii;

		for (size_t i = 0; i < ascii; i++)
			buf_putc(out, (unsigned char)v.p[i] < ' ' || v.p[i] == 0x7f ? ' ' : v.p[i]);
		v = view_skip(v, ascii);
		if (v.n == 0)
			return;
		n = utf8_valid(v);
		/* U+0080 to U+009F are controls, too. */
		if (utf8 && n >= 2 && !(v.p[0] == '\xc2' && (unsigned char)v.p[1] < 0xa0)) {
			do {
				buf_putc(out, v.p[0]);
				v = view_skip(v, 1);
			} while (v.n && (v.p[0] & 0xc0) == 0x80);
		} else {
			buf_putc(out, '?');
			v = view_skip(v, n >= 2 ? 2 : 1);
		}
	}
}

/* How many bytes go on a line of so many columns: up to a blank.  A long word,
 * such as an address, is broken at LONG_WORD only, and never in a character. */
static size_t line_takes(struct view v, size_t columns)
{
	size_t n = columns;

	if (v.n <= columns)
		return v.n;
	while (n && v.p[n] != ' ')
		n--;
	if (n)
		return n;
	n = columns + view_find(view_skip(v, columns), ' ');
	if (n <= LONG_WORD)
		return n;
	for (n = LONG_WORD; n > columns && (v.p[n] & 0xc0) == 0x80; n--)
		;
	return n;
}

/* Text over as many lines as it needs, each behind the indent. */
static void put_wrapped(struct view v, const char *indent, struct buf *out)
{
	size_t columns = COLUMNS - strlen(indent);

	v = view_trim(v);
	while (v.n) {
		size_t n = line_takes(v, columns);

		buf_puts(out, indent);
		buf_put(out, view_head(v, n));
		buf_puts(out, "\r\n");
		v = view_trim(view_skip(v, n));
	}
}

/* "Name: value", folded; nothing where there is no value. */
static void put_field(const char *name, struct view value, bool utf8, struct buf *out)
{
	struct buf clean = BUF(REPLY_MAX * 2), lines = BUF(REPLY_MAX * 4);
	struct view text;

	put_harmless(view_head(value, REPLY_MAX), utf8, &clean);
	put_wrapped(buf_view(&clean), " ", &lines);
	text = buf_view(&lines);
	if (text.n) {
		buf_puts(out, name);
		buf_putc(out, ':');
		buf_put(out, text);
	}
	if (buf_status(&lines) != ST_OK && buf_status(out) == ST_OK)
		out->st = buf_status(&lines);
	buf_free(&clean);
	buf_free(&lines);
}

/* ---- the header of the report ---- */

static bool is_id(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '.' && v.p[i] != '-')
			return false;
	return v.n > 0 && v.n <= 48;
}

/* An address as the door checks it: it may be quoted, and has no controls. */
static bool is_safe_address(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < ' ' || v.p[i] == 0x7f)
			return false;
	return v.n > 0 && v.n <= VALUE_MAX && utf8_valid(v) == v.n;
}

static enum dsn_action worst(const struct dsn *d)
{
	enum dsn_action a = DSN_EXPANDED;

	for (size_t i = 0; i < d->n; i++)
		if (d->recipients[i].action > a)
			a = d->recipients[i].action;
	return a;
}

static struct view shown_address(const struct dsn_recipient *r)
{
	return r->original.n ? r->original : r->address;
}

static void put_subject(const struct dsn *d, struct buf *out)
{
	struct buf text = BUF(REPLY_MAX);

	buf_puts(&text, "Your letter to ");
	if (d->n == 1)
		put_harmless(view_head(shown_address(&d->recipients[0]), VALUE_MAX), true, &text);
	else
		buf_putf(&text, "%zu people", d->n);
	buf_putc(&text, ' ');
	buf_puts(&text, actions[worst(d)].subject);
	buf_puts(out, "Subject: ");
	if (!view_is_ascii(buf_view(&text)))
		encode_words(buf_view(&text), sizeof "Subject: " - 1, out);
	else
		buf_put(out, buf_view(&text));
	buf_puts(out, "\r\n");
	buf_free(&text);
}

/* The letter is named, so that mail programs show the report beside it. */
static void put_references(struct view letter, struct buf *out)
{
	struct field f;
	struct view id;

	if (!field_find(letter, VIEW("Message-ID"), &f))
		return;
	id = lex_trim(f.value);
	if (id.n < 3 || id.n > VALUE_MAX || id.p[0] != '<' || id.p[id.n - 1] != '>')
		return;
	for (size_t i = 0; i < id.n; i++)
		if (id.p[i] <= ' ' || id.p[i] >= 0x7f)
			return;
	buf_puts(out, "References: ");
	buf_put(out, id);
	buf_puts(out, "\r\n");
}

static void put_header(const struct dsn *d, struct view letter, struct view boundary, struct buf *out)
{
	char date[RFC5322_DATE_SIZE];

	buf_putf(out, "Date: %s\r\n", clock_rfc5322(d->now, date));
	buf_putf(out, "From: Mail system <%.*s>\r\n", VIEW_ARG(d->from));
	buf_putf(out, "To: <%.*s>\r\n", VIEW_ARG(d->sender));
	put_subject(d, out);
	buf_putf(out, "Message-ID: <%.*s@%.*s>\r\n", VIEW_ARG(d->id), VIEW_ARG(d->reporting_mta));
	put_references(letter, out);
	buf_puts(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
	buf_putf(out, "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"%.*s\"\r\n\r\n",
		 VIEW_ARG(boundary));
}

/* ---- the part for people ---- */

static void put_named_letter(const struct dsn *d, struct view letter, struct buf *out)
{
	struct buf subject = BUF(REPLY_MAX), clean = BUF(REPLY_MAX);
	char date[RFC5322_DATE_SIZE];
	struct view shown;
	struct field f;

	if (field_find(letter, VIEW("Subject"), &f))
		words_decode(lex_trim(view_head(f.value, VALUE_MAX)), &subject);
	put_harmless(buf_view(&subject), true, &clean);
	shown = view_trim(buf_view(&clean));
	buf_puts(out, "Your letter");
	if (shown.n) {
		size_t n = line_takes(shown, SUBJECT_SHOWN);

		buf_puts(out, " \"");
		buf_put(out, view_head(shown, n));
		buf_puts(out, n < shown.n ? "...\"" : "\"");
	}
	if (d->arrived)
		buf_putf(out, " of %s", clock_rfc5322(d->arrived, date));
	buf_free(&subject);
	buf_free(&clean);
}

static void put_reply(const struct dsn_recipient *r, struct buf *out)
{
	struct buf clean = BUF(REPLY_MAX * 2);

	if (r->reply.n == 0)
		return;
	if (r->replied && r->host.n) {
		buf_puts(&clean, "The host ");
		put_harmless(view_head(r->host, VALUE_MAX), true, &clean);
		buf_puts(&clean, " said: ");
	}
	put_harmless(view_head(r->reply, REPLY_MAX / 2), true, &clean);
	put_wrapped(buf_view(&clean), "      ", out);
	buf_free(&clean);
}

static void put_person(const struct dsn_recipient *r, struct buf *out)
{
	struct buf clean = BUF(REPLY_MAX * 2);
	struct dsn_words say = dsn_explain(status_of(r));
	char date[RFC5322_DATE_SIZE];

	put_harmless(view_head(shown_address(r), VALUE_MAX), true, &clean);
	put_wrapped(buf_view(&clean), "  ", out);
	buf_free(&clean);
	if (r->action != DSN_FAILED && r->action != DSN_DELAYED)
		return;
	put_wrapped(view_cstr(say.what), "      ", out);
	if (r->action == DSN_FAILED)
		put_wrapped(view_cstr(say.advice), "      ", out);
	else if (r->retry_until)
		buf_putf(out, "      We go on trying until %s.\r\n", clock_rfc5322(r->retry_until, date));
	put_reply(r, out);
}

static void put_text(const struct dsn *d, struct view letter, struct buf *out)
{
	struct buf line = BUF(REPLY_MAX * 2);

	for (int a = DSN_FAILED; a >= DSN_EXPANDED; a--) {
		bool any = false;

		for (size_t i = 0; i < d->n; i++) {
			if (d->recipients[i].action != (enum dsn_action)a)
				continue;
			if (!any) {
				buf_clear(&line);
				put_named_letter(d, letter, &line);
				buf_putf(&line, " %s", actions[a].did);
				put_wrapped(buf_view(&line), "", out);
				buf_puts(out, "\r\n");
			}
			any = true;
			put_person(&d->recipients[i], out);
			buf_puts(out, "\r\n");
		}
		if (any && a == DSN_DELAYED)
			buf_puts(out, "You need not send it again.\r\n\r\n");
	}
	buf_clear(&line);
	buf_puts(&line, "This was written by the mail system of ");
	put_harmless(d->reporting_mta, true, &line);
	if (d->postmaster.n) {
		buf_puts(&line, "; a person who can help is ");
		put_harmless(d->postmaster, true, &line);
	}
	buf_puts(&line, ".");
	put_wrapped(buf_view(&line), "", out);
	buf_free(&line);
}

/* Quoted-printable where it must be, so that this part passes everywhere. */
static void put_text_part(const struct dsn *d, struct view letter, struct view boundary, struct buf *out)
{
	struct buf text = BUF(out->max);

	put_text(d, letter, &text);
	buf_putf(out, "--%.*s\r\n", VIEW_ARG(boundary));
	if (!view_is_ascii(buf_view(&text))) {
		buf_puts(out, "Content-Type: text/plain; charset=utf-8\r\n"
			      "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
		encode_qp(buf_view(&text), out);
	} else {
		buf_puts(out, "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
		buf_put(out, buf_view(&text));
	}
	if (buf_status(&text) != ST_OK && buf_status(out) == ST_OK)
		out->st = buf_status(&text);
	buf_free(&text);
}

/* ---- the part for programs (RFC 3464 2) ---- */

/* An address as utf-8-addr-xtext (RFC 6533 3), which is ASCII. */
static void put_embedded(struct view v, struct buf *out)
{
	while (v.n) {
		uint32_t c = (unsigned char)v.p[0];
		size_t n = 1;

		if (c >= 0xc0) {
			c &= c >= 0xf0 ? 0x07 : c >= 0xe0 ? 0x0f : 0x1f;
			for (; n < v.n && (v.p[n] & 0xc0) == 0x80; n++)
				c = c << 6 | ((unsigned char)v.p[n] & 0x3f);
		}
		if (n > 1 || v.p[0] == '\\' || v.p[0] == '+' || v.p[0] == '=')
			buf_putf(out, "\\x{%02X}", (unsigned)c);
		else
			buf_putc(out, v.p[0]);
		v = view_skip(v, n);
	}
}

/* "Name: type; address" (RFC 3464 2.3.1, 2.3.2; RFC 6533 3). */
static void put_address(const char *name, struct view type, struct view address, bool utf8, struct buf *out)
{
	struct buf clean = BUF(REPLY_MAX), value = BUF(REPLY_MAX * 10);

	put_harmless(view_head(address, VALUE_MAX), true, &clean);
	if (!view_is_ascii(buf_view(&clean)))
		type = VIEW("utf-8");
	buf_put(&value, type);
	buf_puts(&value, "; ");
	if (!utf8 && view_eq_i(type, VIEW("utf-8")))
		put_embedded(buf_view(&clean), &value);
	else
		buf_put(&value, buf_view(&clean));
	put_field(name, buf_view(&value), utf8, out);
	buf_free(&clean);
	buf_free(&value);
}

static bool is_atom(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '-')
			return false;
	return v.n > 0 && v.n <= 32;
}

static void put_original(const struct dsn_recipient *r, bool utf8, struct buf *out)
{
	size_t mark = view_find(r->orcpt, ';');
	struct view type = view_head(r->orcpt, mark), text = view_skip(r->orcpt, mark + 1);
	struct buf address = BUF(REPLY_MAX), raw = BUF(REPLY_MAX);

	if (mark < r->orcpt.n && is_atom(type)) {
		dsn_xtext(view_head(text, REPLY_MAX), &raw);
		if (view_eq_i(type, VIEW("utf-8")))
			dsn_utf8_xtext(buf_view(&raw), &address);
		else
			buf_put(&address, buf_view(&raw));
		put_address("Original-Recipient", type, buf_view(&address), utf8, out);
	}
	buf_free(&address);
	buf_free(&raw);
}

static void put_date(const char *name, wall_ms at, struct buf *out)
{
	char date[RFC5322_DATE_SIZE];

	if (at)
		buf_putf(out, "%s: %s\r\n", name, clock_rfc5322(at, date));
}

/* "Name: type; text" */
static void put_typed(const char *name, const char *type, struct view text, bool utf8, struct buf *out)
{
	struct buf value = BUF(REPLY_MAX * 2);

	if (text.n == 0)
		return;
	buf_puts(&value, type);
	buf_puts(&value, "; ");
	buf_put(&value, view_head(text, REPLY_MAX / 2));
	put_field(name, buf_view(&value), utf8, out);
	buf_free(&value);
}

static void put_recipient(const struct dsn_recipient *r, bool utf8, struct buf *out)
{
	put_original(r, utf8, out);
	put_address("Final-Recipient", VIEW("rfc822"), r->address, utf8, out);
	buf_putf(out, "Action: %s\r\nStatus: %.*s\r\n", actions[r->action].word, VIEW_ARG(status_of(r)));
	put_typed("Remote-MTA", "dns", r->host, utf8, out);
	put_typed("Diagnostic-Code", r->replied ? "smtp" : "x-waxwing", r->reply, utf8, out);
	put_date("Last-Attempt-Date", r->last_attempt, out);
	if (r->action == DSN_DELAYED)
		put_date("Will-Retry-Until", r->retry_until, out);
}

static void put_status_part(const struct dsn *d, bool utf8, struct view boundary, struct buf *out)
{
	struct buf envid = BUF(REPLY_MAX);

	buf_putf(out, "\r\n--%.*s\r\nContent-Type: message/%sdelivery-status\r\n", VIEW_ARG(boundary),
		 utf8 ? "global-" : "");
	buf_puts(out, utf8 ? "Content-Transfer-Encoding: 8bit\r\n\r\n" : "\r\n");
	dsn_xtext(view_head(d->envid, VALUE_MAX), &envid);
	put_field("Original-Envelope-Id", buf_view(&envid), utf8, out);
	buf_free(&envid);
	put_typed("Reporting-MTA", "dns", d->reporting_mta, utf8, out);
	put_date("Arrival-Date", d->arrived, out);
	if (d->deliver_by)
		put_date("Deliver-By-Date", d->deliver_by, out);
	for (size_t i = 0; i < d->n; i++) {
		buf_puts(out, "\r\n");
		put_recipient(&d->recipients[i], utf8, out);
	}
}

/* ---- what came ---- */

/* Lines that end in CRLF, of at most 998 octets, without NUL. */
static bool is_lines(struct view v)
{
	size_t column = 0;

	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '\n')
			return false;
		if (c == '\r') {
			if (i + 1 == v.n || v.p[++i] != '\n')
				return false;
			column = 0;
		} else if (c == '\0' || ++column > LINE_LONGEST) {
			return false;
		}
	}
	return true;
}

static struct view header_of(struct view letter)
{
	size_t at = 0, end = 0;
	struct field f;

	while (field_next(letter, &at, &f))
		end = f.end;
	return view_head(letter, end);
}

/* The header so that it can be carried: its lines end in CRLF, fields that
 * have other controls or go on too long are left out, and all behind max. */
static void put_carried(struct view header, size_t max, struct buf *out)
{
	size_t at = 0, used = 0;
	struct field f;

	while (field_next(header, &at, &f)) {
		struct view whole = view_make(header.p + f.start, f.end - f.start);

		used += whole.n;
		if (used > max)
			return;
		if (f.name.n == 0 || !is_lines(whole) || whole.p[whole.n - 1] != '\n')
			continue;
		buf_put(out, whole);
	}
}

static void put_letter_part(const struct dsn *d, struct view letter, bool utf8, struct view boundary,
			    struct buf *out, struct dsn_form *form)
{
	bool whole = d->whole && letter.n <= d->letter_max && is_lines(letter);
	struct buf header = BUF(out->max);
	struct view part = letter;

	if (!whole) {
		put_carried(header_of(letter), d->letter_max, &header);
		part = buf_view(&header);
	}
	buf_putf(out, "\r\n--%.*s\r\nContent-Type: %s\r\n", VIEW_ARG(boundary),
		 whole ? utf8 ? "message/global" : "message/rfc822"
		       : utf8 ? "message/global-headers" : "text/rfc822-headers");
	if (!view_is_ascii(part)) {
		form->eightbit = true;
		buf_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
	}
	buf_puts(out, "\r\n");
	buf_put(out, part);
	buf_putf(out, "\r\n--%.*s--\r\n", VIEW_ARG(boundary));
	if (buf_status(&header) != ST_OK && buf_status(out) == ST_OK)
		out->st = buf_status(&header);
	buf_free(&header);
}

/* A boundary that stands nowhere in the letter: one of n + 1 does not, where n
 * is how often the id stands there. */
static void put_boundary(struct view id, struct view letter, struct buf *out)
{
	for (unsigned n = 0;; n++) {
		buf_clear(out);
		buf_putf(out, "=_%.*s/%u", VIEW_ARG(id), n);
		if (buf_status(out) != ST_OK || letter.n == 0 || memmem(letter.p, letter.n, out->p, out->n) == NULL)
			return;
	}
}

enum status dsn_build(const struct dsn *d, struct view letter, struct buf *out, struct dsn_form *ret)
{
	struct dsn_form form = { 0 };
	struct buf boundary = BUF(128);
	struct view b;
	bool utf8 = d->smtputf8 || !view_is_ascii(d->sender);
	enum status st;

	if (d->sender.n == 0)
		return ST_DENIED;
	if (d->n == 0 || !is_safe_address(d->sender) || !is_safe_address(d->from) || !is_id(d->id) ||
	    !is_safe_address(d->reporting_mta))
		return ST_SYNTAX;
	put_boundary(d->id, letter, &boundary);
	b = buf_view(&boundary);
	put_header(d, letter, b, out);
	put_text_part(d, letter, b, out);
	put_status_part(d, utf8, b, out);
	put_letter_part(d, letter, utf8, b, out, &form);
	form.eightbit |= utf8;
	form.smtputf8 = !view_is_ascii(d->sender) || !view_is_ascii(d->from) || !view_is_ascii(d->reporting_mta);
	st = buf_status(&boundary) == ST_OK ? buf_status(out) : buf_status(&boundary);
	buf_free(&boundary);
	if (st == ST_OK)
		*ret = form;
	return st;
}
