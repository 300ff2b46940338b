/* acme.h - certificates from an issuer elsewhere (ACME, RFC 8555, for S/MIME RFC 8823): for
 * which accounts, how it went, and the challenges that come by letter while one is asked for.
 *
 * A command of waxwing(8) opens an order and closes it; meanwhile warden notes the
 * challenges that doors have found.  Whom the letter must be from the command learns when
 * it may be on its way already: until then ACME_SENDERS_MOST of different senders are kept.
 */
#ifndef WAXWING_DIRECTORY_ACME_H
#define WAXWING_DIRECTORY_ACME_H

#include "directory/directory.h"

enum { ACME_SENDERS_MOST = 16, ACME_WHY_MAX = 400 };

struct acme_row {
	uint64_t account;
	struct view address;
	bool asked;		/* by the operator for this account; else by smime.acme_domains */
	wall_ms tried;		/* the last time; 0: never */
	wall_ms due;		/* it is not tried before by itself */
	uint32_t failures;	/* in a row */
	struct view why;	/* of the last one; empty: it was well */
};

/* ST_MISSING: it is not there.  Views of *ret are in the arena. */
enum status directory_acme_one(struct directory *d, uint64_t account, struct arena *a, struct acme_row *ret) MUST_USE;
typedef void acme_seen(void *arg, const struct acme_row *r);
enum status directory_acme_each(struct directory *d, acme_seen *row, void *arg) MUST_USE;

/* asked: by the operator; what he has asked for stays so. */
enum status directory_acme_add(struct directory *d, uint64_t account, bool asked) MUST_USE;
/* ST_MISSING. */
enum status directory_acme_remove(struct directory *d, uint64_t account) MUST_USE;
/* It was tried: well (why empty), or not; what is longer than ACME_WHY_MAX is cut. */
enum status directory_acme_tried(struct directory *d, uint64_t account, wall_ms now, wall_ms due,
				 struct view why) MUST_USE;

/* ---- an order on its way; the account is there ---- */

struct acme_challenge {
	struct view sender;	/* the address in From: */
	struct view token;	/* of its subject */
	struct view message_id;	/* without <> */
	struct view reply_to;	/* an address, or empty */
};

/* Challenges of before are forgotten. */
enum status directory_acme_open(struct directory *d, uint64_t account, wall_ms now) MUST_USE;
/* It comes from this address, and no other is noted any more. */
enum status directory_acme_expect(struct directory *d, uint64_t account, struct view sender) MUST_USE;
enum status directory_acme_close(struct directory *d, uint64_t account) MUST_USE;

/* The newest of each sender is kept.  ST_MISSING: no order of the account has been opened
 * since then, it comes from somebody else, or there are too many. */
enum status directory_acme_note(struct directory *d, uint64_t account, wall_ms since,
				const struct acme_challenge *c) MUST_USE;
/* That of this sender, in the arena.  ST_MISSING: none yet. */
enum status directory_acme_challenge(struct directory *d, uint64_t account, struct view sender, struct arena *a,
				     struct acme_challenge *ret) MUST_USE;

#endif
