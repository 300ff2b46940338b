/* fuzz_drop.c - a file of the drop folder, which any user may have written. */
#include "base/fuzz.h"
#include "sendmail/drop.h"

#include "wire/smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA(1 << 20);
	struct outgoing o;
	struct smtp_path path;

	if (drop_take(view_make((const char *)data, n), &a, &o) == ST_OK) {
		/* Nothing of it can end a line of SMTP, or begin another parameter. */
		FUZZ_CHECK(o.to.n > 0);
		FUZZ_CHECK(o.sender.n == 0 || smtp_take_mailbox(o.sender, &path) == ST_OK);
		for (size_t i = 0; i < o.to.n; i++)
			FUZZ_CHECK(smtp_take_mailbox(o.to.p[i], &path) == ST_OK && view_find(o.to.p[i], '\n') == o.to.p[i].n);
		FUZZ_CHECK(view_find(o.notify, ' ') == o.notify.n && view_find(o.notify, '\r') == o.notify.n);
		FUZZ_CHECK(view_find(o.envid, ' ') == o.envid.n && view_find(o.envid, '\r') == o.envid.n);
		FUZZ_CHECK(o.letter.n <= n);
	}
	arena_free(&a);
	return 0;
}
