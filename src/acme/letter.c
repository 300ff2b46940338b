#include "acme/letter.h"

#include "msg/header.h"
#include "msg/msgid.h"
#include "msg/word.h"
#include "trust/author.h"
#include "trust/dkim.h"

enum { SUBJECT_MOST = 4096 };

/* ---- the challenge ---- */

/* The fields that count; each may stand once. */
enum { IS_SUBJECT, IS_FROM, IS_TO, IS_AUTO, IS_ID, IS_REPLY_TO, IS_COUNT };
static const char *const names[IS_COUNT] = {
	[IS_SUBJECT] = "Subject", [IS_FROM] = "From", [IS_TO] = "To", [IS_AUTO] = "Auto-Submitted",
	[IS_ID] = "Message-ID", [IS_REPLY_TO] = "Reply-To",
};

static bool find_fields(struct view header, struct view found[IS_COUNT])
{
	struct field f;
	size_t at = 0;

	while (field_next(header, &at, &f))
		for (int i = 0; i < IS_COUNT; i++) {
			if (!view_eq_i(f.name, view_cstr(names[i])))
				continue;
			if (found[i].p)
				return false;
			found[i] = f.value;
		}
	for (int i = 0; i < IS_REPLY_TO; i++)
		if (found[i].p == NULL)
			return false;
	return true;
}

bool acme_is_token(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '-' && v.p[i] != '_')
			return false;
	return v.n >= ACME_TOKEN_LEAST && v.n <= ACME_TOKEN_MOST;
}

/* "ACME: " and the token, in which blanks do not count (3.1, 4). */
static struct view take_subject(struct view value, struct arena *a)
{
	struct buf text = BUF(SUBJECT_MOST), token = BUF(ACME_TOKEN_MOST);
	struct view v, ret = VIEW_NONE;

	words_decode(view_head(value, SUBJECT_MOST), &text);
	v = view_trim(buf_view(&text));
	if (view_starts_i(v, VIEW("ACME:"))) {
		for (v = view_skip(v, 5); v.n; v = view_skip(v, 1))
			if (v.p[0] != ' ' && v.p[0] != '\t')
				buf_putc(&token, v.p[0]);
		if (buf_status(&token) == ST_OK && acme_is_token(buf_view(&token)))
			ret = arena_copy(a, buf_view(&token));
	}
	buf_free(&text);
	buf_free(&token);
	return ret;
}

/* One word of the value, without blanks and quotes. */
static bool word_is(struct view part, const char *want)
{
	size_t n = 0;

	for (size_t i = 0; i < part.n; i++) {
		if (part.p[i] == ' ' || part.p[i] == '\t' || part.p[i] == '\r' || part.p[i] == '\n' || part.p[i] == '"')
			continue;
		if (want[n] == '\0' || ascii_lower(part.p[i]) != want[n])
			return false;
		n++;
	}
	return want[n] == '\0';
}

/* "auto-generated; type=acme" (3.1, 5; RFC 3834 5). */
static bool is_automatic(struct view value)
{
	struct view part = view_head(value, view_find(value, ';'));
	bool acme = false;

	if (!word_is(part, "auto-generated"))
		return false;
	while (part.n < value.n) {
		value = view_skip(value, part.n + 1);
		part = view_head(value, view_find(value, ';'));
		acme |= word_is(part, "type=acme");
	}
	return acme;
}

/* It goes into a field of ours. */
static bool is_plain(struct view v, size_t most)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] > '~' || v.p[i] == '<' || v.p[i] == '>')
			return false;
	return v.n && v.n <= most;
}

/* The only address of a field; ST_MISSING. */
static enum status take_one(struct view value, struct arena *a, struct author_address *ret)
{
	struct author all;
	enum status st = author_read(value, a, &all);

	if (st == ST_OK && (all.kind != AUTHOR_ONE || !is_plain(all.all[0].address, ACME_ADDRESS_MOST)))
		st = ST_MISSING;
	if (st == ST_OK)
		*ret = all.all[0];
	return st;
}

static bool take_id(struct view value, struct arena *a, struct view *ret)
{
	struct msgid_reader r = msgid_reader(value);
	struct view id;

	if (!msgid_next(&r, &id) || !is_plain(id, ACME_ID_MOST))
		return false;
	*ret = arena_copy(a, id);
	return true;
}

enum status acme_letter_find(struct view header, struct arena *a, struct acme_letter *ret)
{
	struct view found[IS_COUNT] = { { 0 } };
	struct author_address from, to, reply_to = { .address = VIEW_NONE };
	struct acme_letter l = { .sender = VIEW_NONE };
	enum status st = ST_OK;

	if (!find_fields(header, found) || !is_automatic(found[IS_AUTO]))
		return ST_MISSING;
	l.token = take_subject(found[IS_SUBJECT], a);
	if (l.token.n == 0 || !take_id(found[IS_ID], a, &l.message_id))
		return arena_status(a) == ST_OK ? ST_MISSING : arena_status(a);
	st = take_one(found[IS_FROM], a, &from);
	if (st == ST_OK)
		st = take_one(found[IS_TO], a, &to);
	if (st == ST_OK && found[IS_REPLY_TO].p)
		st = take_one(found[IS_REPLY_TO], a, &reply_to);
	if (st == ST_OK)
		st = arena_status(a);
	if (st != ST_OK)
		return st;
	l.sender = from.address;
	l.domain = from.domain;
	l.to = to.address;
	l.reply_to = reply_to.address;
	*ret = l;
	return ST_OK;
}

/* ---- its signature ---- */

static bool covers(struct view list, const char *name)
{
	while (list.n) {
		struct view one = view_head(list, view_find(list, ':'));

		if (word_is(one, name))
			return true;
		list = view_skip(list, one.n + 1);
	}
	return false;
}

/* The RFC wants more fields in h=; those that are not there could not be added to any
 * harm, since each that is used may stand only once. */
bool acme_letter_is_signed(const struct acme_letter *l, const struct signature *s)
{
	static const char *const used[] = { "from", "to", "subject", "auto-submitted", "message-id", "reply-to" };
	size_t n = sizeof used / sizeof *used;

	if (!dkim_proves(s) || !view_eq_i(s->domain, l->domain))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((i + 1 < n || l->reply_to.n) && !covers(s->names, used[i]))
			return false;
	return true;
}

/* ---- the answer ---- */

void acme_reply_put(const struct acme_reply *r, struct buf *out)
{
	char date[RFC5322_DATE_SIZE];

	buf_putf(out, "From: <%.*s>\r\nTo: <%.*s>\r\n", VIEW_ARG(r->from), VIEW_ARG(r->to));
	buf_putf(out, "Subject: Re: ACME: %.*s\r\nDate: %s\r\n", VIEW_ARG(r->token), clock_rfc5322(r->now, date));
	buf_putf(out, "Message-ID: <%.*s>\r\nIn-Reply-To: <%.*s>\r\n", VIEW_ARG(r->id), VIEW_ARG(r->in_reply_to));
	buf_puts(out, "Auto-Submitted: auto-replied; type=acme\r\nMIME-Version: 1.0\r\n"
		      "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
		      "This mailbox asks for a certificate (RFC 8823).\r\n\r\n");
	buf_putf(out, "-----BEGIN ACME RESPONSE-----\r\n%.*s\r\n-----END ACME RESPONSE-----\r\n", VIEW_ARG(r->digest));
}
