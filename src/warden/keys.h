/* keys.h - the private keys of TLS, and signing with them.  Runs in warden.
 *
 * The parent opens the files and sends descriptors (record key_file), so that
 * they may belong to root, lie anywhere, and be read again at a reload
 * although warden can open nothing.  Keys never leave this process.
 *
 * A key is named by a number that comes from its public half, so that the
 * number stays the same over reloads and restarts.  The list before the last
 * reload is kept too: a handshake may be on its way.
 */
#ifndef WAXWING_WARDEN_KEYS_H
#define WAXWING_WARDEN_KEYS_H

#include "base/buf.h"

enum { KEYS_MAX = 256, KEY_FILE_MAX = 64 * 1024, TICKET_KEY_SIZE = 80 };

struct keys;

/* Call before the process locks itself in.  ST_NOMEM. */
enum status keys_new(struct keys **ret) MUST_USE;
void keys_free(struct keys *k);

/* All of an open file, at most ret->max bytes.  ST_LIMIT, ST_NOMEM, ST_IO. */
enum status key_file_read(int fd, struct buf *ret) MUST_USE;

/* The index-th certificate chain, then its key, from descriptors (which stay
 * the caller's).  Index 0 begins a new list; keys_show makes it the one that
 * counts.  ST_SYNTAX (no PEM, or key and certificate are no pair), ST_LIMIT,
 * ST_NOMEM, ST_IO. */
enum status keys_take_chain(struct keys *k, uint32_t index, int fd) MUST_USE;
enum status keys_take_key(struct keys *k, uint32_t index, int fd) MUST_USE;
/* When a key goes by that, so does the secret of session tickets.  ST_IO: there
 * are no fresh random bytes for it, and it stays. */
enum status keys_show(struct keys *k) MUST_USE;
/* How many there are. */
size_t keys_count(const struct keys *k);

/* The index-th of the list.  ST_MISSING past its end. */
enum status keys_chain(const struct keys *k, uint32_t index, struct view *ret_pem, uint32_t *ret_key) MUST_USE;

struct evp_pkey_st;
/* That key's signature.  scheme: enum tls_scheme of wire/tls.h.  ST_DENIED (nothing that TLS or CMS
 * would sign: so nobody can have something decrypted), ST_NOMEM. */
enum status key_sign(struct evp_pkey_st *key, uint32_t scheme, struct view input, struct buf *ret_signature) MUST_USE;

/* scheme: enum tls_scheme of wire/tls.h.  ST_MISSING (no such key), ST_DENIED
 * (nothing that TLS would sign), ST_NOMEM. */
enum status keys_sign(struct keys *k, uint32_t key, uint32_t scheme, struct view input,
		      struct buf *ret_signature) MUST_USE;

/* The key of session tickets: one for each day, start of this process, and set of keys.
 * ST_NOMEM. */
enum status keys_ticket(struct keys *k, char ret_key[TICKET_KEY_SIZE]) MUST_USE;

/* A self-signed P-256 certificate for the names, as PEM.  ST_NOMEM. */
enum status certificate_make(const struct view *names, size_t n, struct buf *ret_chain,
			     struct buf *ret_key) MUST_USE;

/* What one is made of. */
struct certificate {
	struct evp_pkey_st *key;
	const struct view *names;	/* the first is its subject too */
	size_t n;
	bool authority;			/* it issues others, and names no host */
	struct x509_st *issuer;		/* NULL: it is its own */
	struct evp_pkey_st *issuer_key;
};
/* The caller's; NULL: no memory, or a name that is none. */
struct x509_st *certificate_of(const struct certificate *c);
/* The first of a PEM file; NULL: there is none. */
struct x509_st *certificate_read(const char *path);

/* A self-signed one (certificate_make) into keys/tls.pem and keys/tls.key below dir, where they are not
 * there yet.  ST_EXISTS where they are; errors of base/disk.h. */
enum status certificate_setup(const char *dir, const struct view *names, size_t n) MUST_USE;

/* ---- the next key, whose TLSA record is published ahead (RFC 7671 8.1) ---- */

/* keys/next.pem and keys/next.key, for the names of keys/tls.pem.  ST_EXISTS;
 * ST_MISSING: there is no keys/tls.pem; ST_SYNTAX: nor names in it. */
enum status certificate_next(const char *dir) MUST_USE;

/* They become keys/tls.pem and keys/tls.key.  ST_MISSING: there are none. */
enum status certificate_switch(const char *dir) MUST_USE;

/* The rest of a switch that a crash cut in two: the key is there, and its
 * certificate still has the other name.  ST_EXISTS: there is nothing to do. */
enum status certificate_finish(const char *dir) MUST_USE;

#endif
