/* A letter that claims to be a challenge: what is answered has the fields that we write, and no others. */
#include "base/fuzz.h"

#include "acme/letter.h"
#include "msg/header.h"

enum { FIELDS = 10 };

static void answer(const struct acme_letter *l)
{
	struct acme_reply r = { .from = l->to, .to = l->reply_to.n ? l->reply_to : l->sender, .token = l->token,
				.in_reply_to = l->message_id, .id = VIEW("1@foo.com"), .digest = VIEW("digest") };
	struct buf out = BUF(ACME_REPLY_MAX);
	struct field f;
	size_t at = 0, n = 0;

	acme_reply_put(&r, &out);
	FUZZ_CHECK(buf_status(&out) == ST_OK);
	while (field_next(buf_view(&out), &at, &f)) {
		FUZZ_CHECK(f.name.n > 0);
		n++;
	}
	FUZZ_CHECK(n == FIELDS);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA(4 << 20);
	struct acme_letter l;

	if (acme_letter_find(view_make((const char *)data, n), &a, &l) == ST_OK) {
		FUZZ_CHECK(acme_is_token(l.token) && l.sender.n && l.domain.n && l.to.n && l.message_id.n);
		answer(&l);
	}
	arena_free(&a);
	return 0;
}
