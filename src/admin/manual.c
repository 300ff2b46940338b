/* manual.c - the manual pages in mdoc(7), made from the tables. */
#include "admin/command.h"

#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MOST = 76, GROUPS_MOST = 64 };

#define MANUAL_DATE "November 22, 2026"

/* ---- text ---- */

static bool sentence_end(struct view v, size_t i)
{
	return (v.p[i] == '.' || v.p[i] == '?' || v.p[i] == '!') && i + 1 < v.n && v.p[i + 1] == ' ' &&
	       i + 2 < v.n && (v.p[i + 2] < 'a' || v.p[i + 2] > 'z');
}

static void put_escaped(struct buf *out, char c, bool line_start)
{
	if (line_start && (c == '.' || c == '\''))
		buf_puts(out, "\\&");
	if (c == '\\')
		buf_puts(out, "\\e");
	else if (c == '-')
		buf_puts(out, "\\-");
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

/* Plain paragraphs: each sentence begins a line, no line is long, and
 * `typed words` are bold. */
static void put_text(struct buf *out, const char *text)
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

static void put_head(struct buf *out, const char *name, int section, const char *help)
{
	buf_putf(out, ".\\\" Made by waxwing --manual %s; do not edit.\n.Dd %s\n.Dt ", name, MANUAL_DATE);
	for (const char *p = name; *p; p++)
		buf_putc(out, ascii_upper(*p));
	buf_putf(out, " %d\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", section, name, help);
}

void manual_text(struct buf *out, const char *text)
{
	put_text(out, text);
}

void manual_head(struct buf *out, const char *name, int section, const char *help)
{
	put_head(out, name, section, help);
}

/* ---- commands ---- */

static void put_arguments(struct buf *out, const char *arguments)
{
	struct view left = view_cstr(arguments);

	while (left.n) {
		struct view word = view_head(left, view_find(left, ' '));

		if (word.p[0] == '[' && word.p[word.n - 1] == ']')
			buf_putf(out, " Oo Ar %.*s Oc", (int)word.n - 2, word.p + 1);
		else
			buf_putf(out, " Ar %.*s", VIEW_ARG(word));
		left = view_skip(left, word.n + 1);
	}
}

/* ".Fl -dir Ar DIR", behind a macro or a dot. */
static void put_option(struct buf *out, int o)
{
	buf_puts(out, "Fl ");
	for (const char *p = option_rows[o].word + 1; *p; p++)
		put_escaped(out, *p, false);
	if (option_rows[o].value)
		buf_putf(out, " Ar %s", option_rows[o].value);
}

static void put_synopsis(struct buf *out, const struct command *c)
{
	buf_putf(out, ".Nm waxwing Cm %s", c->words);
	put_arguments(out, c->arguments);
	buf_putc(out, '\n');
	for (int o = 0; o < OPTION_COUNT; o++) {
		if (!((c->options | OPT(dir)) & (UINT64_C(1) << o)))
			continue;
		buf_puts(out, ".Op ");
		put_option(out, o);
		buf_putc(out, '\n');
	}
}

static void put_options(struct buf *out, option_set set)
{
	buf_puts(out, ".Pp\nThe options are:\n.Bl -tag -width Ds\n");
	for (int o = 0; o < OPTION_COUNT; o++) {
		if (!(set & (UINT64_C(1) << o)))
			continue;
		buf_puts(out, ".It ");
		put_option(out, o);
		buf_putc(out, '\n');
		put_text(out, option_rows[o].help);
	}
	buf_puts(out, ".El\n");
}

static void put_environment(struct buf *out)
{
	buf_puts(out, ".Sh ENVIRONMENT\n.Bl -tag -width WAXWING_DIR\n.It Ev WAXWING_DIR\n"
		      "The folder of the instance, where\n.Fl \\-dir\nis not given.\n"
		      ".It Ev NO_COLOR\nWhen set and not empty, tables have no bold titles.\n.El\n");
}

static void put_exit_status(struct buf *out)
{
	buf_puts(out, ".Sh EXIT STATUS\n");
	put_text(out, "0 when it was done, 1 when it was refused or failed (standard error says why), "
		      "2 when the command line is wrong.");
}

static void put_examples(struct buf *out, const char *examples)
{
	struct view left = view_cstr(examples);

	if (left.n == 0)
		return;
	buf_puts(out, ".Sh EXAMPLES\n.Bd -literal -offset indent\n");
	for (size_t i = 0; i < left.n; i++)
		put_escaped(out, left.p[i], i == 0 || left.p[i - 1] == '\n');
	buf_puts(out, "\n.Ed\n");
}

static int by_word(const void *a, const void *b)
{
	return strcmp((*(const struct command_group *const *)a)->word,
		      (*(const struct command_group *const *)b)->word);
}

/* Sections upward, names in alphabetical order, as mdoc(7) has it. */
static void put_see_also(struct buf *out, const struct command_group *but)
{
	const struct command_group *sorted[GROUPS_MOST];
	size_t n = 0;

	buf_puts(out, but ? ".Sh SEE ALSO\n.Xr waxwing.conf 5 ,\n" :
			    ".Sh SEE ALSO\n.Xr waxwing-sendmail 1 ,\n.Xr waxwing.conf 5 ,\n");
	if (but) {
		buf_puts(out, ".Xr waxwing 8\n");
		return;
	}
	while (n < GROUPS_MOST && (sorted[n] = group_row(n)) != NULL)
		n++;
	qsort(sorted, n, sizeof *sorted, by_word);
	for (size_t i = 0; i < n; i++)
		buf_putf(out, ".Xr waxwing-%s 8%s\n", sorted[i]->word, i + 1 < n ? " ," : "");
}

static void group_page(const struct command_group *g, struct buf *out)
{
	const struct command *c;
	option_set set = OPTIONS_ALWAYS;
	char name[64];

	snprintf(name, sizeof name, "waxwing-%s", g->word);
	put_head(out, name, 8, g->help);
	buf_puts(out, ".Sh SYNOPSIS\n");
	for (size_t i = 0; (c = command_row(i)) != NULL; i++) {
		if (!command_in_group(c, g))
			continue;
		put_synopsis(out, c);
		set |= c->options;
	}
	buf_puts(out, ".Sh DESCRIPTION\n");
	put_text(out, g->more);
	buf_puts(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; (c = command_row(i)) != NULL; i++) {
		if (!command_in_group(c, g))
			continue;
		buf_putf(out, ".It Cm %s", c->words);
		put_arguments(out, c->arguments);
		buf_putc(out, '\n');
		put_text(out, c->help);
		put_text(out, c->more);
	}
	buf_puts(out, ".El\n");
	put_options(out, set);
	put_environment(out);
	put_exit_status(out);
	put_examples(out, g->examples);
	put_see_also(out, g);
}

static void main_page(struct buf *out)
{
	const struct command_group *g;
	const struct command *c;

	put_head(out, "waxwing", 8, "a complete mail system");
	buf_puts(out, ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar argument ...\n.Op Ar option ...\n"
		      ".Nm\n.Cm help\n.Op Ar command\n.Nm\n.Fl \\-version\n.Sh DESCRIPTION\n");
	put_text(out, "waxwing receives letters by SMTP, keeps them, and gives them to their readers by IMAP and POP3. "
		      "Its processes are divided by what each may be trusted with, and locked in: a parent, doors that "
		      "talk with strangers, a warden that knows accounts and keys, a queue, and a room for each account.\n\n"
		      "The commands are:");
	buf_puts(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; (g = group_row(i)) != NULL; i++)
		for (size_t k = 0; (c = command_row(k)) != NULL; k++) {
			if (!command_in_group(c, g))
				continue;
			buf_putf(out, ".It Cm %s", c->words);
			put_arguments(out, c->arguments);
			buf_puts(out, "\n");
			put_text(out, c->help);
			buf_putf(out, "See\n.Xr waxwing-%s 8 .\n", g->word);
		}
	buf_puts(out, ".El\n");
	put_options(out, OPTIONS_ALWAYS);
	put_environment(out);
	buf_puts(out, ".Sh FILES\n.Bl -tag -width Ds\n"
		      ".It Pa /var/lib/waxwing\nThe folder of the instance, where no other is named.\n"
		      ".It Pa waxwing.conf\nThe settings, in that folder.\n"
		      ".It Pa log/waxwing.log\nA line for each event.\n.El\n");
	put_exit_status(out);
	put_see_also(out, NULL);
}

/* ---- settings ---- */

static void put_bounds(struct buf *out, const struct setting *s)
{
	static const char *const kinds[] = {
		[SETTING_INT] = "a number",	[SETTING_SIZE] = "a size",
		[SETTING_TIME] = "a time",	[SETTING_BOOL] = "yes or no",
		[SETTING_TEXT] = "a text",	[SETTING_LIST] = "addresses",
		[SETTING_TIMES] = "times",	[SETTING_NETWORKS] = "networks",
		[SETTING_ACTION] = "reject, quarantine or accept",
	};

	buf_putf(out, "Takes %s", kinds[s->type]);
	if (s->type == SETTING_INT || s->type == SETTING_SIZE)
		buf_putf(out, " from %lld to %lld", (long long)s->least, (long long)s->most);
	if (s->type == SETTING_TIME)
		buf_putf(out, " from %lldms to %llds", (long long)s->least, (long long)s->most / 1000);
	if (strlen(s->fallback) > LINE_MOST / 2) {
		buf_puts(out, "; the default is\n");
		put_text(out, s->fallback);
	} else if (s->fallback[0]) {
		buf_putf(out, "; the default is %s.\n", s->fallback);
	} else {
		buf_puts(out, "; the default is empty.\n");
	}
}

static void conf_page(struct buf *out)
{
	size_t n;
	const struct setting *s = settings(&n);

	put_head(out, "waxwing.conf", 5, "settings of waxwing");
	buf_puts(out, ".Sh DESCRIPTION\n");
	put_text(out, "waxwing.conf lies in the folder of the instance. "
		      "`waxwing setup` writes it with every setting at its default behind a #. "
		      "Settings stand in sections:");
	buf_puts(out, ".Bd -literal -offset indent\nsmtp = {\n\tmessage_size = \"50m\";\n\trecipients = 1000;\n};\n.Ed\n.Pp\n");
	put_text(out, "Values may stand in quotes. "
		      "Sizes are bytes, or have k, m or g behind them; times have ms, s, min, h or d, and are seconds without. "
		      "A # begins a comment. "
		      "A setting that is wrong is refused with its line, what is wrong and what would be right; "
		      "`waxwing serve --check` looks without serving. "
		      "A change is taken over when the parent process gets SIGHUP; settings of host are read at the start only.\n\n"
		      "The settings are:");
	buf_puts(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < n; i++) {
		buf_putf(out, ".It Cm %s\n", s[i].key);
		put_text(out, s[i].doc);
		put_bounds(out, &s[i]);
	}
	buf_puts(out, ".El\n.Sh SEE ALSO\n.Xr waxwing 8 ,\n.Xr waxwing-serve 8\n");
}

/* ---- the pages ---- */

enum status manual_page(struct view name, struct buf *out)
{
	struct view prefix = VIEW("waxwing-");
	const struct command_group *g;

	if (view_eq(name, VIEW("waxwing"))) {
		main_page(out);
		return buf_status(out);
	}
	if (view_eq(name, VIEW("waxwing.conf"))) {
		conf_page(out);
		return buf_status(out);
	}
	if (view_eq(name, VIEW("waxwing-sendmail"))) {
		manual_sendmail(out);
		return buf_status(out);
	}
	for (size_t i = 0; (g = group_row(i)) != NULL; i++) {
		if (view_starts_i(name, prefix) &&
		    view_eq(view_skip(name, prefix.n), view_cstr(g->word))) {
			group_page(g, out);
			return buf_status(out);
		}
	}
	return ST_MISSING;
}

void manual_names(struct buf *out)
{
	const struct command_group *g;

	buf_puts(out, "waxwing 8\n");
	for (size_t i = 0; (g = group_row(i)) != NULL; i++)
		buf_putf(out, "waxwing-%s 8\n", g->word);
	buf_puts(out, "waxwing-sendmail 1\nwaxwing.conf 5\n");
}
