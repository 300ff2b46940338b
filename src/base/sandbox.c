#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the header of Debian 12's kernel: ABI 3 (truncate), 4 (TCP),
 * 6 (scopes). */
enum { LL_TRUNCATE = 1 << 14 };
enum { LL_NET_BIND = 1 << 0, LL_NET_CONNECT = 1 << 1 };
enum { LL_SCOPE_ABSTRACT = 1 << 0, LL_SCOPE_SIGNAL = 1 << 1 };

struct ll_attr {
	uint64_t fs, net, scoped;
};

enum status sandbox_filter_read(int fd, struct sandbox_filter *ret)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t n = size > 0 ? (size_t)size / sizeof *ret->ops : 0;
	struct sandbox_filter f = { .n = (unsigned short)n };

	if (n == 0 || n > USHRT_MAX)
		return ST_MISSING;
	f.ops = malloc(n * sizeof *f.ops);
	if (f.ops == NULL)
		return ST_NOMEM;
	if (pread(fd, f.ops, n * sizeof *f.ops, 0) != (ssize_t)(n * sizeof *f.ops)) {
		free(f.ops);
		return ST_IO;
	}
	*ret = f;
	return ST_OK;
}

void sandbox_filter_free(struct sandbox_filter *f)
{
	free(f->ops);
	*f = (struct sandbox_filter){ .ops = NULL };
}

/* The program names this process by a number that nobody has. */
static void put_self(struct sock_filter *ops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (BPF_CLASS(ops[i].code) == BPF_JMP && ops[i].k == SANDBOX_SELF)
			ops[i].k = (uint32_t)getpid();
}

static enum status filter_calls(const struct sandbox_filter *f)
{
	struct sock_filter *ops = f ? calloc(f->n, sizeof *ops) : NULL;
	enum status st = ST_DENIED;

	if (f == NULL)
		return ST_MISSING;
	if (ops == NULL)
		return ST_NOMEM;
	memcpy(ops, f->ops, f->n * sizeof *ops);
	put_self(ops, f->n);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &(struct sock_fprog){ f->n, ops }) == 0)
		st = ST_OK;
	free(ops);
	return st;
}

static int add_folder(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access };
	int rc;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT ? 0 : -1;
	rc = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
	return rc;
}

static enum status fence_files(const struct sandbox *s)
{
	const uint64_t reads = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	struct ll_attr attr = { 0 };
	size_t size = sizeof attr;
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int ruleset, rc = 0;

	if (abi < 1)
		return ST_MISSING;
	attr.fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	if (abi >= 2)
		attr.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		attr.fs |= LL_TRUNCATE;
	if (abi >= 4 && !(s->calls & SANDBOX_CONNECT))
		attr.net = LL_NET_BIND | LL_NET_CONNECT;
	if (abi >= 6)
		attr.scoped = LL_SCOPE_ABSTRACT | LL_SCOPE_SIGNAL;
	if (abi < 4)
		size = sizeof attr.fs;
	else if (abi < 6)
		size = 2 * sizeof attr.fs;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return ST_DENIED;
	for (int i = 0; i < SANDBOX_FOLDERS && s->writable[i] && rc == 0; i++)
		rc = add_folder(ruleset, s->writable[i],
				attr.fs & ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE |
						      LANDLOCK_ACCESS_FS_MAKE_CHAR |
						      LANDLOCK_ACCESS_FS_MAKE_BLOCK |
						      LANDLOCK_ACCESS_FS_MAKE_SYM |
						      LANDLOCK_ACCESS_FS_MAKE_SOCK));
	for (int i = 0; i < SANDBOX_FOLDERS && s->readable[i] && rc == 0; i++)
		rc = add_folder(ruleset, s->readable[i], reads);
	if (rc == 0)
		rc = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	return rc == 0 ? ST_OK : ST_DENIED;
}

static enum status drop_ids(uint32_t uid)
{
	if (uid == 0 || geteuid() != 0)
		return ST_OK;
	if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
		return ST_DENIED;
	return ST_OK;
}

enum status sandbox_enter(const struct sandbox *s, const char **ret_why)
{
	enum status st;

	st = drop_ids(s->uid);
	if (st != ST_OK) {
		*ret_why = "user id";
		return st;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
		*ret_why = "no_new_privs";
		return ST_DENIED;
	}
	st = fence_files(s);
	if (st != ST_OK) {
		*ret_why = "Landlock";
		return st;
	}
	st = filter_calls(s->filter);
	if (st != ST_OK)
		*ret_why = "seccomp";
	return st;
}
