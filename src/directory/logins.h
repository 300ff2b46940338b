/* logins.h - what `waxwing account log` shows: each login of an account, and
 * each that failed.  A database of its own, directory/logins.db.
 *
 * Warden writes; events are gathered and committed together by
 * login_log_flush, which warden calls a second after the first of them, so
 * that no login waits for the disk.  What is alike within that second is one
 * row with a count.
 *
 * Limits: `keep` rows of each account that were right, and as many that were
 * wrong, so that a guesser cannot push out who was there; LOGIN_PENDING events
 * a flush (more are dropped and counted).
 */
#ifndef WAXWING_DIRECTORY_LOGINS_H
#define WAXWING_DIRECTORY_LOGINS_H

#include "base/clock.h"
#include "base/status.h"
#include "base/view.h"

enum { LOGIN_PENDING = 2048, LOGIN_PEER_MAX = 64, LOGIN_WORD_MAX = 32, LOGIN_TLS_MAX = 80 };

struct login_event {
	wall_ms at;
	uint64_t account;
	uint64_t times;
	bool right;
	char service[LOGIN_WORD_MAX], peer[LOGIN_PEER_MAX], mechanism[LOGIN_WORD_MAX], tls[LOGIN_TLS_MAX],
		result[LOGIN_WORD_MAX], app[LOGIN_PEER_MAX + 1];
};

struct login_log;

/* The errors of sql.h. */
enum status login_log_open(const char *path, struct login_log **ret) MUST_USE;
void login_log_close(struct login_log *l);

/* True when it is the first since the last flush.  Allocates nothing. */
bool login_log_add(struct login_log *l, const struct login_event *e);
/* *ret_lost: events that found no room since the last one. */
enum status login_log_flush(struct login_log *l, int64_t keep, uint64_t *ret_lost) MUST_USE;

/* The newest first. */
typedef void login_log_row(void *arg, const struct login_event *e);
enum status login_log_each(struct login_log *l, uint64_t account, login_log_row *row, void *arg) MUST_USE;

#endif
