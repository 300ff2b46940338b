/* tlsa_lines.h - what `waxwing inspect tlsa` reads: TLSA records as a zone file
 * has them (RFC 6698 2.2), one a line, and then certificates in PEM.
 *
 * Views are borrowed from the text, data is in the arena.
 */
#ifndef WAXWING_ADMIN_TLSA_LINES_H
#define WAXWING_ADMIN_TLSA_LINES_H

#include "wire/rdata.h"

enum { TLSA_LINES_MAX = 32 };

struct tlsa_lines {
	struct dns_tlsa records[TLSA_LINES_MAX];
	size_t n;
	struct view chain;	/* from the first line that begins with "-" */
};

/* ST_SYNTAX: a line is no record; ST_LIMIT: there are too many, or the arena is
 * full; ST_NOMEM. */
enum status tlsa_lines_take(struct view in, struct arena *a, struct tlsa_lines *ret) MUST_USE;

#endif
