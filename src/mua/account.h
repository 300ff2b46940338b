/* account.h - the accounts of a person, and where a mail program keeps things.
 *
 *     $XDG_CONFIG_HOME/waxmail/config      libconfig; written by `waxmail account`
 *     $XDG_CONFIG_HOME/waxmail/aliases     nicknames (compose/aliases.h)
 *     $XDG_DATA_HOME/waxmail/ADDRESS/      the local copy (copy/copy.h); dns-silent (place.c)
 *
 * (XDG Base Directory Specification: ~/.config and ~/.local/share by default.)
 *
 *     default = "Jones@foo.com";
 *     authorities = "/etc/ssl/certs/ca-certificates.crt";
 *     accounts = ( {
 *             address = "Jones@foo.com";
 *             name = "Jones";
 *             read = "imaps://mail.foo.com:993";
 *             send = "submissions://mail.foo.com:465";
 *             password_command = "pass show mail/foo";
 *     } );
 *
 * A setting that is not known, or of the wrong kind, is refused with its line.
 */
#ifndef WAXWING_MUA_ACCOUNT_H
#define WAXWING_MUA_ACCOUNT_H

#include "base/arena.h"
#include "base/buf.h"
#include "mua/net/client.h"
#include "smime/revocation.h"

enum { ACCOUNTS_MAX = 64, PATH_TEXT_MAX = 3072 };

/* How much is wanted for a letter.  The words of waxwing's own side (`waxwing account
 * protect`), and one more: signed, and encrypted where everybody's certificate is known. */
enum protection {
	PROTECTION_OFF,		/* "off" */
	PROTECTION_SIGN,		/* "sign": signed, or not sent */
	PROTECTION_AUTO,		/* "auto": signed where there is a key, encrypted where it can be */
	PROTECTION_FULL,		/* "protect": encrypted where it can be, else REQUIRETLS (RFC 8689), else held */
	PROTECTION_ENCRYPT,	/* "encrypt": for everybody, or not sent */
};
#define PROTECTION_WORDS "off, sign, auto, protect or encrypt"
const char *protection_word(enum protection p);	/* static */
bool protection_take(struct view word, enum protection *ret);

struct account {
	const char *address, *name, *user;
	struct server read, send;	/* port 0: none */
	const char *password_command;	/* or "" */
	const char *authserv_id;	/* whose verdicts are believed; "": the domain's own */
	const char *signature;		/* a file, or "" */
	const char *ldap;		/* where certificates of others are looked for at last (smime/ldap.h), or "" */
	bool save_sent;			/* a copy of what is sent goes into the folder for that */
	bool leave;			/* POP3: letters stay on the server */
	bool flowed;			/* format=flowed */
	bool user_agent;		/* say so in letters */
	bool local_time;		/* letters tell the zone of this machine, else UTC */
	enum protection protect;
};

struct settings {
	struct arena arena;
	struct account accounts[ACCOUNTS_MAX];
	size_t n;
	const char *standard;		/* address of the account that is meant where none is named, or "" */
	const char *authorities;	/* PEM file */
	const char *editor;		/* or "": $VISUAL, $EDITOR, vi */
	const char *resolver, *trust_anchor;	/* DNS, where not the system's ("") */
	const char *autoconfig;		/* URL to ask instead of the usual ones, or "" */
	const char *autodiscover;	/* the same for Autodiscover */
	bool dane;			/* TLSA records of servers count */
	struct revocation_wish revocation;	/* what may be fetched for signatures; none: "not checked" */
	bool review;			/* behind the editor it is asked what becomes of a letter */
	int64_t patience_s;		/* of silence of a server */
	int64_t letter_max;		/* octets */
};

/* Reads the file; none is as good as an empty one.  why: "FILE:LINE: what".
 * ST_SYNTAX, ST_IO, ST_NOMEM, ST_LIMIT. */
enum status settings_load(struct settings *ret, struct buf *why) MUST_USE;
/* Writes it anew, whole or not at all; comments are lost.  Errors of disk.h. */
enum status settings_store(const struct settings *s) MUST_USE;
void settings_free(struct settings *s);

/* By its address, any case; name NULL or "": the one that is meant.  NULL: none. */
struct account *settings_account(struct settings *s, const char *address);

/* A new one with what every account has; texts are copied.  ST_EXISTS, ST_LIMIT,
 * ST_NOMEM. */
enum status settings_add(struct settings *s, const char *address, struct account **ret) MUST_USE;
void settings_remove(struct settings *s, const struct account *a);

/* Paths; false where they are too long or there is no home. */
bool path_config(const char *file, char out[PATH_TEXT_MAX]);
bool path_copy(const struct account *a, char out[PATH_TEXT_MAX]);
/* All folders on the way to it, for the person alone. */
enum status make_folders(const char *path) MUST_USE;
/* A file of ours, whole; one that is not there is empty.  ST_LIMIT, ST_NOMEM, ST_IO. */
enum status file_load(const char *path, struct buf *ret) MUST_USE;
/* Written anew for the person alone, on disk, whole or not at all.  Errors of disk.h. */
enum status file_store(const char *path, struct view text) MUST_USE;

/* Whose Authentication-Results: fields are believed (RFC 8601): as it is set, or the
 * host that letters are read from. */
struct view account_authserv_id(const struct account *a);

#endif
