/* How long this library takes over one letter, in microseconds:
 *
 *     bench_msg render FILE [ROUNDS]
 *     bench_msg search FILE NEEDLE [ROUNDS]
 */
#include "msg/render.h"
#include "msg/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool render(struct view letter)
{
	struct msg_rendered r;
	enum status st = msg_render(letter, &r);

	if (st == ST_OK)
		msg_rendered_free(&r);
	return st == ST_OK;
}

static bool read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	char piece[65536];
	size_t n;

	if (f == NULL)
		return false;
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		buf_put(out, view_make(piece, n));
	fclose(f);
	return buf_status(out) == ST_OK;
}

int main(int argc, char **argv)
{
	bool search = argc > 3 && strcmp(argv[1], "search") == 0;
	int at = search ? 4 : 3, rounds = argc > at ? atoi(argv[at]) : 1000;
	struct buf letter = BUF((size_t)1 << 31);
	struct arena arena = ARENA(1 << 20);
	struct needle needle;
	bool ok = argc > 2 && read_file(argv[2], &letter), found = false;
	double start, took;

	if (search)
		ok = ok && needle_make(view_cstr(argv[3]), &arena, &needle) == ST_OK;
	start = now();
	for (int i = 0; ok && i < rounds; i++)
		ok = search ? search_text(buf_view(&letter), &needle, &found) == ST_OK : render(buf_view(&letter));
	took = now() - start;
	if (ok)
		printf("%zu bytes: %.2f us, %.0f MB/s%s\n", letter.n, took * 1e6 / rounds,
		       (double)letter.n * rounds / took / 1e6, found ? ", found" : "");
	arena_free(&arena);
	buf_free(&letter);
	return ok ? 0 : 1;
}
