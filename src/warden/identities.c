#include "warden/identities.h"

#include "msg/address.h"
#include "trust/domain.h"
#include "warden/key_folder.h"

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
	char file[FILE_SIZE];
	int fd;
	enum status st = file_of(serial, file);

	if (st == ST_OK)
		st = key_folder(i->keys, folder, domain, true, &fd);
	if (st == ST_OK) {
		st = key_save(i->keys, fd, file, key);
		close(fd);
	}
	return st;
}

enum status identities_key(const struct identities *i, const struct certificate_row *row, EVP_PKEY **ret)
{
	char file[FILE_SIZE];
	int dir;
	enum status st = file_of(row->serial, file);

	if (st == ST_OK)
		st = key_folder(i->keys, folder, row->domain, false, &dir);
	if (st == ST_OK) {
		st = key_load(dir, file, ret);
		close(dir);
	}
	return st;
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
	wall_ms imported_spare;	/* one that was imported: as long as this from now, or a sixth of its life */
	unsigned states;	/* 1 << enum certificate_state */
	struct arena *a;
	struct certificate_row row;
	bool any;
};
enum { IS_ACTIVE = 1 << CERTIFICATE_ACTIVE, IS_NEXT = 1 << CERTIFICATE_NEXT };

static wall_ms has_to_last(const struct found *f, const struct certificate_row *c)
{
	wall_ms sixth = (c->not_after - c->not_before) / 6;

	if (!c->imported)
		return f->until;
	return f->i->now + (sixth < f->imported_spare ? sixth : f->imported_spare);
}

/* The newest one counts; its views are copied. */
static void find(void *arg, const struct certificate_row *c)
{
	struct found *f = arg;

	bool fits = c->kind == f->kind || (c->kind == CERTIFICATE_BOTH && f->kind != CERTIFICATE_AUTHORITY);

	if (!(f->states >> c->state & 1) || !fits || c->not_after < has_to_last(f, c))
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

	if ((c->state == CERTIFICATE_ACTIVE || c->state == CERTIFICATE_NEXT) && same && !view_eq(c->serial, r->except) && r->n < 64)
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

/* What goes along with it when it signs; without what would be too long for that. */
static enum status keep_chain(const struct identities *i, struct view serial, STACK_OF(X509) *chain)
{
	struct arena a = ARENA(ARENA_MOST);
	struct buf der = BUF(CERTIFICATE_CHAIN_MAX);
	enum status st = ST_OK;

	for (int k = 0; k < sk_X509_num(chain); k++) {
		struct view one = smime_der(sk_X509_value(chain, k), &a);

		if (der.n + one.n <= CERTIFICATE_CHAIN_MAX)
			buf_put(&der, one);
	}
	st = arena_status(&a) != ST_OK ? arena_status(&a) : buf_status(&der);
	if (st == ST_OK && der.n)
		st = directory_set_chain(i->d, serial, buf_view(&der));
	arena_free(&a);
	buf_free(&der);
	return st;
}

/* One that is next replaces nothing yet. */
static enum status keep_new(const struct identities *i, struct certificate_row row, const struct smime_key *key,
			    STACK_OF(X509) *chain)
{
	struct arena a = ARENA(ARENA_MOST);
	struct view serial = smime_serial(X509_get0_serialNumber(key->certificate), &a);
	enum status st = directory_begin(i->d);

	if (st != ST_OK) {
		arena_free(&a);
		return st;
	}
	st = keep(i, row, key);
	if (st == ST_OK && chain)
		st = keep_chain(i, serial, chain);
	if (st == ST_OK && row.state == CERTIFICATE_ACTIVE)
		st = retire(i, row.domain, row.account, row.kind, serial);
	arena_free(&a);
	if (st == ST_OK)
		return directory_end(i->d, true);
	return directory_end(i->d, false) == ST_OK ? st : ST_IO;
}

static enum status activate(const struct identities *i, const struct certificate_row *row)
{
	enum status st = directory_begin(i->d);

	if (st != ST_OK)
		return st;
	st = directory_set_certificate(i->d, row->serial, CERTIFICATE_ACTIVE, 0);
	if (st == ST_OK)
		st = retire(i, row->domain, row->account, row->kind, row->serial);
	if (st == ST_OK)
		return directory_end(i->d, true);
	return directory_end(i->d, false) == ST_OK ? st : ST_IO;
}

enum status identities_switch(const struct identities *i, struct view serial)
{
	struct arena a = ARENA(ARENA_MOST);
	struct certificate_row row;
	enum status st = directory_certificate(i->d, serial, &a, &row);

	if (st == ST_OK)
		st = row.state == CERTIFICATE_NEXT ? activate(i, &row) : ST_MISSING;
	arena_free(&a);
	return st;
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

/* It outlasts several certificates of people in any case. */
static enum status make_authority(const struct identities *i, struct view domain, enum certificate_state state,
				  struct smime_key *ret)
{
	wall_ms life = AUTHORITY_YEARS * year > 3 * i->validity ? AUTHORITY_YEARS * year : 3 * i->validity;
	struct smime_request q = { .use = SMIME_USE_AUTHORITY, .domain = domain, .from = i->now - minute,
				   .until = i->now + life };
	struct smime_key k;
	enum status st = smime_issue(&q, &k);

	if (st != ST_OK)
		return st;
	st = keep_new(i, (struct certificate_row){ .domain = domain, .kind = CERTIFICATE_AUTHORITY, .state = state }, &k, NULL);
	if (st == ST_OK && ret)
		*ret = k;
	else
		key_free_both(&k);
	return st;
}

enum status identities_authority(const struct identities *i, struct view domain, struct smime_key *ret)
{
	struct arena a = ARENA(ARENA_MOST);
	struct found f = { .i = i, .kind = CERTIFICATE_AUTHORITY, .until = i->now + i->validity, .a = &a, .states = IS_ACTIVE };
	enum status st = directory_certificates(i->d, domain, 0, find, &f);

	if (st == ST_OK && !f.any) {
		f.states = IS_NEXT;
		st = directory_certificates(i->d, domain, 0, find, &f);
		if (st == ST_OK && f.any)
			st = activate(i, &f.row);
	}
	if (st == ST_OK && !f.any)
		st = make_authority(i, domain, CERTIFICATE_ACTIVE, ret);
	else if (st == ST_OK && ret)
		st = load(i, &f.row, ret);
	arena_free(&a);
	return st;
}

enum status identities_prepare(const struct identities *i, struct view domain, bool *ret_made)
{
	struct arena a = ARENA(ARENA_MOST);
	struct found f = { .i = i, .kind = CERTIFICATE_AUTHORITY, .until = i->now + i->validity + year, .a = &a,
			   .states = IS_ACTIVE | IS_NEXT };
	enum status st = directory_certificates(i->d, domain, 0, find, &f);
	bool made = st == ST_OK && !f.any;

	if (made)
		st = make_authority(i, domain, CERTIFICATE_NEXT, NULL);
	arena_free(&a);
	if (st == ST_OK)
		*ret_made = made;
	return st;
}

/* ---- people ---- */

static enum status put_places(const struct identities *i, struct view domain, const struct smime_key *authority,
			      struct buf *list, struct buf *certificate)
{
	struct arena a = ARENA(ARENA_MOST);
	struct view serial = smime_serial(X509_get0_serialNumber(authority->certificate), &a);
	enum status st = identities_url(i->conf, domain, list);

	if (st == ST_OK && list->n) {
		buf_put(certificate, buf_view(list));
		buf_putf(list, "/%.*s.crl", VIEW_ARG(serial));
		buf_putf(certificate, "/%.*s.cer", VIEW_ARG(serial));
		st = buf_status(list) == ST_OK ? buf_status(certificate) : buf_status(list);
	}
	arena_free(&a);
	return st;
}

/* Takes fresh: the key that others will encrypt for, or NULL. */
static enum status issue_one(const struct identities *i, const struct account *of, const struct smime_key *authority,
			     enum smime_use use, enum certificate_state state, EVP_PKEY *fresh)
{
	struct buf list = BUF(IDENTITIES_URL_MAX), certificate = BUF(IDENTITIES_URL_MAX);
	struct smime_request q = { .use = use, .authority = authority, .address = of->address, .from = i->now - minute,
				   .until = i->now + i->validity, .fresh = fresh };
	struct certificate_row row = {
		.domain = address_domain(of->address), .address = of->address, .account = of->id,
		.kind = use == SMIME_USE_SIGNING ? CERTIFICATE_SIGNING : CERTIFICATE_ENCRYPTION, .state = state,
	};
	struct smime_key k = { 0 };
	enum status st = put_places(i, row.domain, authority, &list, &certificate);

	q.list_url = buf_view(&list);
	q.authority_url = buf_view(&certificate);
	if (st == ST_OK)
		st = smime_issue(&q, &k);
	if (st == ST_OK)
		st = keep_new(i, row, &k, NULL);
	key_free_both(&k);
	EVP_PKEY_free(fresh);
	buf_free(&list);
	buf_free(&certificate);
	return st;
}

static enum status has(const struct identities *i, const struct account *of, struct found f, bool *ret)
{
	struct arena a = ARENA(ARENA_MOST);
	enum status st;

	f.a = &a;
	st = directory_certificates(i->d, VIEW_NONE, of->id, find, &f);
	*ret = f.any;
	arena_free(&a);
	return st;
}

/* A person is never without one for as long as others may still use what he had. */
static enum status is_due(const struct identities *i, const struct account *of, enum certificate_kind kind, bool *ret,
			  enum certificate_state *ret_state)
{
	struct found lasting = { .i = i, .kind = kind, .until = i->now + i->validity / 3, .imported_spare = 2 * week,
				 .states = IS_ACTIVE | IS_NEXT };
	struct found good = { .i = i, .kind = kind, .until = i->now, .states = IS_ACTIVE };
	bool lasts = true, any = false;
	enum status st = has(i, of, lasting, &lasts);

	if (st == ST_OK && !lasts)
		st = has(i, of, good, &any);
	*ret = !lasts;
	*ret_state = any ? CERTIFICATE_NEXT : CERTIFICATE_ACTIVE;
	return st;
}

/* Somebody else may have been there meanwhile, or the account may be gone. */
static enum status wait_for_key(const struct identities *i, const struct account *of, bool anew, EVP_PKEY **ret,
				bool *ret_due, enum certificate_state *ret_state)
{
	struct arena a = ARENA(ARENA_MOST);
	struct account still;
	EVP_PKEY *key = rsa_make(i->fresh, SMIME_RSA_LEAST);
	enum status st = key ? directory_account(i->d, of->address, &a, &still) : ST_NOMEM;

	if (st == ST_OK && still.id != of->id)
		st = ST_MISSING;
	if (st == ST_OK && !anew)
		st = is_due(i, of, CERTIFICATE_ENCRYPTION, ret_due, ret_state);
	arena_free(&a);
	if (st == ST_OK)
		*ret = key;
	else
		EVP_PKEY_free(key);
	return st;
}

enum status identities_issue(const struct identities *i, const struct account *of, bool anew, unsigned *ret_made)
{
	struct smime_key authority = { 0 };
	unsigned made = 0;
	enum status st = ST_OK;

	for (int use = SMIME_USE_SIGNING; use <= SMIME_USE_ENCRYPTION && st == ST_OK; use++) {
		enum certificate_kind kind = use == SMIME_USE_SIGNING ? CERTIFICATE_SIGNING : CERTIFICATE_ENCRYPTION;
		enum certificate_state state = CERTIFICATE_ACTIVE;
		EVP_PKEY *fresh = NULL;
		bool due = true;

		if (!anew)
			st = is_due(i, of, kind, &due, &state);
		if (st != ST_OK || !due)
			continue;
		if (use == SMIME_USE_ENCRYPTION && i->fresh)
			st = wait_for_key(i, of, anew, &fresh, &due, &state);
		if (st == ST_OK && due && authority.key == NULL)
			st = identities_authority(i, address_domain(of->address), &authority);
		if (st == ST_OK && due)
			st = issue_one(i, of, &authority, (enum smime_use)use, state, fresh);
		else
			EVP_PKEY_free(fresh);
		made += st == ST_OK && due;
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

/* What every reader would hold against it (RFC 8550 4), or NULL. */
static const char *flaw(const struct identities *i, const struct account *of, const struct smime_key *key)
{
	X509 *x = key->certificate;
	uint32_t purpose = X509_get_extended_key_usage(x), usage = X509_get_key_usage(x);
	const uint32_t wanted = KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION | KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT;
	struct arena a = ARENA(ARENA_MOST);
	size_t n = 0;
	bool bad, names = false;
	struct view *all = smime_addresses(x, &a, &n, &bad);

	for (size_t k = 0; k < n; k++)
		names |= smime_same_address(all[k], of->address);
	arena_free(&a);
	if (!names)
		return "the certificate does not name the address";
	if (X509_check_private_key(x, key->key) != 1)
		return "the private key is another one's";
	if (smime_time(X509_get0_notAfter(x)) < i->now)
		return "the certificate has expired";
	if (smime_time(X509_get0_notBefore(x)) > i->now)
		return "the certificate is not valid yet";
	if (X509_get_extension_flags(x) & EXFLAG_CA)
		return "it is an authority's certificate, not a person's";
	if (purpose != UINT32_MAX && !(purpose & (XKU_SMIME | XKU_ANYEKU)))
		return "its extended key usage does not allow it for mail (emailProtection is missing)";
	if (!(usage & wanted))
		return "its key usage allows neither signing nor encrypting";
	if (EVP_PKEY_get_security_bits(key->key) < 112)
		return "its key is too short to be trusted";
	return NULL;
}

enum status identities_import(const struct identities *i, const struct account *of, const struct smime_key *key,
			      STACK_OF(X509) *chain, const char **ret_why)
{
	struct certificate_row row = { .domain = address_domain(of->address), .address = of->address, .account = of->id,
				       .kind = kind_of(key->certificate), .imported = true };
	const char *why = flaw(i, of, key);

	if (why == NULL)
		return keep_new(i, row, key, chain);
	*ret_why = why;
	return ST_DENIED;
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
	} else if (c->state == CERTIFICATE_REVOKED && !c->imported && l->n == REVOKED_MOST) {
		l->st = ST_LIMIT;	/* half a list would clear the rest */
	} else if (c->state == CERTIFICATE_REVOKED && !c->imported) {
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
static enum status list_of(const struct listing *l, const struct certificate_row *row, struct buf *der)
{
	struct smime_revoked *own = calloc(l->n + 1, sizeof *own);
	struct smime_key authority;
	size_t n = 0;
	enum status st = own ? load(l->i, row, &authority) : ST_NOMEM;

	if (st == ST_OK) {
		for (size_t k = 0; k < l->n; k++)
			if (X509_check_issued(authority.certificate, l->all[k].certificate) == X509_V_OK)
				own[n++] = l->all[k];
		st = smime_issue_list(&authority, own, n, l->i->now, l->i->now + week, der);
		key_free_both(&authority);
	}
	free(own);
	return st;
}

static enum status put_list_pem(const struct listing *l, const struct certificate_row *row, struct buf *out)
{
	struct buf der = BUF(LIST_MOST);
	enum status st = list_of(l, row, &der);

	if (st == ST_OK)
		st = put_pem(buf_view(&der), out);
	buf_free(&der);
	return st;
}

static enum status listing_open(struct listing *l, const struct identities *i, struct view domain, struct arena *a)
{
	enum status st;

	*l = (struct listing){ .i = i, .a = a, .all = calloc(REVOKED_MOST, sizeof *l->all) };
	st = l->all ? directory_certificates(i->d, domain, 0, list_row, l) : ST_NOMEM;
	return st == ST_OK ? l->st : st;
}

static void listing_close(struct listing *l)
{
	for (size_t k = 0; k < l->n; k++)
		X509_free(l->all[k].certificate);
	free(l->all);
}

enum status identities_list(const struct identities *i, struct view domain, struct buf *out)
{
	struct arena a = ARENA(16 * ARENA_MOST);
	struct listing l;
	enum status st = listing_open(&l, i, domain, &a);

	if (st == ST_OK && l.n_authorities == 0)
		st = ST_MISSING;
	for (size_t k = 0; k < l.n_authorities && st == ST_OK; k++)
		st = put_list_pem(&l, &l.authorities[k], out);
	listing_close(&l);
	arena_free(&a);
	return st;
}

/* ---- what anybody may ask for ---- */

enum status identities_url(const struct conf *c, struct view domain, struct buf *out)
{
	struct arena a = ARENA(ARENA_MOST);
	uint16_t port = c ? conf_port(c->listen[SERVICE_HTTP]) : 0;
	struct view ascii;
	enum status st = ST_OK;

	if (c && c->smime_url[0]) {
		buf_puts(out, c->smime_url);
		while (out->n && out->p[out->n - 1] == '/')
			out->n--;
	} else if (port) {
		st = domain_ascii(domain, &a, &ascii);
		if (st == ST_OK) {
			buf_putf(out, "http://autoconfig.%.*s", VIEW_ARG(ascii));
			if (port != 80)
				buf_putf(out, ":%u", port);
			buf_puts(out, "/smime");
		}
	}
	arena_free(&a);
	return st == ST_OK ? buf_status(out) : st;
}

static enum status find_authority(const struct identities *i, struct view serial, struct arena *a,
				  struct certificate_row *ret)
{
	struct certificate_row row;
	enum status st = directory_certificate(i->d, serial, a, &row);

	if (st == ST_OK && (row.kind != CERTIFICATE_AUTHORITY || row.not_after < i->now))
		st = ST_MISSING;
	if (st == ST_OK)
		*ret = row;
	return st;
}

enum status identities_list_of(const struct identities *i, struct view serial, struct buf *out)
{
	struct arena a = ARENA(16 * ARENA_MOST);
	struct certificate_row row;
	struct listing l = { 0 };
	enum status st = find_authority(i, serial, &a, &row);

	if (st == ST_OK)
		st = listing_open(&l, i, row.domain, &a);
	if (st == ST_OK)
		st = list_of(&l, &row, out);
	listing_close(&l);
	arena_free(&a);
	return st;
}

enum status identities_authority_of(const struct identities *i, struct view serial, struct buf *out)
{
	struct arena a = ARENA(ARENA_MOST);
	struct certificate_row row;
	enum status st = find_authority(i, serial, &a, &row);

	if (st == ST_OK) {
		buf_put(out, row.certificate);
		st = buf_status(out);
	}
	arena_free(&a);
	return st;
}
