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
