/* inspect.h - what the files of `waxwing inspect` and `waxwing verify` share. */
#ifndef WAXWING_ADMIN_INSPECT_H
#define WAXWING_ADMIN_INSPECT_H

#include "admin/command.h"
#include "names/direct.h"
#include "smime/discover.h"
#include "smime/identity.h"
#include "trust/signature.h"

#include <jansson.h>
#include <stdbool.h>

/* The kinds that check who sent a letter.  The exit status; complains itself. */
int inspect_trust(struct invocation *in);

/* TLSA records and certificates (inspect_tlsa.c).  NULL: it has complained. */
json_t *inspect_tlsa(struct invocation *in, struct view input);

/* Where Debian keeps what its package ca-certificates trusts. */
extern const char system_authorities[];

/* What the options name of keys and of whom to trust. */
struct smime_means {
	struct smime_trust *trust;
	struct smime_keys keys;
	struct buf system;	/* the system's authorities, which the trust may read later */
};
/* --key, --certificates, --authorities (--ca), --crl, --ocsp.  False: it has complained. */
bool smime_means_open(struct smime_means *m, const struct invocation *in);
void smime_means_close(struct smime_means *m);
/* smime_read; with --fetch as in->asking does it. */
enum status read_smime(const struct invocation *in, struct smime_means *m, const struct smime_reading *how,
		       struct view letter, struct smime_letter *ret) MUST_USE;
json_t *smime_json(const struct smime_letter *l);

/* Certificates of the address from where --ldap says, to encrypt for (ldap.c).  False: there is
 * none, and it has said why. */
bool find_in_ldap(const struct invocation *in, const struct smime_means *m, struct view address, STACK_OF(X509) *all);
/* The first of them that can be encrypted for now (smime.c). */
bool push_usable(const struct discovered *d, STACK_OF(X509) *all);

json_t *author_json(const struct author *a);

/* One of them, which is a part of `waxwing verify`.  NULL: it has complained. */
json_t *inspect_dmarc(struct invocation *in, struct resolver *r);

json_t *signature_json(const struct signature *s);

/* ---- asking DNS, for commands (asking.c) ---- */

/* The settings of the instance, or the defaults where there is none.  Complains
 * itself; ret is to be freed where it is ST_OK. */
enum status conf_or_defaults(const struct invocation *in, struct conf *ret) MUST_USE;

/* Whom to ask: as they say, unless --resolver and --trust-anchor do.  Borrows
 * from both. */
struct lookup_settings asked_of(const struct invocation *in, const struct conf *c);

/* A resolver that asks DNS itself, as --resolver, --trust-anchor and the
 * instance, if there is one, say.  Complains itself. */
enum status open_direct(const struct invocation *in, struct direct **ret) MUST_USE;

/* The same, or a file of records where --records names one. */
struct asker {
	struct records *records;
	struct direct *direct;
};
/* NULL: it has complained. */
struct resolver *asker_open(struct asker *a, const struct invocation *in);
void asker_close(struct asker *a);

/* What asks somebody, for commands that are also in a program without the libraries for it
 * (waxwing-letter): the two above, read_with_fetch (revoked.h) and find_in_ldap (ldap.c). */
struct asking {
	struct resolver *(*open)(struct asker *a, const struct invocation *in);
	void (*close)(struct asker *a);
	enum status (*read)(const struct invocation *in, struct smime_means *m, const struct smime_reading *how,
			    struct view letter, struct smime_letter *ret);
	bool (*ldap)(const struct invocation *in, const struct smime_means *m, struct view address, STACK_OF(X509) *all);
	const char *(*ldap_flaw)(const char *url);	/* of smime/ldap.h */
};
extern const struct asking asking;

/* ---- small things (input.c) ---- */

/* --time.  False when it has complained. */
bool take_time(const struct invocation *in);

/* All of standard input.  ST_IO, ST_LIMIT, ST_NOMEM. */
enum status read_input(struct buf *out) MUST_USE;
/* All of a file.  ST_MISSING, ST_IO, ST_LIMIT, ST_NOMEM. */
enum status read_file(const char *path, struct buf *out) MUST_USE;

/* A letter: a file is mapped, so that a large one is not held. */
struct input {
	struct view letter;
	bool mapped;
	struct buf held;
};
/* False: it has complained. */
bool input_open(struct input *i, int fd, const char *what);
void input_close(struct input *i);

/* One line; takes the object over.  The exit status. */
int print_json(json_t *o);

#endif
