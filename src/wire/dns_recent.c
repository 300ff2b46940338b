#include "wire/dns_recent.h"

#include "base/buf.h"
#include "base/cursor.h"

#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

static uint64_t hash_of(const struct dns_recent *d, struct view name, enum dns_type type)
{
	return XXH3_64bits_withSeed(name.p, name.n, d->seed ^ (uint64_t)type);
}

static struct recent_slot *slot_of(const struct dns_recent *d, uint64_t hash)
{
	return &d->slots[hash % RECENT_SLOTS];
}

/* ---- as it is kept ---- */

static void put_answer(struct buf *b, struct view name, enum dns_type type, const struct dns_answer *a)
{
	put_view(b, name);
	put_u16(b, (uint16_t)type);
	put_u8(b, (uint8_t)a->outcome);
	put_u8(b, a->secure);
	put_view(b, a->name);
	put_u16(b, (uint16_t)a->n);
	for (size_t i = 0; i < a->n; i++)
		put_view(b, a->rdata[i]);
}

/* False where it is the answer to something else. */
static bool take_answer(struct view kept, struct view name, enum dns_type type, struct arena *a,
			struct dns_answer *ret)
{
	struct cursor c = cursor_over(kept);
	struct dns_answer out = { 0 };

	if (!view_eq(take_view(&c), name) || take_u16(&c) != (uint16_t)type)
		return false;
	out.outcome = (enum dns_outcome)take_u8(&c);
	out.secure = take_u8(&c);
	out.name = arena_copy(a, take_view(&c));
	out.n = take_u16(&c);
	out.rdata = arena_array(a, out.n, sizeof *out.rdata);
	for (size_t i = 0; out.rdata && i < out.n; i++)
		out.rdata[i] = arena_copy(a, take_view(&c));
	*ret = out;
	return cursor_end(&c);
}

static void keep(struct recent_slot *s, struct view name, enum dns_type type, const struct dns_answer *a)
{
	uint32_t seconds = a->ttl < RECENT_MOST_S ? a->ttl : RECENT_MOST_S;

	if ((a->outcome != DNS_FOUND && !dns_is_absent(a)) || seconds == 0 || a->n > UINT16_MAX)
		return;
	buf_clear(&s->answer);
	put_answer(&s->answer, name, type, a);
	if (buf_status(&s->answer) != ST_OK)
		buf_clear(&s->answer);
	s->until = clock_steady() + seconds * 1000;
}

/* ---- the resolver ---- */

static bool is_kept(const struct recent_slot *s, struct view name, enum dns_type type, struct arena *a,
		    struct dns_answer *ret)
{
	steady_ms now = clock_steady();

	if (s->answer.n == 0 || s->until <= now || !take_answer(buf_view(&s->answer), name, type, a, ret))
		return false;
	ret->ttl = (uint32_t)((s->until - now) / 1000);
	return true;
}

static enum status ask(struct resolver *r, struct view name, enum dns_type type, struct arena *a,
		       struct dns_answer *ret)
{
	struct dns_recent *d = (struct dns_recent *)r;
	struct recent_slot *s = slot_of(d, hash_of(d, name, type));
	enum status st;

	if (is_kept(s, name, type, a, ret))
		return arena_status(a);
	st = dns_ask(d->behind, name, type, a, ret);
	/* Others may have asked while we waited; the slots do not move. */
	if (st == ST_OK)
		keep(s, name, type, ret);
	return st;
}

static void hint(struct resolver *r, struct view name, enum dns_type type)
{
	struct dns_recent *d = (struct dns_recent *)r;
	uint64_t hash = hash_of(d, name, type);
	struct recent_slot *s = slot_of(d, hash);
	steady_ms now = clock_steady();

	/* Another answer in the slot costs a hint that is not sent, no truth. */
	if ((s->answer.n && s->until > now) || (s->hinted == hash && s->hinted_until > now))
		return;
	s->hinted = hash;
	s->hinted_until = now + RECENT_HINT_MS;
	dns_hint(d->behind, name, type);
}

enum status dns_recent_begin(struct dns_recent *d, struct resolver *behind)
{
	*d = (struct dns_recent){ { ask, hint }, behind, 0, calloc(RECENT_SLOTS, sizeof *d->slots) };
	if (d->slots == NULL || getrandom(&d->seed, sizeof d->seed, 0) != sizeof d->seed) {
		free(d->slots);
		return ST_NOMEM;
	}
	for (size_t i = 0; i < RECENT_SLOTS; i++)
		d->slots[i].answer = BUF(RECENT_ANSWER_MAX);
	return ST_OK;
}

void dns_recent_forget(struct dns_recent *d)
{
	for (size_t i = 0; i < RECENT_SLOTS; i++)
		buf_free(&d->slots[i].answer);
}

void dns_recent_end(struct dns_recent *d)
{
	dns_recent_forget(d);
	free(d->slots);
	d->slots = NULL;
}
