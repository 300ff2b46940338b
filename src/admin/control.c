/* control.c - asking the running server. */
#include "admin/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* By way of the folder's descriptor, so that a long path does not matter. */
static enum status control_connect(const char *dir, int *ret_fd)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char run[4096];
	int at, fd;

	snprintf(run, sizeof run, "%s/run", dir);
	at = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return errno == ENOENT ? ST_CLOSED : status_of_errno(errno);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/control", at);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
		int err = errno;

		close(at);
		if (fd >= 0)
			close(fd);
		return err == ENOENT || err == ECONNREFUSED ? ST_CLOSED : status_of_errno(err);
	}
	close(at);
	*ret_fd = fd;
	return ST_OK;
}

static enum status read_answer(int fd, control_row *row, void *arg, struct control_answer *ret)
{
	struct buf b = BUF(RECORD_MAX);
	struct record rec;
	struct rec_command_row r;
	struct rec_command_done done;
	enum status st;

	while ((st = record_read_blocking(fd, &b, &rec)) == ST_OK) {
		if (rec.type == REC_command_row && rec_take_command_row(rec.body, &r)) {
			if (row)
				row(arg, r.json);
		} else if (rec.type == REC_command_done && rec_take_command_done(rec.body, &done)) {
			ret->verdict = (enum verdict)done.verdict;
			buf_put(&ret->text, done.text);
			break;
		}
	}
	buf_free(&b);
	return st;
}

enum status control_ask(const char *dir, const char *verb, const char *argument, control_row *row,
			void *arg, struct control_answer *ret)
{
	struct buf b = BUF(RECORD_MAX);
	int fd;
	enum status st = control_connect(dir, &fd);

	if (st != ST_OK)
		return st;
	ret->text = BUF(RECORD_MAX);
	rec_put_command(&b, 0, 0, &(struct rec_command){ view_cstr(verb), view_cstr(argument) });
	st = record_write_blocking(fd, &b, -1);
	if (st == ST_OK)
		st = read_answer(fd, row, arg, ret);
	if (st == ST_CLOSED)
		st = ST_IO;	/* it was there, and left in the middle */
	if (st != ST_OK)
		buf_free(&ret->text);
	buf_free(&b);
	close(fd);
	return st;
}

enum status control_hold(const char *dir, const char *verb, const char *argument, enum verdict *ret_verdict, int *ret_fd)
{
	struct control_answer answer = { .text = BUF(RECORD_MAX) };
	struct buf b = BUF(RECORD_MAX);
	int fd;
	enum status st = control_connect(dir, &fd);

	if (st != ST_OK)
		return st;
	rec_put_command(&b, 0, 0, &(struct rec_command){ view_cstr(verb), view_cstr(argument) });
	st = record_write_blocking(fd, &b, -1);
	if (st == ST_OK)
		st = read_answer(fd, NULL, NULL, &answer);
	buf_free(&answer.text);
	buf_free(&b);
	if (st != ST_OK || answer.verdict != VERDICT_OK) {
		close(fd);
		fd = -1;
	}
	if (st != ST_OK)
		return st == ST_CLOSED ? ST_IO : st;
	*ret_verdict = answer.verdict;
	*ret_fd = fd;
	return ST_OK;
}
