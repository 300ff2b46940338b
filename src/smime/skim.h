/* skim.h - a CMS message (RFC 5652, 5083, 3274) without its content.
 *
 * OpenSSL reads CMS only as a whole, which would hold a large letter several
 * times over, and follows whatever nesting a stranger writes.  So the outer
 * structure is read here, in one pass: everything but the content goes into a
 * skeleton, which OpenSSL then reads as a message with detached content; the
 * content itself goes by in pieces.
 *
 * What lies on the way to the content is written with indefinite lengths, all
 * else as it stands (signatures cover it).  Limits: SKELETON_MAX octets,
 * BER_DEPTH levels inside of what is copied, SEGMENT_DEPTH of octet strings in
 * octet strings, DIGESTS_SIZE octets of digest algorithms (each is computed
 * over the content).
 */
#ifndef WAXWING_SMIME_SKIM_H
#define WAXWING_SMIME_SKIM_H

#include "smime/octets.h"

enum { SKELETON_MAX = 2 * 1024 * 1024, BER_DEPTH = 64, SEGMENT_DEPTH = 8, DIGESTS_SIZE = 128,
       CMS_OID_MOST = 32 };

enum cms_type { CMS_OTHER, CMS_SIGNED, CMS_ENVELOPED, CMS_AUTH_ENVELOPED, CMS_COMPRESSED };

/* Takes a piece of the content. */
typedef enum status cms_content(void *arg, struct view piece);

struct cms_shape {
	enum cms_type type;
	bool has_content;
	uint64_t content;	/* octets of it */
	uint32_t mac;		/* of AuthEnvelopedData: octets of its authentication tag */
	uint8_t cipher[CMS_OID_MOST];	/* the object identifier's octets, where it is encrypted */
	uint8_t n_cipher;
};

/* Of what type is it; nothing is taken. */
enum cms_type cms_type_of(struct octets *in);

/* Skeleton and content; either of `skeleton` and `take` may be NULL.
 * ST_SYNTAX, ST_LIMIT, ST_NOMEM, and what `take` answers. */
enum status cms_skim(struct octets *in, struct buf *skeleton, cms_content *take, void *arg,
		     struct cms_shape *ret) MUST_USE;

#endif
