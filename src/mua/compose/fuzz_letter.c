/* Whatever a person fills in: the letter has the fields that were meant and no
 * others, 7-bit lines that end with CRLF, and its parts come back as they were. */
#include "base/fuzz.h"
#include "msg/header.h"
#include "mua/compose/letter.h"

static struct view piece(struct view *left)
{
	struct view v = view_head(*left, view_find(*left, '\x1e'));

	*left = view_skip(*left, v.n + 1);
	return v;
}

static void check_lines(struct view v, bool ascii)
{
	for (size_t i = 0; i < v.n; i++) {
		FUZZ_CHECK(v.p[i] != '\n' || (i && v.p[i - 1] == '\r'));
		FUZZ_CHECK(v.p[i] != '\r' || (i + 1 < v.n && v.p[i + 1] == '\n'));
		FUZZ_CHECK(v.p[i] != '\0');
		FUZZ_CHECK(!ascii || (unsigned char)v.p[i] < 0x80);
	}
}

static bool is_ours(struct view name)
{
	static const char *const names[] = { "From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To",
					     "References", "MIME-Version", "Content-Type", "Content-Transfer-Encoding" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (view_eq(name, view_cstr(names[i])))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view left = view_make((const char *)data, n);
	struct enclosure e = { .type = VIEW("application/octet-stream") };
	struct draft d = {
		.from = VIEW("Jones@foo.com"), .flowed = n & 1, .n_enclosures = n & 2 ? 1 : 0, .enclosures = &e
	};
	struct buf out = BUF(16 * 1024 * 1024), id = BUF(1024);
	struct field f;
	bool ascii = true;

	d.to = piece(&left);
	d.cc = piece(&left);
	d.subject = piece(&left);
	d.references = piece(&left);
	e.name = piece(&left);
	e.octets = piece(&left);
	d.text = left;
	if (letter_build(&d, &out, &id, NULL) == ST_OK) {
		/* Addresses and ids may be UTF-8 themselves (RFC 6532). */
		for (size_t i = 0; i < d.to.n; i++)
			ascii = ascii && (unsigned char)d.to.p[i] < 0x80;
		for (size_t i = 0; i < d.cc.n; i++)
			ascii = ascii && (unsigned char)d.cc.p[i] < 0x80;
		for (size_t i = 0; i < d.references.n; i++)
			ascii = ascii && (unsigned char)d.references.p[i] < 0x80;
		check_lines(buf_view(&out), ascii);
		for (size_t at = 0; field_next(buf_view(&out), &at, &f);)
			FUZZ_CHECK(is_ours(f.name));
	}
	buf_free(&out);
	buf_free(&id);
	return 0;
}
