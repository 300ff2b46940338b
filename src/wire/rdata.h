/* rdata.h - what stands in the records of DNS.
 *
 * Reads RDATA in wire form as struct dns_answer has it: names in it are not
 * compressed.  Everything here is a stranger's, also where it is secure:
 * DNSSEC says who wrote it, not that it makes sense.
 *
 * Names come out in presentation form (RFC 1035 5.1), in lower case, without
 * the last dot; the root is "".  A dot or backslash within a label has a
 * backslash before it, and what is no printable ASCII is \DDD: so text of a
 * stranger forges nothing, and a name that has a backslash is no host's.
 *
 * All readers: ST_SYNTAX where the bytes do not fit, ST_NOMEM, ST_LIMIT (the
 * arena's).
 */
#ifndef WAXWING_WIRE_RDATA_H
#define WAXWING_WIRE_RDATA_H

#include "wire/dns.h"

/* ---- names ---- */

enum { DNS_LABEL_MAX = 63, DNS_WIRE_NAME_MAX = 255, DNS_TEXT_NAME_MAX = 4 * DNS_WIRE_NAME_MAX };

/* Takes a name in wire form, without compression (RFC 1035 3.1).  The view
 * has the bytes as they are. */
enum status dns_take_name(struct cursor *c, struct view *ret) MUST_USE;

/* Those bytes in presentation form. */
void dns_name_text(struct view wire, struct buf *out);

/* Presentation form, with or without the last dot, to wire form in lower
 * case.  ST_SYNTAX: a label is empty or too long, or the name is. */
enum status dns_name_wire(struct view text, struct buf *out) MUST_USE;

/* ---- types ---- */

/* "MX" -> DNS_MX; false for one that is not in enum dns_type. */
bool dns_type_of(struct view name, enum dns_type *ret);
/* "MX", or NULL. */
const char *dns_type_name(unsigned type);
const char *dns_outcome_name(enum dns_outcome o);

/* ---- records ---- */

/* CNAME, PTR, NS (RFC 1035 3.3): one name. */
enum status dns_read_name(struct view rdata, struct arena *a, struct view *ret) MUST_USE;

/* RFC 1035 3.3.9; host "" with preference 0 alone is the null MX (RFC 7505). */
struct dns_mx {
	uint16_t preference;
	struct view host;
};
enum status dns_read_mx(struct view rdata, struct arena *a, struct dns_mx *ret) MUST_USE;

/* The strings of a TXT (RFC 1035 3.3.14) joined without blanks, as SPF, DKIM,
 * DMARC, MTA-STS and TLSRPT want it. */
enum status dns_read_txt(struct view rdata, struct arena *a, struct view *ret) MUST_USE;

/* TLSA (RFC 6698 2.1) and SMIMEA (RFC 8162 2), which has the same form.  Numbers
 * that nobody knows are read too: what is usable is the caller's question. */
struct dns_tlsa {
	uint8_t usage, selector, matching;
	struct view data;	/* at least one byte; borrowed from rdata */
};
enum status dns_read_tlsa(struct view rdata, struct dns_tlsa *ret) MUST_USE;

/* RFC 2782; target "": the service is not offered here. */
struct dns_srv {
	uint16_t priority, weight, port;
	struct view target;
};
enum status dns_read_srv(struct view rdata, struct arena *a, struct dns_srv *ret) MUST_USE;

/* RFC 8659 4.1 */
struct dns_caa {
	uint8_t flags;
	struct view tag, value;	/* borrowed from rdata */
};
enum status dns_read_caa(struct view rdata, struct dns_caa *ret) MUST_USE;

/* A (RFC 1035 3.4.1) and AAAA (RFC 3596 2.2) as text, "192.0.2.1" or
 * "2001:db8::1", with a NUL behind. */
enum { DNS_ADDRESS_TEXT = 46 };
enum status dns_read_address(enum dns_type type, struct view rdata, char ret[DNS_ADDRESS_TEXT]) MUST_USE;

/* The name to ask PTR of (RFC 1035 3.5, RFC 3596 2.5), from an address as
 * text.  ST_SYNTAX. */
enum status dns_reverse_name(struct view address, struct buf *out) MUST_USE;

/* Any record for people, as a zone file has it; what cannot be read is in
 * the form of RFC 3597 5. */
void dns_rdata_text(enum dns_type type, struct view rdata, struct buf *out);

#endif
