/* sink.h - a BIO of OpenSSL's that hands on what is written to it. */
#ifndef WAXWING_SMIME_SINK_H
#define WAXWING_SMIME_SINK_H

#include "smime/skim.h"

#include <openssl/bio.h>

struct cms_sink {
	cms_content *take;
	void *arg;
	enum status st;		/* the first that `take` answered and was not ST_OK */
	BIO_METHOD *method;
};

/* NULL: no memory.  The BIO ends before cms_sink_free. */
BIO *cms_sink_open(struct cms_sink *s, cms_content *take, void *arg);
void cms_sink_free(struct cms_sink *s);

/* All of it, whatever int holds. */
bool bio_put(BIO *bio, struct view v);

/* A cms_content that appends to a buf. */
enum status cms_to_buf(void *buf, struct view piece);

#endif
