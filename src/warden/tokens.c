#include "warden/tokens.h"

#include "base/json.h"
#include "conf/conf.h"

enum { PART_MAX = 8192 };

static json_t *take_part(struct view part)
{
	struct buf text = BUF(PART_MAX);
	json_t *o = NULL;

	if (jwks_take_base64url(part, &text) == ST_OK)
		o = json_object_of(buf_view(&text));
	buf_free(&text);
	return o;
}

/* "aud" is a text or a list of them (RFC 7519 4.1.3). */
static bool is_for(const json_t *claims, struct view audience)
{
	const json_t *aud = json_object_get(claims, "aud");

	if (audience.n == 0)
		return false;
	for (size_t i = 0; i < json_array_size(aud); i++)
		if (view_eq(view_cstr(json_string_value(json_array_get(aud, i))), audience))
			return true;
	return view_eq(json_member(claims, "aud"), audience);
}

static bool in_time(const json_t *claims, wall_ms now, int64_t leeway)
{
	const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
	double s = (double)now / 1000, skew = (double)leeway / 1000;

	/* Without an end it would be a password. */
	if (!json_is_number(exp) || json_number_value(exp) + skew <= s)
		return false;
	return nbf == NULL || (json_is_number(nbf) && json_number_value(nbf) - skew <= s);
}

/* "scope" is words (RFC 8693 4.2), "scp" a list of them elsewhere. */
static bool has_scope(const json_t *claims, struct view scope)
{
	struct view left = json_member(claims, "scope");
	const json_t *scp = json_object_get(claims, "scp");

	while (left.n) {
		size_t n = view_find(left, ' ');

		if (view_eq(view_head(left, n), scope))
			return true;
		left = view_skip(left, n + 1);
	}
	for (size_t i = 0; i < json_array_size(scp); i++)
		if (view_eq(view_cstr(json_string_value(json_array_get(scp, i))), scope))
			return true;
	return scope.n == 0;
}

/* Of one issuer about an account of another's domain nothing is believed. */
static bool may_name(const struct token_issuer *by, struct view who)
{
	struct view domain = who;

	while (view_find(domain, '@') < domain.n)
		domain = view_skip(domain, view_find(domain, '@') + 1);
	return by->domains.n == 0 || conf_has_word(by->domains, VIEW("*")) || conf_has_word(by->domains, domain);
}

static enum status check_claims(const struct token_issuer *by, const json_t *claims, wall_ms now, int64_t leeway,
				struct buf *ret)
{
	struct view who = json_member(claims, by->claim);

	if (!is_for(claims, by->audience) || !in_time(claims, now, leeway) || !has_scope(claims, by->scope) ||
	    json_is_false(json_object_get(claims, "email_verified")))
		return ST_DENIED;
	if (who.n == 0 || !may_name(by, who))
		return ST_DENIED;
	buf_put(ret, who);
	return buf_status(ret) == ST_OK ? ST_OK : ST_DENIED;
}

/* "crit": extensions that must be understood; there are none (RFC 7515 4.1.11). */
static enum status check_signature(const struct token_issuer *by, const json_t *head, struct view text,
				   struct view signature)
{
	if (json_object_get(head, "crit"))
		return ST_DENIED;
	if (by->keys == NULL)
		return ST_MISSING;
	return jwks_check(by->keys, json_member(head, "alg"), json_string_value(json_object_get(head, "kid")), text,
			  signature);
}

static const struct token_issuer *issuer_of(const struct token_issuers *all, const json_t *claims)
{
	struct view iss = json_member(claims, "iss");

	for (size_t i = 0; i < all->n && iss.n; i++)
		if (view_eq(iss, all->list[i].issuer))
			return &all->list[i];
	return NULL;
}

enum status token_check(const struct token_issuers *all, struct view token, wall_ms now, struct buf *ret_who,
			const struct token_issuer **ret_by)
{
	struct view head = view_head(token, view_find(token, '.')), rest = view_skip(token, head.n + 1);
	struct view body = view_head(rest, view_find(rest, '.')), tail = view_skip(rest, body.n + 1);
	struct buf signature = BUF(PART_MAX);
	json_t *h = NULL, *claims = NULL;
	enum status st = ST_SYNTAX;

	*ret_by = NULL;
	if (token.n <= TOKEN_MAX && tail.n && jwks_take_base64url(tail, &signature) == ST_OK) {
		h = take_part(head);
		claims = take_part(body);
	}
	/* Of what it claims only whose it is is believed, and that only to find the keys
	 * that prove it. */
	if (h && claims) {
		*ret_by = issuer_of(all, claims);
		st = ST_DENIED;
	}
	if (*ret_by)
		st = check_signature(*ret_by, h, view_head(token, head.n + 1 + body.n), buf_view(&signature));
	if (st == ST_OK)
		st = check_claims(*ret_by, claims, now, all->leeway, ret_who);
	json_decref(h);
	json_decref(claims);
	buf_free(&signature);
	return st;
}

const struct token_issuer *token_issuer_for(const struct token_issuers *all, struct view name)
{
	for (size_t i = 0; i < all->n && name.n; i++)
		if (may_name(&all->list[i], name))
			return &all->list[i];
	return all->n ? &all->list[0] : NULL;
}
