/* dns.h - what DNS says (RFC 1035), and whom to ask.
 *
 * A resolver is whoever answers: the names process over a channel
 * (dns_over_channel), libunbound in a command of waxwing(8), a table in a
 * test.  Everything that needs DNS takes one, and so runs anywhere.
 *
 * Answers have been validated by DNSSEC where the zone is signed.  Bogus is a
 * failure that may pass (RFC 4035 5), and is never treated like absence or
 * like an insecure answer.
 *
 * Names are in presentation form without the last dot, in lower case, and
 * in A-labels (RFC 5890); rdata.h has their form, and reads the records.  Limits: DNS_ANSWER_MAX bytes of records.
 */
#ifndef WAXWING_WIRE_DNS_H
#define WAXWING_WIRE_DNS_H

#include "base/arena.h"
#include "base/ipc.h"

enum { DNS_NAME_MAX = 253, DNS_ANSWER_MAX = 64 * 1024 };

enum dns_type {
	DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16,
	DNS_AAAA = 28, DNS_SRV = 33, DNS_DS = 43, DNS_TLSA = 52, DNS_SMIMEA = 53, DNS_CAA = 257,
};

enum dns_outcome {
	DNS_FOUND = 0,	/* at least one record */
	DNS_NO_DATA,	/* the name is there, without records of this type */
	DNS_NO_NAME,	/* NXDOMAIN (RFC 8020: nor is anything below it) */
	DNS_FAILED,	/* no answer: a time-out, SERVFAIL, lame, too large; ask later */
	DNS_BOGUS,	/* DNSSEC says that the answer is false; ask later, use nothing of it */
};

struct dns_answer {
	enum dns_outcome outcome;
	bool secure;		/* validated, and so is every alias on the way, and so is absence */
	uint32_t ttl;		/* seconds */
	struct view name;	/* the last of the aliases (RFC 1034 3.6.2), or the name asked */
	struct view *rdata;	/* RDATA in wire form, names in it not compressed */
	size_t n;
	struct view why;	/* for people, where it failed or is bogus */
};

struct resolver {
	/* For a coroutine, or blocking: the answer, in the arena.  ST_NOMEM,
	 * ST_LIMIT; trouble with DNS is an outcome, not a status. */
	enum status (*ask)(struct resolver *r, struct view name, enum dns_type type, struct arena *a,
			   struct dns_answer *ret);
	/* It will be asked soon: begin to look, and do not wait.  May be NULL. */
	void (*hint)(struct resolver *r, struct view name, enum dns_type type);
};

static inline MUST_USE enum status dns_ask(struct resolver *r, struct view name, enum dns_type type,
					   struct arena *a, struct dns_answer *ret)
{
	return r->ask(r, name, type, a, ret);
}

static inline void dns_hint(struct resolver *r, struct view name, enum dns_type type)
{
	if (r->hint)
		r->hint(r, name, type);
}

/* From the record of the answer (ipc/records.h), all copied into the arena.
 * ST_SYNTAX, ST_NOMEM, ST_LIMIT. */
struct rec_dns_answer;
enum status dns_answer_take(const struct rec_dns_answer *in, struct arena *a, struct dns_answer *ret) MUST_USE;

/* Asks names over this channel, whoever is at its other end by then. */
struct dns_over_channel {
	struct resolver resolver;
	struct channel *names;
};
void dns_over_channel(struct dns_over_channel *d, struct channel *names);

/* Absence that can be relied on: DNS said so. */
static inline bool dns_is_absent(const struct dns_answer *a)
{
	return a->outcome == DNS_NO_DATA || a->outcome == DNS_NO_NAME;
}

#endif
