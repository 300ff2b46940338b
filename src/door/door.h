/* door.h - the process that hears strangers: accepts, counts, and runs the
 * servers that speak with them.  No files, no keys, no mail. */
#ifndef WAXWING_DOOR_DOOR_H
#define WAXWING_DOOR_DOOR_H

/* The role `door`: runs until the parent says stop. */
int door_main(void);

#endif
