/* co.h - coroutines: straight-line code that may wait.
 *
 * A coroutine is a function with a small stack of its own.  When it has to
 * wait (for a reply of another process, for a socket that will not take more)
 * it calls co_wait, and the event loop runs others meanwhile; co_wake makes
 * it run again.  So a protocol's command reads top to bottom, one thread runs
 * all of them, nothing needs a lock, and a connection that is silent has no
 * coroutine at all: its stack goes back to the pool when the command is done.
 *
 * Only one thread of a process may use these.  Stacks are CO_STACK
 * bytes with a guard page below.
 */
#ifndef WAXWING_BASE_CO_H
#define WAXWING_BASE_CO_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { CO_STACK = 256 * 1024, CO_SPARE = 64 };

struct co;

/* Run fn(arg) on a new coroutine, at once, until it waits or returns.
 * ST_NOMEM. */
enum status co_start(void (*fn)(void *), void *arg) MUST_USE;

/* The coroutine that runs now, or NULL on the loop's own stack. */
struct co *co_self(void);

/* Suspend the running coroutine until somebody wakes it. */
void co_wait(void);

/* Let co go on at the next co_run_ready.  Waking one twice is once. */
void co_wake(struct co *co);

/* Run all that were woken; the loop calls it.  True when some ran. */
bool co_run_ready(void);

/* How many live (running or waiting). */
size_t co_live(void);

#endif
