/* pool.c - connections that wait for the next letter to the same hosts, under
 * the same policy. */
#include "mta/relay/internal.h"

#include <stdlib.h>
#include <xxhash.h>

static uint64_t hash_of(struct view key)
{
	return XXH3_64bits(key.p ? key.p : "", key.n);
}

/* Takes m out; whoever calls has it or ends it. */
void pool_forget(struct remote *m)
{
	struct remote *first, *one;

	if (!m->idle)
		return;
	first = map_get(&m->r->idle, m->hash);
	if (first == m) {
		/* To replace what is there needs no memory. */
		if (m->next == NULL || map_set(&m->r->idle, m->hash, m->next) != ST_OK)
			map_remove(&m->r->idle, m->hash);
	} else {
		for (one = first; one && one->next != m; one = one->next)
			;
		if (one)
			one->next = m->next;
	}
	m->next = NULL;
	m->idle = false;
	m->r->n_idle--;
}

static bool is_good(const struct remote *m)
{
	const struct conn *c = &m->conn;

	return !c->broken && !c->closing && !c->timed_out && !c->running && !m->unusable;
}

struct remote *pool_take(struct relay *r, struct view key)
{
	struct remote *m = map_get(&r->idle, hash_of(key));

	while (m && (!view_eq(m->key, key) || !is_good(m)))
		m = m->next;
	if (m == NULL)
		return NULL;
	pool_forget(m);
	conn_hold(&m->conn);
	return m;
}

static bool keep_key(struct remote *m, struct view key)
{
	char *p;

	if (m->key.p)
		return true;
	p = malloc(key.n + 1);
	if (p == NULL)
		return false;
	memcpy(p, key.p, key.n);
	m->key = view_make(p, key.n);
	m->hash = hash_of(key);
	return true;
}

void pool_put(struct remote *m, struct view key)
{
	struct relay *r = m->r;
	const struct conf *conf = &r->proc.conf;

	if (m->unusable || m->conn.broken || m->conn.timed_out || conn_view(&m->conn).n || r->proc.stopping ||
	    m->letters >= (uint32_t)conf->relay_letters || loop_now(r->proc.loop) > m->until ||
	    conf->relay_idle == 0 || r->n_idle >= (size_t)conf->relay_idle_connections || !keep_key(m, key) ||
	    map_reserve(&r->idle, 1) != ST_OK) {
		remote_end(m);
		return;
	}
	m->next = map_get(&r->idle, m->hash);
	if (map_set(&r->idle, m->hash, m) != ST_OK) {
		m->next = NULL;
		remote_end(m);
		return;
	}
	m->idle = true;
	r->n_idle++;
	conn_patience(&m->conn, (uint64_t)conf->relay_idle);
	conn_let_go(&m->conn);
}

void pool_clear(struct relay *r)
{
	struct remote *m;
	size_t at = 0;

	while ((m = map_next(&r->idle, &at)) != NULL) {
		pool_forget(m);
		conn_hold(&m->conn);
		remote_end(m);
		at = 0;
	}
}
