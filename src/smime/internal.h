/* internal.h - what the files that read a letter share. */
#ifndef WAXWING_SMIME_INTERNAL_H
#define WAXWING_SMIME_INTERNAL_H

#include "smime/chain.h"
#include "smime/skim.h"

#include <openssl/cms.h>

struct reading {
	const struct smime_reading *how;
	struct smime_letter *l;
	struct view header;	/* of the letter, with its empty line */
};

/* A part that holds CMS, as it is encoded. */
struct cms_part {
	struct view body;
	enum mime_encoding encoding;
};

/* signed.c: who signed this content; adds the signers to layer and letter.
 * `whole` is CMS without its content (cms_skim).  ST_NOMEM, ST_LIMIT (arena). */
enum status signed_check(struct reading *r, struct smime_layer *layer, struct view whole,
			 struct view content) MUST_USE;

/* sealed.c: decrypts; the layer says whether it was opened, and why not. */
enum status sealed_open(struct reading *r, struct smime_layer *layer, struct cms_part part,
			struct buf *ret_content) MUST_USE;

/* packed.c: decompresses (RFC 3274). */
enum status packed_open(struct reading *r, struct smime_layer *layer, struct cms_part part,
			struct buf *ret_content) MUST_USE;

/* protect.c: the fields that the payload protects, and whose letter it is. */
enum status protect_read(struct reading *r) MUST_USE;

/* verdict.c */
void smime_judge(struct reading *r);

CMS_ContentInfo *cms_parse(struct view skeleton);

/* chain.c: what is trusted, for whoever builds a chain; borrowed. */
X509_STORE *trust_store(struct smime_trust *t);

static inline size_t content_max(const struct reading *r)
{
	return r->how->content_max ? r->how->content_max : SMIME_CONTENT_MAX;
}

/* Trouble with what a stranger wrote, not with us. */
static inline bool is_theirs(enum status st)
{
	return st != ST_OK && st != ST_NOMEM;
}

#endif
