/* write.h - letters signed and encrypted (RFC 8551, 9788).
 *
 * A letter goes in as a view (a mapped file will do) and comes out in pieces.
 * Its Content-* fields move inside, what people see is copied there (smime/protect.h),
 * its other fields stay outside. Line ends become CRLF.
 *
 * Nothing of the letter is held, with one exception: what is signed as
 * multipart/signed has to survive any host (RFC 8551 3.1.3), so a letter with
 * 8-bit or binary parts is encoded anew first (msg/convert.h) and is held once.
 *
 * Each letter has a content key of its own, made by OpenSSL.
 */
#ifndef WAXWING_SMIME_WRITE_H
#define WAXWING_SMIME_WRITE_H

#include "smime/identity.h"
#include "smime/skim.h"

enum { SMIME_RECIPIENTS_WRITTEN_MOST = 200 };

/* Whom it is for. */
struct smime_recipient {
	X509 *certificate;
	unsigned can;		/* what is known of him besides (smime_signer.capabilities) */
};

enum smime_cipher {
	SMIME_CIPHER_BEST,	/* AES-256-GCM where everybody can read it, else AES-256-CBC */
	SMIME_CIPHER_GCM, SMIME_CIPHER_CBC,
};

struct smime_writing {
	/* To sign: */
	const struct smime_key *signer;		/* NULL: not signed */
	STACK_OF(X509) *chain;			/* certificates to send along, may be NULL */
	bool opaque;				/* signed-data in place of multipart/signed */
	bool pss;				/* RSA-PSS */
	/* To encrypt: */
	const struct smime_recipient *recipients;
	size_t n_recipients;			/* 0: not encrypted */
	enum smime_cipher cipher;
	bool oaep;				/* RSA-OAEP, with SHA-256, for those with RSA keys */
	/* Both: */
	bool unprotected;			/* no header protection */
	bool undisplayed;			/* the hidden subject is not shown in the text (smime/legacy.h) */
	wall_ms now;				/* the time of the signature */
};

/* Signs, or encrypts, or signs and then encrypts.
 *
 * ST_DENIED: the letter cannot be brought into a form that survives (convert_letter): sign it opaque,
 * or OpenSSL cannot sign or encrypt with such a key; ST_SYNTAX: it is no letter (no header
 * section); ST_LIMIT, ST_NOMEM, and what `take` answers. */
enum status smime_write(struct view letter, const struct smime_writing *how, cms_content *take, void *arg) MUST_USE;

#endif
