#include "sendmail/letter.h"

#include "msg/address.h"
#include "msg/header.h"
#include "wire/sasl.h"
#include "wire/smtp.h"

enum { ADDRESS_BUF = 1024, RECIPIENTS_FIRST = 16 };

/* ---- recipients ---- */

static bool has(const struct recipients *r, struct view address)
{
	for (size_t i = 0; i < r->n; i++)
		if (view_eq_i(r->p[i], address))
			return true;
	return false;
}

static enum status add(struct recipients *r, struct view address, struct arena *a)
{
	if (r->n == LETTER_RECIPIENTS_MAX)
		return ST_LIMIT;
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 4 : RECIPIENTS_FIRST;
		struct view *more = arena_array(a, cap, sizeof *more);

		if (more == NULL)
			return arena_status(a);
		if (r->n)
			memcpy(more, r->p, r->n * sizeof *more);
		r->p = more;
		r->cap = cap;
	}
	r->p[r->n++] = arena_copy(a, address);
	return arena_status(a);
}

/* Local part and domain, which is `host` where there is none. */
static void put_whole(const struct address *one, struct view host, struct buf *out)
{
	address_put(one, out);
	if (one->domain.n == 0) {
		buf_putc(out, '@');
		buf_put(out, host);
	}
}

static enum status whole(const struct address *one, struct view host, struct buf *out)
{
	struct smtp_path path;

	put_whole(one, host, out);
	return buf_status(out) == ST_OK ? smtp_take_mailbox(buf_view(out), &path) : ST_SYNTAX;
}

enum status recipients_take(struct recipients *r, struct view list, struct view host, struct arena *a,
			    struct view *ret_bad)
{
	struct address_reader reader = address_reader(list);
	struct buf b = BUF(ADDRESS_BUF);
	struct address one;
	enum status st = ST_OK;

	while (st == ST_OK && address_next(&reader, &one)) {
		if (one.kind != ADDRESS_MAILBOX || (one.local.n == 0 && one.domain.n == 0))
			continue;
		buf_clear(&b);
		st = whole(&one, host, &b);
		if (st != ST_OK) {
			*ret_bad = one.local.n ? one.local : one.domain;
			st = ST_SYNTAX;
		} else if (!has(r, buf_view(&b))) {
			st = add(r, buf_view(&b), a);
		}
	}
	buf_free(&b);
	return st;
}

/* ---- fields ---- */

/* What is done with those that are not simply copied. */
enum {
	ADDRESSES = 1,		/* bears addresses: each gets a domain */
	RECIPIENTS = 2,
	RESENT = 4,
	DROPPED = 8,
	AUTHOR = 16,
};

static const struct {
	const char *name;
	unsigned what;
} known[] = {
	{ "From", ADDRESSES | AUTHOR },
	{ "Sender", ADDRESSES },
	{ "Reply-To", ADDRESSES },
	{ "To", ADDRESSES | RECIPIENTS },
	{ "Cc", ADDRESSES | RECIPIENTS },
	{ "Bcc", RECIPIENTS | DROPPED },
	{ "Resent-From", ADDRESSES | RESENT },
	{ "Resent-Sender", ADDRESSES | RESENT },
	{ "Resent-To", ADDRESSES | RECIPIENTS | RESENT },
	{ "Resent-Cc", ADDRESSES | RECIPIENTS | RESENT },
	{ "Resent-Bcc", RECIPIENTS | RESENT | DROPPED },
	{ "Return-Path", DROPPED },
};

static unsigned kind_of(struct view name)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (view_eq_i(name, view_cstr(known[i].name)))
			return known[i].what;
	return 0;
}

static bool all_have_domains(struct view value)
{
	struct address_reader reader = address_reader(value);
	struct address one;

	while (address_next(&reader, &one))
		if (one.kind == ADDRESS_MAILBOX && one.local.n && one.domain.n == 0)
			return false;
	return true;
}

static bool is_bare_root(const struct address *one)
{
	struct buf b = BUF(ADDRESS_BUF);
	bool is;

	address_put(one, &b);
	is = one->domain.n == 0 && view_eq(buf_view(&b), VIEW("root"));
	buf_free(&b);
	return is;
}

static void put_mailbox(struct address *one, const struct author *who, bool author, struct buf *out)
{
	if (author && who->user.n && is_bare_root(one))
		one->local = who->user;
	if (one->phrase.n)
		buf_put(out, one->phrase);
	buf_puts(out, one->phrase.n || one->angle ? " <" : "");
	put_whole(one, who->host, out);
	buf_puts(out, one->phrase.n || one->angle ? ">" : "");
	if (one->comment.n)
		buf_putf(out, " (%.*s)", VIEW_ARG(one->comment));
}

/* The list anew, each address with its domain. */
static void put_addresses(struct view value, const struct author *who, bool author, struct buf *out)
{
	struct address_reader reader = address_reader(value);
	const char *comma = "";
	struct address one;

	while (address_next(&reader, &one)) {
		if (one.kind == ADDRESS_GROUP_END) {
			buf_putc(out, ';');
			comma = ",\r\n ";
			continue;
		}
		buf_puts(out, comma);
		comma = ",\r\n ";
		if (one.kind == ADDRESS_GROUP) {
			buf_put(out, one.phrase);
			buf_puts(out, ": ");
			comma = "";
		} else {
			put_mailbox(&one, who, author, out);
		}
	}
}

static void put_field(struct view raw, const struct field *f, unsigned kind, const struct author *who,
		      struct buf *out)
{
	if (kind & DROPPED)
		return;
	if (!(kind & ADDRESSES) || all_have_domains(f->value)) {
		buf_put(out, view_make(raw.p + f->start, f->end - f->start));
		return;
	}
	buf_put(out, f->name);
	buf_puts(out, ": ");
	put_addresses(f->value, who, kind & AUTHOR, out);
	buf_puts(out, "\r\n");
}

/* ---- what is missing ---- */

enum { ENCODED_MAX = 45 };	/* an encoded word has 75 octets at most (RFC 2047 2) */

/* Quoted (RFC 5322 3.2.4), or as an encoded word; a long one that is not ASCII
 * is left out. */
static void put_name(struct view name, struct buf *out)
{
	if (!view_is_ascii(name)) {
		if (name.n > ENCODED_MAX)
			return;
		buf_puts(out, "=?utf-8?B?");
		sasl_encode(name, out);
		buf_puts(out, "?= ");
		return;
	}
	buf_putc(out, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, (unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f ? ' ' : name.p[i]);
	}
	buf_puts(out, "\" ");
}

static void put_from(const struct author *who, struct buf *out)
{
	buf_puts(out, "From: ");
	if (who->full_name.n)
		put_name(who->full_name, out);
	buf_putf(out, "<%.*s>\r\n", VIEW_ARG(who->address));
}

static void put_missing(struct view raw, const struct author *who, struct buf *out)
{
	char date[RFC5322_DATE_SIZE];
	struct field f;

	if (!field_find(raw, VIEW("From"), &f))
		put_from(who, out);
	if (!field_find(raw, VIEW("Date"), &f))
		buf_putf(out, "Date: %s\r\n", clock_rfc5322(who->now, date));
	if (!field_find(raw, VIEW("Message-ID"), &f))
		buf_putf(out, "Message-ID: <%.*s@%.*s>\r\n", VIEW_ARG(who->id), VIEW_ARG(who->host));
}

/* ---- the whole ---- */

/* An mbox's separator, as some programs leave it there. */
static struct view without_from_line(struct view raw)
{
	bool is = view_starts_i(raw, VIEW("From ")) || view_starts_i(raw, VIEW(">From "));

	return is ? view_skip(raw, view_find(raw, '\n') + 1) : raw;
}

/* Where the header ends: behind its last field.  A line that is no field begins
 * the body, with or without an empty line before it. */
static size_t header_end(struct view raw)
{
	struct field f;
	size_t at = 0, end = 0;

	while (field_next(raw, &at, &f) && f.name.n)
		end = f.end;
	return end;
}

static bool is_resent(struct view header)
{
	struct field f;
	size_t at = 0;

	while (field_next(header, &at, &f))
		if ((kind_of(f.name) & (RESENT | RECIPIENTS)) == (RESENT | RECIPIENTS))
			return true;
	return false;
}

enum status letter_mend(struct view raw, const struct author *who, struct arena *a, struct buf *out,
			struct recipients *ret, struct view *ret_bad)
{
	struct view whole_letter = without_from_line(raw);
	struct view header = view_head(whole_letter, header_end(whole_letter)), body;
	unsigned wanted = is_resent(header) ? RESENT | RECIPIENTS : RECIPIENTS;
	enum status st = ST_OK;
	struct field f;
	size_t at = 0;

	while (st == ST_OK && field_next(header, &at, &f)) {
		unsigned kind = kind_of(f.name);

		if (who->recipients && (kind & (RESENT | RECIPIENTS)) == wanted)
			st = recipients_take(ret, f.value, who->host, a, ret_bad);
		put_field(header, &f, kind, who, out);
	}
	/* A last field without its line end. */
	if (out->n && out->p[out->n - 1] != '\n')
		buf_puts(out, "\r\n");
	put_missing(header, who, out);
	body = view_skip(whole_letter, header.n);
	if (!view_starts_i(body, VIEW("\n")) && !view_starts_i(body, VIEW("\r\n")))
		buf_puts(out, "\r\n");
	buf_put(out, body);
	return st == ST_OK ? buf_status(out) : st;
}
