/* dmarc.h - what the author's domain asks for letters that are not proved its
 * own (RFC 9989; records of RFC 7489 are read too).
 *
 * The organizational domain is found by the tree walk (RFC 9989 4.10).  The
 * public suffix list is a fallback: where the walk ends, without any psd=, at a
 * name that the list has as a public suffix, the name below it is taken, so that
 * customers of one registry are not aligned with each other.
 *
 * Each walk asks at most DMARC_WALK names, and a check walks once for the
 * author and once for each identity that is not plainly his.
 */
#ifndef WAXWING_TRUST_DMARC_H
#define WAXWING_TRUST_DMARC_H

#include "trust/author.h"
#include "trust/dkim.h"
#include "trust/spf.h"

enum { DMARC_WALK = 8 };		/* RFC 9989 4.10 */

enum dmarc_policy { DMARC_POLICY_NONE, DMARC_QUARANTINE, DMARC_REJECT };

struct dmarc_record {
	enum dmarc_policy p, sp, np;	/* sp, np: as they count when not given */
	bool has_sp, has_np;
	bool strict_dkim, strict_spf;	/* adkim, aspf */
	char psd;			/* 'y', 'n', 'u' */
	bool testing;			/* t=y */
	unsigned pct;			/* 100 where it is not given (RFC 7489 6.3) */
	bool has_t;
	struct view rua, ruf, fo;	/* as they stand; for reports */
};

/* Is it one: does it begin with v=DMARC1? */
bool dmarc_record_is(struct view text);
/* ST_SYNTAX: the grammar; or a policy that nobody knows and no address for reports. */
enum status dmarc_record_parse(struct view text, struct dmarc_record *ret) MUST_USE;

enum dmarc_result { DMARC_NONE, DMARC_PASS, DMARC_FAIL, DMARC_TEMPERROR, DMARC_PERMERROR };

/* Public suffixes; NULL: there is no list.  Opened before the lock-in. */
struct suffixes;
struct suffixes *suffixes_open(void);
void suffixes_close(struct suffixes *s);

struct dmarc_query {
	const struct author *author;
	const struct spf_answer *spf;	/* of MAIL FROM; NULL: not checked */
	const struct dkim *dkim;	/* NULL: not checked */
	const struct suffixes *suffixes;
	unsigned sample;		/* 0 to 99, at random: for pct= */
};

struct dmarc_answer {
	enum dmarc_result result;
	enum dmarc_policy policy;	/* what the domain asks for; NONE where it passes nothing up */
	enum dmarc_policy disposition;	/* that counts for this letter: NONE when it passes, or by t= and pct= */
	struct view domain;		/* the author's */
	struct view organization;	/* its organizational domain */
	struct view record_at;		/* where the policy was found, or empty */
	struct dmarc_record record;
	bool spf_aligned, dkim_aligned;	/* passes and is the author's; also where there is no policy */
	bool no_such_domain;		/* the author's domain does not exist: np= */
	const char *problem;		/* static, or NULL */
};

/* In the arena; ST_NOMEM, ST_LIMIT. */
enum status dmarc_check(const struct dmarc_query *q, struct resolver *r, struct arena *a,
			struct dmarc_answer *ret) MUST_USE;

/* The organizational domain of a name (RFC 9989 4.10.2).  ST_AGAIN: DNS did not
 * answer; ST_NOMEM, ST_LIMIT. */
enum status dmarc_organization(struct view domain, const struct suffixes *suffixes, struct resolver *r, struct arena *a,
			       struct view *ret) MUST_USE;

/* What will be asked for an author's domain. */
void dmarc_hint(struct resolver *r, struct view domain);

const char *dmarc_result_name(enum dmarc_result r);
const char *dmarc_policy_name(enum dmarc_policy p);

#endif
