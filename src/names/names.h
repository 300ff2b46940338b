/* names.h - the process that asks DNS: libunbound, which validates DNSSEC
 * itself (RFC 4033, 4034, 4035), and one cache for all that ask.
 */
#ifndef WAXWING_NAMES_NAMES_H
#define WAXWING_NAMES_NAMES_H

/* The role `names`: runs until the parent says stop. */
int names_main(void);

#endif
