/* internal.h - what the files of the POP3 server share. */
#ifndef WAXWING_MS_POP3_INTERNAL_H
#define WAXWING_MS_POP3_INTERNAL_H

#include "ms/pop3/pop3.h"
#include "wire/conn.h"
#include "wire/pop3.h"

/* One message of the maildrop, as it was at the login. */
struct pop3_message {
	uint32_t uid, size;
	bool deleted;
};

struct pop3_session {
	struct conn conn;
	struct pop3_host *host;
	struct pop3_session *next, **prev;
	uint64_t sid;
	bool opened;		/* the login was answered */
	bool utf8;		/* letters may be in UTF-8 throughout (RFC 6856) */
	struct mailbox *inbox;
	struct pop3_message *messages;
	uint32_t n;
	uint32_t n_left;	/* not deleted, and their octets */
	uint64_t size_left;
	uint32_t retrieved, deleted;	/* for the log */
};

static inline struct buf *pop3_out(struct pop3_session *s)
{
	return conn_out(&s->conn);
}

/* command.c: one line of the person. */
void pop3_command(struct pop3_session *s, struct view line);

#endif
