/* A spool that anybody spoilt opens, whatever was done to it: letters that it
 * tells of can be read or are said to be damaged, and new ones are kept.
 *
 * The input is first a run of letters and DONEs, written as the queue writes
 * them, and then of harm: octets put somewhere, and cuts. */
#include "base/fuzz.h"
#include "mta/queue/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LETTERS_MOST = 16, HARM_MOST = 64 };

static char folder[] = "/dev/shm/waxwing-spool-XXXXXX";

struct found {
	struct spool_place at[LETTERS_MOST * 2];
	size_t n;
	uint64_t last;
};

static void each_file(void (*fn)(int dir, const char *name, struct view harm), struct view harm)
{
	DIR *d = opendir(folder);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			fn(dirfd(d), e->d_name, harm);
	if (d)
		closedir(d);
}

static void remove_file(int dir, const char *name, struct view harm)
{
	(void)harm;
	unlinkat(dir, name, 0);
}

static void remove_all(void)
{
	each_file(remove_file, VIEW_NONE);
	rmdir(folder);
}

static void begin(void)
{
	static bool made;

	if (!made) {
		if (mkdtemp(folder) == NULL)
			abort();
		atexit(remove_all);
		made = true;
	}
	each_file(remove_file, VIEW_NONE);
}

/* Triples: where (of 65,536ths of the file), how, octet. */
static void do_harm(int dir, const char *name, struct view harm)
{
	int fd = openat(dir, name, O_RDWR);
	struct stat sb;

	if (fd < 0 || fstat(fd, &sb) != 0)
		return;
	for (size_t i = 0; i + 4 <= harm.n && i < HARM_MOST; i += 4) {
		const uint8_t *h = (const uint8_t *)harm.p + i;
		off_t at = sb.st_size * (h[0] << 8 | h[1]) / 65536;

		if (h[2] == 0 && ftruncate(fd, at) != 0)
			abort();
		if (h[2] && pwrite(fd, h + 3, 1, at) != 1)
			abort();
	}
	close(fd);
}

static enum status note(void *arg, uint64_t id, const struct spool_place *at, struct view envelope,
			const struct spool_place *progress_at, struct view progress)
{
	struct found *f = arg;

	FUZZ_CHECK(progress_at->segment ? progress.n == progress_at->body_n : progress.n == 0);
	FUZZ_CHECK(id > f->last && envelope.n == at->envelope_n);
	f->last = id;
	if (f->n < sizeof f->at / sizeof *f->at)
		f->at[f->n++] = *at;
	return ST_OK;
}

/* Each octet is a letter of that size, what is known of the one before it, or
 * settles that. */
static struct view write_letters(struct spool *s, struct view in)
{
	struct spool_place at, progress = { 0 };
	uint64_t id = 0;
	size_t i;

	for (i = 0; i < in.n && i < LETTERS_MOST && in.p[i]; i++) {
		size_t size = (uint8_t)in.p[i] & 0x7f;

		if ((uint8_t)in.p[i] < 0x80) {
			FUZZ_CHECK(spool_add(s, VIEW("envelope"), view_head(in, size), -1, 0, &id, &at) == ST_OK);
			progress = (struct spool_place){ 0 };
		} else if (id && (uint8_t)in.p[i] < 0xc0) {
			struct spool_place before = progress;

			FUZZ_CHECK(spool_progress(s, id, view_head(in, size), &progress) == ST_OK);
			spool_moved(s, &before);
		} else if (id) {
			FUZZ_CHECK(spool_done(s, id, &at, &progress) == ST_OK);
			id = 0;
		}
		FUZZ_CHECK(spool_commit(s) == ST_OK);
	}
	return view_skip(in, i + 1);
}

static void open_and_read(struct found *f)
{
	struct view envelope, body;
	struct spool_place at;
	struct spool *s;
	uint64_t damaged, id;

	if (spool_open(folder, 4096, note, f, &s, &damaged) != ST_OK) {
		FUZZ_CHECK(false);
		return;
	}
	for (size_t i = 0; i < f->n; i++)
		FUZZ_CHECK(spool_letter(s, &f->at[i], &envelope, &body) == ST_OK);
	FUZZ_CHECK(spool_add(s, VIEW("envelope"), VIEW("new"), -1, 0, &id, &at) == ST_OK && id > f->last);
	FUZZ_CHECK(spool_commit(s) == ST_OK && spool_letter(s, &at, &envelope, &body) == ST_OK);
	spool_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view in = view_make((const char *)data, n);
	struct found first = { .last = 0 }, second = { .last = 0 };
	struct spool *s;
	uint64_t damaged;

	begin();
	if (spool_open(folder, 4096, note, &first, &s, &damaged) != ST_OK) {
		FUZZ_CHECK(false);
		return 0;
	}
	in = write_letters(s, in);
	spool_close(s);
	each_file(do_harm, in);
	open_and_read(&first);
	/* The letter that was new is there at the next opening. */
	open_and_read(&second);
	FUZZ_CHECK(second.n == first.n + 1 || second.n == sizeof second.at / sizeof *second.at);
	return 0;
}
