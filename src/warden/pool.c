#include "warden/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STACK = 256 * 1024 };

struct pool {
	int nice;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct line {
		struct pool_job *jobs, **end;
		size_t n, most;
	} first, others;
	struct pool_job *finished;
	struct watch bell;	/* eventfd: something is finished */
};

static void finish(struct pool *p, struct pool_job *job)
{
	uint64_t one = 1;

	pthread_mutex_lock(&p->lock);
	job->next = p->finished;
	p->finished = job;
	pthread_mutex_unlock(&p->lock);
	/* It can fail only where the bell rings already. */
	(void)!write(p->bell.fd, &one, sizeof one);
}

static void put(struct line *l, struct pool_job *job)
{
	*l->end = job;
	l->end = &job->next;
	l->n++;
}

static struct pool_job *take(struct line *l)
{
	struct pool_job *job = l->jobs;

	l->jobs = job->next;
	if (l->jobs == NULL)
		l->end = &l->jobs;
	l->n--;
	return job;
}

static void *work(void *arg)
{
	struct pool *p = arg;

	setpriority(PRIO_PROCESS, 0, p->nice);	/* Linux: of this thread */
	for (;;) {
		struct pool_job *job;

		pthread_mutex_lock(&p->lock);
		while (p->first.n == 0 && p->others.n == 0)
			pthread_cond_wait(&p->work, &p->lock);
		job = take(p->first.n ? &p->first : &p->others);
		pthread_mutex_unlock(&p->lock);
		job->work(job);
		finish(p, job);
	}
	return NULL;
}

static void bell_rings(struct watch *w, uint32_t events)
{
	struct pool *p = (struct pool *)((char *)w - offsetof(struct pool, bell));
	struct pool_job *job;
	uint64_t count;

	(void)events;
	(void)!read(w->fd, &count, sizeof count);
	pthread_mutex_lock(&p->lock);
	job = p->finished;
	p->finished = NULL;
	pthread_mutex_unlock(&p->lock);
	while (job) {
		struct pool_job *next = job->next;

		job->done(job);
		job = next;
	}
}

static enum status start_threads(struct pool *p, long most)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_attr_t attr;
	pthread_t id;
	int rc = pthread_attr_init(&attr);

	if (rc != 0)
		return ST_NOMEM;
	n = n < 1 ? 1 : n > most ? most : n;
	rc = pthread_attr_setstacksize(&attr, STACK);
	if (rc == 0)
		rc = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	while (n-- > 0 && rc == 0)
		rc = pthread_create(&id, &attr, work, p);
	pthread_attr_destroy(&attr);
	return rc == 0 ? ST_OK : ST_NOMEM;
}

enum status pool_new(struct loop *l, int nice, unsigned most, struct pool **ret)
{
	struct pool *p = calloc(1, sizeof *p);
	enum status st;

	if (p == NULL)
		return ST_NOMEM;
	p->nice = nice;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	p->first = (struct line){ .end = &p->first.jobs, .most = POOL_FIRST };
	p->others = (struct line){ .end = &p->others.jobs, .most = POOL_WAITING };
	p->bell = (struct watch){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = bell_rings };
	st = p->bell.fd < 0 ? status_of_errno(errno) : loop_watch(l, &p->bell, EPOLLIN);
	if (st == ST_OK)
		st = start_threads(p, most);
	if (st != ST_OK)
		return st;	/* warden ends; threads may hold it */
	*ret = p;
	return ST_OK;
}

enum status pool_give(struct pool *p, struct pool_job *job, bool first)
{
	struct line *l = first ? &p->first : &p->others;
	enum status st = ST_LIMIT;

	job->next = NULL;
	pthread_mutex_lock(&p->lock);
	if (l->n < l->most) {
		put(l, job);
		pthread_cond_signal(&p->work);
		st = ST_OK;
	}
	pthread_mutex_unlock(&p->lock);
	return st;
}
