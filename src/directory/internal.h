/* internal.h - what the files of the directory share. */
#ifndef WAXWING_DIRECTORY_INTERNAL_H
#define WAXWING_DIRECTORY_INTERNAL_H

#include "directory/directory.h"
#include "directory/secrets.h"
#include "sql/sql.h"

/* Every statement of secrets.c. */
enum secret_query {
	S_SECRET,
	S_SET_SECRET,
	S_DROP_SECRET,
	S_DROP_KEYS,
	S_DROP_SECRETS,
	S_DROP_APPS,
	S_DROP_IDENTITIES,
	S_APPS,
	S_APP_BY_ID,
	S_ADD_APP,
	S_REMOVE_APP,
	S_APP_USED,
	S_IDENTITY,
	S_IDENTITIES,
	S_ADD_IDENTITY,
	S_REMOVE_IDENTITY,
	S_COUNT,
};

/* Every statement of resolve.c, forward.c and group.c. */
enum route_query {
	R_DOMAIN,
	R_ALIAS,
	R_POSTMASTER,
	R_FIRST_ACCOUNT,
	R_FORWARD,
	R_ADD_FORWARD,
	R_DROP_FORWARD,
	R_GROUP,
	R_MEMBERS,
	R_IS_MEMBER,
	R_TAKEN,
	R_ADD_GROUP,
	R_REMOVE_GROUP,
	R_ADD_MEMBER,
	R_REMOVE_MEMBER,
	R_DROP_MEMBERS,
	R_EACH_GROUP,
	R_COUNT,
};

/* Every statement of signing.c. */
enum signing_query {
	K_EACH,
	K_ALL,
	K_ADD,
	K_SEEN,
	K_HAS_NEXT,
	K_RETIRE,
	K_ACTIVATE,
	K_STATE,
	K_REMOVE,
	K_FORGET,
	K_COUNT,
};
/* Every statement of numbers.c. */
enum number_query { N_ALL, N_SET, N_DROP, N_FORGET, N_COUNT };

/* Every statement of certificates.c. */
enum certificate_query {
	C_EACH, C_OF_ACCOUNT, C_ONE, C_ADD, C_SET, C_SEEN, C_DUE, C_RETIRE_PAST, C_REVOKE_ACCOUNT, C_FORGET, C_FORGET_SEEN,
	C_SET_CHAIN, C_CHAIN, C_FORGET_CHAINS,
	C_COUNT,
};

/* Every statement of acme.c. */
enum acme_query {
	A_ONE, A_EACH, A_ADD, A_REMOVE, A_TRIED, A_OPEN, A_EXPECT, A_NOTE, A_CHALLENGE, A_FORGET, A_COUNT,
};

enum { DIRECTORY_QUERIES = 32 };

struct directory {
	struct sql *db;
	bool batch;		/* between directory_begin and directory_end */
	struct sql_stmt *q[DIRECTORY_QUERIES];	/* directory.c */
	struct sql_stmt *s[S_COUNT];		/* secrets.c */
	struct sql_stmt *r[R_COUNT];		/* resolve.c */
	struct sql_stmt *k[K_COUNT];		/* signing.c */
	struct sql_stmt *n[N_COUNT];		/* numbers.c */
	struct sql_stmt *c[C_COUNT];		/* certificates.c */
	struct sql_stmt *a[A_COUNT];		/* acme.c */
};

enum { FOLDED_MAX = ADDRESS_MAX };
/* Lower-case copy: the form that is compared. */
struct view directory_folded(struct view v, char out[FOLDED_MAX]);
bool directory_is_address(struct view v);
/* What stands behind the last "@"; all of it where there is none. */
struct view directory_domain_of(struct view address);

/* Makes the tables of the schema, and the n statements. */
enum status directory_prepare(struct directory *d, const char *schema, const char *const *texts, size_t n,
			      struct sql_stmt **ret) MUST_USE;
/* Which of the n words a column holds.  ST_SYNTAX: none of them. */
enum status directory_word(struct view word, const char *const *words, unsigned n, unsigned *ret) MUST_USE;
/* Columns: text, text, number. */
enum status directory_each(struct sql_stmt *q, directory_row *row, void *arg) MUST_USE;

/* This and the other ..._open: their tables and statements, for directory_open. */
enum status secrets_open(struct directory *d) MUST_USE;
/* The account's password has changed: what came of the old one goes, within
 * the caller's transaction. */
enum status secrets_forget_keys(struct directory *d, uint64_t account) MUST_USE;
/* The account goes. */
enum status secrets_forget_all(struct directory *d, uint64_t account) MUST_USE;

enum status signing_open(struct directory *d) MUST_USE;
/* The domain goes. */
enum status signing_forget(struct directory *d, struct view domain) MUST_USE;

enum status certificates_open(struct directory *d) MUST_USE;
/* The account goes: its certificates are revoked, and stay. */
enum status certificates_revoke_account(struct directory *d, uint64_t account) MUST_USE;
/* The domain goes. */
enum status certificates_forget(struct directory *d, struct view domain) MUST_USE;

enum status routes_open(struct directory *d) MUST_USE;
/* The account goes. */
enum status forward_forget(struct directory *d, uint64_t account) MUST_USE;

enum status numbers_open(struct directory *d) MUST_USE;
/* The account goes. */
enum status numbers_forget(struct directory *d, uint64_t account) MUST_USE;

enum status acme_open(struct directory *d) MUST_USE;
/* The account goes. */
enum status acme_forget(struct directory *d, uint64_t account) MUST_USE;

#endif
