/* policy.h - what TLS a host must show before it gets a letter: the one place
 * where that is decided.
 *
 *     DANE (RFC 7672), where DNSSEC says that the host has TLSA records;
 *     else MTA-STS (RFC 8461), where the site has a policy in force;
 *     else opportunistic: TLS where it is offered, whoever that is.
 *
 * REQUIRETLS (RFC 8689) makes more of it for a letter, and its header
 * TLS-Required: No less.  Anything that DNS could not answer, or that is
 * bogus, is "not now" and never a weaker policy.
 *
 * Memory: all is in the arena given.
 */
#ifndef WAXWING_MTA_RELAY_POLICY_H
#define WAXWING_MTA_RELAY_POLICY_H

#include "mta/relay/sts.h"
#include "report/tls.h"
#include "wire/tls_client.h"

enum tls_level {
	TLS_IF_OFFERED = 0,	/* and clear text where it is not, or fails */
	TLS_ENCRYPTED,		/* whoever it is (RFC 7672 2.2: TLSA records that cannot be used) */
	TLS_VERIFIED,		/* as trust says */
	TLS_NOT_NOW,		/* nothing can be decided: later, or the next host */
	TLS_NEVER,		/* what the letter asks for cannot be had of this host */
};

struct tls_policy {
	enum tls_level level;
	struct tls_trust trust;
	bool require_tls;	/* REQUIRETLS is asked of the host, too */
	const char *by;		/* "DANE", "MTA-STS", "route", "REQUIRETLS", "none"; static */
	struct view why;	/* TLS_NOT_NOW, TLS_NEVER */
	/* For reports (RFC 8460): what was found, and what is wrong with it. */
	enum tls_policy_type found;
	enum tls_result problem;
	const struct sts_policy *sts;
};

/* What the letter asks for. */
struct tls_wish {
	bool require;		/* MAIL ... REQUIRETLS */
	bool relax;		/* TLS-Required: No */
};

/* What a site says of all its hosts. */
struct site_policy {
	bool known;		/* sts counts, and its mode is not none */
	struct sts_policy sts;
	enum tls_result trouble;	/* it was asked for just now, and could not be had */
};

/* Where the TLSA records of a host would be (RFC 7672 2.2.2). */
struct tlsa_base {
	bool secure;		/* the MX records and the addresses were validated */
	struct view name;	/* of the host as the MX record has it */
	struct view canonical;	/* behind its aliases, where all of them are secure; or the same */
	uint16_t port;
};

struct policy_source {
	struct resolver *resolver;
	struct tls_client *tls;
	struct sts *sts;	/* or NULL: nobody is asked */
};

/* Before the hosts are looked up.  For a coroutine: may fetch a policy. */
struct site_policy policy_of_site(const struct policy_source *s, struct view site, struct arena *a);

/* For one host.  site is the next-hop domain: a DANE-TA certificate may bear
 * its name, too (RFC 7672 3.2.2).  mx_secure: for REQUIRETLS.
 * ST_NOMEM, ST_LIMIT. */
enum status policy_of_host(const struct policy_source *s, const struct site_policy *of_site, struct view site,
			   bool mx_secure, const struct tlsa_base *host, const struct tls_wish *wish, struct arena *a,
			   struct tls_policy *ret) MUST_USE;

/* For a route of the operator: with a login, or TLS from the first byte, the
 * host must prove its name. */
struct tls_policy policy_of_route(struct view host, bool must_verify, struct arena *a);

/* The records that SMTP may use: usages 2 and 3 (RFC 7672 3.1), usable ones.
 * In place; answers how many. */
size_t policy_usable(const struct policy_source *s, struct dns_tlsa *records, size_t n);

#endif
