/* sync.h - making the local copy and the server the same (RFC 4549).
 *
 * First the server is told what the person did here (copy_pending), then the
 * copy is told what happened there, and letters that wait are sent.  Every
 * step is whole on disk before the next one, so that a sync may end anywhere;
 * the next one goes on from there.  What did not change is not spoken of: a
 * folder whose UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ are the same is passed
 * over, flags and removals come by QRESYNC or CONDSTORE (RFC 7162) where the
 * server has them.
 *
 * New letters come in two rounds: the headers of all, the newest first, then
 * what is missing of the bodies.  What a server says is gathered in memory
 * (GATHER_MAX octets) and put into the copy at once, so that no transaction
 * waits for the network.
 */
#ifndef WAXWING_MUA_SYNC_SYNC_H
#define WAXWING_MUA_SYNC_SYNC_H

#include "mua/place.h"

enum { FIRST_PAGE = 100, GATHER_MAX = 8 * 1024 * 1024 };

/* done of all (0: not known); false: the person wants it to end. */
typedef bool sync_progress(void *arg, struct view what, uint64_t done, uint64_t all);

struct sync {
	struct place *place;
	struct view folder;		/* only that one; empty: all */
	bool headers_only;		/* the newest FIRST_PAGE headers, and no more */
	bool no_bodies;
	bool watch;			/* go on, and look again whenever something happens */
	sync_progress *progress;	/* may be NULL */
	void *progress_arg;
	/* ---- what came of it ---- */
	uint64_t headers, bodies, flags, gone, told, refused, held, sent;
	char why[WHY_MAX];		/* where it failed */
};

/* ST_OK; ST_TIMEOUT and others as client.h; ST_AGAIN: the person ended it. */
enum status sync_run(struct sync *s) MUST_USE;

/* The body of one message that is here by its header alone.  ST_MISSING: the
 * server has it no more. */
enum status sync_fetch(struct sync *s, int64_t id) MUST_USE;

/* Options of a letter in the outbox: words with blanks between. */
#define OUT_NOTIFY "notify="		/* DSN, behind it */
#define OUT_REQUIRE_TLS "requiretls"	/* or it is held (RFC 8689) */
#define OUT_NO_COPY "nocopy"		/* another copy is kept as sent */
/* The word that is or begins so, without that; ret may be NULL.  False: it is not there. */
bool out_option(const struct copy_out *o, const char *word, struct view *ret);

/* Sends what waits in the outbox and is due; only: that one (0: all), due or
 * not.  What the server refuses for good becomes a draft, and ST_DENIED is
 * returned for `only`; ret_draft may be NULL.  What wants REQUIRETLS where it is not
 * offered is held (s->held, ST_AGAIN for `only`). */
enum status sync_outbox(struct sync *s, uint64_t only, int64_t *ret_draft) MUST_USE;

#endif
