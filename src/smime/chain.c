#include "smime/chain.h"
#include "smime/internal.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { CHAIN_DEPTH = 10, SECURITY_BITS_112 = 2, OCSP_MOST = 16, CRL_DER_MOST = 64 * 1024 * 1024, CRL_CHECKS_MOST = 64,
       OCSP_AGE_MS = 86400000 };
/* What was told only now is later than the time at which we began, and clocks differ. */
enum { AHEAD_MS = 5 * 60 * 1000 };

struct smime_trust {
	X509_STORE *store;
	STACK_OF(X509) *pinned;
	OCSP_RESPONSE *ocsp[OCSP_MOST];
	unsigned n_ocsp;
	STACK_OF(X509_CRL) *lists;
	struct view later;
};

enum status smime_trust_new(struct smime_trust **ret)
{
	struct smime_trust *t = calloc(1, sizeof *t);

	if (t) {
		t->store = X509_STORE_new();
		t->pinned = sk_X509_new_null();
		t->lists = sk_X509_CRL_new_null();
	}
	if (t == NULL || t->store == NULL || t->pinned == NULL || t->lists == NULL) {
		smime_trust_free(t);
		return ST_NOMEM;
	}
	*ret = t;
	return ST_OK;
}

void smime_trust_free(struct smime_trust *t)
{
	if (t == NULL)
		return;
	for (unsigned i = 0; i < t->n_ocsp; i++)
		OCSP_RESPONSE_free(t->ocsp[i]);
	sk_X509_pop_free(t->pinned, X509_free);
	sk_X509_CRL_pop_free(t->lists, X509_CRL_free);
	X509_STORE_free(t->store);
	free(t);
}

X509_STORE *trust_store(struct smime_trust *t)
{
	return t->store;
}

/* ---- what is trusted ---- */

enum status smime_trust_authorities(struct smime_trust *t, struct view pem)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	enum status st = all ? smime_certificates(pem, all) : ST_NOMEM;

	for (int i = 0; st == ST_OK && i < sk_X509_num(all); i++)
		if (X509_STORE_add_cert(t->store, sk_X509_value(all, i)) != 1)
			st = ST_NOMEM;
	sk_X509_pop_free(all, X509_free);
	ERR_clear_error();
	return st;
}

void smime_trust_later(struct smime_trust *t, struct view pem)
{
	t->later = pem;
}

enum status smime_trust_certificate(struct smime_trust *t, struct view certificate)
{
	return smime_certificates(certificate, t->pinned);
}

static enum status add_crl(struct smime_trust *t, X509_CRL *crl)
{
	if (sk_X509_CRL_push(t->lists, crl) > 0)
		return ST_OK;
	X509_CRL_free(crl);
	return ST_NOMEM;
}

enum status smime_trust_revoked(struct smime_trust *t, struct view text)
{
	const unsigned char *p = (const unsigned char *)text.p;
	X509_CRL *crl = text.n && text.n <= CRL_DER_MOST ? d2i_X509_CRL(NULL, &p, (long)text.n) : NULL;
	enum status st = ST_SYNTAX;
	BIO *bio;

	if (crl)
		return add_crl(t, crl);
	bio = text.n && text.n <= CRL_DER_MOST ? BIO_new_mem_buf(text.p, (int)text.n) : NULL;
	while (st != ST_NOMEM && bio && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL)
		st = add_crl(t, crl);
	BIO_free(bio);
	ERR_clear_error();
	return st;
}

enum status smime_trust_ocsp(struct smime_trust *t, struct view der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	OCSP_RESPONSE *r;

	if (t->n_ocsp == OCSP_MOST)
		return ST_LIMIT;
	r = der.n && der.n <= SMIME_PEM_MAX ? d2i_OCSP_RESPONSE(NULL, &p, (long)der.n) : NULL;
	ERR_clear_error();
	if (r == NULL)
		return ST_SYNTAX;
	t->ocsp[t->n_ocsp++] = r;
	return ST_OK;
}

/* ---- the chain ---- */

/* What each of OpenSSL's errors means; all others: PROBLEM(CHAIN). */
static const struct {
	int error;
	smime_problems problem;
} errors[] = {
	{ X509_V_ERR_CERT_HAS_EXPIRED, PROBLEM(EXPIRED) },
	{ X509_V_ERR_CERT_NOT_YET_VALID, PROBLEM(NOT_YET) },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, PROBLEM(SELF_SIGNED) },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, PROBLEM(UNKNOWN_AUTHORITY) },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, PROBLEM(UNKNOWN_AUTHORITY) },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, PROBLEM(UNKNOWN_AUTHORITY) },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, PROBLEM(UNKNOWN_AUTHORITY) },
	{ X509_V_ERR_CERT_UNTRUSTED, PROBLEM(UNKNOWN_AUTHORITY) },
	{ X509_V_ERR_CERT_REJECTED, PROBLEM(UNKNOWN_AUTHORITY) },
	{ X509_V_ERR_CERT_REVOKED, PROBLEM(REVOKED) },
	{ X509_V_ERR_INVALID_PURPOSE, PROBLEM(PURPOSE) },
	{ X509_V_ERR_PERMITTED_VIOLATION, PROBLEM(CONSTRAINTS) },
	{ X509_V_ERR_EXCLUDED_VIOLATION, PROBLEM(CONSTRAINTS) },
	{ X509_V_ERR_EE_KEY_TOO_SMALL, PROBLEM(SHORT_KEY) },
	{ X509_V_ERR_CA_KEY_TOO_SMALL, PROBLEM(SHORT_KEY) },
	{ X509_V_ERR_CA_MD_TOO_WEAK, PROBLEM(OLD_DIGEST) },
	{ X509_V_ERR_CRL_HAS_EXPIRED, PROBLEM(CRL_OLD) },
	{ X509_V_ERR_CRL_NOT_YET_VALID, PROBLEM(CRL_OLD) },
	/* Nothing is known then, which is said by itself. */
	{ X509_V_ERR_UNABLE_TO_GET_CRL, 0 },
	{ X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, 0 },
	{ X509_V_ERR_CRL_SIGNATURE_FAILURE, 0 },
	{ X509_V_ERR_DIFFERENT_CRL_SCOPE, 0 },
	{ X509_V_ERR_CRL_PATH_VALIDATION_ERROR, 0 },
	{ X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, 0 },
};

struct judging {
	wall_ms now;
	smime_problems problems;
	bool no_list;		/* none that is good for the signer's own certificate */
	STACK_OF(X509_CRL) *own, *letters;
	size_t checks;		/* of the letter's that may still be looked at */
	bool no_memory;
};

static bool concerns_lists(int error)
{
	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return true;
	default:
		return false;
	}
}

static bool is_signed(X509_CRL *crl, STACK_OF(X509) *chain, size_t *checks)
{
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *x = sk_X509_value(chain, i);

		if (X509_NAME_cmp(X509_get_subject_name(x), X509_CRL_get_issuer(crl)) || *checks == 0)
			continue;
		--*checks;
		if (X509_CRL_verify(crl, X509_get0_pubkey(x)) == 1)
			return true;
	}
	return false;
}

static bool add_signed(STACK_OF(X509_CRL) *to, STACK_OF(X509_CRL) *from, const X509_NAME *name, STACK_OF(X509) *chain,
		       size_t *checks)
{
	for (int i = 0; i < sk_X509_CRL_num(from); i++) {
		X509_CRL *crl = sk_X509_CRL_value(from, i);

		if (X509_NAME_cmp(X509_CRL_get_issuer(crl), name) || !is_signed(crl, chain, checks))
			continue;
		if (!X509_CRL_up_ref(crl))
			return false;
		if (sk_X509_CRL_push(to, crl) <= 0) {
			X509_CRL_free(crl);
			return false;
		}
	}
	return true;
}

/* OpenSSL asks here for the lists of one authority, and prefers the newest before it looks
 * at its signature: a forged one would hide the true one, and its "revoked" be believed by
 * who goes on after that error, as judge() does. */
static STACK_OF(X509_CRL) *signed_lists(const X509_STORE_CTX *ctx, const X509_NAME *name)
{
	struct judging *j = X509_STORE_CTX_get_app_data(ctx);
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
	STACK_OF(X509_CRL) *all;
	size_t any = SIZE_MAX;

	if (j == NULL)
		return NULL;
	all = sk_X509_CRL_new_null();
	if (all && add_signed(all, j->own, name, chain, &any) && add_signed(all, j->letters, name, chain, &j->checks))
		return all;
	sk_X509_CRL_pop_free(all, X509_CRL_free);
	j->no_memory = true;
	return NULL;
}

/* One for any purpose is for mail, too (RFC 8550 4.4.4); OpenSSL wants it named. */
static bool is_for_anything(X509 *x, int depth)
{
	uint32_t purpose = x ? X509_get_extended_key_usage(x) : UINT32_MAX;

	return purpose != UINT32_MAX && (purpose & XKU_ANYEKU) &&
	       (depth > 0 || X509_get_key_usage(x) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION));
}

static bool is_just_made(const X509_CRL *list, wall_ms now)
{
	return list && smime_time(X509_CRL_get0_lastUpdate(list)) <= now + AHEAD_MS;
}

/* Gathers all that is wrong instead of ending at the first. */
static int judge(int good, X509_STORE_CTX *ctx)
{
	struct judging *j = X509_STORE_CTX_get_app_data(ctx);
	int error = X509_STORE_CTX_get_error(ctx);
	size_t i;

	if (good)
		return 1;
	if (j == NULL || error == X509_V_ERR_OUT_OF_MEM || error == X509_V_ERR_UNSPECIFIED)
		return 0;
	if (error == X509_V_ERR_CRL_NOT_YET_VALID && is_just_made(X509_STORE_CTX_get0_current_crl(ctx), j->now))
		return 1;
	if (error == X509_V_ERR_INVALID_PURPOSE &&
	    is_for_anything(X509_STORE_CTX_get_current_cert(ctx), X509_STORE_CTX_get_error_depth(ctx)))
		return 1;
	for (i = 0; i < sizeof errors / sizeof *errors && errors[i].error != error; i++)
		;
	j->problems |= i < sizeof errors / sizeof *errors ? errors[i].problem : PROBLEM(CHAIN);
	if (concerns_lists(error) && X509_STORE_CTX_get_error_depth(ctx) == 0)
		j->no_list = true;
	return 1;
}

static bool is_pinned(const struct smime_trust *t, X509 *leaf)
{
	for (int i = 0; i < sk_X509_num(t->pinned); i++)
		if (X509_cmp(sk_X509_value(t->pinned, i), leaf) == 0)
			return true;
	return false;
}

/* ---- OCSP (RFC 6960) ---- */

/* A response without an end says that there are always newer ones
 * (2.4): of that one which is a day old nothing is known any more. */
static bool is_current(const ASN1_GENERALIZEDTIME *from, const ASN1_GENERALIZEDTIME *until, wall_ms now)
{
	wall_ms begin = smime_time(from), end = until ? smime_time(until) : begin + OCSP_AGE_MS;

	return begin <= now + AHEAD_MS && now <= end + AHEAD_MS;
}

static bool status_of(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer, wall_ms now, int *ret)
{
	static const char *const digests[] = { "SHA1", "SHA256" };
	ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
	bool found = false;
	int reason;

	for (size_t i = 0; i < 2 && !found; i++) {
		OCSP_CERTID *id = OCSP_cert_to_id(EVP_get_digestbyname(digests[i]), leaf, issuer);

		found = id && OCSP_resp_find_status(basic, id, ret, &reason, NULL, &from, &until) == 1;
		OCSP_CERTID_free(id);
	}
	return found && is_current(from, until, now);
}

static void ask_ocsp(struct smime_trust *t, X509 *leaf, X509 *issuer, STACK_OF(X509) *others, wall_ms now,
		     struct chain_answer *r)
{
	for (unsigned i = 0; i < t->n_ocsp; i++) {
		OCSP_BASICRESP *basic = OCSP_response_get1_basic(t->ocsp[i]);
		int status;

		if (basic && status_of(basic, leaf, issuer, now, &status) &&
		    OCSP_basic_verify(basic, others, t->store, 0) == 1) {
			if (status == V_OCSP_CERTSTATUS_REVOKED)
				r->revocation = SMIME_REVOKED;
			else if (status == V_OCSP_CERTSTATUS_GOOD && r->revocation != SMIME_REVOKED)
				r->revocation = SMIME_NOT_REVOKED;
		}
		OCSP_BASICRESP_free(basic);
	}
	ERR_clear_error();
	if (r->revocation == SMIME_REVOKED)
		r->problems |= PROBLEM(REVOKED);
}

/* ---- together ---- */

static bool within(X509 *x, wall_ms at)
{
	return smime_time(X509_get0_notBefore(x)) <= at && at <= smime_time(X509_get0_notAfter(x));
}

static smime_problems dates(X509 *leaf, wall_ms now, wall_ms signed_at)
{
	if (now < smime_time(X509_get0_notBefore(leaf)))
		return PROBLEM(NOT_YET);
	if (now <= smime_time(X509_get0_notAfter(leaf)))
		return 0;
	return signed_at >= 0 && within(leaf, signed_at) ? PROBLEM(EXPIRED_SINCE) : PROBLEM(EXPIRED);
}

static enum status walk(struct smime_trust *t, X509_STORE_CTX *ctx, X509 *leaf, STACK_OF(X509) *others,
			STACK_OF(X509_CRL) *crls, wall_ms now, struct chain_answer *r)
{
	struct judging j = { .now = now, .own = t->lists, .letters = crls, .checks = CRL_CHECKS_MOST };
	bool lists = sk_X509_CRL_num(t->lists) > 0 || sk_X509_CRL_num(crls) > 0;
	STACK_OF(X509) *chain;

	X509_STORE_set_lookup_crls(t->store, signed_lists);
	if (X509_STORE_CTX_init(ctx, t->store, leaf, others) != 1)
		return ST_NOMEM;
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SMIME_SIGN);
	X509_STORE_CTX_set_time(ctx, 0, (time_t)(now / 1000));
	X509_STORE_CTX_set_depth(ctx, CHAIN_DEPTH);
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), SECURITY_BITS_112);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN |
				 (lists ? X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL : 0));
	X509_STORE_CTX_set_app_data(ctx, &j);
	X509_STORE_CTX_set_verify_cb(ctx, judge);
	if (X509_verify_cert(ctx) != 1 && j.problems == 0)
		j.problems = PROBLEM(CHAIN);
	if (j.no_memory)
		return ST_NOMEM;
	chain = X509_STORE_CTX_get0_chain(ctx);
	r->problems |= j.problems;
	if (j.problems & PROBLEM(REVOKED))
		r->revocation = SMIME_REVOKED;
	else if (lists && !j.no_list)
		r->revocation = SMIME_NOT_REVOKED;
	if (t->n_ocsp && sk_X509_num(chain) > 1)
		ask_ocsp(t, leaf, sk_X509_value(chain, 1), others, now, r);
	/* An authority that signs letters itself; where it was given as trusted it may. */
	if (X509_check_ca(leaf) == 1 && sk_X509_num(chain) > 1)
		r->problems |= PROBLEM(AUTHORITY);
	return ST_OK;
}

#define UNTRUSTED_CHAIN \
	(PROBLEM(SELF_SIGNED) | PROBLEM(UNKNOWN_AUTHORITY) | PROBLEM(CHAIN) | PROBLEM(CONSTRAINTS) | PROBLEM(PURPOSE) | \
	 PROBLEM(EXPIRED) | PROBLEM(EXPIRED_SINCE) | PROBLEM(NOT_YET) | PROBLEM(REVOKED) | PROBLEM(AUTHORITY))

enum status smime_chain(struct smime_trust *t, X509 *leaf, STACK_OF(X509) *others, STACK_OF(X509_CRL) *crls,
			wall_ms now, wall_ms signed_at, struct chain_answer *ret)
{
	struct chain_answer r = { .chain = SMIME_CHAIN_PINNED };
	X509_STORE_CTX *ctx;
	enum status st;

	if (is_pinned(t, leaf)) {
		r.problems = dates(leaf, now, signed_at);
		*ret = r;
		return ST_OK;
	}
	if (t->later.n) {
		/* Where the system has none, nobody is trusted. */
		if (smime_trust_authorities(t, t->later) == ST_NOMEM)
			return ST_NOMEM;
		t->later = VIEW_NONE;
	}
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(t->store), (time_t)(now / 1000));
	ctx = X509_STORE_CTX_new();
	st = ctx ? walk(t, ctx, leaf, others, crls, now, &r) : ST_NOMEM;
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	if (st != ST_OK)
		return st;
	/* An authority's own end is one thing, the signer's another. */
	if ((r.problems & PROBLEM(EXPIRED)) && dates(leaf, now, signed_at) == PROBLEM(EXPIRED_SINCE))
		r.problems = (r.problems & ~PROBLEM(EXPIRED)) | PROBLEM(EXPIRED_SINCE);
	r.chain = r.problems & UNTRUSTED_CHAIN ? SMIME_CHAIN_UNTRUSTED : SMIME_CHAIN_TRUSTED;
	*ret = r;
	return ST_OK;
}
