/* discover.h - finding an account's servers by its address.
 *
 * One source after another, and each kind of server (to read from, to send by)
 * from the first that knows it:
 *
 *   DNS      SRV of the domain (RFC 6186, RFC 8314 5.1)
 *   HTTPS    autoconfig.DOMAIN/mail/config-v1.1.xml, DOMAIN/.well-known/autoconfig/mail/
 *            config-v1.1.xml, then Thunderbird's list of providers; then Autodiscover
 *            of autodiscover.DOMAIN, of DOMAIN, and of whom SRV names for it
 *   guesses  imap., mail., pop., smtp. and the domain itself
 *
 * A server counts when it answers over TLS with a certificate that names it (client.h).
 * What DNS says without DNSSEC somebody on the way could have said (RFC 6186
 * 6), so the person is told which server it is and who says so.
 */
#ifndef WAXWING_MUA_NET_DISCOVER_H
#define WAXWING_MUA_NET_DISCOVER_H

#include "mua/net/client.h"
#include "wire/dns.h"

enum { AUTOCONFIG_MAX = 256 * 1024, USER_MAX = 255, URL_MAX = 1024 };

struct found {
	struct server read, send;	/* port 0: not found */
	const char *read_by, *send_by;	/* "DNS", "DNS with DNSSEC", "autoconfig", "Autodiscover", "a guess" */
	char user[USER_MAX + 1];	/* name at the login; "": the address */
};

/* What is asked and how; the caller's. */
struct discovery {
	struct net *net;
	struct resolver *resolver;	/* or NULL */
	const char *authorities;	/* for HTTPS */
	const char *autoconfig;		/* instead of the URLs, with DOMAIN and ADDRESS in it; or "" */
	const char *autodiscover;	/* the same for Autodiscover */
	bool dane;			/* TLSA records of servers count */
	bool check;			/* connect */
};

/* ST_MISSING where nothing was found of either; why says what was tried. */
enum status discover(const struct discovery *d, const char *address, struct found *ret, struct buf *why) MUST_USE;

/* One autoconfig document (fuzzed): the servers in it that we can use, the
 * first of each kind.  address: for %EMAILADDRESS% and the like. */
void autoconfig_take(struct view xml, const char *address, struct found *ret);

/* Autodiscover: the question; and an answer (fuzzed), which has servers, or says where else
 * to ask. */
struct autodiscover_next {
	char address[URL_MAX], url[URL_MAX];	/* or "" */
};
void autodiscover_ask(const char *address, struct buf *out);
void autodiscover_take(struct view xml, struct found *ret, struct autodiscover_next *ret_next);

/* ---- for both ---- */

/* A name that can be a host's. */
bool discover_host(struct view v, char ret[HOST_MAX + 1]);
/* One of the servers in a document: IMAP is taken before POP3, wherever it stands; else
 * the first counts. */
void discover_take(const struct server *s, const char *user, struct found *ret);

#endif
