/* certificates.h - what this door shows in TLS handshakes.  Runs in door.
 *
 * The chains come from warden, and each signature is asked of warden: a door
 * holds no key.  Asked anew when warden says so, when it was restarted, and
 * twice a day (the key of session tickets changes daily).
 */
#ifndef WAXWING_DOOR_CERTIFICATES_H
#define WAXWING_DOOR_CERTIFICATES_H

#include "base/ipc.h"
#include "wire/tls.h"

struct certificates {
	struct loop *loop;
	struct channel *warden;
	struct tls *tls;
	struct timer again;
	bool asking, once_more;
	bool tokens;		/* warden can check those of an issuer */
	/* Warden has answered (or cannot); called after each time. */
	void (*asked)(struct certificates *c);
};

/* Call before the process locks itself in.  ST_NOMEM. */
enum status certificates_init(struct certificates *c, struct loop *l, struct channel *warden) MUST_USE;

/* Ask in the background. */
void certificates_ask(struct certificates *c);

#endif
