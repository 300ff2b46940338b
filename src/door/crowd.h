/* crowd.h - how many connections come from where.  Runs in door.
 *
 * Counted by address (an IPv6 /64 counts as one, since one machine has all of
 * it) and by network (IPv4 /24, IPv6 /48).  Loopback is not counted unless the
 * setting says so.
 */
#ifndef WAXWING_DOOR_CROWD_H
#define WAXWING_DOOR_CROWD_H

#include "base/map.h"

#include <stdbool.h>
#include <sys/socket.h>

struct crowd {
	struct map addresses, networks;	/* -> how many */
	struct map places;		/* connection -> where it came from */
};

struct crowd_limits {
	uint64_t per_address, per_network;
	bool count_loopback;
};

bool crowd_is_loopback(const struct sockaddr_storage *sa);

/* May this connection, named by a number of the caller's, stay?  False: it is
 * not counted.  Also false where there is no memory to count it. */
bool crowd_enter(struct crowd *c, const struct crowd_limits *limits, uint64_t connection,
		 const struct sockaddr_storage *sa);

/* It has ended.  Also for one that was not counted. */
void crowd_leave(struct crowd *c, uint64_t connection);

void crowd_free(struct crowd *c);

#endif
