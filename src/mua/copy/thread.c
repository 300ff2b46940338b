/* thread.c - threads by references and, where they fail, by subject (RFC 5256
 * 3, THREAD=REFERENCES).
 *
 * Message ids are hashes (summary.c), so a letter can be put into a thread
 * that it does not belong to by somebody who works for it, as he could by a
 * References field.
 *
 * One deviation: two letters of one subject of which neither says that it
 * answers or forwards stay apart (RFC 5256 3, REFERENCES 5.C joins them): a
 * daily report is no conversation.
 *
 * Linear but for the sorting: a chain deeper than DEEP is cut there.
 */
#include "mua/copy/internal.h"

#include <stdlib.h>

enum { DEEP = 1000 };
#define NONE UINT32_MAX

struct box {		/* RFC 5256 calls it a node; without a message: a dummy */
	uint32_t message;
	uint32_t parent, child, next;
	uint32_t prev;	/* brother; only while references are followed */
	wall_ms date;	/* of the message, or of the dummy's first child */
	wall_ms newest;	/* of the thread */
};

struct threads {
	const struct copy_list *l;
	struct arena *a;
	struct box *boxes;
	uint32_t n, cap;
	uint64_t *keys;		/* hash table of names: key and box */
	uint32_t *values;
	uint32_t mask;
	uint32_t *scratch;	/* for sorting and walking */
};

/* ---- the table of names ---- */

static uint32_t *slot_of(struct threads *t, uint64_t key)
{
	uint32_t i = (uint32_t)(key ^ key >> 32) & t->mask;

	while (t->values[i] != NONE && t->keys[i] != key)
		i = (i + 1) & t->mask;
	t->keys[i] = key;
	return &t->values[i];
}

static uint32_t new_box(struct threads *t, uint32_t message)
{
	t->boxes[t->n] = (struct box){ message, NONE, NONE, NONE, NONE, 0, 0 };
	return t->n++;
}

static uint32_t box_of(struct threads *t, uint64_t key)
{
	uint32_t *v = slot_of(t, key);

	if (*v == NONE)
		*v = new_box(t, NONE);
	return *v;
}

static void table_clear(struct threads *t)
{
	memset(t->values, 0xff, ((size_t)t->mask + 1) * sizeof *t->values);
}

static enum status begin(struct threads *t, const struct copy_list *l, struct arena *a)
{
	size_t cap = 3 * l->n + 2, slots = 16;	/* each with its name, again by its subject, and a dummy */

	*t = (struct threads){ .l = l, .a = a };
	for (size_t i = 0; i < l->n; i++)
		cap += l->all[i].n_refs;
	while (slots < 2 * cap)
		slots *= 2;
	if (slots > (size_t)1 << 31)
		return ST_LIMIT;
	t->cap = (uint32_t)cap;
	t->mask = (uint32_t)(slots - 1);
	t->boxes = arena_array(a, cap, sizeof *t->boxes);
	t->keys = arena_array(a, slots, sizeof *t->keys);
	t->values = arena_array(a, slots, sizeof *t->values);
	t->scratch = arena_array(a, 2 * cap, sizeof *t->scratch);
	if (arena_status(a) == ST_OK)
		table_clear(t);
	return arena_status(a);
}

/* ---- 1: parents and children ---- */

/* Would the child be its own ancestor, or the chain too deep? */
static bool loops(const struct threads *t, uint32_t parent, uint32_t child)
{
	uint32_t steps = 0;

	if (parent == child)
		return true;
	/* Nobody's parent is nobody's ancestor. */
	if (t->boxes[child].child == NONE)
		child = NONE;
	for (uint32_t p = parent; p != NONE; p = t->boxes[p].parent)
		if (p == child || ++steps > DEEP)
			return true;
	return false;
}

static void attach(struct threads *t, uint32_t parent, uint32_t child)
{
	uint32_t first = t->boxes[parent].child;

	t->boxes[child].parent = parent;
	t->boxes[child].next = first;
	t->boxes[child].prev = NONE;
	if (first != NONE)
		t->boxes[first].prev = child;
	t->boxes[parent].child = child;
}

static void detach(struct threads *t, uint32_t child)
{
	struct box *b = &t->boxes[child];

	if (b->parent == NONE)
		return;
	if (b->prev != NONE)
		t->boxes[b->prev].next = b->next;
	else
		t->boxes[b->parent].child = b->next;
	if (b->next != NONE)
		t->boxes[b->next].prev = b->prev;
	b->parent = b->next = b->prev = NONE;
}

static void link_one(struct threads *t, uint32_t i)
{
	const struct copy_message *m = &t->l->all[i];
	uint32_t me = box_of(t, m->name), above = NONE;

	/* Two letters of one id: the second is a letter of its own (1.A). */
	if (t->boxes[me].message != NONE)
		me = new_box(t, i);
	t->boxes[me].message = i;
	t->boxes[me].date = m->date;
	for (uint32_t k = 0; k < m->n_refs; k++) {
		uint32_t ref = box_of(t, copy_ref(m, k));

		if (above != NONE && t->boxes[ref].parent == NONE && !loops(t, above, ref))
			attach(t, above, ref);
		above = ref;
	}
	if (above == NONE || t->boxes[me].parent == above || loops(t, above, me))
		return;
	detach(t, me);
	attach(t, above, me);
}

/* ---- 3: dummies go ---- */

static bool is_dummy(const struct threads *t, uint32_t b)
{
	return t->boxes[b].message == NONE;
}

/* Children of a dummy take its place, but not as roots, unless it has one. */
static void prune_children(struct threads *t, uint32_t b)
{
	uint32_t *at = &t->boxes[b].child;

	while (*at != NONE) {
		uint32_t x = *at, last;

		if (!is_dummy(t, x)) {
			at = &t->boxes[x].next;
			continue;
		}
		if (t->boxes[x].child == NONE) {
			*at = t->boxes[x].next;
			continue;
		}
		for (last = t->boxes[x].child;; last = t->boxes[last].next) {
			t->boxes[last].parent = b;
			if (t->boxes[last].next == NONE)
				break;
		}
		t->boxes[last].next = t->boxes[x].next;
		*at = t->boxes[x].child;
	}
}

/* All boxes of a tree into out, parents before children. */
static uint32_t walk(const struct threads *t, uint32_t root, uint32_t *out)
{
	uint32_t n = 0, x = root;

	for (;;) {
		out[n++] = x;
		if (t->boxes[x].child != NONE) {
			x = t->boxes[x].child;
			continue;
		}
		while (x != root && t->boxes[x].next == NONE)
			x = t->boxes[x].parent;
		if (x == root)
			return n;
		x = t->boxes[x].next;
	}
}

/* Bottom up is not needed: what is moved up is looked at again where it lands. */
static uint32_t prune(struct threads *t, uint32_t root)
{
	for (uint32_t x = root;;) {
		prune_children(t, x);
		if (t->boxes[x].child != NONE) {
			x = t->boxes[x].child;
			continue;
		}
		while (x != root && t->boxes[x].next == NONE)
			x = t->boxes[x].parent;
		if (x == root)
			break;
		x = t->boxes[x].next;
	}
	if (is_dummy(t, root) && t->boxes[root].child == NONE)
		return NONE;
	if (is_dummy(t, root) && t->boxes[t->boxes[root].child].next == NONE) {
		root = t->boxes[root].child;
		t->boxes[root].parent = NONE;
	}
	return root;
}

/* ---- 4, 6: sorting ---- */

static int by_date(const void *x, const void *y, void *arg)
{
	const struct threads *t = arg;
	const struct box *a = &t->boxes[*(const uint32_t *)x], *b = &t->boxes[*(const uint32_t *)y];

	if (a->date != b->date)
		return a->date < b->date ? -1 : 1;
	return *(const uint32_t *)x < *(const uint32_t *)y ? -1 : 1;
}

/* Brothers oldest first; a dummy has the date of its first child, so children
 * are sorted before their parents. */
static void sort_children(struct threads *t, uint32_t b, uint32_t *scratch)
{
	struct box *box = &t->boxes[b];
	uint32_t n = 0;

	for (uint32_t x = box->child; x != NONE; x = t->boxes[x].next)
		scratch[n++] = x;
	if (n > 1)
		qsort_r(scratch, n, sizeof *scratch, by_date, t);
	for (uint32_t i = 0; i < n; i++) {
		t->boxes[scratch[i]].next = i + 1 < n ? scratch[i + 1] : NONE;
		if (t->boxes[scratch[i]].newest > box->newest)
			box->newest = t->boxes[scratch[i]].newest;
	}
	if (n) {
		box->child = scratch[0];
		if (is_dummy(t, b))
			box->date = t->boxes[scratch[0]].date;
	}
}

static void sort_tree(struct threads *t, uint32_t root)
{
	uint32_t n = walk(t, root, t->scratch);

	while (n--) {
		uint32_t b = t->scratch[n];

		t->boxes[b].newest = t->boxes[b].date;
		sort_children(t, b, t->scratch + t->cap);
	}
}

/* ---- 5: by subject ---- */

static uint32_t first_message(const struct threads *t, uint32_t b)
{
	return t->boxes[b].message != NONE ? t->boxes[b].message : t->boxes[t->boxes[b].child].message;
}

static bool is_reply(const struct threads *t, uint32_t b)
{
	return (t->l->all[first_message(t, b)].flags & COPY_REPLY) != 0;
}

static uint64_t subject_of(const struct threads *t, uint32_t b)
{
	return t->l->all[first_message(t, b)].base_subject;
}

/* 5.B: who stands for a subject: rather a dummy, rather one that is no reply. */
static void enter_subject(struct threads *t, uint32_t root)
{
	uint64_t s = subject_of(t, root);
	uint32_t *v;

	if (s == 0)
		return;
	v = slot_of(t, s);
	if (*v == NONE || (is_dummy(t, root) && !is_dummy(t, *v)) ||
	    (!is_dummy(t, *v) && is_reply(t, *v) && !is_reply(t, root)))
		*v = root;
}

static void adopt_all(struct threads *t, uint32_t to, uint32_t from)
{
	while (t->boxes[from].child != NONE) {
		uint32_t x = t->boxes[from].child;

		t->boxes[from].child = t->boxes[x].next;
		attach(t, to, x);
	}
}

/* 5.C: true: the root has gone into another thread. */
static bool join_subject(struct threads *t, uint32_t root)
{
	uint64_t s = subject_of(t, root);
	uint32_t *v = s ? slot_of(t, s) : NULL, other = v ? *v : NONE;

	if (other == NONE || other == root)
		return false;
	if (is_dummy(t, root) && is_dummy(t, other)) {
		adopt_all(t, other, root);
		return true;
	}
	if (is_dummy(t, other) || (is_reply(t, root) && !is_reply(t, other))) {
		attach(t, other, root);
		return true;
	}
	if (!is_reply(t, root) || !is_reply(t, other) || is_dummy(t, root))
		return false;	/* neither answers: they stay apart */
	/* Two answers to something that is not here: brothers below a dummy. */
	*v = new_box(t, NONE);
	attach(t, *v, other);
	attach(t, *v, root);
	return true;
}

/* ---- rows ---- */

struct root {
	uint32_t box;
	wall_ms newest;
};

static int by_newest(const void *x, const void *y)
{
	const struct root *a = x, *b = y;

	if (a->newest != b->newest)
		return a->newest < b->newest ? -1 : 1;
	return a->box < b->box ? -1 : a->box > b->box;
}

/* A dummy has no row: its first child takes its place, the others stand below. */
static uint32_t put_rows(const struct threads *t, uint32_t root, struct copy_row *rows, uint32_t at)
{
	uint32_t from = at, x = root, level = 0, less = is_dummy(t, root);

	for (;;) {
		const struct box *b = &t->boxes[x];

		if (b->message != NONE)
			rows[at++] = (struct copy_row){ b->message, level - less, from, 0, b->next == NONE };
		if (b->child != NONE) {
			level++;
			x = b->child;
			continue;
		}
		for (; x != root && t->boxes[x].next == NONE; level--)
			x = t->boxes[x].parent;
		if (x == root)
			break;
		x = t->boxes[x].next;
		if (t->boxes[x].parent == root)
			less = 0;
	}
	rows[from].size = at - from;
	return at;
}

/* 2, 3: what has no parent begins a thread. */
static uint32_t find_roots(struct threads *t, struct root *roots)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t r = t->boxes[i].parent == NONE ? prune(t, i) : NONE;

		if (r == NONE)
			continue;
		sort_tree(t, r);
		roots[n++].box = r;
	}
	return n;
}

static uint32_t by_subject(struct threads *t, struct root *roots, uint32_t n)
{
	uint32_t first_new, kept = 0;

	table_clear(t);
	for (uint32_t i = 0; i < n; i++)
		enter_subject(t, roots[i].box);
	first_new = t->n;
	for (uint32_t i = 0; i < n; i++)
		if (t->boxes[roots[i].box].parent == NONE)
			(void)join_subject(t, roots[i].box);
	for (uint32_t i = 0; i < n; i++)
		if (t->boxes[roots[i].box].parent == NONE &&
		    (!is_dummy(t, roots[i].box) || t->boxes[roots[i].box].child != NONE))
			roots[kept++] = roots[i];
	for (uint32_t i = first_new; i < t->n; i++)
		if (t->boxes[i].parent == NONE)
			roots[kept++].box = i;
	return kept;
}

enum status copy_threads(const struct copy_list *l, bool newest_first, struct arena *a, struct copy_row **ret)
{
	struct copy_row *rows = arena_array(a, l->n + 1, sizeof *rows);
	struct threads t;
	struct root *roots;
	uint32_t n, at = 0;
	enum status st;

	if (rows == NULL)
		return arena_status(a);
	if (l->n >= NONE / 4)
		return ST_LIMIT;
	st = begin(&t, l, a);
	roots = st == ST_OK ? arena_array(a, t.cap, sizeof *roots) : NULL;
	if (roots == NULL)
		return st == ST_OK ? arena_status(a) : st;
	for (uint32_t i = 0; i < l->n; i++)
		link_one(&t, i);
	n = find_roots(&t, roots);
	n = by_subject(&t, roots, n);
	for (uint32_t i = 0; i < n; i++) {
		sort_tree(&t, roots[i].box);
		roots[i].newest = t.boxes[roots[i].box].newest;
	}
	qsort(roots, n, sizeof *roots, by_newest);
	for (uint32_t i = 0; i < n; i++)
		at = put_rows(&t, roots[newest_first ? n - 1 - i : i].box, rows, at);
	*ret = rows;
	return ST_OK;
}
