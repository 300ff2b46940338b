/* cert.c - waxwing cert: certificates of everybody, for S/MIME. */
#include "admin/cert.h"
#include "admin/encryption.h"
#include "admin/inspect.h"
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "warden/key_folder.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_MAX = 64 * 1024 * 1024, P12_MAX = 4 * 1024 * 1024 };

static const struct reason why_not[] = {
	{ ST_MISSING, "there is no such account or domain, or it has no certificate; `waxwing cert list` shows them" },
	{ ST_EXISTS, "is known already" },
	{ ST_OK, NULL },
};

/* ---- where they are ---- */

bool cert_work_open(struct cert_work *w, const struct invocation *in)
{
	*w = (struct cert_work){ .i = { .keys = -1, .now = clock_wall() } };
	if (instance_conf(in, &w->conf) != ST_OK || instance_directory(in, &w->i.d) != ST_OK)
		return false;
	w->i.validity = w->conf.smime_validity;
	w->i.conf = &w->conf;
	if (key_folders_open(in->dir, &w->i.keys) == ST_OK)
		return true;
	tell("%s/keys cannot be opened", in->dir);
	return false;
}

void cert_work_close(struct cert_work *w)
{
	if (w->i.keys >= 0)
		close(w->i.keys);
	directory_close(w->i.d);
	conf_free(&w->conf);
}

/* An account's number and domain, or 0 and a domain. */
static enum status whose(struct cert_work *w, const char *text, struct arena *a, struct account *ret)
{
	struct view v = view_cstr(text);

	*ret = (struct account){ 0 };
	if (view_find(v, '@') < v.n)
		return directory_account(w->i.d, v, a, ret);
	return v.n && directory_has_domain(w->i.d, v) == VERDICT_OK ? ST_OK : ST_MISSING;
}

/* ---- for setup, and for accounts that are made ---- */

enum status cert_authority(const struct invocation *in, struct view domain)
{
	struct cert_work w;
	enum status st = cert_work_open(&w, in) ? identities_authority(&w.i, domain, NULL) : ST_IO;

	cert_work_close(&w);
	return st;
}

enum status cert_account(const struct invocation *in, struct view address)
{
	struct arena a = ARENA(65536);
	struct account acc;
	struct cert_work w;
	unsigned made;
	enum status st = cert_work_open(&w, in) ? ST_OK : ST_IO;

	if (st == ST_OK && w.conf.smime_issue) {
		st = directory_account(w.i.d, address, &a, &acc);
		if (st == ST_OK)
			st = identities_issue(&w.i, &acc, false, &made);
	}
	cert_work_close(&w);
	arena_free(&a);
	return st;
}

/* ---- list ---- */

static void add_row(void *arg, const struct certificate_row *c)
{
	char until[RFC3339_SIZE];
	json_t *row = json_pack("{s:o, s:o, s:s, s:s, s:o, s:s, s:b, s:b}", "domain", json_text(c->domain), "address",
				json_text_or_null(c->address), "kind", certificate_kind_word(c->kind),
				"state", certificate_state_word(c->state), "serial", json_text(c->serial), "until",
				clock_rfc3339(c->not_after, until), "imported", (int)c->imported, "seen", (int)(c->seen != 0));

	json_array_append_new(arg, row);
}

int cmd_cert_list(struct invocation *in)
{
	static const struct column columns[] = {
		{ "domain", "DOMAIN", COLUMN_TEXT }, { "kind", "KIND", COLUMN_TEXT }, { "state", "STATE", COLUMN_TEXT },
		{ "until", "UNTIL", COLUMN_TEXT },   { "serial", "SERIAL", COLUMN_TEXT }, { "address", "ADDRESS", COLUMN_TEXT },
	};
	struct arena a = ARENA(65536);
	json_t *rows = json_array();
	struct account acc = { 0 };
	struct directory *d;
	struct cert_work w = { 0 };
	enum status st = instance_directory(in, &d);

	if (st != ST_OK) {
		json_decref(rows);
		return FAILED;
	}
	w.i.d = d;
	if (in->n)
		st = whose(&w, in->args[0], &a, &acc);
	if (st == ST_OK)
		st = directory_certificates(d, in->n && acc.id == 0 ? view_cstr(in->args[0]) : VIEW_NONE, acc.id, add_row, rows);
	directory_close(d);
	arena_free(&a);
	if (st == ST_OK)
		return listing_print(in, columns, sizeof columns / sizeof *columns, rows,
				     "No certificate yet; `waxwing cert renew --all` makes them.");
	json_decref(rows);
	return complain(in->n ? in->args[0] : in->dir, st, why_not);
}

/* ---- show, export ---- */

struct taking {
	struct cert_work *w;
	struct view domain;	/* of the authorities that are wanted; or empty */
	bool all;		/* with keys, and also what is not active any more */
	struct smime_keys keys;
	enum status st;
};

static void take_row(void *arg, const struct certificate_row *c)
{
	struct taking *t = arg;
	struct smime_key k = { 0 };

	/* Of authorities also those before and after: somebody's certificate may be of them. */
	bool wanted = t->domain.n ? c->kind == CERTIFICATE_AUTHORITY && c->state != CERTIFICATE_REVOKED &&
				    c->not_after >= t->w->i.now :
		      c->kind != CERTIFICATE_AUTHORITY && (t->all || c->state == CERTIFICATE_ACTIVE);

	if (t->st != ST_OK || !wanted)
		return;
	k.certificate = smime_certificate(c->certificate);
	if (k.certificate == NULL)
		t->st = ST_CORRUPT;
	else if (t->all)
		t->st = identities_key(&t->w->i, c, &k.key);
	if (t->st == ST_OK && t->keys.n == SMIME_KEYS_MOST)
		t->st = ST_LIMIT;
	if (t->st == ST_OK) {
		t->keys.all[t->keys.n++] = k;
		return;
	}
	X509_free(k.certificate);
	EVP_PKEY_free(k.key);
}

static enum status put_certificate(X509 *x, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	if (bio && PEM_write_bio_X509(bio, x) == 1 && (n = BIO_get_mem_data(bio, &p)) > 0)
		buf_put(out, view_make(p, (size_t)n));
	BIO_free(bio);
	return buf_status(out);
}

/* The newest first: it is what a program takes that wants one. */
static enum status put_pem(const struct smime_keys *keys, struct buf *out)
{
	enum status st = ST_OK;

	for (unsigned i = keys->n; i-- > 0 && st == ST_OK;) {
		if (keys->all[i].key)
			st = key_put_pem(keys->all[i].key, out);
		if (st == ST_OK)
			st = put_certificate(keys->all[i].certificate, out);
	}
	for (int i = 0; i < sk_X509_num(keys->others) && st == ST_OK; i++)
		st = put_certificate(sk_X509_value(keys->others, i), out);
	return st;
}

static int print_buf(struct buf *out)
{
	bool good = fwrite(out->p ? out->p : "", 1, out->n, stdout) == out->n && fflush(stdout) == 0;

	buf_wipe(out);
	return good ? DONE : FAILED;
}

static enum status take(struct cert_work *w, const char *text, bool all, struct taking *t)
{
	struct arena a = ARENA(65536);
	struct account acc;
	enum status st = whose(w, text, &a, &acc);

	*t = (struct taking){ .w = w, .all = all, .domain = acc.id ? VIEW_NONE : view_cstr(text) };
	if (st == ST_OK)
		st = directory_certificates(w->i.d, t->domain, acc.id, take_row, t);
	arena_free(&a);
	if (st == ST_OK)
		st = t->st;
	return st == ST_OK && t->keys.n == 0 ? ST_MISSING : st;
}

int cmd_cert_show(struct invocation *in)
{
	struct buf out = BUF(OUTPUT_MAX);
	struct taking t = { 0 };
	struct cert_work w;
	enum status st = ST_IO;
	int status = FAILED;

	if (cert_work_open(&w, in)) {
		st = take(&w, in->args[0], false, &t);
		if (st == ST_OK)
			st = put_pem(&t.keys, &out);
		status = st == ST_OK ? print_buf(&out) : complain(in->args[0], st, why_not);
	}
	smime_keys_free(&t.keys);
	cert_work_close(&w);
	buf_free(&out);
	return status;
}

/* The authorities' certificates, for the reader of the file. */
static enum status add_chain(struct cert_work *w, const char *address, struct smime_keys *keys)
{
	struct taking t = { .keys = { .n = 0 } };
	enum status st = take(w, strrchr(address, '@') + 1, false, &t);

	/* Who has only imported ones may do without. */
	if (st == ST_MISSING)
		st = ST_OK;
	if (st == ST_OK && (keys->others = sk_X509_new_null()) == NULL)
		st = ST_NOMEM;
	for (unsigned i = 0; i < t.keys.n && st == ST_OK; i++) {
		if (sk_X509_push(keys->others, t.keys.all[i].certificate) <= 0)
			st = ST_NOMEM;
		else
			t.keys.all[i].certificate = NULL;
	}
	smime_keys_free(&t.keys);
	return st;
}

/* And what came with those that were imported. */
static enum status add_imported(struct cert_work *w, struct smime_keys *keys)
{
	struct arena a = ARENA(SMIME_KEYS_MOST * CERTIFICATE_CHAIN_MAX);
	enum status st = ST_OK;

	for (unsigned i = 0; i < keys->n && st == ST_OK; i++) {
		struct view serial = smime_serial(X509_get0_serialNumber(keys->all[i].certificate), &a), der = VIEW_NONE;
		STACK_OF(X509) *all;
		X509 *x;

		st = directory_chain(w->i.d, serial, &a, &der);
		all = smime_certificate_list(der);
		while (st == ST_OK && (x = sk_X509_shift(all)) != NULL)
			if (sk_X509_push(keys->others, x) <= 0) {
				X509_free(x);
				st = ST_NOMEM;
			}
		sk_X509_pop_free(all, X509_free);
		st = st == ST_MISSING ? ST_OK : st;
	}
	arena_free(&a);
	return st;
}

static enum status put_p12(const struct smime_keys *keys, struct buf *out)
{
	struct buf password = BUF(PASSWORD_MOST + 2);
	enum status st = read_password(true, "the file", &password);

	buf_putc(&password, '\0');
	if (st == ST_OK)
		st = smime_write_p12(keys, password.p, out);
	buf_wipe(&password);
	return st;
}

int cmd_cert_export(struct invocation *in)
{
	struct buf out = BUF(OUTPUT_MAX);
	struct taking t = { 0 };
	struct cert_work w;
	enum status st;
	int status = FAILED;

	if (cert_work_open(&w, in)) {
		st = strchr(in->args[0], '@') ? take(&w, in->args[0], true, &t) : ST_MISSING;
		if (st == ST_OK)
			st = add_chain(&w, in->args[0], &t.keys);
		if (st == ST_OK)
			st = add_imported(&w, &t.keys);
		if (st == ST_OK)
			st = in->given[OPTION_password_stdin] ? put_p12(&t.keys, &out) : put_pem(&t.keys, &out);
		status = st == ST_OK ? print_buf(&out) : complain(in->args[0], st, why_not);
	}
	smime_keys_free(&t.keys);
	cert_work_close(&w);
	buf_wipe(&out);
	return status;
}

/* ---- renew ---- */

struct renewing {
	struct buf addresses;	/* each with its NUL */
};

static void note_account(void *arg, struct view address, struct view none, uint64_t id)
{
	struct renewing *r = arg;

	(void)none;
	(void)id;
	buf_put(&r->addresses, address);
	buf_putc(&r->addresses, '\0');
}

static enum status renew_one(struct cert_work *w, const char *address, bool anew, unsigned *ret_made)
{
	struct arena a = ARENA(65536);
	struct account acc;
	enum status st = directory_account(w->i.d, view_cstr(address), &a, &acc);

	if (st == ST_OK)
		st = identities_issue(&w->i, &acc, anew, ret_made);
	if (st == ST_OK)
		st = encryption_refresh(&w->conf, w->i.d, acc.id);
	arena_free(&a);
	return st;
}

static int renew_all(struct cert_work *w)
{
	struct renewing r = { .addresses = BUF(OUTPUT_MAX) };
	enum status st = directory_each_account(w->i.d, note_account, &r);
	unsigned made, all = 0, failed = 0;

	if (st == ST_OK)
		st = buf_status(&r.addresses);
	for (const char *p = r.addresses.p; st == ST_OK && p && p < r.addresses.p + r.addresses.n; p += strlen(p) + 1) {
		enum status one = renew_one(w, p, false, &made);

		if (one == ST_OK) {
			all += made;
		} else {
			failed++;
			complain(p, one, why_not);
		}
	}
	buf_free(&r.addresses);
	if (st != ST_OK)
		return complain("the accounts", st, NULL);
	printf("%u certificates were made.\n", all);
	return failed ? FAILED : DONE;
}

int cmd_cert_renew(struct invocation *in)
{
	struct cert_work w;
	unsigned made = 0;
	enum status st;
	int status = FAILED;

	if ((in->n == 1) == (in->given[OPTION_all] != NULL)) {
		tell("cert renew: an address, or --all");
		return WRONG_USE;
	}
	if (cert_work_open(&w, in)) {
		if (in->n == 0) {
			status = renew_all(&w);
		} else {
			st = renew_one(&w, in->args[0], true, &made);
			status = st == ST_OK ? DONE : complain(in->args[0], st, why_not);
		}
	}
	cert_work_close(&w);
	return status;
}

/* ---- revoke, import ---- */

int cmd_cert_revoke(struct invocation *in)
{
	static const struct reason none[] = {
		{ ST_MISSING, "there is no such certificate that is not revoked; `waxwing cert list` shows them" },
		{ ST_OK, NULL },
	};
	struct directory *d;
	enum status st;

	if (instance_directory(in, &d) != ST_OK)
		return FAILED;
	if (in->given[OPTION_yes] == NULL && !ask_yes("Revoke the certificate %s for ever?", in->args[0])) {
		directory_close(d);
		return FAILED;
	}
	st = directory_set_certificate(d, view_cstr(in->args[0]), CERTIFICATE_REVOKED, clock_wall());
	directory_close(d);
	return st == ST_OK ? DONE : complain(in->args[0], st, none);
}

static enum status import_p12(struct cert_work *w, const struct account *of, struct view p12, const char *password,
			      const char **ret_why)
{
	struct smime_key k = { 0 };
	STACK_OF(X509) *chain = NULL;
	enum status st = smime_read_p12(p12, password, &k, &chain);

	if (st != ST_OK)
		return st == ST_DENIED ? ST_CLOSED : st;
	st = identities_import(&w->i, of, &k, chain, ret_why);
	if (st == ST_OK)
		st = encryption_refresh(&w->conf, w->i.d, of->id);
	X509_free(k.certificate);
	EVP_PKEY_free(k.key);
	sk_X509_pop_free(chain, X509_free);
	return st;
}

int cmd_cert_import(struct invocation *in)
{
	struct reason reasons[] = {
		{ ST_CLOSED, "the password is another one" },
		{ ST_SYNTAX, "is no PKCS #12 file with a key and its certificate" },
		{ ST_DENIED, NULL },
		{ ST_EXISTS, "that certificate is known already" },
		{ ST_MISSING, "there is no such file" },
		{ ST_OK, NULL },
	};
	struct buf p12 = BUF(P12_MAX), password = BUF(PASSWORD_MOST + 2);
	struct arena a = ARENA(65536);
	struct account acc;
	struct cert_work w;
	enum status st;
	int status = FAILED;

	if (cert_work_open(&w, in)) {
		st = directory_account(w.i.d, view_cstr(in->args[0]), &a, &acc);
		if (st != ST_OK) {
			complain(in->args[0], st, why_not);
		} else if (read_password(in->given[OPTION_password_stdin] != NULL, "the file", &password) == ST_OK) {
			st = read_file(in->args[1], &p12);
			buf_putc(&password, '\0');
			if (st == ST_OK)
				st = import_p12(&w, &acc, buf_view(&p12), password.p, &reasons[2].text);
			status = st == ST_OK ? DONE : complain(in->args[1], st, reasons);
		}
	}
	cert_work_close(&w);
	buf_wipe(&password);
	buf_wipe(&p12);
	arena_free(&a);
	return status;
}

/* ---- what is published ---- */

int cmd_cert_crl(struct invocation *in)
{
	struct buf out = BUF(OUTPUT_MAX);
	struct cert_work w;
	enum status st;
	int status = FAILED;

	if (cert_work_open(&w, in)) {
		st = identities_list(&w.i, view_cstr(in->args[0]), &out);
		status = st == ST_OK ? print_buf(&out) : complain(in->args[0], st, why_not);
	}
	cert_work_close(&w);
	buf_free(&out);
	return status;
}

static void put_record(void *out, struct view owner, struct view rdata)
{
	smimea_put_line(owner, rdata, out);
}

int cmd_cert_dns(struct invocation *in)
{
	struct buf out = BUF(OUTPUT_MAX);
	struct directory *d;
	int status;
	enum status st;

	if (instance_directory(in, &d) != ST_OK)
		return FAILED;
	st = smimea_each(d, in->n ? view_cstr(in->args[0]) : VIEW_NONE, put_record, &out);
	directory_close(d);
	if (st == ST_OK)
		st = buf_status(&out);
	status = st == ST_OK ? print_buf(&out) : complain(in->n ? in->args[0] : in->dir, st, why_not);
	buf_free(&out);
	return status;
}
