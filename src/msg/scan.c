#include "msg/scan.h"

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

enum { WIDE = sizeof(bytes16) };

/* The more common in mail the higher; anything else is rare. */
static int commonness(char c)
{
	static const char often[] = "zqxjkvbpygfwmucldrhsnioate ";
	const char *at = c ? strchr(often, c) : NULL;

	return at ? (int)(at - often) + 1 : c == '=' || c == '\n' ? 20 : 0;
}

struct scan scan_for(struct view lower)
{
	struct scan s = { .needle = lower };

	for (size_t i = 1; i < lower.n; i++)
		if (commonness(lower.p[i]) < commonness(lower.p[s.a]))
			s.a = i;
	s.b = s.a == 0 && lower.n > 1 ? 1 : 0;
	for (size_t i = 0; i < lower.n; i++)
		if (i != s.a && commonness(lower.p[i]) < commonness(lower.p[s.b]))
			s.b = i;
	return s;
}

static bool stands_at(const struct scan *s, const char *p)
{
	for (size_t i = 0; i < s->needle.n; i++)
		if (ascii_lower(p[i]) != s->needle.p[i])
			return false;
	return true;
}

static bytes16 load(const char *p)
{
	bytes16 v;

	memcpy(&v, p, sizeof v);
	return v;
}

static bytes16 all_of(char c)
{
	return (bytes16){ 0 } + (uint8_t)c;
}

/* Setting bit 5 makes letters lower case; of other bytes it may make a letter
 * or a sign that is not there, which stands_at then sees. */
static char fold_bit(char c)
{
	return ascii_alpha(c) ? 0x20 : 0;
}

static bool scan_wide(const struct scan *s, struct view text, size_t *at)
{
	const bytes16 fold_a = all_of(fold_bit(s->needle.p[s->a])), fold_b = all_of(fold_bit(s->needle.p[s->b]));
	const bytes16 want_a = all_of(s->needle.p[s->a]), want_b = all_of(s->needle.p[s->b]);
	size_t i = *at;

	for (; i + WIDE + s->needle.n <= text.n; i += WIDE) {
		const char *p = text.p + i;
		bytes16 hit = (bytes16)((load(p + s->a) | fold_a) == want_a) &
			(bytes16)((load(p + s->b) | fold_b) == want_b);
		words2 any = (words2)hit;

		if (!(any[0] | any[1]))
			continue;
		for (size_t k = 0; k < WIDE; k++)
			if (hit[k] && stands_at(s, p + k))
				return true;
	}
	*at = i;
	return false;
}

bool scan_in(const struct scan *s, struct view text)
{
	size_t at = 0;

	if (s->needle.n == 0)
		return true;
	if (scan_wide(s, text, &at))
		return true;
	for (; at + s->needle.n <= text.n; at++)
		if (stands_at(s, text.p + at))
			return true;
	return false;
}
