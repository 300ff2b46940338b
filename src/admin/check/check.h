/* check.h - what the files of `waxwing check` share.
 *
 *     check.c      the command, and the jobs that look
 *     records.c    what DNS says of the domain, beside what it should
 *     hosts.c      its mail hosts: SMTP, STARTTLS, certificates, open relays
 *     policies.c   SPF, DMARC, DKIM, MTA-STS, TLS reports, CAA
 *     services.c   IMAP, POP3 and submission by SRV, autoconfiguration
 *
 * It looks as relay and door look, by their own code, so that what is good here
 * is good there.  Everything runs in one loop; a job is a coroutine, and each
 * of its steps has a limit (check.timeout).  Nothing that is said to another
 * host changes anything there: no letter is ever begun.
 */
#ifndef WAXWING_ADMIN_CHECK_CHECK_H
#define WAXWING_ADMIN_CHECK_CHECK_H

#include "admin/dns/facts.h"
#include "mta/relay/internal.h"
#include "names/direct.h"

#include <jansson.h>

enum { CHECK_ARENA = 64 * 1024 * 1024, CHECK_JOBS = 256, CHECK_TEXT = 4096, CHECK_LOOKED_AT = 16 };

enum found_state {
	FOUND_GOOD = 0,
	FOUND_ADVICE,	/* it works, and could be better */
	FOUND_MISSING,
	FOUND_WRONG,
	FOUND_UNKNOWN,	/* nobody could say */
};

struct checker {
	struct relay relay;	/* what its files need of one: settings, loop, resolver, TLS */
	struct direct *direct;
	struct fetcher *fetcher;
	struct arena arena;
	struct conf conf;
	struct facts *facts;		/* NULL: the domain is not ours, */
	struct wanted_list *wanted;	/* and nothing is compared */
	struct view domain;
	/* ---- found first, for all jobs ---- */
	struct hosts hosts;
	bool has_hosts;
	struct answer no_hosts;	/* why there are none */
	bool secure;		/* the MX records, or their absence */
	struct site_policy sts;
	struct view sts_why;	/* why there is no policy though a record says so */
	size_t sts_records;
	bool sts_unknown;	/* DNS does not say whether there is one */
	/* ---- the jobs ---- */
	struct job *jobs;
	size_t n_jobs, left;
	struct co *waiting;
};

/* One thing that is looked at, beside the others. */
struct job {
	struct checker *c;
	void (*run)(struct job *j);
	const void *what;	/* the job's own: */
	size_t i;
	json_t *found;		/* its findings, in order */
};

static inline struct resolver *checker_resolver(struct checker *c)
{
	return &c->relay.dns.resolver;
}

/* One finding: a word for the point, what it is about, what is so, and (or
 * NULL) what would mend it. */
void found(struct job *j, enum found_state s, const char *point, struct view about, const char *mend,
	   const char *fmt, ...) PRINTF_LIKE(6, 7);

/* For one of ours it is wrong; others may do as they like. */
static inline enum found_state ours_or_advice(const struct checker *c, enum found_state s)
{
	return c->facts ? s : FOUND_ADVICE;
}

/* The TXT records at PREFIX.DOMAIN (or, prefix "", at the domain) that begin so;
 * the first in the arena.  ST_MISSING (DNS says there is none), ST_IO (it does not
 * say; found says so), ST_NOMEM. */
enum status check_txt(struct job *j, const char *prefix, const char *begins, const char *point, size_t *ret_n,
		      struct view *ret_text) MUST_USE;

/* https://HOST:PORT/PATH into out; *ret_why in the arena.  ST_AGAIN: DNS does not say where. */
enum status check_fetch(struct checker *c, struct view host, uint16_t port, const char *path, const char *type,
			struct buf *out, struct view *ret_why) MUST_USE;

/* ---- the jobs (what they look at is found in struct checker) ---- */

void check_first(struct checker *c);	/* hosts and MTA-STS, before all others */
void check_record(struct job *j);	/* i: of the wanted list */
void check_people(struct job *j);	/* their certificates, of which there may be many */
void check_dnssec(struct job *j);
void check_reverse(struct job *j);	/* what: struct endpoint */
void check_mx(struct job *j);
void check_host(struct job *j);		/* what: struct host, i: which address */
void check_spf(struct job *j);
void check_dmarc(struct job *j);
void check_dkim(struct job *j);
void check_sts(struct job *j);
void check_tlsrpt(struct job *j);
void check_caa(struct job *j);
void check_service(struct job *j);	/* i: of the services, below check_services() */
size_t check_services(void);
void check_autoconfig(struct job *j);

#endif
