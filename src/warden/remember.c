#include "warden/remember.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct proof {
	struct proof *next;	/* the one that came after it */
	steady_ms until;
	unsigned char hash[MAC_SIZE];
};

static uint64_t key_of(const unsigned char hash[MAC_SIZE])
{
	uint64_t key;

	memcpy(&key, hash, sizeof key);
	return key;
}

enum status remember_init(struct remember *r)
{
	unsigned char key[MAC_KEY];
	enum status st;

	*r = (struct remember){ .newest = &r->oldest };
	if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key)
		return ST_IO;
	st = mac_init(&r->mac, key);
	explicit_bzero(key, sizeof key);
	return st;
}

static void forget_oldest(struct remember *r)
{
	struct proof *p = r->oldest;

	r->oldest = p->next;
	if (r->oldest == NULL)
		r->newest = &r->oldest;
	r->n--;
	/* A later proof may have taken its place. */
	if (map_get(&r->proofs, key_of(p->hash)) == p)
		map_remove(&r->proofs, key_of(p->hash));
	free(p);
}

void remember_free(struct remember *r)
{
	while (r->oldest)
		forget_oldest(r);
	map_free(&r->proofs);
	mac_free(&r->mac);
}

static enum status hash_of(const struct remember *r, uint64_t account, struct view verifier,
			   struct view secret, unsigned char out[MAC_SIZE])
{
	const struct view parts[] = {
		{ (const char *)&account, sizeof account }, verifier, secret,
	};

	return mac_of(&r->mac, parts, 3, out);
}

static void drop_late(struct remember *r, steady_ms now)
{
	while (r->oldest && r->oldest->until <= now)
		forget_oldest(r);
}

bool remember_has(struct remember *r, uint64_t account, struct view verifier, struct view secret,
		  steady_ms now)
{
	unsigned char hash[MAC_SIZE];
	const struct proof *p;

	drop_late(r, now);
	if (r->n == 0 || hash_of(r, account, verifier, secret, hash) != ST_OK)
		return false;
	p = map_get(&r->proofs, key_of(hash));
	return p && p->until > now && mac_same(p->hash, hash);
}

void remember_add(struct remember *r, uint64_t account, struct view verifier, struct view secret,
		  steady_ms until)
{
	struct proof *p = calloc(1, sizeof *p);

	if (p == NULL || hash_of(r, account, verifier, secret, p->hash) != ST_OK ||
	    map_set(&r->proofs, key_of(p->hash), p) != ST_OK) {
		free(p);
		return;
	}
	p->until = until;
	*r->newest = p;
	r->newest = &p->next;
	r->n++;
	if (r->n > REMEMBER_MAX)
		forget_oldest(r);
}
