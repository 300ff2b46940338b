/* tls.h - reports on the TLS of deliveries (RFC 8460): what a connection
 * counts as, the JSON made of many, and that of others read.
 *
 * A policy and a row travel and lie in reports.db as bytes, the same for the
 * same.
 */
#ifndef WAXWING_REPORT_TLS_H
#define WAXWING_REPORT_TLS_H

#include "base/arena.h"
#include "base/buf.h"

enum tls_policy_type { TLS_POLICY_NONE = 0, TLS_POLICY_TLSA, TLS_POLICY_STS, TLS_POLICY_TYPES };

/* RFC 8460 4.3. */
enum tls_result {
	TLS_RESULT_OK = 0,
	TLS_STARTTLS_NOT_SUPPORTED, TLS_HOST_MISMATCH, TLS_EXPIRED, TLS_NOT_TRUSTED, TLS_VALIDATION_FAILURE,
	TLS_TLSA_INVALID, TLS_DNSSEC_INVALID, TLS_DANE_REQUIRED,
	TLS_STS_FETCH_ERROR, TLS_STS_INVALID, TLS_STS_WEBPKI_INVALID,
	TLS_RESULTS,
};

enum {
	TLS_LINE_MAX = 8 * 1024,	/* bytes of a policy or a row */
	TLS_STRINGS_MOST = 32,		/* of a policy */
	TLS_POLICIES_MAX = 1000,	/* of a report that is read */
	TLS_DETAILS_MAX = 10000,
};

struct tls_applied {
	enum tls_policy_type type;
	struct view domain;		/* the policy domain (1.1) */
	struct view strings[TLS_STRINGS_MOST];
	uint32_t n_strings;
	struct view mx[TLS_STRINGS_MOST];	/* MTA-STS: the patterns */
	uint32_t n_mx;
};

struct tls_row {
	enum tls_result result;
	struct view sending, host, address, reason;	/* empty for successes */
	uint64_t count;			/* not a part of its bytes */
};

void tls_applied_put(struct buf *b, const struct tls_applied *p);
void tls_row_put(struct buf *b, const struct tls_row *r);
bool tls_applied_take(struct view bytes, struct tls_applied *ret);
bool tls_row_take(struct view bytes, struct tls_row *ret);

/* ---- a report ---- */

struct tls_reporter {
	struct view organization, contact, id;
	int64_t begin, end;		/* seconds since the epoch */
};

/* A policy with what came of it. */
struct tls_section {
	struct tls_applied policy;
	struct tls_row *rows;		/* TLS_RESULT_OK among them */
	uint32_t n;
};
/* ST_NOMEM, ST_LIMIT. */
enum status tls_json(const struct tls_reporter *r, const struct tls_section *sections, uint32_t n, struct buf *out)
	MUST_USE;

struct tls_detail {
	struct view result;		/* as it stands there */
	struct view sending, host, address, reason;
	uint64_t count;
};

struct tls_policy_report {
	struct view type, domain;
	uint64_t successes, failures;
	struct tls_detail *details;
	uint32_t n;
};

struct tls_report {
	struct view organization, contact, id, begin, end;	/* dates as they stand there (RFC 3339) */
	struct tls_policy_report *policies;
	uint32_t n;
};

/* Of anybody: unknown members are passed over, numbers may stand as strings.
 * In the arena.  ST_SYNTAX (no JSON object with policies), ST_LIMIT, ST_NOMEM. */
enum status tls_json_read(struct view json, struct arena *a, struct tls_report *ret) MUST_USE;

/* ---- who asks for them (3) ---- */

/* The value of rua= in a record of _smtp._tls; ST_SYNTAX: it is none. */
enum status tlsrpt_record_parse(struct view txt, struct view *ret_rua) MUST_USE;

#endif
