/* relay.h - the process that carries letters to other hosts: an SMTP client
 * (RFC 5321).  The queue says what and when; relay finds the hosts, and
 * answers for each recipient.
 *
 * It has outbound sockets, a channel to names, and the folder relay/ for what
 * it remembers of other hosts; bodies come as records or memory files.
 */
#ifndef WAXWING_MTA_RELAY_RELAY_H
#define WAXWING_MTA_RELAY_RELAY_H

/* The role `relay`: runs until the parent says stop. */
int relay_main(void);

#endif
