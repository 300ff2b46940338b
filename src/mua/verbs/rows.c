#include "mua/verbs/rows.h"

#include "mua/copy/show.h"

#include <stdio.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH_SHOWN = 12, YEAR_MS_DAYS = 300 };

static const struct {
	uint32_t flag;
	const char *name;
	char letter;
} flags[] = {
	{ COPY_FLAGGED, "flagged", 'F' },
	{ COPY_ANSWERED, "answered", 'r' },
	{ COPY_FORWARDED, "forwarded", 'f' },
	{ COPY_DELETED, "deleted", 'D' },
	{ COPY_DRAFT, "draft", 'd' },
	{ COPY_ATTACHMENTS, "attachments", 'a' },
	{ COPY_ENCRYPTED, "encrypted", 'E' },
	{ COPY_SIGNED, "signed", 'S' },
	{ COPY_PENDING, "pending", '+' },
	{ COPY_SEEN, "seen", '\0' },
	{ COPY_MDN_SENT, "receipt-sent", '\0' },
};
enum { FLAGS = sizeof flags / sizeof *flags };

uint32_t flag_by_name(const char *name)
{
	for (size_t i = 0; i < FLAGS; i++)
		if (flags[i].flag & COPY_FLAGS && strcasecmp(name[0] == '\\' ? name + 1 : name, flags[i].name) == 0)
			return flags[i].flag;
	return 0;
}

enum status folder_names(struct copy *c, struct arena *a, struct folder_names *ret)
{
	return copy_folders(c, a, &ret->all, &ret->n);
}

struct view folder_name(const struct folder_names *f, int64_t id)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->all[i].id == id)
			return f->all[i].name;
	return VIEW_NONE;
}

static json_t *flags_json(const struct copy_message *m)
{
	json_t *list = json_array();
	struct view left = m->keywords, word;

	for (size_t i = 0; i < FLAGS; i++)
		if (m->flags & COPY_FLAGS & flags[i].flag)
			json_array_append_new(list, json_string(flags[i].name));
	while ((word = view_take_word(&left)).n)
		json_array_append_new(list, say_text(word));
	return list;
}

json_t *message_json(const struct copy_message *m, const struct folder_names *f)
{
	return json_pack("{sI,so,sI,so,so,so,sI,so,so,so,so,so,sb,sb,sb}", "id", (json_int_t)m->id, "folder",
			 say_text(folder_name(f, m->folder)), "uid", (json_int_t)m->uid, "flags", flags_json(m),
			 "date", say_time(m->date), "received", say_time(m->received), "size",
			 (json_int_t)m->size, "from", say_text(m->from), "address", say_text(m->address), "to",
			 say_text(m->to), "subject", say_text(m->subject), "message_id",
			 say_text(m->message_id), "whole", m->flags & COPY_BODY ? 1 : 0, "attachments",
			 m->flags & COPY_ATTACHMENTS ? 1 : 0, "pending", m->flags & COPY_PENDING ? 1 : 0);
}

size_t terminal_width(void)
{
	struct winsize w;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 0;
}

/* "25 Nov", or " 2024" where it is long ago. */
static void put_day(wall_ms at, struct buf *out)
{
	time_t t = (time_t)(at / 1000);
	struct tm tm;
	char text[32] = "";

	if (localtime_r(&t, &tm))
		strftime(text, sizeof text, (clock_wall() - at) / 86400000 > YEAR_MS_DAYS ? "%b %Y" : "%d %b", &tm);
	buf_putf(out, "%-8s ", text);
}

static void put_column(struct view text, size_t columns, struct buf *out)
{
	struct buf shown = BUF(4096);
	size_t wide;

	show_line(text, columns, &shown);
	wide = show_columns(buf_view(&shown));
	buf_putf(out, "%.*s%*s ", VIEW_ARG(buf_view(&shown)), wide < columns ? (int)(columns - wide) : 0, "");
	buf_free(&shown);
}

static void put_tags(const struct copy_message *m, struct buf *out)
{
	struct buf words = BUF(8192);

	show_keywords(m->keywords, &words);
	if (words.n)
		buf_putf(out, "[%.*s] ", VIEW_ARG(buf_view(&words)));
	buf_free(&words);
}

void message_line(const struct copy_message *m, struct view folder, uint32_t depth, size_t width, struct buf *out)
{
	size_t at = out->n, used;
	char marks[8];
	size_t n = 0;

	if (!(m->flags & COPY_SEEN))
		marks[n++] = 'N';
	if (!(m->flags & COPY_BODY))
		marks[n++] = 'h';
	for (size_t i = 0; i < FLAGS && n < 5; i++)
		if (flags[i].letter && m->flags & flags[i].flag)
			marks[n++] = flags[i].letter;
	marks[n] = '\0';
	buf_putf(out, "%*lld %-5s ", ROWS_NUMBER, (long long)m->id, marks);
	put_day(m->date, out);
	put_column(m->from.n ? m->from : m->address, ROWS_FROM, out);
	if (folder.n)
		put_column(folder, ROWS_FROM / 2, out);
	for (uint32_t i = 0; i < depth && i < DEPTH_SHOWN; i++)
		buf_puts(out, "  ");
	put_tags(m, out);
	used = show_columns(view_make(out->p + at, out->n - at));
	show_line(m->subject, width ? width > used + 1 ? width - used : 1 : 0, out);
	buf_putc(out, '\n');
}
