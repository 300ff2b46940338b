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

enum { DIRECTORY_QUERIES = 32 };

struct directory {
	struct sql *db;
	bool batch;		/* between directory_begin and directory_end */
	struct sql_stmt *q[DIRECTORY_QUERIES];	/* directory.c */
	struct sql_stmt *s[S_COUNT];		/* secrets.c */
};

enum { FOLDED_MAX = ADDRESS_MAX };
/* Lower-case copy: the form that is compared. */
struct view directory_folded(struct view v, char out[FOLDED_MAX]);
bool directory_is_address(struct view v);

enum status secrets_open(struct directory *d) MUST_USE;
void secrets_close(struct directory *d);
/* The account's password has changed: what came of the old one goes, within
 * the caller's transaction. */
enum status secrets_forget_keys(struct directory *d, uint64_t account) MUST_USE;
/* The account goes. */
enum status secrets_forget_all(struct directory *d, uint64_t account) MUST_USE;

#endif
