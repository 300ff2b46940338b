/* spare.c - rooms that were started before anybody needed them.
 *
 * Most of what a room costs at its start is the same for every account: the
 * execution of the program, its libraries, the filter of its system calls.  A
 * spare room has that behind it and waits for its first record, as every
 * process does; with the settings it learns whose it is, and only then takes
 * that account's user id and locks itself in.  Until then it has read nothing
 * from anybody, and nobody but us can say anything to it.
 *
 * They are replaced when no room was asked for in CALM_MS, but no later than
 * LATE_MS after the first was: work that is there comes before work that may
 * come. */
#include "parent/parent.h"

#include "base/log.h"
#include "role/role.h"

#include <string.h>
#include <unistd.h>

enum { CALM_MS = 1000, LATE_MS = 10000, NEXT_MS = 2, FIRST_MS = 1, FAILED_MS = 30000 };

/* Room for the name of the account that it will be. */
#define SPARE_NAME "waxwing: spare room             "

static void due_in(struct parent *p, steady_ms ms)
{
	if (loop_timer(p->loop, &p->spare_due, clock_steady() + ms) != ST_OK)
		log_event(LOG_WARN_, "timer", "%s", "");
}

static enum status start_one(struct parent *p)
{
	struct spare s;
	int fds[2];
	enum status st = channel_pair(fds);

	if (st != ST_OK)
		return st;
	st = child_spawn(p, ROLE_ROOM, p->programs[ROLE_ROOM], SPARE_NAME, SPARE_ROOM, fds[1], &s.log,
			 &s.pid);
	close(fds[1]);
	if (st != ST_OK) {
		close(fds[0]);
		return st;
	}
	s.fd = fds[0];
	p->spares[p->n_spares++] = s;
	return ST_OK;
}

static void spare_due(struct timer *t)
{
	struct parent *p = (struct parent *)((char *)t - offsetof(struct parent, spare_due));
	enum status st;

	if (p->stopping || p->n_spares >= (size_t)p->conf.spare_rooms) {
		p->spares_full = true;
		p->spares_late = 0;
		return;
	}
	st = start_one(p);
	if (st != ST_OK)
		log_event(LOG_WARN_, "spare-room", "why=\"%s\"", status_name(st));
	due_in(p, st != ST_OK ? FAILED_MS : p->spares_full ? NEXT_MS : FIRST_MS);
}

void parent_spares_begin(struct parent *p)
{
	p->spare_due.fire = spare_due;
	due_in(p, 0);
}

static void drop(struct parent *p, size_t i)
{
	p->n_spares--;
	memmove(&p->spares[i], &p->spares[i + 1], (p->n_spares - i) * sizeof *p->spares);
}

/* A room was asked for. */
static void wait_for_calm(struct parent *p)
{
	steady_ms now = clock_steady();

	if (p->spares_late == 0)
		p->spares_late = now + LATE_MS;
	if (now < p->spares_late)
		due_in(p, p->spares_late - now < CALM_MS ? p->spares_late - now : CALM_MS);
}

bool parent_take_spare(struct parent *p, struct spare *ret)
{
	if (p->spares_full)
		wait_for_calm(p);
	for (size_t i = 0; i < p->n_spares; i++) {
		if (p->spares[i].fd < 0)
			continue;
		*ret = p->spares[i];
		drop(p, i);
		return true;
	}
	return false;
}

void parent_dismiss_spares(struct parent *p)
{
	for (size_t i = 0; i < p->n_spares; i++) {
		if (p->spares[i].fd >= 0)
			close(p->spares[i].fd);
		p->spares[i].fd = -1;
	}
}

bool parent_spare_ended(struct parent *p, int pid)
{
	for (size_t i = 0; i < p->n_spares; i++) {
		bool dismissed = p->spares[i].fd < 0;

		if (p->spares[i].pid != pid)
			continue;
		if (!dismissed)
			close(p->spares[i].fd);
		parent_log_end(p, &p->spares[i].log);
		drop(p, i);
		/* One that ends unasked may do so again. */
		if (!p->stopping)
			due_in(p, dismissed ? CALM_MS : FAILED_MS);
		return true;
	}
	return false;
}
