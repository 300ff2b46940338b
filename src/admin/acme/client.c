#include "admin/acme/client.h"

#include "acme/answers.h"
#include "acme/jws.h"
#include "acme/letter.h"
#include "admin/acme/reply.h"
#include "admin/inspect.h"
#include "smime/identity.h"
#include "warden/key_folder.h"
#include "warden/jwks.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NONCE_MAX = 1024, NONCE_TRIES = 4, SECRET_MAX = 4096, CHALLENGE_ARENA = 65536 };
enum { FIRST_PAUSE_MS = 250, LONGEST_PAUSE_MS = 30000, LETTER_LOOK_MS = 200 };
static const char key_name[] = "account.key";

struct acme_client {
	struct acme_means m;
	struct buf *why;		/* of the call on its way */
	struct view origin;		/* of smime.acme */
	struct agent_answer directory;	/* holds what urls points to */
	struct acme_directory urls;
	int folder;			/* keys/acme/HOST, locked; or -1 */
	EVP_PKEY *key;
	bool fresh;			/* the key was made now */
	struct buf account, nonce;
	struct buf kind;		/* of the last problem */
	wall_ms later;
	steady_ms end;			/* of the order on its way */
};

wall_ms acme_client_later(const struct acme_client *c)
{
	return c->later;
}

/* ---- why not ---- */

static enum status say(struct acme_client *c, enum status st, const char *text)
{
	if (c->why->n == 0)
		buf_puts(c->why, text);
	return st;
}

/* What the issuer said is wrong. */
static enum status say_problem(struct acme_client *c, const json_t *problem, unsigned status)
{
	struct view kind = acme_problem_kind(problem);

	buf_clear(&c->kind);
	buf_put(&c->kind, kind);
	if (c->why->n)
		return ST_DENIED;
	buf_puts(c->why, "the issuer says: ");
	if (problem)
		acme_problem_put(problem, c->why);
	else if (status / 100 == 2)
		buf_puts(c->why, "no, and not why");
	else
		buf_putf(c->why, "only HTTP status %u", status);
	return ST_DENIED;
}

static enum status say_not_understood(struct acme_client *c, enum status st, const char *what)
{
	if (c->why->n == 0 && st == ST_DENIED)
		buf_putf(c->why, "the issuer's %s leads to another host", what);
	else if (c->why->n == 0)
		buf_putf(c->why, "the issuer's %s is not understood", what);
	return st;
}

/* ---- one question ---- */

static enum status ask(struct acme_client *c, struct view url, struct view body, struct agent_answer *ret)
{
	struct buf why = BUF(ACME_SAID_MAX);
	enum status st = agent_ask(c->m.agent, url, body, ret, &why);

	if (st != ST_OK && c->why->n == 0)
		buf_putf(c->why, "the issuer cannot be asked: %.*s", VIEW_ARG(buf_view(&why)));
	buf_free(&why);
	if (st != ST_OK)
		return st;
	/* Each is good once (RFC 8555 6.5). */
	buf_clear(&c->nonce);
	buf_put(&c->nonce, ret->nonce);
	if (ret->again_s)
		c->later = clock_wall() + (wall_ms)(ret->again_s < 86400 ? ret->again_s : 86400) * 1000;
	return ST_OK;
}

static enum status get_nonce(struct acme_client *c)
{
	struct agent_answer a;
	enum status st = ask(c, c->urls.new_nonce, VIEW_NONE, &a);

	if (st != ST_OK)
		return st;
	agent_answer_free(&a);
	return c->nonce.n ? ST_OK : say(c, ST_SYNTAX, "the issuer gives no nonce");
}

static enum status post_once(struct acme_client *c, struct view url, struct view payload, struct agent_answer *ret)
{
	struct buf body = BUF(ACME_JWS_MAX);
	struct acme_saying s = { .url = url, .account = buf_view(&c->account), .payload = payload };
	enum status st = c->nonce.n ? ST_OK : get_nonce(c);

	s.nonce = buf_view(&c->nonce);
	if (st == ST_OK) {
		st = acme_sign(c->key, &s, &body);
		if (st != ST_OK)
			say(c, st, "what is to be said to the issuer cannot be signed");
	}
	if (st == ST_OK)
		st = ask(c, url, buf_view(&body), ret);
	buf_free(&body);
	return st;
}

/* A payload of nothing is POST-as-GET.  Only an answer of 2xx is well. */
static enum status post(struct acme_client *c, struct view url, struct view payload, struct agent_answer *ret)
{
	struct agent_answer a = { .whole = NULL };
	enum status st = ST_OK;

	for (int i = 0; i < NONCE_TRIES; i++) {
		agent_answer_free(&a);
		st = post_once(c, url, payload, &a);
		if (st != ST_OK || a.status / 100 != 4 || !view_eq(acme_problem_kind(a.json), VIEW("badNonce")))
			break;
	}
	if (st == ST_OK && a.status / 100 != 2) {
		st = say_problem(c, a.json, a.status);
		agent_answer_free(&a);
	}
	if (st == ST_OK)
		*ret = a;
	return st;
}

static enum status post_json(struct acme_client *c, struct view url, json_t *payload, struct agent_answer *ret)
{
	char *text = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
	enum status st = text ? post(c, url, view_cstr(text), ret) : ST_NOMEM;

	free(text);
	json_decref(payload);
	return st;
}

/* ---- our account ---- */

static enum status make_key(struct acme_client *c)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	enum status st = key ? key_save(c->m.keys, c->folder, key_name, key) : ST_NOMEM;

	if (st == ST_OK) {
		c->key = key;
		c->fresh = true;
	} else {
		EVP_PKEY_free(key);
	}
	return st;
}

static enum status open_key(struct acme_client *c)
{
	struct view host = view_skip(c->origin, 8);
	enum status st = key_folder(c->m.keys, "acme", view_head(host, view_find(host, ':')), true, &c->folder);

	if (st == ST_OK && flock(c->folder, LOCK_EX | LOCK_NB) != 0)
		return say(c, ST_EXISTS, "another command asks this issuer just now");
	if (st == ST_OK) {
		st = key_load(c->folder, key_name, &c->key);
		if (st == ST_MISSING)
			st = make_key(c);
	}
	return st == ST_OK ? st : say(c, st, "the key of our account with the issuer (keys/acme) cannot be read or made");
}

/* Closed to others, as every key. */
static enum status read_secret(const char *path, struct buf *out)
{
	struct buf text = BUF(SECRET_MAX);
	struct view v;
	struct stat sb;
	enum status st = stat(path, &sb) == 0 ? ST_OK : ST_MISSING;

	if (st == ST_OK)
		st = sb.st_mode & (S_IRWXG | S_IRWXO) ? ST_DENIED : read_file(path, &text);
	v = buf_view(&text);
	while (v.n && (v.p[v.n - 1] == '\n' || v.p[v.n - 1] == '\r' || v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '='))
		v.n--;
	if (st == ST_OK)
		st = jwks_take_base64url(v, out);
	if (text.p)
		OPENSSL_cleanse(text.p, text.cap);
	buf_free(&text);
	return st;
}

static enum status add_binding(struct acme_client *c, json_t *payload)
{
	const struct conf *conf = c->m.conf;
	struct buf secret = BUF(SECRET_MAX), jws = BUF(ACME_JWS_MAX);
	enum status st = read_secret(conf->acme_secret, &secret);
	json_t *o = NULL;

	if (st == ST_OK)
		st = acme_bind(c->key, c->urls.new_account, view_cstr(conf->acme_id), buf_view(&secret), &jws);
	if (st == ST_OK)
		o = json_loadb(jws.p, jws.n, 0, NULL);
	if (st == ST_OK && json_object_set_new(payload, "externalAccountBinding", o) != 0)
		st = ST_NOMEM;
	if (secret.p)
		OPENSSL_cleanse(secret.p, secret.cap);
	buf_free(&secret);
	buf_free(&jws);
	return st == ST_OK ? st :
			     say(c, st, st == ST_DENIED ? "smime.acme_secret: others can read that file (it should be of mode 0600)" :
						    "smime.acme_secret: no file with a key in base64url");
}

static enum status add_contact(const struct conf *conf, json_t *payload)
{
	struct buf mailto = BUF(512);
	json_t *all = NULL;

	if (conf->acme_contact[0]) {
		buf_putf(&mailto, "mailto:%s", conf->acme_contact);
		buf_putc(&mailto, '\0');
		all = buf_status(&mailto) == ST_OK ? json_pack("[s]", mailto.p) : NULL;
		buf_free(&mailto);
		if (json_object_set_new(payload, "contact", all) != 0)
			return ST_SYNTAX;
	}
	return ST_OK;
}

static enum status take_account(struct acme_client *c, json_t *payload)
{
	struct agent_answer a;
	enum status st = post_json(c, c->urls.new_account, payload, &a);

	if (st != ST_OK)
		return st;
	st = acme_url_check(a.location, c->origin);
	if (st == ST_OK)
		buf_put(&c->account, a.location);
	else
		say_not_understood(c, st, "account");
	agent_answer_free(&a);
	return st;
}

static enum status may_make_account(struct acme_client *c)
{
	const struct conf *conf = c->m.conf;

	if (c->urls.bound && !conf->acme_id[0])
		return say(c, ST_DENIED, "the issuer wants to know you: set smime.acme_id and smime.acme_secret as it told you");
	if (c->urls.terms.n == 0 || conf->acme_agree)
		return ST_OK;
	if (c->why->n == 0) {
		buf_puts(c->why, "the issuer wants you to agree with its terms of service; read ");
		for (size_t i = 0; i < c->urls.terms.n; i++)
			buf_putc(c->why, c->urls.terms.p[i] > ' ' && c->urls.terms.p[i] <= '~' ? c->urls.terms.p[i] : '?');
		buf_puts(c->why, " and set smime.acme_agree");
	}
	return ST_DENIED;
}

/* RFC 8555 7.3 */
static enum status make_account(struct acme_client *c)
{
	json_t *payload = json_pack("{s:b}", "termsOfServiceAgreed", c->m.conf->acme_agree != 0);
	enum status st = payload ? may_make_account(c) : ST_NOMEM;

	if (st == ST_OK)
		st = add_contact(c->m.conf, payload);
	if (st == ST_OK && c->m.conf->acme_id[0])
		st = add_binding(c, payload);
	if (st == ST_OK)
		return take_account(c, payload);
	json_decref(payload);
	return st;
}

/* One of before is asked for first (7.3.1): the binding and our consent are told once. */
static enum status open_account(struct acme_client *c)
{
	enum status st;

	if (c->fresh)
		return make_account(c);
	st = take_account(c, json_pack("{s:b}", "onlyReturnExisting", 1));
	if (st == ST_DENIED && (view_eq(buf_view(&c->kind), VIEW("accountDoesNotExist")) ||
				view_eq(buf_view(&c->kind), VIEW("externalAccountRequired")))) {
		buf_clear(c->why);
		st = make_account(c);
	}
	return st;
}

/* ---- the whole client ---- */

static enum status open_directory(struct acme_client *c)
{
	struct view url = view_cstr(c->m.conf->acme);
	enum status st = acme_origin(url, &c->origin);

	if (st != ST_OK)
		return say(c, st, "smime.acme is no URL of https");
	st = ask(c, url, VIEW_NONE, &c->directory);
	if (st != ST_OK)
		return st;
	if (c->directory.status != 200)
		return say_problem(c, c->directory.json, c->directory.status);
	st = acme_directory_take(c->directory.json, c->origin, &c->urls);
	return st == ST_OK ? st : say_not_understood(c, st, "directory");
}

enum status acme_client_open(const struct acme_means *m, struct buf *why, struct acme_client **ret)
{
	struct acme_client *c = calloc(1, sizeof *c);
	enum status st;

	if (c == NULL)
		return ST_NOMEM;
	*c = (struct acme_client){ .m = *m, .why = why, .folder = -1, .account = BUF(ACME_URL_MOST), .nonce = BUF(NONCE_MAX),
				   .kind = BUF(ACME_PROBLEM_MAX) };
	st = open_directory(c);
	if (st == ST_OK)
		st = open_key(c);
	if (st == ST_OK)
		st = open_account(c);
	if (st == ST_OK)
		*ret = c;
	else
		acme_client_free(c);
	return st;
}

void acme_client_free(struct acme_client *c)
{
	if (c == NULL)
		return;
	agent_answer_free(&c->directory);
	EVP_PKEY_free(c->key);
	if (c->folder >= 0)
		close(c->folder);
	buf_free(&c->account);
	buf_free(&c->nonce);
	buf_free(&c->kind);
	free(c);
}

void acme_obtained_free(struct acme_obtained *o)
{
	X509_free(o->key.certificate);
	EVP_PKEY_free(o->key.key);
	sk_X509_pop_free(o->chain, X509_free);
	*o = (struct acme_obtained){ .chain = NULL };
}

/* ---- an order ---- */

struct order {
	struct acme_client *c;
	const struct account *of;
	struct buf url;			/* its own */
	struct agent_answer said;	/* what it is by now, */
	struct acme_order now;
	struct agent_answer proof;	/* and its authorization */
	struct acme_authorization a;
};

static void order_free(struct order *o)
{
	buf_free(&o->url);
	agent_answer_free(&o->said);
	agent_answer_free(&o->proof);
}

static void sleep_ms(uint64_t ms)
{
	struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) != 0)
		;
}

/* As long as the issuer wants, or longer each time; ST_TIMEOUT: there is no more time. */
static enum status pause_for(struct acme_client *c, uint64_t again_s, unsigned *ms)
{
	uint64_t wait = again_s ? again_s * 1000 : *ms, left = c->end > clock_steady() ? c->end - clock_steady() : 0;

	if (wait >= left)
		return say(c, ST_TIMEOUT, "the issuer has not decided within smime.acme_wait");
	sleep_ms(wait);
	*ms = *ms * 2 < LONGEST_PAUSE_MS ? *ms * 2 : LONGEST_PAUSE_MS;
	return ST_OK;
}

static enum status take_order(struct order *o)
{
	enum status st = acme_order_take(o->said.json, o->c->origin, &o->now);

	return st == ST_OK ? st : say_not_understood(o->c, st, "order");
}

/* RFC 8555 7.4 */
static enum status begin_order(struct order *o)
{
	struct acme_client *c = o->c;
	struct view address = o->of->address;
	json_t *payload;
	enum status st;

	if (!acme_request_is_for(address))
		return say(c, ST_SYNTAX, "the address is not of ASCII alone, and cannot be asked for");
	payload = json_pack("{s:[{s:s, s:s%}]}", "identifiers", "type", "email", "value", address.p, address.n);
	st = post_json(c, c->urls.new_order, payload, &o->said);
	if (st != ST_OK)
		return st;
	st = acme_url_check(o->said.location, c->origin);
	if (st != ST_OK)
		return say_not_understood(c, st, "order");
	buf_put(&o->url, o->said.location);
	return take_order(o);
}

static enum status look_at_order(struct order *o)
{
	struct agent_answer a;
	enum status st = post(o->c, buf_view(&o->url), VIEW_NONE, &a);

	if (st != ST_OK)
		return st;
	agent_answer_free(&o->said);
	o->said = a;
	return take_order(o);
}

/* Until it is further than that. */
static enum status await_order(struct order *o, enum acme_state behind)
{
	unsigned ms = FIRST_PAUSE_MS;
	enum status st = ST_OK;

	while (st == ST_OK && o->now.state <= behind) {
		st = pause_for(o->c, o->said.again_s, &ms);
		if (st == ST_OK)
			st = look_at_order(o);
	}
	if (st == ST_OK && o->now.state == ACME_INVALID)
		st = say_problem(o->c, o->now.problem, 200);
	return st;
}

static enum status look_at_proof(struct order *o)
{
	struct agent_answer a;
	enum status st = post(o->c, o->now.authorization, VIEW_NONE, &a);

	if (st != ST_OK)
		return st;
	agent_answer_free(&o->proof);
	o->proof = a;
	st = acme_authorization_take(a.json, o->c->origin, &o->a);
	return st == ST_OK ? st : say_not_understood(o->c, st, "authorization");
}

/* ---- the challenge (RFC 8823 3) ---- */

static enum status await_letter(struct order *o, struct arena *a, struct acme_challenge *ret)
{
	enum status st;

	do {
		st = directory_acme_challenge(o->c->m.directory, o->of->id, o->a.from, a, ret);
		if (st == ST_MISSING)
			sleep_ms(LETTER_LOOK_MS);
	} while (st == ST_MISSING && clock_steady() < o->c->end);
	if (st != ST_MISSING)
		return st;
	return say(o->c, ST_TIMEOUT, "no letter of the issuer came that proves itself; the log says more");
}

static enum status answer_letter(struct order *o)
{
	struct arena a = ARENA(CHALLENGE_ARENA);
	struct buf digest = BUF(ACME_DIGEST_TEXT);
	struct acme_challenge letter = { .sender = VIEW_NONE };
	struct acme_answering how = { .dir = o->c->m.conf->dir, .host = o->c->m.conf->host_name, .address = o->of->address };
	enum status st = await_letter(o, &a, &letter);

	if (st == ST_OK)
		st = acme_digest(o->c->key, letter.token, o->a.token, &digest);
	if (st == ST_OK) {
		how.to = letter.reply_to.n ? letter.reply_to : letter.sender;
		how.challenge = &letter;
		how.digest = buf_view(&digest);
		st = acme_answer(&how, o->c->why);
	}
	arena_free(&a);
	buf_free(&digest);
	return st;
}

static enum status await_proof(struct order *o)
{
	unsigned ms = FIRST_PAUSE_MS;
	enum status st = look_at_proof(o);

	while (st == ST_OK && o->a.state < ACME_VALID) {
		st = pause_for(o->c, o->proof.again_s, &ms);
		if (st == ST_OK)
			st = look_at_proof(o);
	}
	return st == ST_OK && o->a.state != ACME_VALID ? say_problem(o->c, o->a.problem, 200) : st;
}

/* One that it has proved before may do (RFC 8555 7.1.4). */
static enum status prove(struct order *o)
{
	struct directory *d = o->c->m.directory;
	struct agent_answer told;
	enum status st = look_at_proof(o);

	if (st == ST_OK && !smime_same_address(o->a.address, o->of->address))
		return say(o->c, ST_SYNTAX, "the issuer wants a proof for another address");
	if (st != ST_OK || o->a.state == ACME_VALID)
		return st;
	if (!o->a.offered)
		return say(o->c, ST_DENIED, "the issuer does not offer a challenge by letter (email-reply-00)");
	st = directory_acme_expect(d, o->of->id, o->a.from);
	if (st == ST_OK)
		st = answer_letter(o);
	if (st == ST_OK)
		st = post(o->c, o->a.url, VIEW("{}"), &told);
	if (st != ST_OK)
		return st;
	agent_answer_free(&told);
	return await_proof(o);
}

/* ---- the certificate ---- */

/* RFC 8555 7.4 */
static enum status finalize(struct order *o, struct view request)
{
	struct buf text = BUF(2 * ACME_REQUEST_MAX);
	struct agent_answer a;
	enum status st;

	buf_puts(&text, "{\"csr\":\"");
	acme_base64url(request, &text);
	buf_puts(&text, "\"}");
	st = buf_status(&text);
	if (st == ST_OK)
		st = post(o->c, o->now.finalize, buf_view(&text), &a);
	buf_free(&text);
	if (st != ST_OK)
		return st;
	agent_answer_free(&o->said);
	o->said = a;
	st = take_order(o);
	return st == ST_OK ? await_order(o, ACME_PROCESSING) : st;
}

/* Ours is that of our key; the others go along with it. */
static enum status take_chain(struct acme_client *c, struct view pem, EVP_PKEY *key, struct acme_obtained *ret)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	enum status st = all ? smime_certificates(pem, all) : ST_NOMEM;
	int own = -1;

	for (int i = 0; st == ST_OK && own < 0 && i < sk_X509_num(all); i++)
		own = X509_check_private_key(sk_X509_value(all, i), key) == 1 ? i : -1;
	ERR_clear_error();
	if (st != ST_OK || own < 0) {
		sk_X509_pop_free(all, X509_free);
		return say(c, st == ST_OK ? ST_SYNTAX : st, "what the issuer gave is no certificate of our key");
	}
	*ret = (struct acme_obtained){ .key = { .certificate = sk_X509_delete(all, own), .key = key }, .chain = all };
	return ST_OK;
}

static enum status download(struct order *o, EVP_PKEY *key, struct acme_obtained *ret)
{
	struct agent_answer a;
	enum status st = post(o->c, o->now.certificate, VIEW_NONE, &a);

	if (st != ST_OK)
		return st;
	st = take_chain(o->c, a.text, key, ret);
	agent_answer_free(&a);
	return st;
}

static enum status certify(struct order *o, enum acme_use use, struct acme_obtained *ret)
{
	struct buf request = BUF(ACME_REQUEST_MAX);
	EVP_PKEY *key = NULL;
	enum status st = look_at_order(o);

	if (st == ST_OK)
		st = await_order(o, ACME_PENDING);
	if (st == ST_OK)
		st = acme_request_make(use, o->of->address, &key, &request);
	if (st == ST_OK)
		st = finalize(o, buf_view(&request));
	if (st == ST_OK)
		st = download(o, key, ret);
	buf_free(&request);
	if (st != ST_OK)
		EVP_PKEY_free(key);
	return st;
}

enum status acme_client_obtain(struct acme_client *c, const struct account *of, enum acme_use use, struct buf *why,
			       struct acme_obtained *ret)
{
	struct order o = { .c = c, .of = of, .url = BUF(ACME_URL_MOST) };
	enum status st, closed;

	c->why = why;
	c->later = 0;
	c->end = clock_steady() + (steady_ms)c->m.conf->acme_wait;
	/* An issuer may be quick with its letter. */
	st = directory_acme_open(c->m.directory, of->id, clock_wall());
	if (st == ST_OK)
		st = begin_order(&o);
	if (st == ST_OK)
		st = prove(&o);
	closed = directory_acme_close(c->m.directory, of->id);
	if (st == ST_OK)
		st = closed;
	if (st == ST_OK)
		st = certify(&o, use, ret);
	order_free(&o);
	return st == ST_OK ? st : say(c, st, status_name(st));
}
