/* letters.c - people's letters signed by their own keys (S/MIME): which
 * certificates an account has, and signatures by the key of one of them.
 *
 * A door shows the ticket that a login of submission brought, or one for a user of
 * this machine whom the parent has handed on to it.  So one that was taken
 * over can sign as people who have been there, and as nobody else; every
 * signature has a line in our own log. */
#include "warden/internal.h"

#include "base/log.h"
#include "msg/address.h"
#include "warden/identities.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { SIGNATURE_MAX = 1024, IDENTITY_ARENA = 512 * 1024, LOCAL_MS = 3600000 };

static struct identities identities_of(struct warden *w)
{
	return (struct identities){ .keys = w->sealing.keys, .d = w->directory, .now = clock_wall() };
}

/* ---- which certificates ---- */

struct active {
	struct arena *a;
	wall_ms now;
	struct view signing, encryption;	/* the newest of each */
	struct view imported;			/* the former's serial number, where it was imported */
};

static void take_active(void *arg, const struct certificate_row *c)
{
	struct active *to = arg;

	if (c->state != CERTIFICATE_ACTIVE || to->now < c->not_before || to->now > c->not_after)
		return;
	if (c->kind == CERTIFICATE_SIGNING || c->kind == CERTIFICATE_BOTH) {
		to->signing = arena_copy(to->a, c->certificate);
		to->imported = c->imported ? arena_copy(to->a, c->serial) : VIEW_NONE;
	}
	if (c->kind == CERTIFICATE_ENCRYPTION || c->kind == CERTIFICATE_BOTH)
		to->encryption = arena_copy(to->a, c->certificate);
}

struct issuing {
	X509 *leaf;
	struct arena *a;
	struct view found;
};

static void take_issuer(void *arg, const struct certificate_row *c)
{
	struct issuing *i = arg;
	bool issues = c->kind == CERTIFICATE_AUTHORITY && c->state != CERTIFICATE_REVOKED;
	X509 *x = issues ? smime_certificate(c->certificate) : NULL;

	if (x && X509_check_issued(x, i->leaf) == X509_V_OK)
		i->found = arena_copy(i->a, c->certificate);
	X509_free(x);
	ERR_clear_error();
}

/* Of our own authority's it is that, of an imported one what came with it. */
static enum status find_chain(struct warden *w, struct view address, const struct active *of, struct view *ret)
{
	struct issuing i = { .leaf = of->signing.n ? smime_certificate(of->signing) : NULL, .a = of->a };
	enum status st = ST_OK;

	if (of->imported.n)
		st = directory_chain(w->directory, of->imported, of->a, &i.found);
	else if (i.leaf)
		st = directory_certificates(w->directory, address_domain(address), 0, take_issuer, &i);
	X509_free(i.leaf);
	*ret = i.found.n <= CERTIFICATE_CHAIN_MAX ? i.found : VIEW_NONE;
	return st == ST_MISSING ? ST_OK : st;
}

void identity_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct arena a = ARENA(IDENTITY_ARENA);
	struct active found = { .a = &a, .now = clock_wall() };
	struct rec_identity_answer out = { .verdict = VERDICT_LATER };
	struct rec_identity_ask in;
	struct account acc;
	struct view chain;
	enum status st;

	if (!rec_take_identity_ask(rec->body, &in))
		return;
	st = in.account ? directory_account_by_id(w->directory, in.account, &a, &acc) : ST_MISSING;
	if (st == ST_OK)
		st = directory_certificates(w->directory, VIEW_NONE, in.account, take_active, &found);
	if (st == ST_OK)
		st = find_chain(w, acc.address, &found, &chain);
	if (st == ST_OK)
		st = arena_status(&a);
	if (st == ST_OK)
		out = (struct rec_identity_answer){ VERDICT_OK, found.signing, found.encryption, chain };
	else if (st == ST_MISSING)
		out.verdict = VERDICT_NO;
	rec_put_identity_answer(&w->out, rec->call, rec->sid, &out);
	(void)!role_send(ch, &w->out, -1);
	arena_free(&a);
}

/* ---- signing ---- */

struct wanted {
	struct view certificate;
	struct arena *a;
	struct certificate_row row;
	bool found;
};

static void take_wanted(void *arg, const struct certificate_row *c)
{
	struct wanted *w = arg;

	if (c->state != CERTIFICATE_ACTIVE || (c->kind != CERTIFICATE_SIGNING && c->kind != CERTIFICATE_BOTH) ||
	    !view_eq(c->certificate, w->certificate))
		return;
	w->row.serial = arena_copy(w->a, c->serial);
	w->row.domain = arena_copy(w->a, c->domain);
	w->found = true;
}

static enum status sign_for(struct warden *w, uint64_t account, const struct rec_letter_sign_ask *in, struct buf *out)
{
	const struct identities i = identities_of(w);
	struct arena a = ARENA(IDENTITY_ARENA);
	struct wanted one = { .certificate = in->certificate, .a = &a };
	EVP_PKEY *key = NULL;
	enum status st = directory_certificates(w->directory, VIEW_NONE, account, take_wanted, &one);

	if (st == ST_OK && !one.found)
		st = ST_DENIED;
	if (st == ST_OK)
		st = arena_status(&a);
	if (st == ST_OK)
		st = identities_key(&i, &one.row, &key);
	if (st == ST_OK)
		st = key_sign(key, in->scheme, in->input, out);
	log_begin(st == ST_OK ? LOG_INFO_ : LOG_WARN_, st == ST_OK ? "letter-signed" : "letter-not-signed");
	log_u64("account", account);
	log_view("serial", one.row.serial);
	if (st != ST_OK)
		log_str("why", status_name(st));
	log_end();
	EVP_PKEY_free(key);
	ERR_clear_error();
	arena_free(&a);
	return st;
}

/* No: the ticket, or the key, is not good for it. */
static enum verdict verdict_of(enum status st)
{
	switch (st) {
	case ST_OK:
		return VERDICT_OK;
	case ST_DENIED:
	case ST_SYNTAX:
	case ST_TIMEOUT:
	case ST_MISSING:
		return VERDICT_NO;
	default:
		return VERDICT_LATER;
	}
}

void letter_sign_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct buf signature = BUF(SIGNATURE_MAX);
	struct rec_letter_sign_ask in;
	uint64_t account = 0;
	enum status st;

	if (!rec_take_letter_sign_ask(rec->body, &in))
		return;
	st = login_of_ticket(w, TICKET_LETTERS, in.ticket, (uint32_t)ch->peer_id, &account);
	if (st == ST_SYNTAX)
		st = login_of_ticket(w, TICKET_LOCAL, in.ticket, (uint32_t)ch->peer_id, &account);
	if (st == ST_OK)
		st = sign_for(w, account, &in, &signature);
	rec_put_letter_sign_answer(&w->out, rec->call, rec->sid,
				   &(struct rec_letter_sign_answer){ (uint8_t)verdict_of(st), buf_view(&signature) });
	(void)!role_send(ch, &w->out, -1);
	buf_free(&signature);
}

/* ---- users of this machine ---- */

/* His address, as doors have it (mta/in/local.c): local.accounts, or NAME@ and host.name. */
static enum status account_of_user(struct warden *w, struct view name, struct arena *a, struct account *ret)
{
	struct view mapped = conf_local_account(&w->proc.conf, name);
	struct buf own = BUF(IDENTITY_ARENA);
	enum status st;

	buf_putf(&own, "%.*s@%s", VIEW_ARG(name), w->proc.conf.host_name);
	st = directory_account(w->directory, mapped.n ? mapped : buf_view(&own), a, ret);
	buf_free(&own);
	return st;
}

/* His own, or the one that ends first. */
static struct local_slot *slot_for(struct warden *w, uint32_t door, uint64_t account)
{
	struct local_slot *best = &w->local[0];

	for (size_t i = 0; i < LOCAL_SLOTS; i++) {
		struct local_slot *one = &w->local[i];

		if (one->account == account && one->door == door)
			return one;
		if (one->until < best->until)
			best = one;
	}
	return best;
}

void local_user_came(struct warden *w, const struct record *rec)
{
	struct arena a = ARENA(IDENTITY_ARENA);
	struct rec_local_user in;
	struct account acc;

	if (rec_take_local_user(rec->body, &in) && in.door < DOORS_MAX &&
	    account_of_user(w, in.name, &a, &acc) == ST_OK)
		*slot_for(w, in.door, acc.id) = (struct local_slot){ acc.id, w->door_came[in.door], in.door,
								   clock_steady() + LOCAL_MS };
	arena_free(&a);
}

static enum status make_local_ticket(struct warden *w, uint32_t door, uint64_t account, struct buf *out)
{
	const struct local_slot *one = slot_for(w, door, account);
	struct arena a = ARENA(IDENTITY_ARENA);
	struct account acc;
	enum status st = ST_MISSING;

	if (account && one->account == account && one->door == door && one->door_came == w->door_came[door] &&
	    one->until > clock_steady())
		st = directory_account_by_id(w->directory, account, &a, &acc);
	if (st == ST_OK)
		st = ticket_make(&w->logins.tickets, TICKET_LOCAL, account, 0, door, acc.verifier, clock_wall(), out);
	arena_free(&a);
	return st;
}

void local_ticket_ask(struct warden *w, struct channel *ch, const struct record *rec)
{
	struct buf ticket = BUF(TICKET_SIZE);
	struct rec_local_ticket_ask in;
	enum status st;

	if (!rec_take_local_ticket_ask(rec->body, &in))
		return;
	st = make_local_ticket(w, (uint32_t)ch->peer_id, in.account, &ticket);
	rec_put_local_ticket_answer(&w->out, rec->call, rec->sid,
				    &(struct rec_local_ticket_answer){ st == ST_OK ? VERDICT_OK : VERDICT_LATER,
								       st == ST_OK ? buf_view(&ticket) : VIEW_NONE });
	(void)!role_send(ch, &w->out, -1);
	buf_free(&ticket);
}
