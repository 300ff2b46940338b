/* table.c - the commands, and what can be said about them. */
#include "admin/command.h"

#include <stdio.h>
#include <string.h>

#define O(id, word, value, help) { word, value, help },
const struct option_row option_rows[OPTION_COUNT] = {
#include "admin/options.def"
};
#undef O

#define C(handler, ...) P(admin, 0, handler, __VA_ARGS__)
#define P(program, without, handler, words, arguments, least, most, options, help, more) \
	{ COMMAND_##handler, #program, without, words, arguments, least, most, options, help, more },
#define G(word, help, more, examples)
static const struct command commands[] = {
#include "admin/commands.def"
};
#undef C
#undef P
#undef G

#define C(handler, ...)
#define P(program, without, handler, ...)
#define G(word, help, more, examples) { word, help, more, examples },
static const struct command_group groups[] = {
#include "admin/commands.def"
};
#undef C
#undef P
#undef G

enum { COMMANDS = sizeof commands / sizeof *commands, GROUPS = sizeof groups / sizeof *groups };
enum { HELP_COLUMN = 26 };

const struct command *command_row(size_t i)
{
	return i < COMMANDS ? &commands[i] : NULL;
}

const struct command_group *group_row(size_t i)
{
	return i < GROUPS ? &groups[i] : NULL;
}

bool command_in_group(const struct command *c, const struct command_group *g)
{
	struct view words = view_cstr(c->words);

	return view_eq(view_head(words, view_find(words, ' ')), view_cstr(g->word));
}

const struct command *command_nearest(struct view words)
{
	size_t least = SIZE_MAX;
	const struct command *best = &commands[0];

	for (size_t i = 0; i < COMMANDS; i++) {
		struct view all = view_cstr(commands[i].words);
		size_t d = view_distance(words, all);
		size_t first = view_distance(words, view_head(all, view_find(all, ' ')));

		d = first < d ? first : d;
		if (d < least) {
			least = d;
			best = &commands[i];
		}
	}
	return best;
}

void usage_line(const struct command *c, struct buf *out)
{
	buf_putf(out, "waxwing %s", c->words);
	if (c->arguments[0])
		buf_putf(out, " %s", c->arguments);
	for (int o = 0; o < OPTION_COUNT; o++) {
		if (!((c->options | OPT(dir)) & (UINT64_C(1) << o)))
			continue;
		buf_putf(out, " [%s", option_rows[o].word);
		if (option_rows[o].value)
			buf_putf(out, " %s", option_rows[o].value);
		buf_putc(out, ']');
	}
}

/* Text in a column of its own, broken at blanks. */
static void put_column(struct buf *out, struct view text)
{
	enum { WIDE = 78 - HELP_COLUMN };

	while (text.n > WIDE) {
		size_t n = WIDE;

		while (n && text.p[n] != ' ')
			n--;
		if (n == 0)
			n = WIDE;
		buf_putf(out, "%.*s\n  %*s", (int)n, text.p, HELP_COLUMN, "");
		text = view_trim(view_skip(text, n));
	}
	buf_putf(out, "%.*s\n", VIEW_ARG(text));
}

static void padded(struct buf *out, const char *left, const char *right)
{
	size_t n = strlen(left);

	buf_putf(out, "  %s", left);
	if (n + 1 > HELP_COLUMN) {
		buf_puts(out, "\n  ");
		n = 0;
	}
	buf_putf(out, "%*s", (int)(HELP_COLUMN - n), "");
	put_column(out, view_cstr(right));
}

void help_all(struct buf *out)
{
	buf_puts(out, "waxwing - a complete mail system\n\nusage: waxwing COMMAND [ARGUMENT ...] [OPTION ...]\n");
	for (size_t g = 0; g < GROUPS; g++) {
		buf_putf(out, "\n%s - %s\n", groups[g].word, groups[g].help);
		for (size_t i = 0; i < COMMANDS; i++) {
			char left[128];

			if (!command_in_group(&commands[i], &groups[g]))
				continue;
			snprintf(left, sizeof left, "%s%s%s", commands[i].words,
				 commands[i].arguments[0] ? " " : "", commands[i].arguments);
			padded(out, left, commands[i].help);
		}
	}
	buf_puts(out, "\n`waxwing help COMMAND` says more, and so does man waxwing-COMMAND.\n");
}

/* Every option that a command of the group has, once. */
static option_set group_options(const struct command_group *g)
{
	option_set set = OPTIONS_ALWAYS;

	for (size_t i = 0; i < COMMANDS; i++)
		if (command_in_group(&commands[i], g))
			set |= commands[i].options;
	return set;
}

void help_group(const struct command_group *g, struct buf *out)
{
	buf_putf(out, "waxwing %s - %s\n\n", g->word, g->help);
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!command_in_group(&commands[i], g))
			continue;
		usage_line(&commands[i], out);
		buf_putf(out, "\n    %s\n", commands[i].help);
	}
	buf_puts(out, "\noptions:\n");
	for (int o = 0; o < OPTION_COUNT; o++) {
		char left[64];

		if (!(group_options(g) & (UINT64_C(1) << o)))
			continue;
		snprintf(left, sizeof left, "%s%s%s", option_rows[o].word, option_rows[o].value ? " " : "",
			 option_rows[o].value ? option_rows[o].value : "");
		padded(out, left, option_rows[o].help);
	}
	buf_putf(out, "\nman waxwing-%s says more.\n", g->word);
}

/* ---- completion for bash ---- */

static void complete_words(const struct command_group *g, struct buf *out)
{
	buf_putf(out, "\t%s) words=\"", g->word);
	for (size_t i = 0; i < COMMANDS; i++) {
		struct view words = view_cstr(commands[i].words);

		if (command_in_group(&commands[i], g))
			buf_putf(out, "%.*s ", VIEW_ARG(view_skip(words, strlen(g->word) + 1)));
	}
	for (int o = 0; o < OPTION_COUNT; o++)
		if (group_options(g) & (UINT64_C(1) << o))
			buf_putf(out, "%s ", option_rows[o].word);
	buf_puts(out, "\" ;;\n");
}

void completion(struct buf *out)
{
	buf_puts(out, "# bash completion for waxwing; printed by waxwing --completion\n"
		      "_waxwing() {\n\tlocal words word=${COMP_WORDS[COMP_CWORD]}\n\tcase ${COMP_WORDS[1]} in\n");
	for (size_t g = 0; g < GROUPS; g++)
		complete_words(&groups[g], out);
	buf_puts(out, "\tesac\n\t[ \"$COMP_CWORD\" -gt 1 ] || words=\"help");
	for (size_t g = 0; g < GROUPS; g++)
		buf_putf(out, " %s", groups[g].word);
	buf_puts(out, "\"\n\tcase ${COMP_WORDS[COMP_CWORD - 1]} in\n"
		      "\t--dir) COMPREPLY=($(compgen -d -- \"$word\")) ;;\n"
		      "\t*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n\tesac\n}\n"
		      "complete -F _waxwing waxwing\n");
}
