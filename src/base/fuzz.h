/* fuzz.h - the shape of a fuzz target (libFuzzer).  For src/x/fuzz_y.c only. */
#ifndef WAXWING_BASE_FUZZ_H
#define WAXWING_BASE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef FUZZ_ALLOCATIONS
#include <stdbool.h>
/* Of tests/allocations.c, which lets allocations fail: then all bets are off. */
extern bool allocation_failed;
#else
enum { allocation_failed = 0 };
#endif

/* Aborts where the code under test broke its word. */
#define FUZZ_CHECK(x)                                  \
	do {                                           \
		if (!(x) && !allocation_failed)        \
			abort();                       \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#endif
