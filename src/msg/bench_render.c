/* How long msg_render takes: bench_render FILE [ROUNDS], microseconds a letter. */
#include "msg/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct buf letter = BUF((size_t)1 << 31);
	FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
	int rounds = argc > 2 ? atoi(argv[2]) : 1000;
	char piece[65536];
	double start;
	size_t n;

	if (f == NULL)
		return 2;
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		buf_put(&letter, view_make(piece, n));
	fclose(f);
	start = now();
	for (int i = 0; i < rounds; i++) {
		struct msg_rendered r;

		if (msg_render(buf_view(&letter), &r) != ST_OK)
			return 1;
		msg_rendered_free(&r);
	}
	printf("%zu bytes: %.2f us a letter\n", letter.n, (now() - start) * 1e6 / rounds);
	buf_free(&letter);
	return 0;
}
