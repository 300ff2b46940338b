/* warden.h - the process that knows who is who.  It alone reads the directory
 * and the keys, and it speaks no network protocol. */
#ifndef WAXWING_WARDEN_WARDEN_H
#define WAXWING_WARDEN_WARDEN_H

/* The role `warden`: runs until the parent says stop. */
int warden_main(void);

#endif
