/* secrets.h - what an account has besides its password's verifier: keys for
 * SCRAM, a plain equivalent where the operator wants one, passwords for single
 * programs, a TOTP secret, and identities that it may send as.
 *
 * All of it lies in directory.db and goes with the account.  A changed
 * password takes the SCRAM keys and the plain equivalent with it.
 */
#ifndef WAXWING_DIRECTORY_SECRETS_H
#define WAXWING_DIRECTORY_SECRETS_H

#include "directory/directory.h"
#include "directory/scram.h"

/* What is stored under a name: SCRAM keys (scram_name), and: */
#define SECRET_PLAIN "PLAIN"		/* the password itself, prepared */
#define SECRET_TOTP "TOTP"		/* 20 octets, hexadecimal (RFC 6238) */

/* ST_MISSING where there is none. */
enum status directory_secret(struct directory *d, uint64_t account, const char *kind, struct buf *ret) MUST_USE;
enum status directory_set_secret(struct directory *d, uint64_t account, const char *kind,
				 struct view value) MUST_USE;
enum status directory_drop_secret(struct directory *d, uint64_t account, const char *kind) MUST_USE;
enum status directory_set_scram(struct directory *d, uint64_t account, const struct scram_texts *t) MUST_USE;

/* Keys made of a password that was just proved, if the account still has the
 * verifier that it was proved with; in a transaction of its own.  ST_DENIED:
 * it has another by now. */
enum status directory_upgrade(struct directory *d, uint64_t account, struct view verifier,
			      const struct scram_texts *t) MUST_USE;

/* ---- app passwords ---- */

/* Where one may be used, as a set. */
enum { SCOPE_SMTP = 1, SCOPE_IMAP = 2, SCOPE_POP3 = 4, SCOPE_WEB = 8, SCOPE_ALL = 15 };

/* "smtp, imap" as a set, and back.  ST_SYNTAX. */
enum status scope_take(struct view text, unsigned *ret) MUST_USE;
void scope_put(unsigned scope, struct buf *out);
unsigned scope_of_service(enum service s);

enum { APP_NAME_MAX = 64, APP_PASSWORD_SIZE = 29, APPS_MAX = 100 };

struct app {
	uint64_t id, account;
	struct view name;	/* in the arena given */
	unsigned scope;
	struct view verifier;
	wall_ms created, expires, used;	/* 0: never */
};

/* A fresh one: 25 letters and digits in groups of five, which hold 125 bits.
 * So the verifier needs no argon2id: one hash of it tells nothing.  ST_IO. */
enum status app_password_make(char ret_password[APP_PASSWORD_SIZE + 1], struct buf *ret_verifier) MUST_USE;
/* Does it look like one?  Blanks and hyphens are not looked at, nor is case. */
bool app_password_is(struct view password);
bool app_password_check(struct view verifier, struct view password);

/* ST_EXISTS (that name), ST_LIMIT (APPS_MAX). */
enum status directory_add_app(struct directory *d, const struct app *app) MUST_USE;
enum status directory_remove_app(struct directory *d, uint64_t account, struct view name) MUST_USE;
/* Those of one account, by name. */
enum status directory_apps(struct directory *d, uint64_t account, struct arena *a, struct app **ret,
			   size_t *ret_n) MUST_USE;
enum status directory_app(struct directory *d, uint64_t id, struct arena *a, struct app *ret) MUST_USE;
enum status directory_app_used(struct directory *d, uint64_t id, wall_ms when) MUST_USE;

/* ---- identities: addresses that an account may send as, though letters for
 * them do not come to it; "@DOMAIN" is every address of that domain. ---- */
enum status directory_add_identity(struct directory *d, uint64_t account, struct view address) MUST_USE;
enum status directory_remove_identity(struct directory *d, uint64_t account, struct view address) MUST_USE;
enum status directory_has_identity(struct directory *d, uint64_t account, struct view address,
				   bool *ret_has) MUST_USE;
enum status directory_each_identity(struct directory *d, directory_row *row, void *arg) MUST_USE;

#endif
