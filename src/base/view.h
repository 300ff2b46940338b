/* view.h - borrowed bytes: a pointer and a length.
 *
 * A view owns nothing and is never NUL-terminated.  It is valid as long as
 * the arena, buf or mapping beneath it.  Comparisons named _i fold ASCII
 * letters only, as every protocol here wants (RFC 5321 2.4, RFC 9051 1.2).
 */
#ifndef WAXWING_BASE_VIEW_H
#define WAXWING_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct view {
	const char *p;
	size_t n;
};

#define VIEW(literal) ((struct view){ "" literal, sizeof(literal) - 1 })
#define VIEW_NONE ((struct view){ NULL, 0 })
/* For printf's "%.*s". */
#define VIEW_ARG(v) (int)((v).n), ((v).p ? (v).p : "")

static inline struct view view_make(const char *p, size_t n)
{
	return (struct view){ p, n };
}

static inline struct view view_cstr(const char *s)
{
	return (struct view){ s, s ? strlen(s) : 0 };
}

static inline bool view_eq(struct view a, struct view b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static inline bool ascii_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_alpha(char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

/* What a hexadecimal digit of either case is worth; -1: it is none. */
static inline int ascii_hex(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline bool view_eq_i(struct view a, struct view b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

static inline bool view_starts_i(struct view v, struct view prefix)
{
	return v.n >= prefix.n && view_eq_i(view_make(v.p, prefix.n), prefix);
}

/* The first n bytes, or all where there are fewer. */
static inline struct view view_head(struct view v, size_t n)
{
	return view_make(v.p, n < v.n ? n : v.n);
}

/* What follows the first n bytes; empty where there are fewer. */
static inline struct view view_skip(struct view v, size_t n)
{
	return n >= v.n ? view_make(v.p ? v.p + v.n : NULL, 0) : view_make(v.p + n, v.n - n);
}

/* Without blanks (space and tab) at both ends. */
static inline struct view view_trim(struct view v)
{
	while (v.n && (v.p[0] == ' ' || v.p[0] == '\t'))
		v = view_skip(v, 1);
	while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
		v.n--;
	return v;
}

/* Where c first stands, or v.n. */
static inline size_t view_find(struct view v, char c)
{
	const char *hit = v.n ? memchr(v.p, c, v.n) : NULL;

	return hit ? (size_t)(hit - v.p) : v.n;
}

/* Where what follows the last c begins; 0 where there is no c. */
static inline size_t view_behind_last(struct view v, char c)
{
	size_t at = v.n;

	while (at && v.p[at - 1] != c)
		at--;
	return at;
}

/* Takes the next word of a list with commas, spaces and tabs between them
 * from its front; empty at its end. */
struct view view_take_word(struct view *list);

/* A decimal number that fills the whole view; false on anything else. */
bool view_u64(struct view v, uint64_t *ret_value);

/* How many bytes at the start are below 128. */
size_t ascii_run(struct view v);

static inline bool view_is_ascii(struct view v)
{
	return ascii_run(v) == v.n;
}

/* As memcmp and strcmp have it: below, equal to or above 0. */
int view_order(struct view a, struct view b);

/* Two hexadecimal digits for each octet, and nothing else: digits.n / 2 octets. */
bool view_unhex(struct view digits, void *ret_octets);

/* How many bytes must be changed, added or dropped to make one of the other
 * (Levenshtein), for "did you mean"; looks at 127 bytes of each. */
size_t view_distance(struct view a, struct view b);

#endif
