/* session.h - receiving letters by SMTP (RFC 5321).  Runs in door.
 *
 * A session is a conn with a command table: each command is one function
 * that reads top to bottom and gives one reply.  Memory: an arena for what
 * lasts a session (the client's name), one for what lasts a transaction.
 */
#ifndef WAXWING_MTA_IN_SESSION_H
#define WAXWING_MTA_IN_SESSION_H

#include "conf/conf.h"
#include "ipc/envelope.h"
#include "wire/conn.h"
#include "wire/sink.h"
#include "wire/smtp.h"
#include "wire/tls.h"

/* What the door lends to every session. */
struct smtp_session;

struct smtp_host {
	struct loop *loop;
	const struct conf *conf;
	struct channel *warden, *queue;
	struct sink_budget *budget;
	struct tls *tls;
	const bool *stopping;
	void (*ended)(void *door, struct smtp_session *s);
	void *door;
};

enum smtp_mode { MODE_COMMANDS, MODE_TEXT, MODE_HANDSHAKE };

struct smtp_session {
	struct conn conn;
	const struct smtp_host *host;
	enum service service;
	uint64_t sid;
	char peer[64];		/* address of the client, as Received: shows it */
	bool greeted, extended;	/* the banner was sent; EHLO, not HELO */
	uint32_t errors, letters;
	struct arena life;	/* lasts a session */
	struct view helo;
	enum smtp_mode mode;
	struct smtp_text text;
	struct sink sink;
	/* ---- the transaction; forgotten by smtp_forget ---- */
	struct arena tx;
	bool has_sender;
	struct envelope env;
	uint32_t recipients_cap;
};

/* Owns fd from now on.  On failure it is closed.  ST_NOMEM, ST_IO. */
enum status smtp_session_open(const struct smtp_host *host, enum service service, int fd,
			      const char *peer, uint64_t sid) MUST_USE;

#endif
