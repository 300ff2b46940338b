/* Any text is a file of keywords: letters are words of it, and words get their letters back. */
#include "base/fuzz.h"
#include "mua/copy/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view text = view_make((const char *)data, n);
	struct buf words = BUF(65536);
	struct copy_letters l;

	copy_letters_parse(text, &l);
	for (size_t i = 0; i < COPY_LETTERS; i++) {
		if (l.of[i].n == 0)
			continue;
		FUZZ_CHECK(l.taken & UINT32_C(1) << i);
		FUZZ_CHECK(l.of[i].p >= text.p && l.of[i].p + l.of[i].n <= text.p + text.n);
		FUZZ_CHECK(copy_letters_of_words(&l, l.of[i]) & UINT32_C(1) << i);
		buf_clear(&words);
		copy_letters_words(&l, UINT32_C(1) << i, &words);
		FUZZ_CHECK(view_eq(buf_view(&words), l.of[i]));
	}
	/* Letters of a name, which strangers may write, too. */
	FUZZ_CHECK((copy_letters_of_name(&l, text) & ~l.taken) == 0);
	buf_free(&words);
	return 0;
}
