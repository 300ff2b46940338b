#include "admin/dns/facts.h"

#include "directory/certificates.h"
#include "directory/signing.h"
#include "mta/relay/internal.h"
#include "trust/domain.h"
#include "warden/keys.h"
#include "wire/smtp.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

/* ---- keys of TLS ---- */

static enum status pin_of(const X509 *x, unsigned char ret[PIN_SIZE])
{
	unsigned char *der = NULL;
	int n = x ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : -1;

	if (n > 0)
		SHA256(der, (size_t)n, ret);
	OPENSSL_free(der);
	return n > 0 ? ST_OK : ST_SYNTAX;
}

enum status pin_of_file(const char *path, const char *host, unsigned char ret[PIN_SIZE])
{
	X509 *x = certificate_read(path);
	enum status st = ST_MISSING;

	if (x == NULL && access(path, F_OK) == 0)
		st = ST_SYNTAX;
	else if (x && (host[0] == '\0' || X509_check_host(x, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1))
		st = pin_of(x, ret);
	X509_free(x);
	return st;
}

enum status pin_of_pem(struct view chain, unsigned char ret[PIN_SIZE])
{
	BIO *bio = chain.n <= INT32_MAX ? BIO_new_mem_buf(chain.p, (int)chain.n) : NULL;
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	enum status st = pin_of(x, ret);

	BIO_free(bio);
	X509_free(x);
	return st;
}

/* One key may have several certificates. */
static void add_pin(struct dns_facts *f, const char *path, const char *host, bool next)
{
	struct fact_pin pin = { .next = next };

	if (f->n_pins == FACT_PINS || pin_of_file(path, host, pin.digest) != ST_OK)
		return;
	for (size_t i = 0; i < f->n_pins; i++)
		if (memcmp(f->pins[i].digest, pin.digest, PIN_SIZE) == 0)
			return;
	f->pins[f->n_pins++] = pin;
}

static int is_pem(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 4 && e->d_name[0] != '.' && strcmp(e->d_name + n - 4, ".pem") == 0;
}

/* Those that a client gets who asks for the host's name: src/parent/keys.c. */
static void find_pins(const struct conf *c, struct dns_facts *f)
{
	struct dirent **all = NULL;
	char path[PATH_SIZE];
	int n;

	if (c->tls_certificate[0])
		snprintf(path, sizeof path, "%s%s%s", c->tls_certificate[0] == '/' ? "" : c->dir,
			 c->tls_certificate[0] == '/' ? "" : "/", c->tls_certificate);
	else
		snprintf(path, sizeof path, "%s/keys/tls.pem", c->dir);
	add_pin(f, path, "", false);
	snprintf(path, sizeof path, "%s/keys/tls", c->dir);
	n = scandir(path, &all, is_pem, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/keys/tls/%.255s", c->dir, all[i]->d_name);
		add_pin(f, path, c->host_name, false);
		free(all[i]);
	}
	free(all);
	if (c->tls_certificate[0])
		return;
	snprintf(path, sizeof path, "%s/keys/next.pem", c->dir);
	add_pin(f, path, "", true);
}

/* ---- addresses ---- */

static bool is_public(const struct endpoint *e)
{
	const uint8_t *a = e->address;
	static const uint8_t loopback6[16] = { [15] = 1 };

	if (e->family == AF_INET6)
		return memcmp(a, loopback6, 16) != 0 && (a[0] & 0xfe) != 0xfc && !(a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
	/* RFC 6890 2.2.2: loopback, private, shared, link-local. */
	return a[0] != 127 && a[0] != 10 && a[0] != 0 && !(a[0] == 172 && (a[1] & 0xf0) == 16) &&
	       !(a[0] == 192 && a[1] == 168) && !(a[0] == 169 && a[1] == 254) && !(a[0] == 100 && (a[1] & 0xc0) == 64);
}

static void add_address(struct dns_facts *f, struct endpoint e)
{
	e.port = 0;
	for (size_t i = 0; i < f->n_addresses; i++)
		if (endpoint_same_host(&f->addresses[i], &e))
			return;
	if (f->n_addresses < FACT_ADDRESSES)
		f->addresses[f->n_addresses++] = e;
}

/* What a listener names is meant; what a machine happens to have is not, if
 * nobody else can reach it. */
static enum status own_addresses(const struct conf *c, struct dns_facts *f)
{
	struct relay *r = calloc(1, sizeof *r);

	if (r == NULL)
		return ST_NOMEM;
	r->proc.conf = *c;
	hosts_learn_own(r);
	for (size_t i = 0; i < r->n_own; i++) {
		char text[ENDPOINT_TEXT];

		if (is_public(&r->own[i]) || strstr(c->listen[SERVICE_SMTP], endpoint_text(&r->own[i], text)))
			add_address(f, r->own[i]);
	}
	free(r);
	return ST_OK;
}

/* The addresses alone: host.addresses, or what can be known without. */
static enum status facts_addresses(const struct conf *c, struct dns_facts *f, struct buf *why)
{
	const char *const sources[] = { c->relay_source4, c->relay_source6 };
	struct view list = view_cstr(c->host_addresses), one;
	struct endpoint e;
	enum status st = c->host_addresses[0] ? ST_OK : own_addresses(c, f);

	while (st == ST_OK && (one = view_take_word(&list)).n) {
		st = endpoint_parse(one, 0, &e);
		if (st == ST_OK)
			add_address(f, e);
		else
			buf_putf(why, "host.addresses has \"%.*s\", which is no address", VIEW_ARG(view_head(one, 80)));
	}
	for (size_t i = 0; i < 2 && st == ST_OK && c->host_addresses[0] == '\0'; i++)
		if (sources[i][0] && endpoint_parse(view_cstr(sources[i]), 0, &e) == ST_OK)
			add_address(f, e);
	return st;
}

/* ---- all together ---- */

static void take_key(void *arg, const struct signing_key *k)
{
	struct facts *f = arg;

	if (f->f.n_keys == FACT_KEYS)
		return;
	f->f.keys[f->f.n_keys++] = (struct fact_key){
		.selector = arena_copy(&f->arena, k->selector), .folder = arena_copy(&f->arena, k->domain),
		.algorithm = view_cstr(signing_algorithm_word(k->algorithm)),
		.public_key = arena_copy(&f->arena, k->public_key),
		.next = k->state == SIGNING_NEXT, .retired = k->state == SIGNING_RETIRED,
	};
}

static void take_certificate(void *arg, struct view owner, struct view rdata)
{
	struct facts *f = arg;
	struct fact_certificate *all = (struct fact_certificate *)(uintptr_t)f->f.certificates;

	if (all && f->f.n_certificates < FACT_CERTIFICATES)
		all[f->f.n_certificates++] = (struct fact_certificate){
			arena_copy(&f->arena, owner), arena_copy(&f->arena, rdata),
		};
}

/* Is it ours, and with which keys does it sign?  Some write U-labels there. */
static enum status look_up(const char *dir, struct view given, struct facts *f, struct buf *why)
{
	struct view domain = f->f.domain;
	char path[PATH_SIZE];
	struct directory *d = NULL;
	enum verdict v;
	enum status st;

	snprintf(path, sizeof path, "%s/directory/directory.db", dir);
	st = access(path, F_OK) == 0 ? directory_open(path, &d) : ST_MISSING;
	if (st != ST_OK) {
		buf_putf(why, "%s: %s", path, st == ST_MISSING ? "no instance here" : status_name(st));
		return st;
	}
	v = directory_has_domain(d, domain);
	if (v == VERDICT_NO) {
		domain = given;
		v = directory_has_domain(d, given);
	}
	f->f.certificates = arena_array(&f->arena, FACT_CERTIFICATES, sizeof *f->f.certificates);
	if (v == VERDICT_OK)
		st = signing_each(d, domain, take_key, f);
	if (v == VERDICT_OK && st == ST_OK)
		st = smimea_each(d, domain, take_certificate, f);
	directory_close(d);
	if (v == VERDICT_OK && st != ST_OK)
		buf_putf(why, "%s: %s", path, status_name(st));
	if (v == VERDICT_OK)
		return st == ST_OK ? arena_status(&f->arena) : st;
	buf_putf(why, "%.*s is not one of ours; `waxwing domain list` shows them", VIEW_ARG(domain));
	return v == VERDICT_NO ? ST_MISSING : ST_IO;
}

/* "postmaster" is postmaster@DOMAIN. */
static struct view whole_address(struct facts *f, const char *setting)
{
	struct buf b = BUF(1024);
	struct view v;

	if (setting[0] == '\0')
		return VIEW_NONE;
	buf_puts(&b, setting);
	if (strchr(setting, '@') == NULL)
		buf_putf(&b, "@%.*s", VIEW_ARG(f->f.domain));
	v = arena_copy(&f->arena, buf_view(&b));
	buf_free(&b);
	return v;
}

static enum status take_settings(struct facts *f, struct buf *why)
{
	const struct conf *c = &f->conf;
	struct dns_facts *d = &f->f;

	if (domain_ascii(view_cstr(c->host_name), &f->arena, &d->host) != ST_OK) {
		buf_putf(why, "host.name is \"%s\", which is no name that others could ask DNS for; "
			 "set it in waxwing.conf to the one that this host has there", c->host_name);
		return ST_SYNTAX;
	}
	for (int s = 0; s < SERVICE_COUNT; s++)
		d->ports[s] = conf_port(c->listen[s]);
	d->smtp_port = (uint16_t)c->relay_port;
	(void)!sts_mode_of(view_cstr(c->sts_mode), &d->sts);
	d->sts_age = (uint32_t)(c->sts_max_age / 1000);
	d->spf = view_cstr(c->publish_spf);
	d->smarthost = view_cstr(c->relay_smarthost);
	d->dmarc = view_cstr(c->publish_dmarc);
	d->reports = whole_address(f, c->publish_reports[0] ? c->publish_reports : c->reports_address);
	d->failure_reports = whole_address(f, c->publish_failures);
	d->caa = view_cstr(c->publish_caa);
	d->caa_mail = view_cstr(c->publish_caa_mail);
	d->ttl = (uint32_t)(c->publish_ttl / 1000);
	return arena_status(&f->arena);
}

enum status facts_gather(const char *dir, struct view domain, struct facts *ret, struct buf *why)
{
	enum status st;

	*ret = (struct facts){ .arena = ARENA(FACTS_ARENA) };
	st = conf_load(dir, &ret->conf, why);
	if (st == ST_OK && domain_ascii(domain, &ret->arena, &ret->f.domain) != ST_OK) {
		buf_putf(why, "%.*s is not the name of a domain, such as example.org", VIEW_ARG(view_head(domain, 255)));
		st = ST_SYNTAX;
	}
	if (st == ST_OK)
		st = look_up(dir, domain, ret, why);
	if (st == ST_OK)
		st = take_settings(ret, why);
	if (st == ST_OK)
		st = facts_addresses(&ret->conf, &ret->f, why);
	if (st == ST_OK)
		find_pins(&ret->conf, &ret->f);
	return st;
}

void facts_free(struct facts *f)
{
	conf_free(&f->conf);
	arena_free(&f->arena);
	*f = (struct facts){ 0 };
}
