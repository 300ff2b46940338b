/* place.h - what a verb works with: settings, an account, its local copy, and
 * the network where it is wanted.
 */
#ifndef WAXWING_MUA_PLACE_H
#define WAXWING_MUA_PLACE_H

#include "mua/account.h"
#include "mua/copy/copy.h"
#include "mua/verb.h"

/* How long a person waits for an answer of DNS; after one that did not come nobody
 * waits for the next ones for a while, who reads and writes offline. */
enum { PLACE_DNS_MS = 6000, PLACE_DNS_PAUSE_MS = 60000,
       PLACE_DNS_SILENT_MS = 30 * 60 * 1000 };

struct place {
	struct settings settings;
	struct account *account;
	struct copy *copy;
	struct net net;
	struct direct *dns;	/* or NULL */
	bool dns_tried;
	steady_ms dns_silent;	/* until then it is not asked for certificates: it gave no answer */
	steady_ms revocation_silent;	/* until then nobody is asked whether a certificate was revoked */
	struct buf password;	/* asked for once; wiped by place_close */
	bool may_ask;		/* the terminal is ours */
};

/* Settings, account and copy; complains itself.  place_close in any case. */
enum status place_open(struct place *p, const struct invocation *in) MUST_USE;
/* Settings alone. */
enum status place_settings(struct place *p) MUST_USE;
/* For an account: its copy. */
enum status place_use(struct place *p, struct account *a) MUST_USE;
void place_close(struct place *p);

/* Once: the loop and the authorities; the password.  Complain themselves. */
enum status place_net(struct place *p) MUST_USE;
enum status place_password(struct place *p) MUST_USE;

/* DNS, or NULL where it cannot be asked.  As long as the place. */
struct resolver *place_resolver(struct place *p);

static inline struct view place_user(const struct place *p)
{
	return view_cstr(p->account->user[0] ? p->account->user : p->account->address);
}

/* The folder for a use, else by the names that are usual, else made. */
enum status place_folder(struct place *p, enum copy_use use, struct arena *a, struct copy_folder *ret) MUST_USE;

#endif
