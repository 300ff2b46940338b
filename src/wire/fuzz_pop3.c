/* fuzz_pop3.c - a line of a person, and a letter's text behind a dot. */
#include "base/fuzz.h"
#include "wire/pop3.h"

/* Unstuffed again, it must be the text. */
static void check_text(struct view text)
{
	struct buf b = BUF(4 * 1024 * 1024);
	bool at_line = true, line = true;
	size_t at = 0;

	pop3_put_text(&b, view_head(text, text.n / 2), &at_line);
	pop3_put_text(&b, view_skip(text, text.n / 2), &at_line);
	for (size_t i = 0; i < b.n; i++) {
		if (line && b.p[i] == '.')
			i++;
		FUZZ_CHECK(i < b.n && at < text.n && text.p[at] == b.p[i]);
		if (i == b.n || at == text.n)
			break;
		at++;
		line = b.p[i] == '\n';
	}
	FUZZ_CHECK(at == text.n);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view all = view_make((const char *)data, n);
	struct pop3_command cmd = pop3_split(view_head(all, view_find(all, '\n')));
	struct view rest = cmd.rest;
	uint32_t a = 1, b;

	FUZZ_CHECK(pop3_take_number(&rest, 7, &a) != ST_OK || (a >= 1 && a <= 7));
	FUZZ_CHECK(pop3_take_count(&rest, &b) != ST_OK || rest.n <= all.n);
	check_text(all);
	return 0;
}
