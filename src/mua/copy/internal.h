/* internal.h - what the files of mua/copy share.
 *
 * A change is: read the row, change it in memory, copy_row_store.  That writes
 * the index, keeps the wish (state.db: what a lost index could not tell), and
 * plans what is to happen in the tree; the plan is carried out once the
 * databases have committed (tree.c, INTERNALS.md).
 */
#ifndef WAXWING_MUA_COPY_INTERNAL_H
#define WAXWING_MUA_COPY_INTERNAL_H

#include "mua/copy/copy.h"
#include "sql/sql.h"

enum copy_statement {
	S_VERSION, S_FOLDERS, S_COUNTS, S_FOLDER, S_FOLDER_NAME, S_FOLDER_USE, S_FOLDER_ADD, S_FOLDER_SYNC,
	S_FOLDER_RENAME, S_FOLDER_REMOVE, S_FOLDER_IDS, S_FOLDERS_FORGET,
	S_ADD, S_UPDATE, S_FILL, S_DELETE, S_ROW, S_BY_UID, S_BY_NAME, S_SERVER_ALL, S_UID_TOP,
	S_HEADER, S_HEADER_PUT, S_HEADER_DROP, S_UIDL, S_UIDL_PUT, S_UIDL_DROP_ALL,
	S_WISH_PUT, S_WISH_DROP, S_WISH, S_WISHES, S_WISHES_PUT, S_PENDING,
	S_LIST_DATE, S_LIST_DATE_UP, S_LIST_ARRIVAL, S_LIST_ARRIVAL_UP, S_LIST_ALL, S_TOTAL, S_ROWS, S_FILES,
	S_FIND_ROW, S_UNREAD_WORDS, S_WORDS_PUT, S_WORDS_DONE, S_WORDS, S_WORDS_LEFT,
	S_OUT_ADD, S_OUT_ALL, S_OUT_FAIL, S_OUT_RELEASE, S_OUT_REMOVE,
	S_COUNT
};

struct copy {
	int root;		/* the account's folder */
	int lock;		/* held shared as long as it is open */
	char *path;
	struct sql *db;		/* index.db, with state.db attached as `state` */
	struct sql_stmt *q[S_COUNT];
	bool batch;		/* between copy_begin and copy_commit */
	enum status spoilt;	/* a change within the batch failed half way */
	bool busy;		/* this handle has changed the tree */
	bool old;		/* names have no letters for keywords yet: the next who opens it alone gives them */
	struct copy_step_plan *plan;	/* what to do in the tree, oldest first */
	size_t n_plan, cap_plan;
	uint64_t count;		/* for names */
	struct copy_claim *claims;	/* letters that are being sent */
	size_t n_claims;
};

/* ---- open.c ---- */

/* Around each change: a transaction of its own, or part of the batch. */
enum status copy_enter(struct copy *c) MUST_USE;
/* Of the index alone: a bad end needs no look at the tree. */
enum status copy_enter_index(struct copy *c) MUST_USE;
/* st: how the change went; what is returned is how all went. */
enum status copy_leave(struct copy *c, enum status st) MUST_USE;
/* As it is; remembers a damaged index so that the next opener makes a new one. */
enum status copy_note(struct copy *c, enum status st);

/* ---- tree.c: files and folders ---- */

enum { COPY_PATH_MAX = 4096, COPY_KEEP = 0700 };

/* "mail/Lists/mutt" of a folder's name. */
void copy_tree_path(struct view name, struct buf *out);
/* The name of a path below mail/; ST_SYNTAX. */
enum status copy_tree_name(struct view path, struct buf *out) MUST_USE;
/* Makes cur, new and tmp, and what is above them. */
enum status copy_tree_make(struct copy *c, struct view path) MUST_USE;
/* ":2,FS" appended. */
void copy_tree_flags(uint32_t flags, struct buf *out);
uint32_t copy_tree_flags_of(struct view letters);
struct copy_row_state;
/* PATH/cur/FILE:2,FSa with a NUL behind it, appended; make: as copy_tree_letters. */
enum status copy_tree_shown(struct copy *c, struct view path, const struct copy_row_state *r, bool make,
			    struct buf *out) MUST_USE;

/* A letter into PATH/tmp/FILE; on disk once the plan is flushed. */
enum status copy_tree_write(struct copy *c, struct view path, struct view file, struct view letter) MUST_USE;
/* Planned: PATH/tmp/FILE is flushed, and later shown in cur. */
enum status copy_plan_show(struct copy *c, struct view path, const struct copy_row_state *r) MUST_USE;
/* Planned: a file that is shown gets other flags, keywords, or another folder. */
enum status copy_plan_move(struct copy *c, struct view from, const struct copy_row_state *before, struct view to,
			   const struct copy_row_state *r) MUST_USE;
enum status copy_plan_remove(struct copy *c, struct view path, const struct copy_row_state *r) MUST_USE;
/* Before the commit: what must be on disk.  After it: the rest, as far as it
 * goes; what does not go is mended at the next opening. */
enum status copy_plan_flush(struct copy *c) MUST_USE;
void copy_plan_run(struct copy *c);
void copy_plan_undo(struct copy *c);	/* takes away what was written for it */
void copy_plan_drop(struct copy *c);

/* Opens the file of a letter wherever it is in its folder.  ST_MISSING. */
enum status copy_tree_open(struct copy *c, struct view path, const struct copy_row_state *r, int *ret_fd) MUST_USE;
enum status copy_map(int fd, struct copy_letter *ret) MUST_USE;

/* ---- row.c ---- */

struct copy_row_state {
	int64_t id, folder;
	int64_t server_folder;	/* where the server has it, or is to get it */
	uint32_t uid;		/* there; 0: not yet */
	bool hidden;		/* removed here, the server does not know */
	bool copied;		/* server_folder and uid are those of the original */
	uint32_t flags;		/* all of COPY_...; of the person */
	uint32_t server_flags;	/* of COPY_FLAGS */
	struct view keywords, server_keywords;
	uint64_t modseq, size;
	wall_ms date, received;
	struct view file;	/* up to ":2," */
	uint64_t name;
	struct view packed;	/* summary.h */
};

/* ST_MISSING.  In the arena. */
enum status copy_row_get(struct copy *c, int64_t id, struct arena *a, struct copy_row_state *ret) MUST_USE;
enum status copy_row_by_uid(struct copy *c, int64_t folder, uint32_t uid, struct arena *a,
			    struct copy_row_state *ret) MUST_USE;
/* From a statement whose columns are ROW_COLUMNS, into the arena. */
void copy_row_read(struct sql_stmt *q, struct arena *a, struct copy_row_state *ret);
enum status copy_row_add(struct copy *c, struct copy_row_state *r) MUST_USE;	/* gives it an id */
enum status copy_row_store(struct copy *c, const struct copy_row_state *before, struct copy_row_state *r) MUST_USE;
enum status copy_row_remove(struct copy *c, const struct copy_row_state *r) MUST_USE;
enum status copy_folder_path(struct copy *c, int64_t folder, struct buf *out) MUST_USE;
/* "FOLDER.VALIDITY_UID.waxmail,U=UID", of the folder's id where the server has
 * it, or a new name for a letter made here. */
void copy_file_of_uid(int64_t folder, uint32_t validity, uint32_t uid, struct buf *out);
void copy_file_new(struct copy *c, struct buf *out);

/* What was gathered in a buf, as an array; NULL: the arena's status says why. */
void *copy_array(struct arena *a, const struct buf *all);

#define ROW_COLUMNS                                                                                      \
	"id, folder, server_folder, uid, hidden, copied, flags, server_flags, keywords, server_keywords," \
	" modseq, size, date, received, file, name, packed"

/* The server's flags and keywords taken over, but for what the person changed
 * and waits (put.c). */
enum status copy_merge(struct copy_row_state *r, uint32_t flags, struct view keywords, uint64_t modseq,
		       struct arena *a) MUST_USE;

/* ---- summary.c: what lists want of a letter ---- */

struct copy_summary {
	uint32_t flags;		/* COPY_ATTACHMENTS, _REPLY, _ENCRYPTED, _SIGNED */
	wall_ms date;
	uint64_t name;		/* hash of the Message-ID; never 0 */
	struct buf packed;
};
/* whole: the letter is looked through for attachments.  received: where there
 * is no Date.  Initialises packed; free it. */
enum status copy_summarise(struct view letter, bool whole, wall_ms received, uint64_t salt,
			   struct copy_summary *ret) MUST_USE;
/* ST_CORRUPT. */
enum status copy_unpack(struct view packed, struct copy_message *m) MUST_USE;
uint64_t copy_hash(struct view v);

/* ---- list.c ---- */

/* From a statement whose columns are ROW_COLUMNS; a NULL: its views are the statement's, until
 * it goes on.  ST_CORRUPT, and those of the arena. */
enum status copy_message_read(struct sql_stmt *q, struct arena *a, struct copy_message *m) MUST_USE;
/* The statement that gives all that are shown of a folder (0: of all), bound, in any order. */
enum status copy_all_rows(struct copy *c, int64_t folder, struct sql_stmt **ret) MUST_USE;
void copy_sort_by_date(struct copy_message *all, size_t n, bool newest_first);

/* ---- outbox.c ---- */

/* Of one letter; 0: of all. */
void copy_claims_drop(struct copy *c, uint64_t id);

/* ---- mend.c ---- */

/* Makes index and tree agree, after a bad end or for a new index (fresh). */
enum status copy_mend(struct copy *c, bool fresh, struct copy_findings *f) MUST_USE;

/* ---- words.c: keywords, and their letters in the names of files ---- */

#define COPY_LETTERS_FILE "dovecot-keywords"
enum { COPY_LETTERS = 26 };

struct copy_letters {
	struct view of[COPY_LETTERS];	/* the word of a, b, ...; empty: none */
	uint32_t taken;			/* bits of the numbers that stand in the file */
};
/* Any text is such a file (fuzzed); the words are views of it. */
void copy_letters_parse(struct view text, struct copy_letters *ret);
/* Those of the folder at the path; no file: none.  ST_LIMIT: too large; ST_IO, ST_NOMEM. */
enum status copy_letters_read(struct copy *c, struct view path, struct buf *text, struct copy_letters *ret) MUST_USE;
/* Bits of the letters for those words; of those behind ":2,", as far as they mean something. */
uint32_t copy_letters_of_words(const struct copy_letters *l, struct view words);
uint32_t copy_letters_of_name(const struct copy_letters *l, struct view letters);
/* Appends the words of such bits, blanks between. */
void copy_letters_words(const struct copy_letters *l, uint32_t mask, struct buf *out);
/* What of a row is told by letters: its keywords, and $MDNSent. */
void copy_row_words(uint32_t flags, struct view keywords, struct buf *out);
/* ":2,FSa" appended: flags and keywords of the row.  make: keywords without a letter get one,
 * on disk when it returns. */
enum status copy_tree_letters(struct copy *c, struct view path, const struct copy_row_state *r, bool make,
			      struct buf *out) MUST_USE;

bool copy_word_in(struct view list, struct view word);
bool copy_words_same(struct view a, struct view b);	/* in any order */
/* Each once, in the order in which they came; ST_LIMIT. */
enum status copy_words_change(struct view list, struct view add, struct view remove, struct arena *a,
			      struct view *ret) MUST_USE;
/* Keywords that are flags here (copy_keyword_flag) are added to those and taken out of the list. */
enum status copy_words_flags(struct view keywords, struct arena *a, uint32_t *flags, struct view *ret) MUST_USE;

#endif
