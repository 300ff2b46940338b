#include "mta/relay/sts.h"

#include "base/log.h"
#include "mta/relay/shared.h"
#include "wire/rdata.h"

#include <stdio.h>
#include <stdlib.h>

/* A fetch that failed is not tried again for AGAIN_MS (3.3 asks for five minutes
 * at least); a policy of max_age 0 counts for the delivery at hand. */
enum { FETCH_MS = 20000, AGAIN_MS = 300000, LOOK_MS = 20 };

struct sts {
	struct sql *db;
	struct sql_stmt *find, *keep, *failed;
	struct loop *loop;
	struct fetcher *fetcher;
	uint16_t port;
	struct fetching *fetching;
};

/* Whoever else wants the same meanwhile waits for it. */
struct fetching {
	struct fetching *next;
	struct view domain;
};

static const char schema[] = "CREATE TABLE IF NOT EXISTS policy (domain TEXT PRIMARY KEY, id TEXT NOT NULL, "
			     "until BIGINT NOT NULL, failed BIGINT NOT NULL, text TEXT NOT NULL)";

/* ---- what is remembered ---- */

struct remembered {
	struct view id, text;	/* in the arena */
	wall_ms until;		/* the text counts until then */
	wall_ms failed;		/* when it could not be fetched last; 0: it could */
};

static enum status recall(struct sts *s, struct view domain, struct arena *a, struct remembered *ret)
{
	bool row = false;
	enum status st;

	*ret = (struct remembered){ 0 };
	sql_bind_text(s->find, 1, domain);
	st = sql_step(s->find, &row);
	if (st == ST_OK && row)
		*ret = (struct remembered){
			.id = arena_copy(a, sql_col_view(s->find, 0)), .until = sql_col_int(s->find, 1),
			.failed = sql_col_int(s->find, 2), .text = arena_copy(a, sql_col_view(s->find, 3)),
		};
	sql_reset(s->find);
	return arena_status(a);
}

static void remember(struct sts *s, struct view domain, struct view id, wall_ms until, struct view text)
{
	sql_bind_text(s->keep, 1, domain);
	sql_bind_text(s->keep, 2, id);
	sql_bind_int(s->keep, 3, until);
	sql_bind_text(s->keep, 4, text);
	/* What is not kept is fetched again. */
	(void)!sql_run(s->keep);
}

static void note_failure(struct sts *s, struct view domain)
{
	sql_bind_text(s->failed, 1, domain);
	sql_bind_int(s->failed, 2, clock_wall());
	(void)!sql_run(s->failed);
}

/* ---- fetching ---- */

static void log_fetch(struct view domain, enum status st, const struct fetch *w, const struct sts_policy *p)
{
	log_begin(st == ST_OK ? LOG_INFO_ : LOG_WARN_, st == ST_OK ? "sts-policy" : "sts-failed");
	log_view("domain", domain);
	if (st == ST_OK) {
		log_str("mode", sts_mode_name(p->mode));
		log_u64("max_age", p->max_age);
	} else {
		log_str("why", w->why);
	}
	log_end();
}

static enum status get(struct sts *s, struct resolver *r, struct view domain, struct arena *a, struct buf *body,
		       struct sts_policy *ret, enum tls_result *ret_trouble)
{
	struct buf addresses = BUF(FETCH_ADDRESSES);
	char host[DNS_NAME_MAX + 16];
	struct fetch w = {
		.host = host, .path = "/.well-known/mta-sts.txt", .port = s->port, .timeout_ms = FETCH_MS,
		.type = "text/plain", .why = "its host has no address",
	};
	enum status st = ST_IO;

	snprintf(host, sizeof host, "mta-sts.%.*s", VIEW_ARG(domain));
	if (fetch_addresses(r, host, a, &addresses)) {
		w.addresses = addresses.p;
		st = fetch(s->fetcher, &w, body);
	}
	*ret_trouble = st == ST_OK ? TLS_RESULT_OK : w.untrusted ? TLS_STS_WEBPKI_INVALID : TLS_STS_FETCH_ERROR;
	if (st == ST_OK) {
		st = sts_policy_parse(arena_copy(a, buf_view(body)), a, ret);
		snprintf(w.why, sizeof w.why, "it is no policy");
		*ret_trouble = st == ST_OK ? TLS_RESULT_OK : TLS_STS_INVALID;
	}
	log_fetch(domain, st, &w, ret);
	buf_free(&addresses);
	return st;
}

static bool is_fetching(const struct sts *s, struct view domain)
{
	for (const struct fetching *f = s->fetching; f; f = f->next)
		if (view_eq(f->domain, domain))
			return true;
	return false;
}

static void not_fetching(struct sts *s, struct fetching *mine)
{
	struct fetching **p = &s->fetching;

	while (*p != mine)
		p = &(*p)->next;
	*p = mine->next;
}

/* The policy that this id stands for; what was known stays where it cannot be
 * had. */
static enum status renew(struct sts *s, struct resolver *r, struct view domain, struct view id, struct arena *a,
			 struct sts_policy *ret, enum tls_result *ret_trouble)
{
	struct fetching mine = { s->fetching, domain };
	struct buf body = BUF(STS_POLICY_MAX);
	enum status st;

	s->fetching = &mine;
	st = get(s, r, domain, a, &body, ret, ret_trouble);
	if (st == ST_OK)
		remember(s, domain, id, clock_wall() + (wall_ms)ret->max_age * 1000, buf_view(&body));
	else
		note_failure(s, domain);
	not_fetching(s, &mine);
	buf_free(&body);
	return st;
}

/* ---- asking ---- */

/* The id in DNS; empty where there is none, or DNS does not say.  Bogus is as
 * good as silence: what is remembered counts. */
static struct view id_in_dns(struct resolver *r, struct view domain, struct arena *a)
{
	struct buf name = BUF(DNS_NAME_MAX + 16);
	struct view txt, id = VIEW_NONE;
	struct dns_answer d;
	size_t n = 0;

	buf_putf(&name, "_mta-sts.%.*s", VIEW_ARG(domain));
	if (dns_ask(r, arena_copy(a, buf_view(&name)), DNS_TXT, a, &d) == ST_OK && d.outcome == DNS_FOUND)
		for (size_t i = 0; i < d.n; i++)
			n += dns_read_txt(d.rdata[i], a, &txt) == ST_OK && sts_record_parse(txt, &id) == ST_OK;
	buf_free(&name);
	/* 3.1: of two records neither counts. */
	return n == 1 ? id : VIEW_NONE;
}

enum status sts_find(struct sts *s, struct resolver *r, struct view domain, struct arena *a, struct sts_policy *ret,
		     enum tls_result *ret_trouble)
{
	struct view id = id_in_dns(r, domain, a);
	struct remembered old;
	wall_ms now;
	enum status st;

	*ret_trouble = TLS_RESULT_OK;
	while (is_fetching(s, domain))
		loop_sleep(s->loop, LOOK_MS);
	st = recall(s, domain, a, &old);
	if (st != ST_OK)
		return st;
	now = clock_wall();
	if (id.n && s->fetcher && !(view_eq(id, old.id) && old.until > now) &&
	    (old.failed == 0 || now - old.failed > AGAIN_MS || now < old.failed)) {
		st = renew(s, r, domain, id, a, ret, ret_trouble);
		if (st == ST_OK || st == ST_NOMEM)
			return st;
	}
	if (old.until <= now || sts_policy_parse(old.text, a, ret) != ST_OK)
		return ST_MISSING;
	return arena_status(a);
}

/* ---- the file ---- */

void sts_close(struct sts *s)
{
	if (s == NULL)
		return;
	sql_finish(s->find);
	sql_finish(s->keep);
	sql_finish(s->failed);
	sql_close(s->db);
	free(s);
}

static enum status prepare(struct sts *s)
{
	enum status st = sql_prepare(s->db, "SELECT id, until, failed, text FROM policy WHERE domain = $1", &s->find);

	if (st == ST_OK)
		st = sql_prepare(s->db, "INSERT INTO policy (domain, id, until, failed, text) VALUES ($1, $2, $3, 0, $4) "
				 "ON CONFLICT (domain) DO UPDATE SET id = excluded.id, until = excluded.until, failed = 0, "
				 "text = excluded.text", &s->keep);
	if (st == ST_OK)
		st = sql_prepare(s->db, "INSERT INTO policy (domain, id, until, failed, text) VALUES ($1, '', 0, $2, '') "
				 "ON CONFLICT (domain) DO UPDATE SET failed = excluded.failed", &s->failed);
	return st;
}

enum status sts_open(const char *folder, struct loop *l, struct fetcher *f, uint16_t port, struct sts **ret)
{
	struct sts *s = calloc(1, sizeof *s);
	enum status st;

	if (s == NULL)
		return ST_NOMEM;
	s->loop = l;
	s->fetcher = f;
	s->port = port;
	st = shared_open(folder, "sts.db", schema, &s->db);
	if (st == ST_OK)
		st = prepare(s);
	if (st != ST_OK) {
		sts_close(s);
		return st;
	}
	*ret = s;
	return ST_OK;
}
