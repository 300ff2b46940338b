/* Every reader of the records table over bytes of a peer that has been taken
 * over.  The first byte says which record.  What a reader takes, its writer
 * must give back byte for byte: no two forms of one record. */
#include "base/fuzz.h"

#include "ipc/records.h"

#define R(name, from, to, fd, fields, doc)                                             \
	static void try_##name(struct view body, struct buf *b)                        \
	{                                                                              \
		struct rec_##name r;                                                   \
                                                                                       \
		if (!rec_take_##name(body, &r))                                        \
			return;                                                        \
		rec_put_##name(b, 7, 9, &r);                                           \
		FUZZ_CHECK(buf_status(b) == ST_OK);                                    \
		FUZZ_CHECK(view_eq(view_skip(buf_view(b), RECORD_HEAD), body));        \
	}
#include "ipc/records.def"
#undef R

#define R(name, from, to, fd, fields, doc) [REC_##name] = try_##name,
static void (*const tries[REC_COUNT])(struct view body, struct buf *b) = {
#include "ipc/records.def"
};
#undef R

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf b = BUF(RECORD_HEAD + n + 64);
	unsigned type = n ? data[0] : 0;

	if (type && type < REC_COUNT)
		tries[type](view_make((const char *)data + 1, n - 1), &b);
	buf_free(&b);
	return 0;
}
