/* change.c - waxmail move, flag, remove: the copy is changed, and the next
 * sync tells the server. */
#include "mua/place.h"
#include "mua/say.h"
#include "mua/verbs/ids.h"
#include "mua/verbs/rows.h"

enum { SMALL_ARENA = 16 * 1024 * 1024 };

typedef enum status change(struct place *p, const struct invocation *in, const struct ids *ids);

static int told(const struct invocation *in, size_t n)
{
	return GIVEN(in, json) ? print_object(json_pack("{sI}", "letters", (json_int_t)n)) : DONE;
}

static int run(struct invocation *in, change *c)
{
	struct place p;
	struct ids ids;
	int status = ids_take(in, 0, &ids);
	enum status st;

	if (status != DONE)
		return status;
	st = place_open(&p, in);
	if (st == ST_OK)
		st = c(&p, in, &ids);
	status = st == ST_OK ? told(in, ids.n) : FAILED;
	ids_free(&ids);
	place_close(&p);
	return status;
}

static enum status said(enum status st)
{
	if (st != ST_OK)
		say_failed("letters", st);
	return st;
}

/* ---- move ---- */

static enum status move(struct place *p, const struct invocation *in, const struct ids *ids)
{
	struct arena a = ARENA(SMALL_ARENA);
	struct view name = view_cstr(VALUE(in, folder));
	struct copy_folder f;
	enum status st = copy_folder(p->copy, name, true, &a, &f);

	if (st == ST_SYNTAX || st == ST_LIMIT)
		say("%.200s is no name for a folder", VALUE(in, folder));
	else if (st == ST_OK)
		st = said(copy_move(p->copy, ids->all, ids->n, f.id));
	else
		said(st);
	arena_free(&a);
	return st;
}

int verb_move(struct invocation *in)
{
	if (!GIVEN(in, folder)) {
		say("where to?  --folder FOLDER");
		return WRONG_USE;
	}
	return run(in, move);
}

/* ---- flag ---- */

/* Every --add, or every --remove: a flag, or a keyword. */
static enum status set(struct place *p, const struct invocation *in, const struct ids *ids,
		       enum option_id option, bool on)
{
	const char *word;
	size_t at = 0;
	enum status st = ST_OK;

	while (st == ST_OK && (word = option_next(in, option, &at)) != NULL) {
		uint32_t flag = flag_by_name(word);

		if (flag)
			st = copy_flags(p->copy, ids->all, ids->n, on ? flag : 0, on ? 0 : flag);
		else
			st = copy_keyword(p->copy, ids->all, ids->n, view_cstr(word), on);
		if (st == ST_SYNTAX || st == ST_LIMIT)
			say("%.80s is no flag, and no word for a keyword", word);
		else
			said(st);
	}
	return st;
}

static enum status flag(struct place *p, const struct invocation *in, const struct ids *ids)
{
	enum status st = copy_begin(p->copy);

	if (st != ST_OK)
		return said(st);
	st = set(p, in, ids, OPTION_add, true);
	if (st == ST_OK)
		st = set(p, in, ids, OPTION_remove, false);
	if (st == ST_OK)
		return said(copy_commit(p->copy));
	copy_roll_back(p->copy);
	return st;
}

int verb_flag(struct invocation *in)
{
	if (!GIVEN(in, add) && !GIVEN(in, remove)) {
		say("which flag?  --add FLAG or --remove FLAG");
		return WRONG_USE;
	}
	return run(in, flag);
}

/* ---- remove ---- */

static enum status take_away(struct place *p, const struct invocation *in, const struct ids *ids)
{
	(void)in;
	return said(copy_remove(p->copy, ids->all, ids->n));
}

int verb_remove(struct invocation *in)
{
	return run(in, take_away);
}
