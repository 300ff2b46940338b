/* spf.h - may this host send for that domain (RFC 7208; RFC 8616 4 for names
 * that are not ASCII).
 *
 * One check asks DNS at most for SPF_LOOKUPS terms, each with at most
 * SPF_NAMES names below it; look-ups that it will probably need are hinted
 * before the first is waited for.  Past `deadline` it is temperror.
 *
 * Everything returned lies in the arena or is borrowed from the query.
 */
#ifndef WAXWING_TRUST_SPF_H
#define WAXWING_TRUST_SPF_H

#include "base/clock.h"
#include "wire/dns.h"

enum {
	SPF_LOOKUPS = 10,	/* terms that ask DNS (4.6.4) */
	SPF_VOIDS = 2,		/* of them without an answer (4.6.4) */
	SPF_NAMES = 10,		/* names of one MX or PTR (4.6.4) */
	SPF_ARENA_MAX = 4 * 1024 * 1024,	/* what a check may need; 30 answers of DNS at most are held */
};

enum spf_result {
	SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_TEMPERROR, SPF_PERMERROR,
};

/* A client's address; one that is IPv4 within IPv6 is IPv4 (5). */
struct spf_ip {
	bool v6;
	uint8_t bytes[16];
};
/* ST_SYNTAX */
enum status spf_ip_parse(struct view text, struct spf_ip *ret) MUST_USE;

struct spf_query {
	struct spf_ip ip;
	struct view helo;	/* as the client gave it */
	struct view sender;	/* MAIL FROM without <>; empty: the null reverse-path */
	struct view receiver;	/* this host's name, for %{r} */
	wall_ms now;		/* for %{t} */
	steady_ms deadline;	/* 0: none */
};

struct spf_answer {
	enum spf_result result;
	bool helo;		/* the identity was HELO, not MAIL FROM */
	struct view domain;	/* that was checked, in A-labels; empty where there was none to check */
	struct view record;	/* of that domain, as DNS has it; empty where there was none */
	struct view mechanism;	/* the term that decided, as its record has it, or empty */
	struct view explanation;	/* exp= of a fail, printable ASCII, or empty (6.2) */
	const char *problem;	/* what is wrong, for temperror and permerror; or NULL.  Static */
	unsigned lookups, voids;
};

/* The MAIL FROM identity or, for a null reverse-path, postmaster@HELO (2.4). */
enum status spf_check(const struct spf_query *q, struct resolver *r, struct arena *a,
		      struct spf_answer *ret) MUST_USE;

/* "pass".  Static. */
const char *spf_result_name(enum spf_result r);

/* Received-SPF: with its name and line end (9.1). */
void spf_put_received(const struct spf_query *q, const struct spf_answer *s, struct buf *out);

#endif
