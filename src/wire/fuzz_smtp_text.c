/* fuzz_smtp_text.c - the text of DATA and of BDAT.  The first byte says how;
 * the second where the text is cut.  However it is cut, the outcome is the
 * same; only CRLF.CRLF ends it; and what is given out has no CR or LF alone
 * where it was not said.  What is sent is read as one letter to its end. */
#include "base/fuzz.h"

#include "base/buf.h"
#include "wire/smtp.h"

static void put(void *arg, struct view run)
{
	buf_put(arg, run);
}

static bool lone_ends(struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\r' && i + 1 < v.n && v.p[i + 1] == '\n')
			i++;
		else if (v.p[i] == '\r' || v.p[i] == '\n')
			return true;
	}
	return false;
}

static size_t data(struct view in, size_t cut, bool mend, struct buf *out, bool *ret_bare)
{
	struct smtp_text t = { .mend = mend };
	size_t used, total = 0;

	if (smtp_text_take(&t, view_head(in, cut), put, out, &used) == TEXT_END)
		total = used;
	else if (smtp_text_take(&t, view_skip(in, cut), put, out, &used) == TEXT_END)
		total = cut + used;
	*ret_bare = t.bare;
	return total;
}

static void chunk(struct view in, size_t cut, bool mend, struct buf *out, bool *ret_bare)
{
	struct smtp_text t = { .mend = mend };

	smtp_chunk_take(&t, view_head(in, cut), put, out);
	smtp_chunk_take(&t, view_skip(in, cut), put, out);
	smtp_chunk_end(&t, put, out);
	*ret_bare = t.bare;
}

static void send_all(struct view in, size_t cut, bool dots, struct buf *out)
{
	struct smtp_sender t = { .dots = dots };

	smtp_send_text(&t, view_head(in, cut), out);
	smtp_send_text(&t, view_skip(in, cut), out);
	smtp_send_end(&t, out);
}

static void check_sent(struct view in, size_t cut)
{
	struct buf one = BUF(4 * in.n + 16), two = BUF(4 * in.n + 16), plain = BUF(4 * in.n + 16), read = BUF(4 * in.n + 16);
	bool bare;

	send_all(in, in.n, true, &one);
	send_all(in, cut, true, &two);
	send_all(in, cut, false, &plain);
	FUZZ_CHECK(view_eq(buf_view(&one), buf_view(&two)) && !lone_ends(buf_view(&one)));
	FUZZ_CHECK(data(buf_view(&one), one.n, false, &read, &bare) == one.n);
	FUZZ_CHECK(view_eq(buf_view(&read), buf_view(&plain)) && bare == (view_find(in, '\0') < in.n));
	buf_free(&one);
	buf_free(&two);
	buf_free(&plain);
	buf_free(&read);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct view in;
	struct buf one = BUF(4 * n + 16), two = BUF(4 * n + 16);
	bool mend, bare_one, bare_two;
	size_t cut, used;

	if (n < 2)
		return 0;
	in = view_make((const char *)bytes + 2, n - 2);
	mend = bytes[0] & 1;
	cut = bytes[1] < in.n ? bytes[1] : in.n;
	if (bytes[0] & 2) {
		chunk(in, in.n, mend, &one, &bare_one);
		chunk(in, cut, mend, &two, &bare_two);
		FUZZ_CHECK(mend || view_eq(buf_view(&one), in));
	} else {
		used = data(in, in.n, mend, &one, &bare_one);
		FUZZ_CHECK(used == data(in, cut, mend, &two, &bare_two));
		FUZZ_CHECK(used == 0 || (used == 3 && memcmp(in.p, ".\r\n", 3) == 0) ||
			   (used >= 5 && memcmp(in.p + used - 5, "\r\n.\r\n", 5) == 0));
	}
	check_sent(in, cut);
	FUZZ_CHECK(bare_one == bare_two && view_eq(buf_view(&one), buf_view(&two)));
	if (!bare_one)
		FUZZ_CHECK(!lone_ends(buf_view(&one)) && view_find(buf_view(&one), '\0') == one.n);
	buf_free(&one);
	buf_free(&two);
	return 0;
}
