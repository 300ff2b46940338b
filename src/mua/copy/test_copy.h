/* test_copy.h - a copy in a folder of its own, for the tests of this one. */
#ifndef WAXWING_MUA_COPY_TEST_COPY_H
#define WAXWING_MUA_COPY_TEST_COPY_H

#include "base/test.h"
#include "mua/copy/copy.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

static inline int remove_one(const char *path, const struct stat *sb, int type, struct FTW *f)
{
	(void)sb;
	(void)type;
	(void)f;
	return remove(path);
}

static inline int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "copy-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static inline int drop_folder(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct copy *opened(struct copy_findings *f)
{
	struct copy *c = NULL;

	assert_int_equal(copy_open(folder, &c, f), ST_OK);
	return c;
}

static inline int64_t folder_id(struct copy *c, const char *name)
{
	struct arena a = ARENA((size_t)64 << 20);
	struct copy_folder f;

	assert_int_equal(copy_folder(c, view_cstr(name), true, &a, &f), ST_OK);
	arena_free(&a);
	return f.id;
}

static inline struct copy_folder counts(struct copy *c, const char *name)
{
	struct arena a = ARENA((size_t)64 << 20);
	struct copy_folder f;

	assert_int_equal(copy_folder(c, view_cstr(name), false, &a, &f), ST_OK);
	arena_free(&a);
	return f;
}

/* A letter whose Message-ID is its number, which answers another one. */
static inline int64_t put(struct copy *c, int64_t f, uint32_t uid, uint32_t answers, const char *subject, const char *body)
{
	struct copy_arrival w = { .folder = f, .uid = uid, .modseq = uid, .received = 1700000000000 + uid * 1000 };
	struct buf b = BUF(65536);
	int64_t id = 0;

	buf_putf(&b, "From: Mary Smith <mary@example.net>\r\nTo: \"Jones, A.\" <jones@foo.com>\r\n"
		 "Subject: %s\r\nDate: Tue, 14 Nov 2023 22:13:%02u +0000\r\nMessage-ID: <%u@x>\r\n",
		 subject, uid % 60, uid);
	if (answers)
		buf_putf(&b, "References: <%u@x>\r\n", answers);
	buf_putf(&b, "\r\n%s\r\n", body);
	assert_int_equal(copy_put(c, &w, buf_view(&b), &id), ST_OK);
	buf_free(&b);
	return id;
}

static inline size_t files_in(const char *path)
{
	char name[256];
	DIR *d;
	struct dirent *e;
	size_t n = 0;

	snprintf(name, sizeof name, "%s/mail/%s", folder, path);
	d = opendir(name);
	while (d && (e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static inline bool has_file(const char *path, const char *file)
{
	char name[512];

	snprintf(name, sizeof name, "%s/mail/%s/%s", folder, path, file);
	return access(name, F_OK) == 0;
}

static inline void flags_of(struct copy *c, int64_t id, uint32_t want)
{
	struct arena a = ARENA((size_t)1 << 20);
	struct copy_message m;

	assert_int_equal(copy_message(c, id, &a, &m), ST_OK);
	assert_int_equal(m.flags & COPY_FLAGS, want);
	arena_free(&a);
}

#endif
