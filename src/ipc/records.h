/* records.h - the records of records.def as C.
 *
 * For each record NAME there is
 *     REC_NAME                                  its type number
 *     struct rec_NAME                           its fields; views are borrowed
 *     rec_put_NAME(buf, call, sid, &fields)     begin and fill a record
 *     rec_take_NAME(body, &fields)              false where the bytes do not fit
 *
 * record_allowed() is the permission check that every channel uses.
 */
#ifndef WAXWING_IPC_RECORDS_H
#define WAXWING_IPC_RECORDS_H

#include "base/ipc.h"

enum role {
	ROLE_PARENT = 0,
	ROLE_DOOR,
	ROLE_WARDEN,
	ROLE_QUEUE,
	ROLE_ROOM,
	ROLE_NAMES,
	ROLE_RELAY,
	ROLE_ADMIN,
	ROLE_COUNT,
};

const char *role_name(enum role role);

/* Letters up to this many bytes travel inside a record, longer ones in a
 * sealed memory file beside it. */
enum { LETTER_INLINE = 48 * 1024 };

/* What a question is answered with. */
enum verdict {
	VERDICT_OK = 0,
	VERDICT_NO,		/* for good */
	VERDICT_LATER,		/* try again: a temporary trouble */
	VERDICT_FULL,		/* no space left on the disk */
	VERDICT_QUOTA,		/* the account is full */
	VERDICT_RELAY,		/* rcpt: not one of ours */
	VERDICT_SLOW,		/* login: too many failures, wait */
	VERDICT_DENIED,		/* rcpt: this sender may not send there */
};

/* Has a `letter` been said before: no; to a queue that died; or, since it lies
 * in the drop folder, perhaps to any. */
enum letter_again { LETTER_NEW = 0, LETTER_AGAIN, LETTER_DROPPED };

/* The letter's id, of one in the drop folder: "d", the key, ".", the uid. */
enum { DROP_KEY = 16 };

/* What a key_file is. */
enum key_file { KEY_FILE_CHAIN = 0, KEY_FILE_KEY, KEY_FILE_AUTHORITIES, KEY_FILE_TOKENS };

/* What of an authority is asked for. */
enum authority_wants { AUTHORITY_LIST = 0, AUTHORITY_CERTIFICATE };
enum { AUTHORITY_PIECE = 64 * 1024 };

/* What a listener or session speaks. */
enum service {
	SERVICE_SMTP = 0,	/* port 25 */
	SERVICE_SUBMISSION,	/* 587 */
	SERVICE_SUBMISSIONS,	/* 465, TLS from the first byte */
	SERVICE_IMAP,		/* 143 */
	SERVICE_IMAPS,		/* 993 */
	SERVICE_POP3,		/* 110 */
	SERVICE_POP3S,		/* 995 */
	SERVICE_HTTP,		/* 80 */
	SERVICE_HTTPS,		/* 443 */
	SERVICE_LOCAL,		/* SMTP on the socket local/submit, for users of this machine */
	SERVICE_COUNT,
};

const char *service_name(enum service service);
static inline bool service_implicit_tls(enum service s)
{
	return s == SERVICE_SUBMISSIONS || s == SERVICE_IMAPS || s == SERVICE_POP3S || s == SERVICE_HTTPS;
}

#define R(name, from, to, fd, fields, doc) REC_##name,
enum record_type {
	REC_NONE = 0,
#include "ipc/records.def"
	REC_COUNT,
};
#undef R

#define U8(f) uint8_t f;
#define U16(f) uint16_t f;
#define U32(f) uint32_t f;
#define U64(f) uint64_t f;
#define R(name, from, to, fd, fields, doc) \
	struct rec_##name {                \
		fields                     \
	};                                 \
	void rec_put_##name(struct buf *b, uint32_t call, uint64_t sid, const struct rec_##name *in); \
	bool rec_take_##name(struct view body, struct rec_##name *ret);
/* The fields' own VIEW(...) hides view.h's literal macro in here only. */
#pragma push_macro("VIEW")
#undef VIEW
#define VIEW(f) struct view f;
#include "ipc/records.def"
#pragma pop_macro("VIEW")
#undef R
#undef U8
#undef U16
#undef U32
#undef U64

const char *record_name(unsigned type);

/* May this record, with or without a descriptor, come from ch->peer to
 * ch->self? */
bool record_allowed(const struct channel *ch, const struct record *rec);

/* One row of the table, for the manual and the tests; false past the end. */
struct record_row {
	const char *name, *fields, *doc;
	unsigned from, to;	/* sets of 1 << role */
	int descriptor;		/* 0 none, 1 one, 2 may */
};
bool record_row(unsigned type, struct record_row *ret);

#endif
