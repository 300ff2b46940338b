/* encryption.c - waxwing account encrypt: what arrives in clear is stored
 * encrypted (mda/encrypt.h). */
#include "admin/encryption.h"
#include "admin/mail.h"
#include "admin/tell.h"

#include "directory/certificates.h"
#include "directory/numbers.h"
#include "role/encrypt_file.h"
#include "role/role.h"

#include <stdio.h>
#include <string.h>

enum { ACCOUNT_ARENA = 256 * 1024 };

static const struct reason why_not[] = {
	{ ST_MISSING, "there is no such account, or it has no certificate to encrypt for; `waxwing cert list` shows them" },
	{ ST_EXISTS, "somebody else has this mailbox open and does not leave it" },
	{ ST_OK, NULL },
};

/* ---- the certificate ---- */

struct newest {
	struct arena *a;
	wall_ms now;
	struct view der;
};

static void take_newest(void *arg, const struct certificate_row *c)
{
	struct newest *n = arg;

	if (c->state == CERTIFICATE_ACTIVE && (c->kind == CERTIFICATE_ENCRYPTION || c->kind == CERTIFICATE_BOTH) &&
	    c->not_before <= n->now && n->now <= c->not_after)
		n->der = arena_copy(n->a, c->certificate);
}

/* ST_MISSING: there is none. */
static enum status find_newest(struct directory *d, uint64_t account, struct arena *a, struct view *ret)
{
	struct newest n = { .a = a, .now = clock_wall() };
	enum status st = directory_certificates(d, VIEW_NONE, account, take_newest, &n);

	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK && n.der.n == 0)
		st = ST_MISSING;
	if (st == ST_OK)
		*ret = n.der;
	return st;
}

/* ---- kept the newest ---- */

enum status encryption_refresh(const struct conf *c, struct directory *d, uint64_t account)
{
	struct arena a = ARENA(ACCOUNT_ARENA);
	char folder[MAIL_PATH];
	struct numbers n = { 0 };
	struct view der;
	enum status st = directory_numbers(d, account, &n);

	if (st == ST_OK && n.value[NUMBER_ENCRYPT]) {
		snprintf(folder, sizeof folder, "%s/mail/%llu", c->dir, (unsigned long long)account);
		st = find_newest(d, account, &a, &der);
		if (st == ST_OK)
			st = role_encrypt_file(folder, role_uid(c, ROLE_ROOM, account), der);
		else if (st == ST_MISSING)
			st = ST_OK;
	}
	arena_free(&a);
	return st;
}

/* ---- on and off ---- */

/* While no room of the account runs: the next one is the program for it. */
static enum status turn(struct mail *m, struct directory *d, const struct account *of, bool on)
{
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct view der = VIEW_NONE;
	enum status st = on ? find_newest(d, of->id, &a, &der) : ST_OK;

	if (st == ST_OK) {
		st = mail_open(m, of->id, of->quota);
		if (st == ST_OK)
			st = role_encrypt_file(m->folder, m->uid, der);
		if (st == ST_OK)
			st = on ? directory_set_number(d, of->id, NUMBER_ENCRYPT, 1)
				: directory_drop_number(d, of->id, NUMBER_ENCRYPT);
		mail_close(m);
	}
	arena_free(&a);
	return st;
}

/* Reports of other systems lie in somebody's mailbox, and `waxwing reports` has no key. */
static void warn_of_reports(const struct conf *c, struct view address)
{
	if (view_eq_i(view_head(address, view_find(address, '@')), view_cstr(c->reports_address)))
		tell("%.*s gets what other systems report; `waxwing reports` cannot read what comes from now on",
		     VIEW_ARG(address));
}

int cmd_account_encrypt(struct invocation *in)
{
	bool on = in->n > 1 && strcmp(in->args[1], "on") == 0;
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct mail m = { .rest = -1 };
	struct directory *d = NULL;
	struct account acc;
	struct numbers n = { 0 };
	enum status st;

	if (in->n > 1 && !on && strcmp(in->args[1], "off") != 0) {
		tell("%.40s: should be on or off", in->args[1]);
		return WRONG_USE;
	}
	if (instance_conf(in, &m.conf) != ST_OK)
		return FAILED;
	if (instance_directory(in, &d) != ST_OK) {
		conf_free(&m.conf);
		return FAILED;
	}
	st = directory_account(d, view_cstr(in->args[0]), &a, &acc);
	if (st == ST_OK && in->n > 1)
		st = turn(&m, d, &acc, on);
	if (st == ST_OK)
		st = directory_numbers(d, acc.id, &n);
	if (st == ST_OK && on)
		warn_of_reports(&m.conf, acc.address);
	if (st == ST_OK)
		printf("%s: what arrives is stored %s.\n", in->args[0],
		       n.value[NUMBER_ENCRYPT] ? "encrypted to its own certificate" : "as it comes");
	else
		complain(in->args[0], st, why_not);
	directory_close(d);
	conf_free(&m.conf);
	arena_free(&a);
	return st == ST_OK ? DONE : FAILED;
}
