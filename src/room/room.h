/* room.h - the process of one account: delivery, and that person's sessions.
 * It can reach mail/ACCOUNT and nothing else. */
#ifndef WAXWING_ROOM_ROOM_H
#define WAXWING_ROOM_ROOM_H

#include "mda/encrypt.h"

/* The role `room`: runs until it is idle or the parent says stop.  argv as
 * main got it: NAME --role room, or --role spare, which may wait for long
 * before it is told whose it is.  encrypt: NULL in a program that cannot. */
int room_main(char **argv, letter_encrypt *encrypt);

#endif
