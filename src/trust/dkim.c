#include "trust/dkim.h"

#include "trust/domain.h"

/* ---- checking ---- */

/* RFC 6376 3.5, i=: the domain is d= or below it. */
static void read_identity(struct pass *p, struct signature *s, const struct tag *i)
{
	struct view domain = VIEW_NONE;
	size_t at;

	if (i == NULL)
		return;
	s->identity = i->value;
	at = view_behind_last(i->value, '@');
	if (at == 0 || domain_ascii(view_skip(i->value, at), &p->a, &domain) != ST_OK ||
	    !domain_within(domain, s->domain))
		signature_fail(s, SEAL_PERMERROR, "i= is not of d=");
}

static void read_one(struct pass *p, uint32_t field, struct signature *s)
{
	const struct tag *q;
	struct tags t;

	*s = (struct signature){ .field = field, .length = UINT64_MAX };
	if (tags_parse(p->fields[field].value, &t) != ST_OK) {
		signature_fail(s, SEAL_PERMERROR, "the signature does not follow the grammar");
		return;
	}
	signature_read(p, field, &t, s);
	if (!view_eq(tags_value(&t, "v"), VIEW("1")))
		signature_fail(s, SEAL_PERMERROR, "v= is not 1");
	q = tags_find(&t, "q");
	if (q && !tags_list_has(q->value, ':', VIEW("dns/txt")))
		signature_fail(s, SEAL_PERMERROR, "q= is not known");
	read_identity(p, s, tags_find(&t, "i"));
	signature_want(p, s);
}

void dkim_collect(struct pass *p, unsigned most, struct resolver *r, struct dkim *ret)
{
	uint32_t id = pass_name(p, VIEW("DKIM-Signature")), n = 0, all = 0;

	*ret = (struct dkim){ 0 };
	if (id == PASS_NONE)
		return;
	if (most > DKIM_SIGNATURES_MOST)
		most = DKIM_SIGNATURES_MOST;
	for (uint32_t at = p->names[id].last; at != PASS_NONE && all < most; at = p->fields[at].above)
		all++;
	ret->signatures = arena_array(&p->a, all, sizeof *ret->signatures);
	if (ret->signatures == NULL)
		return;
	for (uint32_t i = 0; i < p->n_fields; i++) {
		if (p->fields[i].name_id != id)
			continue;
		if (n == most) {
			ret->beyond++;
			continue;
		}
		read_one(p, i, &ret->signatures[n]);
		if (ret->signatures[n].problem == NULL)
			key_hint(r, ret->signatures[n].selector, ret->signatures[n].domain);
		n++;
	}
	ret->n = n;
}

/* RFC 6376 8.15, 5.4.2: fields that stand once in a letter (RFC 5322 3.6, RFC
 * 2045 3) and that a reader is shown, or that say how the rest is read. */
static const char *const single[] = {
	"Subject", "To", "Cc", "Date", "Sender", "Reply-To", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
};

static const char *single_name(struct view name)
{
	for (size_t i = 0; i < sizeof single / sizeof *single; i++)
		if (view_eq_i(view_cstr(single[i]), name))
			return single[i];
	return NULL;
}

static uint32_t times_signed(const struct signature *s, struct view name)
{
	struct view list = s->names, one;
	uint32_t n = 0;

	while (tags_list_next(&list, ':', &one))
		n += view_eq_i(one, name);
	return n;
}

/* Signed are the lowest ones; whether one above them says something else. */
static bool is_doubled(struct pass *p, const struct signature *s, uint32_t at)
{
	/* What is not signed at all proves nothing of itself, be it there once or twice. */
	uint32_t left = times_signed(s, p->fields[at].name);
	struct view first;

	if (left == 0)
		return false;
	first = pass_canon(p, CANON_RELAXED, at);
	for (; at != PASS_NONE; at = p->fields[at].above) {
		if (left)
			left--;
		else if (!view_eq(pass_canon(p, CANON_RELAXED, at), first))
			return true;
	}
	return false;
}

static const char *find_doubled(struct pass *p, const struct signature *s)
{
	for (uint32_t i = 0; i < p->n_names; i++) {
		uint32_t at = p->names[i].last;
		const char *name = p->fields[at].above == PASS_NONE ? NULL : single_name(p->names[i].name);

		if (name && is_doubled(p, s, at))
			return name;
	}
	return NULL;
}

void dkim_check(struct pass *p, struct dkim *d, struct resolver *r, struct key_cache *cache, wall_ms now)
{
	for (uint32_t i = 0; i < d->n; i++) {
		struct signature *s = &d->signatures[i];

		signature_check(p, s, r, cache, now);
		if (s->result == SEAL_PASS)
			s->doubled = find_doubled(p, s);
	}
}

/* From the best to the worst, as a person would count them. */
enum seal_result dkim_result(const struct dkim *d)
{
	static const enum seal_result order[] = {
		SEAL_PASS, SEAL_TEMPERROR, SEAL_FAIL, SEAL_POLICY, SEAL_PERMERROR, SEAL_NEUTRAL,
	};

	for (size_t o = 0; o < sizeof order / sizeof *order; o++)
		for (uint32_t i = 0; i < d->n; i++)
			if (d->signatures[i].result == order[o])
				return order[o];
	return SEAL_NONE;
}

/* ---- signing ---- */

/* RFC 6376 5.4.1, 8.15.  over: once more than it is there. */
static const struct {
	struct view name;
	bool over;
} signed_names[] = {
	{ { "from", 4 }, true },
	{ { "to", 2 }, true },
	{ { "cc", 2 }, true },
	{ { "subject", 7 }, true },
	{ { "date", 4 }, true },
	{ { "message-id", 10 }, true },
	{ { "reply-to", 8 }, true },
	{ { "sender", 6 }, true },
	{ { "in-reply-to", 11 }, true },
	{ { "references", 10 }, true },
	{ { "mime-version", 12 }, true },
	{ { "content-type", 12 }, true },
	{ { "content-transfer-encoding", 25 }, true },
	{ { "content-disposition", 19 }, false },
	{ { "content-id", 10 }, false },
	{ { "content-description", 19 }, false },
	{ { "content-language", 16 }, false },
	{ { "list-id", 7 }, false },
	{ { "list-unsubscribe", 16 }, false },
	{ { "list-unsubscribe-post", 21 }, false },
	{ { "list-post", 9 }, false },
	{ { "list-help", 9 }, false },
	{ { "autocrypt", 9 }, false },
	{ { "openpgp", 7 }, false },
};

static uint32_t count_of(const struct pass *p, struct view name)
{
	uint32_t id = pass_name(p, name), n = 0;

	for (uint32_t at = id == PASS_NONE ? PASS_NONE : p->names[id].last; at != PASS_NONE; at = p->fields[at].above)
		n++;
	return n;
}

void dkim_put_names(const struct pass *p, struct buf *out)
{
	const char *colon = "";

	for (size_t i = 0; i < sizeof signed_names / sizeof *signed_names; i++) {
		uint32_t n = count_of(p, signed_names[i].name) + signed_names[i].over;

		for (; n; n--) {
			buf_puts(out, colon);
			buf_put(out, signed_names[i].name);
			colon = ":";
		}
	}
}

void dkim_put_folded(struct view text, size_t column, struct buf *out)
{
	enum { WIDTH = 76 };

	while (text.n) {
		size_t room = column < WIDTH ? WIDTH - column : 1, n = view_head(text, room).n;

		/* Names stay whole; base64 is broken anywhere. */
		if (n < text.n && view_find(text, ':') < text.n) {
			size_t at = n;

			while (at && text.p[at - 1] != ':')
				at--;
			if (at == 0)
				at = view_find(text, ':') + 1;
			n = at;
		}
		buf_put(out, view_head(text, n));
		text = view_skip(text, n);
		if (text.n)
			buf_puts(out, "\r\n\t");
		column = 8;
	}
}

enum status dkim_sign_begin(struct pass *p, struct dkim_signing *s)
{
	return body_want(&p->body, CANON_RELAXED, UINT64_MAX, &s->body_hash);
}

/* All but the value of b=. */
static void put_unsigned(const struct pass *p, const struct dkim_signing *s, const struct signer *signer,
			 struct view names, struct buf *out)
{
	const uint8_t *digest = p->body.hashes[s->body_hash].digest;

	buf_putf(out, "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n\td=%.*s; s=%.*s;\r\n\tt=%lld;",
		 seal_algorithm_name(signer->algorithm), VIEW_ARG(signer->domain), VIEW_ARG(signer->selector),
		 (long long)(s->now / 1000));
	if (s->lifetime)
		buf_putf(out, " x=%lld;", (long long)(s->now / 1000 + s->lifetime));
	buf_puts(out, " h=");
	dkim_put_folded(names, 24, out);
	buf_puts(out, ";\r\n\tbh=");
	seal_encode(view_make((const char *)digest, SHA256_SIZE), out);
	buf_puts(out, ";\r\n\tb=");
}

static enum status sign_one(struct pass *p, const struct dkim_signing *s, struct signer *signer,
			    struct view names, struct buf *out)
{
	struct buf field = BUF(64 * 1024), bytes = BUF(2048), text = BUF(4096);
	uint8_t digest[SHA256_SIZE];
	enum status st;

	put_unsigned(p, s, signer, names, &field);
	st = buf_status(&field);
	if (st == ST_OK)
		st = signature_digest(p, &(struct signed_header){
			.canon = CANON_RELAXED, .names = names, .own = buf_view(&field),
			.b = view_skip(buf_view(&field), field.n), .body_hash = s->body_hash }, digest);
	if (st == ST_OK)
		st = signer->sign(signer, digest, &bytes);
	if (st == ST_OK) {
		seal_encode(buf_view(&bytes), &text);
		dkim_put_folded(buf_view(&text), 10, &field);
		buf_puts(&field, "\r\n");
		buf_put(out, buf_view(&field));
		st = buf_status(&text) != ST_OK ? buf_status(&text) : buf_status(out);
	}
	buf_free(&field);
	buf_free(&bytes);
	buf_free(&text);
	return st;
}

enum status dkim_sign_end(struct pass *p, struct dkim_signing *s, struct buf *out)
{
	struct buf names = BUF(32 * 1024);
	enum status st = p->st;

	if (st == ST_OK && count_of(p, VIEW("from")) != 1)
		st = ST_SYNTAX;
	dkim_put_names(p, &names);
	if (st == ST_OK)
		st = buf_status(&names);
	for (unsigned i = 0; i < s->n && st == ST_OK; i++)
		st = sign_one(p, s, s->signers[i], buf_view(&names), out);
	buf_free(&names);
	return st;
}
