/* internal.h - what the files of the relay process share.
 *
 *     relay.c        the process: channels, attempts from the queue
 *     attempt.c      one attempt: which hosts, in which order, and the answer
 *     hosts.c        MX, A and AAAA (RFC 5321 5.1), and who we are ourselves
 *     policy.c       what TLS a host must show (policy.h)
 *     sts.c          MTA-STS policies (sts.h), got by fetch.c (fetch.h)
 *     credentials.c  the file of logins for smarthosts
 *     remote.c       a connection to a host: greeting, EHLO, STARTTLS, AUTH
 *     pool.c         connections that wait for the next letter
 *     transaction.c  MAIL, RCPT, DATA or BDAT
 *     letter.c       the bytes of the letter, in the form that a host can take
 *     seal.c         the signatures that stand before them
 *     onward.c       what will be found of a letter that is sent on
 *     memory.c       what TLS a site had before
 *     shared.c       opens the databases of memory.c, sts.c and reports.c (shared.h)
 *     reports.c      what is counted for reports to other domains (reports.h)
 *     report_tls.c   what of a connection is counted
 *     report_send.c  the reports, when they are due
 *     failures.c     which single letters that failed are told, and which as one
 *     issuers.c      the keys of those who issue tokens, for warden
 *
 * An attempt is a coroutine.  It drives its connection from outside (conn_hold
 * of wire/conn.h), and so reads top to bottom. */
#ifndef WAXWING_MTA_RELAY_INTERNAL_H
#define WAXWING_MTA_RELAY_INTERNAL_H

#include "base/map.h"
#include "ipc/attempt.h"
#include "ipc/envelope.h"
#include "ipc/route.h"
#include "mta/relay/memory.h"
#include "mta/relay/policy.h"
#include "mta/relay/reports.h"
#include "role/role.h"
#include "wire/connect.h"
#include "wire/smtp_reply.h"

enum { ATTEMPT_ARENA = 4 * 1024 * 1024, OWN_ADDRESSES = 64, HOW_MAX = 1024, SEALED_MAX = 256 * 1024 };

/* ---- what became of something ---- */

struct answer {
	uint8_t verdict;	/* enum verdict, or UNDECIDED */
	bool dsn, by;
	bool site;		/* the same would be said of any letter */
	uint16_t code;
	struct view status, text, host;
};
enum { UNDECIDED = 0xff };

/* ---- logins for smarthosts ---- */

struct credential {
	struct view host, name, secret;
};

struct credentials {
	struct arena arena;
	struct credential *list;
	size_t n;
};

/* relay.credentials.  ST_DENIED (others can read it), ST_SYNTAX, ST_MISSING,
 * ST_LIMIT, ST_NOMEM. */
enum status credentials_load(const char *path, struct credentials *ret) MUST_USE;
const struct credential *credentials_find(const struct credentials *c, struct view host);

/* ---- the process ---- */

/* Who sends reports: the relay of index 0. */
struct reporter {
	struct timer timer;
	bool running;
	uint32_t letters;	/* injected by this process */
	uint32_t failures;	/* reports on single letters that are on their way */
	struct alike *alike;	/* failures.c */
	uint32_t n_alike;
};

struct relay {
	struct role_process proc;
	struct channel warden, queue, names;
	struct dns_over_channel dns;
	struct tls_client *tls;
	struct credentials credentials;
	struct memory *memory;
	struct sts *sts;	/* or NULL */
	struct fetcher *fetcher;	/* or NULL */
	struct reports *reports;	/* or NULL */
	struct reporter reporter;
	struct endpoint own[OWN_ADDRESSES];	/* where we listen for SMTP */
	size_t n_own;
	struct map idle;	/* hash of the key -> struct remote */
	size_t n_idle;
	size_t running;		/* attempts */
	size_t asked_issuers;	/* whose keys warden waits for */
	struct timer last_call;	/* when asked to stop */
};

/* ---- letter.c ---- */

struct letter {
	struct view raw;	/* as the queue has it */
	bool mapped;		/* or else raw is in the attempt's arena */
	struct buf converted;	/* or empty */
	bool eight;		/* bytes of 8 bits, in header or body */
	bool eight_header;
	bool utf8;		/* it came with SMTPUTF8 */
	bool binary;		/* lone CR or LF, or NUL, or said to be */
	bool tls_not_required;	/* its header says TLS-Required: No (RFC 8689 5) */
};

/* Takes the bytes of the record; fd stays the caller's.  ST_NOMEM, ST_LIMIT,
 * ST_SYNTAX, ST_IO. */
enum status letter_open(struct letter *l, struct view body, int fd, uint64_t size, const struct envelope *e,
			struct arena *a) MUST_USE;
void letter_close(struct letter *l);

/* The bytes that this host gets.  Signatures (seal.c) are made over these:
 * nothing changes them behind this but dot-stuffing and the end of the last
 * line.  *ret_body is what BODY= says.  ST_MISSING: the host cannot take it
 * and it cannot be turned into what the host takes.  ST_NOMEM. */
enum status letter_for(struct letter *l, const struct smtp_offer *offer, struct view *ret_bytes,
		       enum body_type *ret_body) MUST_USE;

/* ---- hosts.c ---- */

struct host {
	struct view name;	/* of the MX record, or the site, or the route; empty: a literal */
	struct tlsa_base base;	/* where its TLSA records would be */
	uint16_t preference;
	uint32_t lot;		/* drawn: the order among equals */
	struct endpoint *addresses;
	size_t n_addresses;
};

struct hosts {
	struct host *list;
	size_t n;
	bool secure;		/* the MX records, or their absence, were validated */
};

/* The mail hosts of a site, best first (RFC 5321 5.1, 7505).  False: ret_why
 * has the answer for all recipients. */
bool hosts_find(struct relay *r, struct view site, struct arena *a, struct hosts *ret, struct answer *ret_why);

/* A route's one host. */
bool hosts_of_route(const struct route *route, struct arena *a, struct hosts *ret, struct answer *ret_why);

/* Its addresses.  False: ret_why says why there are none to try. */
bool host_addresses(struct relay *r, struct host *h, uint16_t port, struct arena *a, struct answer *ret_why);

/* Our own listeners; before the process locks itself in. */
void hosts_learn_own(struct relay *r);
bool host_is_own(const struct relay *r, const struct endpoint *e);

/* ---- remote.c ---- */

struct remote {
	struct conn conn;	/* first */
	struct relay *r;
	struct remote *next;	/* idle ones of the same hash */
	struct view key;	/* of the pool; its own */
	uint64_t hash;
	char address[ENDPOINT_TEXT];
	struct view host;	/* its own: name, or address */
	struct smtp_offer offer;
	bool extended;		/* EHLO was understood */
	bool dirty;		/* a transaction may be open: RSET first */
	bool unusable;		/* it broke the rules, or is going: no more letters */
	bool idle;
	bool login_refused;
	uint32_t letters;
	steady_ms until;	/* carries no letter after this */
	struct smtp_reply reply;
	struct buf how;		/* how it is secured, for people */
	const char *why;	/* why the last exchange failed; static */
};

/* What came of TLS on a connection, for reports. */
struct tls_outcome {
	bool known;		/* it came that far */
	enum tls_result result;
	const char *reason;	/* static, or NULL */
	char own[ENDPOINT_TEXT];	/* our address, without port */
};

/* Whom to connect to, and what is asked of it. */
struct destination {
	struct view host;	/* for people, names and logins */
	struct view site;
	struct endpoint to;
	bool tls_first;
	bool clear;		/* no TLS: it has just failed */
	const struct tls_policy *policy;
	const struct credential *login;
	struct tls_outcome *outcome;	/* or NULL */
};

/* A connection that is ready for MAIL, held by the caller; or NULL, and
 * ret_why.  *ret_tls_failed: the handshake did, and policy allows to try
 * again in clear. */
struct remote *remote_open(struct relay *r, const struct destination *d, struct arena *a, struct answer *ret_why,
			   bool *ret_tls_failed);

/* Send what is in conn_out; read one reply; or both, where nothing is awaited
 * (and then nothing may have come).  patience: ms.  ST_OK, or the connection
 * is of no more use and m->why says why. */
enum status remote_ask(struct remote *m, int64_t patience) MUST_USE;
enum status remote_flush(struct remote *m, int64_t patience) MUST_USE;
enum status remote_read(struct remote *m, int64_t patience) MUST_USE;

/* What the reply means for whom it concerns: 2xx OK, 5xx NO, all else LATER. */
struct answer remote_answer(const struct remote *m, struct arena *a);
/* The same where there was no reply. */
struct answer remote_trouble(const struct remote *m, struct arena *a, const char *status);

/* Says QUIT where that makes sense and lets go of it. */
void remote_end(struct remote *m);

/* An answer of our own, in a's memory or static. */
struct answer own_answer(enum verdict v, const char *status, struct view text);
struct answer own_answerf(struct arena *a, enum verdict v, const char *status, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* ---- pool.c ---- */

/* An idle connection of that key, held by the caller; or NULL. */
struct remote *pool_take(struct relay *r, struct view key);
/* Keep it for the next letter, or end it. */
void pool_put(struct remote *m, struct view key);
void pool_forget(struct remote *m);
/* Ends all that wait. */
void pool_clear(struct relay *r);

/* ---- attempt.c ---- */

struct attempt {
	struct relay *r;
	struct arena arena;
	uint64_t id, queue_id;
	struct view site, route_text;
	struct route route;
	struct envelope env;
	uint32_t *wanted;	/* places in the envelope, */
	struct answer *answers;	/* and what became of them */
	uint32_t n;
	struct letter letter;
	/* Signatures over the letter as it is, behind that head, by that address. */
	struct {
		struct buf fields;
		struct view head, via;
		bool there;
	} sealed;
	struct answer last;	/* why the host before did not take it */
	struct buf how;		/* of the connection that took it */
	uint32_t tried;		/* connections */
};

/* Takes the record's descriptor. */
void attempt_begin(struct relay *r, struct record *rec);
/* Is somebody undecided? */
bool attempt_is_open(const struct attempt *a);

/* relay.c: one less is running. */
void relay_attempt_ended(struct relay *r);

/* ---- seal.c ---- */

/* The signatures that this letter leaves with to that recipient, and to all
 * who share a transaction with him: fields that are to stand before head and
 * bytes; none where it is nobody's whom we sign for.  Waits for warden and for
 * DNS.  An error: it cannot be signed now. */
enum status seal_letter(struct attempt *a, const struct recipient *r, struct view head, struct view bytes,
			struct buf *out) MUST_USE;

/* ---- onward.c ---- */

/* Logs which checks will pass at the next host.  results: what the door found
 * (the value of Authentication-Results); changed: the letter was converted;
 * sealed: it bears our seal. */
void onward_log(struct attempt *a, const struct recipient *r, struct view results, bool changed, bool sealed);

/* ---- report_tls.c ---- */

/* A policy that could not be had. */
void report_tls_trouble(struct attempt *a, enum tls_result result);
/* A host that is not even asked because of its policy, or a connection; to and
 * outcome may be NULL. */
void report_tls(struct attempt *a, const struct host *h, const struct endpoint *to, const struct tls_policy *p,
		const struct tls_outcome *outcome);

/* ---- report_send.c ---- */

/* In the relay of index 0: from now on what is due is sent. */
void reporter_begin(struct relay *r);
/* `waxwing reports send` and `pending`.  Waits. */
enum verdict reporter_command(struct relay *r, struct channel *ch, const struct rec_command *cmd);
/* A door counts a letter. */
void reporter_take_evaluated(struct relay *r, const struct record *rec);
/* To all who are to know of this failure, which stands for so many.  Waits. */
void reporter_tell_failure(struct relay *r, const struct rec_failed *in, uint32_t incidents, struct arena *a);

/* ---- failures.c ---- */

/* A door tells of a letter that failed. */
void reporter_take_failure(struct relay *r, const struct record *rec);

/* ---- issuers.c ---- */

/* Warden asks for the keys of an issuer of tokens. */
void issuer_asked(struct relay *r, const struct record *rec);

/* ---- transaction.c ---- */

/* Give the letter to this host, for all recipients that are undecided.
 * Afterwards those that are still undecided may be tried elsewhere (a->last
 * says why), and m is perhaps of no more use (m->unusable). */
void transact(struct attempt *a, struct remote *m);

#endif
