#include "mua/certs.h"

#include "base/disk.h"
#include "mua/say.h"
#include "smime/ldap.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { DNS_ARENA = 256 * 1024, CERTIFICATE_MAX = 64 * 1024 };

const char *cert_source_text(enum cert_source s)
{
	return s == CERT_DNSSEC ? "from DNS, proved by DNSSEC" : s == CERT_SEEN ? "seen in a letter before" :
	       s == CERT_LDAP ? "from the LDAP directory, which alone says that it is his" : "nowhere";
}

/* ---- files ---- */

enum status certs_path(const struct place *p, const char *file, char out[PATH_TEXT_MAX])
{
	char folder[PATH_TEXT_MAX];
	int n;

	if (!path_copy(p->account, folder))
		return ST_MISSING;
	n = snprintf(out, PATH_TEXT_MAX, "%s/smime/%s", folder, file);
	return n > 0 && n < PATH_TEXT_MAX ? ST_OK : ST_LIMIT;
}

static enum status store(const struct certs *c, const char *file, struct view text)
{
	char path[PATH_TEXT_MAX];
	enum status st = certs_path(c->p, "", path);

	if (st == ST_OK)
		st = make_folders(path);
	if (st == ST_OK)
		st = certs_path(c->p, file, path);
	return st == ST_OK ? file_store(path, text) : st;
}

static enum status load(const struct certs *c, const char *file, struct buf *ret)
{
	char path[PATH_TEXT_MAX];
	enum status st = certs_path(c->p, file, path);

	return st == ST_OK ? file_load(path, ret) : st;
}

static enum status open_keys(struct certs *c)
{
	struct buf text = BUF(SMIME_PEM_MAX);
	enum status st = load(c, "keys.pem", &text);

	if (st == ST_OK && text.n)
		st = smime_keys_add(&c->keys, buf_view(&text));
	if (text.n)
		OPENSSL_cleanse(text.p, text.n);
	buf_free(&text);
	return st;
}

static enum status open_people(struct certs *c)
{
	struct buf text = BUF(SMIME_PEM_MAX);
	enum status st = load(c, "people.pem", &text);

	if (st == ST_OK && text.n)
		st = smime_certificates(buf_view(&text), c->people);
	buf_free(&text);
	return st;
}

enum status certs_open(struct certs *c, struct place *p)
{
	enum status st;

	*c = (struct certs){ .p = p, .people = sk_X509_new_null(), .found = sk_X509_new_null(),
			       .listed = sk_X509_new_null() };
	if (c->people == NULL || c->found == NULL || c->listed == NULL)
		return ST_NOMEM;
	st = open_keys(c);
	if (st != ST_OK) {
		say_failed("smime/keys.pem", st);
		return st;
	}
	st = open_people(c);
	if (st != ST_OK)
		say_failed("smime/people.pem", st);
	return st;
}

/* All of them, as PEM. */
static enum status put_pem(STACK_OF(X509) *all, struct buf *out)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;

	for (int i = 0; b && i < sk_X509_num(all); i++)
		PEM_write_bio_X509(b, sk_X509_value(all, i));
	n = b ? BIO_get_mem_data(b, &p) : 0;
	if (n > 0)
		buf_put(out, view_make(p, (size_t)n));
	BIO_free(b);
	return b ? buf_status(out) : ST_NOMEM;
}

void certs_close(struct certs *c)
{
	struct buf text = BUF(SMIME_PEM_MAX);
	enum status st = ST_OK;

	if (c->changed)
		st = put_pem(c->people, &text);
	if (c->changed && st == ST_OK)
		st = store(c, "people.pem", buf_view(&text));
	if (st != ST_OK)
		say_failed("smime/people.pem", st);
	buf_free(&text);
	smime_keys_free(&c->keys);
	sk_X509_pop_free(c->people, X509_free);
	sk_X509_pop_free(c->found, X509_free);
	sk_X509_pop_free(c->listed, X509_free);
}

enum status certs_add_keys(struct certs *c, struct view pem)
{
	struct buf text = BUF(SMIME_PEM_MAX);
	struct smime_keys fresh = { .n = 0 };
	enum status st = smime_keys_add(&fresh, pem);

	for (unsigned i = 0; st == ST_OK && i < fresh.n; i++)
		for (unsigned k = 0; k < c->keys.n; k++)
			if (X509_cmp(fresh.all[i].certificate, c->keys.all[k].certificate) == 0)
				st = ST_EXISTS;
	if (st == ST_OK)
		st = load(c, "keys.pem", &text);
	if (st == ST_OK) {
		if (text.n && text.p[text.n - 1] != '\n')
			buf_putc(&text, '\n');
		buf_put(&text, pem);
		st = buf_status(&text);
	}
	if (st == ST_OK)
		st = store(c, "keys.pem", buf_view(&text));
	if (st == ST_OK)
		st = smime_keys_add(&c->keys, pem);
	if (text.n)
		OPENSSL_cleanse(text.p, text.n);
	buf_free(&text);
	smime_keys_free(&fresh);
	return st;
}

/* ---- ours ---- */

static bool is_of(X509 *x, struct view address)
{
	struct arena a = ARENA(SMIME_ARENA_MAX);
	size_t n = 0;
	bool bad, is = false;
	struct view *all = smime_addresses(x, &a, &n, &bad);

	for (size_t i = 0; all && i < n; i++)
		is |= smime_same_address(all[i], address);
	arena_free(&a);
	return is;
}

static bool is_valid(X509 *x, wall_ms now)
{
	return smime_time(X509_get0_notBefore(x)) <= now && now <= smime_time(X509_get0_notAfter(x));
}

static bool newer(X509 *x, X509 *than)
{
	return than == NULL || smime_time(X509_get0_notBefore(x)) > smime_time(X509_get0_notBefore(than));
}

const struct smime_key *certs_signer(const struct certs *c, struct view address, wall_ms now)
{
	const struct smime_key *best = NULL;

	for (unsigned i = 0; i < c->keys.n; i++) {
		const struct smime_key *k = &c->keys.all[i];

		if ((X509_get_key_usage(k->certificate) & KU_DIGITAL_SIGNATURE) && is_valid(k->certificate, now) &&
		    is_of(k->certificate, address) && newer(k->certificate, best ? best->certificate : NULL))
			best = k;
	}
	return best;
}

X509 *certs_own(const struct certs *c, struct view address, wall_ms now)
{
	X509 *best = NULL;

	for (unsigned i = 0; i < c->keys.n; i++) {
		X509 *x = c->keys.all[i].certificate;

		if (smime_can_receive(x, now) && is_of(x, address) && newer(x, best))
			best = x;
	}
	return best;
}

/* ---- others ---- */

/* What DNSSEC proves; nothing where it cannot be asked. */
static void find_in_dns(struct certs *c, struct view address)
{
	struct arena a = ARENA(DNS_ARENA);
	steady_ms began = clock_steady();
	struct resolver *r = began < c->p->dns_silent ? NULL : place_resolver(c->p);
	struct discovered found = { .outcome = DISCOVERY_FAILED };

	if (r && smime_discover(r, address, &a, &found) != ST_OK)
		found.n_people = 0;
	if (found.outcome == DISCOVERY_FAILED && clock_steady() - began >= PLACE_DNS_MS)
		c->p->dns_silent = clock_steady() + PLACE_DNS_PAUSE_MS;
	for (size_t i = 0; i < found.n_people && sk_X509_num(c->found) < CERTS_FOUND_MOST; i++) {
		X509 *x = smime_certificate(found.people[i]);

		/* The name in DNS binds it to the address; what it says itself must not differ. */
		if (x && (!is_of(x, address) || !sk_X509_push(c->found, x)))
			X509_free(x);
	}
	arena_free(&a);
}

/* Where the account has a directory. */
static void find_in_ldap(struct certs *c, struct view address)
{
	struct ldap_place where = { c->p->account->ldap, c->p->settings.authorities };
	struct discovered found = { .outcome = DISCOVERY_FAILED };
	struct arena a = ARENA(DNS_ARENA);
	struct buf why = BUF(1024);

	if (where.url[0] && smime_ldap_find(&where, address, &a, &found, &why) != ST_OK)
		found.n_people = 0;
	if (why.n)
		say("%s: %.*s", where.url, VIEW_ARG(buf_view(&why)));
	for (size_t i = 0; i < found.n_people && sk_X509_num(c->listed) < CERTS_FOUND_MOST; i++) {
		X509 *x = smime_certificate(found.people[i]);

		if (x && !sk_X509_push(c->listed, x))
			X509_free(x);
	}
	buf_free(&why);
	arena_free(&a);
}

static X509 *best_of(STACK_OF(X509) *all, struct view address, wall_ms now)
{
	X509 *best = NULL;

	for (int i = 0; i < sk_X509_num(all); i++) {
		X509 *x = sk_X509_value(all, i);

		if (smime_can_receive(x, now) && is_of(x, address) && newer(x, best))
			best = x;
	}
	return best;
}

X509 *certs_find(struct certs *c, struct view address, wall_ms now, enum cert_source *ret)
{
	X509 *x;

	find_in_dns(c, address);
	x = best_of(c->found, address, now);
	*ret = x ? CERT_DNSSEC : CERT_SEEN;
	if (x == NULL)
		x = best_of(c->people, address, now);
	if (x == NULL) {
		find_in_ldap(c, address);
		x = best_of(c->listed, address, now);
		*ret = x ? CERT_LDAP : CERT_NOWHERE;
	}
	return x;
}

unsigned certs_pin(struct certs *c, struct view address, struct smime_trust *t)
{
	unsigned n = 0;

	find_in_dns(c, address);
	for (int i = 0; i < sk_X509_num(c->found); i++) {
		struct arena a = ARENA(CERTIFICATE_MAX);
		struct view der = smime_der(sk_X509_value(c->found, i), &a);

		n += der.n && smime_trust_certificate(t, der) == ST_OK;
		arena_free(&a);
	}
	return n;
}

static bool knows(STACK_OF(X509) *all, X509 *x)
{
	for (int i = 0; i < sk_X509_num(all); i++)
		if (X509_cmp(sk_X509_value(all, i), x) == 0)
			return true;
	return false;
}

void certs_learn(struct certs *c, const struct smime_letter *l)
{
	const struct smime_signer *s = smime_main_signer(l);

	if (s == NULL || !s->valid || !s->address_match || s->revocation == SMIME_REVOKED || l->author.kind != AUTHOR_ONE)
		return;
	/* Signing and encryption certificate may be two. */
	for (size_t i = 0; i < l->n_certificates; i++) {
		X509 *x = smime_certificate(l->certificates[i]);

		if (x && is_of(x, l->author.all[0].address) && !knows(c->people, x) && sk_X509_push(c->people, x)) {
			c->changed = true;
			continue;
		}
		X509_free(x);
	}
}
