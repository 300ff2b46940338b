#include "acme/answers.h"

#include "acme/letter.h"

enum { PROBLEMS_MOST = 3, CHALLENGES_MOST = 32 };

/* ---- pieces ---- */

static struct view text_in(const json_t *v)
{
	return json_is_string(v) ? view_make(json_string_value(v), json_string_length(v)) : VIEW_NONE;
}

static struct view text_of(const json_t *o, const char *key)
{
	return text_in(json_object_get(o, key));
}

enum status acme_origin(struct view url, struct view *ret)
{
	struct view head = VIEW("https://"), host;

	if (url.n > ACME_URL_MOST || !view_starts_i(url, head))
		return ST_SYNTAX;
	host = view_skip(url, head.n);
	host.n = view_find(host, '/');
	for (size_t i = 0; i < host.n; i++)
		if (!ascii_alpha(host.p[i]) && !ascii_digit(host.p[i]) && memchr(".-:", host.p[i], 3) == NULL)
			return ST_SYNTAX;
	if (host.n == 0)
		return ST_SYNTAX;
	*ret = view_head(url, head.n + host.n);
	return ST_OK;
}

enum status acme_url_check(struct view url, struct view origin)
{
	if (url.n > ACME_URL_MOST)
		return ST_LIMIT;
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] > '~' || url.p[i] == '"' || url.p[i] == '\\')
			return ST_SYNTAX;
	if (url.n == 0)
		return ST_SYNTAX;
	return view_starts_i(url, origin) && url.n > origin.n && url.p[origin.n] == '/' ? ST_OK : ST_DENIED;
}

static enum status take_url(struct view url, struct view origin, struct view *ret)
{
	enum status st = acme_url_check(url, origin);

	if (st == ST_OK)
		*ret = url;
	return st;
}

static enum status take_state(const json_t *o, enum acme_state *ret)
{
	static const struct {
		const char *word;
		enum acme_state state;
	} words[] = {
		{ "pending", ACME_PENDING }, { "ready", ACME_READY },	    { "processing", ACME_PROCESSING },
		{ "valid", ACME_VALID },     { "invalid", ACME_INVALID },   { "deactivated", ACME_INVALID },
		{ "expired", ACME_INVALID }, { "revoked", ACME_INVALID },
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (view_eq(text_of(o, "status"), view_cstr(words[i].word))) {
			*ret = words[i].state;
			return ST_OK;
		}
	return ST_SYNTAX;
}

/* ---- the objects ---- */

enum status acme_directory_take(const json_t *o, struct view origin, struct acme_directory *ret)
{
	const json_t *meta = json_object_get(o, "meta");
	struct acme_directory d = {
		.terms = view_head(text_of(meta, "termsOfService"), ACME_TEXT_MOST),
		.bound = json_is_true(json_object_get(meta, "externalAccountRequired")),
	};
	enum status st = take_url(text_of(o, "newNonce"), origin, &d.new_nonce);

	if (st == ST_OK)
		st = take_url(text_of(o, "newAccount"), origin, &d.new_account);
	if (st == ST_OK)
		st = take_url(text_of(o, "newOrder"), origin, &d.new_order);
	if (st == ST_OK)
		*ret = d;
	return st;
}

static const json_t *problem_of(const json_t *o)
{
	const json_t *p = json_object_get(o, "error");

	return json_is_object(p) ? p : NULL;
}

enum status acme_order_take(const json_t *o, struct view origin, struct acme_order *ret)
{
	const json_t *all = json_object_get(o, "authorizations");
	struct acme_order a = { .problem = problem_of(o) };
	enum status st = take_state(o, &a.state);

	if (st == ST_OK && json_array_size(all) != 1)
		st = ST_SYNTAX;
	if (st == ST_OK)
		st = take_url(text_in(json_array_get(all, 0)), origin, &a.authorization);
	if (st == ST_OK)
		st = take_url(text_of(o, "finalize"), origin, &a.finalize);
	if (st == ST_OK && a.state == ACME_VALID)
		st = take_url(text_of(o, "certificate"), origin, &a.certificate);
	if (st == ST_OK)
		*ret = a;
	return st;
}

static enum status take_challenge(const json_t *c, struct view origin, struct acme_authorization *a)
{
	enum status st = take_state(c, &a->challenge);

	if (st == ST_OK)
		st = take_url(text_of(c, "url"), origin, &a->url);
	a->token = text_of(c, "token");
	a->from = text_of(c, "from");
	a->problem = problem_of(c);
	if (st == ST_OK && (!acme_is_token(a->token) || a->from.n == 0))
		st = ST_SYNTAX;
	return st == ST_OK && a->from.n > ACME_ADDRESS_MOST ? ST_LIMIT : st;
}

enum status acme_authorization_take(const json_t *o, struct view origin, struct acme_authorization *ret)
{
	const json_t *who = json_object_get(o, "identifier"), *all = json_object_get(o, "challenges");
	struct acme_authorization a = { .address = text_of(who, "value") };
	enum status st = take_state(o, &a.state);

	if (st == ST_OK && (!view_eq(text_of(who, "type"), VIEW("email")) || a.address.n == 0))
		st = ST_SYNTAX;
	for (size_t i = 0; st == ST_OK && i < json_array_size(all) && i < CHALLENGES_MOST && !a.offered; i++)
		if (view_eq(text_of(json_array_get(all, i), "type"), VIEW("email-reply-00"))) {
			st = take_challenge(json_array_get(all, i), origin, &a);
			a.offered = true;
		}
	if (st == ST_OK)
		*ret = a;
	return st;
}

/* ---- problems ---- */

struct view acme_problem_kind(const json_t *o)
{
	static const char head[] = "urn:ietf:params:acme:error:";
	struct view v = text_of(o, "type");

	return view_starts_i(v, VIEW("urn:ietf:params:acme:error:")) ? view_skip(v, sizeof head - 1) : VIEW_NONE;
}

static void put_clean(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n && out->n < ACME_PROBLEM_MAX; i++)
		buf_putc(out, v.p[i] >= ' ' && v.p[i] <= '~' ? v.p[i] : '?');
}

static void put_problem(const json_t *o, struct buf *out)
{
	struct view kind = acme_problem_kind(o), detail = text_of(o, "detail");

	put_clean(detail.n ? detail : VIEW("no reason is given"), out);
	if (kind.n && out->n < ACME_PROBLEM_MAX) {
		put_clean(VIEW(" ("), out);
		put_clean(kind, out);
		put_clean(VIEW(")"), out);
	}
}

void acme_problem_put(const json_t *o, struct buf *out)
{
	const json_t *more = json_object_get(o, "subproblems");

	put_problem(o, out);
	for (size_t i = 0; i < json_array_size(more) && i < PROBLEMS_MOST; i++) {
		put_clean(VIEW("; "), out);
		put_problem(json_array_get(more, i), out);
	}
}
