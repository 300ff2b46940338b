#include "door/crowd.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* IPv4 addresses stand where no IPv6 source can be (ffff::/16 is multicast). */
#define V4 0xffff000000000000u
enum { NET_V4_BITS = 8, NET_V6_BITS = 16 };

struct place {
	uint64_t address, network;
};

static uint64_t big_endian(const unsigned char *p, int n)
{
	uint64_t x = 0;

	while (n--)
		x = x << 8 | *p++;
	return x;
}

static bool as_v4(const struct sockaddr_storage *sa, uint64_t *ret_v4)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

	if (sa->ss_family == AF_INET)
		*ret_v4 = ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr);
	else if (sa->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		*ret_v4 = big_endian(in6->sin6_addr.s6_addr + 12, 4);
	else
		return false;
	return true;
}

static struct place place_of(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	uint64_t x;

	if (as_v4(sa, &x))
		return (struct place){ V4 | x, (V4 | x) >> NET_V4_BITS };
	x = sa->ss_family == AF_INET6 ? big_endian(in6->sin6_addr.s6_addr, 8) : 0;
	return (struct place){ x, x >> NET_V6_BITS };
}

bool crowd_is_loopback(const struct sockaddr_storage *sa)
{
	uint64_t x;

	if (as_v4(sa, &x))
		return x >> 24 == 127;
	return sa->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

/* ---- counts: the pointers of the map are the numbers ---- */

static uint64_t count(const struct map *m, uint64_t key)
{
	return (uint64_t)(uintptr_t)map_get(m, key);
}

static enum status more(struct map *m, uint64_t key)
{
	return map_set(m, key, (void *)(uintptr_t)(count(m, key) + 1));
}

static void fewer(struct map *m, uint64_t key)
{
	uint64_t n = count(m, key);

	/* Replacing what is there needs no memory. */
	if (n <= 1)
		map_remove(m, key);
	else
		(void)!map_set(m, key, (void *)(uintptr_t)(n - 1));
}

static enum status enter(struct crowd *c, uint64_t connection, struct place *p)
{
	enum status st = map_set(&c->places, connection, p);

	if (st != ST_OK)
		return st;
	st = more(&c->addresses, p->address);
	if (st == ST_OK && (st = more(&c->networks, p->network)) != ST_OK)
		fewer(&c->addresses, p->address);
	if (st != ST_OK)
		map_remove(&c->places, connection);
	return st;
}

bool crowd_enter(struct crowd *c, const struct crowd_limits *limits, uint64_t connection,
		 const struct sockaddr_storage *sa)
{
	struct place where = place_of(sa), *p;

	if (crowd_is_loopback(sa) && !limits->count_loopback)
		return true;
	if (count(&c->addresses, where.address) >= limits->per_address ||
	    count(&c->networks, where.network) >= limits->per_network)
		return false;
	p = malloc(sizeof *p);
	if (p == NULL)
		return false;
	*p = where;
	if (enter(c, connection, p) == ST_OK)
		return true;
	free(p);
	return false;
}

void crowd_leave(struct crowd *c, uint64_t connection)
{
	struct place *p = map_remove(&c->places, connection);

	if (p == NULL)
		return;
	fewer(&c->addresses, p->address);
	fewer(&c->networks, p->network);
	free(p);
}

void crowd_free(struct crowd *c)
{
	struct place *p;
	size_t at = 0;

	while ((p = map_next(&c->places, &at)) != NULL)
		free(p);
	map_free(&c->places);
	map_free(&c->addresses);
	map_free(&c->networks);
}
