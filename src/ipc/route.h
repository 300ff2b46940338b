/* route.h - where letters to other hosts go when not to their domain's MX
 * (RFC 5321 3.7, 5.1): the text of a route, and the table of routes.
 *
 *     route  = "mx" / ( "smtp" / "smtps" ) "://" host [ ":" port ]
 *     host   = a name / "[" address "]"
 *     table  = entry *( "," entry )
 *     entry  = [ "sender" ] pattern "=" route
 *
 * The queue chooses the route of each recipient with the table, relay follows
 * it.  Pure; views point into the texts given.
 */
#ifndef WAXWING_IPC_ROUTE_H
#define WAXWING_IPC_ROUTE_H

#include "base/buf.h"

enum { ROUTE_PORT_SMTP = 25, ROUTE_PORT_SMTPS = 465 };

struct route {
	bool mx;		/* no host: the MX of the site */
	bool tls_first;		/* smtps: TLS from the first byte (RFC 8314 3.3) */
	bool literal;		/* host is an address, without [] */
	struct view host;
	uint16_t port;
};

/* Empty and "mx" are the site's MX.  ST_SYNTAX. */
enum status route_parse(struct view text, struct route *ret) MUST_USE;

/* The table is well-formed; why says what is wrong.  ST_SYNTAX. */
enum status routes_check(struct view table, struct buf *why) MUST_USE;

/* The route of a letter: the first entry of the domain, or else of the
 * sender, or else `otherwise` (relay.smarthost).  Empty: by MX.  domain is
 * that of the recipient, in A-labels. */
struct view routes_find(struct view table, struct view sender, struct view domain, struct view otherwise);

#endif
