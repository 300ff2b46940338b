/* testing.h - a store in a folder of its own, for the tests of this folder. */
#ifndef WAXWING_MS_TESTING_H
#define WAXWING_MS_TESTING_H

#include "base/buf.h"
#include "base/test.h"
#include "ms/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[256];

static inline int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/waxwing-store-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static inline int teardown(void **state)
{
	char cmd[300];

	(void)state;
	(void)!disk_fault(VIEW("flush:EIO:0:0"));
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", folder);
	return system(cmd);
}

static inline struct store *open_with(const struct store_settings *set, struct store_findings *f)
{
	struct store_findings own;
	struct store *s = NULL;

	assert_int_equal(store_open(folder, set, &s, f ? f : &own), ST_OK);
	return s;
}

static inline struct mailbox *box(struct store *s, const char *name)
{
	struct mailbox *m = NULL;

	assert_int_equal(mailbox_open(s, view_cstr(name), &m), ST_OK);
	return m;
}

/* All rows of all tables but the journal's facts, as text. */
static inline char *dump(void)
{
	static const char *const tables[] = { "state", "list", "mailbox", "gone", "page", "letter", "removed" };
	struct buf b = BUF(1 << 24);
	char path[300];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/index.db", folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
		char text[80];
		sqlite3_stmt *q;

		/* How far the filters are is no matter (test_fulltext.c). */
		snprintf(text, sizeof text, "SELECT * FROM %s%s ORDER BY 1, 2", tables[t],
			 t == 0 ? " WHERE name <> 'fulltext'" : "");
		assert_int_equal(sqlite3_prepare_v2(db, text, -1, &q, NULL), SQLITE_OK);
		while (sqlite3_step(q) == SQLITE_ROW) {
			buf_puts(&b, tables[t]);
			for (int i = 0; i < sqlite3_column_count(q); i++) {
				const unsigned char *p = sqlite3_column_blob(q, i);
				int n = sqlite3_column_bytes(q, i);

				buf_putc(&b, '|');
				for (int k = 0; k < n; k++)
					buf_putf(&b, "%02x", p[k]);
			}
			buf_putc(&b, '\n');
		}
		sqlite3_finalize(q);
	}
	sqlite3_close(db);
	buf_putc(&b, '\0');
	assert_int_equal(buf_status(&b), ST_OK);
	assert_true(b.n > 100);
	return b.p;
}

static inline void flush_close(struct store *s)
{
	assert_int_equal(store_turn(s), ST_OK);
	assert_int_equal(store_flush(s), ST_OK);
	store_close(s);
}

static inline void remove_file(const char *name)
{
	char path[300];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	unlink(path);
}

static inline void remove_index(void)
{
	remove_file("index.db");
	remove_file("index.db-wal");
	remove_file("index.db-shm");
}

/* The first line that differs says more than both texts. */
static inline void same_dump(const char *a, const char *b)
{
	size_t i = 0, line = 0;

	for (; a[i] && a[i] == b[i]; i++)
		if (a[i] == '\n')
			line = i + 1;
	if (a[i] != b[i])
		fail_msg("one:   %.*s\nother: %.*s", (int)strcspn(a + line, "\n"), a + line,
			 (int)strcspn(b + line, "\n"), b + line);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
