#include "trust/pass.h"

#include "msg/header.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { HASHED = 64, FEW = 64 };

void pass_begin(struct pass *p, void (*header_done)(void *arg, struct pass *p), void *arg)
{
	memset(p, 0, offsetof(struct pass, body));
	body_begin(&p->body);
	p->header = BUF(PASS_HEADER_MAX);
	p->room = BUF(2 * PASS_HEADER_MAX);
	p->a = ARENA(PASS_ARENA_MAX);
	p->header_done = header_done;
	p->arg = arg;
}

void pass_free(struct pass *p)
{
	buf_free(&p->header);
	buf_free(&p->room);
	arena_free(&p->a);
	body_free(&p->body);
}

/* ---- the names of the fields ---- */

/* Eight octets with their capital letters made small. */
static uint64_t lower(uint64_t x)
{
	const uint64_t each = 0x0101010101010101;
	uint64_t low = x & 0x7f * each, from_a = low + (0x80 - 'A') * each, past_z = low + (0x7f - 'Z') * each;

	return x | ((~x & 0x80 * each & (from_a ^ past_z)) >> 2);
}

/* All of it: nobody can choose many names that share a bucket. */
static uint64_t hash_of(const struct pass *p, struct view name)
{
	XXH64_hash_t h = (XXH64_hash_t)(uintptr_t)p;

	do {
		struct view part = view_head(name, HASHED);
		uint64_t words[HASHED / 8] = { 0 };

		if (part.n)
			memcpy(words, part.p, part.n);
		for (size_t i = 0; i < HASHED / 8; i++)
			words[i] = lower(words[i]);
		h = XXH3_64bits_withSeed(words, part.n, h);
		name = view_skip(name, part.n);
	} while (name.n);
	return h;
}

static uint32_t bucket_of(const struct pass *p, struct view name)
{
	/* Of few fields nobody can make a long chain. */
	if (p->n_buckets <= FEW && name.n)
		return ((uint32_t)name.n * 7 + ((unsigned char)name.p[0] & 0x1f) * 3 +
			((unsigned char)name.p[name.n - 1] & 0x1f)) % p->n_buckets;
	return (uint32_t)(hash_of(p, name) % p->n_buckets);
}

uint32_t pass_name(const struct pass *p, struct view name)
{
	uint32_t at = p->n_buckets ? p->buckets[bucket_of(p, name)] : PASS_NONE;

	while (at != PASS_NONE && !view_eq_i(p->names[at].name, name))
		at = p->names[at].next;
	return at;
}

static uint32_t name_of_field(struct pass *p, struct view name)
{
	uint32_t id = pass_name(p, name), *bucket;

	if (id != PASS_NONE)
		return id;
	bucket = &p->buckets[bucket_of(p, name)];
	id = p->n_names++;
	p->names[id] = (struct pass_name){ name, PASS_NONE, *bucket };
	*bucket = id;
	return id;
}

static void add_field(struct pass *p, const struct field *f)
{
	struct pass_field *to = &p->fields[p->n_fields];

	*to = (struct pass_field){
		.name = f->name, .value = f->value,
		.raw = view_make(p->header.p + f->start, f->end - f->start),
		.name_id = name_of_field(p, f->name),
	};
	to->above = p->names[to->name_id].last;
	p->names[to->name_id].last = p->n_fields++;
}

static uint32_t count_fields(struct view header)
{
	struct field f;
	uint32_t n = 0;
	size_t at = 0;

	while (field_next(header, &at, &f))
		n += f.name.n > 0;
	return n;
}

static void read_fields(struct pass *p)
{
	struct view header = buf_view(&p->header);
	uint32_t n = count_fields(header);
	struct field f;
	size_t at = 0;

	p->fields = arena_array(&p->a, n, sizeof *p->fields);
	p->names = arena_array(&p->a, n, sizeof *p->names);
	p->n_buckets = n * 2 + 1;
	p->buckets = arena_array(&p->a, p->n_buckets, sizeof *p->buckets);
	if (arena_status(&p->a) != ST_OK) {
		p->n_buckets = 0;
		p->st = arena_status(&p->a);
		return;
	}
	memset(p->buckets, 0xff, p->n_buckets * sizeof *p->buckets);
	while (field_next(header, &at, &f))
		if (f.name.n)
			add_field(p, &f);
}

struct view pass_canon(struct pass *p, enum canon c, uint32_t field)
{
	struct pass_field *f = &p->fields[field];
	struct view v;

	if (c == CANON_RELAXED && f->relaxed.n)
		return f->relaxed;
	buf_clear(&p->room);
	canon_field(c, f->raw, false, &p->room);
	v = arena_copy(&p->a, buf_view(&p->room));
	if (buf_status(&p->room) != ST_OK || arena_status(&p->a) != ST_OK)
		p->st = ST_NOMEM;
	if (c == CANON_RELAXED)
		f->relaxed = v;
	return v;
}

/* ---- the bytes ---- */

static void header_ends(struct pass *p)
{
	p->in_body = true;
	if (p->st == ST_OK)
		read_fields(p);
	if (p->st == ST_OK)
		p->header_done(p->arg, p);
}

/* Where the header section ends in these bytes, behind its empty line; 0:
 * not yet. */
static size_t find_end(struct pass *p, struct view v)
{
	size_t from = 0;

	while (from < v.n) {
		size_t n = view_find(view_skip(v, from), '\n'), line = p->line + n;
		char last = n ? v.p[from + n - 1] : p->header.n ? p->header.p[p->header.n - 1] : '\0';

		if (from + n == v.n) {
			p->line = line;
			return 0;
		}
		from += n + 1;
		if (line == 0 || (line == 1 && last == '\r'))
			return from;
		p->line = 0;
	}
	return 0;
}

void pass_put(struct pass *p, struct view v)
{
	if (p->st != ST_OK)
		return;
	if (!p->in_body) {
		size_t end = find_end(p, v);

		buf_put(&p->header, view_head(v, end ? end : v.n));
		p->st = buf_status(&p->header);
		if (end == 0)
			return;
		header_ends(p);
		v = view_skip(v, end);
	}
	p->body_size += v.n;
	body_put(&p->body, v);
}

enum status pass_end(struct pass *p)
{
	enum status st;

	if (!p->in_body)
		header_ends(p);
	st = body_end(&p->body);
	if (p->st == ST_OK)
		p->st = st;
	return p->st;
}
