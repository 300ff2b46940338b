/* internal.h - what the files of the IMAP server share. */
#ifndef WAXWING_MS_IMAP_INTERNAL_H
#define WAXWING_MS_IMAP_INTERNAL_H

#include "ms/imap/imap.h"
#include "wire/conn.h"
#include "wire/imap_args.h"

/* What ENABLE turned on (RFC 9051 6.3.1), as the session record keeps it. */
enum { ENABLED_CONDSTORE = 1, ENABLED_QRESYNC = 2, ENABLED_REV2 = 4, ENABLED_UTF8 = 8 };

/* Output is sent when so much has come together. */
enum { OUT_ENOUGH = 256 * 1024, IMAP_TAG_MAX = 255 };

#define REPLY(name, word, code, text) SAY_##name,
enum reply {
#include "ms/imap/replies.def"
	SAY_COUNT,
};
#undef REPLY

/* The mailbox that is selected, as this session's client knows it: message
 * number i is uids[i - 1], whatever has happened to the mailbox since. */
struct selected {
	struct mailbox *m;	/* NULL: none */
	bool read_only;
	uint32_t *uids;
	uint32_t n, cap;
	uint32_t uidnext;	/* those from here on were not told of */
	uint64_t flags_modseq;	/* changes of flags up to here were told */
	uint64_t view_modseq;	/* uids are those that were there then */
	uint64_t expunges;	/* m->expunges at that time */
	uint32_t n_keywords;	/* so many were told */
};

struct imap_command;

struct imap_session {
	struct conn conn;
	struct imap_session *next;
	struct imap_host *host;
	struct imap_reader reader;
	struct arena life;	/* address, peer and tag of the record */
	struct arena work;	/* one command's */
	struct session_state record;	/* as it came; views in life */
	uint32_t enabled;
	struct selected sel;
	uint32_t *saved;	/* SEARCHRES: "$", sorted */
	uint32_t n_saved;
	bool greet, idling;
	const char *bye;	/* why it ends at the next turn; NULL: it goes on */
	uint32_t errors;
	struct buf idle_tag;
	struct buf code;	/* a reply's own code, where the table's does not do */
	struct timer nudge;	/* its mailbox has changed while it is in IDLE */
	struct timer rest;	/* silent long enough to be parked */
	steady_ms active;
	struct store_watcher watcher;
};

static inline struct buf *out_of(struct imap_session *s)
{
	return conn_out(&s->conn);
}

static inline bool is_rev2(const struct imap_session *s)
{
	return s->enabled & ENABLED_REV2;
}

/* Names go out as UTF-8 (RFC 9051 5.1, RFC 6855 3). */
static inline bool wants_utf8(const struct imap_session *s)
{
	return s->enabled & (ENABLED_REV2 | ENABLED_UTF8);
}

/* ---- command.c ---- */

/* One whole command. */
void imap_command(struct imap_session *s, struct view text);
/* "TAG OK [CODE] text" */
void imap_say(struct imap_session *s, struct view tag, enum reply r);
/* What a failure of the store is called. */
enum reply imap_reply_of(enum status st);
/* Everything that was changed is on disk, or the reply that says it is not. */
enum reply imap_durable(struct imap_session *s);
/* The list that CAPABILITY shows, without the word itself. */
void imap_put_capabilities(struct imap_session *s, struct buf *b);
/* Sends when enough has come together; others may run meanwhile.  False: the
 * client is gone. */
bool imap_flow(struct imap_session *s);
/* The same, for loops: others have run, so that places must be found again. */
bool imap_flowed(struct imap_session *s);

/* ---- session.c ---- */

void imap_idle_begin(struct imap_session *s, struct view tag);

/* ---- view.c: the selected mailbox ---- */

/* Takes m over. */
enum status imap_select(struct imap_session *s, struct mailbox *m, bool read_only) MUST_USE;
void imap_deselect(struct imap_session *s);
/* Tell what has changed; with `numbers` also what is gone, which changes the
 * message numbers (RFC 9051 7.5.1). */
void imap_sync(struct imap_session *s, bool numbers);
/* Until nothing is left to tell: from then to the next imap_flow nobody else
 * changes the mailbox. */
void imap_sync_all(struct imap_session *s, bool numbers);
/* The flags of the command's own changes were told, or will be by it. */
void imap_flags_told(struct imap_session *s);
/* The uids (sorted, in the arena) that a set of message numbers or of uids
 * names here.  SAY_OK, SAY_BAD_NUMBER, SAY_NO_MEMORY. */
enum reply imap_pick(struct imap_session *s, struct imap_set *set, bool uid, uint32_t **ret_uids,
		     uint32_t *ret_n);
/* Message number of a uid, 0 where the client does not know it. */
uint32_t imap_number_of(const struct imap_session *s, uint32_t uid);

/* Writes FLAGS lists; one text is made for many messages of the same flags. */
struct flags_writer {
	const struct mailbox *m;
	uint64_t flags;
	bool made;
	char text[4096];
	size_t n;
};
void imap_put_flags(struct flags_writer *w, struct buf *b, uint64_t flags);
/* "* 1 FETCH (UID 1 FLAGS (...) MODSEQ (1))" */
void imap_put_flags_fetch(struct imap_session *s, struct flags_writer *w, uint32_t number,
			  const struct message *msg, bool flags);
/* "* FLAGS (...)" and PERMANENTFLAGS. */
void imap_put_flag_lists(struct imap_session *s);
/* What STORE, APPEND and SEARCH say, as bits of m.  ST_LIMIT, ST_MISSING. */
enum status imap_flag_bits(struct mailbox *m, const struct imap_flags *f, bool make, uint64_t *ret) MUST_USE;

/* ---- mailbox.c ---- */

/* "* VANISHED (EARLIER)": what left after that mod-sequence, of the uids in
 * `known` (settled; of all where it is empty). */
void imap_put_vanished(struct imap_session *s, uint64_t since, const struct imap_set *known);

/* ---- catenate.c ---- */

struct cat_part;
/* What follows CATENATE in APPEND; NULL: it failed, and so did the parser. */
struct cat_part *imap_take_catenate(struct imap_parse *p);
/* The letter that they make, into out (whose maximum is the letter's).
 * SAY_OK, SAY_NO_URL (the code names it), SAY_TOO_BIG, ... */
enum reply imap_catenate(struct imap_session *s, const struct cat_part *parts, struct buf *out);

/* ---- the commands, one file a group ---- */

#define COMMAND(name) enum reply name(struct imap_session *s, struct imap_parse *p, bool uid)
COMMAND(imap_do_capability);
COMMAND(imap_do_noop);
COMMAND(imap_do_logout);
COMMAND(imap_do_id);
COMMAND(imap_do_enable);
COMMAND(imap_do_idle);
COMMAND(imap_do_namespace);
COMMAND(imap_do_already);
COMMAND(imap_do_select);
COMMAND(imap_do_examine);
COMMAND(imap_do_close);
COMMAND(imap_do_unselect);
COMMAND(imap_do_create);
COMMAND(imap_do_delete);
COMMAND(imap_do_rename);
COMMAND(imap_do_subscribe);
COMMAND(imap_do_unsubscribe);
COMMAND(imap_do_list);
COMMAND(imap_do_lsub);
COMMAND(imap_do_status);
COMMAND(imap_do_append);
COMMAND(imap_do_expunge);
COMMAND(imap_do_store);
COMMAND(imap_do_copy);
COMMAND(imap_do_move);
COMMAND(imap_do_fetch);
COMMAND(imap_do_search);
COMMAND(imap_do_getquota);
COMMAND(imap_do_getquotaroot);
COMMAND(imap_do_setquota);
COMMAND(imap_do_genurlauth);
COMMAND(imap_do_resetkey);
COMMAND(imap_do_urlfetch);

#endif
