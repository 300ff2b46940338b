#include "wire/pop3.h"

struct pop3_command pop3_split(struct view line)
{
	size_t blank = view_find(line, ' ');

	return (struct pop3_command){
		.verb = view_head(line, blank),
		.rest = view_skip(line, blank + 1),
		.has_rest = blank < line.n,
	};
}

/* What stands before the next blank. */
static struct view word(struct view *rest)
{
	size_t blank = view_find(*rest, ' ');
	struct view w = view_head(*rest, blank);

	*rest = view_skip(*rest, blank + 1);
	return w;
}

enum status pop3_take_count(struct view *rest, uint32_t *ret_count)
{
	struct view w = word(rest);
	uint64_t n;

	if (!view_u64(w, &n))
		return ST_SYNTAX;
	*ret_count = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
	return ST_OK;
}

enum status pop3_take_number(struct view *rest, uint32_t most, uint32_t *ret_number)
{
	uint32_t n;
	enum status st = pop3_take_count(rest, &n);

	if (st != ST_OK)
		return st;
	if (n == 0 || n > most)
		return ST_LIMIT;
	*ret_number = n;
	return ST_OK;
}

/* Dots are rarer than lines, and most are not at the beginning of one; so
 * look for dots, and at what stands before them. */
void pop3_put_text(struct buf *out, struct view text, bool *at_line)
{
	size_t done = 0, at = 0;

	while (at < text.n) {
		const char *dot = memchr(text.p + at, '.', text.n - at);
		size_t i;

		if (dot == NULL)
			break;
		i = (size_t)(dot - text.p);
		at = i + 1;
		if (i ? text.p[i - 1] != '\n' : !*at_line)
			continue;
		buf_put(out, view_make(text.p + done, i - done));
		buf_putc(out, '.');
		done = i;
	}
	buf_put(out, view_skip(text, done));
	if (text.n)
		*at_line = text.p[text.n - 1] == '\n';
}

bool pop3_put_language(struct buf *out, struct view wanted)
{
	const char *said = "+OK Language listing follows:\r\nen English\r\ni-default English\r\n.\r\n";
	bool known = true;

	if (view_eq_i(wanted, VIEW("en")) || view_starts_i(wanted, VIEW("en-")))
		said = "+OK en English it is\r\n";
	else if (view_eq(wanted, VIEW("*")) || view_eq_i(wanted, VIEW("i-default")))
		said = "+OK i-default English it is\r\n";
	else if (wanted.n)
		known = false;
	buf_puts(out, known ? said : "-ERR That language is not spoken here\r\n");
	return known;
}

void pop3_put_capabilities(struct buf *out)
{
	static const char *const always[] = { "TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE",
					      "EXPIRE NEVER", "UTF8 USER", "LANG" };

	for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
		buf_puts(out, always[i]);
		buf_puts(out, "\r\n");
	}
}
