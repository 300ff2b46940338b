/* pickup.h - what the server starts for each file of the drop folder
 * (parent/drop.c): as the file's owner, the file is standard input. */
#ifndef WAXWING_SENDMAIL_PICKUP_H
#define WAXWING_SENDMAIL_PICKUP_H

#include "sendmail/options.h"

/* EX_OK: the letter is kept, and who could not get it was told of; EX_DATAERR:
 * it is no such file; EX_TEMPFAIL. */
int pickup(const struct options *o);

#endif
