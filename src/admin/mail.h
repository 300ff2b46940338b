/* mail.h - an account's mail, while no process of the server has it. */
#ifndef WAXWING_ADMIN_MAIL_H
#define WAXWING_ADMIN_MAIL_H

#include "admin/instance.h"
#include "ms/store.h"

enum { MAIL_PATH = 4096 };

struct mail {
	struct conf conf;
	char folder[MAIL_PATH];
	uint32_t uid;		/* who owns the files; 0: we do */
	struct store *store;
	int rest;		/* keeps the running server from the account; or -1 */
};

/* m->conf must be there.  A running server's room of the account leaves, and
 * none starts until mail_close.  The errors of store_open. */
enum status mail_open(struct mail *m, uint64_t account, int64_t quota) MUST_USE;
void mail_close(struct mail *m);

#endif
