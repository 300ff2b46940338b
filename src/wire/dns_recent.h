/* dns_recent.h - a resolver in front of another one, which answers itself what
 * was asked a moment ago (RFC 1035 6.1.3: no longer than the TTL).
 *
 * The cache of all processes is that of names; this one saves the way there
 * for who asks the same things for many letters.  Failures are not kept, nor
 * answers of more than RECENT_ANSWER_MAX bytes.  At most RECENT_SLOTS of them.
 * What was hinted is not hinted again within a second.
 */
#ifndef WAXWING_WIRE_DNS_RECENT_H
#define WAXWING_WIRE_DNS_RECENT_H

#include "base/buf.h"
#include "base/clock.h"
#include "wire/dns.h"

enum { RECENT_SLOTS = 1024, RECENT_ANSWER_MAX = 2048, RECENT_MOST_S = 30, RECENT_HINT_MS = 1000 };

struct recent_slot {
	struct buf answer;	/* name, type, then the answer; empty: nothing */
	steady_ms until;
	uint64_t hinted;	/* hash of what was hinted, and when */
	steady_ms hinted_until;
};

struct dns_recent {
	struct resolver resolver;
	struct resolver *behind;
	uint64_t seed;
	struct recent_slot *slots;
};

/* ST_NOMEM */
enum status dns_recent_begin(struct dns_recent *d, struct resolver *behind) MUST_USE;
void dns_recent_end(struct dns_recent *d);

/* Forget all: whom `behind` asks has changed. */
void dns_recent_forget(struct dns_recent *d);

#endif
