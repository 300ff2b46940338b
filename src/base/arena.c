#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { FIRST_BLOCK = 4096, LAST_BLOCK = 256 * 1024 };

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
	alignas(max_align_t) char bytes[];
};

#ifdef __SANITIZE_ADDRESS__
#define ONE_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_EACH 1
#endif
#endif

static size_t aligned(size_t n)
{
	return (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

static struct arena_block *add_block(struct arena *a, size_t need)
{
	size_t cap = need;
	struct arena_block *b;

#ifndef ONE_EACH
	size_t usual = a->blocks ? a->blocks->cap * 2 : FIRST_BLOCK;

	if (usual > LAST_BLOCK)
		usual = LAST_BLOCK;
	if (cap < usual)
		cap = usual;
#endif
	b = malloc(sizeof *b + cap);
	if (b == NULL) {
		a->st = ST_NOMEM;
		return NULL;
	}
	*b = (struct arena_block){ .next = a->blocks, .cap = cap };
	a->blocks = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->blocks;
	size_t need = aligned(n ? n : 1);
	void *p;

	if (a->st != ST_OK)
		return NULL;
	if (need < n || need > a->max - a->used) {
		a->st = ST_LIMIT;
		return NULL;
	}
	if (b == NULL || b->cap - b->used < need)
		b = add_block(a, need);
	if (b == NULL)
		return NULL;
	p = b->bytes + b->used;
	b->used += need;
	a->used += need;
	return memset(p, 0, need);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n)) {
		a->st = ST_LIMIT;
		return NULL;
	}
	return arena_alloc(a, n);
}

struct view arena_copy(struct arena *a, struct view v)
{
	char *p = arena_alloc(a, v.n);

	if (p == NULL)
		return VIEW_NONE;
	if (v.n)
		memcpy(p, v.p, v.n);
	return view_make(p, v.n);
}

char *arena_cstr(struct arena *a, struct view v)
{
	char *p = v.n == SIZE_MAX ? NULL : arena_alloc(a, v.n + 1);

	if (p && v.n)
		memcpy(p, v.p, v.n);
	return p;
}

void arena_free(struct arena *a)
{
	struct arena_block *b = a->blocks, *next;

	for (; b; b = next) {
		next = b->next;
		free(b);
	}
	*a = ARENA(a->max);
}
