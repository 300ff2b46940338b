/* ldap.h - certificates of an address from an LDAP directory (RFC 4511, 4523), as
 * companies and public authorities have them.
 *
 *     ldaps://HOST[:PORT]/BASE     TLS from the first byte
 *     ldap://HOST[:PORT]/BASE      STARTTLS (RFC 4513 3), without which nothing is asked
 *
 * BASE is a distinguished name, with %-escapes (RFC 4516); it may be empty.  The server's
 * certificate must name HOST.  Nobody logs in; entries with mail=ADDRESS below BASE are asked
 * for userCertificate (RFC 4523 4.1) and userSMIMECertificate (RFC 2798 2.8).  Nothing that ldap.conf
 * says makes the server's proof weaker.
 *
 * The server vouches for what it says, and nobody else does: who it is, is for the caller to say.
 */
#ifndef WAXWING_SMIME_LDAP_H
#define WAXWING_SMIME_LDAP_H

#include "smime/discover.h"

enum { LDAP_URL_MOST = 1024, LDAP_ENTRIES_MOST = 16, LDAP_ANSWER_MAX = 1024 * 1024, LDAP_SECONDS = 10 };

struct ldap_place {
	const char *url;
	const char *authorities;	/* PEM file of those who may vouch for the server */
};

/* "ldaps://..." with a host.  Static text of what is wrong, or NULL. */
const char *ldap_url_flaw(const char *url);

/* Blocks, for at most two times LDAP_SECONDS.  Those that name the address, in people; outcome as for
 * DNS, never DISCOVERY_INSECURE.  why: where it failed.  ST_SYNTAX (no such URL, no
 * address), ST_NOMEM, ST_LIMIT. */
enum status smime_ldap_find(const struct ldap_place *p, struct view address, struct arena *a, struct discovered *ret,
			    struct buf *why) MUST_USE;

/* One value of an attribute, certificate or (package) PKCS #7 with some: adds those that name the
 * address. */
void ldap_take_value(struct view der, bool package, struct view address, struct arena *a, struct discovered *to);

/* (mail=ADDRESS), with what RFC 4515 3 wants escaped. */
enum status ldap_put_filter(struct view address, struct buf *out) MUST_USE;

#endif
