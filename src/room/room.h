/* room.h - the process of one account: delivery, and that person's sessions.
 * It can reach mail/ACCOUNT and nothing else. */
#ifndef WAXWING_ROOM_ROOM_H
#define WAXWING_ROOM_ROOM_H

/* The role `room`: runs until it is idle or the parent says stop. */
int room_main(void);

#endif
