/* A journal made of anybody's bytes opens, is replayed and read, or says why
 * not.  The head of the segment is made right, and so are the sums of records
 * that have the form of one, so that what lies behind them is reached. */
#include "ms/store.h"

#include "base/buf.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static void empty_folder(void)
{
	DIR *d = opendir(folder);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static void begin(void)
{
	if (folder[0] == '\0') {
		snprintf(folder, sizeof folder, "/dev/shm/waxwing-fuzz-XXXXXX");
		if (mkdtemp(folder) == NULL)
			abort();
	}
	empty_folder();
}

/* Each piece of the input is one record: type, length of the change, bytes. */
static void write_journal(const uint8_t *data, size_t size)
{
	struct journal *j;
	uint64_t damaged;
	int dir = open(folder, O_RDONLY | O_DIRECTORY);

	if (journal_open(dir, 1 << 20, NULL, 0, &j, &damaged) != ST_OK)
		abort();
	while (size >= 3) {
		size_t meta = data[1] < size - 3 ? data[1] : size - 3;
		size_t body = data[2] < size - 3 - meta ? data[2] : size - 3 - meta;
		struct view b = view_make((const char *)data + 3 + meta, body);

		if (journal_append(j, data[0] % 16, view_make((const char *)data + 3, meta), &b, 1, NULL) != ST_OK)
			abort();
		data += 3 + meta + body;
		size -= 3 + meta + body;
	}
	journal_close(j);
	close(dir);
}

static void write_raw(const uint8_t *data, size_t size)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/00000001.seg", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
}

static void use(struct store *s)
{
	struct arena a = ARENA(1 << 22);
	struct mailbox_info *all;
	struct mailbox *m;
	uint32_t n = 0, uid;

	if (store_mailboxes(s, &a, &all, &n) != ST_OK)
		n = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (mailbox_open(s, all[i].name, &m) != ST_OK)
			continue;
		for (uint32_t k = 1; k < m->n; k++)
			if (m->messages[k].uid <= m->messages[k - 1].uid)
				abort();
		for (uint32_t k = 0; k < m->n; k++) {
			struct view body;

			(void)!message_body(m, &m->messages[k], &body);
		}
		(void)!mailbox_append(m, 0, 0, VIEW("Subject: x\r\n\r\n"), &uid);
		mailbox_release(m);
	}
	(void)!store_undelete(s, 0, VIEW("INBOX"), &n);
	for (int i = 0; i < 4; i++)
		store_housekeeping(s);
	arena_free(&a);
}

static enum status count(void *arg, const struct journal_record *rec)
{
	uint64_t *last = arg;

	if (rec->seq <= *last)
		abort();
	*last = rec->seq;
	return ST_OK;
}

static void read_journal(void)
{
	struct journal *j;
	uint64_t damaged, last = 0;
	int dir = open(folder, O_RDONLY | O_DIRECTORY);

	if (journal_open(dir, 1 << 20, NULL, 0, &j, &damaged) == ST_OK) {
		if (journal_scan(j, 0, count, &last) != ST_OK || journal_next_seq(j) <= last)
			abort();
		journal_close(j);
	}
	close(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct store_settings set = { .segment_size = 1 << 20 };
	struct store_findings f;
	struct store *s;

	if (size < 1 || size > 4096)
		return 0;
	begin();
	if (data[0] & 1)
		write_raw(data + 1, size - 1);
	else
		write_journal(data + 1, size - 1);
	read_journal();
	/* An index takes a hundred times as long. */
	if (size % 8)
		return 0;
	if (store_open(folder, &set, &s, &f) == ST_OK) {
		use(s);
		store_close(s);
		/* What was opened once opens again. */
		if ((data[0] & 6) == 0 && store_open(folder, &set, &s, &f) != ST_OK)
			abort();
		if ((data[0] & 6) == 0)
			store_close(s);
	}
	return 0;
}
