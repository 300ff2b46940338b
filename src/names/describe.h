/* describe.h - an answer of DNS as JSON, for `waxwing lookup`. */
#ifndef WAXWING_NAMES_DESCRIBE_H
#define WAXWING_NAMES_DESCRIBE_H

#include "wire/dns.h"

/* {"name", "type", "outcome", "secure", "ttl", "canonical", "records": [...],
 * "why"}: records as a zone file has them, all in ASCII. */
void describe_answer(struct view name, enum dns_type type, const struct dns_answer *a, struct buf *json);

#endif
