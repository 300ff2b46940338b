/* parts.c - the parts of a letter: saved, opened with another program. */
#include "mua/screen/internal.h"

#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void screen_open_parts(struct screen *s)
{
	enum status st;

	if (s->where == IN_LIST)
		screen_open_letter(s);
	if (s->letter.id == 0)
		return;
	arena_free(&s->parts_arena);
	s->parts_arena = ARENA((size_t)512 * 1024 * 1024);
	s->n_parts = s->part_at = 0;
	st = show_parts(s->letter.bytes, &s->parts_arena, &s->parts, &s->n_parts);
	if (st != ST_OK) {
		screen_say_status(s, st, VIEW_NONE, NULL);
		return;
	}
	for (size_t i = 0; i < s->n_parts; i++)
		if (s->parts[i].attachment) {
			s->part_at = i;
			break;
		}
	s->where = IN_PARTS;
}

static void put_size(uint64_t n, struct buf *out)
{
	if (n >= 10 * 1024 * 1024)
		buf_putf(out, "%llu MiB", (unsigned long long)(n / 1024 / 1024));
	else if (n >= 10 * 1024)
		buf_putf(out, "%llu KiB", (unsigned long long)(n / 1024));
	else
		buf_putf(out, "%llu B", (unsigned long long)n);
}

void screen_draw_parts(struct screen *s, size_t y, size_t rows)
{
	size_t columns = screen_columns(), top = s->part_at >= rows ? s->part_at - rows + 1 : 0;

	for (size_t i = top; i < s->n_parts && i - top < rows; i++) {
		const struct show_part *p = &s->parts[i];
		enum screen_look look = i == s->part_at ? LOOK_CURSOR : p->attachment ? LOOK_STRONG : LOOK_TEXT;
		struct buf line = BUF(1024), rest = BUF(512);

		buf_putf(&line, "%4u  ", p->number);
		buf_put(&line, p->name);
		buf_putf(&rest, "  %.*s  ", VIEW_ARG(p->type));
		put_size(p->size, &rest);
		screen_put(s, y + i - top, 0, columns * 3 / 5, buf_view(&line), look, true);
		screen_put(s, y + i - top, columns * 3 / 5, columns - columns * 3 / 5, buf_view(&rest), look,
			   i == s->part_at);
		buf_free(&line);
		buf_free(&rest);
	}
}

/* Never through a link, never over a file that is there unless he says so. */
static enum status write_file(const char *path, struct view octets, bool over)
{
	struct iovec iov = { (void *)(uintptr_t)octets.p, octets.n };
	int fd;
	enum status st = disk_open(AT_FDCWD, path, O_WRONLY | O_CREAT | (over ? O_TRUNC : O_EXCL), 0600, &fd);

	if (st != ST_OK)
		return st;
	st = disk_write_at(fd, &iov, 1, 0);
	if (close(fd) != 0 && st == ST_OK)
		st = ST_IO;
	return st;
}

static enum status octets_of(struct screen *s, struct buf *out)
{
	return show_part_octets(s->letter.bytes, s->parts[s->part_at].number, out);
}

void screen_save_part(struct screen *s)
{
	struct screen_prompt p = { .question = "Save to file: " };
	struct buf name = BUF(4 * SCREEN_LINE_MAX), octets = BUF(COPY_LETTER_MAX);
	char *path = NULL;
	enum status st;

	if (s->part_at >= s->n_parts)
		return;
	buf_put(&name, s->parts[s->part_at].name);
	if (screen_ask(s, &p, &name) && name.n)
		path = strndup(name.p, name.n);
	if (path) {
		st = octets_of(s, &octets);
		if (st == ST_OK)
			st = write_file(path, buf_view(&octets), false);
		if (st == ST_EXISTS && screen_ask_key(s, "It is there already. Overwrite? (y/n) ", "yn") == 'y')
			st = write_file(path, buf_view(&octets), true);
		if (st == ST_OK)
			screen_say(s, false, "Saved to %s", path);
		else
			screen_say(s, true, "Not saved: %s", status_name(st));
	}
	free(path);
	buf_free(&name);
	buf_free(&octets);
}

/* In a folder of its own, which goes with it. */
void screen_view_part(struct screen *s)
{
	const struct screen_program *p = s->o->program;
	const char *tmp = getenv("TMPDIR");
	struct buf folder = BUF(4096), path = BUF(4096), octets = BUF(COPY_LETTER_MAX), said = BUF(SCREEN_SAID_MAX);
	enum status st;

	if (s->part_at >= s->n_parts || p->view == NULL) {
		screen_say(s, true, "Nothing here can open it.");
		return;
	}
	buf_putf(&folder, "%s/waxmail-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	st = buf_status(&folder) == ST_OK && mkdtemp(folder.p) ? octets_of(s, &octets) : ST_IO;
	buf_putf(&path, "%s/%.*s", folder.p ? folder.p : "", VIEW_ARG(s->parts[s->part_at].name));
	if (st == ST_OK)
		st = buf_status(&path);
	if (st == ST_OK)
		st = write_file(path.p, buf_view(&octets), false);
	if (st == ST_OK) {
		screen_leave();
		st = p->view(p->arg, buf_view(&path), s->parts[s->part_at].type, &said);
		screen_return();
		unlink(path.p);
	}
	if (folder.p)
		rmdir(folder.p);
	screen_say_status(s, st, buf_view(&said), NULL);
	buf_free(&folder);
	buf_free(&path);
	buf_free(&octets);
	buf_free(&said);
}

/* ---- to a command ---- */

/* As it came: what was deciphered is not put together anew. */
static enum status octets_meant(struct screen *s, struct copy_letter *l, struct buf *part, struct view *ret)
{
	struct copy_message *m = screen_message(s);
	enum status st;

	if (s->where == IN_PARTS) {
		st = s->part_at < s->n_parts ? octets_of(s, part) : ST_MISSING;
		*ret = buf_view(part);
		return st;
	}
	st = m ? copy_read(s->copy, m->id, l) : ST_MISSING;
	*ret = l->bytes;
	return st;
}

void screen_pipe(struct screen *s)
{
	const struct screen_program *p = s->o->program;
	struct screen_prompt ask = { .question = "Give it to the command: " };
	struct buf part = BUF(COPY_LETTER_MAX), said = BUF(SCREEN_SAID_MAX);
	struct copy_letter l = { .whole = false };
	struct view octets;
	enum status st;

	if (p->pipe == NULL) {
		screen_say(s, true, "No command can be run from here.");
	} else if (screen_ask(s, &ask, &s->last_command) && s->last_command.n) {
		st = octets_meant(s, &l, &part, &octets);
		if (st == ST_OK) {
			screen_leave();
			st = p->pipe(p->arg, octets, buf_view(&s->last_command), &said);
			screen_return();
		}
		screen_say_status(s, st, buf_view(&said), NULL);
	}
	copy_letter_close(&l);
	buf_free(&part);
	buf_free(&said);
}
