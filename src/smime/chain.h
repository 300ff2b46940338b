/* chain.h - is a certificate to be believed: chains up to what was given,
 * revocation by lists and OCSP responses that were given (RFC 5280 6, RFC 8550 4).
 *
 * Nothing is fetched here (smime/revocation.h says from where it could be): where nothing
 * that was given says whether a certificate was revoked, the answer is "not checked".
 */
#ifndef WAXWING_SMIME_CHAIN_H
#define WAXWING_SMIME_CHAIN_H

#include "smime/identity.h"

struct smime_trust;

enum status smime_trust_new(struct smime_trust **ret) MUST_USE;
void smime_trust_free(struct smime_trust *t);

/* Each: ST_SYNTAX where there is none in it, ST_NOMEM. */
enum status smime_trust_authorities(struct smime_trust *t, struct view pem) MUST_USE;
enum status smime_trust_revoked(struct smime_trust *t, struct view crl) MUST_USE;	/* PEM or DER */
enum status smime_trust_ocsp(struct smime_trust *t, struct view response) MUST_USE;	/* DER */
/* Believed without a chain: a SMIMEA record of usage 3, or somebody known. */
enum status smime_trust_certificate(struct smime_trust *t, struct view certificate) MUST_USE;
/* The system's authorities: PEM that is borrowed, and read when it is first
 * needed (140 of them cost as much as forty signatures). */
void smime_trust_later(struct smime_trust *t, struct view pem);

struct chain_answer {
	enum smime_chain chain;
	enum smime_revocation revocation;
	smime_problems problems;
};

/* others, crls: that came with the letter, may be NULL.  signed_at may be -1. */
enum status smime_chain(struct smime_trust *t, X509 *leaf, STACK_OF(X509) *others, STACK_OF(X509_CRL) *crls,
			wall_ms now, wall_ms signed_at, struct chain_answer *ret) MUST_USE;

#endif
