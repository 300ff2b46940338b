/* submit.h - a letter to the running server, over local/submit.
 *
 * Blocking.  A step of the server takes ten minutes at most.
 */
#ifndef WAXWING_SENDMAIL_SUBMIT_H
#define WAXWING_SENDMAIL_SUBMIT_H

#include "sendmail/letter.h"

/* A letter on its way out. */
struct outgoing {
	struct view sender;		/* empty: the null one */
	struct recipients to;
	struct view notify, ret, envid;	/* as MAIL and RCPT take them (RFC 3461), or empty */
	struct view key;		/* of its file in the drop folder, or empty */
	bool for_account;		/* handed in for the account of the sender, by whom the server belongs to */
	struct view letter;
};

/* What a server said no to. */
struct refusal {
	struct view address;		/* a recipient; VIEW_NONE: the letter as a whole */
	int exit;			/* of sysexits.h */
	struct view status, text;	/* "5.1.1", or empty; and what it said */
};

struct outcome {
	struct recipients later;	/* for these it has to be tried again */
	struct refusal *refused;
	size_t n_refused;
	size_t taken;			/* recipients for whom the server has it */
	bool in_doubt;			/* it had the whole letter and did not answer */
};

struct server;

/* ST_CLOSED: none runs here, or it takes nothing now. */
enum status server_open(const char *dir, bool verbose, struct server **ret) MUST_USE;
void server_close(struct server *s);
/* The connection itself. */
int server_connect(const char *dir);

/* Everything in *ret lies in the arena.  ST_OK: *ret says all of it, also of
 * what has to wait.  ST_NOMEM. */
enum status server_submit(struct server *s, const struct outgoing *o, struct arena *a,
			  struct outcome *ret) MUST_USE;

#endif
