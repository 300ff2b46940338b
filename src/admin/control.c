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
	return st == ST_CLOSED ? ST_IO : st;	/* it was there, and left in the middle */
}

/* The command is said.  ST_CLOSED: nobody is there. */
static enum status say_command(const char *dir, const char *verb, const char *argument, int *ret_fd)
{
	struct buf b = BUF(RECORD_MAX);
	int fd;
	enum status st = control_connect(dir, &fd);

	if (st != ST_OK)
		return st;
	rec_put_command(&b, 0, 0, &(struct rec_command){ view_cstr(verb), view_cstr(argument) });
	st = record_write_blocking(fd, &b, -1);
	buf_free(&b);
	if (st == ST_OK)
		*ret_fd = fd;
	else
		close(fd);
	return st == ST_CLOSED ? ST_IO : st;
}

enum status control_ask(const char *dir, const char *verb, const char *argument, control_row *row,
			void *arg, struct control_answer *ret)
{
	int fd;
	enum status st = say_command(dir, verb, argument, &fd);

	if (st != ST_OK)
		return st;
	ret->text = BUF(RECORD_MAX);
	st = read_answer(fd, row, arg, ret);
	if (st != ST_OK)
		buf_free(&ret->text);
	close(fd);
	return st;
}

static void add_row(void *rows, struct view json)
{
	json_t *row = json_loadb(json.p, json.n, 0, NULL);

	if (row)
		json_array_append_new(rows, row);
}

enum status control_rows(const char *dir, const char *verb, const char *argument, json_t *rows,
			 enum verdict *ret_verdict)
{
	struct control_answer answer;
	enum status st = control_ask(dir, verb, argument, add_row, rows, &answer);

	if (st != ST_OK)
		return st;
	if (ret_verdict)
		*ret_verdict = answer.verdict;
	buf_free(&answer.text);
	return ST_OK;
}

enum status control_hold(const char *dir, const char *verb, const char *argument, enum verdict *ret_verdict, int *ret_fd)
{
	struct control_answer answer = { .text = BUF(RECORD_MAX) };
	int fd;
	enum status st = say_command(dir, verb, argument, &fd);

	if (st != ST_OK)
		return st;
	st = read_answer(fd, NULL, NULL, &answer);
	buf_free(&answer.text);
	if (st != ST_OK || answer.verdict != VERDICT_OK) {
		close(fd);
		fd = -1;
	}
	if (st != ST_OK)
		return st;
	*ret_verdict = answer.verdict;
	*ret_fd = fd;
	return ST_OK;
}
