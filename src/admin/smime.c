/* smime.c - waxwing smime: letters signed, encrypted and opened. */
#include "admin/inspect.h"
#include "admin/revoked.h"
#include "admin/tell.h"

#include "base/clock.h"
#include "smime/chain.h"
#include "smime/write.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MAX = 1024 * 1024 };

static enum status to_stdout(void *arg, struct view piece)
{
	(void)arg;
	return fwrite(piece.p, 1, piece.n, stdout) == piece.n ? ST_OK : ST_IO;
}

/* ---- writing ---- */

static const struct reason write_reasons[] = {
	{ ST_DENIED, "it cannot be signed or encrypted so: the key is of a kind that is not supported, or the text "
		     "would not survive (try --opaque)" },
	{ ST_SYNTAX, "it does not begin with a header section" },
	{ ST_OK, NULL },
};

static bool take_cipher(const struct invocation *in, enum smime_cipher *ret)
{
	const char *word = in->given[OPTION_cipher];

	*ret = word == NULL ? SMIME_CIPHER_BEST : strcmp(word, "gcm") == 0 ? SMIME_CIPHER_GCM : SMIME_CIPHER_CBC;
	if (word == NULL || strcmp(word, "gcm") == 0 || strcmp(word, "cbc") == 0)
		return true;
	tell("--cipher: should be gcm or cbc");
	return false;
}

static int write_letter(struct smime_writing *how)
{
	struct input i;
	enum status st;

	if (!input_open(&i, STDIN_FILENO, "standard input"))
		return FAILED;
	st = smime_write(i.letter, how, to_stdout, NULL);
	input_close(&i);
	if (st == ST_OK && fflush(stdout) != 0)
		st = ST_IO;
	return st == ST_OK ? DONE : complain("the letter", st, write_reasons);
}

static void take_wishes(const struct invocation *in, struct smime_means *m, struct smime_writing *how)
{
	how->signer = smime_signing_key(&m->keys, clock_wall());
	how->chain = m->keys.others;
	how->opaque = in->given[OPTION_opaque] != NULL;
	how->pss = in->given[OPTION_pss] != NULL;
	how->oaep = in->given[OPTION_oaep] != NULL;
	how->unprotected = in->given[OPTION_clear_header] != NULL;
	how->now = clock_wall();
}

static bool has_signer(const struct invocation *in, const struct smime_writing *how)
{
	if (how->signer || in->given[OPTION_key] == NULL)
		return true;
	tell("%s: no certificate in it may sign now", in->given[OPTION_key]);
	return false;
}

int cmd_smime_sign(struct invocation *in)
{
	struct smime_writing how = { 0 };
	struct smime_means m;
	int status;

	if (in->given[OPTION_key] == NULL) {
		tell("smime sign: --key FILE is needed");
		return WRONG_USE;
	}
	if (!take_time(in))
		return WRONG_USE;
	if (!smime_means_open(&m, in))
		return FAILED;
	take_wishes(in, &m, &how);
	status = has_signer(in, &how) ? write_letter(&how) : FAILED;
	smime_means_close(&m);
	return status;
}

/* People have a certificate to sign with, too: it is passed over where there
 * is one to encrypt for. */
static bool has_another(STACK_OF(X509) *all, X509 *than)
{
	for (int i = 0; i < sk_X509_num(all); i++)
		if (X509_NAME_cmp(X509_get_subject_name(sk_X509_value(all, i)), X509_get_subject_name(than)) == 0 &&
		    smime_can_receive(sk_X509_value(all, i), clock_wall()))
			return true;
	return false;
}

static bool choose_recipients(const char *path, STACK_OF(X509) *all, struct smime_recipient *to, size_t *ret_n)
{
	size_t n = 0;

	for (int i = 0; i < sk_X509_num(all); i++) {
		X509 *x = sk_X509_value(all, i);

		if (smime_can_receive(x, clock_wall())) {
			to[n++] = (struct smime_recipient){ .certificate = x };
		} else if (!has_another(all, x)) {
			tell("%s: certificate %d is not for encrypting, is not valid now, or has a key that is not supported or too short",
			     path, i + 1);
			return false;
		}
	}
	*ret_n = n;
	return n > 0;
}

/* What --certificates names are those who shall read it, not a chain. */
static bool take_file(const char *path, STACK_OF(X509) *all)
{
	struct buf pem = BUF(SMIME_PEM_MAX);
	enum status st = read_file(path, &pem);

	if (st == ST_OK)
		st = smime_certificates(buf_view(&pem), all);
	buf_free(&pem);
	if (st != ST_OK)
		tell("%s: %s", path, st == ST_SYNTAX ? "no certificates in PEM" : status_name(st));
	return st == ST_OK;
}

/* The first of his that can be encrypted for. */
bool push_usable(const struct discovered *d, STACK_OF(X509) *all)
{
	for (size_t i = 0; i < d->n_people; i++) {
		X509 *x = smime_certificate(d->people[i]);

		if (x && smime_can_receive(x, clock_wall()) && sk_X509_push(all, x) > 0)
			return true;
		X509_free(x);
	}
	return false;
}

static bool find_one(const struct invocation *in, const struct smime_means *m, struct resolver *r, struct view address,
		     STACK_OF(X509) *all)
{
	struct arena a = ARENA(ANSWER_MAX);
	struct discovered d;
	enum status st = smime_discover(r, address, &a, &d);
	bool found = st == ST_OK && d.outcome == DISCOVERY_FOUND && push_usable(&d, all);

	if (st == ST_OK && !found && in->given[OPTION_ldap] && in->asking->ldap(in, m, address, all)) {
		arena_free(&a);
		return true;
	}
	if (st != ST_OK)
		tell("%.*s: %s", VIEW_ARG(address), st == ST_SYNTAX ? "is no address" : status_name(st));
	else if (!found)
		tell("%.*s %s", VIEW_ARG(address), d.outcome == DISCOVERY_FOUND ?
		     "has no certificate in DNS that can be encrypted for now" : discovery_text(d.outcome));
	arena_free(&a);
	return found;
}

/* --to: addresses with commas between. */
static bool find_all(const struct invocation *in, const struct smime_means *m, STACK_OF(X509) *all)
{
	struct view list = view_cstr(in->given[OPTION_to]), one;
	struct asker asker;
	struct resolver *r = in->asking->open(&asker, in);
	bool good = r != NULL;

	while (good && (one = view_take_word(&list)).n)
		good = find_one(in, m, r, one, all);
	in->asking->close(&asker);
	return good;
}

static bool take_recipients(const struct invocation *in, const struct smime_means *m, STACK_OF(X509) *all,
			    struct smime_recipient *to, size_t *ret_n)
{
	const char *path = in->given[OPTION_certificates];

	if ((path && !take_file(path, all)) || (in->given[OPTION_to] && !find_all(in, m, all)))
		return false;
	if (sk_X509_num(all) > SMIME_RECIPIENTS_WRITTEN_MOST) {
		tell("these are more than %d certificates", SMIME_RECIPIENTS_WRITTEN_MOST);
		return false;
	}
	return choose_recipients(path ? path : in->given[OPTION_to], all, to, ret_n);
}

static bool take_ldap(const struct invocation *in)
{
	const char *flaw = in->given[OPTION_ldap] ? in->asking->ldap_flaw(in->given[OPTION_ldap]) : NULL;

	if (flaw)
		tell("--ldap: %s", flaw);
	return flaw == NULL;
}

int cmd_smime_encrypt(struct invocation *in)
{
	struct smime_recipient to[SMIME_RECIPIENTS_WRITTEN_MOST];
	const char *recipients = in->given[OPTION_certificates];
	struct smime_writing how = { .recipients = to };
	STACK_OF(X509) *all;
	struct smime_means m;
	int status = FAILED;

	if (recipients == NULL && in->given[OPTION_to] == NULL) {
		tell("smime encrypt: --certificates FILE or --to ADDRESS is needed");
		return WRONG_USE;
	}
	if (!take_time(in) || !take_cipher(in, &how.cipher) || !take_ldap(in))
		return WRONG_USE;
	in->given[OPTION_certificates] = NULL;
	if (!smime_means_open(&m, in))
		return FAILED;
	in->given[OPTION_certificates] = recipients;
	take_wishes(in, &m, &how);
	all = sk_X509_new_null();
	if (all && has_signer(in, &how) && take_recipients(in, &m, all, to, &how.n_recipients))
		status = write_letter(&how);
	sk_X509_pop_free(all, X509_free);
	smime_means_close(&m);
	return status;
}

/* ---- reading ---- */

/* Whoever signed as the author: is that certificate his, as DNSSEC has it? */
static bool believe_dns(const struct invocation *in, struct smime_means *m, const struct smime_letter *l)
{
	const struct smime_signer *s = smime_main_signer(l);
	struct arena a = ARENA(ANSWER_MAX);
	struct discovered d = { 0 };
	struct asker asker;
	struct resolver *r;
	bool found = false;

	if (s == NULL || !s->valid || !s->address_match || s->chain == SMIME_CHAIN_TRUSTED)
		return false;
	r = in->asking->open(&asker, in);
	if (r && smime_discover(r, l->author.all[0].address, &a, &d) == ST_OK && d.outcome == DISCOVERY_FOUND)
		for (size_t i = 0; i < d.n_people; i++)
			if (view_eq(d.people[i], s->certificate))
				found = smime_trust_certificate(m->trust, s->certificate) == ST_OK;
	in->asking->close(&asker);
	arena_free(&a);
	return found;
}

static enum status read_letter(const struct invocation *in, struct smime_means *m, struct view letter,
			       struct smime_letter *ret)
{
	struct smime_reading how = { .trust = m->trust, .keys = &m->keys, .now = clock_wall() };
	enum status st = read_smime(in, m, &how, letter, ret);

	if (st != ST_OK || in->given[OPTION_find] == NULL || !believe_dns(in, m, ret))
		return st;
	smime_free(ret);
	return smime_read(letter, &how, ret);
}

typedef int use_letter(const struct invocation *in, const struct smime_letter *l, struct view letter);

static int with_letter(struct invocation *in, use_letter *use)
{
	struct smime_letter l;
	struct smime_means m;
	struct input i;
	enum status st;
	int status = FAILED;

	if (!take_time(in) || !take_fetch(in))
		return WRONG_USE;
	if (!smime_means_open(&m, in))
		return FAILED;
	if (input_open(&i, STDIN_FILENO, "standard input")) {
		st = read_letter(in, &m, i.letter, &l);
		if (st == ST_OK) {
			status = use(in, &l, i.letter);
			smime_free(&l);
		} else {
			tell("the letter: %s", status_name(st));
		}
		input_close(&i);
	}
	smime_means_close(&m);
	return status;
}

static int write_opened(const struct invocation *in, const struct smime_letter *l, struct view letter)
{
	struct buf sentence = BUF(65536);
	int status = DONE;

	(void)in;
	smime_put_sentence(l, &sentence);
	tell("%.*s", VIEW_ARG(buf_view(&sentence)));
	buf_free(&sentence);
	if (l->word == SMIME_LOCKED || l->word == SMIME_BROKEN)
		return FAILED;
	if (smime_put_letter(l, letter, to_stdout, NULL) != ST_OK || fflush(stdout) != 0) {
		tell("standard output cannot be written");
		status = FAILED;
	}
	return status;
}

int cmd_smime_decrypt(struct invocation *in)
{
	return with_letter(in, write_opened);
}

static int say_verdict(const struct invocation *in, const struct smime_letter *l, struct view letter)
{
	struct buf sentence = BUF(65536);
	int status = l->word == SMIME_GOOD ? DONE : FAILED;

	(void)letter;
	if (in->given[OPTION_json])
		return print_json(smime_json(l)) == DONE ? status : FAILED;
	smime_put_sentence(l, &sentence);
	printf("%s: %.*s\n", smime_word_name(l->word), VIEW_ARG(buf_view(&sentence)));
	buf_free(&sentence);
	return fflush(stdout) == 0 ? status : FAILED;
}

int cmd_smime_verify(struct invocation *in)
{
	return with_letter(in, say_verdict);
}
