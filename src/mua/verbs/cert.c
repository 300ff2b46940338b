/* cert.c - waxmail cert: keys and certificates for S/MIME. */
#include "mua/certs.h"
#include "mua/copy/show.h"
#include "mua/say.h"
#include "mua/secret.h"
#include "mua/verb.h"
#include "smime/issue.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { ROW_ARENA = 4 * 1024 * 1024, LINE_MAX_ = 4096 };

/* ---- rows ---- */

static json_t *addresses_of(X509 *x, struct arena *a)
{
	json_t *all = json_array();
	size_t n = 0;
	bool bad;
	struct view *found = smime_addresses(x, a, &n, &bad);

	for (size_t i = 0; found && i < n; i++)
		json_array_append_new(all, say_text(found[i]));
	return all;
}

static const char *use_of(X509 *x, wall_ms now)
{
	bool signs = (X509_get_key_usage(x) & KU_DIGITAL_SIGNATURE) != 0, receives = smime_can_receive(x, now);

	return signs && receives ? "both" : receives ? "encryption" : signs ? "signing" : "none";
}

static void add_row(json_t *rows, X509 *x, bool ours, const char *source)
{
	struct arena a = ARENA(ROW_ARENA);

	json_array_append_new(rows,
			      json_pack("{sb,so,ss,so,so,so,ss}", "ours", ours, "addresses", addresses_of(x, &a), "use",
					use_of(x, clock_wall()), "issuer", say_text(smime_name(X509_get_issuer_name(x), &a)),
					"serial", say_text(smime_serial(X509_get0_serialNumber(x), &a)), "expires",
					say_time(smime_time(X509_get0_notAfter(x))), "source", source));
	arena_free(&a);
}

static void print_line(const json_t *row)
{
	struct buf line = BUF(LINE_MAX_);
	const json_t *addresses = json_object_get(row, "addresses");

	show_line(view_cstr(json_string_value(json_array_get(addresses, 0)) ? json_string_value(json_array_get(addresses, 0)) : "-"), 40,
		  &line);
	buf_putf(&line, "  %-10s  until %.10s  %s%s  ", json_string_value(json_object_get(row, "use")),
		 json_string_value(json_object_get(row, "expires")), json_is_true(json_object_get(row, "ours")) ? "with its key, " : "",
		 json_string_value(json_object_get(row, "source")));
	show_line(view_cstr(json_string_value(json_object_get(row, "issuer"))), 0, &line);
	printf("%.*s\n", VIEW_ARG(buf_view(&line)));
	buf_free(&line);
}

static int print_rows(const struct invocation *in, json_t *rows, const char *none)
{
	json_t *row;
	size_t i;

	if (GIVEN(in, json))
		return print_array(rows);
	if (json_array_size(rows) == 0)
		say("%s", none);
	json_array_foreach(rows, i, row)
		print_line(row);
	json_decref(rows);
	return printed();
}

int verb_cert_list(struct invocation *in)
{
	json_t *rows = json_array();
	struct place p;
	struct certs c;
	enum status st = place_open(&p, in);
	int status = FAILED;

	if (st == ST_OK) {
		st = certs_open(&c, &p);
		for (unsigned i = 0; st == ST_OK && i < c.keys.n; i++)
			add_row(rows, c.keys.all[i].certificate, true, "imported");
		for (int i = 0; st == ST_OK && i < sk_X509_num(c.people); i++)
			add_row(rows, sk_X509_value(c.people, i), false, "seen in a letter");
		certs_close(&c);
	}
	if (st == ST_OK)
		status = print_rows(in, rows, "none yet; `waxmail cert import FILE` brings your own");
	else
		json_decref(rows);
	place_close(&p);
	return status;
}

int verb_cert_find(struct invocation *in)
{
	json_t *rows = json_array();
	struct place p;
	struct certs c;
	enum status st = place_open(&p, in);
	int status = FAILED;
	bool all = true;

	if (st == ST_OK) {
		st = certs_open(&c, &p);
		for (int i = 0; st == ST_OK && i < in->n; i++) {
			enum cert_source source;
			X509 *x = certs_find(&c, view_cstr(in->args[i]), clock_wall(), &source);

			all &= x != NULL;
			if (x)
				add_row(rows, x, false, cert_source_text(source));
			else
				say("%.300s: none; DNS has none that DNSSEC proves, and no letter brought one", in->args[i]);
		}
		certs_close(&c);
	}
	if (st == ST_OK)
		status = print_rows(in, rows, "") == DONE && all ? DONE : FAILED;
	else
		json_decref(rows);
	place_close(&p);
	return status;
}

/* ---- import ---- */

static enum status put_pem(EVP_PKEY *key, X509 *x, STACK_OF(X509) *chain, struct buf *out)
{
	BIO *b = BIO_new(BIO_s_secmem());
	enum status st = b && PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) && PEM_write_bio_X509(b, x) ? ST_OK :
															      ST_NOMEM;
	char *p;
	long n;

	for (int i = 0; st == ST_OK && i < sk_X509_num(chain); i++)
		st = PEM_write_bio_X509(b, sk_X509_value(chain, i)) ? ST_OK : ST_NOMEM;
	n = st == ST_OK ? BIO_get_mem_data(b, &p) : 0;
	if (n > 0)
		buf_put(out, view_make(p, (size_t)n));
	BIO_free(b);
	return st == ST_OK ? buf_status(out) : st;
}

/* PKCS #12 becomes PEM; else it is taken for that.  ST_DENIED: the password. */
static enum status to_pem(struct view file, const char *name, struct buf *out)
{
	struct buf password = BUF(PASSWORD_MAX);
	struct smime_key k = { 0 };
	STACK_OF(X509) *chain = NULL;
	enum status st = smime_read_p12(file, "", &k, &chain);

	if (st == ST_DENIED) {
		st = password_ask(name, &password);
		buf_putc(&password, '\0');
		if (st == ST_OK)
			st = smime_read_p12(file, password.p, &k, &chain);
	} else if (st == ST_SYNTAX) {
		buf_put(out, file);
		return buf_status(out);
	}
	if (st == ST_OK)
		st = put_pem(k.key, k.certificate, chain, out);
	EVP_PKEY_free(k.key);
	X509_free(k.certificate);
	sk_X509_pop_free(chain, X509_free);
	buf_wipe(&password);
	return st;
}

static int complain(const char *file, enum status st)
{
	if (st == ST_SYNTAX)
		say("%.300s: there is no private key with its certificate in it", file);
	else if (st == ST_EXISTS)
		say("%.300s: that certificate is here already", file);
	else if (st == ST_DENIED)
		say("%.300s: the password is not right, or its encryption is too old to read", file);
	else
		say_failed(file, st);
	return FAILED;
}

int verb_cert_import(struct invocation *in)
{
	struct buf file = BUF(SMIME_PEM_MAX), pem = BUF(SMIME_PEM_MAX);
	json_t *rows = json_array();
	struct place p;
	struct certs c;
	unsigned before = 0;
	enum status st = place_open(&p, in);
	int status = FAILED;

	if (st == ST_OK) {
		st = certs_open(&c, &p);
		if (st == ST_OK) {
			before = c.keys.n;
			st = file_load(in->args[0], &file);
			if (st == ST_OK)
				st = file.n ? to_pem(buf_view(&file), in->args[0], &pem) : ST_MISSING;
			if (st == ST_OK)
				st = certs_add_keys(&c, buf_view(&pem));
			if (st != ST_OK)
				complain(in->args[0], st);
		}
		for (unsigned i = before; st == ST_OK && i < c.keys.n; i++)
			add_row(rows, c.keys.all[i].certificate, true, "imported");
		certs_close(&c);
	}
	if (st == ST_OK)
		status = print_rows(in, rows, "");
	else
		json_decref(rows);
	if (file.n)
		OPENSSL_cleanse(file.p, file.n);
	if (pem.n)
		OPENSSL_cleanse(pem.p, pem.n);
	buf_free(&file);
	buf_free(&pem);
	place_close(&p);
	return status;
}
