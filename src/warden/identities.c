#include "warden/identities.h"

#include "base/disk.h"
#include "msg/address.h"
#include "warden/key_folder.h"
#include "warden/keys.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_SIZE = 64, AUTHORITY_YEARS = 10, REVOKED_MOST = 10000, ARENA_MOST = 1024 * 1024,
       LIST_MOST = 4 * 1024 * 1024 };
static const wall_ms year = 365LL * 24 * 60 * 60 * 1000, week = 7LL * 24 * 60 * 60 * 1000, minute = 60 * 1000;
static const char folder[] = "smime";

/* ---- files ---- */

static enum status file_of(struct view serial, char out[static FILE_SIZE])
{
	for (size_t i = 0; i < serial.n; i++)
		if (!ascii_digit(serial.p[i]) && !ascii_alpha(serial.p[i]))
			return ST_SYNTAX;
	if (serial.n == 0 || serial.n > CERTIFICATE_SERIAL_MAX)
		return ST_SYNTAX;
	snprintf(out, FILE_SIZE, "%.*s.key", VIEW_ARG(serial));
	return ST_OK;
}

static enum status write_key(const struct identities *i, struct view domain, struct view serial, EVP_PKEY *key)
{
	struct buf pem = BUF(KEY_FILE_MAX);
	char file[FILE_SIZE];
	int fd;
	enum status st = file_of(serial, file);

	if (st == ST_OK)
		st = key_put_pem(key, &pem);
	if (st == ST_OK)
		st = key_folder(i->keys, folder, domain, true, &fd);
	if (st == ST_OK) {
		st = key_file_write(i->keys, fd, file, &pem);
		close(fd);
	}
	if (pem.p)
		OPENSSL_cleanse(pem.p, pem.cap);
	buf_free(&pem);
	return st;
}

static EVP_PKEY *parse_key(struct view pem)
{
	char none[] = "";	/* so that nobody is asked for a passphrase */
	BIO *bio = pem.n ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, none) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

enum status identities_key(const struct identities *i, const struct certificate_row *row, EVP_PKEY **ret)
{
	struct buf pem = BUF(KEY_FILE_MAX);
	char file[FILE_SIZE];
	EVP_PKEY *key = NULL;
	int dir, fd;
	enum status st = file_of(row->serial, file);

	if (st == ST_OK)
		st = key_folder(i->keys, folder, row->domain, false, &dir);
	if (st != ST_OK)
		return st;
	st = disk_open(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd);
	close(dir);
	if (st != ST_OK)
		return st;
	st = key_file_read(fd, &pem);
	close(fd);
	if (st == ST_OK)
		key = parse_key(buf_view(&pem));
	if (pem.p)
		OPENSSL_cleanse(pem.p, pem.cap);
	buf_free(&pem);
	if (key)
		*ret = key;
	return key ? ST_OK : st == ST_OK ? ST_SYNTAX : st;
}

/* ---- rows ---- */

/* File, then row. */
static enum status keep(const struct identities *i, struct certificate_row row, const struct smime_key *key)
{
	struct arena a = ARENA(ARENA_MOST);
	enum status st;

	row.serial = smime_serial(X509_get0_serialNumber(key->certificate), &a);
	row.certificate = smime_der(key->certificate, &a);
	row.not_before = smime_time(X509_get0_notBefore(key->certificate));
	row.not_after = smime_time(X509_get0_notAfter(key->certificate));
	st = arena_status(&a);
	if (st == ST_OK)
		st = write_key(i, row.domain, row.serial, key->key);
	if (st == ST_OK)
		st = directory_add_certificate(i->d, &row);
	arena_free(&a);
	return st;
}

struct found {
	const struct identities *i;
	enum certificate_kind kind;
	wall_ms until;		/* it has to last for so long */
	struct arena *a;
	struct certificate_row row;
	bool any;
};

/* The newest one counts; its views are copied. */
static void find(void *arg, const struct certificate_row *c)
{
	struct found *f = arg;

	bool fits = c->kind == f->kind || (c->kind == CERTIFICATE_BOTH && f->kind != CERTIFICATE_AUTHORITY);

	if (c->state != CERTIFICATE_ACTIVE || !fits || c->not_after < f->until)
		return;
	f->row = *c;
	f->row.serial = arena_copy(f->a, c->serial);
	f->row.domain = arena_copy(f->a, c->domain);
	f->row.certificate = arena_copy(f->a, c->certificate);
	f->any = true;
}

struct retiring {
	struct arena *a;
	enum certificate_kind kind;
	struct view except;
	struct view serials[64];
	size_t n;
};

static void gather(void *arg, const struct certificate_row *c)
{
	struct retiring *r = arg;
	bool same = c->kind == r->kind || (r->kind == CERTIFICATE_BOTH && c->kind != CERTIFICATE_AUTHORITY);

	if (c->state == CERTIFICATE_ACTIVE && same && !view_eq(c->serial, r->except) && r->n < 64)
		r->serials[r->n++] = arena_copy(r->a, c->serial);
}

/* What a new one replaces. */
static enum status retire(const struct identities *i, struct view domain, uint64_t account, enum certificate_kind kind,
			  struct view except)
{
	struct arena a = ARENA(ARENA_MOST);
	struct retiring r = { .a = &a, .kind = kind, .except = except };
	enum status st = directory_certificates(i->d, domain, account, gather, &r);

	for (size_t k = 0; k < r.n && st == ST_OK; k++)
		st = directory_set_certificate(i->d, r.serials[k], CERTIFICATE_RETIRED, 0);
	arena_free(&a);
	return st;
}

static enum status keep_new(const struct identities *i, struct certificate_row row, const struct smime_key *key)
{
	struct arena a = ARENA(ARENA_MOST);
	enum status st = directory_begin(i->d);

	if (st != ST_OK)
		return st;
	st = keep(i, row, key);
	if (st == ST_OK)
		st = retire(i, row.domain, row.account, row.kind, smime_serial(X509_get0_serialNumber(key->certificate), &a));
	arena_free(&a);
	if (st == ST_OK)
		return directory_end(i->d, true);
	return directory_end(i->d, false) == ST_OK ? st : ST_IO;
}

static void key_free_both(struct smime_key *k)
{
	X509_free(k->certificate);
	EVP_PKEY_free(k->key);
	*k = (struct smime_key){ 0 };
}

/* ---- the authority ---- */

static enum status load(const struct identities *i, const struct certificate_row *row, struct smime_key *ret)
{
	struct smime_key k = { .certificate = smime_certificate(row->certificate) };
	enum status st = k.certificate ? identities_key(i, row, &k.key) : ST_CORRUPT;

	if (st == ST_OK)
		*ret = k;
	else
		X509_free(k.certificate);
	return st;
}

static enum status make_authority(const struct identities *i, struct view domain, struct smime_key *ret)
{
	struct smime_request q = { .use = SMIME_USE_AUTHORITY, .domain = domain, .from = i->now - minute,
				   .until = i->now + AUTHORITY_YEARS * year };
	struct smime_key k;
	enum status st = smime_issue(&q, &k);

	if (st != ST_OK)
		return st;
	st = keep_new(i, (struct certificate_row){ .domain = domain, .kind = CERTIFICATE_AUTHORITY }, &k);
	if (st == ST_OK && ret)
		*ret = k;
	else
		key_free_both(&k);
	return st;
}

enum status identities_authority(const struct identities *i, struct view domain, struct smime_key *ret)
{
	struct arena a = ARENA(ARENA_MOST);
	struct found f = { .kind = CERTIFICATE_AUTHORITY, .until = i->now + i->validity, .a = &a };
	enum status st = directory_certificates(i->d, domain, 0, find, &f);

	if (st == ST_OK && !f.any)
		st = make_authority(i, domain, ret);
	else if (st == ST_OK && ret)
		st = load(i, &f.row, ret);
	arena_free(&a);
	return st;
}

/* ---- people ---- */

static enum status issue_one(const struct identities *i, const struct account *of, const struct smime_key *authority,
			     enum smime_use use)
{
	struct smime_request q = { .use = use, .authority = authority, .address = of->address, .from = i->now - minute,
				   .until = i->now + i->validity };
	struct certificate_row row = {
		.domain = address_domain(of->address), .address = of->address, .account = of->id,
		.kind = use == SMIME_USE_SIGNING ? CERTIFICATE_SIGNING : CERTIFICATE_ENCRYPTION,
	};
	struct smime_key k;
	enum status st = smime_issue(&q, &k);

	if (st != ST_OK)
		return st;
	st = keep_new(i, row, &k);
	key_free_both(&k);
	return st;
}

static enum status is_due(const struct identities *i, const struct account *of, enum certificate_kind kind, bool *ret)
{
	struct arena a = ARENA(ARENA_MOST);
	struct found f = { .kind = kind, .until = i->now + i->validity / 3, .a = &a };
	enum status st = directory_certificates(i->d, VIEW_NONE, of->id, find, &f);

	*ret = !f.any;
	arena_free(&a);
	return st;
}

enum status identities_issue(const struct identities *i, const struct account *of, bool anew, unsigned *ret_made)
{
	struct smime_key authority = { 0 };
	unsigned made = 0;
	enum status st = ST_OK;

	for (int use = SMIME_USE_SIGNING; use <= SMIME_USE_ENCRYPTION && st == ST_OK; use++) {
		bool due = true;

		if (!anew)
			st = is_due(i, of, use == SMIME_USE_SIGNING ? CERTIFICATE_SIGNING : CERTIFICATE_ENCRYPTION, &due);
		if (st != ST_OK || !due)
			continue;
		if (authority.key == NULL)
			st = identities_authority(i, address_domain(of->address), &authority);
		if (st == ST_OK)
			st = issue_one(i, of, &authority, (enum smime_use)use);
		made += st == ST_OK;
	}
	key_free_both(&authority);
	if (st == ST_OK)
		*ret_made = made;
	return st;
}

static enum certificate_kind kind_of(X509 *x)
{
	uint32_t usage = X509_get_key_usage(x);
	bool signs = usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION);
	bool receives = usage & (KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT);

	return signs && receives ? CERTIFICATE_BOTH : receives ? CERTIFICATE_ENCRYPTION : CERTIFICATE_SIGNING;
}

enum status identities_import(const struct identities *i, const struct account *of, const struct smime_key *key)
{
	struct arena a = ARENA(ARENA_MOST);
	struct certificate_row row = { .domain = address_domain(of->address), .address = of->address, .account = of->id,
				       .kind = kind_of(key->certificate), .imported = true };
	size_t n = 0;
	bool bad, names = false;
	struct view *all = smime_addresses(key->certificate, &a, &n, &bad);

	for (size_t k = 0; k < n; k++)
		names |= smime_same_address(all[k], of->address);
	arena_free(&a);
	if (!names || X509_check_private_key(key->certificate, key->key) != 1)
		return ST_DENIED;
	return keep_new(i, row, key);
}

/* ---- what was revoked ---- */

struct listing {
	const struct identities *i;
	struct smime_revoked *all;
	size_t n;
	struct arena *a;
	struct certificate_row authorities[8];
	size_t n_authorities;
	enum status st;
};

static void list_row(void *arg, const struct certificate_row *c)
{
	struct listing *l = arg;

	if (c->not_after < l->i->now)
		return;
	if (c->kind == CERTIFICATE_AUTHORITY && l->n_authorities < 8) {
		struct certificate_row *to = &l->authorities[l->n_authorities++];

		*to = *c;
		to->serial = arena_copy(l->a, c->serial);
		to->domain = arena_copy(l->a, c->domain);
		to->certificate = arena_copy(l->a, c->certificate);
	} else if (c->state == CERTIFICATE_REVOKED && !c->imported && l->n < REVOKED_MOST) {
		l->all[l->n] = (struct smime_revoked){ smime_certificate(c->certificate), c->revoked };
		l->n += l->all[l->n].certificate != NULL;
	}
}

static enum status put_pem(struct view der, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	if (bio && PEM_write_bio(bio, PEM_STRING_X509_CRL, "", (const unsigned char *)der.p, (long)der.n) > 0 &&
	    (n = BIO_get_mem_data(bio, &p)) > 0)
		buf_put(out, view_make(p, (size_t)n));
	BIO_free(bio);
	return buf_status(out);
}

/* Each authority says what it has issued itself. */
static enum status list_of(const struct listing *l, const struct certificate_row *row, struct buf *out)
{
	struct buf der = BUF(LIST_MOST);
	struct smime_revoked *own = calloc(l->n + 1, sizeof *own);
	struct smime_key authority;
	size_t n = 0;
	enum status st = own ? load(l->i, row, &authority) : ST_NOMEM;

	if (st == ST_OK) {
		for (size_t k = 0; k < l->n; k++)
			if (X509_check_issued(authority.certificate, l->all[k].certificate) == X509_V_OK)
				own[n++] = l->all[k];
		st = smime_issue_list(&authority, own, n, l->i->now, l->i->now + week, &der);
		if (st == ST_OK)
			st = put_pem(buf_view(&der), out);
		buf_free(&der);
		key_free_both(&authority);
	}
	free(own);
	return st;
}

enum status identities_list(const struct identities *i, struct view domain, struct buf *out)
{
	struct arena a = ARENA(16 * ARENA_MOST);
	struct listing l = { .i = i, .a = &a, .all = calloc(REVOKED_MOST, sizeof *l.all) };
	enum status st = l.all ? directory_certificates(i->d, domain, 0, list_row, &l) : ST_NOMEM;

	if (st == ST_OK && l.n_authorities == 0)
		st = ST_MISSING;
	for (size_t k = 0; k < l.n_authorities && st == ST_OK; k++)
		st = list_of(&l, &l.authorities[k], out);
	for (size_t k = 0; k < l.n; k++)
		X509_free(l.all[k].certificate);
	free(l.all);
	arena_free(&a);
	return st;
}
