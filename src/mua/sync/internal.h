/* internal.h - what the files of sync share. */
#ifndef WAXWING_MUA_SYNC_INTERNAL_H
#define WAXWING_MUA_SYNC_INTERNAL_H

#include "mua/net/imap.h"
#include "mua/sync/sync.h"

enum { SYNC_ARENA = 256 * 1024 * 1024 };

/* A session with the IMAP server while it syncs. */
struct session {
	struct sync *sync;
	struct copy *copy;
	struct imap imap;
	struct arena folders_arena;
	struct copy_folder *folders;
	struct imap_status *status;	/* beside folders; uidvalidity 0: not told */
	size_t n_folders;
	int64_t selected;		/* folder of the copy, 0: none */
	char delimiter;			/* of the server's names; '\0': they have no levels */
};

/* folder.c: LIST and STATUS, and the copy's folders made the same. */
enum status sync_folders(struct session *s) MUST_USE;
struct copy_folder *session_folder(struct session *s, int64_t id);
/* SELECT, unless it is selected.  `ask` and its answers as imap_enter.
 * ST_CORRUPT: another UIDVALIDITY than ours; the folder was reset. */
enum status session_enter(struct session *s, struct copy_folder *f, const char *how, imap_untagged *untagged,
			  void *arg) MUST_USE;

/* push.c: what the copy has to tell. */
enum status sync_push(struct session *s) MUST_USE;

/* pull.c: what the server has to tell of a folder. */
enum status sync_pull(struct session *s, size_t folder) MUST_USE;

/* pop.c */
enum status sync_pop(struct sync *s) MUST_USE;

/* False: it shall end. */
bool sync_goes_on(struct sync *s, struct view what, uint64_t done, uint64_t all);

/* COPY_* of what an answer says, and its other keywords with blanks between. */
uint32_t flags_of(const struct answer *a, struct buf *keywords);
/* "\Seen $Forwarded word" */
void put_flags(uint32_t flags, struct view keywords, struct buf *out);

#endif
