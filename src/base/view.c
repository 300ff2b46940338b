#include "base/view.h"

bool view_u64(struct view v, uint64_t *ret_value)
{
	uint64_t x = 0;

	if (v.n == 0 || v.n > 20)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (!ascii_digit(v.p[i]))
			return false;
		if (__builtin_mul_overflow(x, 10u, &x) ||
		    __builtin_add_overflow(x, (uint64_t)(v.p[i] - '0'), &x))
			return false;
	}
	*ret_value = x;
	return true;
}

struct view view_take_word(struct view *list)
{
	struct view word;
	size_t n = 0;

	while (list->n && strchr(", \t", list->p[0]))
		*list = view_skip(*list, 1);
	while (n < list->n && !strchr(", \t", list->p[n]))
		n++;
	word = view_head(*list, n);
	*list = view_skip(*list, n);
	return word;
}

size_t ascii_run(struct view v)
{
	size_t i = 0;
	uint64_t x;

	for (; i + 8 <= v.n; i += 8) {
		memcpy(&x, v.p + i, 8);
		if (x & 0x8080808080808080u)
			break;
	}
	while (i < v.n && (uint8_t)v.p[i] < 0x80)
		i++;
	return i;
}

int view_order(struct view a, struct view b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool view_unhex(struct view digits, void *ret_octets)
{
	unsigned char *to = ret_octets;

	if (digits.n % 2)
		return false;
	for (size_t i = 0; i < digits.n; i += 2) {
		int high = ascii_hex(digits.p[i]), low = ascii_hex(digits.p[i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i / 2] = (unsigned char)(high << 4 | low);
	}
	return true;
}

size_t view_distance(struct view a, struct view b)
{
	enum { LONGEST = 127 };
	size_t row[LONGEST + 1];

	a = view_head(a, LONGEST);
	b = view_head(b, LONGEST);
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diag = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t change = diag + (a.p[i - 1] != b.p[j - 1]);
			size_t least = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;

			diag = row[j];
			row[j] = change < least ? change : least;
		}
	}
	return row[b.n];
}
