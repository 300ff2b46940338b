/* message.h - reads the answer in a DNS message (RFC 1035 4).
 *
 * The message is libunbound's own, made anew from what it has validated; what
 * stands in it is a stranger's all the same.  Follows the aliases from the
 * name that was asked (RFC 1034 3.6.2, at most MESSAGE_ALIASES) and
 * gathers the records at their end, names in them uncompressed.
 */
#ifndef WAXWING_NAMES_MESSAGE_H
#define WAXWING_NAMES_MESSAGE_H

#include "wire/dns.h"

enum { MESSAGE_ALIASES = 16 };

enum { RCODE_NOERROR = 0, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };	/* RFC 1035 4.1.1 */

struct message_answer {
	unsigned rcode;
	bool truncated;
	uint32_t ttl;		/* the least on the way; of absence as RFC 2308 5 */
	size_t n;		/* records found */
	struct buf name;	/* the last of the aliases, in presentation form */
	struct buf rdata;	/* the records, each by put_view; at most DNS_ANSWER_MAX */
};

/* name: what was asked, in wire form.  The caller frees ret by
 * message_answer_free, also on failure.  ST_SYNTAX, ST_LIMIT (too large, or
 * too many aliases), ST_NOMEM. */
enum status message_read(struct view message, struct view name, enum dns_type type,
			 struct message_answer *ret) MUST_USE;
void message_answer_free(struct message_answer *a);

#endif
