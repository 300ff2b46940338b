/* acme.c - waxwing cert acme: certificates of an issuer elsewhere, for one account or for all
 * that should have them and whose own ends soon. */
#include "admin/acme/client.h"
#include "admin/acme/reply.h"
#include "admin/cert.h"
#include "admin/encryption.h"
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "base/log.h"
#include "msg/address.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { ADDRESSES_MAX = 64 * 1024 * 1024, ACCOUNT_ARENA = 65536, AGAIN_MS = 3600000, AGAIN_MOST = 5 };

struct work {
	struct invocation *in;
	struct cert_work cert;
	struct agent *agent;
	struct acme_client *client;	/* once it is needed */
	bool log;			/* lines of the log instead of words for people */
};

/* ---- what is said ---- */

static void say_obtained(const struct work *w, const struct account *of, const struct smime_key *key)
{
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct view serial = smime_serial(X509_get0_serialNumber(key->certificate), &a);
	wall_ms until = smime_time(X509_get0_notAfter(key->certificate));
	char text[RFC3339_SIZE];

	if (w->log) {
		log_begin(LOG_INFO_, "certificate-obtained");
		log_view("of", of->address);
		log_view("serial", serial);
		log_str("until", clock_rfc3339(until, text));
		log_end();
		log_flush();
	} else {
		printf("%.*s: %.*s, good until %.10s\n", VIEW_ARG(of->address), VIEW_ARG(serial),
		       clock_rfc3339(until, text));
		fflush(stdout);
	}
	arena_free(&a);
}

static void say_failed(const struct work *w, struct view whose, struct view why)
{
	if (w->log) {
		log_begin(LOG_WARN_, "certificate-not-obtained");
		log_view("of", whose);
		log_view("why", why);
		log_end();
		log_flush();
	} else {
		tell("%.*s: %.*s", VIEW_ARG(whose), VIEW_ARG(why));
	}
}

/* ---- one account ---- */

/* Which certificates it gets; ret[0] for both, or one for each. */
static unsigned uses_of(const struct conf *c, enum acme_use ret[2])
{
	if (strcmp(c->acme_keys, "separate") != 0) {
		ret[0] = ACME_BOTH;
		return 1;
	}
	ret[0] = ACME_SIGNING;
	ret[1] = ACME_ENCRYPTION;
	return 2;
}

static enum status take_over(struct work *w, const struct account *of, const struct acme_obtained *got,
			     struct buf *why)
{
	const char *flaw = NULL;
	enum status st = identities_import(&w->cert.i, of, &got->key, got->chain, &flaw);

	if (st == ST_OK)
		st = encryption_refresh(&w->cert.conf, w->cert.i.d, of->id);
	if (st == ST_OK)
		return st;
	buf_puts(why, "the issuer's certificate is not taken: ");
	buf_puts(why, flaw ? flaw : st == ST_EXISTS ? "it is known already" : status_name(st));
	return st;
}

static enum status obtain_one(struct work *w, const struct account *of, enum acme_use use, struct buf *why)
{
	struct acme_obtained got = { .chain = NULL };
	enum status st = acme_client_obtain(w->client, of, use, why, &got);

	if (st == ST_OK) {
		w->cert.i.now = clock_wall();
		st = take_over(w, of, &got, why);
	}
	if (st == ST_OK)
		say_obtained(w, of, &got.key);
	acme_obtained_free(&got);
	return st;
}

static enum status open_client(struct work *w, struct buf *why)
{
	struct acme_means m = {
		.conf = &w->cert.conf, .directory = w->cert.i.d, .agent = w->agent, .keys = w->cert.i.keys,
	};

	return w->client ? ST_OK : acme_client_open(&m, why, &w->client);
}

static wall_ms earliest(const struct work *w, uint32_t failures)
{
	wall_ms later = w->client ? acme_client_later(w->client) : 0;
	wall_ms at = clock_wall() + ((wall_ms)AGAIN_MS << (failures < AGAIN_MOST ? failures : AGAIN_MOST));

	return later > at ? later : at;
}

/* asked: by the operator, who is told at once; ST_DENIED and so on were said. */
static enum status obtain(struct work *w, const struct account *of, bool asked)
{
	struct buf why = BUF(ACME_SAID_MAX);
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct acme_row row = { 0 };
	enum acme_use uses[2];
	unsigned n = uses_of(&w->cert.conf, uses);
	enum status st = directory_acme_add(w->cert.i.d, of->id, asked), noted;

	if (st == ST_OK)
		st = directory_acme_one(w->cert.i.d, of->id, &a, &row);
	if (st == ST_OK)
		st = open_client(w, &why);
	for (unsigned i = 0; i < n && st == ST_OK; i++)
		st = obtain_one(w, of, uses[i], &why);
	if (st != ST_OK && why.n == 0)
		buf_puts(&why, status_name(st));
	noted = directory_acme_tried(w->cert.i.d, of->id, clock_wall(), st == ST_OK ? 0 : earliest(w, row.failures),
				     buf_view(&why));
	if (st != ST_OK)
		say_failed(w, of->address, buf_view(&why));
	arena_free(&a);
	buf_free(&why);
	return st == ST_OK ? noted : st;
}

/* ---- all that are due ---- */

static bool is_named(const char *list, struct view domain)
{
	struct view rest = view_cstr(list), one;

	while ((one = view_take_word(&rest)).n)
		if (view_eq(one, VIEW("*")) || view_eq_i(one, domain))
			return true;
	return false;
}

struct lasting {
	wall_ms now;
	bool signs, receives;
};

/* Imported ones that have a third of their life before them. */
static void look(void *arg, const struct certificate_row *c)
{
	struct lasting *l = arg;

	if (!c->imported || c->state != CERTIFICATE_ACTIVE || c->not_after - l->now < (c->not_after - c->not_before) / 3)
		return;
	l->signs |= c->kind == CERTIFICATE_SIGNING || c->kind == CERTIFICATE_BOTH;
	l->receives |= c->kind == CERTIFICATE_ENCRYPTION || c->kind == CERTIFICATE_BOTH;
}

static enum status is_due(struct work *w, const struct account *of, bool *ret)
{
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct lasting l = { .now = clock_wall() };
	struct acme_row row = { 0 };
	enum status st = directory_acme_one(w->cert.i.d, of->id, &a, &row);
	bool wanted = row.asked || is_named(w->cert.conf.acme_domains, address_domain(of->address));

	if (st == ST_MISSING)
		st = ST_OK;
	arena_free(&a);
	if (st == ST_OK && wanted && row.due <= l.now)
		st = directory_certificates(w->cert.i.d, VIEW_NONE, of->id, look, &l);
	else
		l.signs = l.receives = true;
	*ret = !l.signs || !l.receives;
	return st;
}

static void note_address(void *arg, struct view address, struct view none, uint64_t id)
{
	(void)none;
	(void)id;
	buf_put(arg, address);
	buf_putc(arg, '\0');
}

/* Each account alone, but that one which the issuer itself is not there for, or wants to be left in
 * peace after, is the last. */
static enum status obtain_due(struct work *w, const char *address)
{
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct account acc;
	bool due = false;
	enum status st = directory_account(w->cert.i.d, view_cstr(address), &a, &acc);

	if (st == ST_OK)
		st = is_due(w, &acc, &due);
	if (st == ST_OK && due)
		st = obtain(w, &acc, false);
	arena_free(&a);
	return st == ST_MISSING ? ST_OK : st;
}

static bool is_the_last(const struct work *w, enum status st)
{
	return st != ST_OK && (w->client == NULL || acme_client_later(w->client) > clock_wall());
}

static int obtain_all(struct work *w)
{
	struct buf all = BUF(ADDRESSES_MAX);
	enum status st = directory_each_account(w->cert.i.d, note_address, &all);
	bool failed = false, last = false;

	if (st == ST_OK)
		st = buf_status(&all);
	for (const char *p = all.p; st == ST_OK && !last && p && p < all.p + all.n; p += strlen(p) + 1) {
		enum status one = obtain_due(w, p);

		failed |= one != ST_OK;
		last = is_the_last(w, one);
	}
	buf_free(&all);
	if (st != ST_OK)
		return complain("the accounts", st, NULL);
	return failed ? FAILED : DONE;
}

/* ---- the commands ---- */

static const struct reason why_not[] = {
	{ ST_MISSING, "there is no such account; `waxwing account list` shows them" },
	{ ST_OK, NULL },
};

static int obtain_named(struct work *w, const char *address)
{
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct account acc;
	enum status st = directory_account(w->cert.i.d, view_cstr(address), &a, &acc);
	int status = FAILED;

	if (st != ST_OK)
		complain(address, st, why_not);
	else if (obtain(w, &acc, true) == ST_OK)
		status = DONE;
	arena_free(&a);
	return status;
}

/* What was obtained stays; it is not renewed. */
static int turn_off(const struct invocation *in)
{
	static const struct reason none[] = {
		{ ST_MISSING, "nothing is asked for this account; `waxwing cert acme list` shows for which" },
		{ ST_OK, NULL },
	};
	struct arena a = ARENA(ACCOUNT_ARENA);
	struct directory *d;
	struct account acc;
	enum status st;

	if (instance_directory(in, &d) != ST_OK)
		return FAILED;
	st = directory_account(d, view_cstr(in->args[0]), &a, &acc);
	if (st == ST_OK)
		st = directory_acme_remove(d, acc.id);
	directory_close(d);
	arena_free(&a);
	return st == ST_OK ? DONE : complain(in->args[0], st, none);
}

/* The agent first: it must not have in memory what it must not know. */
static int with_agent(struct invocation *in, const struct conf *conf)
{
	struct work w = { .in = in, .cert = { .i = { .keys = -1 } }, .log = in->given[OPTION_log] != NULL };
	enum status st = agent_new(in, conf, &w.agent);
	int status = FAILED;

	if (st != ST_OK)
		complain("the process that speaks with the issuer", st, NULL);
	else if (cert_work_open(&w.cert, in))
		status = in->n ? obtain_named(&w, in->args[0]) : obtain_all(&w);
	acme_client_free(w.client);
	cert_work_close(&w.cert);
	agent_free(w.agent);
	return status;
}

static void say_obstacle(const struct invocation *in, const char *why)
{
	if (in->given[OPTION_log]) {
		log_event(LOG_WARN_, "issuer", "why=\"%s\"", why);
		log_flush();
	} else {
		tell("%s", why);
	}
}

/* What the running server does in it, it must be able to do. */
static const char *obstacle(const struct conf *conf)
{
	if (!conf->acme[0])
		return "smime.acme does not say whom to ask; see waxwing.conf(5)";
	if (!conf->trust_check)
		return "trust.check is off, so no letter of the issuer would be believed";
	if (!conf->dkim_sign)
		return "dkim.sign is off, so no answer to the issuer's letter would be believed";
	if (!acme_may_answer(conf->dir))
		return "no waxwing serves this folder now (or local.submit is off), so nobody would answer the issuer's letter";
	return NULL;
}

int cmd_cert_acme(struct invocation *in)
{
	const char *why;
	struct conf conf;
	int status = FAILED;

	if ((in->n == 1) == (in->given[OPTION_all] != NULL) || (in->n == 0 && in->given[OPTION_off])) {
		tell("cert acme: an address, or --all");
		return WRONG_USE;
	}
	if (in->given[OPTION_off])
		return turn_off(in);
	if (instance_conf(in, &conf) != ST_OK)
		return FAILED;
	/* The server's own ends with it. */
	if (in->given[OPTION_log]) {
		log_start("acme", STDERR_FILENO, LOG_INFO_);
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() == 1) {
			conf_free(&conf);
			return FAILED;
		}
	}
	why = obstacle(&conf);
	if (why == NULL)
		status = with_agent(in, &conf);
	else
		say_obstacle(in, why);
	conf_free(&conf);
	return status;
}

static void add_row(void *arg, const struct acme_row *r)
{
	char tried[RFC3339_SIZE], due[RFC3339_SIZE];

	json_t *row = json_pack("{s:o, s:b, s:i}", "address", json_text(r->address), "asked", (int)r->asked, "failures",
				(int)r->failures);

	json_object_set_new(row, "tried", r->tried ? json_string(clock_rfc3339(r->tried, tried)) : json_null());
	json_object_set_new(row, "due", r->due ? json_string(clock_rfc3339(r->due, due)) : json_null());
	json_object_set_new(row, "why", r->why.n ? json_text(r->why) : json_null());
	json_array_append_new(arg, row);
}

int cmd_cert_acme_list(struct invocation *in)
{
	static const struct column columns[] = {
		{ "address", "ADDRESS", COLUMN_TEXT }, { "tried", "TRIED", COLUMN_TEXT }, { "failures", "FAILURES", COLUMN_NUMBER },
		{ "due", "AGAIN", COLUMN_TEXT },       { "why", "WHY NOT", COLUMN_TEXT },
	};
	json_t *rows = json_array();
	struct directory *d;
	enum status st = instance_directory(in, &d);

	if (st == ST_OK) {
		st = directory_acme_each(d, add_row, rows);
		directory_close(d);
		if (st == ST_OK)
			return listing_print(in, columns, sizeof columns / sizeof *columns, rows,
					     "Nothing is asked of an issuer; `waxwing cert acme ADDRESS` does.");
		complain(in->dir, st, NULL);
	}
	json_decref(rows);
	return FAILED;
}
