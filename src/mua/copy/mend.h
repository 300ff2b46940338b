/* mend.h - the names of all files of a copy, beside its rows (mend.c, look.c). */
#ifndef WAXWING_MUA_COPY_MEND_H
#define WAXWING_MUA_COPY_MEND_H

#include "base/map.h"
#include "mua/copy/internal.h"

struct file {
	struct view base;	/* up to ":2," */
	struct view letters;	/* of flags */
	const char *path;	/* below the account's folder */
	int64_t folder;
	bool tmp;
	bool known;		/* a row has it */
};

struct mending {
	struct copy *c;
	struct arena arena;
	struct map files;	/* hash of the base -> struct file */
	struct map folders;	/* hash of the path -> its id */
	struct map letters;	/* a folder's id -> struct copy_letters */
	struct copy_findings *f;
	bool fresh;
	bool theirs;	/* rows and tree were the same: what differs others have done */
	enum status st;
};

/* Folders, and files by their names; folders that have no row get one. */
enum status mend_read_tree(struct mending *m) MUST_USE;
/* What a folder's letters mean.  ST_NOMEM. */
enum status mend_letters(struct mending *m, int64_t folder, const struct copy_letters **ret) MUST_USE;
/* The file gets the name that its row wants. */
void mend_show(struct mending *m, const struct file *f, const struct copy_row_state *r);
/* Rows for the files that no row knows. */
enum status mend_adopt(struct mending *m) MUST_USE;
void mend_free(struct mending *m);

#endif
