/* internal.h - what the files of mua/screen share.
 *
 * One struct screen holds everything.  What is on the terminal is drawn anew
 * from it after each key (ncurses sends what differs); only the lines that are
 * seen are looked at, however long a list is.
 */
#ifndef WAXWING_MUA_SCREEN_INTERNAL_H
#define WAXWING_MUA_SCREEN_INTERNAL_H

#include "mua/copy/query.h"
#include "mua/screen/screen.h"

#include <wchar.h>

enum {
	SCREEN_LINE_MAX = 512,		/* characters of a prompt */
	SCREEN_SAID_MAX = 512,
	SCREEN_UNDO_MAX = 100,
	SCREEN_ROWS_LEAST = 4, SCREEN_COLUMNS_LEAST = 20,
};

/* Which view has the keys. */
enum screen_where { IN_LIST = 1, IN_LETTER = 2, IN_FOLDERS = 4, IN_PARTS = 8, ANYWHERE = 15 };

enum screen_order { ORDER_THREADS, ORDER_DATE, ORDER_FROM, ORDER_SUBJECT, ORDER_SIZE, ORDER_COUNT };

/* One line of the list: a message, and where it stands in its thread. */
struct screen_line {
	uint32_t message;	/* index in list.all */
	uint16_t depth;
	bool last;		/* of its brothers */
	bool again;		/* same subject as the line that begins the thread */
	uint64_t bars;		/* at which depths a brother of an ancestor follows */
};

struct screen_list {
	struct arena arena;	/* list, lines */
	struct copy_list list;
	struct screen_line *all;	/* without the filter */
	size_t n_all;
	struct screen_line *lines;	/* what is shown */
	size_t n;
	uint8_t *tagged;	/* by index in list.all */
	size_t n_tagged;
	size_t at, top;		/* the cursor's line, the first one on the screen */
	bool part;		/* only the first messages so far */
	struct buf filter;	/* what was typed, empty: none */
	struct arena filter_arena;
	uint32_t *hits;		/* indexes in list.all, sorted as the list */
	size_t n_hits;
};

struct screen_style_at {
	size_t at;
	enum show_style style;
};

struct screen_text_line {
	size_t at, n;
};

/* The letter that is open. */
struct screen_letter {
	int64_t id;		/* 0: none */
	struct copy_letter letter;
	struct buf inner;	/* deciphered, takes the letter's place */
	struct view bytes;	/* what is shown, and whose parts are saved */
	struct buf seal, text;
	enum show_style seal_style;
	struct buf styles;	/* struct screen_style_at */
	struct buf lines;	/* struct screen_text_line */
	size_t width;		/* that it is laid out for */
	size_t top;
	bool all_headers, html;
	struct buf sought;
};

struct screen_folder {
	size_t account;
	struct copy_folder folder;
};

struct screen_undo {
	int64_t *ids;
	uint32_t *flags;	/* of each, before; NULL: it was a move */
	int64_t *folders;	/* of each, before; NULL: no move */
	char **keywords;	/* of each, before; NULL: they stayed */
	bool removed;
	size_t n;
	char what[48];
};

struct screen {
	const struct screen_options *o;
	size_t account;		/* that is open */
	struct copy *copy;
	int64_t folder;
	bool outgoing;		/* the folder holds what one has written oneself */
	struct buf folder_name;
	uint32_t unseen, pending;
	enum screen_order order;
	struct screen_list list;
	struct screen_letter letter;
	enum screen_where where;
	bool all_tagged;	/* ";" was typed: the next command is for all tagged */
	bool quit;
	bool colours;
	struct arena folders_arena;
	struct screen_folder *folders;
	size_t n_folders, folder_at, folder_top;
	struct arena parts_arena;
	struct show_part *parts;
	size_t n_parts, part_at;
	struct buf said;	/* the bottom line */
	bool said_bad;
	struct screen_undo undo[SCREEN_UNDO_MAX];
	size_t n_undo;
	struct buf last_folder;	/* where the last message was moved to */
	struct buf last_command;	/* that a letter was given to */
	int64_t version;	/* of the copy, as loaded */
	steady_ms typed, synced, looked;
	bool words_left;	/* copy_step has something to do */
};

/* ---- draw.c ---- */

/* ST_DENIED: no terminal. */
enum status screen_begin(struct screen *s) MUST_USE;
void screen_end(void);
/* For another program, and back. */
void screen_leave(void);
void screen_return(void);

enum screen_look { LOOK_TEXT, LOOK_BAR, LOOK_CURSOR, LOOK_STRONG, LOOK_FAINT, LOOK_GOOD, LOOK_BAD, LOOK_UNSURE,
		   LOOK_NAME, LOOK_QUOTE, LOOK_LINK };
size_t screen_rows(void);
size_t screen_columns(void);
/* Text (harmless) at a place, cut to so many columns; returns those taken.
 * pad: with blanks up to there. */
size_t screen_put(const struct screen *s, size_t y, size_t x, size_t columns, struct view text, enum screen_look look,
		  bool pad);
void screen_draw(struct screen *s);
/* What the bottom line says; sticky until the next key. */
void screen_say(struct screen *s, bool bad, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A callback's outcome: what it wrote, else the status. */
void screen_say_status(struct screen *s, enum status st, struct view said, const char *done);
/* Asks for the account's password where that is missing; false: there is none, and it is said. */
bool screen_unlock(struct screen *s);
/* For struct screen_program; arg is the screen. */
bool screen_show_progress(void *arg, struct view what, uint64_t done, uint64_t all);
/* The next key: a character, or KEY_... of curses with `*ret_special`.  False:
 * none within so many milliseconds. */
bool screen_key(int ms, wint_t *ret_key, bool *ret_special);

/* ---- list.c ---- */

/* Opens a folder: the first screenful at once, drawn, then all of it. */
enum status screen_open_folder(struct screen *s, size_t account, struct view name) MUST_USE;
/* Reads it anew; the cursor stays on its message. */
enum status screen_reload(struct screen *s) MUST_USE;
void screen_list_free(struct screen_list *l);
void screen_draw_list(struct screen *s, size_t y, size_t rows);
struct copy_message *screen_message(struct screen *s);	/* at the cursor, or NULL */
/* How many are unread and wait, for the status line. */
void screen_count(struct screen *s);
/* Narrows it; empty: all. */
enum status screen_filter(struct screen *s, struct view text) MUST_USE;
/* Messages that are gone leave the lines; in memory only. */
void screen_forget(struct screen *s, const int64_t *ids, size_t n);
void screen_move_to(struct screen *s, size_t line);
/* To the line of that message, all shown where the filter hides it; false: it is not here. */
bool screen_go_to(struct screen *s, int64_t id);

/* ---- letter.c ---- */

void screen_open_letter(struct screen *s);
void screen_close_letter(struct screen *s);
/* The one that it answers, or that it is a report on, in whatever folder. */
void screen_open_earlier(struct screen *s);
void screen_draw_letter(struct screen *s, size_t y, size_t rows);
/* "all", "top", "end", or "45%": what of it is seen. */
void screen_put_extent(const struct screen *s, struct buf *out);
/* How many rows the letter, and above it the list, have. */
size_t screen_letter_rows(void);
size_t screen_strip_rows(void);
void screen_show_again(struct screen *s);

/* ---- folders.c ---- */

enum status screen_load_folders(struct screen *s) MUST_USE;
void screen_draw_folders(struct screen *s, size_t y, size_t rows);
/* Asks for a folder of this account; false: he thought better of it. */
bool screen_ask_folder(struct screen *s, const char *question, struct view proposal, struct buf *out);

/* ---- parts.c ---- */

void screen_open_parts(struct screen *s);
void screen_draw_parts(struct screen *s, size_t y, size_t rows);
void screen_save_part(struct screen *s);
void screen_view_part(struct screen *s);
/* The letter, or the part at the cursor, to a command that is asked for. */
void screen_pipe(struct screen *s);

/* ---- change.c ---- */

void screen_flag(struct screen *s, uint32_t add, uint32_t remove, const char *what, bool advance);
void screen_toggle(struct screen *s, uint32_t flag, const char *on, const char *off);
void screen_keywords(struct screen *s);	/* asks which */
void screen_move_messages(struct screen *s, bool keep);	/* asks where; keep: a copy */
void screen_archive(struct screen *s);
void screen_undo_last(struct screen *s);
void screen_undo_free(struct screen *s);
/* What is flagged as deleted goes: into Trash, or away where it is Trash. */
void screen_purge(struct screen *s);
size_t screen_deleted(const struct screen *s);

/* ---- prompt.c ---- */

/* A line from the person, beginning with `text`.  Told of each change by
 * `changed` (may be NULL; `pause`: nothing was typed for a moment); `complete`
 * answers Tab (may be NULL).  False: he left with Esc. */
struct screen_prompt {
	const char *question;
	void (*changed)(struct screen *s, struct view text, bool pause);
	void (*complete)(struct screen *s, struct view text, size_t again, struct buf *out);
};
bool screen_ask(struct screen *s, const struct screen_prompt *p, struct buf *text);
/* One of the letters of `answers`; the first for Enter, the last for Esc. */
char screen_ask_key(struct screen *s, const char *question, const char *answers);

/* ---- keys.c ---- */

/* Does what the key means here; false: nothing. */
bool screen_do(struct screen *s, wint_t key, bool special);
/* "q:Quit  ?:Help ..." for the top line. */
void screen_hints(const struct screen *s, struct buf *out);
void screen_help(struct screen *s);

#endif
