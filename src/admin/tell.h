/* tell.h - talking with the operator: complaints, questions, passwords. */
#ifndef WAXWING_ADMIN_TELL_H
#define WAXWING_ADMIN_TELL_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/status.h"

/* One line to standard error, with "waxwing: " before it. */
void tell(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Why something failed, in the operator's terms: a list that ends with
 * ST_OK. */
struct reason {
	enum status st;
	const char *text;
};

/* Says "WHAT: why" by the list, or else by the status' own name; FAILED. */
int complain(const char *what, enum status st, const struct reason *reasons);

/* Asks on the terminal; true only for a yes.  Without a terminal it says
 * that --yes is needed, and the answer is no. */
bool ask_yes(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* --days N: *ret_since is so long ago; without it (NULL) it stays as it is.  False:
 * it has complained. */
bool take_days(const char *given, wall_ms *ret_since);

enum { PASSWORD_LEAST = 1, PASSWORD_MOST = 1024 };

/* A password from the terminal (not shown, twice), or the first line of
 * standard input.  Complains itself.  The caller wipes ret (buf_wipe). */
enum status read_password(bool from_stdin, const char *whose, struct buf *ret) MUST_USE;

#endif
