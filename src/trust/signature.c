#include "trust/signature.h"

#include "trust/domain.h"

void signature_fail(struct signature *s, enum seal_result result, const char *problem)
{
	if (s->problem)
		return;
	s->result = result;
	s->problem = problem;
}

/* ---- reading ---- */

static struct view decoded(struct pass *p, struct view text)
{
	buf_clear(&p->room);
	return seal_decode(text, &p->room) == ST_OK ? arena_copy(&p->a, buf_view(&p->room)) : VIEW_NONE;
}

/* sub-domain *( "." sub-domain ); what DNS is asked with. */
static bool is_selector(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '-' && v.p[i] != '_' && v.p[i] != '.')
			return false;
	return domain_fits(v);
}

static int64_t take_time(struct signature *s, const struct tags *t, const char *name)
{
	const struct tag *tag = tags_find(t, name);
	uint64_t x;

	if (tag == NULL)
		return -1;
	/* 3.5: up to 12 digits. */
	if (tag->value.n <= 12 && view_u64(tag->value, &x))
		return (int64_t)x;
	signature_fail(s, SEAL_PERMERROR, "a time is no number");
	return -1;
}

void signature_read_seal(struct pass *p, uint32_t field, const struct tags *t, struct signature *s)
{
	const struct tag *b = tags_find(t, "b");

	*s = (struct signature){ .field = field, .length = UINT64_MAX, .expires = -1 };
	s->algorithm_text = tags_value(t, "a");
	if (b) {
		s->b_text = b->value;
		s->b_raw = b->raw;
	}
	if (domain_ascii(tags_value(t, "d"), &p->a, &s->domain) != ST_OK)
		signature_fail(s, SEAL_PERMERROR, "d= is no domain");
	s->selector = tags_value(t, "s");
	if (!is_selector(s->selector))
		signature_fail(s, SEAL_PERMERROR, "s= is no selector");
	if (!seal_algorithm_of(s->algorithm_text, &s->algorithm))
		signature_fail(s, SEAL_PERMERROR, view_eq(s->algorithm_text, VIEW("rsa-sha1")) ?
			       "SHA-1 proves nothing any more" : "a= is not known");
	s->bytes = decoded(p, s->b_text);
	if (s->bytes.n == 0)
		signature_fail(s, SEAL_PERMERROR, "b= is no base64");
	s->signed_at = take_time(s, t, "t");
}

static bool canon_of(struct view word, enum canon *ret)
{
	if (!view_eq(word, VIEW("simple")) && !view_eq(word, VIEW("relaxed")))
		return false;
	*ret = word.n == 6 ? CANON_SIMPLE : CANON_RELAXED;
	return true;
}

static void read_canon(struct signature *s, const struct tag *c)
{
	size_t slash;

	if (c == NULL)
		return;		/* simple/simple */
	slash = view_find(c->value, '/');
	if (!canon_of(view_head(c->value, slash), &s->header_canon) ||
	    (slash < c->value.n && !canon_of(view_skip(c->value, slash + 1), &s->body_canon)))
		signature_fail(s, SEAL_PERMERROR, "c= is not known");
}

static void read_length(struct signature *s, const struct tag *l)
{
	if (l && (l->value.n > 76 || !view_u64(l->value, &s->length)))
		signature_fail(s, SEAL_PERMERROR, "l= is no number");
}

static void read_names(struct signature *s, const struct tags *t)
{
	struct view list = s->names = tags_value(t, "h"), one;
	bool from = false;
	size_t n = 0;

	for (; tags_list_next(&list, ':', &one); n++) {
		from |= view_eq_i(one, VIEW("from"));
		if (one.n == 0)
			signature_fail(s, SEAL_PERMERROR, "h= has an empty name");
	}
	if (!from)
		signature_fail(s, SEAL_PERMERROR, "From: is not signed");
	if (n > SIGNATURE_NAMES_MOST)
		signature_fail(s, SEAL_PERMERROR, "h= has too many names");
}

void signature_read(struct pass *p, uint32_t field, const struct tags *t, struct signature *s)
{
	signature_read_seal(p, field, t, s);
	read_canon(s, tags_find(t, "c"));
	read_length(s, tags_find(t, "l"));
	read_names(s, t);
	s->expires = take_time(s, t, "x");
	if (s->expires >= 0 && s->signed_at >= 0 && s->expires <= s->signed_at)
		signature_fail(s, SEAL_PERMERROR, "x= is before t=");
	s->body_digest = decoded(p, tags_value(t, "bh"));
	if (s->body_digest.n != SHA256_SIZE)
		signature_fail(s, SEAL_PERMERROR, "bh= is no hash");
}

void signature_want(struct pass *p, struct signature *s)
{
	if (s->problem == NULL && body_want(&p->body, s->body_canon, s->length, &s->body_hash) != ST_OK)
		signature_fail(s, SEAL_TEMPERROR, "no memory");
}

/* ---- hashing ---- */

enum status signature_hash_names(struct pass *p, enum canon c, struct view names, struct piece_hash *h)
{
	/* Per name, the field that the next mention of it means. */
	uint32_t *next = arena_array(&p->a, p->n_names, sizeof *next);
	uint32_t name = PASS_NONE;
	struct view one, before = VIEW_NONE;

	if (next == NULL)
		return ST_NOMEM;
	for (uint32_t i = 0; i < p->n_names; i++)
		next[i] = p->names[i].last;
	while (tags_list_next(&names, ':', &one)) {
		uint32_t field;

		/* Mostly a name stands twice, one behind the other (8.15). */
		if (!view_eq(one, before))
			name = pass_name(p, one);
		before = one;
		field = name == PASS_NONE ? PASS_NONE : next[name];

		if (field == PASS_NONE)
			continue;	/* the null string (3.5) */
		next[name] = p->fields[field].above;
		piece_hash_put(h, pass_canon(p, c, field));
	}
	return p->st;
}

static struct view without_line_end(struct view v)
{
	if (v.n && v.p[v.n - 1] == '\n')
		v.n--;
	if (v.n && v.p[v.n - 1] == '\r')
		v.n--;
	return v;
}

enum status signature_hash_own(enum canon c, struct view raw, struct view b, struct piece_hash *h)
{
	struct buf without = BUF(PASS_HEADER_MAX), canonical = BUF(2 * PASS_HEADER_MAX);
	size_t at = (size_t)(b.p - raw.p);
	enum status st;
	char *room;

	st = buf_reserve(&without, raw.n, &room);
	if (st == ST_OK) {
		buf_put(&without, view_head(raw, at));
		buf_put(&without, view_skip(raw, at + b.n));
		/* Where b= is the last tag the line end is gone already. */
		canon_field(c, without_line_end(buf_view(&without)), true, &canonical);
		st = buf_status(&canonical);
	}
	if (st == ST_OK)
		piece_hash_put(h, buf_view(&canonical));
	buf_free(&without);
	buf_free(&canonical);
	return st;
}

/* ---- checking ---- */

static void check_body(struct pass *p, struct signature *s)
{
	uint64_t length = p->body.bodies[s->body_canon].length;

	if (s->length != UINT64_MAX && s->length > length) {
		signature_fail(s, SEAL_PERMERROR, "l= is more than the body");
		return;
	}
	if (s->length != UINT64_MAX)
		s->unsigned_octets = length - s->length;
	if (memcmp(p->body.hashes[s->body_hash].digest, s->body_digest.p, SHA256_SIZE) != 0)
		signature_fail(s, SEAL_FAIL, "the body was changed");
}

static void check_times(struct signature *s, wall_ms now)
{
	int64_t seconds = now / 1000;

	if (s->expires >= 0 && s->expires + SIGNATURE_SKEW < seconds)
		signature_fail(s, SEAL_FAIL, "the signature has expired");
	if (s->signed_at >= 0 && s->signed_at > seconds + SIGNATURE_SKEW)
		signature_fail(s, SEAL_FAIL, "the signature is from the future");
}

void signature_check_key(struct signature *s, const uint8_t *digest, struct resolver *r,
			 struct key_cache *cache, struct arena *a, bool *ret_strict)
{
	struct seal_key k;
	const char *problem = NULL;
	enum seal_result found = key_find(r, s->selector, s->domain, s->algorithm, cache, a, &k, &problem);

	if (found != SEAL_PASS) {
		signature_fail(s, found, problem);
		return;
	}
	s->key_bits = k.bits;
	s->testing = k.testing;
	*ret_strict = k.strict;
	if (!key_verify(&k, s->algorithm, digest, s->bytes))
		signature_fail(s, SEAL_FAIL, "the signature does not fit the header");
	key_free(&k);
}

enum status signature_digest(struct pass *p, const struct signed_header *h, uint8_t *ret_digest)
{
	struct piece_hash pieces;
	enum status st, end;

	/* The body's is free again: so nobody looks up SHA-256 a second time. */
	piece_hash_begin(&pieces, p->body.hashes[h->body_hash].ctx);
	st = signature_hash_names(p, h->canon, h->names, &pieces);
	if (st == ST_OK)
		st = signature_hash_own(h->canon, h->own, h->b, &pieces);
	end = piece_hash_end(&pieces, ret_digest);
	return st == ST_OK ? end : st;
}

static enum status header_digest(struct pass *p, const struct signature *s, uint8_t *ret_digest)
{
	return signature_digest(p, &(struct signed_header){
		.canon = s->header_canon, .names = s->names, .own = p->fields[s->field].raw, .b = s->b_raw,
		.body_hash = s->body_hash }, ret_digest);
}

/* 3.6.1, t=s: the domain of i= must be d= itself. */
static void check_strict(struct signature *s)
{
	size_t at = view_behind_last(s->identity, '@');

	if (at && !view_eq_i(view_skip(s->identity, at), s->domain))
		signature_fail(s, SEAL_PERMERROR, "the key is for d= itself, i= is below it");
}

void signature_check(struct pass *p, struct signature *s, struct resolver *r, struct key_cache *cache,
		     wall_ms now)
{
	uint8_t digest[SHA256_SIZE];
	bool strict = false;

	if (p->st != ST_OK)
		signature_fail(s, SEAL_TEMPERROR, "no memory");
	if (s->problem == NULL)
		check_times(s, now);
	if (s->problem == NULL)
		check_body(p, s);
	if (s->problem == NULL && header_digest(p, s, digest) != ST_OK)
		signature_fail(s, SEAL_TEMPERROR, "no memory");
	if (s->problem == NULL)
		signature_check_key(s, digest, r, cache, &p->a, &strict);
	if (s->problem == NULL && strict)
		check_strict(s);
	if (s->problem == NULL)
		s->result = SEAL_PASS;
}
