/* copy.h - the local copy of one account, for reading without the server.
 *
 *     FOLDER/                      given to copy_open
 *       mail/INBOX/{cur,new,tmp}   a Maildir for each folder, read by any mail program
 *       mail/Lists/mutt/...        "/" of a folder's name is a level of the tree
 *       outbox/N                   letters that wait to be sent; state.db has whom to
 *       state.db                   folders as the server knows them; what was changed
 *                                  here and is not on the server yet
 *       index.db                   what lists, threads and searches read; made anew from
 *                                  the tree and state.db when it is missing or damaged
 *       lock, busy                 who is here; whether the last one ended well
 *
 * A level of a folder's name is a folder's name as it is, but for "/", "%",
 * control characters, a dot in front, and the words cur, new, tmp and
 * dovecot-keywords: those bytes are %XX.  A file's name is
 * FOLDER.VALIDITY_UID.waxmail,U=UID:2,FLAGS (of the folder, a number here, where
 * the server has it), or TIME_PROCESS_COUNT.waxmail:2,FLAGS where the server has
 * not got it yet.  FLAGS are Maildir's letters, and a to z for keywords
 * (words.c).
 *
 * Several processes may have one copy open, a sync beside a reader: each call
 * that changes is a transaction of its own, or part of that between copy_begin
 * and copy_commit (which holds up the others' changes: a second at most);
 * copy_version tells a reader that there is something new.
 * One thread uses a handle.
 *
 * Two sides change a message: the person (copy_flags, copy_move, ...) and the
 * server (copy_server_*).  The copy keeps both states; where they differ,
 * copy_pending tells the sync what it has to tell the server.  So undoing is
 * changing back, and what is told twice does no harm.  While a change of flags
 * is pending, what the server says of other flags is taken, and of those not.
 *
 * Durability: what a call or copy_commit answered ST_OK to survives a power
 * loss.  INTERNALS.md has the argument for each step.
 *
 * Names and texts are UTF-8.  Views in structs with an arena in the call last
 * as long as the arena.
 *
 * Errors: unless said otherwise ST_NOSPACE, ST_NOMEM, ST_IO, ST_CORRUPT (close
 * it; the next copy_open mends it); and on failure nothing has changed.
 */
#ifndef WAXWING_MUA_COPY_COPY_H
#define WAXWING_MUA_COPY_COPY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

struct copy;

enum {
	COPY_FOLDER_MAX = 512,		/* octets of a folder's name */
	COPY_FOLDERS_MAX = 10000,
	COPY_KEYWORDS_MAX = 2048,	/* octets of all keywords of a message */
	COPY_REFS_MAX = 100,		/* references that count for threads, the last ones */
	COPY_TEXT_MAX = 512,		/* octets of a subject, a name, an address in lists */
	COPY_RECIPIENTS_MAX = 10000,
};
#define COPY_LETTER_MAX ((size_t)512 * 1024 * 1024)

/* ---- opening ---- */

struct copy_findings {
	bool rebuilt;		/* the index was missing or damaged and is new */
	uint64_t adopted;	/* files that it did not know */
	uint64_t lost;		/* letters whose file is gone: to be fetched again */
	uint64_t changed, removed;	/* by other programs, in copy_look */
};

/* Opens or makes it.  ret_findings may be NULL.  Waits for a
 * process that mends it.  ST_DENIED; ST_EXISTS: its index is gone while another
 * process has it open. */
enum status copy_open(const char *folder, struct copy **ret, struct copy_findings *ret_findings) MUST_USE;
void copy_close(struct copy *c);

/* Takes over what other programs did in the Maildirs since: other flags, letters in other
 * folders, new ones, removed ones.  Reads the names of all files.  Nothing where another
 * process has the copy open, whose changes may be half way; not within a batch. */
enum status copy_look(struct copy *c, struct copy_findings *ret) MUST_USE;

/* Many changes at once, on disk when copy_commit returns.  Does not nest. */
enum status copy_begin(struct copy *c) MUST_USE;
enum status copy_commit(struct copy *c) MUST_USE;
void copy_roll_back(struct copy *c);

/* Differs once another handle has changed something. */
int64_t copy_version(struct copy *c);

/* Some work that may wait: words of letters for copy_search.  A few
 * milliseconds; *ret_more: call again. */
enum status copy_step(struct copy *c, bool *ret_more) MUST_USE;

/* The library's words for the last ST_CORRUPT or ST_IO of a database. */
const char *copy_error(struct copy *c);

/* ---- folders ---- */

enum copy_use {		/* RFC 6154, and INBOX */
	COPY_USE_NONE, COPY_USE_INBOX, COPY_USE_DRAFTS, COPY_USE_SENT, COPY_USE_TRASH,
	COPY_USE_JUNK, COPY_USE_ARCHIVE, COPY_USE_ALL, COPY_USE_FLAGGED,
};

/* What a sync keeps of a folder (RFC 9051 2.3.1, RFC 7162). */
struct copy_sync {
	uint32_t uidvalidity, uidnext;	/* 0: never seen */
	uint64_t modseq;		/* HIGHESTMODSEQ; 0: none */
	wall_ms at;			/* when it was last the same; 0: never */
	struct view server_name;	/* as LIST wrote it, opaque here; up to COPY_FOLDER_MAX */
	enum copy_use use;
	bool subscribed;
	bool no_select;			/* only a level of the tree */
};

struct copy_folder {
	int64_t id;			/* of this copy, never 0, never given again */
	struct view name;		/* "/" between levels; INBOX in capitals */
	struct copy_sync sync;
	uint32_t messages, unseen, flagged;
	uint32_t bodies;		/* of the messages, how many are here whole */
	uint32_t pending;		/* changes that wait for a sync */
};

/* All, by name with INBOX first, in the arena. */
enum status copy_folders(struct copy *c, struct arena *a, struct copy_folder **ret, size_t *ret_n) MUST_USE;
/* One; make: if it is not there.  ST_MISSING, ST_SYNTAX (an empty level, or too
 * long), ST_LIMIT. */
enum status copy_folder(struct copy *c, struct view name, bool make, struct arena *a,
			struct copy_folder *ret) MUST_USE;
/* The first with that use; ST_MISSING. */
enum status copy_folder_with(struct copy *c, enum copy_use use, struct arena *a,
			     struct copy_folder *ret) MUST_USE;
enum status copy_folder_sync(struct copy *c, int64_t folder, const struct copy_sync *s) MUST_USE;
/* The server renamed it (not within a batch) or took it away.  Letters that were never on the server
 * go too: copy_pending says whether there are some.  ST_EXISTS, ST_SYNTAX. */
enum status copy_folder_rename(struct copy *c, int64_t folder, struct view name) MUST_USE;
enum status copy_folder_remove(struct copy *c, int64_t folder) MUST_USE;
/* Another UIDVALIDITY: forget all that the server had there.  Letters that
 * wait for the server stay. */
enum status copy_folder_reset(struct copy *c, int64_t folder) MUST_USE;

/* ---- messages ---- */

enum {
	COPY_SEEN = 1 << 0, COPY_ANSWERED = 1 << 1, COPY_FLAGGED = 1 << 2, COPY_DELETED = 1 << 3,
	COPY_DRAFT = 1 << 4,
	COPY_FORWARDED = 1 << 5,	/* the keyword $Forwarded; not among the keywords */
	COPY_MDN_SENT = 1 << 6,		/* $MDNSent (RFC 3503) */
	COPY_FLAGS = 0x7f,
	/* What the copy knows of itself; only in struct copy_message. */
	COPY_BODY = 1 << 8,		/* the letter is here whole */
	COPY_ATTACHMENTS = 1 << 9,	/* has a part that is for saving */
	COPY_REPLY = 1 << 10,		/* its subject says so (RFC 5256 2.1) */
	COPY_PENDING = 1 << 11,		/* something waits for a sync */
	COPY_ENCRYPTED = 1 << 12, COPY_SIGNED = 1 << 13,	/* by its Content-Type */
};

/* The flag that a keyword is here: COPY_FORWARDED, COPY_MDN_SENT; else 0. */
uint32_t copy_keyword_flag(struct view keyword);

struct copy_message {
	int64_t id;			/* of this copy, never given again */
	int64_t folder;
	uint32_t uid;			/* 0: the server has not got it in this folder yet */
	uint32_t flags;			/* COPY_SEEN ... */
	uint64_t modseq;
	uint64_t size;			/* RFC822.SIZE */
	wall_ms date;			/* Date:, or where there is none when it arrived */
	wall_ms received;		/* INTERNALDATE; the order of arrival */
	struct view from;		/* the author's name, else his address; decoded, no controls */
	struct view address;		/* local@domain of the first author */
	struct view to;			/* names of To: and Cc:, commas between */
	struct view subject;		/* decoded, one line */
	struct view message_id;		/* without <> */
	struct view keywords;		/* blanks between */
	/* For threads: names of message ids, hashed. */
	uint64_t name, base_subject;	/* its own (never 0); RFC 5256 2.1, folded (0: empty) */
	const char *refs;		/* References, else In-Reply-To, oldest first: copy_ref */
	uint32_t n_refs;
};

static inline uint64_t copy_ref(const struct copy_message *m, uint32_t i)
{
	uint64_t x;

	memcpy(&x, m->refs + (size_t)i * sizeof x, sizeof x);
	return x;
}

/* What the server says of a letter that comes. */
struct copy_arrival {
	int64_t folder;
	uint32_t uid;
	uint64_t modseq;
	uint32_t flags;
	struct view keywords;		/* blanks between */
	wall_ms received;
	struct view uidl;		/* POP3; uid 0 then: it gets the folder's next one */
};

/* A letter comes from the server.  One whose uid is there already gets its
 * body if it had none, and its flags.  LF alone or CRLF, as it comes.  ST_LIMIT
 * (COPY_LETTER_MAX), ST_MISSING (no such folder). */
enum status copy_put(struct copy *c, const struct copy_arrival *w, struct view letter, int64_t *ret_id) MUST_USE;
/* The same from a file that is read from its beginning (at fd's offset 0). */
enum status copy_put_fd(struct copy *c, const struct copy_arrival *w, int fd, int64_t *ret_id) MUST_USE;
/* Only its header section, the body may come later.  size: of the whole;
 * attachments: COPY_ATTACHMENTS as far as BODYSTRUCTURE tells, or 0. */
enum status copy_put_header(struct copy *c, const struct copy_arrival *w, struct view header,
			    uint64_t size, uint32_t attachments, int64_t *ret_id) MUST_USE;

/* What the server has in a folder, by uid; also what is hidden here because it
 * was moved or removed and the server does not know yet. */
struct copy_server {
	uint32_t uid, flags;
	uint64_t modseq;
	int64_t id;
	bool body;
};
enum status copy_server_all(struct copy *c, int64_t folder, struct arena *a, struct copy_server **ret,
			    size_t *ret_n) MUST_USE;
/* The server changed flags; a uid that is not there is passed over. */
enum status copy_server_flags(struct copy *c, int64_t folder, uint32_t uid, uint32_t flags,
			      struct view keywords, uint64_t modseq) MUST_USE;
/* Those uids are no longer on the server (EXPUNGE, VANISHED). */
enum status copy_server_gone(struct copy *c, int64_t folder, const uint32_t *uids, size_t n) MUST_USE;
/* POP3: those uidl's that the folder has had, also of letters removed since.
 * Sorted bytewise, in the arena. */
enum status copy_server_uidls(struct copy *c, int64_t folder, struct arena *a, struct view **ret,
			      size_t *ret_n) MUST_USE;

/* ---- what the person does; ids that are not there are passed over ---- */

enum status copy_flags(struct copy *c, const int64_t *ids, size_t n, uint32_t add, uint32_t remove) MUST_USE;
/* ST_SYNTAX: no IMAP atom.  ST_LIMIT.  $Junk takes $NotJunk away, and the other way round. */
enum status copy_keyword(struct copy *c, const int64_t *ids, size_t n, struct view keyword, bool on) MUST_USE;
/* Back to what a message had before: those that struct copy_message told. */
enum status copy_keywords_are(struct copy *c, int64_t id, struct view keywords) MUST_USE;
enum status copy_move(struct copy *c, const int64_t *ids, size_t n, int64_t folder) MUST_USE;
/* Copies get ids of their own, not told. */
enum status copy_copy(struct copy *c, const int64_t *ids, size_t n, int64_t folder) MUST_USE;
/* Out of sight at once, and gone once a sync has told the server.  Until then
 * copy_restore brings them back. */
enum status copy_remove(struct copy *c, const int64_t *ids, size_t n) MUST_USE;
enum status copy_restore(struct copy *c, const int64_t *ids, size_t n) MUST_USE;
/* A letter made here (a draft, a copy of what was sent), to be uploaded. */
enum status copy_add(struct copy *c, int64_t folder, uint32_t flags, struct view letter, int64_t *ret_id) MUST_USE;

/* ---- what a sync has to tell the server ---- */

enum copy_op_kind {
	COPY_OP_APPEND,		/* letter `id` into folder `to`, with flags and keywords */
	COPY_OP_FLAGS,		/* uid of `from`: add and remove */
	COPY_OP_MOVE,		/* uid of `from` into `to` (flags were told before, by an op of their own) */
	COPY_OP_COPY,		/* uid of `from` into `to`, which is letter `id` there */
	COPY_OP_REMOVE,		/* uid of `from`: \Deleted and UID EXPUNGE */
};

struct copy_op {
	enum copy_op_kind kind;
	int64_t id;
	int64_t from, to;	/* folders; 0: none */
	uint32_t uid;		/* in `from` */
	uint32_t flags, add, remove;
	struct view keywords, add_keywords, remove_keywords;	/* blanks between */
};

/* In an order that can be carried out; by kind, folder and uid, so that
 * neighbours with the same words make one command.  At most `most`; asked
 * again after they are done there may be more (a move whose flags came first),
 * and in the end none.  What was made here and removed again goes now. */
enum status copy_pending(struct copy *c, size_t most, struct arena *a, struct copy_op **ret, size_t *ret_n) MUST_USE;
/* The server has done it.  uid: the new one in `to` (COPYUID, APPENDUID; RFC
 * 4315), 0 where it did not say: then the letter comes again at the next sync
 * of `to`, and this one goes. */
enum status copy_done(struct copy *c, const struct copy_op *op, uint32_t uid) MUST_USE;
/* The server says no for good: back to what the server has. */
enum status copy_refused(struct copy *c, const struct copy_op *op) MUST_USE;

/* ---- lists ---- */

enum copy_order { COPY_BY_DATE, COPY_BY_ARRIVAL, COPY_BY_FROM, COPY_BY_SUBJECT, COPY_BY_SIZE };

/* A part of a folder as it is now: `n` messages from the `first` on, in that
 * order.  By date and by arrival, a part costs no more than its messages.
 * folder 0: all folders. */
struct copy_list {
	struct copy_message *all;	/* in the arena */
	size_t n;
	size_t total;			/* that the folder has */
};
enum status copy_list(struct copy *c, int64_t folder, enum copy_order order, bool newest_first,
		      size_t first, size_t n, struct arena *a, struct copy_list *ret) MUST_USE;
/* An arena for a list of so many. */
#define COPY_LIST_ARENA(n) ((size_t)64 * 1024 * 1024 + (size_t)(n) * 24 * 1024)

/* Threads of a list (RFC 5256 REFERENCES): rows in the order of a screen. */
struct copy_row {
	uint32_t message;	/* index in the list */
	uint32_t depth;		/* 0: begins a thread */
	uint32_t thread;	/* row where the thread begins */
	uint32_t size;		/* of the thread, where depth is 0 */
	bool last;		/* the last of its brothers, for drawing */
};
/* newest_first: of threads, by their newest message; within one oldest first. */
enum status copy_threads(const struct copy_list *l, bool newest_first, struct arena *a,
			 struct copy_row **ret) MUST_USE;

/* One message.  ST_MISSING. */
enum status copy_message(struct copy *c, int64_t id, struct arena *a, struct copy_message *ret) MUST_USE;
/* By a Message-ID (without <>), the first of any folder.  ST_MISSING. */
enum status copy_by_message_id(struct copy *c, struct view message_id, struct arena *a,
			       struct copy_message *ret) MUST_USE;

/* ---- searching: query.h has the language ---- */

struct query;

/* Narrows a list, keeping its order: `hits` are indexes in the list, of n_hits
 * (NULL: all).  What is asked of bodies is answered by the words that
 * copy_step has taken in, and then by reading those letters. */
enum status copy_search(struct copy *c, const struct copy_list *l, const struct query *q,
			const uint32_t *hits, size_t n_hits, struct arena *a, uint32_t **ret,
			size_t *ret_n) MUST_USE;

/* The same of a folder (0: all) without a list of it: what is found, by date.  For one search;
 * who types on has the list. */
enum status copy_find(struct copy *c, int64_t folder, const struct query *q, bool newest_first, struct arena *a,
		      struct copy_list *ret) MUST_USE;

/* ---- letters ---- */

struct copy_letter {
	struct view bytes;	/* mapped; or the header section alone */
	bool whole;
	void *map;		/* of copy_letter_close */
	size_t map_n;
};
/* ST_MISSING. */
enum status copy_read(struct copy *c, int64_t id, struct copy_letter *ret) MUST_USE;
void copy_letter_close(struct copy_letter *l);
/* The file's path, for other programs; relative to the account's folder.
 * ST_MISSING: not here whole. */
enum status copy_path(struct copy *c, int64_t id, struct buf *out) MUST_USE;

/* ---- the outbox ---- */

#define COPY_OUT_HELD INT64_MAX

struct copy_out {
	uint64_t id;
	struct view from;		/* reverse-path */
	const struct view *to;		/* recipients */
	size_t n_to;
	struct view options;		/* of the sender, opaque here */
	wall_ms queued, next;		/* not before; COPY_OUT_HELD: not until it is released */
	uint32_t tries;
	struct view problem;		/* why the last one failed */
	int64_t answers;		/* message that gets COPY_ANSWERED when it is sent; 0 */
};

/* On disk when it returns; id, queued, tries and problem are not read. */
enum status copy_out_put(struct copy *c, const struct copy_out *o, struct view letter, uint64_t *ret_id) MUST_USE;
enum status copy_out_all(struct copy *c, struct arena *a, struct copy_out **ret, size_t *ret_n) MUST_USE;
enum status copy_out_read(struct copy *c, uint64_t id, struct copy_letter *ret) MUST_USE;
/* Of one process at a time, until copy_out_failed, copy_out_remove or
 * copy_close: false when another one is sending it. */
enum status copy_out_claim(struct copy *c, uint64_t id, bool *ret_mine) MUST_USE;
enum status copy_out_failed(struct copy *c, uint64_t id, struct view problem, wall_ms next) MUST_USE;
/* Held or not, it is due, with these options.  ST_MISSING. */
enum status copy_out_release(struct copy *c, uint64_t id, struct view options) MUST_USE;
enum status copy_out_remove(struct copy *c, uint64_t id) MUST_USE;

#endif
