/* run.c - starting and ending programs. */
#include "admin/lab/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 16, STOP_MS = 15000 };

void sleep_ms(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* A plain user's PATH lacks the folders that servers lie in. */
static void widen_path(void)
{
	const char *path = getenv("PATH");
	char wide[LAB_PATH];

	if (path && strstr(path, "/usr/sbin"))
		return;
	snprintf(wide, sizeof wide, "%s:/usr/local/sbin:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
	setenv("PATH", wide, 1);
}

static enum status start(const char *const *argv, posix_spawn_file_actions_t *fa, short flags, int *ret_pid)
{
	posix_spawnattr_t attr;
	int rc;

	widen_path();
	rc = posix_spawnattr_init(&attr);
	if (rc == 0)
		rc = posix_spawnattr_setflags(&attr, flags);
	if (rc == 0)
		rc = posix_spawnp(ret_pid, argv[0], fa, &attr, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attr);
	return rc == 0 ? ST_OK : status_of_errno(rc);
}

/* Input by way of a memory file, so that nobody waits for anybody. */
static int input_file(struct view input)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd >= 0 && (write(fd, input.p ? input.p : "", input.n) != (ssize_t)input.n ||
			lseek(fd, 0, SEEK_SET) != 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static enum status collect(int fd, struct buf *out)
{
	char piece[4096];
	ssize_t n;

	while ((n = read(fd, piece, sizeof piece)) > 0)
		buf_put(out, view_make(piece, (size_t)n));
	return n < 0 ? ST_IO : buf_status(out);
}

static enum status wait_for(int pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return ST_IO;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? ST_OK : ST_DENIED;
}

enum status run_program(const char *const *argv, struct view input, struct buf *out)
{
	posix_spawn_file_actions_t fa;
	int in = input_file(input), pipes[2], pid;
	enum status st, ended;

	if (in < 0)
		return ST_NOMEM;
	if (pipe2(pipes, O_CLOEXEC) != 0) {
		close(in);
		return ST_NOMEM;
	}
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&fa, pipes[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&fa, pipes[1], STDERR_FILENO);
	st = start(argv, &fa, 0, &pid);
	posix_spawn_file_actions_destroy(&fa);
	close(in);
	close(pipes[1]);
	if (st == ST_OK) {
		st = collect(pipes[0], out);
		ended = wait_for(pid);
		st = st == ST_OK ? ended : st;
	}
	close(pipes[0]);
	return st;
}

enum status run_waxwing(const char *dir, const char *const *words, struct view input, struct buf *out)
{
	const char *argv[WORDS_MAX + 4] = { "/proc/self/exe" };
	size_t n = 1;

	while (*words && n < WORDS_MAX)
		argv[n++] = *words++;
	argv[n++] = "--dir";
	argv[n] = dir;
	return run_program(argv, input, out);
}

enum status run_apart(const char *const *argv, const char *output, int *ret_pid)
{
	posix_spawn_file_actions_t fa;
	enum status st;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&fa, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&fa, STDOUT_FILENO, STDERR_FILENO);
	st = start(argv, &fa, POSIX_SPAWN_SETSID, ret_pid);
	posix_spawn_file_actions_destroy(&fa);
	return st;
}

int running_pid(const char *pid_file, const char *word)
{
	char path[64], line[LAB_PATH];
	FILE *f = fopen(pid_file, "re");
	int pid = 0;
	size_t n;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%d", &pid) != 1 || pid <= 1)
		pid = 0;
	fclose(f);
	snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
	f = pid ? fopen(path, "re") : NULL;
	if (f == NULL)
		return 0;
	n = fread(line, 1, sizeof line, f);
	fclose(f);
	/* The kernel may have given the number to somebody else. */
	return n && memmem(line, n, word, strlen(word)) ? pid : 0;
}

/* A zombie has ended too, whoever has to fetch it. */
static bool is_zombie(int pid)
{
	char path[64], state = 'Z';
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return true;
	/* The name in parentheses is that of a program of ours or of knot. */
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(f);
	return state == 'Z';
}

bool has_ended(int pid)
{
	return pid <= 1 || waitpid(pid, NULL, WNOHANG) == pid || is_zombie(pid);
}

static bool ends_in_time(int pidfd)
{
	struct pollfd end = { pidfd, POLLIN, 0 };
	int n;

	do
		n = poll(&end, 1, STOP_MS);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* By a descriptor: once it has ended its number may be somebody else's. */
void stop_pid(int pid)
{
	int fd = pid > 1 ? pidfd_open(pid, 0) : -1;

	if (fd < 0)
		return;
	if (pidfd_send_signal(fd, SIGTERM, NULL, 0) == 0) {
		pidfd_send_signal(fd, SIGCONT, NULL, 0);	/* a paused one, too */
		if (!ends_in_time(fd) && pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0)
			ends_in_time(fd);
	}
	waitpid(pid, NULL, WNOHANG);
	close(fd);
}
