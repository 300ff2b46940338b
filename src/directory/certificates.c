#include "directory/certificates.h"
#include "directory/internal.h"

#include <openssl/sha.h>

enum { OWNER_MAX = 512, HEX_LINE = 60, SMIMEA_HEAD = 3 };

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS certificate (serial TEXT PRIMARY KEY, domain TEXT NOT NULL, address TEXT NOT NULL,"
	" account BIGINT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, imported BIGINT NOT NULL,"
	" der BLOB NOT NULL, not_before BIGINT NOT NULL, not_after BIGINT NOT NULL, revoked BIGINT NOT NULL);"
	"CREATE INDEX IF NOT EXISTS certificate_account ON certificate (account);"
	"CREATE TABLE IF NOT EXISTS certificate_seen (serial TEXT PRIMARY KEY, since BIGINT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS certificate_chain (serial TEXT PRIMARY KEY, chain BLOB NOT NULL);";

#define COLUMNS "serial, domain, address, account, kind, state, imported, der, not_before, not_after, revoked"
#define ROW "SELECT " COLUMNS ", (SELECT since FROM certificate_seen s WHERE s.serial = certificate.serial)" \
	    " FROM certificate WHERE "
#define ORDER " ORDER BY domain, account, CASE state WHEN 'active' THEN 1 ELSE 0 END, not_before, serial"

static const char *const texts[C_COUNT] = {
	[C_EACH] = ROW "($1 = '' OR domain = $1)" ORDER,
	[C_OF_ACCOUNT] = ROW "($1 = '' OR domain = $1) AND account = $2" ORDER,
	[C_ONE] = ROW "serial = $1",
	[C_ADD] = "INSERT INTO certificate (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
	[C_SET] = "UPDATE certificate SET state = $2, revoked = $3 WHERE serial = $1 AND state <> 'revoked'",
	[C_SEEN] = "INSERT INTO certificate_seen (serial, since) VALUES ($1, $2)"
		   " ON CONFLICT (serial) DO UPDATE SET since = excluded.since",
	[C_DUE] = "SELECT address, '', id FROM account WHERE"
		  " NOT EXISTS (SELECT 1 FROM certificate c WHERE c.account = account.id AND c.state = 'active'"
		  " AND c.kind IN ('signing', 'both') AND c.not_after >= $1)"
		  " OR NOT EXISTS (SELECT 1 FROM certificate c WHERE c.account = account.id AND c.state = 'active'"
		  " AND c.kind IN ('encryption', 'both') AND c.not_after >= $1)"
		  " OR EXISTS (SELECT 1 FROM certificate c WHERE c.account = account.id AND c.state = 'next') ORDER BY id",
	[C_RETIRE_PAST] = "UPDATE certificate SET state = 'retired'"
			  " WHERE state = 'active' AND kind <> 'authority' AND not_after < $1",
	[C_REVOKE_ACCOUNT] = "UPDATE certificate SET state = 'revoked', revoked = $2 WHERE account = $1 AND state <> 'revoked'",
	[C_FORGET] = "DELETE FROM certificate WHERE domain = $1",
	[C_SET_CHAIN] = "INSERT INTO certificate_chain (serial, chain) VALUES ($1, $2)"
			" ON CONFLICT (serial) DO UPDATE SET chain = excluded.chain",
	[C_CHAIN] = "SELECT chain FROM certificate_chain WHERE serial = $1",
	[C_FORGET_CHAINS] = "DELETE FROM certificate_chain WHERE serial NOT IN (SELECT serial FROM certificate)",
	[C_FORGET_SEEN] = "DELETE FROM certificate_seen WHERE serial NOT IN (SELECT serial FROM certificate)",
};

static const char *const kinds[] = {
	[CERTIFICATE_AUTHORITY] = "authority", [CERTIFICATE_SIGNING] = "signing",
	[CERTIFICATE_ENCRYPTION] = "encryption", [CERTIFICATE_BOTH] = "both",
};
static const char *const states[] = {
	[CERTIFICATE_ACTIVE] = "active", [CERTIFICATE_RETIRED] = "retired", [CERTIFICATE_REVOKED] = "revoked",
	[CERTIFICATE_NEXT] = "next",
};

const char *certificate_kind_word(enum certificate_kind k)
{
	return kinds[k];
}

const char *certificate_state_word(enum certificate_state s)
{
	return states[s];
}

enum status certificates_open(struct directory *d)
{
	return directory_prepare(d, schema, texts, C_COUNT, d->c);
}

/* ---- reading ---- */

static enum status read_row(struct sql_stmt *q, struct certificate_row *ret)
{
	unsigned kind = 0, state = 0;
	enum status st = directory_word(sql_col_view(q, 4), kinds, sizeof kinds / sizeof *kinds, &kind);

	if (st == ST_OK)
		st = directory_word(sql_col_view(q, 5), states, sizeof states / sizeof *states, &state);
	if (st == ST_OK)
		*ret = (struct certificate_row){
			.serial = sql_col_view(q, 0), .domain = sql_col_view(q, 1), .address = sql_col_view(q, 2),
			.account = (uint64_t)sql_col_int(q, 3), .kind = (enum certificate_kind)kind,
			.state = (enum certificate_state)state, .imported = sql_col_int(q, 6) != 0,
			.certificate = sql_col_view(q, 7), .not_before = sql_col_int(q, 8),
			.not_after = sql_col_int(q, 9), .revoked = sql_col_int(q, 10),
			.seen = sql_col_int(q, 11),
		};
	return st;
}

enum status directory_certificates(struct directory *d, struct view domain, uint64_t account, certificate_seen *row,
				   void *arg)
{
	struct sql_stmt *q = d->c[account ? C_OF_ACCOUNT : C_EACH];
	struct certificate_row c;
	char low[FOLDED_MAX];
	bool more = false;
	enum status st;

	sql_bind_text(q, 1, directory_folded(domain, low));
	if (account)
		sql_bind_int(q, 2, (int64_t)account);
	while ((st = sql_step(q, &more)) == ST_OK && more) {
		st = read_row(q, &c);
		if (st != ST_OK)
			break;
		row(arg, &c);
	}
	sql_reset(q);
	return st;
}

enum status directory_certificate(struct directory *d, struct view serial, struct arena *a, struct certificate_row *ret)
{
	struct sql_stmt *q = d->c[C_ONE];
	struct certificate_row c;
	bool more = false;
	enum status st;

	sql_bind_text(q, 1, serial);
	st = sql_step(q, &more);
	if (st == ST_OK)
		st = more ? read_row(q, &c) : ST_MISSING;
	if (st == ST_OK) {
		c.serial = arena_copy(a, c.serial);
		c.domain = arena_copy(a, c.domain);
		c.address = arena_copy(a, c.address);
		c.certificate = arena_copy(a, c.certificate);
		st = arena_status(a);
	}
	sql_reset(q);
	if (st == ST_OK)
		*ret = c;
	return st;
}

enum status directory_certificates_due(struct directory *d, wall_ms until, directory_row *row, void *arg)
{
	sql_bind_int(d->c[C_DUE], 1, until);
	return directory_each(d->c[C_DUE], row, arg);
}

/* ---- changes ---- */

enum status directory_add_certificate(struct directory *d, const struct certificate_row *c)
{
	struct sql_stmt *q = d->c[C_ADD];
	char low[FOLDED_MAX];

	if (c->serial.n > CERTIFICATE_SERIAL_MAX || c->certificate.n > CERTIFICATE_DER_MAX)
		return ST_LIMIT;
	sql_bind_text(q, 1, c->serial);
	sql_bind_text(q, 2, directory_folded(c->domain, low));
	sql_bind_text(q, 3, c->address);
	sql_bind_int(q, 4, (int64_t)c->account);
	sql_bind_text(q, 5, view_cstr(kinds[c->kind]));
	sql_bind_text(q, 6, view_cstr(states[c->state]));
	sql_bind_int(q, 7, c->imported);
	sql_bind_blob(q, 8, c->certificate);
	sql_bind_int(q, 9, c->not_before);
	sql_bind_int(q, 10, c->not_after);
	sql_bind_int(q, 11, c->revoked);
	return sql_run(q);
}

enum status directory_set_certificate(struct directory *d, struct view serial, enum certificate_state state, wall_ms when)
{
	struct sql_stmt *q = d->c[C_SET];
	enum status st;

	sql_bind_text(q, 1, serial);
	sql_bind_text(q, 2, view_cstr(states[state]));
	sql_bind_int(q, 3, state == CERTIFICATE_REVOKED ? when : 0);
	st = sql_run(q);
	return st == ST_OK && sql_changed(d->db) == 0 ? ST_MISSING : st;
}

enum status directory_set_certificate_seen(struct directory *d, struct view serial, wall_ms since)
{
	sql_bind_text(d->c[C_SEEN], 1, serial);
	sql_bind_int(d->c[C_SEEN], 2, since);
	return sql_run(d->c[C_SEEN]);
}

enum status directory_set_chain(struct directory *d, struct view serial, struct view chain)
{
	if (chain.n > CERTIFICATE_CHAIN_MAX)
		return ST_LIMIT;
	sql_bind_text(d->c[C_SET_CHAIN], 1, serial);
	sql_bind_blob(d->c[C_SET_CHAIN], 2, chain);
	return sql_run(d->c[C_SET_CHAIN]);
}

enum status directory_chain(struct directory *d, struct view serial, struct arena *a, struct view *ret)
{
	struct sql_stmt *q = d->c[C_CHAIN];
	struct view chain = VIEW_NONE;
	bool more = false;
	enum status st;

	sql_bind_text(q, 1, serial);
	st = sql_step(q, &more);
	if (st == ST_OK && more)
		chain = arena_copy(a, sql_col_view(q, 0));
	sql_reset(q);
	if (st == ST_OK)
		st = more ? arena_status(a) : ST_MISSING;
	if (st == ST_OK)
		*ret = chain;
	return st;
}

enum status directory_retire_past(struct directory *d, wall_ms now)
{
	sql_bind_int(d->c[C_RETIRE_PAST], 1, now);
	return sql_run(d->c[C_RETIRE_PAST]);
}

enum status certificates_revoke_account(struct directory *d, uint64_t account)
{
	sql_bind_int(d->c[C_REVOKE_ACCOUNT], 1, (int64_t)account);
	sql_bind_int(d->c[C_REVOKE_ACCOUNT], 2, clock_wall());
	return sql_run(d->c[C_REVOKE_ACCOUNT]);
}

enum status certificates_forget(struct directory *d, struct view domain)
{
	char low[FOLDED_MAX];

	enum status st;

	sql_bind_text(d->c[C_FORGET], 1, directory_folded(domain, low));
	st = sql_run(d->c[C_FORGET]);
	if (st == ST_OK)
		st = sql_run(d->c[C_FORGET_CHAINS]);
	return st == ST_OK ? sql_run(d->c[C_FORGET_SEEN]) : st;
}

/* ---- SMIMEA ---- */

/* HEX._smimecert.DOMAIN: SHA-256 of the local part as it stands, cut to 28 octets
 * (3), without a dot at the end.  ST_SYNTAX: no address. */
static enum status smimea_put_owner(struct view address, struct buf *out)
{
	struct view domain = directory_domain_of(address), local = view_head(address, address.n - domain.n);
	unsigned char digest[SHA256_DIGEST_LENGTH];

	if (local.n < 2 || domain.n == 0)
		return ST_SYNTAX;
	SHA256((const unsigned char *)local.p, local.n - 1, digest);
	buf_put_hex(out, digest, SMIMEA_OWNER_HASH);
	buf_puts(out, "._smimecert.");
	buf_put(out, domain);
	return buf_status(out);
}

struct publishing {
	smimea_seen *row;
	void *arg;
	enum status st;
};

static void publish_under(struct publishing *p, struct view address, struct view rdata)
{
	struct buf owner = BUF(OWNER_MAX);

	if (p->st == ST_OK)
		p->st = smimea_put_owner(address, &owner);
	if (p->st == ST_OK)
		p->row(p->arg, buf_view(&owner), rdata);
	buf_free(&owner);
}

static void publish(void *arg, const struct certificate_row *c)
{
	struct publishing *p = arg;
	struct buf rdata = BUF(CERTIFICATE_DER_MAX + 3);
	char low[FOLDED_MAX];
	struct view folded = directory_folded(c->address, low);

	if ((c->state != CERTIFICATE_ACTIVE && c->state != CERTIFICATE_NEXT) || c->kind == CERTIFICATE_AUTHORITY)
		return;
	buf_put(&rdata, view_make("\3\0\0", 3));
	buf_put(&rdata, c->certificate);
	if (buf_status(&rdata) != ST_OK)
		p->st = buf_status(&rdata);
	publish_under(p, c->address, buf_view(&rdata));
	if (!view_eq(folded, c->address))
		publish_under(p, folded, buf_view(&rdata));
	buf_free(&rdata);
}

enum status smimea_each(struct directory *d, struct view domain, smimea_seen *row, void *arg)
{
	struct publishing p = { .row = row, .arg = arg };
	enum status st = directory_certificates(d, domain, 0, publish, &p);

	return st == ST_OK ? p.st : st;
}

void smimea_put_line(struct view owner, struct view rdata, struct buf *out)
{
	buf_put(out, owner);
	buf_puts(out, ". IN SMIMEA");
	for (size_t i = 0; i < SMIMEA_HEAD && i < rdata.n; i++)
		buf_putf(out, " %u", (unsigned char)rdata.p[i]);
	buf_puts(out, " (");
	for (size_t i = SMIMEA_HEAD; i < rdata.n; i++)
		buf_putf(out, "%s%02x", (i - SMIMEA_HEAD) % HEX_LINE ? "" : "\n\t", (unsigned char)rdata.p[i]);
	buf_puts(out, " )\n");
}
