#include "trust/arc.h"

#include "msg/lex.h"
#include "trust/authres.h"
#include "trust/dkim.h"

const char *arc_result_name(enum arc_result r)
{
	static const char *const names[] = {
		[ARC_NONE] = "none", [ARC_PASS] = "pass", [ARC_FAIL] = "fail", [ARC_TEMPERROR] = "temperror",
	};

	return names[r];
}

static void fail(struct arc *c, const char *problem)
{
	if (c->problem)
		return;
	c->result = ARC_FAIL;
	c->problem = problem;
}

/* ---- finding the sets (5.2) ---- */

/* 1 to 50; 0: it is none. */
static unsigned instance_of(struct view v)
{
	uint64_t x;

	return v.n <= 2 && view_u64(v, &x) && x <= ARC_SETS_MOST ? (unsigned)x : 0;
}

/* 4.1.1: "i=" instance ";", then what Authentication-Results has. */
static unsigned results_instance(struct view value)
{
	struct cursor c = cursor_over(value);
	struct view digits;

	lex_cfws(&c);
	if (!take_char(&c, 'i'))
		return 0;
	lex_cfws(&c);
	if (!take_char(&c, '='))
		return 0;
	lex_cfws(&c);
	digits = take_while(&c, ascii_digit);
	lex_cfws(&c);
	return peek_char(&c) == ';' ? instance_of(digits) : 0;
}

static unsigned tagged_instance(struct view value)
{
	struct tags t;

	return tags_parse(value, &t) == ST_OK ? instance_of(tags_value(&t, "i")) : 0;
}

static void place(struct arc *c, uint32_t field, unsigned instance, size_t member)
{
	uint32_t *to;

	if (instance == 0) {
		fail(c, "a field of the chain does not say which set it is of");
		return;
	}
	to = (uint32_t *)((char *)&c->sets[instance - 1] + member);
	if (*to != PASS_NONE)
		fail(c, "a set has a field twice");
	*to = field;
	if (instance > c->n)
		c->n = instance;
}

static void find_all(struct pass *p, struct arc *c, struct view name, unsigned (*instance)(struct view),
		     size_t member)
{
	uint32_t id = pass_name(p, name);

	for (uint32_t at = id == PASS_NONE ? PASS_NONE : p->names[id].last; at != PASS_NONE; at = p->fields[at].above)
		place(c, at, instance(p->fields[at].value), member);
}

static void check_sets(struct arc *c)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->sets[i].results == PASS_NONE || c->sets[i].message == PASS_NONE || c->sets[i].seal == PASS_NONE)
			fail(c, "a set is not complete");
}

/* ---- reading them ---- */

static void read_seal(struct pass *p, struct arc *c, unsigned i)
{
	uint32_t field = c->sets[i].seal;
	struct tags t;
	struct view cv;

	if (tags_parse(p->fields[field].value, &t) != ST_OK) {
		fail(c, "a seal does not follow the grammar");
		return;
	}
	signature_read_seal(p, field, &t, &c->seals[i]);
	if (c->seals[i].problem)
		fail(c, c->seals[i].problem);
	if (tags_find(&t, "h"))
		fail(c, "a seal has h=");	/* 4.1.3 */
	cv = tags_value(&t, "cv");
	if (i + 1 == c->n && view_eq(cv, VIEW("fail")))
		c->sealed_as_failed = true;
	if (!view_eq(cv, i ? VIEW("pass") : VIEW("none")))
		fail(c, "the chain had failed before");
}

static void read_message(struct pass *p, struct arc *c, uint32_t field)
{
	struct tags t;

	if (tags_parse(p->fields[field].value, &t) != ST_OK) {
		fail(c, "the newest signature does not follow the grammar");
		return;
	}
	signature_read(p, field, &t, &c->message);
	if (c->message.problem)
		fail(c, c->message.problem);
	/* 4.1.2: seals come later and may change. */
	if (tags_list_has(c->message.names, ':', VIEW("arc-seal")))
		fail(c, "the newest signature covers seals");
}

void arc_collect(struct pass *p, struct resolver *r, struct arc *ret)
{
	*ret = (struct arc){ .result = ARC_NONE };
	memset(ret->sets, 0xff, sizeof ret->sets);
	find_all(p, ret, VIEW("ARC-Authentication-Results"), results_instance, offsetof(struct arc_set, results));
	find_all(p, ret, VIEW("ARC-Message-Signature"), tagged_instance, offsetof(struct arc_set, message));
	find_all(p, ret, VIEW("ARC-Seal"), tagged_instance, offsetof(struct arc_set, seal));
	check_sets(ret);
	if (ret->problem || ret->n == 0)
		return;
	ret->seals = arena_array(&p->a, ret->n, sizeof *ret->seals);
	if (ret->seals == NULL)
		return;
	for (unsigned i = 0; i < ret->n; i++)
		read_seal(p, ret, i);
	read_message(p, ret, ret->sets[ret->n - 1].message);
	if (ret->problem)
		return;
	signature_want(p, &ret->message);
	key_hint(r, ret->message.selector, ret->message.domain);
	for (unsigned i = 0; i < ret->n; i++)
		key_hint(r, ret->seals[i].selector, ret->seals[i].domain);
}

/* ---- checking ---- */

/* The sets below `upto`, each in its order (5.1.1). */
static enum status feed_sets(struct pass *p, const struct arc *c, unsigned upto, struct piece_hash *h)
{
	for (unsigned i = 0; i < upto; i++) {
		piece_hash_put(h, pass_canon(p, CANON_RELAXED, c->sets[i].results));
		piece_hash_put(h, pass_canon(p, CANON_RELAXED, c->sets[i].message));
		piece_hash_put(h, pass_canon(p, CANON_RELAXED, c->sets[i].seal));
	}
	return p->st;
}

static enum status seal_digest(struct pass *p, const struct arc *c, unsigned i, uint8_t *ret_digest)
{
	struct piece_hash h;
	enum status st, end;

	piece_hash_begin(&h, NULL);
	st = feed_sets(p, c, i, &h);
	piece_hash_put(&h, pass_canon(p, CANON_RELAXED, c->sets[i].results));
	piece_hash_put(&h, pass_canon(p, CANON_RELAXED, c->sets[i].message));
	if (st == ST_OK)
		st = signature_hash_own(CANON_RELAXED, p->fields[c->sets[i].seal].raw, c->seals[i].b_raw, &h);
	end = piece_hash_end(&h, ret_digest);
	return st == ST_OK ? end : st;
}

static void check_seal(struct pass *p, struct arc *c, unsigned i, struct resolver *r, struct key_cache *cache)
{
	struct signature *s = &c->seals[i];
	uint8_t digest[SHA256_SIZE];
	bool strict;

	if (seal_digest(p, c, i, digest) != ST_OK)
		signature_fail(s, SEAL_TEMPERROR, "no memory");
	else
		signature_check_key(s, digest, r, cache, &p->a, &strict);
	if (s->problem == NULL)
		s->result = SEAL_PASS;
}

/* A failure, or one that may pass. */
static void take_result(struct arc *c, const struct signature *s)
{
	if (s->result == SEAL_PASS || c->problem)
		return;
	c->result = s->result == SEAL_TEMPERROR ? ARC_TEMPERROR : ARC_FAIL;
	c->problem = s->problem;
}

void arc_check(struct pass *p, struct arc *c, struct resolver *r, struct key_cache *cache, wall_ms now)
{
	if (c->problem || c->n == 0)
		return;
	if (c->seals == NULL) {
		c->result = ARC_TEMPERROR;
		c->problem = "no memory";
		return;
	}
	signature_check(p, &c->message, r, cache, now);
	take_result(c, &c->message);
	for (unsigned i = c->n; i-- && c->problem == NULL;) {
		check_seal(p, c, i, r, cache);
		take_result(c, &c->seals[i]);
	}
	if (c->problem == NULL)
		c->result = ARC_PASS;
}

/* ---- believing it ---- */

static bool is_among(struct view domain, struct view list)
{
	while (list.n) {
		size_t n = view_find(list, ' ');

		if (n && view_eq_i(view_head(list, n), domain))
			return true;
		list = view_skip(list, n + 1);
	}
	return false;
}

static bool saw_dmarc_pass(const struct authres *found, struct view domain)
{
	bool passed = false;

	for (size_t i = 0; i < found->n; i++) {
		const struct authres_result *r = &found->results[i];

		if (!view_eq_i(r->method, VIEW("dmarc")))
			continue;
		/* Of two that are not alike none counts. */
		if (passed || !view_eq_i(r->result, VIEW("pass")))
			return false;
		for (size_t k = 0; k < r->n; k++)
			passed |= view_eq_i(r->properties[k].type, VIEW("header")) &&
				  view_eq_i(r->properties[k].name, VIEW("from")) && view_eq_i(r->properties[k].value, domain);
	}
	return passed;
}

bool arc_vouches(struct pass *p, const struct arc *c, struct view sealers, struct view domain)
{
	struct authres found;
	struct view value;

	if (c->result != ARC_PASS || domain.n == 0)
		return false;
	for (unsigned i = 0; i < c->n; i++)
		if (!is_among(c->seals[i].domain, sealers))
			return false;
	/* Behind "i=1;" stands what Authentication-Results has (4.1.1). */
	value = p->fields[c->sets[0].results].value;
	value = view_skip(value, view_find(value, ';') + 1);
	return authres_parse(value, &p->a, &found) == ST_OK && saw_dmarc_pass(&found, domain);
}

/* ---- sealing ---- */

enum status arc_seal_begin(struct pass *p, struct arc_sealing *s)
{
	return body_want(&p->body, CANON_RELAXED, UINT64_MAX, &s->body_hash);
}

/* Puts the signature behind the field's empty b=; st: of what h was fed.  Ends h. */
static enum status put_signature(struct signer *signer, struct piece_hash *h, enum status st, struct buf *field)
{
	struct buf bytes = BUF(2048), text = BUF(4096);
	uint8_t digest[SHA256_SIZE];
	struct view own = buf_view(field);
	enum status end;

	if (st == ST_OK)
		st = signature_hash_own(CANON_RELAXED, own, view_skip(own, own.n), h);
	end = piece_hash_end(h, digest);
	if (st == ST_OK)
		st = end;
	if (st == ST_OK)
		st = signer->sign(signer, digest, &bytes);
	seal_encode(buf_view(&bytes), &text);
	dkim_put_folded(buf_view(&text), 10, field);
	buf_puts(field, "\r\n");
	if (st == ST_OK)
		st = buf_status(&text);
	buf_free(&bytes);
	buf_free(&text);
	return st == ST_OK ? buf_status(field) : st;
}

static void put_tags(const struct arc_sealing *s, const char *name, unsigned instance, struct buf *out)
{
	buf_putf(out, "%s: i=%u; a=%s;\r\n\td=%.*s; s=%.*s;\r\n\tt=%lld; ", name, instance,
		 seal_algorithm_name(s->signer->algorithm), VIEW_ARG(s->signer->domain),
		 VIEW_ARG(s->signer->selector), (long long)(s->now / 1000));
}

static enum status put_message(struct pass *p, const struct arc_sealing *s, unsigned instance, struct buf *out)
{
	struct buf names = BUF(32 * 1024);
	struct piece_hash h;
	enum status st;

	piece_hash_begin(&h, NULL);

	dkim_put_names(p, &names);
	put_tags(s, "ARC-Message-Signature", instance, out);
	buf_puts(out, "c=relaxed/relaxed;\r\n\th=");
	dkim_put_folded(buf_view(&names), 10, out);
	buf_puts(out, ";\r\n\tbh=");
	seal_encode(view_make((const char *)p->body.hashes[s->body_hash].digest, SHA256_SIZE), out);
	buf_puts(out, ";\r\n\tb=");
	st = buf_status(&names);
	if (st == ST_OK)
		st = signature_hash_names(p, CANON_RELAXED, buf_view(&names), &h);
	st = put_signature(s->signer, &h, st, out);
	buf_free(&names);
	return st;
}

static enum status feed_own(struct view raw, struct piece_hash *h)
{
	struct buf b = BUF(1024 * 1024);
	enum status st;

	canon_field(CANON_RELAXED, raw, false, &b);
	st = buf_status(&b);
	if (st == ST_OK)
		piece_hash_put(h, buf_view(&b));
	buf_free(&b);
	return st;
}

/* Of a chain that failed a seal covers its own set alone (5.1.2). */
static enum status put_seal(struct pass *p, const struct arc *c, const struct arc_sealing *s, struct view results,
			    struct view message, struct buf *out)
{
	struct piece_hash h;
	enum status st = ST_OK;

	piece_hash_begin(&h, NULL);
	put_tags(s, "ARC-Seal", c->n + 1, out);
	buf_putf(out, "cv=%s;\r\n\tb=", c->result == ARC_NONE ? "none" : c->result == ARC_PASS ? "pass" : "fail");
	if (c->result == ARC_PASS)
		st = feed_sets(p, c, c->n, &h);
	if (st == ST_OK)
		st = feed_own(results, &h);
	if (st == ST_OK)
		st = feed_own(message, &h);
	return put_signature(s->signer, &h, st, out);
}

enum status arc_seal_end(struct pass *p, const struct arc *c, struct arc_sealing *s, struct buf *out)
{
	struct buf results = BUF(64 * 1024), message = BUF(64 * 1024), seal = BUF(64 * 1024);
	enum status st = p->st;

	if (c->n >= ARC_SETS_MOST || c->sealed_as_failed || c->result == ARC_TEMPERROR)
		return ST_DENIED;
	if (st == ST_OK && pass_name(p, VIEW("from")) == PASS_NONE)
		st = ST_SYNTAX;
	buf_putf(&results, "ARC-Authentication-Results: i=%u; %.*s\r\n", c->n + 1, VIEW_ARG(s->results));
	if (st == ST_OK)
		st = buf_status(&results);
	if (st == ST_OK)
		st = put_message(p, s, c->n + 1, &message);
	if (st == ST_OK)
		st = put_seal(p, c, s, buf_view(&results), buf_view(&message), &seal);
	if (st == ST_OK) {
		buf_put(out, buf_view(&seal));
		buf_put(out, buf_view(&message));
		buf_put(out, buf_view(&results));
		st = buf_status(out);
	}
	buf_free(&results);
	buf_free(&message);
	buf_free(&seal);
	return st;
}
