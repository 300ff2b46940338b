/* tls_client.h - TLS for a conn, client side: who must the other side be?
 *
 * Nobody in particular (opportunistic security, RFC 7435), whom a chain of
 * certificates up to a known authority names (RFC 5280, 6125), or whom TLSA
 * records name (DANE, RFC 6698, 7671, 7672).
 *
 * Versions 1.2 and 1.3.  Sessions are resumed only with the same host, under
 * the same trust, the same records included, so a resumed one was verified as
 * a fresh one would be.
 */
#ifndef WAXWING_WIRE_TLS_CLIENT_H
#define WAXWING_WIRE_TLS_CLIENT_H

#include "wire/rdata.h"
#include "wire/tls.h"

enum tls_verify { TLS_VERIFY_NONE = 0, TLS_VERIFY_PKIX, TLS_VERIFY_DANE };

struct tls_trust {
	enum tls_verify how;
	bool report;		/* verify, say what came of it, and go on in any case */
	bool check_ee_name;	/* also where DANE-EE matches; SMTP does not (RFC 7672 3.1.1) */
	struct view server_name;	/* SNI; empty: none */
	const struct view *names;	/* any of which the certificate must bear; an address literal without [] */
	size_t n_names;
	const struct dns_tlsa *records;
	size_t n_records;
};

struct tls_client;

/* authorities: a PEM file of those that PKIX trusts, or "" for none.  Call it
 * before the process locks itself in.  ST_MISSING (no such file), ST_NOMEM. */
enum status tls_client_new(const char *authorities, struct tls_client **ret) MUST_USE;
void tls_client_free(struct tls_client *t);

/* For a coroutine of c: the handshake.  Nothing may wait in conn_view or
 * conn_out, as with conn_start_tls.  On failure the conn is broken, and
 * conn_tls_why says why.  ST_SYNTAX (bytes wait, or a name or record that
 * cannot be used), ST_DENIED, ST_TIMEOUT, ST_CLOSED, ST_NOMEM. */
enum status conn_start_tls_client(struct conn *c, struct tls_client *t, const struct tls_trust *trust,
				  const char *protocol, uint64_t timeout_ms) MUST_USE;

/* How the other side was verified: "DANE-EE verified", "DANE-TA verified",
 * "PKIX verified", "not verified". */
const char *conn_tls_verified(const struct conn *c);

/* What the verification said against it, or "ok"; static text. */
const char *conn_tls_why(const struct conn *c);

/* The same as OpenSSL's X509_V_ code; X509_V_OK where it has nothing against it,
 * or nobody had to be verified. */
long conn_tls_error(const struct conn *c);

/* The chain that the other side showed, as PEM, its own certificate first. */
void conn_tls_chain(const struct conn *c, struct buf *out);

/* Is this record one that can be tried: known usage, selector and matching
 * type, data of the right length, and a certificate or key that can be read
 * where it is given whole (RFC 7671 10.1.2)? */
bool tlsa_is_usable(struct tls_client *t, const struct dns_tlsa *r);

/* The same verification without a connection: a PEM chain, the other side's
 * certificate first.  *ret_error is OpenSSL's X509_V_ code; *ret_depth where
 * in the chain a record matched, -1 nowhere.  ST_SYNTAX, ST_NOMEM. */
enum status tls_verify_chain(struct tls_client *t, const struct tls_trust *trust, struct view chain,
			     long *ret_error, int *ret_depth) MUST_USE;

#endif
