/* role.h - how every process but the parent begins.
 *
 *     role_begin      settings from the parent (descriptor 3), log, clock
 *     ...             the role opens its own files
 *     role_lock_in    user id, Landlock, seccomp: nothing more can be opened
 *     role_run        channels, "ready", the loop, until the parent says stop
 */
#ifndef WAXWING_ROLE_ROLE_H
#define WAXWING_ROLE_ROLE_H

#include "base/sandbox.h"
#include "conf/conf.h"
#include "ipc/records.h"

/* The descriptors of a fresh process: the channel to the parent, and a sealed
 * file with the filter of its system calls (struct sandbox_filter's ops). */
enum { ROLE_PARENT_FD = 3, ROLE_FILTER_FD = 4 };

/* `--role` of a room that is started before it is known whose it is. */
#define SPARE_ROOM "spare"

struct role_process {
	enum role role;
	uint32_t index;
	uint64_t account;	/* a room's */
	struct conf conf;
	struct loop *loop;
	struct channel parent;
	bool stopping;
	/* A record from the parent other than stop.  Owner of rec->fd is this. */
	void (*receive)(struct role_process *p, struct record *rec);
	/* Settings were read again. */
	void (*reloaded)(struct role_process *p);
	/* The operator asks (waxwing(8), handed on by the parent): rows by
	 * role_row, then the verdict.  Runs in a coroutine and may wait; the
	 * channel may be closed meanwhile.  NULL: answers nothing. */
	enum verdict (*command)(struct role_process *p, struct channel *ch, const struct rec_command *cmd);
	/* Asked to stop: finish and then call loop_stop.  NULL: stop at once. */
	void (*stop)(struct role_process *p);
};

/* Exits with a line in the log when something is wrong. */
void role_begin(struct role_process *p, enum role role);
void role_lock_in(struct role_process *p);	/* walls.h */
void role_run(struct role_process *p);

/* The user id that a role runs under: uid_base + a fixed place, and for rooms
 * one for each account; 0 where not started as root. */
uint32_t role_uid(const struct conf *c, enum role role, uint64_t account);

/* Send a record made by one of rec_put_*; a failure is logged and returned. */
enum status role_send(struct channel *ch, const struct buf *b, int fd);

/* One row of the answer to a command, a JSON object. */
void role_row(struct channel *ch, struct view json);

/* For answers of very many rows: waits while too many are not read yet.
 * ST_CLOSED: nobody reads them any more. */
enum status role_rows_wait(struct channel *ch) MUST_USE;

/* In mail/ACCOUNT: the certificate (DER) that what arrives for the account is
 * encrypted to; not there: nothing is. */
#define ROLE_ENCRYPT_FILE "encrypt.der"

#endif
