/* issuers.c - oauth.*: whose tokens log in. */
#include "conf/conf.h"

static const struct {
	const char *name;
	size_t offset;
} words[] = {
	{ "audience", offsetof(struct conf_issuer, audience) },
	{ "scope", offsetof(struct conf_issuer, scope) },
	{ "claim", offsetof(struct conf_issuer, claim) },
	{ "keys", offsetof(struct conf_issuer, keys) },
	{ "domains", offsetof(struct conf_issuer, domains) },
	{ "algorithms", offsetof(struct conf_issuer, algorithms) },
};

/* One NAME=VALUE of a row; false where there is no such name. */
static bool take_word(struct view word, struct conf_issuer *ret)
{
	struct view name = view_head(word, view_find(word, '='));

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (name.n == word.n || !view_eq(name, view_cstr(words[i].name)))
			continue;
		*(struct view *)(void *)((char *)ret + words[i].offset) = view_skip(word, name.n + 1);
		return true;
	}
	return false;
}

/* The row as it is written; VIEW_NONE past the last. */
static struct view row_of(const struct conf *c, size_t i)
{
	struct view list = view_cstr(c->oauth_issuers), row;

	if (view_trim(list).n == 0)
		return i == 0 ? view_cstr(c->oauth_issuer) : VIEW_NONE;
	while (list.n) {
		row = view_head(list, view_find(list, ','));
		list = view_skip(list, row.n + 1);
		if (view_trim(row).n && i-- == 0)
			return row;
	}
	return VIEW_NONE;
}

/* ret_bad: the first word that means nothing, or empty. */
static bool read_row(const struct conf *c, size_t i, struct conf_issuer *ret, struct view *ret_bad)
{
	struct view row = row_of(c, i), word;

	*ret_bad = VIEW_NONE;
	*ret = (struct conf_issuer){
		.issuer = view_take_word(&row), .audience = view_cstr(c->oauth_audience),
		.scope = view_cstr(c->oauth_scope), .claim = view_cstr(c->oauth_claim),
		.keys = view_cstr(c->oauth_keys), .domains = view_cstr(c->oauth_domains),
		.algorithms = view_cstr(c->oauth_algorithms),
	};
	while ((word = view_take_word(&row)).n)
		if (!take_word(word, ret) && ret_bad->n == 0)
			*ret_bad = word;
	return ret->issuer.n > 0;
}

bool conf_issuer(const struct conf *c, size_t i, struct conf_issuer *ret)
{
	struct conf_issuer one;
	struct view bad;

	if (i >= CONF_ISSUERS_MAX || !read_row(c, i, &one, &bad))
		return false;
	*ret = one;
	return true;
}

static bool is_https(struct view v)
{
	return view_starts_i(v, VIEW("https://"));
}

bool conf_issuer_is_far(const struct conf_issuer *one)
{
	return one->keys.n == 0 || is_https(one->keys);
}

bool conf_issuers_are_far(const struct conf *c)
{
	struct conf_issuer one;

	for (size_t i = 0; conf_issuer(c, i, &one); i++)
		if (conf_issuer_is_far(&one))
			return true;
	return false;
}

bool conf_has_word(struct view list, struct view word)
{
	while (list.n) {
		struct view one = view_take_word(&list);

		while (one.n) {
			struct view part = view_head(one, view_find(one, '+'));

			if (view_eq_i(part, word))
				return true;
			one = view_skip(one, part.n + 1);
		}
	}
	return false;
}

static bool is_named_before(const struct conf *c, size_t i)
{
	struct conf_issuer one, other;

	for (size_t k = 0; conf_issuer(c, i, &one) && k < i; k++)
		if (conf_issuer(c, k, &other) && view_eq(one.issuer, other.issuer))
			return true;
	return false;
}

static const char *fault_of(const struct conf_issuer *one, bool several)
{
	if (one->audience.n == 0)
		return "has no audience (oauth.audience, or audience=): a token made for anything at all would log in";
	if (view_starts_i(one->keys, VIEW("http://")))
		return "has its keys by http, where anybody on the way can change them; https is needed";
	if (one->keys.n == 0 && !is_https(one->issuer))
		return "is no https URL by which its keys could be found; name them (oauth.keys, or keys=)";
	if (several && one->domains.n == 0)
		return "could log in everybody of the other issuers; name the domains that it speaks for (domains=A+B, "
		       "or domains=* for all)";
	return NULL;
}

enum status conf_check_issuers(const struct conf *c, struct buf *why)
{
	struct conf_issuer one, second;
	struct view bad;
	bool several = conf_issuer(c, 1, &second);
	const char *fault;

	if (c->oauth_keys[0] && !conf_issuer(c, 0, &one)) {
		buf_puts(why, "oauth.keys is set, but oauth.issuer says not whose they are");
		return ST_DENIED;
	}
	for (size_t i = 0; read_row(c, i, &one, &bad); i++) {
		if (i == CONF_ISSUERS_MAX) {
			buf_putf(why, "oauth.issuers has more than %d rows", CONF_ISSUERS_MAX);
			return ST_LIMIT;
		}
		if (bad.n) {
			buf_putf(why, "oauth.issuers has \"%.*s\", but a row should be as \"https://id.example.org "
				 "audience=mail domains=example.org\"", VIEW_ARG(view_head(bad, 80)));
			return ST_SYNTAX;
		}
		fault = is_named_before(c, i) ? "stands there twice" : fault_of(&one, several);
		if (fault) {
			buf_putf(why, "%s names %.*s, which %s", c->oauth_issuers[0] ? "oauth.issuers" : "oauth.issuer",
				 VIEW_ARG(view_head(one.issuer, 200)), fault);
			return ST_DENIED;
		}
	}
	return ST_OK;
}
