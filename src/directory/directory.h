/* directory.h - domains, accounts and aliases.
 *
 * One durable SQL database, directory.db.  Warden answers from it while the
 * commands of waxwing(8) change it; each side sees the other's commits.
 * Addresses are compared without regard to ASCII case in both halves
 * (RFC 5321 2.4 leaves the local part to its host: this is our choice).
 *
 * What else an account has is in secrets.h.
 *
 * Verifiers: "$argon2id$..." (RFC 9106, libargon2's encoding) or
 * "{PLAIN}secret", which is for tests and benchmarks only.
 */
#ifndef WAXWING_DIRECTORY_DIRECTORY_H
#define WAXWING_DIRECTORY_DIRECTORY_H

#include "base/arena.h"
#include "base/buf.h"
#include "ipc/envelope.h"
#include "ipc/records.h"

struct directory;

enum { ADDRESS_MAX = 254, ALIAS_DEPTH = 8, ALIAS_FAN = 1000 };

struct account {
	uint64_t id;
	struct view address;	/* in the arena given */
	struct view verifier;
	int64_t quota;		/* bytes; 0: the setting's */
	wall_ms created;
};

/* Opens or makes it.  The errors of sql.h. */
enum status directory_open(const char *path, struct directory **ret) MUST_USE;
void directory_close(struct directory *d);

/* A question of where letters go. */
struct asked {
	struct view address;
	struct view sender;	/* the reverse-path; empty: the null one */
	uint64_t account;	/* who submits the letter; 0: a stranger */
	struct view separators;	/* of user+detail, each character one; empty: none */
	bool owners;		/* whose address it is, not where letters go: no forwards, no groups */
};

/* Who gets letters for this address ("postmaster" alone is one too): targets
 * put into out one after another (target_put).  The address itself comes
 * before that without its detail (RFC 5233), and last "@DOMAIN".
 * VERDICT_OK, VERDICT_NO (unknown here), VERDICT_RELAY (not our domain),
 * VERDICT_DENIED (a group to which this sender may not post), VERDICT_LATER. */
enum verdict directory_resolve(struct directory *d, const struct asked *q, struct buf *out);

/* Is this domain ours?  VERDICT_OK, VERDICT_NO, VERDICT_LATER. */
enum verdict directory_has_domain(struct directory *d, struct view domain);

/* May the account send as address: does it get its letters (*ret_own), or is
 * it an identity of it (secrets.h)?  VERDICT_OK, VERDICT_NO, VERDICT_LATER. */
enum verdict directory_may_send(struct directory *d, uint64_t account, struct view address,
				struct view separators, bool *ret_own);

/* ST_MISSING where there is none. */
enum status directory_account(struct directory *d, struct view address, struct arena *a,
			      struct account *ret) MUST_USE;

enum status directory_account_by_id(struct directory *d, uint64_t id, struct arena *a,
				    struct account *ret) MUST_USE;

/* ST_SYNTAX (no name of a domain), ST_EXISTS. */
enum status directory_add_domain(struct directory *d, struct view domain) MUST_USE;
/* ST_MISSING, ST_DENIED (it has accounts or aliases). */
enum status directory_remove_domain(struct directory *d, struct view domain) MUST_USE;
/* ST_MISSING: its domain is not ours; ST_EXISTS; ST_SYNTAX (no address).  The
 * id is one that no account ever had. */
enum status directory_add_account(struct directory *d, struct view address, struct view verifier,
				  int64_t quota, uint64_t *ret_id) MUST_USE;
/* A changed password; what was made of the old one (secrets.h) goes. */
enum status directory_set_verifier(struct directory *d, struct view address,
				   struct view verifier) MUST_USE;
/* With all that belongs to it in the directory. */
enum status directory_remove_account(struct directory *d, struct view address) MUST_USE;
/* target may be one of ours or anybody else's; address may be "@DOMAIN". */
enum status directory_add_alias(struct directory *d, struct view address, struct view target) MUST_USE;
/* target empty: all targets of that address. */
enum status directory_remove_alias(struct directory *d, struct view address, struct view target) MUST_USE;

enum { FORWARDS_MAX = 16 };
/* Where the account's letters go instead of to it, or (keep) besides; none:
 * to it alone.  ST_MISSING (no such account), ST_SYNTAX (no address among
 * them), ST_LIMIT. */
enum status directory_set_forward(struct directory *d, struct view address, const struct view *targets,
				  size_t n, bool keep) MUST_USE;

/* Many accounts in one commit: all that was added between the two is there
 * or (keep false, or on failure) none of it. */
enum status directory_begin(struct directory *d) MUST_USE;
enum status directory_end(struct directory *d, bool keep) MUST_USE;

/* One JSON-free row after another; each calls row(arg, a, b, id). */
typedef void directory_row(void *arg, struct view a, struct view b, uint64_t id);
enum status directory_each_domain(struct directory *d, directory_row *row, void *arg) MUST_USE;
enum status directory_each_account(struct directory *d, directory_row *row, void *arg) MUST_USE;
enum status directory_each_alias(struct directory *d, directory_row *row, void *arg) MUST_USE;

/* a: where its letters go, or empty: they are kept too. */
enum status directory_each_forward(struct directory *d, uint64_t account, directory_row *row, void *arg) MUST_USE;

/* argon2id of a password with a fresh salt.  ST_NOMEM, ST_LIMIT. */
enum status verifier_make(struct view password, int64_t memory_bytes, int64_t passes,
			  struct buf *out) MUST_USE;

/* One that no password fits and that takes as long as those made now: for
 * people whom we do not know.  ST_LIMIT, ST_IO. */
enum status verifier_dummy(int64_t memory_bytes, int64_t passes, struct buf *out) MUST_USE;

/* Takes no time to speak of: needs no thread. */
bool verifier_is_quick(struct view verifier);
/* The password itself, of a quick one. */
struct view verifier_plain(struct view verifier);

/* True when the password is the verifier's.  Takes as long for any verifier
 * of the same kind. */
bool verifier_check(struct view verifier, struct view password);

#endif
