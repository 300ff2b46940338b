/* fuzz_letter.c - what a program gives as a letter: what leaves has a header
 * that is whole, and no Bcc:. */
#include "base/fuzz.h"
#include "sendmail/letter.h"

#include "msg/header.h"
#include "wire/smtp.h"

static bool has(struct view letter, struct view name)
{
	struct field f;

	return field_find(letter, name, &f);
}

static enum status mend(struct view raw, struct arena *a, struct buf *out, struct recipients *to)
{
	struct author who = {
		.host = VIEW("foo.com"), .address = VIEW("root@foo.com"), .full_name = VIEW("R \"oot\\"),
		.id = VIEW("1.2"), .recipients = true,
	};
	struct view bad;

	return letter_mend(raw, &who, a, out, to, &bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA(1 << 20);
	struct buf once = BUF(4 * n + 4096);
	struct recipients to = { 0 };
	struct smtp_path path;
	enum status st = mend(view_make((const char *)data, n), &a, &once, &to);

	for (size_t i = 0; st == ST_OK && i < to.n; i++)
		FUZZ_CHECK(smtp_take_mailbox(to.p[i], &path) == ST_OK);
	if (st == ST_OK) {
		struct view l = buf_view(&once);

		FUZZ_CHECK(has(l, VIEW("From")) && has(l, VIEW("Date")) && has(l, VIEW("Message-ID")));
		FUZZ_CHECK(!has(l, VIEW("Bcc")) && !has(l, VIEW("Resent-Bcc")) && !has(l, VIEW("Return-Path")));
	}
	arena_free(&a);
	buf_free(&once);
	return 0;
}
