#include "warden/authorities.h"

#include "base/cursor.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct authorities {
	X509_STORE *store;
};

void authorities_free(struct authorities *a)
{
	if (a == NULL)
		return;
	X509_STORE_free(a->store);
	free(a);
}

enum status authorities_new(struct view pem, struct authorities **ret)
{
	struct authorities *a = calloc(1, sizeof *a);
	BIO *bio = pem.n && pem.n < INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	X509 *x;
	size_t n = 0;
	enum status st = ST_OK;

	if (a)
		a->store = X509_STORE_new();
	if (a == NULL || a->store == NULL)
		st = ST_NOMEM;
	while (st == ST_OK && bio && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (!X509_STORE_add_cert(a->store, x))
			st = ST_NOMEM;
		X509_free(x);
		if (++n > AUTHORITIES_MAX)
			st = ST_LIMIT;
	}
	BIO_free(bio);
	ERR_clear_error();
	if (st == ST_OK && n == 0)
		st = ST_SYNTAX;
	if (st != ST_OK) {
		authorities_free(a);
		return st;
	}
	*ret = a;
	return ST_OK;
}

static X509 *take_certificate(struct cursor *c)
{
	struct view der = take_view(c);
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *x = der.n && der.n < INT32_MAX ? d2i_X509(NULL, &p, (long)der.n) : NULL;

	if (x && p != (const unsigned char *)der.p + der.n) {
		X509_free(x);
		return NULL;
	}
	return x;
}

/* An address that could not be one, or that holds something to hide what
 * follows it, is none. */
static void put_name(const ASN1_IA5STRING *s, struct buf *out)
{
	struct view v = view_make((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));

	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] <= ' ' || (unsigned char)v.p[i] >= 0x7f)
			return;
	if (v.n == 0)
		return;
	buf_put(out, v);
	buf_putc(out, '\n');
}

static void put_names(X509 *x, struct buf *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		if (n->type == GEN_EMAIL)
			put_name(n->d.rfc822Name, out);
	}
	GENERAL_NAMES_free(names);
}

static bool vouched(const struct authorities *a, X509 *leaf, STACK_OF(X509) *between, wall_ms now)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool good = false;

	if (ctx && X509_STORE_CTX_init(ctx, a->store, leaf, between) == 1) {
		X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
		X509_STORE_CTX_set_time(ctx, 0, (time_t)(now / 1000));
		good = X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

enum status authorities_check(const struct authorities *a, struct view chain, wall_ms now, struct buf *ret_names)
{
	struct cursor c = cursor_over(chain);
	X509 *leaf = take_certificate(&c), *x;
	STACK_OF(X509) *between = sk_X509_new_null();
	enum status st = leaf ? ST_OK : ST_SYNTAX;

	if (between == NULL)
		st = ST_NOMEM;
	for (int n = 0; st == ST_OK && cursor_left(&c); n++) {
		x = n < CLIENT_CHAIN_MAX ? take_certificate(&c) : NULL;
		if (x == NULL || !sk_X509_push(between, x)) {
			X509_free(x);
			st = ST_SYNTAX;
		}
	}
	if (st == ST_OK)
		st = vouched(a, leaf, between, now) ? ST_OK : ST_DENIED;
	if (st == ST_OK) {
		put_names(leaf, ret_names);
		st = buf_status(ret_names) == ST_OK ? ST_OK : ST_DENIED;
	}
	X509_free(leaf);
	sk_X509_pop_free(between, X509_free);
	ERR_clear_error();
	return st;
}
