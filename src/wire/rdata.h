/* rdata.h - reading RDATA in wire form (RFC 1035 3.3, 6698 2.1), as
 * struct dns_answer has it: names in it are not compressed.
 */
#ifndef WAXWING_WIRE_RDATA_H
#define WAXWING_WIRE_RDATA_H

#include "base/arena.h"
#include "wire/tls_client.h"

/* MX: the name in presentation form and lower case; empty for the root (RFC
 * 7505).  False where the bytes, or what stands in a label, make no host
 * name.  The name is in the arena. */
bool rdata_mx(struct view rdata, struct arena *a, uint16_t *ret_preference, struct view *ret_name);

bool rdata_tlsa(struct view rdata, struct tlsa *ret);

#endif
