/* walls.c - enters the sandbox of a role exactly as the role does, and then
 * tries one thing: walls ROLE DIR ACCOUNT UID WHAT [ARGUMENT].
 *
 * Exit status 0: it could be done; 13: it was refused; 99: the sandbox could
 * not be entered.  A forbidden system call ends it by SIGSYS. */
#include "base/disk.h"
#include "msg/charset.h"
#include "role/walls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { DONE = 0, REFUSED = 13, NO_WALLS = 99 };

/* A listening socket on loopback, made before the walls: what a door has. */
static int listener;
static struct sockaddr_in here;

static int said(long rc)
{
	return rc >= 0 ? DONE : REFUSED;
}

/* ---- what strangers' code would like to do ---- */

static int try_read(const char *path)
{
	return said(open(path, O_RDONLY));
}

static int try_write(const char *path)
{
	return said(open(path, O_WRONLY | O_CREAT, 0600));
}

static int try_list(const char *path)
{
	return said(open(path, O_RDONLY | O_DIRECTORY));
}

static int try_unlink(const char *path)
{
	return said(unlink(path));
}

static int try_link(const char *path)
{
	return said(symlink("/etc/passwd", path));
}

static int try_tcp(const char *unused)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)unused;
	return said(fd < 0 ? -1 : connect(fd, (struct sockaddr *)&here, sizeof here));
}

static int try_udp(const char *unused)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)unused;
	return said(fd < 0 ? -1 : sendto(fd, "x", 1, 0, (struct sockaddr *)&here, sizeof here));
}

static int try_listen(const char *unused)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)unused;
	return said(fd < 0 ? -1 : listen(fd, 1));
}

static int try_datagrams(const char *unused)
{
	int fds[2];

	(void)unused;
	return said(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
}

static int try_exec(const char *unused)
{
	char *argv[] = { "true", NULL }, *envp[] = { NULL };

	(void)unused;
	return said(execve("/bin/true", argv, envp));
}

static int try_fork(const char *unused)
{
	(void)unused;
	return said(syscall(SYS_fork));
}

static int try_ptrace(const char *pid)
{
	return said(ptrace(PTRACE_ATTACH, atoi(pid), NULL, NULL));
}

static int try_kill(const char *pid)
{
	return said(kill(atoi(pid), SIGKILL));
}

static int try_tgkill(const char *pid)
{
	return said(syscall(SYS_tgkill, atoi(pid), atoi(pid), SIGKILL));
}

static int try_owner(const char *pid)
{
	return said(fcntl(listener, F_SETOWN, atoi(pid)));
}

static int try_limit(const char *pid)
{
	struct rlimit none = { 0, 0 };

	return said(prlimit(atoi(pid), RLIMIT_FSIZE, &none, NULL));
}

static int try_map(const char *unused)
{
	(void)unused;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? REFUSED
													  : DONE;
}

static int try_protect(const char *unused)
{
	static _Alignas(4096) char page[4096];

	(void)unused;
	return said(mprotect(page, sizeof page, PROT_READ | PROT_EXEC));
}

static int try_root(const char *unused)
{
	(void)unused;
	return said(setuid(0));
}

static int try_mount(const char *path)
{
	return said(mount("none", path, "tmpfs", 0, NULL));
}

static int try_bpf(const char *unused)
{
	(void)unused;
	return said(syscall(SYS_bpf, 0, NULL, 0));
}

/* ---- what roles need ---- */

static int need_loop(const char *unused)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), fd = fcntl(listener, F_DUPFD_CLOEXEC, 0);
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	if (ep < 0 || fd < 0 || p == MAP_FAILED || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0)
		return REFUSED;
	return said(epoll_wait(ep, &ev, 1, 1));
}

static int need_files(const char *folder)
{
	const struct iovec iov = { "x", 1 };
	int dir = open(folder, O_RDONLY | O_DIRECTORY), fd;
	char c;

	if (dir < 0 || disk_open(dir, "a", O_RDWR | O_CREAT, 0600, &fd) != ST_OK ||
	    disk_write_at(fd, &iov, 1, 0) != ST_OK || disk_flush(fd) != ST_OK ||
	    disk_read_at(fd, &c, 1, 0) != ST_OK || disk_rename(dir, "a", "b") != ST_OK ||
	    disk_unlink(dir, "b") != ST_OK || disk_flush_all(dir) != ST_OK)
		return REFUSED;
	return DONE;
}

static int need_accept(const char *unused)
{
	(void)unused;
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK) < 0 && errno == EAGAIN ? DONE : REFUSED;
}

static int need_memfd(const char *unused)
{
	int fd = memfd_create("letter", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)unused;
	return said(fd < 0 ? -1 : fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
}

static void *nothing(void *arg)
{
	return arg;
}

static int need_thread(const char *unused)
{
	pthread_t t;

	(void)unused;
	return pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0 ? DONE : REFUSED;
}

static int need_charset(const char *unused)
{
	struct buf out = BUF(256);

	(void)unused;
	charset_text(VIEW("euc-kr"), VIEW("\xb0\xa1"), &out);
	return view_eq(buf_view(&out), VIEW("\xea\xb0\x80")) ? DONE : REFUSED;
}

static const struct {
	const char *name;
	int (*try)(const char *argument);
} all[] = {
	{ "read", try_read }, { "write", try_write }, { "list", try_list }, { "unlink", try_unlink },
	{ "link", try_link }, { "tcp", try_tcp }, { "udp", try_udp }, { "listen", try_listen },
	{ "datagrams", try_datagrams }, { "exec", try_exec }, { "fork", try_fork },
	{ "ptrace", try_ptrace }, { "kill", try_kill }, { "tgkill", try_tgkill }, { "owner", try_owner },
	{ "limit", try_limit }, { "map", try_map }, { "protect", try_protect }, { "root", try_root },
	{ "mount", try_mount }, { "bpf", try_bpf }, { "loop", need_loop }, { "files", need_files },
	{ "accept", need_accept }, { "memfd", need_memfd }, { "thread", need_thread },
	{ "charset", need_charset },
};

static void listen_here(void)
{
	socklen_t n = sizeof here;

	here = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&here, n) != 0 || listen(listener, 4) != 0 ||
	    getsockname(listener, (struct sockaddr *)&here, &n) != 0)
		exit(NO_WALLS);
}

static enum role role_of(const char *name)
{
	for (int r = 0; r < ROLE_COUNT; r++)
		if (strcmp(role_name((enum role)r), name) == 0)
			return (enum role)r;
	exit(NO_WALLS);
}

int main(int argc, char **argv)
{
	struct sandbox_filter filter;
	struct walls w;
	const char *why = "";
	int fd;

	if (argc < 6)
		return NO_WALLS;
	listen_here();
	walls_of(role_of(argv[1]), argv[2], strtoull(argv[3], NULL, 10), &w);
	w.sandbox.uid = (uint32_t)strtoul(argv[4], NULL, 10);
	w.sandbox.filter = &filter;
	if (sandbox_filter_make(w.sandbox.calls, &fd) != ST_OK || sandbox_filter_read(fd, &filter) != ST_OK ||
	    sandbox_enter(&w.sandbox, &why) != ST_OK) {
		fprintf(stderr, "%s\n", why);
		return NO_WALLS;
	}
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(all[i].name, argv[5]) == 0)
			return all[i].try(argv[6]);
	return NO_WALLS;
}
