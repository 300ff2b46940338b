#include "warden/rsa.h"

#include <openssl/rsa.h>

/* Nobody waits for these keys but the one who asked. */
enum { RSA_NICE = 15 };

struct rsa_job {
	struct pool_job job;
	struct co *co;
	unsigned bits;
	EVP_PKEY *key;
	bool done;
};

static void work(struct pool_job *job)
{
	struct rsa_job *j = (struct rsa_job *)job;

	j->key = EVP_RSA_gen(j->bits);
}

static void made(struct pool_job *job)
{
	struct rsa_job *j = (struct rsa_job *)job;

	j->done = true;
	co_wake(j->co);
}

EVP_PKEY *rsa_make(struct rsa_maker *m, unsigned bits)
{
	struct rsa_job j = { .job = { .work = work, .done = made }, .co = co_self(), .bits = bits };

	if (m == NULL)
		return EVP_RSA_gen(bits);
	if (m->pool == NULL && pool_new(m->loop, RSA_NICE, 1, &m->pool) != ST_OK)
		return NULL;
	if (pool_give(m->pool, &j.job, false) != ST_OK)
		return NULL;
	while (!j.done)
		co_wait();
	return j.key;
}
