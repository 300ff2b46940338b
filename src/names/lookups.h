/* lookups.h - questions to DNS in flight, on libunbound.
 *
 * Identical questions share one look-up.  Who waited longer than the settings
 * allow gets DNS_FAILED; the look-up goes on, so that asking again finds
 * it further or done.  libunbound has the cache, also of absence, and
 * validates DNSSEC; an AD bit from elsewhere means nothing to it.
 *
 * For the process `names` and, without it, for commands of waxwing(8)
 * (direct.h).  One thread; everything happens in the loop.
 */
#ifndef WAXWING_NAMES_LOOKUPS_H
#define WAXWING_NAMES_LOOKUPS_H

#include "conf/conf.h"
#include "wire/dns.h"

struct lookups;

/* LOOKUPS_MAX different questions at a time; past it DNS_FAILED at once. */
enum { LOOKUPS_MAX = 8192 };

/* What of the settings counts here; texts are borrowed. */
struct lookup_settings {
	const char *resolver;	/* testing.resolver, or "" */
	const char *forwarders;	/* dns.forwarders */
	const char *stubs;	/* dns.stubs */
	const char *anchor;	/* file, or "": the root's */
	const char *time;	/* testing.time, or "": now */
	int64_t cache, timeout;
};
struct lookup_settings lookup_settings(const struct conf *c);

/* Would they be answered differently? */
bool lookup_settings_differ(const struct lookup_settings *a, const struct lookup_settings *b);

/* Reads all files that it needs, so that it may be locked in afterwards.
 * ST_SYNTAX, ST_MISSING (a file), ST_NOMEM; why says what. */
enum status lookups_open(const struct lookup_settings *s, struct loop *l, struct buf *why,
			 struct lookups **ret) MUST_USE;
void lookups_free(struct lookups *l);

/* Who waits for an answer; embedded in whatever belongs to it. */
struct lookup_wait {
	struct lookup_wait *next;
	struct timer late;
	struct lookup *of;
	/* Called once, perhaps before lookups_ask returns.  The answer is
	 * borrowed until it returns. */
	void (*done)(struct lookup_wait *w, const struct rec_dns_answer *a);
};

/* w must stay until it is done. */
void lookups_ask(struct lookups *l, struct view name, uint16_t type, struct lookup_wait *w);

/* How many different questions are in flight. */
size_t lookups_in_flight(const struct lookups *l);

#endif
