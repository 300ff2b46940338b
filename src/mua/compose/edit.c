/* edit.c - a letter as a text for the person's editor, and back.
 *
 *     From: Jones <Jones@foo.com>
 *     To: Smith@bar.com
 *     Subject: Blah
 *     Protect: protect
 *     Attach: report.pdf
 *
 *     text ...
 */
#include "mua/compose/write.h"

#include "mua/say.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMMAND_MAX = 4096, FILE_MAX = WRITING_TEXT_MAX };

/* ---- the text ---- */

static void put_field(struct buf *out, const char *name, const struct buf *value)
{
	buf_putf(out, "%s: ", name);
	for (size_t i = 0; i < value->n; i++)
		buf_putc(out, value->p[i] == '\r' || value->p[i] == '\n' ? ' ' : value->p[i]);
	buf_putc(out, '\n');
}

static void put_all(const struct writing *w, struct buf *out)
{
	put_field(out, "From", &w->from);
	put_field(out, "To", &w->to);
	put_field(out, "Cc", &w->cc);
	put_field(out, "Bcc", &w->bcc);
	if (w->reply_to.n)
		put_field(out, "Reply-To", &w->reply_to);
	put_field(out, "Subject", &w->subject);
	if (w->protect != PROTECTION_AUTO)
		buf_putf(out, "Protect: %s\n", protection_word(w->protect));
	for (size_t i = 0; i < w->n_enclosures; i++)
		buf_putf(out, "Attached: %.*s (%.*s)\n", VIEW_ARG(w->enclosures[i].name),
			 VIEW_ARG(w->enclosures[i].type));
	buf_putc(out, '\n');
	if (w->quote_below)
		buf_putc(out, '\n');
	buf_put(out, buf_view(&w->text));
}

static enum status take_field(struct writing *w, struct view name, struct view value)
{
	const struct {
		struct view name;
		struct buf *to;
	} known[] = {
		{ VIEW("From"), &w->from }, { VIEW("Reply-To"), &w->reply_to }, { VIEW("To"), &w->to },
		{ VIEW("Cc"), &w->cc },     { VIEW("Bcc"), &w->bcc },		{ VIEW("Subject"), &w->subject },
	};
	char path[PATH_TEXT_MAX];

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!view_eq_i(name, known[i].name))
			continue;
		buf_put(known[i].to, value);
		return ST_OK;
	}
	if (view_eq_i(name, VIEW("Protect"))) {
		if (protection_take(value, &w->protect))
			return ST_OK;
		say("Protect: wants " PROTECTION_WORDS);
		return ST_SYNTAX;
	}
	if (view_eq_i(name, VIEW("Attached")))
		return ST_OK;
	if (view_eq_i(name, VIEW("Attach"))) {
		if (value.n == 0)
			return ST_OK;
		snprintf(path, sizeof path, "%.*s", VIEW_ARG(value));
		return writing_attach(w, path);
	}
	say("no field %.*s: is there an empty line before the text?", VIEW_ARG(view_head(name, 80)));
	return ST_SYNTAX;
}

static enum status take_all(struct writing *w, struct view text)
{
	struct buf *fields[] = { &w->from, &w->reply_to, &w->to, &w->cc, &w->bcc, &w->subject };
	enum status st = ST_OK;

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		buf_clear(fields[i]);
	while (st == ST_OK && text.n) {
		struct view line = view_head(text, view_find(text, '\n'));
		size_t colon = view_find(line, ':');

		text = view_skip(text, line.n + 1);
		if (view_trim(line).n == 0)
			break;
		st = take_field(w, view_head(line, colon), view_trim(view_skip(line, colon + 1)));
	}
	buf_clear(&w->text);
	buf_put(&w->text, text);
	return st;
}

/* ---- the editor ---- */

static const char *editor(const struct place *p)
{
	const char *visual = getenv("VISUAL"), *plain = getenv("EDITOR");

	return p->settings.editor[0] ? p->settings.editor
	       : visual && visual[0] ? visual
	       : plain && plain[0]   ? plain
				     : "vi";
}

/* The name of the file is an argument of its own, never part of the command. */
static enum status run_editor(const struct place *p, const char *path)
{
	char command[COMMAND_MAX];
	pid_t pid;
	int status;

	if (snprintf(command, sizeof command, "%s \"$1\"", editor(p)) >= COMMAND_MAX)
		return ST_LIMIT;
	pid = fork();
	if (pid < 0)
		return ST_NOMEM;
	if (pid == 0) {
		int tty = isatty(STDIN_FILENO) ? -1 : open("/dev/tty", O_RDONLY);

		/* Where the text came from a pipe, the terminal is still there. */
		if (tty >= 0)
			dup2(tty, STDIN_FILENO);
		execl("/bin/sh", "sh", "-c", command, "editor", path, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	if (status == 0)
		return ST_OK;
	say("the editor ended with status %d: %.200s", WIFEXITED(status) ? WEXITSTATUS(status) : -1, editor(p));
	return ST_DENIED;
}

static enum status write_file(char *path, const struct buf *text)
{
	int fd = mkstemps(path, 4);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	bool good = f && fwrite(text->p, 1, text->n, f) == text->n;

	if (f)
		good = fclose(f) == 0 && good;
	return good ? ST_OK : ST_NOSPACE;
}

static enum status read_back(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	char piece[65536];
	size_t n;

	if (f == NULL)
		return ST_MISSING;
	while ((n = fread(piece, 1, sizeof piece, f)) > 0 && buf_status(out) == ST_OK)
		buf_put(out, view_make(piece, n));
	fclose(f);
	return buf_status(out);
}

static bool ask_again(void)
{
	char answer[16] = "";
	FILE *tty = fopen("/dev/tty", "r+e");

	if (tty == NULL)
		return false;
	fputs("Edit it again? [Y/n] ", tty);
	fflush(tty);
	if (fgets(answer, sizeof answer, tty) == NULL)
		answer[0] = 'n';
	fclose(tty);
	return answer[0] != 'n' && answer[0] != 'N';
}

enum status writing_edit(struct writing *w, struct place *p)
{
	char path[PATH_TEXT_MAX];
	const char *top = getenv("TMPDIR");
	struct buf before = BUF(FILE_MAX), after = BUF(FILE_MAX);
	size_t enclosures = w->n_enclosures;
	enum status st;

	if (snprintf(path, sizeof path, "%s/waxmail-XXXXXX.eml", top && top[0] ? top : "/tmp") >= PATH_TEXT_MAX)
		return ST_LIMIT;
	put_all(w, &before);
	st = buf_status(&before) == ST_OK ? write_file(path, &before) : buf_status(&before);
	if (st != ST_OK) {
		say_failed(path, st);
		goto out;
	}
	do {
		buf_clear(&after);
		w->n_enclosures = enclosures;
		st = run_editor(p, path);
		if (st == ST_OK)
			st = read_back(path, &after);
		if (st == ST_OK && view_eq(buf_view(&before), buf_view(&after)) && w->forwards == 0 &&
		    w->n_enclosures == 0)
			st = ST_MISSING;
		if (st == ST_OK)
			st = take_all(w, buf_view(&after));
	} while (st == ST_SYNTAX && ask_again());
	if (st == ST_OK)
		w->quote_below = false;	/* what was typed stands there already */
	if (st == ST_OK || st == ST_MISSING)
		unlink(path);
	else
		say("what was written is in %s", path);
	if (st == ST_MISSING)
		say("nothing was written, and so nothing is sent");
out:
	buf_free(&before);
	buf_free(&after);
	return st;
}
