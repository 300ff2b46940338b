/* Any base64, or BER as it is, as CMS: what the skeleton leaves out is the content, and reading
 * the skeleton itself gives the same skeleton. */
#include "base/fuzz.h"

#include "smime/internal.h"
#include "smime/sink.h"

static enum status skim(enum mime_encoding encoding, struct view text, struct buf *skeleton, struct buf *content,
			struct cms_shape *ret)
{
	struct octets in;
	enum status st;

	octets_begin(&in, encoding, text);
	st = cms_skim(&in, skeleton, cms_to_buf, content, ret);
	FUZZ_CHECK(st != ST_OK || in.passed <= text.n);
	octets_free(&in);
	return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf skeleton = BUF(SKELETON_MAX), again = BUF(SKELETON_MAX), content = BUF(1 << 20), none = BUF(0);
	struct view text = view_make((const char *)data, n);
	/* SEQUENCE; in base64 it is an 'M'. */
	enum mime_encoding encoding = n && data[0] == 0x30 ? ENC_BINARY : ENC_BASE64;
	struct cms_shape shape, second;

	if (skim(encoding, text, &skeleton, &content, &shape) == ST_OK && shape.type != CMS_OTHER) {
		FUZZ_CHECK(content.n == shape.content && content.n <= n);
		enum status st = skim(ENC_BINARY, buf_view(&skeleton), &again, &none, &second);

		FUZZ_CHECK(st == ST_OK);
		if (st == ST_OK)
			FUZZ_CHECK(!second.has_content && second.type == shape.type && second.mac == shape.mac &&
				   view_eq(buf_view(&skeleton), buf_view(&again)));
		CMS_ContentInfo_free(cms_parse(buf_view(&skeleton)));
	}
	buf_free(&skeleton);
	buf_free(&again);
	buf_free(&content);
	buf_free(&none);
	return 0;
}
