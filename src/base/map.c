#include "base/map.h"

#include <stdlib.h>

static size_t place(const struct map *m, uint64_t key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdULL;
	key ^= key >> 33;
	return (size_t)key & (m->cap - 1);
}

static struct map_slot *find(const struct map *m, uint64_t key)
{
	size_t i = place(m, key);

	while (m->slots[i].value && m->slots[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

void *map_get(const struct map *m, uint64_t key)
{
	return m->cap ? find(m, key)->value : NULL;
}

static enum status grow(struct map *m)
{
	struct map bigger = { .cap = m->cap ? m->cap * 2 : 16, .used = m->used };

	bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
	if (bigger.slots == NULL)
		return ST_NOMEM;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].value)
			*find(&bigger, m->slots[i].key) = m->slots[i];
	free(m->slots);
	*m = bigger;
	return ST_OK;
}

enum status map_reserve(struct map *m, size_t n)
{
	while ((m->used + n) * 4 > m->cap * 3)
		if (grow(m) != ST_OK)
			return ST_NOMEM;
	return ST_OK;
}

enum status map_set(struct map *m, uint64_t key, void *value)
{
	struct map_slot *s;

	if ((m->used + 1) * 4 > m->cap * 3 && grow(m) != ST_OK)
		return ST_NOMEM;
	s = find(m, key);
	if (s->value == NULL)
		m->used++;
	*s = (struct map_slot){ key, value };
	return ST_OK;
}

void *map_remove(struct map *m, uint64_t key)
{
	struct map_slot *s = m->cap ? find(m, key) : NULL;
	void *value = s ? s->value : NULL;
	size_t hole, i;

	if (value == NULL)
		return NULL;
	m->used--;
	/* Close the hole: move back each later entry of the run that may. */
	hole = i = (size_t)(s - m->slots);
	m->slots[hole].value = NULL;
	for (;;) {
		size_t home;

		i = (i + 1) & (m->cap - 1);
		if (m->slots[i].value == NULL)
			return value;
		home = place(m, m->slots[i].key);
		if (((i - home) & (m->cap - 1)) < ((i - hole) & (m->cap - 1)))
			continue;
		m->slots[hole] = m->slots[i];
		m->slots[i].value = NULL;
		hole = i;
	}
}

void *map_next(const struct map *m, size_t *at)
{
	while (*at < m->cap) {
		void *v = m->slots[(*at)++].value;

		if (v)
			return v;
	}
	return NULL;
}

void map_free(struct map *m)
{
	if (m == NULL)
		return;
	free(m->slots);
	*m = (struct map){ 0 };
}
