/* box.c - the mailboxes in memory: found by name and number, grown, let go. */
#include "ms/internal.h"

#include <stdlib.h>

/* ---- boxes ---- */

enum status view_own(struct view v, struct view *ret)
{
	char *p = malloc(v.n + 1);

	if (p == NULL)
		return ST_NOMEM;
	if (v.n)
		memcpy(p, v.p, v.n);
	p[v.n] = '\0';
	*ret = view_make(p, v.n);
	return ST_OK;
}

/* Where the name stands, or would. */
static uint32_t name_place(const struct store *s, struct view name)
{
	uint32_t lo = 0, hi = s->n_boxes;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (view_order(s->boxes[mid]->m.name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct box *box_by_name(struct store *s, struct view name)
{
	uint32_t i = name_place(s, name);

	return i < s->n_boxes && view_eq(s->boxes[i]->m.name, name) ? s->boxes[i] : NULL;
}

struct box *box_by_id(struct store *s, uint64_t id)
{
	for (uint32_t i = 0; i < s->n_boxes; i++)
		if (s->boxes[i]->m.id == id)
			return s->boxes[i];
	return NULL;
}

void box_forget(struct box *b)
{
	free(b->m.messages);
	free(b->gone);
	free(b->dirty);
	for (uint32_t k = 0; k < b->m.n_keywords; k++)
		free((void *)b->m.keywords[k].p);
	*b = (struct box){
		.m = { .store = b->m.store, .id = b->m.id, .name = b->m.name, .users = b->m.users,
		       .expunges = b->m.expunges + 1 },
	};
}

void box_free(struct box *b)
{
	if (b == NULL)
		return;
	box_forget(b);
	free((void *)b->m.name.p);
	free(b);
}

enum status box_reserve(struct box *b, uint32_t more)
{
	uint64_t want = (uint64_t)b->m.n + more, cap = b->cap ? b->cap : 16;
	struct message *grown;
	size_t pages = (size_t)(((uint64_t)b->m.uidnext + more) / PAGE_UIDS / 8 + 2);

	if (pages > b->dirty_n) {
		uint8_t *bits = realloc(b->dirty, pages * 2);

		if (bits == NULL)
			return ST_NOMEM;
		memset(bits + b->dirty_n, 0, pages * 2 - b->dirty_n);
		b->dirty = bits;
		b->dirty_n = pages * 2;
	}
	if (want <= b->cap)
		return ST_OK;
	while (cap < want)
		cap *= 2;
	grown = realloc(b->m.messages, (size_t)cap * sizeof *grown);
	if (grown == NULL || cap > UINT32_MAX)
		return ST_NOMEM;
	b->m.messages = grown;
	b->cap = (uint32_t)cap;
	return ST_OK;
}

void box_mark(struct box *b, uint32_t uid)
{
	size_t page = uid / PAGE_UIDS;

	b->changed = b->row_dirty = true;
	if (page / 8 < b->dirty_n)
		b->dirty[page / 8] |= (uint8_t)(1u << (page % 8));
}

static enum status insert_box(struct store *s, struct box *b)
{
	uint32_t at = name_place(s, b->m.name);

	if (s->n_boxes == s->cap_boxes) {
		uint32_t cap = s->cap_boxes ? s->cap_boxes * 2 : 16;
		struct box **more = realloc(s->boxes, cap * sizeof *more);

		if (more == NULL)
			return ST_NOMEM;
		s->boxes = more;
		s->cap_boxes = cap;
	}
	memmove(s->boxes + at + 1, s->boxes + at, (s->n_boxes - at) * sizeof *s->boxes);
	s->boxes[at] = b;
	s->n_boxes++;
	return ST_OK;
}

void box_take_out(struct store *s, struct box *b)
{
	uint32_t i = 0;

	while (s->boxes[i] != b)
		i++;
	s->n_boxes--;
	memmove(s->boxes + i, s->boxes + i + 1, (s->n_boxes - i) * sizeof *s->boxes);
}

/* While the store is rebuilt: the box that sessions already hold. */
static struct box *take_old(struct store *s, uint64_t id)
{
	for (uint32_t i = 0; i < s->n_old; i++) {
		struct box *b = s->old[i];

		if (b && b->m.id == id) {
			s->old[i] = NULL;
			return b;
		}
	}
	return NULL;
}

enum status box_new(struct store *s, uint64_t id, struct view name, struct box **ret)
{
	struct box *b = take_old(s, id);
	enum status st;

	if (b == NULL)
		b = calloc(1, sizeof *b);
	st = b ? view_own(name, &b->m.name) : ST_NOMEM;
	if (st == ST_OK) {
		b->m.store = s;
		b->m.id = id;
		st = insert_box(s, b);
	}
	if (st != ST_OK) {
		box_free(b);
		return st;
	}
	*ret = b;
	return ST_OK;
}

/* ---- deliveries that may come again ---- */

static int delivered_order(const struct delivered *a, uint64_t queue_id, uint32_t recipient)
{
	if (a->queue_id != queue_id)
		return a->queue_id < queue_id ? -1 : 1;
	return a->recipient < recipient ? -1 : a->recipient > recipient;
}

uint32_t delivered_place(const struct store *s, uint64_t queue_id, uint32_t recipient)
{
	uint32_t lo = 0, hi = s->n_delivered;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (delivered_order(&s->delivered[mid], queue_id, recipient) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct delivered *delivered_find(struct store *s, uint64_t queue_id, uint32_t recipient)
{
	uint32_t i = delivered_place(s, queue_id, recipient);

	if (i < s->n_delivered && delivered_order(&s->delivered[i], queue_id, recipient) == 0)
		return &s->delivered[i];
	return NULL;
}
