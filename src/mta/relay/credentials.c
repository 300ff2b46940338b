/* credentials.c - the file of logins for smarthosts. */
#include "mta/relay/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MOST = 256 * 1024, ENTRIES_MOST = 1000 };

static struct view take_word(struct view *line)
{
	struct view word;

	*line = view_trim(*line);
	for (word = view_make(line->p, 0); word.n < line->n && line->p[word.n] != ' ' && line->p[word.n] != '\t';)
		word.n++;
	*line = view_skip(*line, word.n);
	return word;
}

/* HOST NAME PASSWORD; the password may hold blanks. */
static enum status take_line(struct credentials *c, struct view line)
{
	struct credential one;

	one.host = take_word(&line);
	one.name = take_word(&line);
	one.secret = view_trim(line);
	if (one.host.n == 0 || one.host.p[0] == '#')
		return ST_OK;
	if (one.secret.n == 0)
		return ST_SYNTAX;
	if (c->n == ENTRIES_MOST)
		return ST_LIMIT;
	c->list[c->n++] = one;
	return ST_OK;
}

static enum status take_text(struct credentials *c, struct view text)
{
	enum status st = ST_OK;

	c->list = arena_array(&c->arena, ENTRIES_MOST, sizeof *c->list);
	while (st == ST_OK && text.n && c->list) {
		struct view line = view_head(text, view_find(text, '\n'));

		text = view_skip(text, line.n + 1);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		st = take_line(c, line);
	}
	return st == ST_OK ? arena_status(&c->arena) : st;
}

static enum status read_file(int fd, struct arena *a, struct view *ret)
{
	struct stat sb;
	ssize_t n;
	char *p;

	if (fstat(fd, &sb) != 0)
		return ST_IO;
	if (sb.st_mode & (S_IRWXG | S_IRWXO))
		return ST_DENIED;
	if (sb.st_size > FILE_MOST)
		return ST_LIMIT;
	p = arena_alloc(a, (size_t)sb.st_size + 1);
	if (p == NULL)
		return arena_status(a);
	n = read(fd, p, (size_t)sb.st_size);
	if (n < 0)
		return ST_IO;
	*ret = view_make(p, (size_t)n);
	return ST_OK;
}

enum status credentials_load(const char *path, struct credentials *ret)
{
	struct credentials c = { .arena = ARENA(2 * FILE_MOST) };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct view text = VIEW_NONE;
	enum status st = fd < 0 ? status_of_errno(errno) : read_file(fd, &c.arena, &text);

	if (fd >= 0)
		close(fd);
	if (st == ST_OK)
		st = take_text(&c, text);
	if (st == ST_OK)
		*ret = c;
	else
		arena_free(&c.arena);
	return st;
}

const struct credential *credentials_find(const struct credentials *c, struct view host)
{
	for (size_t i = 0; i < c->n; i++)
		if (view_eq_i(c->list[i].host, host))
			return &c->list[i];
	return NULL;
}
