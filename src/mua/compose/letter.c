#include "mua/compose/letter.h"

#include "msg/address.h"
#include "msg/charset.h"
#include "msg/convert.h"
#include "msg/encode.h"
#include "msg/mime.h"
#include "wire/smtp.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE = 76, FLOW_WIDTH = 72, LONGEST = 998, RANDOM_OCTETS = 12 };

/* Nothing that could end a line. */
static void put_one_line(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++)
		buf_putc(out, (unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f ? ' ' : v.p[i]);
}

/* ---- addresses ---- */

static bool is_atext(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_phrase(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!is_atext(v.p[i]) && v.p[i] != ' ')
			return false;
	return v.n && v.p[0] != ' ' && v.p[v.n - 1] != ' ';
}

static void put_display(struct view name, size_t column, struct buf *out)
{
	if (is_phrase(name)) {
		buf_put(out, name);
	} else if (view_is_ascii(name)) {
		buf_putc(out, '"');
		for (size_t i = 0; i < name.n; i++) {
			if (name.p[i] == '"' || name.p[i] == '\\')
				buf_putc(out, '\\');
			buf_putc(out, name.p[i]);
		}
		buf_putc(out, '"');
	} else {
		encode_words(name, column, out);
	}
}

/* One mailbox: its name decoded, its address checked. */
static enum status take_mailbox(const struct address *a, struct buf *name, struct buf *spec, struct buf *bad)
{
	struct smtp_path path;

	buf_clear(name);
	buf_clear(spec);
	address_put(a, spec);
	if (a->domain.n && smtp_take_mailbox(buf_view(spec), &path) == ST_OK) {
		struct buf shown = BUF(FIELD_TEXT_MAX);

		address_put_name(a, &shown);
		put_one_line(buf_view(&shown), name);
		buf_free(&shown);
		return buf_status(name);
	}
	if (bad && bad->n == 0) {
		put_one_line(a->phrase.n ? a->phrase : a->local, bad);
		if (a->domain.n)
			buf_putf(bad, "@%.*s", VIEW_ARG(view_head(a->domain, 200)));
	}
	return ST_SYNTAX;
}

static size_t column_of(const struct buf *out)
{
	size_t n = 0;

	while (n < out->n && out->p[out->n - 1 - n] != '\n')
		n++;
	return n;
}

enum status letter_put_addresses(const char *field, struct view list, struct buf *out, struct buf *bad)
{
	struct address_reader r = address_reader(list);
	struct buf name = BUF(FIELD_TEXT_MAX), spec = BUF(FIELD_TEXT_MAX);
	struct address a;
	bool any = false;
	enum status st = ST_OK;

	while (st == ST_OK && address_next(&r, &a)) {
		if (a.kind != ADDRESS_MAILBOX)
			continue;
		st = take_mailbox(&a, &name, &spec, bad);
		if (st != ST_OK)
			break;
		if (any)
			buf_puts(out, column_of(out) + name.n + spec.n + 5 > LINE ? ",\r\n " : ", ");
		else
			buf_putf(out, "%s: ", field);
		any = true;
		if (name.n) {
			put_display(buf_view(&name), column_of(out), out);
			buf_putf(out, "%s<%.*s>", column_of(out) + spec.n + 3 > LINE ? "\r\n " : " ",
				 VIEW_ARG(buf_view(&spec)));
		} else {
			buf_put(out, buf_view(&spec));
		}
	}
	if (any)
		buf_puts(out, "\r\n");
	buf_free(&name);
	buf_free(&spec);
	return st;
}

enum status letter_recipients(struct view list, struct arena *a, struct view **ret, size_t *ret_n,
			      struct buf *ret_bad)
{
	struct address_reader r = address_reader(list);
	struct buf name = BUF(FIELD_TEXT_MAX), spec = BUF(FIELD_TEXT_MAX);
	size_t cap = 1, n = 0;
	struct address one;
	struct view *all;
	enum status st = ST_OK;

	for (size_t i = 0; i < list.n; i++)
		cap += list.p[i] == ',' || list.p[i] == ';' || list.p[i] == ':' || list.p[i] == '>' ||
		       list.p[i] == ' ';
	all = arena_array(a, cap + 1, sizeof *all);
	while (st == ST_OK && all && n <= cap && address_next(&r, &one)) {
		if (one.kind != ADDRESS_MAILBOX)
			continue;
		st = take_mailbox(&one, &name, &spec, ret_bad);
		if (st == ST_OK && n < cap)
			all[n++] = arena_copy(a, buf_view(&spec));
	}
	buf_free(&name);
	buf_free(&spec);
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK) {
		*ret = all;
		*ret_n = n;
	}
	return st;
}

/* ---- header text ---- */

/* Words on lines of LINE; a line that is too long and has no blank stays. */
static void put_folded(struct view v, struct buf *out)
{
	while (v.n) {
		size_t room = column_of(out) < LINE ? LINE - column_of(out) : 0, n = v.n;

		if (n > room) {
			for (n = room; n && v.p[n] != ' '; n--)
				;
			if (n == 0)
				n = 1 + view_find(view_skip(v, 1), ' ');
		}
		buf_put(out, view_head(v, n));
		v = view_skip(v, n);
		/* The blank begins the next line, which so is more than blanks. */
		if (v.n && view_trim(v).n)
			buf_puts(out, "\r\n");
		else
			v = VIEW_NONE;
	}
}

static enum status put_text_field(const char *field, struct view text, struct buf *out)
{
	struct buf line = BUF(FIELD_TEXT_MAX);
	enum status st;

	if (utf8_valid(text) != text.n)
		return ST_SYNTAX;
	put_one_line(text, &line);
	st = buf_status(&line);
	buf_putf(out, "%s: ", field);
	/* What looks like an encoded word and is none has to be one. */
	if (view_is_ascii(buf_view(&line)) && memmem(line.p ? line.p : "", line.n, "=?", 2) == NULL)
		put_folded(view_trim(buf_view(&line)), out);
	else
		encode_words(view_trim(buf_view(&line)), strlen(field) + 2, out);
	buf_puts(out, "\r\n");
	buf_free(&line);
	return st;
}

/* The last REFERENCES_MAX ids, each on a line of its own. */
static void put_ids(const char *field, struct view ids, struct buf *out)
{
	struct buf line = BUF(FIELD_TEXT_MAX);
	struct view left, word;
	size_t n = 0, at = 0;

	put_one_line(ids, &line);
	for (left = buf_view(&line); view_take_word(&left).n;)
		n++;
	for (left = buf_view(&line); (word = view_take_word(&left)).n; at++)
		/* The first one stays, whatever goes (RFC 5322 3.6.4). */
		if ((at == 0 || n - at < REFERENCES_MAX) && word.n <= LONGEST / 2)
			buf_putf(out, "%s%s%.*s\r\n", at ? "" : field, at ? " " : ": ", VIEW_ARG(word));
	buf_free(&line);
}

/* ---- parameters (RFC 2231) ---- */

static void put_percent(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		if (ascii_alpha(v.p[i]) || ascii_digit(v.p[i]) || (v.p[i] && strchr("-._~", v.p[i])))
			buf_putc(out, v.p[i]);
		else
			buf_putf(out, "%%%02X", (unsigned char)v.p[i]);
	}
}

void put_parameter(const char *name, struct view value, struct buf *out)
{
	enum { PIECE = 50, QUOTED_MOST = 60 };
	struct buf coded = BUF(3 * value.n + 1);
	struct view left;
	bool quotable = view_is_ascii(value) && value.n <= QUOTED_MOST;

	for (size_t i = 0; i < value.n; i++)
		quotable = quotable && (unsigned char)value.p[i] >= 0x20 && value.p[i] != 0x7f;
	if (quotable) {
		buf_putf(out, ";\r\n\t%s=\"", name);
		for (size_t i = 0; i < value.n; i++) {
			if (value.p[i] == '"' || value.p[i] == '\\')
				buf_putc(out, '\\');
			buf_putc(out, value.p[i]);
		}
		buf_putc(out, '"');
		return;
	}
	put_percent(value, &coded);
	left = buf_view(&coded);
	if (left.n <= PIECE) {
		buf_putf(out, ";\r\n\t%s*=utf-8''%.*s", name, VIEW_ARG(left));
	} else {
		for (int i = 0; left.n; i++) {
			size_t n = left.n < PIECE ? left.n : PIECE;

			/* Not within a %XX. */
			for (int back = 0;
			     back < 2 && n < left.n && n > 2 && (left.p[n - 1] == '%' || left.p[n - 2] == '%');
			     back++)
				n--;
			buf_putf(out, ";\r\n\t%s*%d*=%s%.*s", name, i, i ? "" : "utf-8''", (int)n, left.p);
			left = view_skip(left, n);
		}
	}
	buf_free(&coded);
}

/* ---- text ---- */

/* How much of the line stands before a break: up to and with a blank. */
static size_t flow_break(struct view line)
{
	size_t n = FLOW_WIDTH;

	while (n && line.p[n - 1] != ' ')
		n--;
	while (n == 0 || (n < line.n && line.p[n - 1] != ' '))
		n++;
	return n;
}

static void flow_line(struct view line, struct buf *out)
{
	bool quote = line.n && line.p[0] == '>', separator = view_eq(line, VIEW("-- "));

	/* A blank at the end would join it to the next one (4.1). */
	while (!separator && line.n && line.p[line.n - 1] == ' ')
		line.n--;
	do {
		size_t n = !quote && !separator && line.n > FLOW_WIDTH + 6 ? flow_break(line) : line.n;

		/* Space-stuffing (4.4). */
		if (!quote && n && (line.p[0] == ' ' || view_starts_i(line, VIEW("From ")) || line.p[0] == '>'))
			buf_putc(out, ' ');
		buf_put(out, view_head(line, n));
		line = view_skip(line, n);
		buf_putc(out, '\n');
	} while (line.n);
}

void flow_text(struct view text, struct buf *out)
{
	while (text.n) {
		struct view line = view_head(text, view_find(text, '\n'));

		text = view_skip(text, line.n + 1);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		flow_line(line, out);
	}
}

static void put_crlf_lines(struct view text, struct buf *out)
{
	while (text.n) {
		struct view line = view_head(text, view_find(text, '\n'));

		text = view_skip(text, line.n + 1);
		while (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		for (size_t i = 0; i < line.n; i++)
			if (line.p[i] != '\r' && line.p[i] != '\0')
				buf_putc(out, line.p[i]);
		buf_puts(out, "\r\n");
	}
}

static bool lines_are_short(struct view text)
{
	while (text.n) {
		size_t n = view_find(text, '\n');

		if (n > LONGEST)
			return false;
		text = view_skip(text, n + 1);
	}
	return true;
}

/* The fields of a text part, the empty line and the text. */
static enum status put_text_part(struct view text, bool flowed, struct buf *out)
{
	struct buf flow = BUF(BUILT_MAX), lines = BUF(BUILT_MAX);
	bool ascii = view_is_ascii(text);
	enum status st;

	if (utf8_valid(text) != text.n)
		return ST_SYNTAX;
	if (flowed)
		flow_text(text, &flow);
	put_crlf_lines(flowed ? buf_view(&flow) : text, &lines);
	st = buf_status(&flow) != ST_OK ? buf_status(&flow) : buf_status(&lines);
	buf_putf(out, "Content-Type: text/plain; charset=%s%s\r\n", ascii ? "us-ascii" : "utf-8",
		 flowed ? "; format=flowed" : "");
	if (ascii && lines_are_short(buf_view(&lines))) {
		buf_puts(out, "Content-Transfer-Encoding: 7bit\r\n\r\n");
		buf_put(out, buf_view(&lines));
	} else if (encode_suits_qp(buf_view(&lines))) {
		buf_puts(out, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
		encode_qp(buf_view(&lines), out);
	} else {
		buf_puts(out, "Content-Transfer-Encoding: base64\r\n\r\n");
		encode_base64(buf_view(&lines), out);
		buf_puts(out, "\r\n");
	}
	buf_free(&flow);
	buf_free(&lines);
	return st;
}

/* ---- what goes with it ---- */

/* RFC 2046 5.2.1: no encoding but 7bit, 8bit and binary, so octets that cannot
 * be sent so are made ones that can. */
static enum status put_letter_inside(const struct enclosure *e, struct buf *out)
{
	static const struct convert_form takes = { .eightbit = true, .utf8 = true };
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct buf sent = BUF(BUILT_MAX), crlf = BUF(BUILT_MAX);
	struct smtp_sender t = { .dots = false };
	enum status st;

	smtp_send_text(&t, e->octets, &crlf);
	smtp_send_end(&t, &crlf);
	st = buf_status(&crlf);
	if (st == ST_OK)
		st = convert_letter(buf_view(&crlf), takes, &a, &sent);
	if (st == ST_DENIED)
		buf_put(&sent, buf_view(&crlf));
	buf_putf(
		out,
		"Content-Type: message/rfc822\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: %s\r\n\r\n",
		view_is_ascii(buf_view(&sent)) ? "7bit" : "8bit");
	buf_put(out, buf_view(&sent));
	buf_free(&sent);
	buf_free(&crlf);
	arena_free(&a);
	return st == ST_DENIED ? ST_OK : st;
}

static enum status put_enclosure(const struct enclosure *e, struct buf *out)
{
	if (view_eq_i(e->type, VIEW("message/rfc822")))
		return put_letter_inside(e, out);
	buf_putf(out, "Content-Type: %.*s", VIEW_ARG(e->type));
	if (view_starts_i(e->type, VIEW("text/")))
		buf_puts(out, view_is_ascii(e->octets) ? "; charset=us-ascii" : "; charset=utf-8");
	put_parameter("name", e->name, out);
	buf_puts(out, "\r\nContent-Disposition: attachment");
	put_parameter("filename", e->name, out);
	buf_puts(out, "\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	encode_base64(e->octets, out);
	buf_puts(out, "\r\n");
	return buf_status(out);
}

static enum status put_random(struct buf *out)
{
	unsigned char bytes[RANDOM_OCTETS];

	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return ST_IO;
	for (size_t i = 0; i < sizeof bytes; i++)
		buf_putf(out, "%02x", bytes[i]);
	return ST_OK;
}

static enum status put_body(const struct draft *d, struct buf *out)
{
	struct buf boundary = BUF(128);
	enum status st = ST_OK;

	buf_puts(out, "MIME-Version: 1.0\r\n");
	if (d->body.n) {
		buf_put(out, d->body);
		return ST_OK;
	}
	if (d->n_enclosures == 0)
		return put_text_part(d->text, d->flowed, out);
	/* "=_" is in no line of any encoding that we write. */
	buf_puts(&boundary, "=_");
	st = put_random(&boundary);
	buf_putf(out, "Content-Type: multipart/mixed; boundary=\"%.*s\"\r\n\r\n", VIEW_ARG(buf_view(&boundary)));
	if (st == ST_OK && d->text.n) {
		buf_putf(out, "--%.*s\r\n", VIEW_ARG(buf_view(&boundary)));
		st = put_text_part(d->text, d->flowed, out);
		buf_puts(out, "\r\n");
	}
	for (size_t i = 0; st == ST_OK && i < d->n_enclosures; i++) {
		buf_putf(out, "--%.*s\r\n", VIEW_ARG(buf_view(&boundary)));
		st = put_enclosure(&d->enclosures[i], out);
		buf_puts(out, "\r\n");
	}
	buf_putf(out, "--%.*s--\r\n", VIEW_ARG(buf_view(&boundary)));
	buf_free(&boundary);
	return st;
}

/* ---- the whole ---- */

/* The domain of the author, so that the id is ours to give (RFC 5322 3.6.4). */
enum status letter_put_id(struct view from, struct buf *id)
{
	struct arena a = ARENA(FIELD_TEXT_MAX);
	struct view *all, domain;
	size_t n = 0;
	enum status st = letter_recipients(from, &a, &all, &n, NULL);

	if (st == ST_OK && n) {
		domain = view_skip(all[0], view_find(all[0], '@') + 1);
		buf_putf(id, "%llx.", (unsigned long long)clock_wall());
		st = put_random(id);
		buf_putf(id, "@%.*s", VIEW_ARG(view_is_ascii(domain) ? domain : VIEW("localhost")));
	}
	arena_free(&a);
	return st == ST_OK && n == 0 ? ST_SYNTAX : st;
}

enum status letter_build(const struct draft *d, struct buf *out, struct buf *ret_id, struct buf *ret_bad)
{
	struct buf id = BUF(512);
	char date[RFC5322_DATE_SIZE];
	enum status st = letter_put_addresses("From", d->from, out, ret_bad);

	if (st == ST_OK)
		st = letter_put_id(d->from, &id);
	if (st == ST_OK)
		st = letter_put_addresses("Reply-To", d->reply_to, out, ret_bad);
	if (st == ST_OK)
		st = letter_put_addresses("To", d->to, out, ret_bad);
	if (st == ST_OK)
		st = letter_put_addresses("Cc", d->cc, out, ret_bad);
	if (st == ST_OK && d->subject.n)
		st = put_text_field("Subject", d->subject, out);
	buf_putf(out, "Date: %s\r\nMessage-ID: <%.*s>\r\n", d->local_time ? clock_rfc5322_local(d->at, date) : clock_rfc5322(d->at, date),
		 VIEW_ARG(buf_view(&id)));
	if (d->in_reply_to.n)
		put_ids("In-Reply-To", d->in_reply_to, out);
	if (d->references.n)
		put_ids("References", d->references, out);
	if (d->user_agent)
		buf_puts(out, "User-Agent: waxmail/" WAXWING_VERSION "\r\n");
	buf_put(out, d->extra);
	if (st == ST_OK)
		st = put_body(d, out);
	if (ret_id)
		buf_put(ret_id, buf_view(&id));
	buf_free(&id);
	return st == ST_OK ? buf_status(out) : st;
}
