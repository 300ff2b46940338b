/* revocation.h - where it can be asked whether a certificate was revoked: lists (RFC 5280
 * 4.2.1.13) and OCSP responders (RFC 5280 4.2.2.1, RFC 6960).  Pure: who fetches them is the
 * caller, and what was fetched goes to smime_trust_revoked and smime_trust_ocsp, which
 * believe nothing that is not signed by whom the certificate is of.
 *
 * Only what a chain names that leads to a trusted authority is given: else anybody could
 * make a reader ask any host by writing him a letter.
 */
#ifndef WAXWING_SMIME_REVOCATION_H
#define WAXWING_SMIME_REVOCATION_H

#include "smime/chain.h"

enum { REVOCATION_PLACES = 8, REVOCATION_URL_MAX = 1000, REVOCATION_HOST_MAX = 253 };

struct revocation_place {
	struct view url;
	struct view request;	/* of OCSP, in DER, to be brought there (RFC 6960 A.1); empty: a list */
};

/* Of the signer's certificate, and the lists of those above it, at most REVOCATION_PLACES.
 * others: that came along.  None where the chain is not trusted. */
enum status smime_revocation_places(struct smime_trust *t, X509 *leaf, STACK_OF(X509) *others, wall_ms now, struct arena *a,
				    struct revocation_place ret[REVOCATION_PLACES], size_t *ret_n) MUST_USE;

/* The certificates that came with a letter, as far as they can be read; the caller's.  NULL: no
 * memory. */
struct smime_letter;
STACK_OF(X509) *smime_certificates_along(const struct smime_letter *l);

/* What may be fetched: "crl", "ocsp" (which tells the authority who is read, and when), and
 * "private": also from other than public addresses and usual ports; commas between.  Empty:
 * nothing.  False: another word stands there. */
struct revocation_wish {
	bool crl, ocsp, private;
};
bool revocation_wish_take(struct view text, struct revocation_wish *ret);
void revocation_wish_put(const struct revocation_wish *w, struct buf *out);

/* Is it a list that has not ended? */
bool smime_list_is_fresh(struct view der, wall_ms now);

/* http or https, a host by its name (never by an address, in whatever notation), a
 * port, a path; nothing else. */
struct revocation_url {
	char host[REVOCATION_HOST_MAX + 1];
	char path[REVOCATION_URL_MAX + 1];
	uint16_t port;
	bool clear;		/* http */
};
enum status revocation_url_parse(struct view url, struct revocation_url *ret) MUST_USE;

/* Is it an address of the public Internet: none of the special ones (RFC 6890), behind which
 * are machines that do not expect to be asked by strangers?  address: 4 or 16 octets. */
bool is_public_address(int family, const unsigned char *address);

#endif
