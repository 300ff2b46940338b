/* site_name.c - where an address leads: its domain as DNS knows it. */
#include "mta/queue/internal.h"

#include "msg/address.h"

#include <idn2.h>
#include <stdio.h>

enum { DOMAIN_MAX = 255 };

/* U-labels become A-labels (RFC 5891), letters lower case; an address literal
 * (RFC 5321 4.1.3) stays what it is. */
enum status site_name(struct view address, struct buf *out)
{
	struct view domain = address_domain(address);
	char text[4 * DOMAIN_MAX], *ascii = NULL;
	bool plain = true;

	if (domain.n == 0 || domain.n >= sizeof text || memchr(domain.p, '\0', domain.n))
		return ST_SYNTAX;
	for (size_t i = 0; i < domain.n; i++) {
		text[i] = ascii_lower(domain.p[i]);
		plain = plain && (unsigned char)text[i] < 0x80;
	}
	text[domain.n] = '\0';
	if (!plain && idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return ST_SYNTAX;
	domain = view_cstr(plain ? text : ascii);
	/* The final dot of a name that is absolute says nothing here. */
	if (domain.n > 1 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (domain.n <= DOMAIN_MAX)
		buf_put(out, domain);
	idn2_free(ascii);
	return domain.n <= DOMAIN_MAX ? buf_status(out) : ST_SYNTAX;
}
