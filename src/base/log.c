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
	struct buf out;
} lg = { .process = "waxwing", .fd = 2, .least = LOG_INFO_, .out = { .max = LOG_GATHER } };

void log_start(const char *process, int fd, enum log_level least)
{
	tzset();	/* reads files, which a locked-in process cannot */
	snprintf(lg.process, sizeof lg.process, "%s[%d]", process, (int)getpid());
	lg.fd = fd;
	lg.least = least;
}

void log_begin(enum log_level level, const char *event)
{
	static const char *const words[] = { "debug ", "", "warning ", "error " };
	char at[RFC3339_SIZE];

	lg.open = level >= lg.least;
	if (!lg.open)
		return;
	if (lg.out.n > LOG_GATHER / 2)
		log_flush();
	lg.urgent = level >= LOG_WARN_;
	clock_rfc3339(clock_wall(), at);
	buf_puts(&lg.out, at);
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

void log_view(const char *key, struct view v)
{
	bool bare = plain(v);

	if (!lg.open)
		return;
	buf_putc(&lg.out, ' ');
	buf_puts(&lg.out, key);
	buf_puts(&lg.out, bare ? "=" : "=\"");
	v = view_head(v, LOG_VALUE);
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '"' || c == '\\')
			buf_putc(&lg.out, '\\');
		if (c >= ' ' && c <= '~')
			buf_putc(&lg.out, c);
		else
			buf_putf(&lg.out, "\\x%02x", (unsigned char)c);
	}
	if (!bare)
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
	buf_putc(&lg.out, ' ');
	buf_puts(&lg.out, key);
	buf_putc(&lg.out, '=');
	buf_putu(&lg.out, value);
}

void log_hex(const char *key, uint64_t value)
{
	if (lg.open)
		buf_putf(&lg.out, " %s=%llx", key, (unsigned long long)value);
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
