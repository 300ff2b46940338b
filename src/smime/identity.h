/* identity.h - certificates and keys of people (RFC 8550, RFC 5280): what
 * names they bear, what their owners can read, and private keys in PEM.
 */
#ifndef WAXWING_SMIME_IDENTITY_H
#define WAXWING_SMIME_IDENTITY_H

#include "smime/smime.h"

#include <openssl/x509.h>

enum { SMIME_KEYS_MOST = 64, SMIME_PEM_MAX = 4 * 1024 * 1024 };

/* What somebody's programs can read (RFC 8551 2.5.2, RFC 4262). */
enum smime_capability {
	SMIME_CAN_AES128_CBC = 1, SMIME_CAN_AES256_CBC = 2, SMIME_CAN_AES128_GCM = 4, SMIME_CAN_AES256_GCM = 8,
	SMIME_CAN_3DES = 16, SMIME_CAN_OAEP = 32,
};

/* A certificate and, where it is ours, its key. */
struct smime_key {
	X509 *certificate;
	EVP_PKEY *key;
};

struct smime_keys {
	struct smime_key all[SMIME_KEYS_MOST];
	unsigned n;
	STACK_OF(X509) *others;		/* certificates without a key: chains */
};

/* Adds what a PEM file holds: each private key with the certificate that is
 * its own, wherever that stands; other certificates go to `others`.
 * ST_SYNTAX: a key without certificate, or nothing at all; ST_LIMIT, ST_NOMEM. */
enum status smime_keys_add(struct smime_keys *k, struct view pem) MUST_USE;
void smime_keys_free(struct smime_keys *k);

/* The first that may sign: its certificate says so, and is good now; NULL: none. */
const struct smime_key *smime_signing_key(const struct smime_keys *k, wall_ms now);

/* Certificates of PEM or one of DER, pushed.  ST_SYNTAX: none. */
enum status smime_certificates(struct view text, STACK_OF(X509) *to) MUST_USE;

/* A certificate of DER that fills the whole view, or NULL. */
X509 *smime_certificate(struct view der);
/* Several, one after another, up to what is none; NULL: no memory. */
STACK_OF(X509) *smime_certificate_list(struct view der);
/* Its DER, in the arena. */
struct view smime_der(X509 *x, struct arena *a);

/* Names as text for people. */
struct view smime_name(const X509_NAME *name, struct arena *a);
struct view smime_serial(const ASN1_INTEGER *serial, struct arena *a);
wall_ms smime_time(const ASN1_TIME *t);

/* The mail addresses of a certificate (RFC 5280 4.2.1.6, RFC 9598); only where
 * subjectAltName names none, the subject's emailAddress (RFC 8550 3).  *ret_bad: one held
 * characters that no address has, and was left out. */
struct view *smime_addresses(X509 *x, struct arena *a, size_t *ret_n, bool *ret_bad);

/* Is it the same mailbox: the domains as A-labels, ASCII letters folded. */
bool smime_same_address(struct view a, struct view b);
/* One text for all ways to write that mailbox, for who compares very many; empty
 * where it is none, or the arena is full. */
struct view smime_plain_address(struct view address, struct arena *a);

/* Of the certificate's own extension (RFC 4262), and of what its kind of key
 * says by itself.  A set of enum smime_capability. */
unsigned smime_capabilities(X509 *x);
/* Of the DER of SMIMECapabilities. */
unsigned smime_capabilities_of(struct view der);
/* Ours, best first: as DER, and as OpenSSL's list (NULL: no memory), which the caller frees. */
void smime_put_capabilities(struct buf *out);
STACK_OF(X509_ALGOR) *smime_own_capabilities(void);

/* May it be used to encrypt for: an RSA or EC key that OpenSSL can encrypt for, and a
 * key usage that allows it, and a time at which it is valid. */
bool smime_can_receive(X509 *x, wall_ms now);

#endif
