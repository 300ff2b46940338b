/* A file that is shorter than it was: what is gone is said, not died of. */
#include "base/test.h"

#include "base/mapped.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES = 600 };

/* So many pages of 'x', in a file of the disk or of memory. */
static int file_of(size_t pages, bool memory)
{
	char name[] = "/tmp/mapped-XXXXXX", page[MAPPED_PAGE];
	int fd = memory ? memfd_create("mapped", MFD_CLOEXEC | MFD_ALLOW_SEALING) : mkstemp(name);

	assert_true(fd >= 0);
	if (!memory)
		unlink(name);
	memset(page, 'x', sizeof page);
	for (size_t i = 0; i < pages; i++)
		assert_int_equal(write(fd, page, sizeof page), sizeof page);
	return fd;
}

/* Only where the kernel can say so. */
static void need_kernel(void)
{
	char *p = mmap(NULL, MAPPED_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc = madvise(p, MAPPED_PAGE, 22 /* MADV_POPULATE_READ */);

	munmap(p, MAPPED_PAGE);
	if (rc != 0)
		skip();
}

static void whole_files_are_read(void **state)
{
	int fd = file_of(3, false);
	struct view v;

	(void)state;
	assert_int_equal(mapped_file(fd, 3 * MAPPED_PAGE, &v), ST_OK);
	assert_int_equal(v.n, 3 * MAPPED_PAGE);
	assert_int_equal(v.p[v.n - 1], 'x');
	assert_int_equal(mapped_read_in(view_make(v.p + 5000, 1)), ST_OK);
	mapped_free(v);
	assert_int_equal(mapped_file(fd, 0, &v), ST_OK);
	assert_int_equal(v.n, 0);
	mapped_free(v);
	close(fd);
}

static void what_was_cut_is_an_error(void **state)
{
	int fd = file_of(3, false);
	struct view v, none = VIEW("untouched");

	(void)state;
	need_kernel();
	assert_int_equal(mapped_file(fd, 3 * MAPPED_PAGE, &v), ST_OK);
	assert_int_equal(ftruncate(fd, MAPPED_PAGE + 1), 0);
	assert_int_equal(mapped_read_in(v), ST_IO);
	assert_int_equal(mapped_read_in(view_make(v.p + MAPPED_PAGE, MAPPED_PAGE)), ST_OK);
	assert_int_equal(mapped_read_in(view_make(v.p + 2 * MAPPED_PAGE - 1, 2)), ST_IO);
	mapped_free(v);
	assert_int_equal(mapped_file(fd, 3 * MAPPED_PAGE, &none), ST_IO);
	assert_view(none, "untouched");
	close(fd);
}

static void only_what_cannot_be_read_becomes_zeros(void **state)
{
	int fd = file_of(PAGES, false);
	uint64_t bad = 0;
	struct view v;

	(void)state;
	need_kernel();
	assert_int_equal(ftruncate(fd, (PAGES - 2) * MAPPED_PAGE), 0);
	assert_int_equal(mapped_mended(fd, (uint64_t)PAGES * MAPPED_PAGE - 10, &v, &bad), ST_OK);
	assert_int_equal(bad, 2);
	assert_int_equal(v.n, PAGES * MAPPED_PAGE - 10);
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != (i < (PAGES - 2) * MAPPED_PAGE ? 'x' : 0))
			fail_msg("byte %zu is %d", i, v.p[i]);
	mapped_free(v);
	close(fd);
}

static void memory_files_must_be_sealed(void **state)
{
	int fd = file_of(1, true), file = file_of(1, false);
	struct view v;

	(void)state;
	assert_int_equal(mapped_sealed(file, MAPPED_PAGE, &v), ST_SYNTAX);
	assert_int_equal(mapped_sealed(fd, MAPPED_PAGE, &v), ST_SYNTAX);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(mapped_sealed(fd, MAPPED_PAGE, &v), ST_SYNTAX);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(mapped_sealed(fd, MAPPED_PAGE + 1, &v), ST_SYNTAX);
	assert_int_equal(mapped_sealed(fd, MAPPED_PAGE, &v), ST_OK);
	assert_int_equal(v.p[MAPPED_PAGE - 1], 'x');
	mapped_free(v);
	close(fd);
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_files_are_read),
		cmocka_unit_test(what_was_cut_is_an_error),
		cmocka_unit_test(only_what_cannot_be_read_becomes_zeros),
		cmocka_unit_test(memory_files_must_be_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
