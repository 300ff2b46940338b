/* review.c - between the editor and the network: what was written is shown, and the person says
 * what becomes of it. */
#include "mua/compose/write.h"

#include "mua/copy/show.h"
#include "mua/say.h"

#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_COLUMNS = 78, NAME_COLUMNS = 10, CTRL_C = 3 };

/* One key, without Enter; what was typed before the question is no answer to it.  NUL where the
 * terminal is gone. */
static char one_key(int tty)
{
	struct termios old, raw;
	char key = '\0';

	if (tcgetattr(tty, &old) != 0)
		return key;
	raw = old;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(tty, TCSAFLUSH, &raw);
	if (read(tty, &key, 1) != 1)
		key = '\0';
	tcsetattr(tty, TCSAFLUSH, &old);
	return key == CTRL_C ? 'n' : ascii_lower(key);
}

static void show_value(FILE *tty, const char *name, struct view value)
{
	struct buf line = BUF(4096);

	if (view_trim(value).n == 0)
		return;
	show_line(value, LINE_COLUMNS - NAME_COLUMNS, &line);
	fprintf(tty, "  %-*s%.*s\n", NAME_COLUMNS, name, VIEW_ARG(buf_view(&line)));
	buf_free(&line);
}

static void show_writing(FILE *tty, const struct writing *w)
{
	size_t lines = 0;
	struct buf text = BUF(128);

	fputc('\n', tty);
	show_value(tty, "From", buf_view(&w->from));
	show_value(tty, "To", buf_view(&w->to));
	show_value(tty, "Cc", buf_view(&w->cc));
	show_value(tty, "Bcc", buf_view(&w->bcc));
	show_value(tty, "Subject", w->subject.n ? buf_view(&w->subject) : VIEW("(none)"));
	for (size_t i = 0; i < w->text.n; i++)
		lines += w->text.p[i] == '\n';
	buf_putf(&text, "%zu line%s", lines, lines == 1 ? "" : "s");
	show_value(tty, "Text", buf_view(&text));
	for (size_t i = 0; i < w->n_enclosures; i++)
		show_value(tty, "Attached", w->enclosures[i].name.n ? w->enclosures[i].name : VIEW("a letter"));
	if (w->protect != PROTECTION_AUTO)
		show_value(tty, "Protect", view_cstr(protection_word(w->protect)));
	buf_free(&text);
}

static void attach(FILE *tty, struct writing *w)
{
	char path[PATH_TEXT_MAX];

	fputs("File: ", tty);
	fflush(tty);
	if (fgets(path, sizeof path, tty) == NULL)
		return;
	path[strcspn(path, "\n")] = '\0';
	if (path[0])
		(void)!writing_attach(w, path);
}

/* Is it away, or a draft, or gone for good?  What the person has to mend is asked about again. */
static bool is_over(enum status st, const struct fate_told *told)
{
	return st == ST_OK || told->draft || told->queued || told->out;
}

/* Fields that are added for one try are not there for the next. */
static enum status finish(struct writing *w, struct place *p, enum fate fate, struct fate_told *told)
{
	size_t extra = w->extra.n;
	enum status st;

	buf_free(&told->message_id);
	buf_free(&told->why);
	st = writing_finish(w, p, fate, told);
	if (w->extra.n > extra)
		w->extra.n = extra;
	return st;
}

static enum status ask(FILE *tty, struct writing *w, struct place *p, enum fate fate, struct fate_told *told)
{
	for (;;) {
		enum status st = ST_AGAIN;

		show_writing(tty, w);
		fprintf(tty, "%s [y]es  [e]dit  [a]ttach  [p]ostpone: a draft  [n]o: throw it away ",
			fate == FATE_DRAFT ? "Keep it?" : "Send it?");
		fflush(tty);
		switch (one_key(fileno(tty))) {
		case 'y':
			fputs("yes\n", tty);
			st = finish(w, p, fate, told);
			break;
		case 'p':
			fputs("postpone\n", tty);
			st = finish(w, p, FATE_DRAFT, told);
			break;
		case 'e':	/* leaving it as it was is no reason to throw it away here */
			(void)!writing_edit(w, p);
			break;
		case 'a':
			fputs("attach\n", tty);
			attach(tty, w);
			break;
		case '\0':	/* the terminal is gone: what was written is not */
			return finish(w, p, FATE_DRAFT, told);
		case 'n':
			fputs("no\nThrow it away? [y]es  [n]o ", tty);
			fflush(tty);
			if (one_key(fileno(tty)) != 'y')
				break;
			fputs("yes\n", tty);
			say("nothing is sent");
			return ST_MISSING;
		default:
			break;
		}
		fputc('\n', tty);
		if (st != ST_AGAIN && is_over(st, told))
			return st;
	}
}

enum status writing_review(struct writing *w, struct place *p, enum fate fate, struct fate_told *told)
{
	FILE *tty = p->settings.review && isatty(STDERR_FILENO) ? fopen("/dev/tty", "r+e") : NULL;
	void (*before)(int);
	enum status st;

	if (tty == NULL)
		return writing_finish(w, p, fate, told);
	*told = (struct fate_told){ .message_id = BUF(0), .why = BUF(0) };
	before = signal(SIGHUP, SIG_IGN);
	st = ask(tty, w, p, fate, told);
	signal(SIGHUP, before);
	fclose(tty);
	return st;
}
