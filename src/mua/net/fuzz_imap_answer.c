/* Whatever an IMAP server says: answers are gathered whole, in any pieces, and
 * what is taken from them stays within them. */
#include "base/fuzz.h"
#include "mua/net/imap_answer.h"

enum { ANSWER_MAX = 64 * 1024, PIECES = 17, ARENA_OF_ONE = 1024 * 1024 };

static void touch(struct view v)
{
	volatile char sink = 0;

	for (size_t i = 0; i < v.n; i++)
		sink = (char)(sink ^ v.p[i]);
}

static void check(struct view text)
{
	struct arena a = ARENA(ARENA_OF_ONE);
	struct imap_set from, to;
	struct answer ans;
	uint32_t validity;

	answer_take(text, &a, text.n & 1, &ans);
	touch(ans.tag);
	touch(ans.code);
	touch(ans.code_rest);
	touch(ans.text);
	touch(ans.mailbox);
	touch(ans.body);
	for (uint32_t i = 0; i < ans.keywords.n; i++)
		touch(ans.keywords.v[i]);
	FUZZ_CHECK(ans.n_numbers <= text.n);
	if (ans.kind == ANSWER_FETCH && ans.gave & GAVE_UID)
		FUZZ_CHECK(ans.uid > 0);
	(void)answer_uids(ans.code_rest, &a, &validity, &from, &to);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view left = view_make((const char *)data, n);
	struct imap_hearer h;
	size_t used, piece = n ? data[0] % PIECES + 1u : 1;

	imap_hearer_begin(&h, ANSWER_MAX);
	while (left.n) {
		enum imap_heard r = imap_hear(&h, view_head(left, piece), &used);

		FUZZ_CHECK(used <= piece);
		FUZZ_CHECK(r != HEARD_MORE || used == view_head(left, piece).n);
		if (r == HEARD_ANSWER)
			check(buf_view(&h.text));
		else if (r != HEARD_MORE)
			break;
		left = view_skip(left, used);
	}
	imap_hearer_free(&h);
	return 0;
}
