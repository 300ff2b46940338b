/* pool.h - a few threads for what takes long, so that nobody else who asks
 * warden waits: one pool for argon2id, of a low priority (mail goes first), one
 * for RSA signatures of letters, which wait for no guess, and one for fresh RSA
 * keys (rsa.h), for which nobody waits.
 *
 * The threads run the work of a job, which touches nothing but the job; all the rest of warden is
 * one thread.
 *
 * Limit: POOL_WAITING jobs, and beside them POOL_FIRST of people who are known
 * where they come from; these go before the others.  At some tens of milliseconds
 * each, who comes later is better told to come again.
 */
#ifndef WAXWING_WARDEN_POOL_H
#define WAXWING_WARDEN_POOL_H

#include "base/loop.h"
#include "base/view.h"

enum { POOL_WAITING = 64, POOL_FIRST = 64, POOL_THREADS_MAX = 4 };

struct pool;

struct pool_job {
	struct pool_job *next;
	void (*work)(struct pool_job *job);	/* on a thread of the pool */
	void (*done)(struct pool_job *job);	/* on the loop's thread */
};

/* One thread for each processor, at most `most`.  nice: how far they stand back
 * (setpriority).  ST_NOMEM, ST_IO. */
enum status pool_new(struct loop *l, int nice, unsigned most, struct pool **ret) MUST_USE;

/* ST_LIMIT: too many wait. */
enum status pool_give(struct pool *p, struct pool_job *job, bool first) MUST_USE;

#endif
