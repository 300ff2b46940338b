/* Whatever a process says, in whatever pieces: what goes into the log is lines
 * that bear its name, and no other byte than printable ones. */
#include "base/fuzz.h"

#include "parent/said.h"

static const struct view name = { "room.7[99]", 10 };

static void check(struct view out)
{
	while (out.n) {
		size_t n = view_find(out, '\n');
		struct view line = view_head(out, n);

		FUZZ_CHECK(n < out.n && n > 25 + name.n && view_eq(view_head(view_skip(line, 25), name.n), name));
		for (size_t i = 0; i < line.n; i++)
			FUZZ_CHECK(line.p[i] >= ' ' && line.p[i] <= '~');
		out = view_skip(out, n + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf rest = BUF(256), out = BUF(1 << 24);
	struct view bytes = view_make((const char *)data, n);

	/* The first byte of what is left says how long the next piece is. */
	while (bytes.n > 1) {
		size_t piece = (unsigned char)bytes.p[0];

		said_take(&rest, view_head(view_skip(bytes, 1), piece), name, 0, &out);
		bytes = view_skip(bytes, piece + 1);
	}
	said_end(&rest, name, 0, &out);
	FUZZ_CHECK(buf_status(&out) == ST_OK);
	check(buf_view(&out));	/* whole lines, also where memory ran out */
	buf_free(&out);
	return 0;
}
