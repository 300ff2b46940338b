/* fuzz_imap.c - commands of any bytes, however they are cut. */
#include "base/fuzz.h"
#include "wire/imap_args.h"

/* Limits of readers; the first octet says which.  Lines are refused near the
 * octets that a reader keeps of them, and far beyond. */
static const size_t lines[] = { 16, 100, 200, 254, 290, 600, 4096, 65536 };
static const size_t literals[] = { 0, 10, 300, 8192 };

/* Every reading of the arguments, whatever the command is called. */
static void parse_as_all(struct view text)
{
	for (int way = 0; way < 14; way++) {
		struct arena a = ARENA(1 << 20);
		struct imap_parse p = imap_parse_over(text, &a);
		struct buf b = BUF(1 << 20);

		p.utf8 = way & 1;
		(void)imap_take_tag(&p);
		imap_space(&p);
		(void)imap_take_atom(&p);
		imap_space(&p);
		switch (way) {
		case 0: case 1: (void)imap_take_list(&p); break;
		case 2: case 3: (void)imap_take_search(&p); break;
		case 4: (void)imap_take_set(&p); imap_space(&p); (void)imap_take_fetch(&p); break;
		case 5: (void)imap_take_flags(&p, true); break;
		case 6: imap_put_mailbox(&b, imap_take_mailbox(&p), false); break;
		case 7: imap_put_string(&b, imap_take_pattern(&p)); break;
		case 8: (void)imap_take_id(&p); break;
		case 9: imap_put_date_time(&b, imap_take_date_time(&p)); break;
		case 10: (void)imap_take_status(&p); break;
		case 11: (void)imap_take_base64(&p); break;
		case 12: (void)imap_take_astrings(&p); break;
		default: (void)imap_take_literal(&p); break;
		}
		FUZZ_CHECK(!imap_end(&p) || imap_ok(&p));
		buf_free(&b);
		arena_free(&a);
	}
}

/* A sum over all events, which must not depend on how the bytes were cut. */
static uint64_t read_all(struct view in, uint8_t limits, size_t step, bool parse)
{
	size_t line = lines[limits % 8], literal = literals[limits / 8 % 4];
	struct imap_reader r;
	uint64_t sum = 0;

	imap_reader_begin(&r, line, literal);
	while (in.n) {
		size_t used = 0;
		enum imap_event e = imap_read(&r, view_head(in, step), &used);

		FUZZ_CHECK(used <= in.n && (used || e != IMAP_MORE));
		FUZZ_CHECK(r.text.n <= line + 2 * literal + 1024 && r.text.n <= r.text.cap);
		in = view_skip(in, used);
		if (e == IMAP_HOPELESS || e == IMAP_NO_MEMORY)
			break;
		if (e == IMAP_MORE)
			continue;
		sum = sum * 31 + (uint64_t)e;
		if (e == IMAP_COMMAND)
			sum = sum * 31 + r.text.n;
		if (e == IMAP_COMMAND && parse)
			parse_as_all(buf_view(&r.text));
	}
	imap_reader_free(&r);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view in = view_make((const char *)data, n);
	uint8_t limits = n ? data[0] : 0;
	uint64_t whole = read_all(in, limits, SIZE_MAX, true);

	FUZZ_CHECK(read_all(in, limits, 1, false) == whole);
	FUZZ_CHECK(read_all(in, limits, 7, false) == whole);
	FUZZ_CHECK(read_all(in, limits, 240, false) == whole);
	struct buf eight = BUF(1 << 20), seven = BUF(1 << 20);

	if (imap_utf7_decode(in, &eight) == ST_OK) {
		FUZZ_CHECK(imap_is_utf8(buf_view(&eight)));
		imap_utf7_encode(buf_view(&eight), &seven);
		FUZZ_CHECK(buf_status(&seven) != ST_OK || view_eq(buf_view(&seven), in));
	}
	buf_free(&eight);
	buf_free(&seven);
	return 0;
}
