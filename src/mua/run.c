/* run.c - from the command line to the row of the table. */
#include "mua/say.h"
#include "mua/verb.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 1024 * 1024, WORDS = 2 };

static int print(struct buf *text)
{
	bool good = buf_status(text) == ST_OK && fwrite(text->p, 1, text->n, stdout) == text->n;

	buf_free(text);
	return fflush(stdout) == 0 && good ? DONE : FAILED;
}

const char *option(const struct invocation *in, enum option_id id)
{
	const char *value = NULL;

	for (size_t i = 0; i < in->n_given; i++)
		if (in->given[i].id == id)
			value = in->given[i].value;
	return value;
}

const char *option_next(const struct invocation *in, enum option_id id, size_t *at)
{
	while (*at < in->n_given) {
		const struct given *g = &in->given[(*at)++];

		if (g->id == id)
			return g->value;
	}
	return NULL;
}

/* ---- the command line ---- */

/* "--word" or "--word=VALUE"; ret_value: the latter's. */
static int option_of(const char *arg, const char **ret_value)
{
	size_t n = strcspn(arg, "=");

	for (int o = 0; o < OPTION_COUNT; o++) {
		if (!view_eq(view_cstr(verb_options[o].word), view_make(arg, n)))
			continue;
		*ret_value = arg[n] ? arg + n + 1 : NULL;
		return o;
	}
	return -1;
}

static int unknown_option(const char *arg)
{
	size_t least = SIZE_MAX, best = 0;

	for (size_t o = 0; o < OPTION_COUNT; o++) {
		size_t d = view_distance(view_head(view_cstr(arg), 40), view_cstr(verb_options[o].word));

		if (d < least) {
			least = d;
			best = o;
		}
	}
	say("unknown option %.40s; did you mean %s?", arg, verb_options[best].word);
	return WRONG_USE;
}

/* Takes argv[*at]; its value may be the next one. */
static int take_option(struct invocation *in, int argc, char **argv, int *at)
{
	const char *value = NULL;
	int o = option_of(argv[*at], &value);

	if (o < 0)
		return unknown_option(argv[*at]);
	if (verb_options[o].value == NULL && value) {
		say("%s takes no value", verb_options[o].word);
		return WRONG_USE;
	}
	if (verb_options[o].value && value == NULL) {
		if (*at + 1 == argc) {
			say("%s wants a value: %s %s", verb_options[o].word, verb_options[o].word,
			    verb_options[o].value);
			return WRONG_USE;
		}
		value = argv[++*at];
	}
	in->given[in->n_given++] = (struct given){ (enum option_id)o, value ? value : "" };
	return DONE;
}

/* "-subject:x" is a search's own; an option has two hyphens. */
static int take_command_line(struct invocation *in, int argc, char **argv)
{
	bool options = true;

	for (int i = 1; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (!options || strncmp(argv[i], "--", 2) != 0)
			in->args[in->n++] = argv[i];
		else if (take_option(in, argc, argv, &i) != DONE)
			return WRONG_USE;
	}
	return DONE;
}

static bool words_match(const struct verb *v, char **args, int n, int *ret_n)
{
	struct view left = view_cstr(v->words);
	int at = 0;

	while (left.n) {
		struct view word = view_head(left, view_find(left, ' '));

		if (at == n || !view_eq(word, view_cstr(args[at])))
			return false;
		left = view_skip(left, word.n + 1);
		at++;
	}
	*ret_n = at;
	return true;
}

static const struct verb *find_verb(const struct invocation *in, int *ret_words)
{
	const struct verb *v;

	for (size_t i = 0; (v = verb_row(i)) != NULL; i++)
		if (words_match(v, in->args, in->n, ret_words))
			return v;
	return NULL;
}

static int unknown_verb(const struct invocation *in)
{
	struct buf words = BUF(256);

	for (int i = 0; i < in->n && i < WORDS; i++)
		buf_putf(&words, "%s%.80s", i ? " " : "", in->args[i]);
	say("no verb `%.*s`; did you mean `%s`?  `waxmail help` lists all", VIEW_ARG(buf_view(&words)),
	    verb_nearest(buf_view(&words))->words);
	buf_free(&words);
	return WRONG_USE;
}

static int check(const struct invocation *in)
{
	struct buf usage = BUF(4096);

	for (size_t i = 0; i < in->n_given; i++) {
		if ((in->verb->options | OPTIONS_ALWAYS) >> in->given[i].id & 1)
			continue;
		say("`%s` has no option %s", in->verb->words, verb_options[in->given[i].id].word);
		return WRONG_USE;
	}
	if (in->n >= in->verb->least && in->n <= in->verb->most)
		return DONE;
	verb_usage(in->verb, &usage);
	fprintf(stderr, "usage: %.*s", VIEW_ARG(buf_view(&usage)));
	buf_free(&usage);
	return WRONG_USE;
}

/* ---- running ---- */

static int help(const struct invocation *in, int word)
{
	struct buf out = BUF(TEXT_MAX);

	if (in->n <= word)
		verb_help_all(&out);
	else if (!verb_help(view_cstr(in->args[word]), &out))
		return unknown_verb(in);
	return print(&out);
}

static bool hidden(int argc, char **argv, int *ret_status)
{
	struct buf out = BUF(TEXT_MAX);

	if (argc != 2)
		return false;
	if (strcmp(argv[1], "--manual") == 0)
		verb_manual(&out);
	else if (strcmp(argv[1], "--completion") == 0)
		verb_completion(&out);
	else if (strcmp(argv[1], "--version") == 0)
		buf_puts(&out, "waxmail " WAXWING_VERSION "\n");
	else
		return false;
	*ret_status = print(&out);
	return true;
}

static int run(struct invocation *in)
{
	int words = 0;

	if (in->n && strcmp(in->args[0], "help") == 0)
		return help(in, 1);
	if (GIVEN(in, help))
		return help(in, 0);
	if (in->n == 0)
		return verb_screen(in);
	in->verb = find_verb(in, &words);
	if (in->verb == NULL)
		return unknown_verb(in);
	in->args += words;
	in->n -= words;
	return check(in) == DONE ? in->verb->run(in) : WRONG_USE;
}

int verb_run(int argc, char **argv)
{
	struct invocation in = { 0 };
	char **args;
	int status;

	/* A reader that ends early (head) is an error of writing, not a death. */
	signal(SIGPIPE, SIG_IGN);
	setlocale(LC_CTYPE, "");
	if (hidden(argc, argv, &status))
		return status;
	args = calloc((size_t)argc + 1, sizeof *args);
	in.args = args;
	in.given = calloc((size_t)argc + 1, sizeof *in.given);
	status = FAILED;
	if (args && in.given)
		status = take_command_line(&in, argc, argv) == DONE ? run(&in) : WRONG_USE;
	free(args);
	free(in.given);
	return status;
}
