/* completion.c - the tables as a script for bash and zsh. */
#include "cli/cli.h"

#include <string.h>

/* Is no row with the same first word before it? */
static bool is_first(const struct cli *c, size_t i)
{
	struct view word = cli_first_word(c->row(i));

	for (size_t k = 0; k < i; k++)
		if (view_eq(cli_first_word(c->row(k)), word))
			return false;
	return true;
}

static void complete_word(const struct cli *c, struct view word, struct buf *out)
{
	const struct cli_row *r;
	option_set set = cli_options(c, word);

	buf_putf(out, "\t%.*s) words=\"", VIEW_ARG(word));
	for (size_t i = 0; (r = c->row(i)) != NULL; i++)
		if (view_eq(cli_first_word(r), word) && r->words[word.n])
			buf_putf(out, "%s ", r->words + word.n + 1);
	for (size_t o = 0; o < c->n_options; o++)
		if (set >> o & 1)
			buf_putf(out, "%s ", c->options[o].word);
	buf_puts(out, "\" ;;\n");
}

/* The options whose value is of that kind, and how bash completes it. */
static void complete_value(const struct cli *c, const char *value, char how, struct buf *out)
{
	const char *before = "\t";

	for (size_t o = 0; o < c->n_options; o++)
		if (c->options[o].value && strcmp(c->options[o].value, value) == 0) {
			buf_putf(out, "%s%s", before, c->options[o].word);
			before = "|";
		}
	if (before[0] == '|')
		buf_putf(out, ") COMPREPLY=($(compgen -%c -- \"$word\")) ;;\n", how);
}

void cli_completion(const struct cli *c, struct buf *out)
{
	const struct cli_row *r;

	/* zsh has bash's way of it, and arrays that begin at 1 only in its own functions. */
	buf_putf(out,
		 "# completion for %s in bash and zsh; printed by %s --completion\n"
		 "[ -z \"$ZSH_VERSION\" ] || { autoload -Uz compinit bashcompinit && compinit -u && bashcompinit; }\n"
		 "_%s() {\n\tlocal words word=${COMP_WORDS[COMP_CWORD]}\n\tcase ${COMP_WORDS[1]} in\n",
		 c->program, c->program, c->program);
	for (size_t i = 0; (r = c->row(i)) != NULL; i++)
		if (is_first(c, i))
			complete_word(c, cli_first_word(r), out);
	buf_puts(out, "\tesac\n\t[ \"$COMP_CWORD\" -gt 1 ] || words=\"help");
	for (size_t i = 0; (r = c->row(i)) != NULL; i++)
		if (is_first(c, i))
			buf_putf(out, " %.*s", VIEW_ARG(cli_first_word(r)));
	buf_puts(out, "\"\n\tcase ${COMP_WORDS[COMP_CWORD - 1]} in\n");
	complete_value(c, "FILE", 'f', out);
	complete_value(c, "DIR", 'd', out);
	buf_putf(out,
		 "\t*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n\tesac\n}\n"
		 "complete -F _%s %s\n",
		 c->program, c->program);
}
