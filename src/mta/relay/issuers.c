/* issuers.c - the keys of those who issue tokens (RFC 7517), fetched for warden,
 * which opens no connection.
 *
 * Which issuers there are, and where they have their keys, the settings say and
 * not warden; where they say nothing, it is in the issuer's own document (OpenID
 * Connect Discovery 4, RFC 8414 3), which must be about that issuer. */
#include "mta/relay/internal.h"

#include "base/json.h"
#include "base/log.h"
#include "report/address.h"

#include <stdio.h>
#include <stdlib.h>

enum { ISSUER_ARENA = 512 * 1024, DOCUMENT_MAX = 64 * 1024, FETCH_MS = 7000, ASKED_AT_ONCE = 32 };

struct issuer_fetch {
	struct relay *r;
	struct arena a;
	uint32_t call;
	struct view issuer, keys_url;
	struct view configuration;	/* the document that names keys_url, or empty */
	struct fetch w;			/* of the last fetch */
};

/* One document, in the arena. */
static enum status get(struct issuer_fetch *f, struct view url, struct view *ret)
{
	struct buf addresses = BUF(FETCH_ADDRESSES), body = BUF(DOCUMENT_MAX);
	struct report_address list[REPORT_ADDRESSES];
	bool one = report_addresses(url, &f->a, list) == 1 && list[0].url.n == url.n;
	char *host = one ? arena_cstr(&f->a, list[0].host) : NULL, *path = one ? arena_cstr(&f->a, list[0].path) : NULL;
	enum status st = ST_SYNTAX;

	f->w = (struct fetch){ .host = host, .path = path, .timeout_ms = FETCH_MS, .why = "it is no URL of https" };
	if (host && path) {
		st = ST_IO;
		f->w.port = list[0].port;
		snprintf(f->w.why, sizeof f->w.why, "its host has no address");
		if (fetch_addresses(&f->r->dns.resolver, host, &f->a, &addresses)) {
			f->w.addresses = addresses.p;
			st = fetch(f->r->fetcher, &f->w, &body);
		}
	}
	if (st == ST_OK) {
		*ret = arena_copy(&f->a, buf_view(&body));
		st = arena_status(&f->a);
	}
	buf_free(&addresses);
	buf_free(&body);
	return st;
}

/* Behind the path (OpenID Connect Discovery 4.1), or between it and the host (RFC 8414 3.1). */
static struct view document_url(struct issuer_fetch *f, bool openid)
{
	struct view base = f->issuer, host;
	struct buf b = BUF(2048);
	struct view url;

	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	host = view_head(base, sizeof "https://" - 1);
	host.n += view_find(view_skip(base, host.n), '/');
	if (openid)
		buf_putf(&b, "%.*s/.well-known/openid-configuration", VIEW_ARG(base));
	else
		buf_putf(&b, "%.*s/.well-known/oauth-authorization-server%.*s", VIEW_ARG(host),
			 VIEW_ARG(view_skip(base, host.n)));
	url = buf_status(&b) == ST_OK ? arena_copy(&f->a, buf_view(&b)) : VIEW_NONE;
	buf_free(&b);
	return url;
}

/* A document about somebody else would let him sign for this issuer (RFC 8414 3.3, 6.2). */
static enum status read_document(struct issuer_fetch *f, struct view document)
{
	json_t *o = json_object_of(document);
	struct view uri = json_member(o, "jwks_uri");
	enum status st = ST_SYNTAX;

	if (!view_eq(json_member(o, "issuer"), f->issuer)) {
		snprintf(f->w.why, sizeof f->w.why, "its document is about another issuer");
	} else if (uri.n == 0) {
		snprintf(f->w.why, sizeof f->w.why, "its document has no jwks_uri");
	} else {
		f->keys_url = arena_copy(&f->a, uri);
		st = arena_status(&f->a);
	}
	json_decref(o);
	return st;
}

static enum status discover(struct issuer_fetch *f)
{
	struct view document, url = document_url(f, true);
	enum status st = get(f, url, &document);

	/* What is not there may be at the other place. */
	if (st == ST_DENIED && !f->w.untrusted) {
		url = document_url(f, false);
		st = get(f, url, &document);
	}
	if (st == ST_OK)
		st = read_document(f, document);
	if (st == ST_OK)
		f->configuration = url;
	return st;
}

static enum status find(struct issuer_fetch *f, struct view *ret_keys)
{
	const struct conf *c = &f->r->proc.conf;
	struct conf_issuer one;
	enum status st = ST_MISSING;

	for (size_t i = 0; st != ST_OK && conf_issuer(c, i, &one); i++)
		if (view_eq(one.issuer, f->issuer) && conf_issuer_is_far(&one))
			st = ST_OK;
	if (st != ST_OK || f->r->fetcher == NULL) {
		snprintf(f->w.why, sizeof f->w.why, "%s", st == ST_OK ? "nothing is fetched before the next start" :
								       "it is not in the settings");
		return ST_MISSING;
	}
	/* The settings may be others when it has come. */
	f->keys_url = arena_copy(&f->a, one.keys);
	if (one.keys.n == 0)
		st = discover(f);
	return st == ST_OK ? get(f, f->keys_url, ret_keys) : st;
}

static void run(void *arg)
{
	struct issuer_fetch *f = arg;
	struct relay *r = f->r;
	struct view keys = VIEW_NONE;
	struct buf b = BUF(RECORD_MAX);
	enum status st = find(f, &keys);

	log_begin(st == ST_OK ? LOG_INFO_ : LOG_WARN_, st == ST_OK ? "issuer-keys" : "issuer-failed");
	log_view("issuer", f->issuer);
	if (f->keys_url.n)
		log_view("url", f->keys_url);
	if (st != ST_OK)
		log_str("why", f->w.why[0] ? f->w.why : status_name(st));
	log_end();
	rec_put_issuer_answer(&b, f->call, 0,
			      &(struct rec_issuer_answer){ st == ST_OK ? VERDICT_OK : VERDICT_LATER, f->issuer,
							   f->w.max_age, f->configuration, keys });
	(void)!role_send(&r->warden, &b, -1);
	buf_free(&b);
	arena_free(&f->a);
	free(f);
	r->asked_issuers--;
}

void issuer_asked(struct relay *r, const struct record *rec)
{
	struct rec_issuer_ask in;
	struct issuer_fetch *f;

	if (!rec_take_issuer_ask(rec->body, &in) || r->asked_issuers == ASKED_AT_ONCE)
		return;
	f = calloc(1, sizeof *f);
	if (f == NULL)
		return;
	*f = (struct issuer_fetch){ .r = r, .a = ARENA(ISSUER_ARENA), .call = rec->call };
	f->issuer = arena_copy(&f->a, in.issuer);
	r->asked_issuers++;
	if (co_start(run, f) != ST_OK) {
		r->asked_issuers--;
		arena_free(&f->a);
		free(f);
	}
}
