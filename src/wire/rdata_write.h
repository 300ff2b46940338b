/* rdata_write.h - RDATA in wire form, for records of our own (rdata.h reads
 * it back, and makes text of it).
 *
 * Errors are the buf's, and sticky; a name that is none is ST_SYNTAX.  Names
 * are in presentation form, with or without the last dot.
 */
#ifndef WAXWING_WIRE_RDATA_WRITE_H
#define WAXWING_WIRE_RDATA_WRITE_H

#include "wire/rdata.h"

/* CNAME, PTR (RFC 1035 3.3). */
void dns_put_name(struct view name, struct buf *out);
/* RFC 1035 3.3.9 */
void dns_put_mx(uint16_t preference, struct view host, struct buf *out);
/* RFC 1035 3.3.14: in strings of 255 octets, as many as it takes; whoever
 * reads them joins them without blanks (RFC 7208 3.3, RFC 6376 3.6.2.2). */
void dns_put_txt(struct view text, struct buf *out);
/* RFC 2782; target "" or ".": not offered here. */
void dns_put_srv(const struct dns_srv *s, struct buf *out);
/* RFC 6698 2.1 */
void dns_put_tlsa(const struct dns_tlsa *t, struct buf *out);
/* RFC 8659 4.1 */
void dns_put_caa(const struct dns_caa *c, struct buf *out);

#endif
