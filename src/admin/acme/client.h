/* client.h - certificates by ACME (RFC 8555, RFC 8823): one issuer, our account with it, and
 * the way of an order.
 *
 * The key of our account is keys/acme/HOST/account.key.  Here are the keys; what the issuer says is
 * read by the agent, and comes as JSON.  Waits, and may take as long as smime.acme_wait for
 * each certificate.
 */
#ifndef WAXWING_ADMIN_ACME_CLIENT_H
#define WAXWING_ADMIN_ACME_CLIENT_H

#include "acme/request.h"
#include "admin/acme/agent.h"
#include "directory/acme.h"
#include "smime/issue.h"

enum { ACME_SAID_MAX = 2048 };

struct acme_client;

/* What it works with; all must last. */
struct acme_means {
	const struct conf *conf;
	struct directory *directory;
	struct agent *agent;
	int keys;		/* the folder keys/, open */
};

/* Reads the directory of the issuer, and makes the account where there is none.  ST_EXISTS:
 * another command is at it; *why says for people what is wrong. */
enum status acme_client_open(const struct acme_means *m, struct buf *why, struct acme_client **ret) MUST_USE;
void acme_client_free(struct acme_client *c);

struct acme_obtained {
	struct smime_key key;		/* certificate and key */
	STACK_OF(X509) *chain;		/* the others that came with it */
};
void acme_obtained_free(struct acme_obtained *o);

/* A certificate for the account's address.  ST_DENIED: the issuer said no, ST_TIMEOUT, ST_IO ...,
 * and why. */
enum status acme_client_obtain(struct acme_client *c, const struct account *of, enum acme_use use, struct buf *why,
			       struct acme_obtained *ret) MUST_USE;

/* When the issuer wants to be asked again at the earliest (Retry-After); 0: it did not say. */
wall_ms acme_client_later(const struct acme_client *c);

#endif
