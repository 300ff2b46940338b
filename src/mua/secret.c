#include "mua/secret.h"

#include "mua/say.h"

#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { DESCRIPTION_MAX = 400 };

/* One line without its end; unbuffered, so that nothing of it stays. */
static enum status read_line(int fd, struct buf *line)
{
	char c;
	ssize_t n;

	for (;;) {
		n = read(fd, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || c == '\n')
			break;
		buf_putc(line, c);
	}
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return buf_status(line) != ST_OK ? buf_status(line) : line->n ? ST_OK : ST_MISSING;
}

/* ---- the terminal ---- */

enum status password_ask(const char *whose, struct buf *ret)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	struct termios old, quiet;
	enum status st;

	if (tty < 0)
		return read_line(STDIN_FILENO, ret);
	if (tcgetattr(tty, &old) != 0) {
		close(tty);
		return ST_IO;
	}
	quiet = old;
	/* With ISIG off Ctrl-C is a character and ends the line: the terminal never
	 * stays without echo. */
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL | ISIG);
	quiet.c_cc[VEOL] = 3;
	tcsetattr(tty, TCSAFLUSH, &quiet);
	dprintf(tty, "Password for %.300s: ", whose);
	st = read_line(tty, ret);
	dprintf(tty, "\n");
	tcsetattr(tty, TCSAFLUSH, &old);
	close(tty);
	if (st == ST_OK && view_find(buf_view(ret), 3) < ret->n)
		st = ST_MISSING;
	return st;
}

/* ---- a command ---- */

static enum status from_command(const char *command, struct buf *ret)
{
	FILE *f = popen(command, "re");
	enum status st;
	char rest[512];
	int status;

	if (f == NULL)
		return ST_IO;
	st = read_line(fileno(f), ret);
	/* What it says besides is read, so that it can end. */
	while (read(fileno(f), rest, sizeof rest) > 0)
		;
	explicit_bzero(rest, sizeof rest);
	status = pclose(f);
	if (status != 0) {
		say("`%.200s` ended with status %d", command, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
		return ST_DENIED;
	}
	if (st == ST_MISSING)
		say("`%.200s` printed no password", command);
	return st;
}

/* ---- the kernel's keyring ---- */

static const char *description(const struct account *a, char out[DESCRIPTION_MAX])
{
	snprintf(out, DESCRIPTION_MAX, "waxmail:%.350s", a->address);
	for (char *p = out; *p; p++)
		*p = ascii_lower(*p);
	return out;
}

enum status keyring_put(const struct account *a, struct view password)
{
	char name[DESCRIPTION_MAX];
	key_serial_t key = add_key("user", description(a, name), password.p, password.n, KEY_SPEC_USER_KEYRING);

	/* Ours alone, also where the keyring is not linked to the session's. */
	if (key < 0 || keyctl_setperm(key, KEY_POS_ALL | KEY_USR_VIEW | KEY_USR_READ | KEY_USR_WRITE |
						   KEY_USR_SEARCH | KEY_USR_LINK | KEY_USR_SETATTR) < 0)
		return ST_DENIED;
	return ST_OK;
}

static key_serial_t find_key(const struct account *a)
{
	char name[DESCRIPTION_MAX];
	long key = keyctl_search(KEY_SPEC_USER_KEYRING, "user", description(a, name), 0);

	return key < 0 ? -1 : (key_serial_t)key;
}

enum status keyring_forget(const struct account *a)
{
	key_serial_t key = find_key(a);

	return key < 0 ? ST_MISSING : keyctl_unlink(key, KEY_SPEC_USER_KEYRING) < 0 ? ST_DENIED : ST_OK;
}

static enum status from_keyring(const struct account *a, struct buf *ret)
{
	key_serial_t key = find_key(a);
	long n;
	char *p;

	if (key < 0)
		return ST_MISSING;
	if (buf_reserve(ret, PASSWORD_MAX, &p) != ST_OK)
		return ST_NOMEM;
	n = keyctl_read(key, p, PASSWORD_MAX);
	if (n <= 0 || n > PASSWORD_MAX)
		return ST_MISSING;
	ret->n += (size_t)n;
	return ST_OK;
}

enum status password_of(const struct account *a, bool may_ask, struct buf *ret)
{
	enum status st;

	if (a->password_command[0])
		return from_command(a->password_command, ret);
	st = from_keyring(a, ret);
	if (st == ST_MISSING && may_ask && access("/dev/tty", R_OK | W_OK) == 0 && isatty(STDERR_FILENO))
		st = password_ask(a->address, ret);
	if (st == ST_MISSING)
		say("no password for %.200s: give it a password_command, or `waxmail account password %.200s`",
		    a->address, a->address);
	return st;
}
