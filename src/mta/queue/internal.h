/* internal.h - what the files of the queue process share. */
#ifndef WAXWING_MTA_QUEUE_INTERNAL_H
#define WAXWING_MTA_QUEUE_INTERNAL_H

#include "base/map.h"
#include "ipc/envelope.h"
#include "mta/queue/spool.h"
#include "role/role.h"

/* Letters in hand of one room at a time; rooms asked for at a time. */
enum { ROOM_WINDOW = 64, ROOM_WINDOW_BYTES = 2 * 1024 * 1024, ROOMS_ASKED = 64 };

/* How long to wait before a room is tried again that died, or that failed or
 * refused a letter; doubled each time, up to the most.  A letter that its
 * room died of DEADLY times is set aside for longer. */
enum { ROOM_GONE_MS = 20, ROOM_AGAIN_MS = 1000, PAUSE_MOST_MS = 60000, DEADLY = 5, HELD_MS = 1800000 };

/* A room is asked for again when the parent has not answered for so long. */
enum { ROOM_ASKED_MS = 10000 };

/* Bytes of letters moved to a new segment at a time (spool_copy). */
enum { MOVE_BYTES = 8 * 1024 * 1024, MOVE_LETTERS = 1024 };

/* How long a letter that was owed at the start is known by its envelope; no
 * door offers one again for so long (mta/in/letter.c). */
enum { KNOWN_MS = 600000 };

/* Doors' memory files that are held until the room has them. */
enum { HELD_MAX = 256, HELD_BYTES = 64 * 1024 * 1024 };

enum recipient_state { WAITING, HANDED, DELIVERED, DEFERRED, DONE };

struct handover {
	struct letter *letter;
	uint32_t recipient;
	enum recipient_state state;
	uint8_t tries;		/* refused, or its room died of it */
	steady_ms after;	/* DEFERRED: not before */
	struct handover *next;	/* in its lane's list for that state */
};

struct letter {
	uint64_t id;
	struct spool_place at;
	uint32_t owed;		/* recipients not DONE */
	uint32_t n;
	int fd;			/* the door's sealed memory file, or -1 */
	char name[32];		/* its id in the log lines */
	struct handover to[];
};

/* What the queue knows of one account's room. */
struct lane {
	struct queue *q;
	uint64_t account;
	struct channel ch;
	bool in_line;		/* to ask the parent, with too many before it */
	struct lane *behind;	/* in that line */
	bool asked;		/* the parent was asked for a channel */
	bool left;		/* we said that nothing more will come */
	bool progress;		/* this room has taken a letter */
	bool flushing;
	uint32_t careful;	/* so many letters one at a time: the last room died */
	unsigned deaths, flush_failures;	/* in a row */
	steady_ms flush_after;
	uint32_t in_hand;
	uint64_t in_hand_bytes;
	struct handover *first, **last;		/* WAITING and HANDED, in order */
	struct handover *next;			/* the first that is WAITING */
	struct handover *delivered, *flushed_to;	/* wait for a flush */
	struct handover *deferred;
	struct timer again, due;
};

/* A door's letter whose answer waits for the commit. */
struct promise {
	struct promise *next;
	struct channel *ch;	/* NULL: its door is gone */
	uint32_t call;
	uint64_t sid;
	struct letter *letter;	/* NULL: one that is kept already, */
	uint64_t known;		/* under this queue id; */
	enum status copied;	/* was it written again? */
	struct spool_place at;	/* where */
};

struct queue {
	struct role_process proc;
	struct spool *spool;
	struct map letters;	/* queue id -> struct letter */
	struct map lanes;	/* account -> struct lane */
	struct promise *promises, **promises_end;
	uint32_t held;		/* memory files of letters, */
	uint64_t held_bytes;	/* and what is in them */
	struct channel doors[64];
	struct turn_hook commit;
	struct timer flush;
	struct buf out;		/* the record being written */
	struct arena arena;	/* of the record being read */
	bool done_waiting;	/* DONEs are not committed yet, */
	bool commit_now;	/* and should be, letters or not */
	uint32_t promised;	/* letters in promises */
	struct known *known;	/* owed at the start, by envelope */
	size_t n_known, cap_known;
	struct timer forget;
	uint32_t asked;		/* rooms asked for and not yet there */
	struct lane *line, **line_end;	/* who asks next */
};

/* intake.c: letters from doors, group commit. */
void queue_take_letter(struct queue *q, struct channel *ch, struct record *rec);
void queue_commit(struct turn_hook *h);
/* The door on that channel is gone: nobody waits for its answers. */
void queue_door_gone(struct channel *ch);
enum status queue_found(void *arg, uint64_t id, const struct spool_place *at, struct view envelope);

/* known.c: letters that were owed at the start, each told once; then begin. */
enum status known_add(struct queue *q, uint64_t id, struct view envelope, uint64_t size) MUST_USE;
void known_begin(struct queue *q);
/* The queue id of a letter that is offered again, or 0. */
uint64_t known_find(const struct queue *q, struct view envelope, uint64_t size);
/* Before the commit, and after one that worked: is it kept? */
void known_write_again(struct queue *q, struct promise *p);
enum status known_kept(struct queue *q, const struct promise *p) MUST_USE;

/* lane.c: handing over to rooms. */
enum status lane_add(struct queue *q, uint64_t account, struct handover *h) MUST_USE;
void lane_run(struct lane *l);
void lane_connected(struct queue *q, uint64_t account, int fd);
void lane_failed(struct queue *q, uint64_t account);
/* True while something waits for a flush. */
bool lane_flush_all(struct queue *q);
/* It is in no lane any more. */
void lane_remove(struct queue *q, struct handover *h);
/* queue.c: flush and commit no later than in so many ms. */
void queue_flush_in(struct queue *q, uint64_t ms);
/* There is no memory to remember by what is owed.  It lies in the spool, where
 * the next queue finds it: this one ends. */
void queue_give_up(struct queue *q, const char *what);
void letter_settled(struct queue *q, struct letter *l);
/* Gives back the memory file that the letter came in. */
void letter_let_go(struct queue *q, struct letter *l);

/* command.c: what waxwing(8) asks. */
enum verdict queue_command(struct role_process *p, struct channel *ch, const struct rec_command *cmd);

#endif
