/* table.c - the verbs, and what can be said about them. */
#include "mua/verb.h"

#include <stdio.h>

#define O(id, word, value, help) { word, value, help },
const struct option_row verb_options[OPTION_COUNT] = {
#include "mua/options.def"
};
#undef O

#define V(handler, words, arguments, least, most, options, help, more, examples) \
	{ words, arguments, least, most, options, verb_##handler, help, more, examples },
static const struct verb verbs[] = {
#include "mua/verbs.def"
};
#undef V

enum { VERBS = sizeof verbs / sizeof *verbs, HELP_COLUMN = 28, WIDE = 80 };

const struct verb *verb_row(size_t i)
{
	return i < VERBS ? &verbs[i] : NULL;
}

static struct view first_word(const struct verb *v)
{
	return view_head(view_cstr(v->words), strcspn(v->words, " "));
}

const struct verb *verb_nearest(struct view words)
{
	size_t least = SIZE_MAX;
	const struct verb *best = &verbs[0];

	for (size_t i = 0; i < VERBS; i++) {
		size_t d = view_distance(words, view_cstr(verbs[i].words));

		if (d < least) {
			least = d;
			best = &verbs[i];
		}
	}
	return best;
}

void verb_usage(const struct verb *v, struct buf *out)
{
	buf_putf(out, "waxmail %s%s%s", v->words, v->arguments[0] ? " " : "", v->arguments);
	for (size_t o = 0; o < OPTION_COUNT; o++)
		if (v->options >> o & 1)
			buf_putf(out, " [%s%s%s]", verb_options[o].word, verb_options[o].value ? " " : "",
				 verb_options[o].value ? verb_options[o].value : "");
	buf_putc(out, '\n');
}

static void put_two_columns(const char *left, const char *right, struct buf *out)
{
	struct view text = view_cstr(right);
	size_t n = strlen(left);

	buf_putf(out, "  %s", left);
	if (n + 3 > HELP_COLUMN) {
		buf_putc(out, '\n');
		n = 0;
	} else {
		n += 2;
	}
	while (text.n) {
		size_t take = text.n, room = WIDE - HELP_COLUMN;

		if (take > room)
			for (take = room; take && text.p[take] != ' '; take--)
				;
		if (take == 0)
			take = view_find(text, ' ');
		buf_putf(out, "%*s%.*s\n", (int)(HELP_COLUMN - n), "", (int)take, text.p);
		text = view_skip(text, take + 1);
		n = 0;
	}
}

void verb_help_all(struct buf *out)
{
	char left[128];

	buf_puts(out, "waxmail - read and write mail in the terminal\n\nusage: waxmail\n"
		      "       waxmail VERB [ARGUMENT ...] [OPTION ...]\n\nWithout a verb it is a full-screen reader.\n\n");
	for (size_t i = 0; i < VERBS; i++) {
		snprintf(left, sizeof left, "%s%s%s", verbs[i].words, verbs[i].arguments[0] ? " " : "",
			 verbs[i].arguments);
		put_two_columns(left, verbs[i].help, out);
	}
	buf_puts(out, "\nWhere letters are named by [ID ...] and none is, they are read from standard input:\n"
		      "what list and search print, also with --json.  `waxmail help VERB` says more, and so\n"
		      "does man waxmail.\n");
}

bool verb_help(struct view word, struct buf *out)
{
	option_set set = 0;
	char left[64];

	for (size_t i = 0; i < VERBS; i++) {
		if (!view_eq(first_word(&verbs[i]), word))
			continue;
		verb_usage(&verbs[i], out);
		buf_putf(out, "    %s\n", verbs[i].help);
		set |= verbs[i].options | OPTIONS_ALWAYS;
	}
	if (set)
		buf_puts(out, "\noptions:\n");
	for (size_t o = 0; o < OPTION_COUNT; o++) {
		if (!(set >> o & 1))
			continue;
		snprintf(left, sizeof left, "%s%s%s", verb_options[o].word, verb_options[o].value ? " " : "",
			 verb_options[o].value ? verb_options[o].value : "");
		put_two_columns(left, verb_options[o].help, out);
	}
	return set != 0;
}

/* ---- completion for bash ---- */

static void complete_verb(size_t first, struct buf *out)
{
	struct view word = first_word(&verbs[first]);
	option_set set = OPTIONS_ALWAYS;

	buf_putf(out, "\t%.*s) words=\"", VIEW_ARG(word));
	for (size_t i = first; i < VERBS; i++) {
		if (!view_eq(first_word(&verbs[i]), word))
			continue;
		set |= verbs[i].options;
		if (verbs[i].words[word.n])
			buf_putf(out, "%s ", verbs[i].words + word.n + 1);
	}
	for (size_t o = 0; o < OPTION_COUNT; o++)
		if (set >> o & 1)
			buf_putf(out, "%s ", verb_options[o].word);
	buf_puts(out, "\" ;;\n");
}

static bool is_first(size_t i)
{
	return i == 0 || !view_eq(first_word(&verbs[i]), first_word(&verbs[i - 1]));
}

void verb_completion(struct buf *out)
{
	buf_puts(out, "# bash completion for waxmail; printed by waxmail --completion\n"
		      "_waxmail() {\n\tlocal words word=${COMP_WORDS[COMP_CWORD]}\n\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; i < VERBS; i++)
		if (is_first(i))
			complete_verb(i, out);
	buf_puts(out, "\tesac\n\t[ \"$COMP_CWORD\" -gt 1 ] || words=\"help");
	for (size_t i = 0; i < VERBS; i++)
		if (is_first(i))
			buf_putf(out, " %.*s", VIEW_ARG(first_word(&verbs[i])));
	buf_puts(out, "\"\n\tcase ${COMP_WORDS[COMP_CWORD - 1]} in\n"
		      "\t--attach|--authorities) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
		      "\t--dir) COMPREPLY=($(compgen -d -- \"$word\")) ;;\n"
		      "\t*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n\tesac\n}\n"
		      "complete -F _waxmail waxmail\n");
}
