/* screen.c - the loop: a key, what it does, what is drawn; and what is done
 * while nobody types. */
#include "mua/screen/internal.h"

#include <curses.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOOK_MS = 1000, QUIET_MS = 3000, STILL_MS = 700 };

/* ---- while nobody types ---- */

/* Others have changed the copy: a sync beside us. */
static void look(struct screen *s)
{
	if (clock_steady() - s->looked < LOOK_MS)
		return;
	s->looked = clock_steady();
	if (copy_version(s->copy) == s->version)
		return;
	s->words_left = true;
	if (screen_reload(s) == ST_OK)
		screen_draw(s);
}

static void sync_idle(struct screen *s)
{
	const struct screen_program *p = s->o->program;
	struct buf said = BUF(SCREEN_SAID_MAX);
	steady_ms now = clock_steady();
	enum status st;

	if (p->sync == NULL || s->o->idle_seconds == 0 || now - s->typed < QUIET_MS ||
	    now - s->synced < (steady_ms)s->o->idle_seconds * 1000)
		return;
	st = p->sync(p->arg, s->account, 0, true, screen_show_progress, s, &said);
	s->synced = clock_steady();
	if (said.n || st != ST_OK)
		screen_say_status(s, st, buf_view(&said), NULL);
	if (screen_reload(s) == ST_OK)
		screen_draw(s);
	buf_free(&said);
}

/* Words for searches, a few letters at a time; a key ends it. */
static void take_words(struct screen *s)
{
	bool more = false;

	if (s->words_left && clock_steady() - s->typed >= STILL_MS)
		s->words_left = copy_step(s->copy, &more) == ST_OK && more;
}

static void idle(struct screen *s)
{
	take_words(s);
	look(s);
	sync_idle(s);
}

/* ---- keys ---- */

static bool terminal_is_gone(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* How long to wait for a key: not at all while there are words to take. */
static int wait_of(const struct screen *s)
{
	steady_ms still = clock_steady() - s->typed;

	if (!s->words_left)
		return LOOK_MS;
	return still >= STILL_MS ? 0 : (int)(STILL_MS - still);
}

static void loop(struct screen *s)
{
	while (!s->quit) {
		wint_t key;
		bool special;

		screen_draw(s);
		while (!screen_key(wait_of(s), &key, &special)) {
			if (terminal_is_gone())
				return;
			idle(s);
		}
		s->typed = clock_steady();
		if (special && key == KEY_RESIZE)
			continue;
		screen_do(s, key, special);
	}
}

/* ---- all ---- */

/* Of an account that was never synced too: an empty INBOX is a beginning. */
static enum status make_inbox(struct copy *c)
{
	struct arena a = ARENA((size_t)1 << 20);
	struct copy_folder f;
	enum status st = copy_folder(c, VIEW("INBOX"), true, &a, &f);

	arena_free(&a);
	return st;
}

static enum status open_first(struct screen *s)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < s->o->n_accounts && st == ST_OK; i++)
		st = make_inbox(s->o->accounts[i].copy);
	if (st == ST_OK)
		st = screen_open_folder(s, 0, s->o->folder.n ? s->o->folder : VIEW("INBOX"));
	return st;
}

static void free_screen(struct screen *s)
{
	screen_close_letter(s);
	buf_free(&s->letter.sought);
	screen_list_free(&s->list);
	screen_undo_free(s);
	arena_free(&s->folders_arena);
	arena_free(&s->parts_arena);
	buf_free(&s->folder_name);
	buf_free(&s->said);
	buf_free(&s->last_folder);
	buf_free(&s->last_command);
	free(s);
}

enum status screen_run(const struct screen_options *o)
{
	struct screen *s;
	enum status st;

	if (o->n_accounts == 0 || o->n_accounts > SCREEN_ACCOUNTS_MAX)
		return ST_LIMIT;
	s = calloc(1, sizeof *s);
	if (s == NULL)
		return ST_NOMEM;
	s->o = o;
	s->where = IN_LIST;
	s->folder_name = BUF(COPY_FOLDER_MAX);
	s->said = BUF(4 * SCREEN_SAID_MAX);
	s->last_folder = BUF(4 * SCREEN_LINE_MAX);
	s->last_command = BUF(4 * SCREEN_LINE_MAX);
	s->letter.sought = BUF(4 * SCREEN_LINE_MAX);
	s->list.filter = BUF(4 * SCREEN_LINE_MAX);
	s->typed = clock_steady();
	/* The first sync is due at once, when nobody types. */
	s->synced = s->typed - (steady_ms)o->idle_seconds * 1000;
	st = screen_begin(s);
	if (st == ST_OK) {
		st = open_first(s);
		if (st == ST_OK)
			loop(s);
		screen_end();
	}
	free_screen(s);
	return st;
}
