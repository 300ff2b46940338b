#include "admin/tell.h"

#include "admin/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum { DAY_MS = 86400000, DAYS_MOST = 36500 };

void tell(const char *fmt, ...)
{
	va_list ap;

	fputs("waxwing: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int complain(const char *what, enum status st, const struct reason *reasons)
{
	for (; reasons && reasons->st != ST_OK; reasons++) {
		if (reasons->st == st) {
			tell("%s: %s", what, reasons->text);
			return FAILED;
		}
	}
	tell("%s: %s", what, status_name(st));
	return FAILED;
}

bool ask_yes(const char *fmt, ...)
{
	char answer[16];
	bool yes = false;
	va_list ap;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	FILE *tty = fd < 0 ? NULL : fdopen(fd, "r+");

	if (tty == NULL) {
		tell("no terminal to ask on; --yes says that it shall be done");
		if (fd >= 0)
			close(fd);
		return false;
	}
	va_start(ap, fmt);
	vfprintf(tty, fmt, ap);
	va_end(ap);
	fputs(" [y/N] ", tty);
	fflush(tty);
	if (fgets(answer, sizeof answer, tty))
		yes = answer[0] == 'y' || answer[0] == 'Y';
	fclose(tty);
	return yes;
}

bool take_days(const char *given, wall_ms *ret_since)
{
	uint64_t days;

	if (given == NULL)
		return true;
	if (!view_u64(view_cstr(given), &days) || days == 0 || days > DAYS_MOST) {
		tell("--days %s: wants a number of days, from 1 to %d", given, DAYS_MOST);
		return false;
	}
	*ret_since = clock_wall() - (wall_ms)days * DAY_MS;
	return true;
}

/* ---- passwords ---- */

/* One line without its end.  ST_CLOSED at an early end of the input. */
static enum status read_line(int fd, int signals, struct buf *line)
{
	for (;;) {
		struct pollfd p[2] = { { fd, POLLIN, 0 }, { signals, POLLIN, 0 } };
		char c;

		if (poll(p, signals < 0 ? 1 : 2, -1) < 0 && errno != EINTR)
			return ST_IO;
		if (p[1].revents)
			return ST_TIMEOUT;
		if (!p[0].revents)
			continue;
		if (read(fd, &c, 1) != 1)
			return line->n ? ST_OK : ST_CLOSED;
		if (c == '\n')
			break;
		buf_putc(line, c);
	}
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return buf_status(line);
}

/* Without echo; a Ctrl-C must not leave the terminal so. */
static enum status read_hidden(int tty, const char *prompt, struct buf *line)
{
	struct termios old, quiet;
	sigset_t set, before;
	int signals;
	enum status st;

	if (tcgetattr(tty, &old) != 0)
		return ST_IO;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &before);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	tcsetattr(tty, TCSAFLUSH, &quiet);
	dprintf(tty, "%s", prompt);
	st = read_line(tty, signals, line);
	dprintf(tty, "\n");
	tcsetattr(tty, TCSAFLUSH, &old);
	if (signals >= 0)
		close(signals);
	if (st == ST_TIMEOUT)
		_exit(130);	/* as if the signal had ended us */
	sigprocmask(SIG_SETMASK, &before, NULL);
	return st;
}

static enum status ask_twice(int tty, const char *whose, struct buf *ret)
{
	struct buf again = BUF(PASSWORD_MOST + 2);
	char prompt[400];
	enum status st;

	snprintf(prompt, sizeof prompt, "New password for %.300s: ", whose);
	st = read_hidden(tty, prompt, ret);
	if (st == ST_OK)
		st = read_hidden(tty, "The same again: ", &again);
	if (st == ST_OK && !view_eq(buf_view(ret), buf_view(&again))) {
		tell("the two are not the same; nothing was changed");
		st = ST_DENIED;
	} else if (st == ST_CLOSED) {
		tell("no password was given; nothing was changed");
	}
	buf_wipe(&again);
	return st;
}

static enum status check_length(enum status st, const struct buf *b)
{
	if (st == ST_LIMIT || (st == ST_OK && b->n > PASSWORD_MOST)) {
		tell("the password is too long; at most %d bytes", PASSWORD_MOST);
		return ST_LIMIT;
	}
	if (st == ST_CLOSED || (st == ST_OK && b->n < PASSWORD_LEAST)) {
		tell("the password is empty");
		return ST_SYNTAX;
	}
	return st;
}

enum status read_password(bool from_stdin, const char *whose, struct buf *ret)
{
	enum status st;
	int tty;

	if (from_stdin)
		return check_length(read_line(0, -1, ret), ret);
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	if (tty < 0) {
		tell("no terminal to ask for the password on; give it with --password-stdin");
		return ST_DENIED;
	}
	st = ask_twice(tty, whose, ret);
	close(tty);
	return st == ST_OK ? check_length(st, ret) : st;
}
