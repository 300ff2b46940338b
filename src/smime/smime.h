/* smime.h - what S/MIME says of a letter (RFC 8551, 8550): who signed it, was
 * it encrypted, and what stands inside.  Pure: bytes in, verdict out; nobody
 * is asked, nothing is fetched.
 *
 * smime_read takes the layers off from the outside in: multipart/signed,
 * signed-data, enveloped-data, authEnveloped-data, compressed-data, in any
 * order, at most SMIME_LAYERS_MOST.  Only what is the root of the letter
 * counts: `payload` is the one part inside of all layers, and nothing beside a
 * layer ever gets into it.  S/MIME in some part further down is counted
 * (`elsewhere`) and not opened.
 *
 * What every reader has to do: show nothing but `payload`; fetch nothing that
 * it names when `decrypted` (it may carry the text to who wrote the link); call a letter
 * signed only where `word` is SMIME_GOOD, and then as from `author`.
 *
 * Trouble with decryption has one outcome, whatever the cause, so that no
 * reply tells a stranger about padding.
 *
 * Memory: the letter is borrowed (a mapped file will do).  A layer that has
 * to be decoded is held once, decoded; with several of them the one before is
 * given back.  A detached signature holds nothing.
 *
 * The result borrows from the letter and owns the rest: smime_free.
 * Errors of smime_read: ST_NOMEM, ST_LIMIT (the arena).  Everything that a
 * stranger wrote has a verdict and is no error.
 */
#ifndef WAXWING_SMIME_SMIME_H
#define WAXWING_SMIME_SMIME_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "trust/author.h"

enum {
	SMIME_LAYERS_MOST = 8, SMIME_SIGNERS_MOST = 16, SMIME_ADDRESSES_MOST = 32, SMIME_RECIPIENTS_MOST = 1024,
	SMIME_RSA_LEAST = 2048, SMIME_TAG_LEAST = 12,
};
#define SMIME_ARENA_MAX ((size_t)64 * 1024 * 1024)
/* Of a decoded layer, where the caller names no other limit. */
#define SMIME_CONTENT_MAX ((size_t)256 * 1024 * 1024)

enum smime_problem {
#define P(id, word, class, text) PROBLEM_##id,
#include "smime/problems.def"
#undef P
	PROBLEM_COUNT,
};
typedef uint64_t smime_problems;
#define PROBLEM(id) (UINT64_C(1) << PROBLEM_##id)
_Static_assert(PROBLEM_COUNT <= 64, "a bit for each");

/* "self-signed".  Static. */
const char *smime_problem_word(enum smime_problem p);

/* The whole in one word. */
enum smime_word {
	SMIME_NONE,		/* nothing of S/MIME */
	SMIME_GOOD,		/* signed by its author, and trusted */
	SMIME_WEAK,		/* the same, by means that prove little */
	SMIME_MISMATCH,		/* signed by somebody who is not the author that is shown */
	SMIME_UNTRUSTED,	/* signed, and nobody who is trusted says by whom */
	SMIME_BAD,		/* changed, or forged */
	SMIME_PARTIAL,		/* something of S/MIME, but not around the letter */
	SMIME_ENCRYPTED,	/* decrypted; nobody signed it */
	SMIME_LOCKED,		/* encrypted, and no key here opens it */
	SMIME_BROKEN,		/* encrypted or packed, and it cannot be opened */
	SMIME_CERTIFICATES,	/* only certificates */
	SMIME_WORDS,
};
/* "good".  Static. */
const char *smime_word_name(enum smime_word w);

enum smime_kind {
	SMIME_MULTIPART_SIGNED, SMIME_SIGNED, SMIME_ENVELOPED, SMIME_AUTH_ENVELOPED, SMIME_COMPRESSED,
	SMIME_CERTS_ONLY, SMIME_UNREADABLE,
};
/* "multipart-signed".  Static. */
const char *smime_kind_name(enum smime_kind k);

struct smime_layer {
	enum smime_kind kind;
	smime_problems problems;
	unsigned first, signers;	/* of the letter's signers */
	/* encrypted ones: */
	bool opened, authenticated;
	struct view cipher;		/* "AES-256-GCM"; as OpenSSL names it */
	struct view key_algorithm;	/* of the recipient that opened it, or of the first */
	unsigned recipients;
};

enum smime_chain {
	SMIME_CHAIN_UNCHECKED,	/* no trust was given, or the signature itself is bad */
	SMIME_CHAIN_TRUSTED,	/* up to an authority that was given */
	SMIME_CHAIN_PINNED,	/* the certificate itself was given as trusted */
	SMIME_CHAIN_UNTRUSTED,
};
const char *smime_chain_name(enum smime_chain c);

enum smime_revocation {
	SMIME_NOT_CHECKED,	/* no list and no OCSP response was given that says anything */
	SMIME_NOT_REVOKED, SMIME_REVOKED,
};
const char *smime_revocation_name(enum smime_revocation r);

struct smime_signer {
	unsigned layer;
	smime_problems problems;	/* none: as good as can be */
	bool valid;			/* the signature fits content and certificate */
	bool address_match;		/* and the certificate is for the author */
	struct view certificate;	/* DER; empty where it is not there */
	struct view subject, issuer;	/* RFC 4514, UTF-8, no control characters */
	struct view serial;		/* hexadecimal */
	struct view *addresses;		/* rfc822Name, SmtpUTF8Mailbox; else emailAddress of the subject */
	size_t n_addresses;
	struct view digest, algorithm;	/* "SHA256", "RSA-PSS" */
	unsigned key_bits;
	wall_ms signed_at;		/* as it says itself; -1: it does not */
	wall_ms not_before, not_after;
	enum smime_chain chain;
	enum smime_revocation revocation;
	unsigned capabilities;		/* what it says its author can read: smime/identity.h */
};

/* Header protection (RFC 9788). */
enum smime_protection { SMIME_HP_NONE, SMIME_HP_CLEAR, SMIME_HP_CIPHER };

struct smime_field {
	struct view name, value;	/* as they stand inside */
	bool hidden;			/* outside it is another, or not there, on purpose */
};

struct smime_letter {
	enum smime_word word;
	smime_problems problems;	/* of the letter as a whole, and of all its layers */
	struct smime_layer layers[SMIME_LAYERS_MOST];
	unsigned n_layers;
	struct smime_signer signers[SMIME_SIGNERS_MOST];
	unsigned n_signers;
	unsigned elsewhere;		/* parts of S/MIME below the root */
	bool decrypted;			/* the payload came out of encryption */
	bool authenticated;		/* and nobody could have changed it: by tag or signature */
	/* A MIME entity: header fields, empty line, body.  Where no layer could be
	 * opened it is what is left: the layer itself. */
	struct view payload;
	enum smime_protection protection;
	struct smime_field *fields;	/* those that are protected */
	size_t n_fields;
	struct author author;		/* whom a reader has to show */
	struct view *certificates;	/* DER, all that came along */
	size_t n_certificates;
	struct arena a;
	struct buf held;		/* the payload, where it was decoded */
};

struct smime_trust;	/* smime/chain.h */
struct smime_keys;	/* smime/identity.h */

struct smime_reading {
	struct smime_trust *trust;	/* NULL: no chain is looked at */
	const struct smime_keys *keys;	/* NULL: nothing is decrypted */
	wall_ms now;
	size_t content_max;		/* octets of a decoded layer; 0: SMIME_CONTENT_MAX */
};

enum status smime_read(struct view letter, const struct smime_reading *how, struct smime_letter *ret) MUST_USE;
void smime_free(struct smime_letter *l);

/* One plain sentence, or two.  UTF-8, no control characters. */
void smime_put_sentence(const struct smime_letter *l, struct buf *out);

/* The result as Authentication-Results has it (RFC 7281 4): "pass", or NULL where
 * there is nothing to say.  Static. */
const char *smime_result(enum smime_word w);
/* The signer whom the word is about; NULL: there is none. */
const struct smime_signer *smime_main_signer(const struct smime_letter *l);

/* The letter as its author wrote it: the fields that were protected (or else those
 * outside), and the payload without legacy display elements (smime/legacy.h).
 * `letter` is what was given to smime_read.
 * What `take` answers. */
enum status smime_put_letter(const struct smime_letter *l, struct view letter,
			     enum status (*take)(void *arg, struct view piece), void *arg) MUST_USE;

/* A quick look at a header section: is there anything for smime_read? */
bool smime_concerns(struct view header);

/* What its author's own program has done to a letter, by what Content-Type says: by
 * S/MIME, or by OpenPGP (RFC 3156).  Nothing of it is checked. */
enum smime_cover { SMIME_COVER_NONE, SMIME_COVER_SIGNED, SMIME_COVER_ENCRYPTED };
enum smime_cover smime_cover(struct view header);

#endif
