/* fuzz_pop3.c - a line of a person, and a letter's text behind a dot. */
#include "wire/pop3.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Unstuffed again, it must be the text. */
static void check_text(struct view text)
{
	struct buf b = BUF(4 * 1024 * 1024);
	bool at_line = true, line = true;
	size_t at = 0;

	pop3_put_text(&b, view_head(text, text.n / 2), &at_line);
	pop3_put_text(&b, view_skip(text, text.n / 2), &at_line);
	for (size_t i = 0; i < b.n; i++) {
		if (line && b.p[i] == '.') {
			if (i + 1 == b.n || b.p[++i] != '.')
				abort();
		}
		if (at == text.n || text.p[at++] != b.p[i])
			abort();
		line = b.p[i] == '\n';
	}
	if (at != text.n)
		abort();
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view all = view_make((const char *)data, n);
	struct pop3_command cmd = pop3_split(view_head(all, view_find(all, '\n')));
	struct view rest = cmd.rest;
	uint32_t a = 1, b;

	if (pop3_take_number(&rest, 7, &a) == ST_OK && (a < 1 || a > 7))
		abort();
	if (pop3_take_count(&rest, &b) == ST_OK && rest.n > all.n)
		abort();
	check_text(all);
	return 0;
}
