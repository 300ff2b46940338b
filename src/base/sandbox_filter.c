/* sandbox_filter.c - which system calls a process may make, as the kernel's
 * program.  Apart from sandbox.c, so that only who makes one needs the library. */
#include "base/sandbox.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const int calls_always[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(close),
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_create1),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(brk), SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
	SCMP_SYS(restart_syscall), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(dup), SCMP_SYS(dup3), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek),
	SCMP_SYS(sched_yield), SCMP_SYS(sigaltstack), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(uname), SCMP_SYS(sysinfo),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(getrusage), SCMP_SYS(membarrier),
};

static const int calls_files[] = {
	SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(pwritev),
	SCMP_SYS(preadv), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
	SCMP_SYS(mkdirat), SCMP_SYS(mkdir), SCMP_SYS(getdents64), SCMP_SYS(flock), SCMP_SYS(stat),
	SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(fadvise64),
	SCMP_SYS(copy_file_range), SCMP_SYS(sendfile), SCMP_SYS(fchmod), SCMP_SYS(fchown),
	SCMP_SYS(statx), SCMP_SYS(fstatfs), SCMP_SYS(statfs), SCMP_SYS(rmdir), SCMP_SYS(utimensat),
	SCMP_SYS(linkat), SCMP_SYS(msync), SCMP_SYS(readahead), SCMP_SYS(sync_file_range),
};

static const int calls_accept[] = {
	SCMP_SYS(accept4), SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt), SCMP_SYS(shutdown), SCMP_SYS(sendfile),
};

static const int calls_threads[] = {
	SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(set_tid_address), SCMP_SYS(setpriority), SCMP_SYS(eventfd2),
};

static const int calls_memfd[] = {
	SCMP_SYS(memfd_create), SCMP_SYS(ftruncate), SCMP_SYS(pwrite64), SCMP_SYS(pread64),
	SCMP_SYS(pwritev), SCMP_SYS(sendfile), SCMP_SYS(copy_file_range), SCMP_SYS(fallocate),
};

static const int calls_connect[] = {
	SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(shutdown),
	SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg),
};

/* Calls of which only some are harmless, by one argument. */
static const struct {
	unsigned group;		/* 0: always */
	int call;
	unsigned arg;
	uint64_t mask, value;
} some[] = {
	/* Limits of our own, not of another process. */
	{ 0, SCMP_SYS(prlimit64), 0, UINT32_MAX, 0 },
	/* No F_SETOWN: it lets the kernel send signals to others. */
	{ 0, SCMP_SYS(fcntl), 1, UINT32_MAX, F_DUPFD }, { 0, SCMP_SYS(fcntl), 1, UINT32_MAX, F_DUPFD_CLOEXEC },
	{ 0, SCMP_SYS(fcntl), 1, UINT32_MAX, F_GETFD }, { 0, SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETFD },
	{ 0, SCMP_SYS(fcntl), 1, UINT32_MAX, F_GETFL }, { 0, SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETFL },
	{ 0, SCMP_SYS(fcntl), 1, UINT32_MAX, F_GETLK }, { 0, SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETLK },
	{ 0, SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETLKW },
	{ 0, SCMP_SYS(fcntl), 1, UINT32_MAX, F_ADD_SEALS }, { 0, SCMP_SYS(fcntl), 1, UINT32_MAX, F_GET_SEALS },
	/* A pair of datagram sockets could write to anybody's. */
	{ SANDBOX_ACCEPT, SCMP_SYS(socketpair), 1, 0xf, SOCK_STREAM },
	{ SANDBOX_CONNECT, SCMP_SYS(ioctl), 1, UINT32_MAX, FIONREAD },
	{ SANDBOX_CONNECT, SCMP_SYS(ioctl), 1, UINT32_MAX, FIONBIO },
	{ SANDBOX_CONNECT, SCMP_SYS(ioctl), 1, UINT32_MAX, TCGETS },
};

static const struct {
	unsigned group;
	const int *calls;
	size_t n;
} groups[] = {
	{ SANDBOX_FILES, calls_files, sizeof calls_files / sizeof(int) },
	{ SANDBOX_ACCEPT, calls_accept, sizeof calls_accept / sizeof(int) },
	{ SANDBOX_THREADS, calls_threads, sizeof calls_threads / sizeof(int) },
	{ SANDBOX_MEMFD, calls_memfd, sizeof calls_memfd / sizeof(int) },
	{ SANDBOX_CONNECT, calls_connect, sizeof calls_connect / sizeof(int) },
};

static int allow(scmp_filter_ctx f, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0) < 0)
			return -1;
	return 0;
}

static int allow_some(scmp_filter_ctx f, unsigned wanted)
{
	int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				  SCMP_A0(SCMP_CMP_EQ, SANDBOX_SELF, 0));

	for (size_t i = 0; i < sizeof some / sizeof *some && rc == 0; i++)
		if (some[i].group == 0 || wanted & some[i].group)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, some[i].call, 1,
					      SCMP_CMP(some[i].arg, SCMP_CMP_MASKED_EQ, some[i].mask,
						       some[i].value));
	return rc;
}

/* mmap and mprotect, but never executable; for libraries what lies in a file
 * may be, where it cannot be written through that mapping. */
static int allow_memory(scmp_filter_ctx f, bool libraries)
{
	const int calls[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };

	for (int i = 0; i < 2; i++)
		if (seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) < 0)
			return -1;
	if (!libraries)
		return 0;
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC),
				SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, 0));
}

/* The sanitizers make system calls of their own: under them the filter only
 * notes.  Never in a build that is installed. */
#ifdef __SANITIZE_ADDRESS__
#define OTHERWISE SCMP_ACT_LOG
#else
#define OTHERWISE SCMP_ACT_KILL_PROCESS
#endif

/* What the library made, in a file that nobody can change: it is given to all
 * processes of a role. */
static enum status take_program(scmp_filter_ctx f, int *ret_fd)
{
	int fd = memfd_create("filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return status_of_errno(errno);
	if (seccomp_export_bpf(f, fd) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		close(fd);
		return ST_DENIED;
	}
	*ret_fd = fd;
	return ST_OK;
}

enum status sandbox_filter_make(unsigned wanted, int *ret_fd)
{
	scmp_filter_ctx f = seccomp_init(OTHERWISE);
	enum status st = ST_DENIED;
	int rc;

	if (f == NULL)
		return ST_NOMEM;
	/* A tree, not a list: the kernel walks it once for each system call
	 * there is when it is loaded. */
	rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = allow(f, calls_always, sizeof calls_always / sizeof(int));
	for (size_t i = 0; i < sizeof groups / sizeof *groups && rc == 0; i++)
		if (wanted & groups[i].group)
			rc = allow(f, groups[i].calls, groups[i].n);
	if (rc == 0)
		rc = allow_some(f, wanted);
	if (rc == 0)
		rc = allow_memory(f, wanted & SANDBOX_LIBRARIES);
	if (rc == 0)
		st = take_program(f, ret_fd);
	seccomp_release(f);
	malloc_trim(0);		/* the library takes a hundred times what it leaves */
	return st;
}
