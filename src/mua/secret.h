/* secret.h - where a password comes from: a command, the kernel's keyring
 * (keyrings(7)), or the person at the terminal.  Never a file of ours, and
 * never a command line.
 */
#ifndef WAXWING_MUA_SECRET_H
#define WAXWING_MUA_SECRET_H

#include "mua/account.h"

enum { PASSWORD_MAX = 1024 };

/* Complains itself.  may_ask: the terminal is ours.  The caller wipes it (buf_wipe).
 * ST_MISSING (nothing has it), ST_DENIED (the command failed), ST_LIMIT. */
enum status password_of(const struct account *a, bool may_ask, struct buf *ret) MUST_USE;
/* From the terminal, not shown; without one, the first line of standard input. */
enum status password_ask(const char *whose, struct buf *ret) MUST_USE;

/* ST_DENIED: the kernel does not want to (a container, a quota). */
enum status keyring_put(const struct account *a, struct view password) MUST_USE;
enum status keyring_forget(const struct account *a) MUST_USE;

#endif
