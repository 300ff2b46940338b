/* allocations.c - each allocation fails in turn.
 *
 * Linked (with --wrap) to a fuzz target, or to tests/allocations_files.c: the
 * target runs over each input as often as it allocates, and each time another
 * allocation gets nothing; then again, with nothing for all from that one on.
 * Nothing may crash and nothing may stay allocated; the targets' own checks
 * hold for runs in which nothing failed.
 *
 *     allocations FILE ... | =TEXT ...
 */
#include "base/fuzz.h"
#include "base/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Runs for one input: past it some allocations are left out, evenly. */
enum { RUNS_MOST = 400 };

bool allocation_failed;

static struct {
	bool counting;
	unsigned long n, fail_at;	/* 1 is the first; 0: none */
	bool all_after;
	long live;
} now;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t most);

static bool fails(void)
{
	if (!now.counting)
		return false;
	now.n++;
	if (now.fail_at == 0 || now.n < now.fail_at || (now.n > now.fail_at && !now.all_after))
		return false;
	allocation_failed = true;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t n)
{
	void *p = fails() ? NULL : __real_malloc(n);

	now.live += p != NULL;
	return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
	void *p = fails() ? NULL : __real_calloc(n, size);

	now.live += p != NULL;
	return p;
}

void *__wrap_realloc(void *p, size_t n)
{
	void *q = fails() ? NULL : __real_realloc(p, n);

	now.live += q != NULL && p == NULL;
	return q;
}

void __wrap_free(void *p)
{
	now.live -= p != NULL;
	__real_free(p);
}

char *__wrap_strndup(const char *s, size_t most)
{
	size_t n = strnlen(s, most);
	char *p = __wrap_malloc(n + 1);

	if (p) {
		memcpy(p, s, n);
		p[n] = '\0';
	}
	return p;
}

char *__wrap_strdup(const char *s)
{
	return __wrap_strndup(s, strlen(s));
}

void allocations_pause(void);
void allocations_pause(void)
{
	now.counting = false;
}

/* How many allocations there were. */
static unsigned long run(struct view input, unsigned long fail_at, bool all_after)
{
	allocation_failed = false;
	now.n = 0;
	now.fail_at = fail_at;
	now.all_after = all_after;
	now.counting = true;
	LLVMFuzzerTestOneInput((const uint8_t *)input.p, input.n);
	now.counting = false;
	return now.n;
}

static void try_all(const char *name, struct view input)
{
	unsigned long n, step;
	long before;

	run(input, 0, false);	/* what is made once and kept */
	before = now.live;
	n = run(input, 0, false);
	fprintf(stderr, "%s: %lu allocations\n", name, n);
	step = n / RUNS_MOST + 1;
	for (unsigned long i = 1; i <= n; i += step)
		for (int all = 0; all < 2; all++) {
			fprintf(stderr, "\r%s: %lu of %lu%s ", name, i, n, all ? " and all after it" : "");
			run(input, i, all);
			if (now.live > before) {
				fprintf(stderr, "%ld stay allocated\n", now.live - before);
				exit(1);
			}
			before = now.live;
		}
	fprintf(stderr, "\n");
}

static void try_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat sb;
	char *p;

	if (fd < 0 || fstat(fd, &sb) != 0 || (p = __real_malloc((size_t)sb.st_size + 1)) == NULL ||
	    read(fd, p, (size_t)sb.st_size) != sb.st_size) {
		perror(path);
		exit(2);
	}
	try_all(path, view_make(p, (size_t)sb.st_size));
	__real_free(p);
	close(fd);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '=')
			try_all(argv[i], view_cstr(argv[i] + 1));
		else
			try_file(argv[i]);
	return argc < 2;
}
