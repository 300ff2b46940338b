/* test.h - cmocka, and how views are compared.  For src/x/test_y.c only. */
#ifndef WAXWING_BASE_TEST_H
#define WAXWING_BASE_TEST_H

#include "base/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_view(v, text) assert_view_(v, text, __FILE__, __LINE__)

static inline void assert_view_(struct view v, const char *text, const char *file, int line)
{
	if (view_eq(v, view_cstr(text)))
		return;
	print_error("\"%.*s\" is not \"%s\"\n", VIEW_ARG(v), text);
	_fail(file, line);
}

#endif
