#include "trust/mta_sts.h"

#include <openssl/sha.h>
#include <stdio.h>

static const char *const modes[] = {
	[STS_NONE] = "none", [STS_TESTING] = "testing", [STS_ENFORCE] = "enforce",
};

const char *sts_mode_name(enum sts_mode m)
{
	return modes[m];
}

bool sts_mode_of(struct view name, enum sts_mode *ret)
{
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		if (!view_eq(name, view_cstr(modes[i])))
			continue;
		*ret = (enum sts_mode)i;
		return true;
	}
	return false;
}

void sts_policy_put(enum sts_mode mode, struct view mx, uint32_t max_age, struct buf *out)
{
	buf_putf(out, "version: STSv1\r\nmode: %s\r\nmx: %.*s\r\nmax_age: %u\r\n", modes[mode], VIEW_ARG(mx), max_age);
}

void sts_policy_id(struct view policy, char ret[STS_ID_MAX + 1])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)policy.p, policy.n, digest);
	for (int i = 0; i < STS_ID_MAX / 2; i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

/* ---- the record ---- */

static bool is_id(struct view v)
{
	if (v.n == 0 || v.n > STS_ID_MAX)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]))
			return false;
	return true;
}

/* "key=value" up to the next ";", blanks around it passed over. */
static bool next_field(struct view *rest, struct view *ret_key, struct view *ret_value)
{
	size_t end = view_find(*rest, ';'), eq;
	struct view field = view_trim(view_head(*rest, end));

	*rest = view_skip(*rest, end + 1);
	eq = view_find(field, '=');
	*ret_key = view_trim(view_head(field, eq));
	*ret_value = view_trim(view_skip(field, eq + 1));
	return eq < field.n;
}

enum status sts_record_parse(struct view txt, struct view *ret_id)
{
	struct view key, value, id = VIEW_NONE;

	/* 3.1: the version stands first, and is read to the letter. */
	if (!next_field(&txt, &key, &value) || !view_eq(key, VIEW("v")) || !view_eq(value, VIEW("STSv1")))
		return ST_SYNTAX;
	while (txt.n) {
		if (!next_field(&txt, &key, &value))
			continue;
		if (view_eq(key, VIEW("id")) && id.n == 0)
			id = value;
	}
	if (!is_id(id))
		return ST_SYNTAX;
	*ret_id = id;
	return ST_OK;
}

/* ---- the policy ---- */

/* Lines end in LF or CRLF (3.2). */
static struct view next_line(struct view *rest)
{
	size_t end = view_find(*rest, '\n');
	struct view line = view_head(*rest, end);

	*rest = view_skip(*rest, end + 1);
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static bool is_pattern(struct view v)
{
	if (v.n > 2 && v.p[0] == '*' && v.p[1] == '.')
		v = view_skip(v, 2);
	if (v.n == 0 || v.n > 253 || v.p[0] == '.' || v.p[v.n - 1] == '.')
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '-' && v.p[i] != '.')
			return false;
	return true;
}

static bool take_mode(struct view v, enum sts_mode *ret)
{
	for (int m = STS_NONE; m <= STS_ENFORCE; m++)
		if (view_eq(v, view_cstr(sts_mode_name((enum sts_mode)m)))) {
			*ret = (enum sts_mode)m;
			return true;
		}
	return false;
}

struct seen {
	bool version, mode, max_age, bad;
};

static void take_field(struct view key, struct view value, struct sts_policy *p, struct seen *seen)
{
	uint64_t age;

	if (view_eq(key, VIEW("version")) && !seen->version) {
		seen->version = true;
		seen->bad |= !view_eq(value, VIEW("STSv1"));
	} else if (view_eq(key, VIEW("mode")) && !seen->mode) {
		seen->mode = true;
		seen->bad |= !take_mode(value, &p->mode);
	} else if (view_eq(key, VIEW("max_age")) && !seen->max_age) {
		seen->max_age = true;
		seen->bad |= value.n > 10 || !view_u64(value, &age) || age > STS_AGE_MOST;
		p->max_age = seen->bad ? 0 : (uint32_t)age;
	} else if (view_eq(key, VIEW("mx"))) {
		/* One that is no name matches nothing: the others count. */
		if (is_pattern(value) && p->n_mx < STS_MX_MAX)
			p->mx[p->n_mx++] = value;
	}
}

enum status sts_policy_parse(struct view text, struct arena *a, struct sts_policy *ret)
{
	struct sts_policy p = { .mx = arena_array(a, STS_MX_MAX, sizeof *p.mx) };
	struct seen seen = { .bad = false };

	if (text.n > STS_POLICY_MAX)
		return ST_LIMIT;
	if (p.mx == NULL)
		return arena_status(a);
	while (text.n) {
		struct view line = next_line(&text);
		size_t colon = view_find(line, ':');

		if (colon < line.n)
			take_field(view_trim(view_head(line, colon)), view_trim(view_skip(line, colon + 1)), &p, &seen);
		else
			seen.bad |= view_trim(line).n > 0;
	}
	if (seen.bad || !seen.version || !seen.mode || !seen.max_age || (p.mode != STS_NONE && p.n_mx == 0))
		return ST_SYNTAX;
	*ret = p;
	return ST_OK;
}

/* 4.1: "*." stands for exactly one label at the left. */
bool sts_matches(const struct sts_policy *p, struct view host)
{
	for (size_t i = 0; i < p->n_mx; i++) {
		struct view pattern = p->mx[i], name = host;

		if (pattern.n > 2 && pattern.p[0] == '*') {
			size_t dot = view_find(host, '.');

			if (dot == 0)
				continue;
			pattern = view_skip(pattern, 2);
			name = view_skip(host, dot + 1);
		}
		if (name.n && view_eq_i(name, pattern))
			return true;
	}
	return false;
}
