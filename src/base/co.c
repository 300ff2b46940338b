/* co.c - coroutines: a stack from makecontext, switches by _setjmp.
 *
 * swapcontext saves the signal mask by a system call at each switch, and a
 * switch is what each record between processes costs.  No coroutine changes
 * that mask, so a context is entered once, when its stack is new; from then on
 * all is jumps, and a spare coroutine waits inside of its own loop.
 * AddressSanitizer forgets at a jump what it knew of the stack that is left:
 * its build switches by swapcontext. */

/* Its longjmp takes a jump to another stack for an error. */
#undef _FORTIFY_SOURCE

#include "base/co.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CO_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define CO_ASAN 1
#endif
#ifdef CO_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

/* Where a stack was left. */
struct spot {
	ucontext_t ctx;
	jmp_buf at;		/* once `begun` */
	bool begun;
};

struct co {
	struct spot spot;
	char *stack;
	void (*fn)(void *);
	void *arg;
	struct co *next;	/* in the list of woken or of spare ones */
	bool woken, done;
	bool last;		/* done, and no spare: its stack goes */
	void *fake_stack;	/* AddressSanitizer's */
};

/* One scheduler a process: part of its root object. */
static struct {
	struct spot home;	/* the loop's own stack */
	struct co *self;
	struct co *ready, **ready_end;
	struct co *spare;
	size_t spares, live;
	const void *home_stack;
	size_t home_size;
	void *home_fake;
} sched = { .ready_end = &sched.ready };

static void jump(struct spot *from, struct spot *to)
{
	from->begun = true;
#ifdef CO_ASAN
	swapcontext(&from->ctx, &to->ctx);
#else
	if (_setjmp(from->at) == 0) {
		if (to->begun)
			_longjmp(to->at, 1);
		setcontext(&to->ctx);
	}
#endif
}

static void enter(struct co *co)
{
	sched.self = co;
#ifdef CO_ASAN
	__sanitizer_start_switch_fiber(&sched.home_fake, co->stack, CO_STACK);
#endif
	jump(&sched.home, &co->spot);
#ifdef CO_ASAN
	__sanitizer_finish_switch_fiber(sched.home_fake, NULL, NULL);
#endif
	sched.self = NULL;
}

static void leave(struct co *co)
{
#ifdef CO_ASAN
	__sanitizer_start_switch_fiber(co->last ? NULL : &co->fake_stack, sched.home_stack, sched.home_size);
#endif
	jump(&co->spot, &sched.home);
#ifdef CO_ASAN
	__sanitizer_finish_switch_fiber(co->fake_stack, &sched.home_stack, &sched.home_size);
#endif
}

/* One function after the other, for as long as the stack is there. */
static void entry(void)
{
#ifdef CO_ASAN
	__sanitizer_finish_switch_fiber(NULL, &sched.home_stack, &sched.home_size);
#endif
	for (;;) {
		sched.self->fn(sched.self->arg);
		sched.self->done = true;
		sched.self->last = sched.spares >= CO_SPARE;
		leave(sched.self);
	}
}

static struct co *fresh(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct co *co = sched.spare;
	char *map;

	if (co) {
		sched.spare = co->next;
		sched.spares--;
		return co;
	}
	co = calloc(1, sizeof *co);
	if (co == NULL)
		return NULL;
	map = mmap(NULL, CO_STACK + page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (map == MAP_FAILED || mprotect(map, page, PROT_NONE) != 0) {
		if (map != MAP_FAILED)
			munmap(map, CO_STACK + page);
		free(co);
		return NULL;
	}
	co->stack = map + page;
	getcontext(&co->spot.ctx);
	co->spot.ctx.uc_stack.ss_sp = co->stack;
	co->spot.ctx.uc_stack.ss_size = CO_STACK;
	co->spot.ctx.uc_link = NULL;
	makecontext(&co->spot.ctx, entry, 0);
	return co;
}

static void retire(struct co *co)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	sched.live--;
	if (!co->last) {
		co->next = sched.spare;
		sched.spare = co;
		sched.spares++;
		return;
	}
	munmap(co->stack - page, CO_STACK + page);
	free(co);
}

static void run(struct co *co)
{
	enter(co);
	if (co->done)
		retire(co);
}

enum status co_start(void (*fn)(void *), void *arg)
{
	struct co *co = fresh();

	if (co == NULL)
		return ST_NOMEM;
	co->fn = fn;
	co->arg = arg;
	co->next = NULL;
	co->woken = co->done = false;
	sched.live++;
	if (sched.self) {
		/* Started from a coroutine: it runs when that one waits. */
		co_wake(co);
		return ST_OK;
	}
	run(co);
	return ST_OK;
}

struct co *co_self(void)
{
	return sched.self;
}

void co_wait(void)
{
	leave(sched.self);
}

void co_wake(struct co *co)
{
	if (co->woken)
		return;
	co->woken = true;
	co->next = NULL;
	*sched.ready_end = co;
	sched.ready_end = &co->next;
}

bool co_run_ready(void)
{
	struct co *co = sched.ready;

	if (co == NULL)
		return false;
	sched.ready = NULL;
	sched.ready_end = &sched.ready;
	while (co) {
		struct co *next = co->next;

		co->woken = false;
		run(co);
		co = next;
	}
	return true;
}

size_t co_live(void)
{
	return sched.live;
}
