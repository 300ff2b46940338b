#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LOG_GATHER = 64 * 1024, LOG_VALUE = 512 };

/* The process has one log: part of its root object. */
static struct {
	char process[48];
	int fd;
	enum log_level least;
	bool open;		/* the line now written is wanted */
	bool urgent;
	int64_t second;		/* whose text `at` is */
	char at[RFC3339_SIZE];
	struct buf out;
} lg = { .process = "waxwing", .fd = 2, .least = LOG_INFO_, .out = { .max = LOG_GATHER } };

void log_start(const char *process, int fd, enum log_level least)
{
	tzset();	/* reads files, which a locked-in process cannot */
	snprintf(lg.process, sizeof lg.process, "%s[%d]", process, (int)getpid());
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

void log_begin(enum log_level level, const char *event)
{
	static const char *const words[] = { "debug ", "", "warning ", "error " };

	lg.open = level >= lg.least;
	if (!lg.open)
		return;
	if (lg.out.n > LOG_GATHER / 2)
		log_flush();
	lg.urgent = level >= LOG_WARN_;
	put_time(clock_wall());
	buf_putc(&lg.out, ' ');
	buf_puts(&lg.out, lg.process);
	buf_putc(&lg.out, ' ');
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

void log_view(const char *key, struct view v)
{
	if (!lg.open)
		return;
	put_key(key);
	v = view_head(v, LOG_VALUE);
	if (plain(v)) {
		buf_put(&lg.out, v);
		return;
	}
	buf_putc(&lg.out, '"');
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '"' || c == '\\')
			buf_putc(&lg.out, '\\');
		if (c >= ' ' && c <= '~')
			buf_putc(&lg.out, c);
		else
			buf_putf(&lg.out, "\\x%02x", (unsigned char)c);
	}
	buf_putc(&lg.out, '"');
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
	if (lg.urgent || lg.out.st != ST_OK)
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

void log_flush(void)
{
	/* A log that cannot be written must not stop the mail. */
	for (size_t at = 0; at < lg.out.n;) {
		ssize_t n = write(lg.fd, lg.out.p + at, lg.out.n - at);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	buf_clear(&lg.out);
}
