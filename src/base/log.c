#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LOG_GATHER = 64 * 1024, LOG_VALUE = 512, LOG_FINISH_MS = 1000 };

/* The process has one log: part of its root object. */
static struct {
	char process[48];	/* and a blank; empty: fd is a pipe */
	int fd;
	enum log_level least;
	bool open;		/* the line now written is wanted */
	bool urgent;
	bool torn;		/* only a part of a line could be written */
	uint64_t lost;		/* lines that could not be, and are not told of yet */
	uint64_t telling;	/* so many a line that waits tells of */
	size_t begun;		/* where in out the line now written begins */
	int64_t second;		/* whose text `at` is */
	char at[RFC3339_SIZE];
	struct buf out;
} lg = { .process = "waxwing ", .fd = 2, .least = LOG_INFO_, .out = { .max = LOG_GATHER } };

void log_start(const char *process, int fd, enum log_level least)
{
	tzset();	/* reads files, which a locked-in process cannot */
	lg.process[0] = '\0';
	if (process)
		snprintf(lg.process, sizeof lg.process, "%s[%d] ", process, (int)getpid());
	lg.fd = fd;
	lg.least = least;
}

/* Lines come by the thousand a second: only the milliseconds are new. */
static void put_time(wall_ms now)
{
	enum { MS = 20 };	/* where they stand in RFC 3339's form */

	if (lg.at[0] == '\0' || now < 0 || now / 1000 != lg.second) {
		clock_rfc3339(now, lg.at);
		lg.second = now / 1000;
	} else {
		lg.at[MS] = (char)('0' + now % 1000 / 100);
		lg.at[MS + 1] = (char)('0' + now % 100 / 10);
		lg.at[MS + 2] = (char)('0' + now % 10);
	}
	buf_puts(&lg.out, lg.at);
}

static void tell_lost(void)
{
	lg.telling = lg.lost;
	lg.lost = 0;
	log_event(LOG_WARN_, "log-lost", "lines=%llu", (unsigned long long)lg.telling);
}

void log_begin(enum log_level level, const char *event)
{
	static const char *const words[] = { "debug ", "", "warning ", "error " };

	lg.open = level >= lg.least;
	if (!lg.open)
		return;
	if (lg.out.n > LOG_GATHER / 2)
		log_flush();
	if (lg.lost && lg.out.n == 0)
		tell_lost();
	lg.open = true;
	lg.begun = lg.out.n;
	lg.urgent = level >= LOG_WARN_;
	put_time(clock_wall());
	buf_putc(&lg.out, ' ');
	buf_puts(&lg.out, lg.process);
	buf_puts(&lg.out, words[level]);
	buf_puts(&lg.out, event);
}

static bool plain(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] > '~' || v.p[i] == '"' || v.p[i] == '\\')
			return false;
	return v.n > 0;
}

static void put_key(const char *key)
{
	buf_putc(&lg.out, ' ');
	buf_puts(&lg.out, key);
	buf_putc(&lg.out, '=');
}

void log_put_value(struct buf *out, struct view v)
{
	v = view_head(v, LOG_VALUE);
	if (plain(v)) {
		buf_put(out, v);
		return;
	}
	buf_putc(out, '"');
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '"' || c == '\\')
			buf_putc(out, '\\');
		if (c >= ' ' && c <= '~')
			buf_putc(out, c);
		else
			buf_putf(out, "\\x%02x", (unsigned char)c);
	}
	buf_putc(out, '"');
}

void log_view(const char *key, struct view v)
{
	if (!lg.open)
		return;
	put_key(key);
	log_put_value(&lg.out, v);
}

void log_str(const char *key, const char *value)
{
	log_view(key, view_cstr(value));
}

void log_u64(const char *key, uint64_t value)
{
	if (!lg.open)
		return;
	put_key(key);
	buf_putu(&lg.out, value);
}

void log_hex(const char *key, uint64_t value)
{
	char digits[16];
	size_t n = sizeof digits;

	if (!lg.open)
		return;
	do
		digits[--n] = "0123456789abcdef"[value & 15];
	while ((value >>= 4) != 0);
	put_key(key);
	buf_put(&lg.out, view_make(digits + n, sizeof digits - n));
}

void log_end(void)
{
	if (!lg.open)
		return;
	buf_putc(&lg.out, '\n');
	lg.open = false;
	if (lg.out.st != ST_OK) {	/* no room, or no memory, for all of it */
		lg.out.n = lg.begun;
		lg.out.st = ST_OK;
		lg.lost++;
	}
	if (lg.urgent)
		log_flush();
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	va_list ap;
	char text[LOG_VALUE];

	log_begin(level, event);
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (lg.open && text[0]) {
		buf_putc(&lg.out, ' ');
		buf_puts(&lg.out, text);
	}
	log_end();
}

/* ---- writing ---- */

/* How much was taken; the rest cannot be now, and errno says why. */
static size_t write_some(struct view v)
{
	size_t at = 0;
	ssize_t n;

	for (errno = 0; at < v.n; at += (size_t)n) {
		do
			n = write(lg.fd, v.p + at, v.n - at);
		while (n < 0 && errno == EINTR);
		if (n <= 0)
			break;
	}
	return at;
}

/* All, or the lines that were not are counted. */
static void write_or_lose(struct view v)
{
	size_t n;

	if (lg.torn && write_some(VIEW("\n")) == 1)
		lg.torn = false;
	n = lg.torn ? 0 : write_some(v);
	if (n == v.n)
		return;
	lg.torn |= n > 0 && v.p[n - 1] != '\n';
	for (; n < v.n; n++)
		lg.lost += v.p[n] == '\n';
}

static void flush_to_file(void)
{
	uint64_t before = lg.lost;

	write_or_lose(buf_view(&lg.out));
	buf_clear(&lg.out);
	if (lg.lost > before && lg.telling)
		lg.lost += lg.telling - 1;	/* that line itself was counted too */
	lg.telling = 0;
}

static void flush_to_pipe(void)
{
	buf_drop(&lg.out, write_some(buf_view(&lg.out)));
	if (lg.out.n && errno != EAGAIN)
		buf_clear(&lg.out);	/* there is no reader any more */
}

void log_flush(void)
{
	if (lg.out.n == 0)
		return;
	if (lg.process[0])
		flush_to_file();
	else
		flush_to_pipe();
}

bool log_waits(void)
{
	return lg.out.n || lg.lost;
}

void log_catch_up(void)
{
	log_flush();
	if (lg.lost && lg.out.n == 0)
		tell_lost();
}

void log_finish(void)
{
	struct pollfd reader = { .fd = lg.fd, .events = POLLOUT };

	log_flush();
	while (lg.out.n && poll(&reader, 1, LOG_FINISH_MS) > 0)
		log_flush();
}

void log_lines(struct view lines)
{
	log_flush();
	write_or_lose(lines);
}
