#include "mda/encrypt.h"

#include "msg/convert.h"
#include "msg/header.h"
#include "msg/mime.h"
#include "smime/sink.h"
#include "smime/write.h"

#include <openssl/crypto.h>

/* No form but our own is certain to keep its octets. */
static enum status encode_anew(struct view letter, struct buf *out)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	enum status st = convert_letter(letter, (struct convert_form){ .eightbit = true, .utf8 = true }, &a, out);

	arena_free(&a);
	return st;
}

/* One without a header section gets an empty one: all of it is body. */
static enum status give_header(struct view letter, struct buf *out)
{
	buf_puts(out, "MIME-Version: 1.0\r\n\r\n");
	buf_put(out, letter);
	return buf_status(out);
}

enum status encrypt_letter(struct view letter, struct view certificate, bool binary, struct buf *out)
{
	struct buf other = BUF(ENCRYPT_LETTER_MAX);
	struct smime_recipient to = { .certificate = NULL };
	struct smime_writing how = { .recipients = &to, .n_recipients = 1, .cipher = SMIME_CIPHER_GCM,
				     .now = clock_wall() };
	struct view header = view_head(letter, header_size(letter));
	enum status st = ST_OK;

	if (smime_cover(header) == SMIME_COVER_ENCRYPTED)
		return ST_EXISTS;
	/* No configuration file of the system's: it could load code, and cannot be opened here. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	to.certificate = smime_certificate(certificate);
	if (to.certificate == NULL)
		return ST_SYNTAX;
	if (header.n == 0)
		st = give_header(letter, &other);
	else if (binary)
		st = encode_anew(letter, &other);
	if (st == ST_OK)
		st = smime_write(other.n ? buf_view(&other) : letter, &how, cms_to_buf, out);
	X509_free(to.certificate);
	buf_free(&other);
	return st;
}
