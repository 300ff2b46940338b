/* internal.h - what the files of the queue process share. */
#ifndef WAXWING_MTA_QUEUE_INTERNAL_H
#define WAXWING_MTA_QUEUE_INTERNAL_H

#include "base/map.h"
#include "base/ring.h"
#include "ipc/attempt.h"
#include "ipc/envelope.h"
#include "mta/queue/share.h"
#include "mta/queue/spool.h"
#include "role/role.h"

/* Letters in hand of one room at a time; rooms asked for at a time. */
enum { ROOM_WINDOW = 64, ROOM_WINDOW_BYTES = 2 * 1024 * 1024, ROOMS_ASKED = 64 };

/* How long to wait before a room is tried again that died, or that failed or
 * refused a letter; doubled each time, up to the most.  A letter that its
 * room (or a relay) died of DEADLY times is set aside for longer. */
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

enum { DOORS_MAX = 64, RELAYS_MAX = 64 };

/* What became of a recipient elsewhere is on disk so soon after.  Another
 * host does not know a letter again: what is lost in between is sent twice. */
enum { SETTLE_MS = 5 };

enum recipient_state {
	WAITING,
	HANDED,			/* a room or a relay has it in hand */
	DELIVERED,		/* a room has it, not yet flushed */
	DEFERRED,
	FAILED,			/* for good, and the sender is still to be told */
	SENT,			/* it got there, and the sender is still to be told */
	DONE,
};

/* What the sender was told of a delay. */
enum told { TOLD_NOTHING, TOLD_SOON, TOLD };

/* What a report that is being written says of a recipient. */
enum { REPORTS_END = 1, REPORTS_DELAY = 2 };

/* A host's last word on a recipient, shared by all that got the same. */
struct reply {
	uint64_t key;
	uint32_t refs;
	uint32_t n;
	char bytes[];		/* struct attempt_result, for recipient 0 */
};

struct handover {
	struct ring link;	/* in its lane's list for its state, or in its trip */
	struct letter *letter;
	union {
		struct lane *lane;	/* a local recipient's */
		struct trip *trip;	/* NULL: it is settled, or its letter is held */
	};
	struct reply *reply;	/* or NULL */
	steady_ms after;	/* DEFERRED in a lane: not before */
	uint32_t recipient;
	uint8_t state;		/* enum recipient_state */
	uint8_t tries;		/* refused, or its room died of it */
	uint8_t told;		/* enum told */
	uint8_t reporting;	/* REPORTS_* */
	uint8_t notify;
	bool local;
};

struct letter {
	uint64_t id;
	struct spool_place at, progress_at;
	struct ring by_age, by_place;	/* in struct queue; by_age: in early, until it may leave */
	struct ring by_deadline;	/* in struct queue's deadlines */
	struct ring trips;
	char *route;			/* the operator's, or NULL */
	uint64_t sender;		/* whose turn it uses (share_hash) */
	uint64_t report_id;		/* of the report on its way */
	wall_ms received;		/* or when it might leave: its age counts from then */
	wall_ms release;		/* not before; 0: it may leave */
	wall_ms deliver_by;		/* RFC 2852; 0: never late */
	uint32_t owed;			/* recipients not DONE */
	uint32_t n;
	int fd;				/* the door's sealed memory file, or -1 */
	int8_t priority;
	char by_mode;			/* 'R', 'N', or 0 */
	bool by_trace;
	uint8_t released;		/* of enum progress_hold: what the operator said */
	bool suspect;			/* enum hold: it came held */
	bool held_back;			/* it asks for REQUIRETLS, and is held where a host cannot do that: */
	bool lacking;			/* one could not */
	bool held, dirty, null_sender, warned;
	bool dropped;			/* waits until its file in the drop folder is gone */
	bool to_report, in_report;	/* its sender is to be told; is, with this batch */
	steady_ms settle_at;		/* its progress is not written before */
	char name[32];			/* its id in the log lines */
	struct handover to[];
};

/* Recipients of one letter at one site. */
struct trip {
	struct task task;
	struct letter *letter;
	struct ring of_letter;
	struct ring recipients;		/* handovers not settled */
	struct attempt *attempt;	/* TASK_OUT */
	wall_ms next_at;		/* TASK_DEFERRED */
	struct timer due;
	uint8_t tries, deaths;
	bool down;			/* waits for its site, which it found closed */
};

/* A trip that a relay has in hand. */
struct attempt {
	uint64_t id;
	struct ring link;		/* of its relay */
	struct relay_link *relay;
	struct trip *trip;
};

struct relay_link {
	struct channel ch;
	struct queue *q;
	struct ring attempts;
	uint32_t out;
	bool full;			/* would not take more; soon again */
};

/* What the queue knows of one account's room. */
struct lane {
	struct queue *q;
	uint64_t account;
	struct channel ch;
	bool in_line;		/* to ask the parent, with too many before it */
	struct lane *behind;	/* in that line */
	struct ring active;	/* among those with work */
	bool asked;		/* the parent was asked for a channel */
	bool left;		/* we said that nothing more will come */
	bool progress;		/* this room has taken a letter */
	bool blamed;		/* the first in line is, for the end of the last room */
	bool flushing;
	uint32_t careful;	/* so many letters one at a time: the last room died */
	unsigned deaths, flush_failures;	/* in a row */
	steady_ms flush_after;
	uint32_t in_hand;
	uint64_t in_hand_bytes;
	struct ring line;			/* WAITING and HANDED, in order */
	struct handover *next;			/* the first that is WAITING */
	struct ring delivered;			/* wait for a flush, */
	struct handover *flushed_to;		/* and the last that one was asked for */
	struct ring deferred;
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
	struct spool_place at, progress_at;	/* where */
};

/* A report in the batch that is not yet committed. */
struct report {
	struct report *next;
	struct letter *about, *letter;
	struct spool_report spooled;
	bool ends;		/* nothing of it is owed any more then */
};

/* Queue ids, first in first out. */
struct ids {
	uint64_t *p;
	size_t n, cap;
};

struct queue {
	struct role_process proc;
	struct spool *spool;
	struct map letters;	/* queue id -> struct letter */
	struct ring by_age;	/* of those that can get too old, the oldest first */
	struct ring by_place;	/* all, as they lie in the spool */
	struct ring early;	/* those that may not leave yet, and */
	struct ring deadlines;	/* those that may be late (times.c) */
	struct timer early_due, late_due;
	struct letter *to_warn;	/* in by_age: none before it is to be warned of */
	struct map lanes;	/* account -> struct lane */
	struct ring active;	/* lanes with work */
	struct share share;	/* what goes to other hosts */
	struct map attempts;	/* number -> struct attempt */
	uint64_t next_attempt;
	struct map replies;	/* hash -> struct reply */
	struct promise *promises, **promises_end;
	struct report *reports;	/* in the batch */
	struct ids dirty;	/* letters whose progress is to be written */
	struct ids to_report;	/* letters whose senders are to be told */
	struct co *reporter;	/* waits for work, or NULL */
	bool reporting;		/* there is one */
	uint32_t held;		/* memory files of letters, */
	uint64_t held_bytes;	/* and what is in them */
	struct channel doors[DOORS_MAX];
	struct relay_link relays[RELAYS_MAX];
	struct channel warden;
	struct turn_hook commit;
	struct timer flush, settle, age, again, ask_dropped;
	struct walk *walks;	/* the operator's lists on their way */
	struct buf out;		/* the record being written */
	struct arena arena;	/* of the record being read */
	bool done_waiting;	/* DONEs are not committed yet, */
	bool commit_now;	/* and should be, letters or not */
	bool tidy;		/* and old segments be looked at */
	uint32_t promised;	/* letters in promises */
	struct known *known;	/* owed at the start, by envelope */
	size_t n_known, cap_known;
	struct map dropped;	/* hash of the letter's id -> its queue id */
	struct timer forget;
	uint32_t asked;		/* rooms asked for and not yet there */
	struct lane *line, **line_end;	/* who asks next */
};

static inline steady_ms queue_now(const struct queue *q)
{
	return loop_now(q->proc.loop);
}

/* queue.c: flush and commit no later than in so many ms. */
void queue_flush_in(struct queue *q, uint64_t ms);
/* The same for what became of recipients elsewhere. */
void queue_settle_in(struct queue *q, uint64_t ms);
void queue_timer(struct queue *q, struct timer *t, steady_ms at);
/* There is no memory to remember by what is owed.  It lies in the spool, where
 * the next queue finds it: this one ends. */
void queue_give_up(struct queue *q, const char *what);

/* queue.c: an empty one, that nobody is connected with; NULL: no memory. */
struct queue *queue_new(void) MUST_USE;

/* intake.c: letters from doors, group commit. */
void queue_take_letter(struct queue *q, struct channel *ch, struct record *rec);
void queue_commit(struct turn_hook *h);
/* A letter that was just committed: from now on it is on its way. */
void queue_keep(struct queue *q, struct letter *l);
/* The door or relay on that channel is gone: nobody waits for its answers. */
void queue_nobody_waits(struct queue *q, const struct channel *ch);
enum status queue_found(void *arg, uint64_t id, const struct spool_place *at, struct view envelope,
			const struct spool_place *progress_at, struct view progress);

/* letter.c */
struct letter *letter_new(const struct queue *q, const struct envelope *e);
void letter_free(struct queue *q, struct letter *l);
/* It is in the spool: from now on it is owed.  ST_NOMEM. */
enum status letter_add(struct queue *q, struct letter *l) MUST_USE;
/* Each recipient that waits into its lane or on a trip. */
void letter_schedule(struct queue *q, struct letter *l, const struct envelope *e);
/* The same, with the envelope read from the spool. */
void letter_reschedule(struct queue *q, struct letter *l);
/* Out of all lanes and trips.  False: some are in hand. */
bool letter_unschedule(struct queue *q, struct letter *l);
/* Its progress is to be written. */
void letter_dirty(struct queue *q, struct letter *l);
/* A recipient got there, or failed for good; the letter may be gone then. */
void recipient_sent(struct queue *q, struct handover *h, bool report);
void recipient_failed(struct queue *q, struct handover *h);
/* A recipient is settled for good; the letter may be gone then. */
void letter_settled(struct queue *q, struct letter *l);
/* Gives back the memory file that the letter came in. */
void letter_let_go(struct queue *q, struct letter *l);
/* A long letter's bytes: the memory file that the door filled, where it is
 * still held, or a new one. */
enum status letter_file(struct queue *q, struct letter *l, int *ret_fd) MUST_USE;
/* Set aside for half an hour, never lost. */
void letter_log_held(const struct letter *l, const char *why);
bool letter_too_old(const struct queue *q, const struct letter *l);
/* Senders who want to hear of delays are told of this one, once. */
void letter_tell_delay(struct queue *q, struct letter *l);
/* Letters that have become too old, or old enough to tell of. */
void letter_ages(struct timer *t);
void letters_reloaded(struct queue *q);
/* What of it is done, for the spool; ends: as it is when the report on its
 * way is committed.  Empty: nothing is owed any more. */
enum status letter_progress(struct queue *q, const struct letter *l, bool ends, struct buf *out) MUST_USE;
/* A letter found in the spool, as it stood then; it may be gone then.  ST_SYNTAX, ST_NOMEM. */
enum status letter_take_progress(struct queue *q, struct letter *l, const struct envelope *e,
				 struct view progress) MUST_USE;

/* The letter and its progress once more into the batch, and, once that is
 * committed, from now on there. */
enum status letter_copy(struct queue *q, const struct letter *l, struct spool_place *ret_at,
			struct spool_place *ret_progress_at) MUST_USE;
void letter_moved(struct queue *q, struct letter *l, const struct spool_place *at,
		  const struct spool_place *progress_at);
/* After the opening, which tells of letters by their ids: one that was moved
 * lies behind younger ones.  ST_NOMEM. */
enum status letters_by_place(struct queue *q) MUST_USE;

/* times.c */
void times_init(struct queue *q);
/* It waits until it may leave: in by_age's place. */
void times_early(struct queue *q, struct letter *l);
/* Its time is looked after, where it has one. */
void times_deadline(struct queue *q, struct letter *l);
/* It was to come back rather than to be so late. */
bool letter_is_late(const struct letter *l);

/* reply.c: NULL where there is no memory: it is then as if none had come. */
struct reply *reply_of(struct queue *q, const struct attempt_result *r);
struct reply *reply_again(struct reply *r);
void reply_drop(struct queue *q, struct reply *r);
/* Empty fields for NULL. */
struct attempt_result reply_read(const struct reply *r);
void handover_reply(struct queue *q, struct handover *h, struct reply *r);

/* Also reply.c.  ST_NOMEM. */
enum status ids_add(struct ids *ids, uint64_t id) MUST_USE;

/* known.c: letters that were owed at the start, each told once; then begin. */
enum status known_add(struct queue *q, uint64_t id, struct view envelope, uint64_t size) MUST_USE;
void known_begin(struct queue *q);
/* The queue id of a letter that is offered again, or 0. */
uint64_t known_find(const struct queue *q, struct view envelope, uint64_t size);
/* Before the commit, and after one that worked: is it kept? */
void known_write_again(struct queue *q, struct promise *p);
enum status known_kept(struct queue *q, const struct promise *p) MUST_USE;

/* dropped.c: letters of the drop folder.  One that was owed at the start, or is
 * put into the batch now (after map_reserve of q->dropped). */
enum status dropped_note(struct queue *q, struct letter *l) MUST_USE;
void dropped_ask(struct timer *t);
/* The batch failed. */
void dropped_forget(struct queue *q, const struct letter *l);
/* The queue id of one that is noted, or 0. */
uint64_t dropped_find(struct queue *q, struct view envelope);
/* Its file is gone. */
void dropped_go(struct queue *q, struct view id);

/* lane.c: handing over to rooms. */
enum status lane_add(struct queue *q, uint64_t account, struct handover *h) MUST_USE;
void lane_connected(struct queue *q, uint64_t account, int fd);
void lane_failed(struct queue *q, uint64_t account);
/* True while something waits for a flush. */
bool lane_flush_all(struct queue *q);
/* It is in no lane any more. */
void lane_remove(struct handover *h);
/* Put off no longer. */
void lane_hurry(struct handover *h);

/* remote.c: handing over to relays. */
void remote_init(struct queue *q);
void remote_reloaded(struct queue *q);
/* By the operator's route of the letter, or relay.routes, or else DNS. */
enum status remote_add(struct queue *q, struct letter *l, uint32_t recipient, struct view sender,
		       struct view address) MUST_USE;
void remote_start(struct queue *q, struct letter *l);
/* As many attempts as may be. */
void remote_run(struct queue *q);
void remote_relay(struct queue *q, uint32_t index, int fd);
/* A recipient leaves its trip. */
void remote_remove(struct queue *q, struct handover *h);
void trip_end(struct queue *q, struct trip *t);
void remote_hurry(struct queue *q, struct letter *l);
/* All that waits there is tried now.  False: nothing does. */
bool remote_try_all(struct queue *q, struct view site);

/* site_name.c: the site of an address (ipc/attempt.h).  ST_SYNTAX: its domain is no
 * name. */
enum status site_name(struct view address, struct buf *out) MUST_USE;

/* report.c: the sender is told.  Does somebody want to hear it (NOTIFY_*)? */
bool report_wanted(const struct letter *l, const struct handover *h, unsigned what);
void report_soon(struct queue *q, struct letter *l);
/* What the commit said of the reports in the batch. */
void reports_committed(struct queue *q, enum status st);
/* Begins to tell: what waits, and what comes. */
void reporter_start(struct queue *q);

/* command.c: what waxwing(8) asks. */
enum verdict queue_command(struct role_process *p, struct channel *ch, const struct rec_command *cmd);
/* The letter goes: a list that stands at it goes on behind it. */
void walks_step_over(struct queue *q, const struct letter *l);

#endif
