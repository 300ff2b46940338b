/* tls.h - TLS for a conn, server side (RFC 8446, 5246, advice of RFC 9325).
 *
 * The handshake runs in the coroutine that calls conn_start_tls.  The private
 * key need not be here: a tls_signer is asked for each signature, from within
 * OpenSSL's call, and may wait (for warden's answer), because a coroutine has
 * a stack of its own.  So a process that speaks with strangers holds no key.
 *
 * Afterwards conn_fill, conn_line, conn_flush and conn_push work as before;
 * bytes that OpenSSL has read and not given out yet count as readable, since
 * conn_fill goes on until nothing is left.
 *
 * Versions 1.2 and 1.3, no renegotiation, no compression, tickets without
 * state, no early data.  ALPN: where a client names protocols, ours must be
 * among them (RFC 7301 3.2), which keeps a browser's request meant for another
 * service out of ours (the ALPACA attacks).
 *
 * struct tls is a process's list of certificates; it outlives its conns.
 */
#ifndef WAXWING_WIRE_TLS_H
#define WAXWING_WIRE_TLS_H

#include "wire/conn.h"

enum { TLS_CERTIFICATES_MAX = 256, TLS_TICKET_KEY = 80, TLS_SIGNATURE_MAX = 1024, TLS_BINDING_MAX = 64,
	TLS_CLIENT_MAX = 32 * 1024 };

/* What is signed. */
enum tls_scheme {
	TLS_SIGN_ECDSA = 1,	/* the digest; the answer is DER */
	TLS_SIGN_RSA_PKCS1,	/* the DigestInfo, to be padded (RFC 8017 9.2) */
	TLS_SIGN_RSA_PSS,	/* a block already encoded (RFC 8017 9.1.1) */
};

struct tls_signer {
	/* ST_OK, or anything else: the handshake fails. */
	enum status (*sign)(const struct tls_signer *s, enum tls_scheme scheme, struct view input,
			    struct buf *ret_signature);
	uint32_t key;		/* the signer's own number of the key */
	void *owner;
};

/* A key pair whose private half is the signer, which is copied; it signs for CMS as for a handshake.
 * t outlives it.  NULL: no memory, or a kind of key that we do not know. */
struct evp_pkey_st;
struct evp_pkey_st *tls_pair(struct tls *t, struct evp_pkey_st *public, const struct tls_signer *signer);

/* Call before the process locks itself in.  ST_NOMEM. */
enum status tls_new(struct tls **ret) MUST_USE;
void tls_free(struct tls *t);

/* The list is made anew beside the one that is shown: tls_begin, tls_add for
 * each, tls_ticket_key, and tls_show, from when on the new one is shown.
 * Connections that are open keep what they began with.
 *
 * tls_add: the first is shown where no name is asked for (RFC 6066 3).  Two
 * for the same names whose keys are of different kinds (RSA and ECDSA) stand
 * side by side: a client gets the one that it can check.  The signer is copied.  ST_SYNTAX (no PEM chain, or a kind of key that we do not
 * know), ST_LIMIT, ST_NOMEM. */
void tls_begin(struct tls *t);
enum status tls_add(struct tls *t, struct view chain, const struct tls_signer *signer) MUST_USE;

/* The same with the key itself, for tests and to compare. */
enum status tls_add_with_key(struct tls *t, struct view chain, struct view key) MUST_USE;

/* Clients of conns that want it (conn.wants_client) are asked for a
 * certificate of these authorities, as PEM; empty: nobody is asked.  Of the
 * certificates added so far.  ST_SYNTAX, ST_NOMEM. */
enum status tls_authorities(struct tls *t, struct view pem) MUST_USE;

/* Doors that share this accept each other's session tickets (RFC 5077, RFC
 * 8446 4.6.1).  Of the certificates added so far.  ST_SYNTAX. */
enum status tls_ticket_key(struct tls *t, struct view key) MUST_USE;

void tls_show(struct tls *t);

/* Is there a certificate to show? */
bool tls_ready(const struct tls *t);

/* For a coroutine of c: the handshake.  Call it when the client's first bytes
 * are there, so that a silent one costs no coroutine.  Nothing may wait in conn_out, and
 * nothing in conn_view: bytes that came before the handshake were not
 * protected, and must not be taken for ones that were (RFC 3207 4.2 and the
 * injections of CVE-2011-0411).  protocol is our ALPN name (or NULL).  On
 * failure the conn is broken.
 * ST_SYNTAX (bytes wait; the conn is as it was), ST_DENIED (handshake
 * failed), ST_TIMEOUT, ST_CLOSED, ST_NOMEM. */
enum status conn_start_tls(struct conn *c, struct tls *t, const char *protocol, uint64_t timeout_ms) MUST_USE;

static inline bool conn_has_tls(const struct conn *c)
{
	return c->secret != NULL;
}

/* "TLSv1.3 TLS_AES_256_GCM_SHA384 256 bits", for Received: and logs. */
void conn_tls_text(const struct conn *c, struct buf *out);

/* What binds a login to this channel: "tls-exporter" (RFC 9266) under TLS 1.3,
 * "tls-unique" (RFC 5929 3) under 1.2 where the master secret is bound to the
 * handshake (RFC 7627; without that it can be made the same for two channels);
 * the octets go into out.  "" where there is none. */
const char *conn_tls_binding(const struct conn *c, struct buf *out);
bool conn_tls_bindable(const struct conn *c);

/* The client's certificate and those that came with it, DER, each by put_view;
 * nothing where it showed none, or none that tls_authorities vouch for. */
void conn_tls_client(const struct conn *c, struct buf *out);
bool conn_tls_has_client(const struct conn *c);

/* What the operator demands of a connection before it is spoken with. */
struct tls_demand {
	const char *version;	/* "" or "1.2" or "1.3" */
	int64_t bits;		/* of the cipher */
	bool client;		/* a certificate of the client */
};
static inline bool tls_demand_is_set(const struct tls_demand *l)
{
	return l->version[0] || l->bits || l->client;
}
/* What this connection lacks, in words; NULL: nothing. */
const char *conn_tls_lacks(const struct conn *c, const struct tls_demand *l);

/* Version and cipher suite alone; NULL without TLS. */
const char *conn_tls_version(const struct conn *c);
const char *conn_tls_cipher(const struct conn *c);

#endif
