#include "msg/grams.h"

#include "base/cursor.h"

#include <xxhash.h>

/* SEED differs where filters are made in another way: then old ones prove
 * nothing. */
enum { SUM = 8, LEAST_BITS = 64, SEED = 2 };

static uint32_t hash_of(uint32_t run)
{
	return run * 0x9e3779b1u >> (32 - 18);
}

void grams_clear(struct grams *g)
{
	memset(g, 0, sizeof *g);
}

void grams_put(struct grams *g, struct view text)
{
	uint32_t last = g->last, run = g->run;

	for (size_t i = 0; i < text.n; i++) {
		uint32_t hash;

		last = (last << 8 | (uint8_t)ascii_lower(text.p[i])) & 0xffffff;
		if (run < GRAM_LEAST - 1) {
			run++;
			continue;
		}
		hash = hash_of(last);
		g->seen[hash / 64] |= (uint64_t)1 << hash % 64;
	}
	g->last = last;
	g->run = run;
}

void grams_break(struct grams *g)
{
	g->last = g->run = 0;
}

/* Where that hash stands in a filter of so many bits. */
static size_t place(uint32_t hash, size_t bits)
{
	return (size_t)((uint64_t)hash * bits / GRAM_HASH);
}

/* And where else: no two hashes have the same other one. */
static size_t other_place(uint32_t hash, size_t bits)
{
	return place((hash * 0x2f0b5u + 0x9e37u) % GRAM_HASH, bits);
}

static void set_bit(char *p, size_t at)
{
	p[at / 8] = (char)((uint8_t)p[at / 8] | 1u << at % 8);
}

static bool has_bit(const char *p, size_t at)
{
	return (uint8_t)p[at / 8] >> at % 8 & 1;
}

void grams_filter(const struct grams *g, struct buf *out)
{
	size_t n = 0, bits, start = out->n;
	char *p;

	for (size_t i = 0; i < GRAM_HASH / 64; i++)
		n += (size_t)__builtin_popcountll(g->seen[i]);
	bits = n * GRAM_BITS < LEAST_BITS ? LEAST_BITS : n * GRAM_BITS > GRAM_HASH ? GRAM_HASH : n * GRAM_BITS;
	bits = (bits + 63) / 64 * 64;
	if (buf_reserve(out, bits / 8, &p) != ST_OK)
		return;
	memset(p, 0, bits / 8);
	out->n += bits / 8;
	for (uint32_t i = 0; i < GRAM_HASH / 64; i++)
		for (uint64_t word = g->seen[i]; word; word &= word - 1) {
			uint32_t hash = i * 64 + (uint32_t)__builtin_ctzll(word);

			set_bit(p, place(hash, bits));
			set_bit(p, other_place(hash, bits));
		}
	put_u64(out, XXH3_64bits_withSeed(out->p + start, bits / 8, SEED));
}

void gram_keys_of(struct view folded, struct gram_keys *ret)
{
	ret->n = 0;
	for (size_t i = 0; i + GRAM_LEAST <= folded.n && ret->n < GRAM_KEYS; i++)
		ret->keys[ret->n++] = hash_of((uint32_t)(uint8_t)folded.p[i] << 16 |
					      (uint32_t)(uint8_t)folded.p[i + 1] << 8 | (uint8_t)folded.p[i + 2]);
}

bool grams_may_hold(struct view filter, const struct gram_keys *k)
{
	size_t bytes = filter.n > SUM ? filter.n - SUM : 0;
	struct cursor sum = cursor_over(view_skip(filter, bytes));

	for (uint32_t i = 0; i < k->n && bytes; i++) {
		/* Only what proves something needs to be proved itself. */
		if (!has_bit(filter.p, place(k->keys[i], bytes * 8)) ||
		    !has_bit(filter.p, other_place(k->keys[i], bytes * 8)))
			return take_u64(&sum) != XXH3_64bits_withSeed(filter.p, bytes, SEED);
	}
	return true;
}
