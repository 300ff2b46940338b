#include "mua/say.h"

#include "mua/verb.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_MAX_SAID = 500, BAR = 30, WAIT_MS = 300, EVERY_MS = 100 };

/* The process's own; NULL: standard error. */
static struct buf *heard_by;
static bool said_too;

void say_into(struct buf *to)
{
	heard_by = to;
	said_too = false;
}

void say_into_too(struct buf *to)
{
	heard_by = to;
	said_too = true;
}

/* As much of it as there is room for. */
static void hear(const char *line)
{
	if (heard_by->n && heard_by->n < heard_by->max)
		buf_putc(heard_by, ' ');
	buf_put(heard_by, view_head(view_cstr(line), heard_by->max - heard_by->n));
}

void say(const char *fmt, ...)
{
	char line[LINE_MAX_SAID];
	va_list ap;

	if (heard_by) {
		va_start(ap, fmt);
		vsnprintf(line, sizeof line, fmt, ap);
		va_end(ap);
		hear(line);
		if (!said_too)
			return;
	}
	fputs("waxmail: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int say_failed(const char *what, enum status st)
{
	say("%s: %s", what, status_name(st));
	return FAILED;
}

bool say_colours(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0') && term && strcmp(term, "dumb") != 0;
}

/* ---- JSON ---- */

json_t *say_text(struct view v)
{
	json_t *good = json_stringn(v.p ? v.p : "", v.n);
	struct buf b = BUF(3 * v.n + 1);

	if (good)
		return good;
	for (size_t i = 0; i < v.n; i++) {
		if ((unsigned char)v.p[i] < 0x80)
			buf_putc(&b, v.p[i]);
		else
			buf_puts(&b, "\xef\xbf\xbd");
	}
	good = json_stringn(b.p ? b.p : "", b.n);
	buf_free(&b);
	return good;
}

json_t *say_time(wall_ms at)
{
	char text[RFC3339_SIZE];

	return at ? json_string(clock_rfc3339(at, text)) : json_null();
}

int printed(void)
{
	return fflush(stdout) == 0 && !ferror(stdout) ? DONE : FAILED;
}

int print_object(json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
	return printed();
}

int print_array(json_t *rows)
{
	json_t *row;
	size_t i;

	putchar('[');
	json_array_foreach(rows, i, row) {
		fputs(i ? ",\n" : "\n", stdout);
		json_dumpf(row, stdout, JSON_COMPACT);
	}
	fputs(json_array_size(rows) ? "\n]\n" : "]\n", stdout);
	json_decref(rows);
	return printed();
}

void say_size(uint64_t bytes, struct buf *out)
{
	static const char units[] = "kMGT";
	double n = (double)bytes;
	int unit = -1;

	for (; n >= 1000 && unit < 3; unit++)
		n /= 1024;
	if (unit < 0)
		buf_putu(out, bytes);
	else
		buf_putf(out, n < 10 ? "%.1f%c" : "%.0f%c", n, units[unit]);
}

/* ---- progress ---- */

void progress_begin(struct progress *p, bool off)
{
	*p = (struct progress){ .off = off || !isatty(STDERR_FILENO), .begun = clock_steady() };
}

void progress_show(struct progress *p, const char *what, uint64_t done, uint64_t all)
{
	steady_ms now = p->off ? 0 : clock_steady();
	int full = all ? (int)(BAR * (done < all ? done : all) / all) : 0;

	if (p->off || now - p->begun < WAIT_MS || now - p->drawn < EVERY_MS)
		return;
	p->drawn = now;
	p->shown = true;
	if (all == 0) {
		fprintf(stderr, "\r\033[K%.40s ...", what);
		return;
	}
	fprintf(stderr, "\r\033[K[%.*s%*s] %llu/%llu %.40s", full, "==============================", BAR - full, "",
		(unsigned long long)done, (unsigned long long)all, what);
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
