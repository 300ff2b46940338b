/* octets.h - the octets of a part, decoded while they are read, and the
 * headers of BER over them (X.690 8.1).
 *
 * Pulls from a view: base64 and quoted-printable through a window of 64 KiB,
 * other encodings where they lie.  So a part of any size is read in pieces and
 * may be read a second time; nothing of it is held.
 *
 * Errors are sticky (o->st): ST_NOMEM only.
 */
#ifndef WAXWING_SMIME_OCTETS_H
#define WAXWING_SMIME_OCTETS_H

#include "msg/decode.h"

enum { OCTETS_WINDOW = 65536 };

struct octets {
	struct view text;	/* not decoded yet */
	struct decoder d;
	struct buf window;
	size_t at;		/* of the window, taken already */
	uint64_t passed;	/* octets taken in all */
	bool ended;
	enum status st;
};

void octets_begin(struct octets *o, enum mime_encoding encoding, struct view text);
void octets_free(struct octets *o);

/* n octets (at most OCTETS_WINDOW), or fewer where there are no more.  Good
 * until the next call. */
struct view octets_peek(struct octets *o, size_t n);
/* n that were seen. */
void octets_skip(struct octets *o, size_t n);
/* Takes what is there, one at least and `most` at most; empty at the end. */
struct view octets_some(struct octets *o, uint64_t most);

struct ber {
	uint8_t tag;		/* the identifier octet */
	uint8_t size;		/* of the header itself */
	bool constructed, indefinite;
	uint64_t length;	/* 0 where indefinite */
};

/* Of what comes next, which stays there.  ST_SYNTAX: none, a tag of more than
 * one octet, or a length of 2^32 or more. */
enum status ber_peek(struct octets *o, struct ber *ret) MUST_USE;

#endif
