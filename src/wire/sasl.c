#include "wire/sasl.h"

/* ---- base64 ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four digits, of which `pad` are '='; false where they are none. */
static bool quantum(const char *p, size_t pad, struct buf *out)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int d = i < 4 - pad ? digit(p[i]) : 0;

		if (d < 0)
			return false;
		bits = bits << 6 | (uint32_t)d;
	}
	/* What the padding cuts off must be zero (RFC 4648 3.5). */
	if (bits & ((1u << (8 * pad)) - 1))
		return false;
	for (size_t i = 0; i < 3 - pad; i++)
		buf_putc(out, (char)(bits >> (16 - 8 * i) & 0xff));
	return true;
}

enum status sasl_decode(struct view text, struct buf *out)
{
	size_t pad = 0;
	char *room;
	enum status st;

	if (text.n % 4)
		return ST_SYNTAX;
	/* At once, so that growing leaves no copies of a secret about. */
	st = buf_reserve(out, text.n / 4 * 3, &room);
	if (st != ST_OK)
		return st;
	while (pad < 2 && pad < text.n && text.p[text.n - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < text.n; i += 4)
		if (!quantum(text.p + i, i + 4 == text.n ? pad : 0, out))
			return ST_SYNTAX;
	return buf_status(out);
}

void sasl_encode(struct view bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t n = bytes.n - i < 3 ? bytes.n - i : 3;
		uint32_t bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? (uint8_t)bytes.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buf_putc(out, k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=');
	}
}

/* ---- what mechanisms share ---- */

/* Names and secrets are UTF-8 without NUL (RFC 4616 2); whether they are well
 * formed shows when they match nothing.  An empty one is never right. */
static enum sasl_result keep(struct buf *to, struct view v)
{
	buf_clear(to);
	if (v.n == 0 || view_find(v, '\0') < v.n)
		return SASL_BAD;
	buf_put(to, v);
	if (buf_status(to) == ST_OK)
		return SASL_PROVE;
	return buf_status(to) == ST_LIMIT ? SASL_TOO_LONG : SASL_FULL;
}

/* ---- PLAIN (RFC 4616): [authzid] NUL authcid NUL passwd ---- */

static enum sasl_result plain(struct sasl *s, struct view in, struct buf *out)
{
	size_t first = view_find(in, '\0');
	struct view rest = view_skip(in, first + 1);
	size_t second = view_find(rest, '\0');
	enum sasl_result r = SASL_PROVE;

	(void)out;
	if (first == in.n || second == rest.n)
		return SASL_BAD;
	if (first)
		r = keep(&s->authzid, view_head(in, first));
	if (r == SASL_PROVE)
		r = keep(&s->name, view_head(rest, second));
	return r == SASL_PROVE ? keep(&s->secret, view_skip(rest, second + 1)) : r;
}

/* ---- LOGIN (draft-murchison-sasl-login-00): two questions ---- */

static enum sasl_result login(struct sasl *s, struct view in, struct buf *out)
{
	enum sasl_result r;

	if (s->step > 1)
		return keep(&s->secret, in);
	r = keep(&s->name, in);
	if (r != SASL_PROVE)
		return r;
	sasl_encode(VIEW("Password:"), out);
	return SASL_MORE;
}

/* ---- the table ---- */

/* Each step takes one message of the client and answers SASL_MORE with the
 * next challenge in out, or ends it; without one the messages are for warden.
 * `first` is the challenge that a client gets which sent no initial response.
 * In the order in which they are offered: many clients take the first. */
static const struct sasl_mechanism {
	const char *name;
	unsigned flags;
	enum sasl_result (*step)(struct sasl *s, struct view in, struct buf *out);
	struct view first;
} mechanisms[] = {
	{ "SCRAM-SHA-512-PLUS", SASL_BINDS, NULL, { "", 0 } },
	{ "SCRAM-SHA-256-PLUS", SASL_BINDS, NULL, { "", 0 } },
	{ "SCRAM-SHA-1-PLUS", SASL_BINDS, NULL, { "", 0 } },
	{ "SCRAM-SHA-512", 0, NULL, { "", 0 } },
	{ "SCRAM-SHA-256", 0, NULL, { "", 0 } },
	{ "SCRAM-SHA-1", 0, NULL, { "", 0 } },
	{ "PLAIN", SASL_SHOWS_SECRET, plain, { "", 0 } },
	{ "LOGIN", SASL_SHOWS_SECRET, login, { "Username:", 9 } },
	{ "EXTERNAL", SASL_NEEDS_CERTIFICATE, NULL, { "", 0 } },
	{ "OAUTHBEARER", SASL_SHOWS_SECRET | SASL_NEEDS_ISSUER, NULL, { "", 0 } },
	{ "XOAUTH2", SASL_SHOWS_SECRET | SASL_NEEDS_ISSUER, NULL, { "", 0 } },
	{ "DIGEST-MD5", SASL_NEEDS_PLAIN | SASL_SERVER_FIRST, NULL, { "", 0 } },
	{ "CRAM-MD5", SASL_NEEDS_PLAIN | SASL_SERVER_FIRST, NULL, { "", 0 } },
	{ "APOP", SASL_NEEDS_PLAIN | SASL_UNLISTED, NULL, { "", 0 } },
};
enum { MECHANISMS_N = sizeof mechanisms / sizeof *mechanisms };

static const struct sasl_mechanism *find(struct view name)
{
	for (size_t i = 0; i < MECHANISMS_N; i++)
		if (view_eq_i(name, view_cstr(mechanisms[i].name)))
			return &mechanisms[i];
	return NULL;
}

/* "SCRAM-SHA-1-PLUS" is wanted where "SCRAM-SHA-1" is. */
static bool wanted(const struct sasl_mechanism *m, const char *list)
{
	struct view left = view_cstr(list), name = view_cstr(m->name);

	if (m->flags & SASL_BINDS)
		name.n -= sizeof "-PLUS" - 1;
	while (left.n) {
		size_t n = view_find(left, ' ');

		if (view_eq_i(view_head(left, n), name))
			return true;
		left = view_skip(left, n + 1);
	}
	return false;
}

static bool offered(const struct sasl_mechanism *m, const struct sasl_offer *o)
{
	if (!o->tls && ((m->flags & SASL_SHOWS_SECRET) || !o->in_clear))
		return false;
	if (((m->flags & SASL_BINDS) && !o->bindable) || ((m->flags & SASL_NEEDS_CERTIFICATE) && !o->certificate) ||
	    ((m->flags & SASL_NEEDS_ISSUER) && !o->issuer))
		return false;
	return wanted(m, o->wanted);
}

void sasl_list(struct buf *out, const char *prefix, const struct sasl_offer *offer)
{
	for (size_t i = 0; i < MECHANISMS_N; i++)
		if (!(mechanisms[i].flags & SASL_UNLISTED) && offered(&mechanisms[i], offer)) {
			buf_puts(out, prefix);
			buf_puts(out, mechanisms[i].name);
		}
}

bool sasl_offered(struct view mechanism, const struct sasl_offer *offer)
{
	const struct sasl_mechanism *m = find(mechanism);

	return m && offered(m, offer);
}

unsigned sasl_flags(struct view mechanism)
{
	const struct sasl_mechanism *m = find(mechanism);

	return m ? m->flags : 0;
}

const char *sasl_mechanism_name(const struct sasl *s)
{
	return s->mechanism ? s->mechanism->name : "";
}

static enum sasl_result take(struct sasl *s, struct view base64, struct buf *out)
{
	enum status st;

	buf_clear(&s->message);
	st = sasl_decode(base64, &s->message);
	if (st != ST_OK)
		return st == ST_SYNTAX ? SASL_BAD : st == ST_LIMIT ? SASL_TOO_LONG : SASL_FULL;
	s->step++;
	s->silent = false;
	return s->mechanism->step == NULL ? SASL_ASK : s->mechanism->step(s, buf_view(&s->message), out);
}

enum sasl_result sasl_begin(struct sasl *s, struct view mechanism, struct view initial,
			    const struct sasl_offer *offer, struct buf *out)
{
	const struct sasl_mechanism *m = find(mechanism);

	*s = (struct sasl){
		.message = BUF(SASL_LINE_MAX), .name = BUF(SASL_NAME_MAX),
		.secret = BUF(SASL_SECRET_MAX), .authzid = BUF(SASL_NAME_MAX),
	};
	buf_clear(out);
	if (m == NULL || (m->flags & SASL_UNLISTED) || !offered(m, offer))
		return SASL_UNKNOWN;
	s->mechanism = m;
	if (m->flags & SASL_SERVER_FIRST) {
		s->silent = true;
		return initial.p ? SASL_BAD : SASL_ASK;
	}
	if (initial.p)
		return take(s, view_eq(initial, VIEW("=")) ? VIEW("") : initial, out);
	sasl_encode(m->first, out);
	return SASL_MORE;
}

enum sasl_result sasl_challenge(struct sasl *s, struct view challenge, struct buf *out)
{
	(void)s;
	buf_clear(out);
	sasl_encode(challenge, out);
	return buf_status(out) == ST_OK ? SASL_MORE : SASL_FULL;
}

enum sasl_result sasl_line(struct sasl *s, struct view line, struct buf *out)
{
	buf_clear(out);
	if (view_eq(line, VIEW("*")))
		return SASL_CANCELLED;
	return line.n > SASL_LINE_MAX ? SASL_TOO_LONG : take(s, line, out);
}

void sasl_end(struct sasl *s)
{
	buf_wipe(&s->message);
	buf_wipe(&s->name);
	buf_wipe(&s->secret);
	buf_wipe(&s->authzid);
	s->mechanism = NULL;
}
