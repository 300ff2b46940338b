/* manual.c - the manual pages in mdoc(7), made from the tables. */
#include "admin/command.h"

#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MOST = 76, GROUPS_MOST = 64 };

/* ---- commands ---- */

static void put_synopsis(struct buf *out, const struct cli_row *c)
{
	buf_putf(out, ".Nm waxwing Cm %s", c->words);
	mdoc_arguments(out, c->arguments);
	buf_putc(out, '\n');
	mdoc_usage(&admin_cli, c->options | admin_cli.shown, out);
}

static void put_environment(struct buf *out)
{
	buf_puts(out, ".Sh ENVIRONMENT\n.Bl -tag -width WAXWING_DIR\n.It Ev WAXWING_DIR\n"
		      "The folder of the instance, where\n.Fl \\-dir\nis not given.\n"
		      ".It Ev NO_COLOR\nWhen set and not empty, tables have no bold titles.\n.El\n");
}

static void put_examples(struct buf *out, const char *examples)
{
	if (examples[0] == '\0')
		return;
	buf_puts(out, ".Sh EXAMPLES\n.Bd -literal -offset indent\n");
	mdoc_literal(out, examples);
	buf_puts(out, ".Ed\n");
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
	const struct cli_row *c;
	char name[64];

	snprintf(name, sizeof name, "waxwing-%s", g->word);
	mdoc_head(&admin_cli, out, name, 8, g->help);
	buf_puts(out, ".Sh SYNOPSIS\n");
	for (size_t i = 0; (c = admin_cli.row(i)) != NULL; i++) {
		if (!command_in_group(c, g))
			continue;
		put_synopsis(out, c);
	}
	buf_puts(out, ".Sh DESCRIPTION\n");
	mdoc_text(out, g->more);
	buf_puts(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; (c = admin_cli.row(i)) != NULL; i++) {
		if (!command_in_group(c, g))
			continue;
		buf_putf(out, ".It Cm %s", c->words);
		mdoc_arguments(out, c->arguments);
		buf_putc(out, '\n');
		mdoc_text(out, c->help);
		mdoc_text(out, c->more);
	}
	buf_puts(out, ".El\n");
	mdoc_options(&admin_cli, cli_options(&admin_cli, view_cstr(g->word)), out);
	put_environment(out);
	mdoc_exit_status(out);
	put_examples(out, g->examples);
	put_see_also(out, g);
}

/* The commands of each group, with the page that says more. */
static void put_groups(struct buf *out)
{
	const struct command_group *g;
	const struct cli_row *c;

	for (size_t i = 0; (g = group_row(i)) != NULL; i++) {
		buf_putf(out, ".Ss waxwing\\-%s(8): %s\n.Bl -tag -width Ds\n", g->word, g->help);
		for (size_t k = 0; (c = admin_cli.row(k)) != NULL; k++) {
			if (!command_in_group(c, g))
				continue;
			buf_putf(out, ".It Cm %s", c->words);
			mdoc_arguments(out, c->arguments);
			buf_puts(out, "\n");
			mdoc_text(out, c->help);
		}
		buf_puts(out, ".El\n");
	}
}

static void main_page(struct buf *out)
{
	mdoc_head(&admin_cli, out, "waxwing", 8, "a complete mail system");
	buf_puts(out, ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar argument ...\n.Op Ar option ...\n"
		      ".Nm\n.Cm help\n.Op Ar command\n.Nm\n.Fl \\-version\n.Sh DESCRIPTION\n");
	mdoc_text(out, "waxwing receives letters by SMTP, keeps them, gives them to their readers by IMAP and POP3, and "
		      "carries letters to other hosts. "
		      "Its processes are divided by what each may be trusted with, and locked in: a parent, doors that "
		      "talk with strangers, a warden that knows accounts and keys, a queue, relays, one that asks DNS, "
		      "and a room for each account.");
	mdoc_options(&admin_cli, OPTIONS_ALWAYS, out);
	buf_puts(out, ".Sh COMMANDS\n");
	put_groups(out);
	put_environment(out);
	buf_puts(out, ".Sh FILES\n.Bl -tag -width Ds\n"
		      ".It Pa /var/lib/waxwing\nThe folder of the instance, where no other is named.\n"
		      ".It Pa waxwing.conf\nThe settings, in that folder.\n"
		      ".It Pa log/waxwing.log\nA line for each event.\n.El\n");
	mdoc_exit_status(out);
	put_examples(out, "waxwing setup example.org\nwaxwing account add Jones@example.org\nwaxwing serve\n"
			  "waxwing dns example.org\nwaxwing check example.org");
	put_see_also(out, NULL);
}

/* ---- settings ---- */

/* As one would write it in the file: by the largest unit in which it is whole. */
static void put_amount(struct buf *out, enum setting_type type, int64_t x)
{
	static const struct {
		int64_t of;
		const char *word;
	} sizes[] = { { 1 << 30, "g" }, { 1 << 20, "m" }, { 1 << 10, "k" }, { 1, "" } },
	  times[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "min" }, { 1000, "s" }, { 1, "ms" } };
	size_t i = 0;

	if (type == SETTING_INT || x == 0) {
		buf_putf(out, "%lld", (long long)x);
	} else if (type == SETTING_SIZE) {
		while (x % sizes[i].of)
			i++;
		buf_putf(out, "%lld%s", (long long)(x / sizes[i].of), sizes[i].word);
	} else {
		while (x % times[i].of)
			i++;
		buf_putf(out, "%lld%s", (long long)(x / times[i].of), times[i].word);
	}
}

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
	if (s->type == SETTING_INT || s->type == SETTING_SIZE || s->type == SETTING_TIME) {
		buf_puts(out, " from ");
		put_amount(out, s->type, s->least);
		buf_puts(out, " to ");
		put_amount(out, s->type, s->most);
	}
	if (strlen(s->fallback) > LINE_MOST / 2) {
		buf_puts(out, "; the default is\n");
		mdoc_text(out, s->fallback);
	} else if (s->fallback[0]) {
		buf_putf(out, "; the default is %s.\n", s->fallback);
	} else {
		buf_puts(out, "; the default is empty.\n");
	}
}

/* Each section has a heading, so that one finds one's way among two hundred. */
static void put_settings(struct buf *out)
{
	struct view before = VIEW_NONE;
	size_t n;
	const struct setting *s = settings(&n);

	for (size_t i = 0; i < n; i++) {
		struct view key = view_cstr(s[i].key), section = view_head(key, view_find(key, '.'));

		if (!view_eq(section, before))
			buf_putf(out, "%s.Ss %.*s\n.Bl -tag -width Ds\n", i ? ".El\n" : "", VIEW_ARG(section));
		before = section;
		buf_putf(out, ".It Cm %s\n", s[i].key);
		mdoc_text(out, s[i].doc);
		put_bounds(out, &s[i]);
	}
	buf_puts(out, ".El\n");
}

static void conf_page(struct buf *out)
{
	mdoc_head(&admin_cli, out, "waxwing.conf", 5, "settings of waxwing");
	buf_puts(out, ".Sh DESCRIPTION\n");
	mdoc_text(out, "waxwing.conf lies in the folder of the instance. "
		      "`waxwing setup` writes it with every setting at its default behind a #. "
		      "Settings stand in sections:");
	buf_puts(out, ".Bd -literal -offset indent\nsmtp = {\n\tmessage_size = \"50m\";\n\trecipients = 1000;\n};\n.Ed\n.Pp\n");
	mdoc_text(out, "Values may stand in quotes. "
		      "Sizes are bytes, or have k, m or g behind them; times have ms, s, min, h or d, and are seconds without. "
		      "A # begins a comment. "
		      "A setting that is wrong is refused with its line, what is wrong and what would be right; "
		      "`waxwing serve --check` looks without serving. "
		      "A change is taken over when the parent process gets SIGHUP; settings of host are read at the start only.\n\n"
		      "They are named SECTION.NAME here.");
	buf_puts(out, ".Sh SETTINGS\n");
	put_settings(out);
	buf_puts(out, ".Sh SEE ALSO\n.Xr waxwing 8 ,\n.Xr waxwing-serve 8\n");
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
