/* records.h - the two kinds of RDATA that relay reads (RFC 1035 3.3.9, 6698
 * 2.1), as struct dns_answer has it: names in it are not compressed.
 *
 * ST_SYNTAX, ST_NOMEM, ST_LIMIT.
 */
#ifndef WAXWING_MTA_RELAY_RECORDS_H
#define WAXWING_MTA_RELAY_RECORDS_H

#include "base/arena.h"
#include "wire/tls_client.h"

/* The host in presentation form and lower case; empty for the root (RFC
 * 7505).  One that is no host's name has a backslash in it. */
struct dns_mx {
	uint16_t preference;
	struct view host;
};
enum status dns_read_mx(struct view rdata, struct arena *a, struct dns_mx *ret) MUST_USE;

enum status dns_read_tlsa(struct view rdata, struct dns_tlsa *ret) MUST_USE;

#endif
