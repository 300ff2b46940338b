/* user.h - who calls, and what he must know of the server. */
#ifndef WAXWING_SENDMAIL_USER_H
#define WAXWING_SENDMAIL_USER_H

#include "conf/conf.h"

enum { USER_FULL_MAX = 128, ABOUT_HOST_MAX = 255 };

struct user {
	char name[LOCAL_NAME_MAX + 1];	/* as an address has it */
	char full_name[USER_FULL_MAX];	/* or empty */
};

void user_of(uint32_t uid, struct user *ret);

/* local/about, which a server has written when it last ran here. */
struct about {
	char host[ABOUT_HOST_MAX + 1];
	uint64_t size;			/* of the largest letter */
};

/* ST_MISSING: no server has run here yet.  ST_SYNTAX. */
enum status about_read(const char *dir, struct about *ret) MUST_USE;

#endif
