/* What processes may have the parent do, and what not. */
#include "base/test.h"

#include "parent/parent.h"

#include <stdlib.h>

/* One of each, none of which runs; the folder is not there, so no room starts. */
struct here {
	struct parent p;
	struct child door;
};

static struct here *begin(void)
{
	static char nowhere[] = "/nonexistent/waxwing-test";
	struct here *h = calloc(1, sizeof *h);

	assert_non_null(h);
	h->p.conf.dir = nowhere;
	h->p.doors = &h->door;
	h->p.n_doors = 1;
	h->door = (struct child){ .parent = &h->p, .role = ROLE_DOOR };
	h->p.warden = (struct child){ .parent = &h->p, .role = ROLE_WARDEN };
	h->p.queue = (struct child){ .parent = &h->p, .role = ROLE_QUEUE };
	h->door.ch.watch.fd = h->p.warden.ch.watch.fd = h->p.queue.ch.watch.fd = -1;
	return h;
}

static void end(struct here *h)
{
	struct child *room;
	size_t at = 0;

	while ((room = map_next(&h->p.rooms, &at)) != NULL)
		free(room);
	map_free(&h->p.rooms);
	free(h);
}

/* Would a room be opened to that process, where this one asks? */
static bool opens(enum role asker, enum role to)
{
	struct here *h = begin();
	struct child *c = parent_child(&h->p, asker, 0);
	struct buf b = BUF(256);
	struct record rec = { .type = REC_room_open, .fd = -1 };
	bool opened;

	c->ch.owner = c;
	rec_put_room_open(&b, 0, 0, &(struct rec_room_open){ 5, (uint8_t)to, 0 });
	rec.body = view_skip(buf_view(&b), RECORD_HEAD);
	parent_receive(&c->ch, &rec);
	opened = map_get(&h->p.rooms, 5) != NULL;
	buf_free(&b);
	end(h);
	return opened;
}

static void test_rooms(void **state)
{
	(void)state;
	assert_true(opens(ROLE_WARDEN, ROLE_DOOR));
	assert_true(opens(ROLE_QUEUE, ROLE_QUEUE));
	/* A queue that was taken over lets nobody in, and warden knows doors alone. */
	assert_false(opens(ROLE_QUEUE, ROLE_DOOR));
	assert_false(opens(ROLE_QUEUE, ROLE_WARDEN));
	assert_false(opens(ROLE_WARDEN, ROLE_QUEUE));
	assert_false(opens(ROLE_WARDEN, ROLE_RELAY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rooms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
