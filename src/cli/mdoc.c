/* mdoc.c - what manual pages are made of. */
#include "cli/cli.h"

#include <string.h>

enum { LINE_MOST = 76 };

/* ---- text ---- */

/* A full stop and what follows it begins a sentence. */
static bool sentence_end(struct view v, size_t i)
{
	return strchr(".?!", v.p[i]) && i + 2 < v.n && v.p[i + 1] == ' ' && (v.p[i + 2] < 'a' || v.p[i + 2] > 'z');
}

static void put_escaped(struct buf *out, char c, bool line_start)
{
	if (line_start && (c == '.' || c == '\''))
		buf_puts(out, "\\&");
	if (c == '\\' || c == '-')
		buf_puts(out, c == '\\' ? "\\e" : "\\-");
	else
		buf_putc(out, c);
}

/* How long the line gets when the word at i still stands on it; escapes
 * count a little more than they are long. */
static size_t column_after(const struct buf *out, size_t line, struct view v, size_t i)
{
	size_t n = out->n - line;

	for (; i < v.n && v.p[i] != ' ' && v.p[i] != '\n'; i++)
		n += v.p[i] == '`' ? 3 : v.p[i] == '-' || v.p[i] == '\\' ? 2 : 1;
	return n;
}

void mdoc_text(struct buf *out, const char *text)
{
	struct view v = view_cstr(text);
	size_t line = out->n;
	bool bold = false;

	for (size_t i = 0; i < v.n; i++) {
		bool start = out->n == line;

		if (v.p[i] == '`') {
			bold = !bold;
			buf_puts(out, bold ? "\\fB" : "\\fR");
		} else if (v.p[i] == '\n') {
			buf_puts(out, i + 1 < v.n && v.p[i + 1] == '\n' ? "\n.Pp\n" : "\n");
			i += i + 1 < v.n && v.p[i + 1] == '\n';
			line = out->n;
		} else if (sentence_end(v, i)) {
			buf_putf(out, "%c\n", v.p[i++]);
			line = out->n;
		} else if (v.p[i] == ' ' && column_after(out, line, v, i + 1) >= LINE_MOST) {
			buf_putc(out, '\n');
			line = out->n;
		} else {
			put_escaped(out, v.p[i], start);
		}
	}
	if (v.n)
		buf_putc(out, '\n');
}

void mdoc_head(const struct cli *c, struct buf *out, const char *name, int section, const char *help)
{
	buf_putf(out, ".\\\" Made by %s --manual; do not edit.\n.Dd %s\n.Dt ", c->program, c->date);
	for (const char *p = name; *p; p++)
		buf_putc(out, ascii_upper(*p));
	buf_putf(out, " %d\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", section, name, help);
}

void mdoc_literal(struct buf *out, const char *text)
{
	for (const char *p = text; *p; p++)
		put_escaped(out, *p, p == text || p[-1] == '\n');
	buf_putc(out, '\n');
}

/* ---- commands ---- */

/* What stands in brackets may be several words: "[ID ...]". */
void mdoc_arguments(struct buf *out, const char *arguments)
{
	struct view left = view_cstr(arguments);

	while (left.n) {
		struct view word = view_head(left, view_find(left, ' '));

		left = view_skip(left, word.n + 1);
		if (word.p[0] == '[') {
			buf_puts(out, " Oo");
			word = view_skip(word, 1);
		}
		if (word.n && word.p[word.n - 1] == ']')
			buf_putf(out, " Ar %.*s Oc", (int)word.n - 1, word.p);
		else
			buf_putf(out, " Ar %.*s", VIEW_ARG(word));
	}
}

/* "Fl -dir Ar DIR", behind a macro. */
static void put_option(const struct option_row *o, struct buf *out)
{
	buf_puts(out, "Fl ");
	for (const char *p = o->word + 1; *p; p++)
		put_escaped(out, *p, false);
	if (o->value)
		buf_putf(out, " Ar %s", o->value);
	buf_putc(out, '\n');
}

void mdoc_usage(const struct cli *c, option_set set, struct buf *out)
{
	for (size_t o = 0; o < c->n_options; o++)
		if (set >> o & 1) {
			buf_puts(out, ".Op ");
			put_option(&c->options[o], out);
		}
}

void mdoc_options(const struct cli *c, option_set set, struct buf *out)
{
	buf_puts(out, ".Pp\nThe options are:\n.Bl -tag -width Ds\n");
	for (size_t o = 0; o < c->n_options; o++)
		if (set >> o & 1) {
			buf_puts(out, ".It ");
			put_option(&c->options[o], out);
			mdoc_text(out, c->options[o].help);
		}
	buf_puts(out, ".El\n");
}

void mdoc_exit_status(struct buf *out)
{
	buf_puts(out, ".Sh EXIT STATUS\n");
	mdoc_text(out, "0 when it was done, 1 when it was refused or failed (standard error says why), "
		       "2 when the command line is wrong.");
}
