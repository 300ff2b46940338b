/* fuzz_imap_url.c - URLs of any bytes; what was read of one can be written so
 * that it is read again. */
#include "base/fuzz.h"
#include "wire/imap_url.h"

static void check_again(const struct imap_url *u, struct arena *a)
{
	struct buf b = BUF(8 * IMAP_URL_MAX);
	struct imap_url again;

	buf_puts(&b, "imap://");
	if (u->user.n) {
		imap_url_put(&b, u->user, false);
		buf_putc(&b, '@');
	}
	buf_put(&b, u->absolute ? u->host : VIEW("host"));
	buf_putc(&b, '/');
	imap_url_put(&b, u->mailbox, true);
	if (b.n <= IMAP_URL_MAX) {
		FUZZ_CHECK(imap_url_take(buf_view(&b), a, &again) == ST_OK);
		FUZZ_CHECK(allocation_failed || (view_eq(again.mailbox, u->mailbox) && view_eq(again.user, u->user)));
	}
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view text = view_make((const char *)data, n);
	struct arena a = ARENA(1 << 20);
	struct imap_url u;

	if (imap_url_take(text, &a, &u) == ST_OK) {
		FUZZ_CHECK(n <= IMAP_URL_MAX);
		FUZZ_CHECK(u.access == IMAP_URL_NO_ACCESS || (u.uid && u.rump.p == text.p && u.rump.n <= n));
		FUZZ_CHECK(u.mechanism.p == NULL || (u.access && u.token.n >= IMAP_URL_TOKEN_LEAST));
		FUZZ_CHECK(u.absolute || (u.user.n == 0 && u.host.n == 0));
		check_again(&u, &a);
	}
	arena_free(&a);
	return 0;
}
