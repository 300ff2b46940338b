/* tail.c - the logs of all hosts of the lab, as they grow. */
#include "admin/lab/dialog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOSTS_MAX = 8, LINES_MOST = 100000 };

struct tail {
	const struct lab_place *place;
	FILE *f;		/* NULL until the log is there */
	char path[LAB_PATH];
};

struct kept {
	const struct lab_place *place;
	char *text;
	size_t order;
};

struct lab_tails {
	struct tail tails[HOSTS_MAX];
	size_t n;
	struct kept *lines;
	size_t n_lines, cap;
};

struct lab_tails *lab_tails_open(const struct lab *l)
{
	struct lab_tails *t = calloc(1, sizeof *t);
	const struct lab_place *p;

	for (size_t i = 0; t && i < HOSTS_MAX && (p = lab_place(i)) != NULL; i++) {
		struct tail *one = &t->tails[t->n++];

		one->place = p;
		lab_path(l, one->path, "%s/log/waxwing.log", p->domain);
		one->f = fopen(one->path, "re");
		if (one->f)
			fseek(one->f, 0, SEEK_END);
	}
	return t;
}

void lab_tails_close(struct lab_tails *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		if (t->tails[i].f)
			fclose(t->tails[i].f);
	free(t->lines);
	free(t);
}

static bool keep(struct lab_tails *t, const struct lab_place *p, char *text)
{
	if (t->n_lines == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		struct kept *lines = cap <= LINES_MOST ? realloc(t->lines, cap * sizeof *lines) : NULL;

		if (lines == NULL)
			return false;
		t->lines = lines;
		t->cap = cap;
	}
	t->lines[t->n_lines] = (struct kept){ p, text, t->n_lines };
	t->n_lines++;
	return true;
}

/* Whole lines only: what is half written is read the next time. */
static void read_new(struct lab_tails *t, struct tail *one)
{
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;
	long at;

	if (one->f == NULL)
		one->f = fopen(one->path, "re");
	if (one->f == NULL)
		return;
	clearerr(one->f);
	while ((at = ftell(one->f)) >= 0 && (n = getline(&text, &cap, one->f)) > 0) {
		if (text[n - 1] != '\n') {
			fseek(one->f, at, SEEK_SET);
			break;
		}
		text[n - 1] = '\0';
		if (!keep(t, one->place, text))
			break;
		text = NULL;
		cap = 0;
	}
	free(text);
}

/* Lines begin with the time, in a form that sorts. */
static int by_time(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;
	int c = strncmp(x->text, y->text, 24);

	return c ? c : x->order < y->order ? -1 : 1;
}

size_t lab_tails_poll(struct lab_tails *t,
		      void (*line)(void *arg, const struct lab_place *at, const struct log_line *l), void *arg)
{
	size_t n;

	t->n_lines = 0;
	for (size_t i = 0; i < t->n; i++)
		read_new(t, &t->tails[i]);
	n = t->n_lines;
	if (n)
		qsort(t->lines, n, sizeof *t->lines, by_time);
	for (size_t i = 0; i < n; i++) {
		struct log_line l;

		if (log_line_split(view_cstr(t->lines[i].text), &l))
			line(arg, t->lines[i].place, &l);
		free(t->lines[i].text);
	}
	t->n_lines = 0;
	return n;
}
