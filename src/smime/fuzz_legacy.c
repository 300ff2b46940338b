/* Any entity: legacy display elements written into it and taken out again. */
#include "base/fuzz.h"

#include "smime/legacy.h"
#include "smime/sink.h"

#include "msg/header.h"

/* In order, within the entity, apart from each other. */
static void check_edits(const struct legacy *l)
{
	size_t end = 0;

	for (size_t i = 0; i < l->n; i++) {
		FUZZ_CHECK(l->all[i].at >= end);
		end = l->all[i].at + l->all[i].skip;
	}
	FUZZ_CHECK(end <= l->whole.n);
}

static void put(const struct legacy *l, struct buf *out)
{
	size_t n = l->whole.n;

	for (size_t i = 0; i < l->n; i++)
		n += l->all[i].text.n - l->all[i].skip;
	FUZZ_CHECK(legacy_put(l, 0, l->whole.n, cms_to_buf, out) == ST_OK);
	FUZZ_CHECK(out->n == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view entity = view_make((const char *)data, n);
	struct buf out = BUF(64 << 20), back = BUF(64 << 20);
	struct legacy l;

	if (legacy_remove(entity, &l) == ST_OK) {
		check_edits(&l);
		put(&l, &out);
		FUZZ_CHECK(out.n <= 4 * n + 1024);
		legacy_free(&l);
	}
	buf_clear(&out);
	if (header_size(entity) < n && legacy_add(entity, VIEW("The =?utf-8?q?=C3=B6ffer?="), &l) == ST_OK) {
		check_edits(&l);
		put(&l, &out);
		legacy_free(&l);
		if (legacy_remove(buf_view(&out), &l) == ST_OK) {
			check_edits(&l);
			put(&l, &back);
			legacy_free(&l);
		}
	}
	buf_free(&out);
	buf_free(&back);
	return 0;
}
