#include "smime/lines.h"

void lines_begin(struct lines *l, cms_content *take, void *arg)
{
	l->take = take;
	l->arg = arg;
	l->cr = false;
	l->n = 0;
	l->st = ST_OK;
}

static void flush(struct lines *l)
{
	if (l->n && l->st == ST_OK)
		l->st = l->take(l->arg, view_make(l->stage, l->n));
	l->n = 0;
}

static void stage(struct lines *l, struct view v)
{
	while (v.n && l->st == ST_OK) {
		size_t n = v.n < LINES_STAGE - l->n ? v.n : LINES_STAGE - l->n;

		memcpy(l->stage + l->n, v.p, n);
		l->n += n;
		v = view_skip(v, n);
		if (l->n == LINES_STAGE)
			flush(l);
	}
}

void lines_put(struct lines *l, struct view text)
{
	while (text.n && l->st == ST_OK) {
		size_t n = view_find(text, '\n');

		if (n)
			l->cr = text.p[n - 1] == '\r';
		stage(l, view_head(text, n));
		if (n < text.n) {
			stage(l, l->cr ? VIEW("\n") : VIEW("\r\n"));
			l->cr = false;
			n++;
		}
		text = view_skip(text, n);
	}
}

enum status lines_end(struct lines *l)
{
	flush(l);
	return l->st;
}

bool lines_need(struct view text)
{
	for (size_t n; (n = view_find(text, '\n')) < text.n; text = view_skip(text, n + 1))
		if (n == 0 || text.p[n - 1] != '\r')
			return true;
	return false;
}
