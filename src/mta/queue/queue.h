/* queue.h - the process that keeps every letter until it is somebody
 * else's.
 *
 * In memory a letter is a few dozen bytes and its recipients; the bytes lie
 * in the spool.  A recipient is WAITING (to be handed over), HANDED (a room
 * has it in hand), DELIVERED (the room has it, not yet flushed) or DONE.
 */
#ifndef WAXWING_MTA_QUEUE_QUEUE_H
#define WAXWING_MTA_QUEUE_QUEUE_H

/* The role `queue`: runs until the parent says stop. */
int queue_main(void);

#endif
