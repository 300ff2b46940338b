#include "smime/base64.h"

#include <openssl/evp.h>

enum { TEXT_LINE = 78 };	/* with CRLF */

void base64_begin(struct base64 *b, cms_content *take, void *arg)
{
	b->take = take;
	b->arg = arg;
	b->n = 0;
}

static enum status flush(struct base64 *b)
{
	/* EVP_EncodeBlock adds a NUL. */
	unsigned char text[TEXT_LINE * BASE64_LINES + 1];
	size_t n = 0;

	for (size_t at = 0; at < b->n; at += BASE64_LINE) {
		size_t line = b->n - at < BASE64_LINE ? b->n - at : BASE64_LINE;

		n += (size_t)EVP_EncodeBlock(text + n, b->stage + at, (int)line);
		text[n++] = '\r';
		text[n++] = '\n';
	}
	b->n = 0;
	return n ? b->take(b->arg, view_make((const char *)text, n)) : ST_OK;
}

enum status base64_put(void *base64, struct view v)
{
	struct base64 *b = base64;
	enum status st = ST_OK;

	while (v.n && st == ST_OK) {
		size_t n = v.n < sizeof b->stage - b->n ? v.n : sizeof b->stage - b->n;

		memcpy(b->stage + b->n, v.p, n);
		b->n += n;
		v = view_skip(v, n);
		if (b->n == sizeof b->stage)
			st = flush(b);
	}
	return st;
}

enum status base64_end(struct base64 *b)
{
	return flush(b);
}
