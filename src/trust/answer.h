/* answer.h - the records of an answer, as the checks read them (RFC 1035 3.3).
 *
 * RDATA comes from strangers: each reader looks at its length and gives
 * ST_SYNTAX for what does not fit.  Names come out in lower case without the
 * last dot; a byte that is no printable ASCII, a dot or a backslash inside a
 * label makes the name useless here, so it is ST_SYNTAX too.  Results lie in
 * the arena; ST_NOMEM, ST_LIMIT are its own.
 */
#ifndef WAXWING_TRUST_ANSWER_H
#define WAXWING_TRUST_ANSWER_H

#include "wire/dns.h"

/* TXT: its strings, one directly after the other (RFC 7208 3.3, RFC 6376
 * 3.6.2.2). */
enum status answer_text(struct view rdata, struct arena *a, struct view *ret_text) MUST_USE;

/* PTR, CNAME, NS. */
enum status answer_name(struct view rdata, struct arena *a, struct view *ret_name) MUST_USE;

/* MX.  A null MX (RFC 7505) has an empty name. */
enum status answer_mx(struct view rdata, struct arena *a, uint16_t *ret_preference,
		      struct view *ret_name) MUST_USE;

#endif
