/* bearer.c - OAUTHBEARER (RFC 7628) and XOAUTH2 (as the large providers
 * documented it before), and EXTERNAL (RFC 4422 A) by the client's
 * certificate.
 *
 * Neither of the first two binds to the channel: there is no -PLUS form, and of
 * the gs2 header "p=" is refused (RFC 7628 3.1, RFC 5801 4). */
#include "warden/mechanism.h"

#include "base/json.h"
#include "warden/authorities.h"
#include "warden/tokens.h"

#include <stdlib.h>

static const struct view parter = { "\x01", 1 };

/* One key=value of those that \1 parts; false at the end. */
static bool take_pair(struct view *left, struct view *ret_key, struct view *ret_value)
{
	size_t n = view_find(*left, parter.p[0]);
	struct view pair = view_head(*left, n);

	if (pair.n == 0)
		return false;
	ret_key->p = pair.p;
	ret_key->n = view_find(pair, '=');
	*ret_value = view_skip(pair, ret_key->n + 1);
	*left = view_skip(*left, n + 1);
	return true;
}

static bool take_bearer(struct view value, struct view *ret)
{
	if (!view_starts_i(value, VIEW("Bearer ")))
		return false;
	*ret = view_trim(view_skip(value, sizeof "Bearer " - 1));
	return ret->n > 0;
}

static void put_member(json_t *o, const char *name, struct view value)
{
	if (value.n)
		json_object_set_new(o, name, json_stringn(value.p, value.n));
}

/* RFC 7628 3.2.2: the reason is a challenge, and the client answers \1.  by: who
 * issues tokens for him, or NULL. */
static void put_reason(const struct token_issuer *by, struct buf *out)
{
	json_t *o = json_object();
	char *text;

	put_member(o, "status", VIEW("invalid_token"));
	put_member(o, "scope", by ? by->scope : VIEW_NONE);
	put_member(o, "openid-configuration", by ? by->configuration : VIEW_NONE);
	text = json_dumps(o, JSON_COMPACT);
	buf_puts(out, text ? text : "{}");
	free(text);
	json_decref(o);
}

/* No key that we have says anything of this token. */
static enum mechanism_result without_key(struct exchange *x, const struct token_issuer *by, struct buf *out)
{
	if (x->host->renew && x->host->renew(x, (size_t)(by - x->host->tokens->list)))
		return MECHANISM_WAIT;
	if (by->keys == NULL)
		return MECHANISM_FAILED;
	put_reason(by, out);
	return MECHANISM_WRONG;
}

/* Whose token it is, is who logs in; who he says to be must be the same. */
static enum mechanism_result check(struct exchange *x, struct view token, struct view claimed, struct buf *out)
{
	struct buf who = BUF(EXCHANGE_NAME_MAX);
	const struct token_issuer *by;
	enum status st;

	if (claimed.n && !exchange_keep(&x->name, claimed))
		return MECHANISM_BAD;
	if (x->host->tokens == NULL)
		return MECHANISM_FAILED;
	st = token_check(x->host->tokens, token, x->now, &who, &by);
	if (st == ST_OK && (claimed.n == 0 || view_eq_i(claimed, buf_view(&who))))
		st = exchange_keep(&x->name, buf_view(&who)) ? ST_OK : ST_DENIED;
	else if (st == ST_OK)
		st = ST_DENIED;
	buf_free(&who);
	if (st == ST_NOMEM)
		return MECHANISM_FAILED;
	if (st == ST_MISSING)
		return without_key(x, by, out);
	if (st == ST_OK && x->host->find(x) == ST_OK && x->who.known)
		return MECHANISM_RIGHT;
	put_reason(by ? by : token_issuer_for(x->host->tokens, claimed), out);
	return MECHANISM_WRONG;
}

/* A client that has no token asks like this where to get one (RFC 7628 4.3); it
 * has guessed nothing. */
static enum mechanism_result tell(struct exchange *x, struct view claimed, struct buf *out)
{
	if (x->host->tokens == NULL || (claimed.n && !exchange_keep(&x->name, claimed)))
		return MECHANISM_BAD;
	put_reason(token_issuer_for(x->host->tokens, claimed), out);
	return MECHANISM_BAD;
}

/* gs2 header, then \1auth=Bearer TOKEN\1\1 (3.1); binding is not done. */
static bool take_gs2(struct view *in, struct view *ret_authzid)
{
	size_t n;

	if (in->n < 3 || (in->p[0] != 'n' && in->p[0] != 'y') || in->p[1] != ',')
		return false;
	*in = view_skip(*in, 2);
	n = view_find(*in, ',');
	if (n == in->n || (n && (n < 3 || in->p[0] != 'a' || in->p[1] != '=')))
		return false;
	*ret_authzid = n ? view_make(in->p + 2, n - 2) : VIEW("");
	*in = view_skip(*in, n + 1);
	return in->n > 1 && in->p[0] == parter.p[0];
}

enum mechanism_result oauthbearer_step(struct exchange *x, struct view in, struct buf *out)
{
	struct view authzid, key, value, token = VIEW_NONE;
	bool asks = false;

	if (!take_gs2(&in, &authzid))
		return MECHANISM_BAD;
	in = view_skip(in, 1);
	while (take_pair(&in, &key, &value)) {
		if (!view_eq_i(key, VIEW("auth")))
			continue;
		asks = value.n == 0;
		if (!asks && !take_bearer(value, &token))
			return MECHANISM_BAD;
	}
	if (token.n)
		return check(x, token, authzid, out);
	return asks ? tell(x, authzid, out) : MECHANISM_BAD;
}

/* user=NAME\1auth=Bearer TOKEN\1\1 */
enum mechanism_result xoauth2_step(struct exchange *x, struct view in, struct buf *out)
{
	struct view key, value, user = VIEW_NONE, token = VIEW_NONE;

	while (take_pair(&in, &key, &value)) {
		if (view_eq_i(key, VIEW("user")))
			user = value;
		else if (view_eq_i(key, VIEW("auth")) && !take_bearer(value, &token))
			return MECHANISM_BAD;
	}
	return token.n && user.n ? check(x, token, user, out) : MECHANISM_BAD;
}

/* The message is who he wants to be, or empty: then the first address that
 * the certificate names and that is one of ours. */
enum mechanism_result external_step(struct exchange *x, struct view in, struct buf *out)
{
	struct buf names = BUF(EXCHANGE_TEXT_MAX);
	struct view left, one;
	enum mechanism_result r = MECHANISM_WRONG;
	enum status st;

	(void)out;
	if (in.n && !exchange_keep(&x->name, in))
		return MECHANISM_BAD;
	if (x->host->authorities == NULL || x->certificate.n == 0)
		return MECHANISM_WRONG;
	st = authorities_check(x->host->authorities, buf_view(&x->certificate), x->now, &names);
	left = buf_view(&names);
	for (; st == ST_OK && r == MECHANISM_WRONG && left.n; left = view_skip(left, one.n + 1)) {
		one = view_head(left, view_find(left, '\n'));
		if ((in.n && !view_eq_i(in, one)) || !exchange_keep(&x->name, one))
			continue;
		if (x->host->find(x) != ST_OK)
			r = MECHANISM_FAILED;
		else if (x->who.known)
			r = MECHANISM_RIGHT;
	}
	if (r == MECHANISM_WRONG && in.n && !exchange_keep(&x->name, in))
		r = MECHANISM_BAD;
	buf_free(&names);
	return r;
}
