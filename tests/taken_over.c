/* taken_over.c - a process in the place of names that wants to harm the log.
 *
 * Put beside the server's programs as waxwing-names (tests/test_log.py).  What it
 * does stands in the instance's folder as the file `attack`: what it tries with
 * its descriptors it tries before it enters its walls. */
#include "base/log.h"
#include "role/role.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LATER_MS = 200, LAST_LINES = 2000, DESCRIPTORS = 1024 };

struct attacker {
	struct role_process proc;
	struct timer timer;
	char what[16];
	char flood[64 * 1024];
};

static void say(const char *text, size_t n)
{
	(void)!write(STDERR_FILENO, text, n);
}

/* Files that are no memory: what it should not have. */
static int files(void)
{
	int n = 0;

	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		struct stat sb;

		n += fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) && sb.st_nlink > 0;
	}
	return n;
}

static void try_file(void)
{
	char c;
	int cut = ftruncate(STDERR_FILENO, 0), over = (int)pwrite(STDERR_FILENO, "x", 1, 0);
	int back = (int)lseek(STDERR_FILENO, 0, SEEK_SET), got = (int)read(STDERR_FILENO, &c, 1);
	int mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, STDERR_FILENO, 0) != MAP_FAILED;

	(void)!fcntl(STDERR_FILENO, F_SETFL, 0);
	log_event(LOG_INFO_, "tried", "cut=%d over=%d back=%d read=%d mapped=%d files=%d terminals=%d", cut, over,
		  back, got, mapped, files(), isatty(0) + isatty(1) + isatty(2));
	fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
}

static void forge(void)
{
	static const char lines[] = "2026-11-22T10:31:05.123Z parent[1] stopped forged=yes\n"
				    "2026-11-22T10:31:05.123Z rcpt forged=\x1b[2J\0\r\n"
				    "no line at all\n2026-11-22T10:31:05.123Z half ";

	say(lines, sizeof lines - 1);
	log_event(LOG_INFO_, "after", "%s", "");
}

static void last_words(void)
{
	for (int i = 0; i < LAST_LINES; i++)
		log_event(LOG_INFO_, "last", "n=%d", i);
	log_flush();
	say("and a half", 10);
	abort();
}

static void later(struct timer *t)
{
	struct attacker *a = (struct attacker *)((char *)t - offsetof(struct attacker, timer));

	if (strcmp(a->what, "die") == 0)
		last_words();
	for (int i = 0; i < 32; i++)
		say(a->flood, sizeof a->flood);
	if (loop_timer(a->proc.loop, t, clock_steady() + 1) != ST_OK)
		abort();
}

static void read_what(struct attacker *a)
{
	char path[4200];
	FILE *f;

	snprintf(path, sizeof path, "%s/attack", a->proc.conf.dir);
	f = fopen(path, "re");
	if (f == NULL || fscanf(f, "%15s", a->what) != 1)
		abort();
	fclose(f);
	for (size_t i = 0; i < sizeof a->flood; i++)
		a->flood[i] = "2026-11-22T10:31:05.123Z flood\n"[i % 31];
}

static void hear(struct role_process *p, struct record *rec)
{
	(void)p;
	if (rec->fd >= 0)
		close(rec->fd);
}

int main(void)
{
	struct attacker *a = calloc(1, sizeof *a);

	if (a == NULL)
		return 1;
	role_begin(&a->proc, ROLE_NAMES);
	a->proc.receive = hear;
	read_what(a);
	if (strcmp(a->what, "file") == 0)
		try_file();
	if (strcmp(a->what, "forge") == 0)
		forge();
	role_lock_in(&a->proc);
	a->timer.fire = later;
	if ((strcmp(a->what, "die") == 0 || strcmp(a->what, "flood") == 0) &&
	    loop_timer(a->proc.loop, &a->timer, clock_steady() + LATER_MS) != ST_OK)
		return 1;
	role_run(&a->proc);
	return 0;
}
