/* dialog.h - what the hosts of the lab say: their logs as they grow, and what
 * the lines of SMTP mean.
 */
#ifndef WAXWING_ADMIN_LAB_DIALOG_H
#define WAXWING_ADMIN_LAB_DIALOG_H

#include "admin/lab/lab.h"
#include "admin/logline.h"

/* ---- the logs (tail.c) ---- */

struct lab_tails;

/* Begins at the ends of all logs.  NULL: no memory. */
struct lab_tails *lab_tails_open(const struct lab *l);
void lab_tails_close(struct lab_tails *t);

/* Calls line for each line that came since the last time, of all hosts, in
 * order of time.  How many. */
size_t lab_tails_poll(struct lab_tails *t,
		      void (*line)(void *arg, const struct lab_place *at, const struct log_line *l), void *arg);

/* ---- sessions and their lines (turn.c) ---- */

/* What happened, said in a way that people read: one turn of a session. */
struct lab_turn {
	const struct lab_place *at;	/* the host that was spoken to */
	char who[64];			/* who spoke to it: a domain of the lab, or "a mail program" */
	char by;			/* 'C' client, 'S' server, '*' something that happened */
	bool tls;			/* said under TLS */
	const char *layer;		/* "TCP", "TLS", "SMTP", "message" */
	struct buf text;		/* the line, or what happened */
	const char *explanation;	/* static; NULL: none */
};

struct lab_sessions;
struct lab_sessions *lab_sessions_new(const struct lab *l);
void lab_sessions_free(struct lab_sessions *s);

/* A line of a log as a turn; false where it is none.  Owner of turn->text is
 * the caller.  sid: only of this session (hexadecimal), or NULL. */
bool lab_turn_of(struct lab_sessions *s, const struct lab_place *at, const struct log_line *l, const char *sid,
		 struct lab_turn *ret);

json_t *lab_turn_json(const struct lab_turn *t, struct view time);
/* For people; time is RFC 3339.  Says between whom it is when that changes. */
void lab_turn_print(struct lab_sessions *s, const struct lab_turn *t, struct view time, bool explain);

/* ---- what it means (explain.c) ---- */

/* Of a line that the client ('C') or the server ('S') said, or of what
 * happened ('*').  NULL: nothing is known of it.  *ret_layer where it
 * belongs. */
const char *lab_explain(char by, struct view line, const char **ret_layer);

/* ---- giving a letter to the host of its sender (submit.c) ---- */

/* By submission over TLS (RFC 8314), with a password.  id: the letter's name
 * there; why: what was said against it.  ST_DENIED (a reply said no),
 * ST_IO. */
enum status lab_submit(const struct lab *l, const struct lab_place *p, const char *from, const char *to,
		       struct buf *id, struct buf *why) MUST_USE;

#endif
