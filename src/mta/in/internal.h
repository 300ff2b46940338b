/* internal.h - what the files of the SMTP server share. */
#ifndef WAXWING_MTA_IN_INTERNAL_H
#define WAXWING_MTA_IN_INTERNAL_H

#include "mta/in/session.h"

#define REPLY(name, code, enhanced, text) SAY_##name,
enum reply {
#include "mta/in/replies.def"
	SAY_COUNT,
};
#undef REPLY

/* Put a reply into the connection's output.  Replies of 400 and more count
 * as errors of the client. */
void smtp_reply(struct smtp_session *s, enum reply r);

/* RSET: the transaction is as if it had never been. */
void smtp_forget(struct smtp_session *s);

/* RFC 3207 4.2: after the handshake nothing is known of what was said before. */
void smtp_forget_client(struct smtp_session *s);

/* command.c: one line of the client. */
void smtp_command(struct smtp_session *s, struct view line);

/* letter.c: DATA has ended; hand the letter to the queue and reply. */
void smtp_text_begin(struct smtp_session *s);
void smtp_letter_finish(struct smtp_session *s);

#endif
