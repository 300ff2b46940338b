/* help.c - the tables as text for a terminal. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { HELP_COLUMN = 26, LINE = 78, WIDE = LINE - HELP_COLUMN, USAGE_MAX = 8192 };

struct view cli_first_word(const struct cli_row *r)
{
	return view_head(view_cstr(r->words), strcspn(r->words, " "));
}

void cli_usage(const struct cli *c, const struct cli_row *r, struct buf *out)
{
	buf_putf(out, "%s %s%s%s", c->program, r->words, r->arguments[0] ? " " : "", r->arguments);
	for (size_t o = 0; o < c->n_options; o++)
		if ((r->options | c->shown) >> o & 1)
			buf_putf(out, " [%s%s%s]", c->options[o].word, c->options[o].value ? " " : "",
				 c->options[o].value ? c->options[o].value : "");
}

/* Text in a column of its own, so wide and so far from the left, broken at blanks. */
static void put_column(struct buf *out, struct view text, size_t wide, int left)
{
	while (text.n > wide) {
		size_t n = wide;

		while (n && text.p[n] != ' ')
			n--;
		if (n == 0)
			n = wide;
		buf_putf(out, "%.*s\n%*s", (int)n, text.p, left, "");
		text = view_trim(view_skip(text, n));
	}
	buf_putf(out, "%.*s\n", VIEW_ARG(text));
}

/* Paragraphs, each with an empty line before it. */
static void put_paragraphs(struct buf *out, const char *text)
{
	for (struct view left = view_cstr(text); left.n;) {
		struct view one = view_head(left, view_find(left, '\n'));

		if (one.n) {
			buf_putc(out, '\n');
			put_column(out, one, LINE, 0);
		}
		left = view_skip(left, one.n + 1);
	}
}

static void two_columns(struct buf *out, const char *left, const char *more, const char *right)
{
	size_t n = strlen(left) + (more[0] ? 1 + strlen(more) : 0);

	buf_putf(out, "  %s%s%s", left, more[0] ? " " : "", more);
	if (n + 1 > HELP_COLUMN) {
		buf_puts(out, "\n  ");
		n = 0;
	}
	buf_putf(out, "%*s", (int)(HELP_COLUMN - n), "");
	put_column(out, view_cstr(right), WIDE, HELP_COLUMN + 2);
}

void cli_list_row(const struct cli_row *r, struct buf *out)
{
	two_columns(out, r->words, r->arguments, r->help);
}

option_set cli_options(const struct cli *c, struct view word)
{
	const struct cli_row *r;
	option_set set = c->always;

	for (size_t i = 0; (r = c->row(i)) != NULL; i++)
		if (view_eq(cli_first_word(r), word))
			set |= r->options;
	return set;
}

static void put_options(const struct cli *c, option_set set, struct buf *out)
{
	buf_puts(out, "\noptions:\n");
	for (size_t o = 0; o < c->n_options; o++)
		if (set >> o & 1)
			two_columns(out, c->options[o].word, c->options[o].value ? c->options[o].value : "",
				    c->options[o].help);
}

bool cli_help(const struct cli *c, struct view word, struct buf *out)
{
	const struct cli_row *r;
	bool any = false;

	for (size_t i = 0; (r = c->row(i)) != NULL; i++) {
		if (!view_eq(cli_first_word(r), word))
			continue;
		cli_usage(c, r, out);
		buf_putf(out, "\n    %s\n", r->help);
		any = true;
	}
	if (any)
		put_options(c, cli_options(c, word), out);
	return any;
}

/* The usage on lines that fit; no option is broken. */
static void put_usage(const struct cli *c, const struct cli_row *r, struct buf *out)
{
	struct buf usage = BUF(USAGE_MAX);
	struct view left;
	size_t column = 0;

	cli_usage(c, r, &usage);
	for (left = buf_view(&usage); left.n;) {
		const char *next = memmem(left.p + 1, left.n - 1, " [", 2);
		struct view piece = next ? view_head(left, (size_t)(next - left.p)) : left;

		if (column && column + piece.n > LINE) {
			buf_puts(out, "\n   ");
			column = 3;
		}
		buf_put(out, piece);
		column += piece.n;
		left = view_skip(left, piece.n);
	}
	buf_putc(out, '\n');
	buf_free(&usage);
}

void cli_help_row(const struct cli *c, const struct cli_row *r, struct buf *out)
{
	put_usage(c, r, out);
	put_paragraphs(out, r->help);
	put_paragraphs(out, r->more);
	put_options(c, r->options | c->always, out);
}
