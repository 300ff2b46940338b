/* logfile.c - the file of the log: opened, opened anew on SIGHUP, and rotated by
 * size.
 *
 * Nobody else has it (logpipe.c).  LOG becomes LOG.1, LOG.1 becomes LOG.2 and so
 * on up to log.keep; a line is always whole in one of them.
 */
#include "parent/parent.h"

#include "base/disk.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, NUMBERED = PATH_SIZE + 16, LOOK_MS = 2000 };

/* False: lines go to the terminal. */
static bool log_path(const struct conf *c, char out[PATH_SIZE])
{
	if (strcmp(c->log_file, "stderr") == 0)
		return false;
	if (c->log_file[0])
		snprintf(out, PATH_SIZE, "%s", c->log_file);
	else
		snprintf(out, PATH_SIZE, "%s/log/waxwing.log", c->dir);
	return true;
}

static enum status open_as_stderr(const char *path)
{
	int fd;
	enum status st = disk_open(AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600, &fd);

	if (st != ST_OK)
		return st;
	dup2(fd, 2);
	close(fd);
	return ST_OK;
}

enum status parent_log_open(struct parent *p)
{
	char path[PATH_SIZE];

	return log_path(&p->conf, path) ? open_as_stderr(path) : ST_OK;
}

void parent_log_reopen(struct parent *p)
{
	char path[PATH_SIZE];
	enum status st;

	if (!log_path(&p->conf, path))
		return;
	log_flush();
	st = open_as_stderr(path);
	if (st != ST_OK)
		log_event(LOG_ERROR_, "log-open", "why=\"%s\"", status_name(st));
}

/* LOG.8 to LOG.9, ... LOG to LOG.1.  What is not there is passed over. */
static void shift(const char *path, int keep)
{
	char from[NUMBERED], to[NUMBERED];

	for (int i = keep; i > 0; i--) {
		if (i > 1)
			snprintf(from, sizeof from, "%s.%d", path, i - 1);
		else
			snprintf(from, sizeof from, "%s", path);
		snprintf(to, sizeof to, "%s.%d", path, i);
		(void)!disk_rename(AT_FDCWD, from, to);
	}
	if (keep == 0)
		(void)!disk_unlink(AT_FDCWD, path);
}

static void look(struct timer *t)
{
	struct parent *p = (struct parent *)((char *)t - offsetof(struct parent, log_look));
	char path[PATH_SIZE];
	struct stat sb;

	if (p->stopping)
		return;
	if (p->conf.log_size && log_path(&p->conf, path) && fstat(2, &sb) == 0 && S_ISREG(sb.st_mode) &&
	    sb.st_size >= p->conf.log_size) {
		shift(path, (int)p->conf.log_keep);
		parent_log_reopen(p);
		log_event(LOG_INFO_, "log-rotated", "size=%lld", (long long)sb.st_size);
	}
	parent_log_watch(p);
}

void parent_log_watch(struct parent *p)
{
	p->log_look.fire = look;
	if (loop_timer(p->loop, &p->log_look, clock_steady() + LOOK_MS) != ST_OK)
		log_event(LOG_WARN_, "timer", "%s", "");
}
