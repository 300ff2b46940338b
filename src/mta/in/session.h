/* session.h - receiving letters by SMTP (RFC 5321) and by submission (RFC
 * 6409).  Runs in door.
 *
 * A session is a conn with a command table: each command is one function
 * that reads top to bottom and gives one reply.  Memory: a buf for the
 * client's name, one for who has logged in, an arena for the transaction.
 */
#ifndef WAXWING_MTA_IN_SESSION_H
#define WAXWING_MTA_IN_SESSION_H

#include "conf/conf.h"
#include "ipc/envelope.h"
#include "trust/verdict.h"
#include "wire/conn.h"
#include "wire/prove.h"
#include "wire/sink.h"
#include "wire/smtp.h"
#include "wire/tls.h"

/* What BURL asks of the room of who has logged in. */
struct url_request {
	uint64_t sid;
	uint64_t most;		/* of no use when it is longer */
	struct view ticket, user, url;
	void (*put)(void *arg, struct view bytes);
	void *arg;
};

/* Rows for reports on DMARC that relay has not yet been told of; together they cost it
 * and the door a wake-up less a letter. */
struct uncounted {
	struct loop *loop;
	struct channel *relay;
	struct buf letters;
	struct timer late;
	char redaction[32];	/* key of what stands for local parts in reports on single letters; this door's own */
};
void uncounted_begin(struct uncounted *u, struct loop *loop, struct channel *relay);
/* Tells relay now. */
void uncounted_tell(struct uncounted *u);

/* What the door lends to every session. */
struct smtp_session;

struct smtp_host {
	struct loop *loop;
	const struct conf *conf;
	struct channel *warden, *queue, *relay;
	struct sink_budget *budget;
	struct tls *tls;
	const struct checks_host *checks;
	struct uncounted *uncounted;
	const bool *stopping;
	struct smtp_session **sessions;	/* all that are open */
	const bool *tokens;	/* warden can check those of an issuer */
	/* The bytes that a URL names, put as they come; waits (door/urls.h). */
	enum verdict (*url)(void *door, const struct url_request *what);
	void (*ended)(void *door, uint64_t sid);
	void *door;
};

/* A user of this machine, on the other end of local/submit. */
struct local_user {
	uint32_t uid;
	char name[LOCAL_NAME_MAX + 1];	/* as the kernel and the system's list of users have it */
	bool here;			/* this session is such a one's */
	bool asked;			/* warden was asked for his account */
	char key[DROP_KEY + 1];		/* the letter lies in the drop folder: its name there */
	bool for_account;		/* the server's own, for the account of its sender */
};

enum { PROTECT_UNASKED = -1 };

enum smtp_mode {
	MODE_COMMANDS,
	MODE_TEXT,		/* the text of DATA */
	MODE_CHUNK,		/* a chunk of BDAT */
	MODE_AUTH,		/* the answer to a challenge */
	MODE_HANDSHAKE,		/* the client's TLS */
};

/* Delivered-To fields, as the header goes by (loop.c). */
struct delivered {
	bool begun, line_begins, taking, over;
	uint8_t matched;	/* of the field's name */
	size_t n;
	char value[256];	/* full: longer than an address */
};

/* Received: fields at the head of a letter, counted as it comes. */
struct hop_count {
	unsigned n;
	uint8_t matched;	/* octets of "received:" at the beginning of this line */
	bool body;
};

struct smtp_session {
	struct conn conn;
	const struct smtp_host *host;
	enum service service;
	uint64_t sid;
	char peer[64];		/* address of the client, as Received: shows it */
	bool loopback;
	bool greeted, extended;	/* the banner was sent; EHLO, not HELO */
	uint32_t errors, letters;
	uint32_t idle;		/* commands since the last letter that did nothing for one */
	struct buf helo;	/* the client's name */
	struct buf login;	/* the address that logged in */
	uint64_t account;	/* its account, 0: nobody */
	struct buf ticket;	/* and what shows warden that it did (TICKET_LETTERS); empty: nobody */
	struct local_user local;
	enum smtp_mode mode;
	struct proving *proving;	/* a login on its way */
	struct iprev_ahead *address;	/* what the name of the client's address says, or NULL */
	uint32_t failures;	/* logins that were refused */
	/* ---- the transaction; forgotten by smtp_forget ---- */
	struct smtp_text text;
	struct sink sink;
	struct hop_count hops;
	struct delivered delivered;
	struct checks *checks;	/* of the letter on its way */
	uint64_t checks_held;	/* of the budget */
	struct view trace;	/* Received:, the first bytes of the sink */
	struct arena tx;
	bool has_sender;
	bool sender_own;	/* he gets the letters of the reverse-path, or it was granted */
	bool priority_given, priority_changed;	/* by MAIL; not what was asked for */
	bool tell_hold;		/* the owner is to hear that his letters are held */
	int8_t priority_most;
	int8_t sent_asked;	/* by the letter: a copy for Sent (1), or none (-1) */
	int8_t protect_asked;	/* by the letter: enum protect, or PROTECT_UNASKED */
	uint8_t protect;	/* enum protect: what is done */
	uint32_t recipients_left, recipients_taken;	/* by RCPT */
	struct view bcc;
	struct acme_letter *challenge;	/* of an issuer of certificates, or NULL */
	bool text_begun;	/* the sink has its head */
	bool last;		/* this chunk is the last */
	uint64_t chunk, chunk_left;
	uint8_t chunk_refusal;	/* enum reply; 0: the chunk is wanted */
	struct envelope env;
	size_t env_size;
	uint32_t recipients_cap;
	struct smtp_session *next, **prev;	/* among the host's */
};

/* Owns fd from now on.  On failure it is closed.  ST_NOMEM, ST_IO. */
enum status smtp_session_open(const struct smtp_host *host, enum service service, int fd,
			      const char *peer, bool loopback, uint64_t sid) MUST_USE;

/* The same for a user of this machine; he is logged in by that.  ST_LIMIT: he
 * has too many connections (which is said). */
enum status smtp_local_open(const struct smtp_host *host, int fd, const struct local_user *who,
			    uint64_t sid) MUST_USE;

/* The host is stopping: 421 to everybody (RFC 5321 3.8), to who waits for the
 * queue's word behind that. */
void smtp_sessions_stop(const struct smtp_host *host);

#endif
