/* line.c - from the command line to a row of the table. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 2 };

static void cli_say(const struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void cli_say(const struct cli *c, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", c->program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int cli_print(struct buf *text)
{
	bool good = buf_status(text) == ST_OK && fwrite(text->p, 1, text->n, stdout) == text->n;

	buf_free(text);
	return fflush(stdout) == 0 && good ? DONE : FAILED;
}

/* ---- options ---- */

/* "--word" or "--word=VALUE"; ret_value: the latter's.  NULL: there is none. */
static const struct option_row *option_of(const struct cli *c, const char *arg, const char **ret_value)
{
	size_t n = strcspn(arg, "=");

	for (size_t o = 0; o < c->n_options; o++) {
		if (!view_eq(view_cstr(c->options[o].word), view_make(arg, n)))
			continue;
		*ret_value = arg[n] ? arg + n + 1 : NULL;
		return &c->options[o];
	}
	return NULL;
}

static int unknown_option(const struct cli *c, const char *arg)
{
	size_t least = SIZE_MAX, best = 0;

	for (size_t o = 0; o < c->n_options; o++) {
		size_t d = view_distance(view_head(view_cstr(arg), 40), view_cstr(c->options[o].word));

		if (d < least) {
			least = d;
			best = o;
		}
	}
	cli_say(c, "unknown option %.40s; did you mean %s?", arg, c->options[best].word);
	return WRONG_USE;
}

/* Takes argv[*at]; its value may be the next one. */
static int take_option(const struct cli *c, int argc, char **argv, int *at, struct cli_line *l)
{
	const char *value = NULL;
	const struct option_row *o = option_of(c, argv[*at], &value);

	if (o == NULL)
		return unknown_option(c, argv[*at]);
	if (o->value == NULL && value) {
		cli_say(c, "%s takes no value", o->word);
		return WRONG_USE;
	}
	if (o->value && value == NULL) {
		if (*at + 1 == argc) {
			cli_say(c, "%s wants a value: %s %s", o->word, o->word, o->value);
			return WRONG_USE;
		}
		value = argv[++*at];
	}
	l->given[l->n_given++] = (struct cli_given){ (size_t)(o - c->options), value ? value : "" };
	return DONE;
}

/* A "-" alone is a file's name. */
static bool is_option(const struct cli *c, const char *arg)
{
	return arg[0] == '-' && (arg[1] == '-' || (c->dash && arg[1]));
}

int cli_take(const struct cli *c, int argc, char **argv, struct cli_line *ret)
{
	bool options = true;

	*ret = (struct cli_line){ .args = calloc((size_t)argc + 1, sizeof *ret->args),
				  .given = calloc((size_t)argc + 1, sizeof *ret->given) };
	if (ret->args == NULL || ret->given == NULL) {
		cli_say(c, "%s", status_name(ST_NOMEM));
		return FAILED;
	}
	for (int i = 1; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (!options || !is_option(c, argv[i]))
			ret->args[ret->n++] = argv[i];
		else if (take_option(c, argc, argv, &i, ret) != DONE)
			return WRONG_USE;
	}
	return DONE;
}

void cli_free(struct cli_line *l)
{
	free(l->args);
	free(l->given);
	*l = (struct cli_line){ 0 };
}

/* ---- rows ---- */

static bool words_match(const struct cli_row *r, char **args, int n, int *ret_n)
{
	struct view left = view_cstr(r->words);
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

const struct cli_row *cli_find(const struct cli *c, char **args, int n, int *ret_words)
{
	const struct cli_row *r;

	for (size_t i = 0; (r = c->row(i)) != NULL; i++)
		if (words_match(r, args, n, ret_words))
			return r;
	return NULL;
}

static const struct cli_row *nearest(const struct cli *c, struct view words)
{
	const struct cli_row *r, *best = c->row(0);
	size_t least = SIZE_MAX;

	for (size_t i = 0; (r = c->row(i)) != NULL; i++) {
		size_t d = view_distance(words, view_cstr(r->words));
		size_t first = view_distance(words, cli_first_word(r));

		d = first < d ? first : d;
		if (d < least) {
			least = d;
			best = r;
		}
	}
	return best;
}

/* The first word of several rows, and nothing behind it. */
static bool is_first_word(const struct cli *c, const char *word)
{
	const struct cli_row *r;

	for (size_t i = 0; (r = c->row(i)) != NULL; i++)
		if (view_eq(cli_first_word(r), view_cstr(word)))
			return true;
	return false;
}

int cli_unknown(const struct cli *c, char **args, int n)
{
	struct buf words = BUF(256);

	if (n == 1 && is_first_word(c, args[0])) {
		cli_say(c, "%s what?  `%s help %s` lists it", args[0], c->program, args[0]);
		return WRONG_USE;
	}
	for (int i = 0; i < n && i < WORDS; i++)
		buf_putf(&words, "%s%.80s", i ? " " : "", args[i]);
	cli_say(c, "no %s `%.*s`; did you mean `%s`?  `%s help` lists all", c->kind, VIEW_ARG(buf_view(&words)),
		nearest(c, buf_view(&words))->words, c->program);
	buf_free(&words);
	return WRONG_USE;
}

static int wrong_count(const struct cli *c, const struct cli_row *r, int n)
{
	struct buf line = BUF(4096);

	cli_usage(c, r, &line);
	cli_say(c, "%s; usage: %.*s", n < r->least ? "something is missing" : "too many arguments",
		VIEW_ARG(buf_view(&line)));
	buf_free(&line);
	return WRONG_USE;
}

int cli_check(const struct cli *c, const struct cli_row *r, const struct cli_line *l, int n)
{
	for (size_t i = 0; i < l->n_given; i++) {
		if ((r->options | c->always) >> l->given[i].option & 1)
			continue;
		cli_say(c, "`%s %s` has no option %s", c->program, r->words, c->options[l->given[i].option].word);
		return WRONG_USE;
	}
	return n < r->least || n > r->most ? wrong_count(c, r, n) : DONE;
}
