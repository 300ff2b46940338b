/* conf.h - the settings of waxwing.conf.
 *
 * The table is settings.def.  Only the parent and the commands read the file
 * (conf_load, libconfig); the other processes get the settings as text in their
 * first record (conf_text, conf_take).
 *
 * A struct conf owns its texts; conf_free gives them back.
 */
#ifndef WAXWING_CONF_CONF_H
#define WAXWING_CONF_CONF_H

#include "base/buf.h"
#include "ipc/records.h"


struct conf {
	char *dir;		/* where everything lies; not a setting, but --dir */
	char *listen[SERVICE_COUNT];
#define INT_FIELD(f) int64_t f;
#define SIZE_FIELD(f) int64_t f;
#define TIME_FIELD(f) int64_t f;
#define BOOL_FIELD(f) int64_t f;
#define ACTION_FIELD(f) int64_t f;	/* enum conf_action */
#define TEXT_FIELD(f) char *f;
#define LIST_FIELD(f)		/* listen[], above */
#define TIMES_FIELD(f) char *f;
#define NETWORKS_FIELD(f) char *f;
#define S(key, field, type, def, least, most, doc) type##_FIELD(field)
#include "conf/settings.def"
#undef S
#undef INT_FIELD
#undef SIZE_FIELD
#undef TIME_FIELD
#undef BOOL_FIELD
#undef ACTION_FIELD
#undef TEXT_FIELD
#undef LIST_FIELD
#undef TIMES_FIELD
#undef NETWORKS_FIELD
};

enum setting_type {
	SETTING_INT, SETTING_SIZE, SETTING_TIME, SETTING_BOOL, SETTING_ACTION,
	/* These are texts. */
	SETTING_TEXT, SETTING_LIST, SETTING_TIMES, SETTING_NETWORKS,
};

/* What becomes of a letter that fails a check. */
enum conf_action { ACTION_ACCEPT = 0, ACTION_QUARANTINE, ACTION_REJECT };

struct setting {
	const char *key;
	enum setting_type type;
	size_t offset;
	const char *fallback;
	int64_t least, most;
	const char *doc;
};

/* All rows; *ret_n of them. */
const struct setting *settings(size_t *ret_n);

/* Every setting at its default; *c must be empty before, and conf_free either
 * way.  ST_NOMEM. */
enum status conf_defaults(struct conf *c) MUST_USE;
void conf_free(struct conf *c);

/* One setting from its text.  On failure why says what is wrong and what
 * would be right.  ST_MISSING (no such key; why names the nearest),
 * ST_SYNTAX, ST_LIMIT, ST_NOMEM. */
enum status conf_set(struct conf *c, struct view key, struct view value, struct buf *why) MUST_USE;

/* The i-th of a TIMES setting in milliseconds, or its last. */
int64_t conf_time_at(const char *times, size_t i);

/* Is the address (as inet_ntop writes it) in one of a NETWORKS setting?  An
 * IPv4 address in IPv6 (::ffff:192.0.2.1) is the IPv4 address. */
bool conf_in_networks(const char *networks, const char *address);

/* Those of a NETWORKS setting that are public and large, though not too large:
 * more than 256 hosts (IPv6: than a /48).  With blanks between. */
void conf_wide_networks(const char *networks, struct buf *out);

/* Do the settings fit each other, and can the routes be read?  ST_DENIED: what
 * they ask for is not safe.  ST_SYNTAX. */
enum status conf_check(const struct conf *c, struct buf *why) MUST_USE;

/* Defaults, then DIR/waxwing.conf, and conf_check.  why: "FILE:LINE: ...".  As conf_set,
 * ST_IO. */
enum status conf_load(const char *dir, struct conf *ret_conf, struct buf *why) MUST_USE;

/* The port of the first address in a listen.* list; 0: there is none. */
uint16_t conf_port(const char *list);

/* Is a level of TLS demanded on this service (tls.demand_of)? */
bool conf_demands_tls(const struct conf *c, enum service service);

/* The author of reports to other systems: reports.from, or what it stands for. */
void conf_reports_from(const struct conf *c, struct buf *out);
/* local.c: users of this machine.  Which address one has by local.accounts, or
 * VIEW_NONE; is an address NAME@ and host.name?; where letters for that go, unless
 * the directory knows better, or VIEW_NONE; may he name any sender?; and the
 * check, for conf_check. */
struct view conf_local_account(const struct conf *c, struct view user);
bool conf_is_here(const struct conf *c, struct view address);
struct view conf_local_mailbox(const struct conf *c, struct view address);
bool conf_local_trusted(const struct conf *c, struct view user);
enum status conf_check_local(const struct conf *c, struct buf *why) MUST_USE;

/* issuers.c: those whose tokens log in, and what is asked of them; views of the
 * settings' own texts. */
enum { CONF_ISSUERS_MAX = 16 };
struct conf_issuer {
	struct view issuer, audience, scope, claim;
	struct view keys;	/* a file, or an https URL; empty: found by discovery */
	struct view domains;	/* whose addresses it may name; empty, or with "*": all */
	struct view algorithms;
};
/* The i-th; false: there are no more. */
bool conf_issuer(const struct conf *c, size_t i, struct conf_issuer *ret);
/* Are its keys, or those of any, to be fetched? */
bool conf_issuer_is_far(const struct conf_issuer *one);
bool conf_issuers_are_far(const struct conf *c);
/* Is the word in a list with blanks, commas or "+" between? */
bool conf_has_word(struct view list, struct view word);
enum status conf_check_issuers(const struct conf *c, struct buf *why) MUST_USE;

/* What a user of this machine is called in an address: his name there (NULL: he
 * has none), or "uid" and his number where no address could have it. */
enum { LOCAL_NAME_MAX = 32 };
void local_name(const char *name, uint32_t uid, char ret[LOCAL_NAME_MAX + 1]);

/* All settings as key=value lines, and back.  conf_check sees to it that they
 * are no longer than that: they travel in one record. */
enum { CONF_TEXT_MAX = RECORD_MAX / 2 };
void conf_text(const struct conf *c, struct buf *out);
enum status conf_take(struct view text, struct conf *ret_conf) MUST_USE;

/* The commented file with every setting at its default, but for host.name. */
void conf_example(struct buf *out, const char *host_name);

/* networks.c, for conf_set.  ST_SYNTAX, ST_DENIED: too many strangers are in it. */
enum status conf_check_networks(const char *key, struct view list, struct buf *why) MUST_USE;

#endif
