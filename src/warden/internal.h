/* internal.h - what the files of warden share. */
#ifndef WAXWING_WARDEN_INTERNAL_H
#define WAXWING_WARDEN_INTERNAL_H

#include "directory/logins.h"
#include "directory/secrets.h"
#include "role/role.h"
#include "trust/key.h"
#include "warden/authorities.h"
#include "warden/guess.h"
#include "warden/keys.h"
#include "warden/mechanism.h"
#include "warden/pool.h"
#include "warden/remember.h"
#include "warden/rsa.h"
#include "warden/submitted.h"
#include "warden/ticket.h"
#include "warden/tokens.h"

enum { DOORS_MAX = 64, RELAYS_MAX = 64, SEALING_SLOTS = 256, LIST_SLOTS = 16, LOCAL_SLOTS = 1024 };

/* A user of this machine was handed on to that door. */
struct local_slot {
	uint64_t account, door_came;
	uint32_t door;
	steady_ms until;
};

/* A private key that was read. */
struct sealing_slot {
	struct buf name;	/* domain and selector */
	struct signer_with_key key;
};

/* What an authority has revoked, as it was signed a moment ago. */
struct list_slot {
	struct buf serial, der;
	wall_ms made;
};

struct warden {
	struct role_process proc;
	struct directory *directory;
	struct channel doors[DOORS_MAX];
	uint64_t door_came[DOORS_MAX];	/* which of its channels: grows */
	struct channel queue, names;
	struct channel relays[RELAYS_MAX];
	uint64_t relay_came[RELAYS_MAX];
	struct dns_over_channel dns;
	struct buf out, targets;
	struct mac srs;
	struct keys *keys;
	bool keys_bad;		/* of the list that is coming */
	struct logins {
		struct pool *pool;
		struct remember remember;
		struct guesses guesses;
		struct mac tickets;
		struct buf dummy;	/* the verifier of those whom we do not know */
		size_t in_hand;
		struct login_log *log;
		struct timer write;	/* the log, soon */
	} logins;
	struct {
		struct submitted *counts;
		struct timer write;	/* them, soon */
	} submissions;
	struct talks {
		struct map by_id;
		struct talk *waiting;	/* for the keys of an issuer */
		size_t n;
		uint64_t last_id;
		struct exchange_host host;
	} talks;
	struct sealing {
		int keys;		/* the folder */
		struct mac grants;
		struct sealing_slot slots[SEALING_SLOTS];
		struct pool *pool;	/* for RSA; NULL: at once */
	} sealing;
	struct local_slot local[LOCAL_SLOTS];
	struct rsa_maker fresh;	/* for rotation and renewal */
	struct rotation {
		struct timer timer;
		bool busy;
	} rotation;
	struct renewal {
		struct timer timer;
		bool busy;
		struct list_slot lists[LIST_SLOTS];
	} renewal;
	/* What of it is shown, and what comes with the list of keys. */
	struct issuers *issuers;	/* or NULL */
	struct jwks *next_jwks[CONF_ISSUERS_MAX];
	struct authorities *authorities, *next_authorities;
	struct buf authorities_pem, next_pem;
};

/* One question, from its coming to its answer. */
struct login {
	struct pool_job job;
	struct timer held;	/* a refusal is held back until then */
	struct warden *w;
	uint32_t door;
	uint64_t door_came;
	uint32_t call;
	uint64_t sid;
	struct guess_who who;
	enum service service;
	enum ticket_use use;	/* of its ticket */
	bool known, right;
	bool upgrade;		/* has no keys for SCRAM yet: make them of this password */
	struct scram_texts texts;
	uint64_t account, app;
	const char *word;	/* why not, where there is more to say than "no" */
	struct login_event event;
	struct view address;	/* these three are in bytes, which is wiped */
	struct view verifier, secret;	/* what a ticket is bound to; what was said */
	struct buf bytes;
	struct buf last;	/* the mechanism's last word */
};

/* login.c: is this password right?  directory and keys: the folders; keys
 * open. */
enum status logins_open(struct warden *w, const char *directory, int keys) MUST_USE;
/* Settings were read again. */
void logins_settings(struct warden *w);
/* What is not on disk of the log. */
void logins_flush(struct warden *w);

/* A question of that door; NULL: too many, or no memory. */
struct login *login_new(struct warden *w, uint32_t door, uint32_t call, uint64_t sid, enum service service,
			struct view peer, struct view tls, struct view mechanism);
/* Who it is.  ST_MISSING (the login goes on as nobody's), or it cannot be
 * said now. */
enum status login_find(struct login *g, struct view name, struct account *ret, struct arena *a) MUST_USE;
/* Keeps them in the login's own memory. */
enum status login_keep(struct login *g, struct view address, struct view verifier, struct view secret) MUST_USE;
/* ST_LIMIT: has to wait; then login_answer with VERDICT_SLOW is to follow. */
enum status login_begin(struct login *g) MUST_USE;
/* After login_begin: proved or not.  Answers, now or later, and frees. */
void login_decided(struct login *g, bool right);
/* The same without a decision: nothing is counted against anybody. */
void login_undecided(struct login *g, enum verdict v, const char *word);
/* Answers and frees. */
void login_answer(struct login *g, enum verdict v);

/* Whose ticket this is, at that door.  ST_DENIED, ST_SYNTAX, ST_TIMEOUT: it is
 * no good; ST_MISSING: no such account any more. */
enum status login_of_ticket(struct warden *w, enum ticket_use use, struct view ticket, uint32_t door,
			    uint64_t *ret_account) MUST_USE;

/* Answers to doors; `rec` lasts until they return. */
void login_ask(struct warden *w, struct channel *ch, const struct record *rec);
void room_ask(struct warden *w, struct channel *ch, const struct record *rec);
void url_room_ask(struct warden *w, struct channel *ch, const struct record *rec);

/* exchange.c: SASL by more than one message. */
void sasl_begin_asked(struct warden *w, struct channel *ch, const struct record *rec);
void sasl_next_asked(struct warden *w, struct channel *ch, const struct record *rec);
void sasl_dropped(struct warden *w, struct channel *ch, const struct record *rec);
/* Those that wait for the keys of that issuer (SASL_ALL: of any) are looked at
 * again, and do not wait once more. */
#define SASL_ALL SIZE_MAX
void sasl_go_on(struct warden *w, size_t issuer);

/* issuers.c: whose tokens log in. */
/* What of them the settings say now, with the files that came (next_jwks). */
void issuers_show(struct warden *w);
void issuers_free(struct issuers *s);
/* The keys of the index-th, in a file.  ST_SYNTAX, ST_MISSING, ST_LIMIT, ST_NOMEM. */
enum status issuers_take_file(struct warden *w, uint32_t index, int fd) MUST_USE;
/* Or NULL: there is none.  Until the next issuers_show. */
const struct token_issuers *issuers_tokens(const struct warden *w);
/* A token bears the name of a key that this one had not: may it be asked for its
 * keys, or is it being asked?  Then sasl_go_on follows. */
bool issuers_renew(struct warden *w, size_t place);

/* recipient.c: where do letters for this address go? */
void rcpt_ask(struct warden *w, struct channel *ch, const struct record *rec);

/* letters.c: people's letters signed by their own keys (S/MIME). */
void identity_ask(struct warden *w, struct channel *ch, const struct record *rec);
void letter_sign_ask(struct warden *w, struct channel *ch, const struct record *rec);
/* The same for users of this machine: the parent says who is where, a door asks. */
void local_user_came(struct warden *w, const struct record *rec);
void local_ticket_ask(struct warden *w, struct channel *ch, const struct record *rec);

/* sealing.c: signatures of letters that leave. */
/* The address with its domain as the directory has it, be it in U-labels or in
 * A-labels (RFC 5890) here or there, and the domain of ours that it is, or the
 * nearest above it, with which it is aligned (RFC 9989 5.3.1, relaxed).
 * VERDICT_NO: of no domain of ours; VERDICT_LATER. */
enum verdict own_address(struct warden *w, struct view address, struct arena *a, struct view *ret_address,
			 struct view *ret_domain);

void seal_grant_ask(struct warden *w, struct channel *ch, const struct record *rec);
void seal_keys_ask(struct warden *w, struct channel *ch, const struct record *rec);
void seal_ask(struct warden *w, struct channel *ch, const struct record *rec);
void sealing_free(struct warden *w);

/* rotation.c: the next round comes after dkim.check. */
void rotation_start(struct warden *w);
/* One now, for the operator: rows say what was found.  Waits.  VERDICT_LATER:
 * one is on its way. */
enum verdict rotation_check(struct warden *w, struct channel *ch);

/* renewal.c: everybody's certificates for S/MIME; a round comes after smime.check. */
void renewal_start(struct warden *w);
void renewal_free(struct warden *w);
void authority_ask(struct warden *w, struct channel *ch, const struct record *rec);
/* challenge.c: of an issuer elsewhere. */
void challenge_came(struct warden *w, struct channel *ch, const struct record *rec);

/* submission.c: how much may an account hand in?  directory and keys as for
 * logins_open. */
enum status submissions_open(struct warden *w, const char *directory, int keys) MUST_USE;
void submissions_close(struct warden *w);
void submit_ask(struct warden *w, struct channel *ch, const struct record *rec);
/* What waxwing(8) asks. */
enum verdict submission_command(struct role_process *p, struct channel *ch, const struct rec_command *cmd);

/* tls.c */
void certificate_ask(struct warden *w, struct channel *ch, const struct record *rec);
void sign_ask(struct warden *w, struct channel *ch, const struct record *rec);
void ticket_key_ask(struct warden *w, struct channel *ch, const struct record *rec);
void clients_ask(struct warden *w, struct channel *ch, const struct record *rec);
/* The parent gives a certificate or a key. */
void key_file(struct warden *w, const struct record *rec);

#endif
