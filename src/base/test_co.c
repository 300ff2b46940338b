/* co: what a coroutine holds on its stack is there after each wait, however
 * many others ran; those that are done leave their stacks to the next. */
#include "base/test.h"

#include "base/co.h"

#include <string.h>

enum { MANY = 3 * CO_SPARE, ROUNDS = 5 };

struct worker {
	struct co *co;
	unsigned number, rounds;
	bool whole;	/* nobody wrote into its stack */
};

static void work(void *arg)
{
	struct worker *w = arg;
	unsigned char mine[4096];
	double sum = w->number;

	w->co = co_self();
	memset(mine, (int)w->number, sizeof mine);
	w->whole = true;
	for (; w->rounds < ROUNDS; w->rounds++) {
		co_wait();
		sum += 0.5;
		for (size_t i = 0; i < sizeof mine; i++)
			w->whole &= mine[i] == (unsigned char)w->number;
		w->whole &= co_self() == w->co;
	}
	w->whole &= sum == w->number + ROUNDS * 0.5;
}

static void many_at_a_time(void **state)
{
	static struct worker workers[MANY];

	(void)state;
	/* Twice: the second time on stacks that were used. */
	for (int again = 0; again < 2; again++) {
		memset(workers, 0, sizeof workers);
		for (unsigned i = 0; i < MANY; i++) {
			workers[i].number = i + 1;
			assert_int_equal(co_start(work, &workers[i]), ST_OK);
		}
		assert_int_equal(co_live(), MANY);
		assert_false(co_run_ready());
		for (int round = 0; round < ROUNDS; round++) {
			for (unsigned i = MANY; i-- > 0;)
				co_wake(workers[i].co);
			assert_true(co_run_ready());
		}
		for (unsigned i = 0; i < MANY; i++)
			assert_true(workers[i].whole && workers[i].rounds == ROUNDS);
		assert_int_equal(co_live(), 0);
	}
}

struct pair {
	char order[8];
	size_t n;
	struct co *first;
};

static void second(void *arg)
{
	struct pair *p = arg;

	p->order[p->n++] = 'b';
	co_wake(p->first);
	co_wake(p->first);	/* once */
	p->order[p->n++] = 'c';
}

static void first(void *arg)
{
	struct pair *p = arg;

	p->first = co_self();
	p->order[p->n++] = 'a';
	assert_int_equal(co_start(second, p), ST_OK);
	co_wait();
	p->order[p->n++] = 'd';
	co_wait();
	p->order[p->n++] = 'e';
}

static void one_starts_another(void **state)
{
	struct pair p = { .n = 0 };

	(void)state;
	assert_null(co_self());
	assert_int_equal(co_start(first, &p), ST_OK);
	assert_memory_equal(p.order, "a", p.n);
	while (co_run_ready())
		;
	assert_int_equal(p.n, 4);
	assert_memory_equal(p.order, "abcd", 4);
	assert_int_equal(co_live(), 1);
	co_wake(p.first);
	assert_true(co_run_ready());
	assert_int_equal(p.order[4], 'e');
	assert_int_equal(co_live(), 0);
	assert_null(co_self());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_at_a_time),
		cmocka_unit_test(one_starts_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
