#include "admin/dns/tsig.h"

#include "base/cursor.h"

/* ---- the parts ---- */

static bool is_name(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && (v.p[i] == '\0' || !strchr("-_.", v.p[i])))
			return false;
	return v.n > 0 && v.n <= TSIG_NAME_MAX;
}

static bool is_base64(struct view v)
{
	while (v.n && v.p[v.n - 1] == '=')
		v.n--;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '+' && v.p[i] != '/')
			return false;
	return v.n > 0 && v.n <= TSIG_SECRET_MAX - 2;
}

static enum status make(struct view algorithm, struct view name, struct view secret, struct tsig_key *ret)
{
	if (algorithm.n && algorithm.p[algorithm.n - 1] == '.')
		algorithm.n--;
	if (algorithm.n == 0 || !is_name(name) || !is_base64(secret) || secret.n > TSIG_SECRET_MAX)
		return ST_SYNTAX;
	if (!view_eq_i(algorithm, VIEW("hmac-sha256")))
		return ST_DENIED;
	*ret = (struct tsig_key){ 0 };
	memcpy(ret->name, name.p, name.n);
	memcpy(ret->secret, secret.p, secret.n);
	return ST_OK;
}

/* ---- hmac-sha256:NAME:BASE64 ---- */

static bool is_no_break(char c)
{
	return c != '\n' && c != '\r';
}

static struct view take_line(struct cursor *c)
{
	struct view line = take_while(c, is_no_break);

	while (take_char(c, '\r') || take_char(c, '\n'))
		;
	return view_trim(line);
}

static bool is_comment(char c)
{
	return c == '#' || c == ' ';
}

static bool is_no_colon(char c)
{
	return c != ':';
}

static enum status take_short(struct view line, struct tsig_key *ret)
{
	struct cursor c = cursor_over(line);
	struct view algorithm, name;

	take_while(&c, is_comment);
	algorithm = take_while(&c, is_no_colon);
	take_char(&c, ':');
	name = take_while(&c, is_no_colon);
	take_char(&c, ':');
	return make(algorithm, name, take_bytes(&c, cursor_left(&c)), ret);
}

/* ---- key "NAME" { ... }; ---- */

static bool is_between(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '"' || c == '{' || c == '}' || c == ';';
}

static bool is_word(char c)
{
	return c != '\0' && !is_between(c);
}

static struct view next_word(struct cursor *c)
{
	struct view word;

	for (;;) {
		take_while(c, is_between);
		word = take_while(c, is_word);
		if (word.n == 0 || (word.p[0] != '#' && !view_starts_i(word, VIEW("//"))))
			return word;
		take_while(c, is_no_break);
	}
}

static enum status take_block(struct view text, struct tsig_key *ret)
{
	struct view name = VIEW_NONE, algorithm = VIEW_NONE, secret = VIEW_NONE, word;
	struct cursor c = cursor_over(text);

	while ((word = next_word(&c)).n) {
		struct view *to = view_eq(word, VIEW("key")) ? &name : view_eq(word, VIEW("algorithm")) ? &algorithm :
				  view_eq(word, VIEW("secret")) ? &secret : NULL;

		if (to == NULL || to->n)
			return ST_SYNTAX;
		*to = next_word(&c);
	}
	return make(algorithm, name, secret, ret);
}

enum status tsig_key_parse(struct view text, struct tsig_key *ret)
{
	struct cursor c = cursor_over(text);
	enum status st = take_short(take_line(&c), ret);

	return st == ST_SYNTAX ? take_block(text, ret) : st;
}
