/* screen.h - the full-screen reader.
 *
 * Reads and changes the local copies alone (copy/copy.h); all that needs the
 * network or an editor is done by the program, through struct screen_program.
 * Runs in the program's own thread until the person quits; the terminal is as
 * it was when it returns.
 *
 * UTF-8 locales; 40 columns and 10 lines at least.  Colours unless NO_COLOR is
 * set or the terminal has none (no-color.org).
 */
#ifndef WAXWING_MUA_SCREEN_SCREEN_H
#define WAXWING_MUA_SCREEN_SCREEN_H

#include "mua/copy/copy.h"
#include "mua/copy/show.h"

enum { SCREEN_ACCOUNTS_MAX = 64 };

struct screen_account {
	struct view name;
	struct copy *copy;		/* open; stays the program's */
	struct view authserv_id;	/* show.h; may be empty */
};

/* How the program tells what it does while it works: drawn in the status line.
 * done of all (all 0: not known).  False: the person wants it to end
 * (Ctrl-C, q). */
typedef bool screen_progress(void *arg, struct view what, uint64_t done, uint64_t all);

enum screen_compose { SCREEN_NEW, SCREEN_REPLY, SCREEN_REPLY_ALL, SCREEN_REPLY_LIST, SCREEN_FORWARD, SCREEN_RESUME };

/* What the program gives; any may be NULL: then the key says that it cannot be
 * done here.  Each may write one line for the person into `said` (at most 512
 * octets), shown in the status line; a failure without one is shown by its
 * status' name.  The terminal is the program's only where `terminal` is said. */
struct screen_program {
	void *arg;
	/* Sync an account now; folder 0: all.  Called from time to time with
	 * `idle` when nobody types: only what takes no time to begin. */
	enum status (*sync)(void *arg, size_t account, int64_t folder, bool idle, screen_progress *progress,
			    void *progress_arg, struct buf *said);
	/* The password of an account, where it is not known, or was refused: asks for it; the
	 * terminal is free for it.  Comes before the others, unless idle. */
	bool (*locked)(void *arg, size_t account);
	enum status (*unlock)(void *arg, size_t account, struct buf *said);
	/* Fetch the body of a message that is here by its header alone. */
	enum status (*fetch)(void *arg, size_t account, int64_t id, screen_progress *progress,
			     void *progress_arg, struct buf *said);
	/* Write a letter in the person's editor and send or queue it.  The terminal is
	 * free for it: the screen is not drawn meanwhile.  answers: message of the
	 * account, 0 for SCREEN_NEW. */
	enum status (*compose)(void *arg, size_t account, enum screen_compose how, int64_t answers,
			       struct buf *said);
	/* Send a letter on as it is, to addresses as a person writes them; the terminal is
	 * free for it. */
	enum status (*resend)(void *arg, size_t account, int64_t id, struct view to, struct buf *said);
	/* Send what waits in the outbox. */
	enum status (*flush_outbox)(void *arg, size_t account, screen_progress *progress, void *progress_arg,
				    struct buf *said);
	/* Open an attachment (already in a file) with another program; the terminal is
	 * free for it. */
	enum status (*view)(void *arg, struct view path, struct view type, struct buf *said);
	/* Give octets (a letter, or a part of it) to a shell command of the person's, and show what
	 * it says until a key is pressed; the terminal is free for it. */
	enum status (*pipe)(void *arg, struct view octets, struct view command, struct buf *said);
	/* A letter's own seal (S/MIME): one line and how good it is; a letter that is
	 * enciphered comes back in `inner`.  ST_MISSING: it has none. */
	enum status (*seal)(void *arg, size_t account, struct view letter, struct buf *line,
			    enum show_style *style, struct buf *inner);
};

struct screen_options {
	const struct screen_account *accounts;
	size_t n_accounts;
	const struct screen_program *program;
	struct view folder;		/* to begin with; empty: INBOX */
	uint32_t idle_seconds;		/* between two idle syncs; 0: never */
};

/* ST_DENIED: no terminal.  ST_LIMIT: too many accounts.  Else as copy.h. */
enum status screen_run(const struct screen_options *o) MUST_USE;

#endif
