/* parent.h - the process that starts the others.
 *
 * Reads the configuration, binds the ports, starts every role as a program
 * of its own, joins them by channels, restarts what dies, and hands the
 * operator's commands on.  It parses nothing that comes from the network.
 */
#ifndef WAXWING_PARENT_PARENT_H
#define WAXWING_PARENT_PARENT_H

#include "base/map.h"
#include "conf/conf.h"
#include "ipc/records.h"

#include <dirent.h>

enum { LISTENERS_MAX = 64, DOORS_MAX = 64, RELAYS_MAX = 64, SPARES_MAX = 1000, PICKUPS_MAX = 8 };

/* One process of ours, alive or to be started again. */
struct child {
	struct parent *parent;
	enum role role;
	uint32_t index;
	uint64_t account;
	int pid;		/* 0: not running */
	bool ready, leaving;
	struct channel ch;
	struct log_pipe *log;
	steady_ms started;
	unsigned quick_deaths;	/* in a row */
	unsigned deaths;	/* in all */
	steady_ms asked_to_go;	/* a room: when */
	uint64_t joined;	/* a room: the doors that have a channel to it */
	struct timer again;
	struct waiter *waiters;	/* of a room: who wants a channel once it can be given */
};

/* The doors that hold sessions of an account, live or parked: each room of
 * it that starts is joined with them, so that they hear what changes. */
struct holder {
	uint64_t account;
	uint64_t doors;		/* set of 1 << index */
};

/* Somebody who asked for a room that is leaving. */
struct waiter {
	struct waiter *next;
	enum role role;
	uint32_t index;
	bool url;		/* only for what URLs name, for that session */
	uint64_t sid;
};

struct listener {
	int fd;
	enum service service;
	char *address;
};

/* A room that runs and does not know yet whose it is. */
struct spare {
	int pid;
	int fd;		/* our end of its channel; -1: dismissed, and about to end */
	struct log_pipe *log;
};

/* A letter of the drop folder that a process hands in as its owner. */
struct pickup {
	int pid;		/* 0: none */
	uint32_t uid;
	char name[DROP_KEY + 1];
	steady_ms until;
};

/* Letters of users of this machine: local.c, drop.c. */
struct local {
	struct watch submit;	/* the socket */
	uint32_t next_door;
	int drop;		/* the folder, or -1 */
	int program;		/* waxwing-sendmail, or -1 */
	struct watch changes;	/* of the folder */
	struct timer look;
	struct pickup pickups[PICKUPS_MAX];
	struct map failed;	/* name as a number -> when it may be tried again */
	DIR *sweep;		/* the folder, half looked through; NULL: at its end */
	uint64_t swept;		/* entries of it so far */
	steady_ms next_sweep;
	bool news;		/* there is more since it began */
	struct map owners;	/* uid -> struct drop_owner */
	size_t next_owner;	/* whose turn it is, in the map */
};

/* What a user of this machine has in the drop folder. */
struct drop_owner {
	uint32_t uid;
	uint64_t files, bytes;	/* of this sweep */
	uint32_t said;		/* lines of the log about it */
	char (*names)[DROP_KEY + 1];	/* those that come next */
	uint32_t n, cap;
};

struct parent {
	struct conf conf;
	char programs[ROLE_COUNT][32];	/* what each role is started from, */
	char room_encrypting[32];	/* and a room that has ROLE_ENCRYPT_FILE, */
	int filters[ROLE_COUNT];	/* and the filter of its system calls */
	struct loop *loop;
	struct child warden, queue, names;
	struct child *doors;
	uint32_t n_doors;
	struct child *relays;
	uint32_t n_relays;
	struct map rooms;	/* account -> struct child */
	size_t n_rooms;
	struct map holders;	/* account -> struct holder */
	struct map resting;	/* account -> who keeps its room from starting: control.c */
	struct spare spares[SPARES_MAX];
	size_t n_spares;
	bool spares_full;	/* since the start they were once */
	steady_ms spares_late;	/* when they are replaced, calm or not; 0: none is missing */
	struct timer spare_due;
	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct watch signals, control;
	/* issuer.c: what asks an issuer of certificates for those that are due. */
	struct {
		char program[32];
		int pid;	/* 0: it does not run */
		struct timer timer;
	} issuer;
	struct local local;
	struct turn_hook logs;
	struct {			/* logpipe.c */
		struct watch pipes;	/* a set of descriptors that is one itself */
		struct timer pause;
		struct buf lines;	/* to be written */
	} log;
	struct timer last_wait, log_look;
	bool stopping, announced;
	steady_ms started;
};

/* `waxwing serve`: runs until SIGTERM or SIGINT; the exit status. */
int parent_serve(const char *dir);

/* child.c: goes on as the program waxwing-parent, which is only that and
 * needs few libraries.  Returns where there is none. */
void parent_become(const char *dir);

/* child.c: finds the program that each role is started from, and that of commands. */
void parent_find_programs(struct parent *p);
/* Works out which system calls each may make.  ST_NOMEM, ST_DENIED. */
enum status parent_make_filters(struct parent *p) MUST_USE;

/* child.c: start it (again), and join it with its peers. */
enum status child_start(struct child *c) MUST_USE;
void child_stop(struct child *c, uint8_t reason);
/* The program of a role, with fd as its channel to us and a pipe for its part of the log. */
enum status child_spawn(struct parent *p, enum role which, const char *program, const char *name,
			const char *role, int fd, struct log_pipe **ret_log, int *ret_pid) MUST_USE;
/* What those that we start see of our environment. */
char **child_environment(void);
/* Give each of the two a channel to the other. */
void child_join(struct child *a, struct child *b);

/* room.c: a channel between that process and the room of the account, which
 * is started where it does not run. */
void parent_open_room(struct parent *p, uint64_t account, enum role role, uint32_t index);
/* To that door and to the room, which is started where there is none: a channel
 * for what URLs name, of that session. */
void parent_open_url(struct parent *p, uint64_t account, uint32_t door, uint64_t sid);
/* child.c: letters of the account that are stored encrypted are so to that certificate, from
 * the next start of its room on. */
void parent_encrypt_to(struct parent *p, uint64_t account, struct view certificate);
/* That door holds no session of that account (any more). */
void parent_room_done(struct parent *p, uint64_t account, uint32_t door);
/* That door has ended, and all that it held. */
void parent_door_ended(struct parent *p, uint32_t door);
/* The room of that account ended before it was ready: the queue hears that. */
void parent_room_failed(struct parent *p, uint64_t account);
/* The process of a room has ended. */
void parent_room_ended(struct child *c);

/* spare.c: as many as the settings say, started when nothing else is. */
void parent_spares_begin(struct parent *p);
/* The oldest one; false: there is none.  The caller owns fd and log. */
bool parent_take_spare(struct parent *p, struct spare *ret);
/* All end; others take their place (not when stopping). */
void parent_dismiss_spares(struct parent *p);
/* Was that process one of them?  It has ended. */
bool parent_spare_ended(struct parent *p, int pid);

/* listen.c: bind what conf wants and is not bound yet.  On failure nothing
 * has changed, and why says what.  ST_SYNTAX, ST_LIMIT, ST_DENIED, ST_IO. */
enum status parent_listen(struct parent *p, const struct conf *wanted, struct buf *why) MUST_USE;
/* Close what conf does not want any more, and tell the doors. */
void parent_unlisten(struct parent *p, const struct conf *wanted);
/* To one door: all listeners from the first-th on. */
void parent_give_listeners(struct parent *p, struct child *door, size_t first);

/* logfile.c: standard error becomes the log; again; and a look at its size from
 * time to time. */
enum status parent_log_open(struct parent *p) MUST_USE;
void parent_log_reopen(struct parent *p);
void parent_log_watch(struct parent *p);

/* logpipe.c: the lines of the others.  A pipe for one of them, whose end is given
 * to it and then closed here; much: for one that says much. */
enum status parent_log_begin(struct parent *p) MUST_USE;
enum status parent_log_pipe(struct parent *p, bool much, struct log_pipe **ret, int *ret_end) MUST_USE;
/* Who it is: its index, a room's account (0: nobody's yet). */
void parent_log_name(struct log_pipe *l, enum role role, uint64_t number, int pid);
/* It has ended: what it still said is written.  *of becomes NULL; may be it. */
void parent_log_end(struct parent *p, struct log_pipe **of);

/* reach.c: can the user ids of the processes pass every folder on the way to
 * the instance?  ST_DENIED, and why names the folder and what to do. */
enum status parent_reachable(const struct conf *c, struct buf *why) MUST_USE;

/* keys.c: the files of tls.certificate and tls.key, for warden. */
void parent_give_keys(struct parent *p);
/* keys/dkim, keys/smime and what root has made in them belongs to warden. */
void parent_own_key_folders(const struct conf *c, uint32_t uid);

/* control.c: the socket of waxwing(8). */
enum status parent_control_open(struct parent *p) MUST_USE;
void parent_control_close(struct parent *p);

/* local.c: the folder local/, in which users of this machine reach us: the
 * socket, and the drop folder for while we do not run. */
enum status parent_local_open(struct parent *p) MUST_USE;
void parent_local_close(struct parent *p);
/* local/about, which tells them what they must know of the settings. */
void parent_local_about(struct parent *p);

/* drop.c: hand in what lies in the drop folder, now and whenever there is more. */
enum status parent_drop_open(struct parent *p) MUST_USE;
void parent_drop_begin(struct parent *p);
/* The queue begins, and has the letter of that file. */
void parent_drop_asked(struct parent *p, struct view id);
/* Was that process one of those that hand in? */
bool parent_pickup_ended(struct parent *p, int pid, int status);

/* issuer.c: renew certificates of an issuer elsewhere, from now on. */
void parent_issuer_begin(struct parent *p);
/* Was that process what does it? */
bool parent_issuer_ended(struct parent *p, int pid, int status);
void parent_issuer_stop(struct parent *p);

/* notify.c: "READY=1" and the like, where systemd wants to know. */
void notify_manager(const char *state);

/* The child with that role and index (account for rooms), or NULL. */
struct child *parent_child(struct parent *p, enum role role, uint64_t index);

/* A child died or closed its channel; dispatch of what children say. */
void parent_receive(struct channel *ch, struct record *rec);
void parent_child_gone(struct channel *ch);

#endif
