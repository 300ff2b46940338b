/* issuers.c - those whose tokens log in: their keys are in files that the parent
 * opens, or relay fetches them, and then they are kept in keys/issuers, so that
 * neither a restart nor an issuer that is away ends the logins. */
#include "warden/internal.h"

#include "base/disk.h"
#include "base/json.h"
#include "base/log.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ISSUERS_ARENA = 256 * 1024, CONFIGURATION_MAX = 2048, KEPT_MAX = 3 * JWKS_MAX,
	NAME_SIZE = 2 * SHA256_DIGEST_LENGTH, ASK_MS = 26000, RELAY_TRIES = 100, RELAY_MS = 100,
};

struct issuer {
	struct issuers *all;
	struct jwks *keys;
	struct view algorithms;
	bool far;		/* its keys are fetched */
	bool asking;
	struct buf configuration;
	wall_ms fetched;	/* 0: never */
	steady_ms tried;	/* 0: never */
	struct timer due;
};

struct issuers {
	struct warden *w;
	struct arena a;
	struct issuer list[CONF_ISSUERS_MAX];
	struct token_issuer rules[CONF_ISSUERS_MAX];
	struct token_issuers tokens;
};

/* What goes on while other settings may come. */
struct asking {
	struct warden *w;
	struct buf issuer;
};

static size_t place_of(const struct issuer *i)
{
	return (size_t)(i - i->all->list);
}

static struct view name_of(const struct issuer *i)
{
	return i->all->rules[place_of(i)].issuer;
}

static void log_issuer(const char *event, struct view issuer, const char *why)
{
	log_begin(LOG_WARN_, event);
	log_view("issuer", issuer);
	log_str("why", why);
	log_end();
}

/* ---- keys as they were fetched ---- */

static enum status take_keys(struct issuer *i, struct view text, struct view configuration, wall_ms fetched)
{
	struct token_issuer *rule = &i->all->rules[place_of(i)];
	struct jwks *keys;
	enum status st = jwks_new(text, i->algorithms, &keys);

	if (st != ST_OK)
		return st;
	jwks_free(i->keys);
	i->keys = keys;
	i->fetched = fetched;
	if (configuration.n) {
		buf_clear(&i->configuration);
		buf_put(&i->configuration, configuration);
		rule->configuration = buf_view(&i->configuration);
	}
	rule->keys = keys;
	return ST_OK;
}

/* What an issuer has taken back must end some time, also where somebody keeps us from hearing it. */
static void forget_stale(struct issuer *i)
{
	if (i->keys == NULL || clock_wall() - i->fetched <= i->all->w->proc.conf.oauth_stale)
		return;
	log_issuer("issuer-stale", name_of(i), "its keys were fetched too long ago");
	jwks_free(i->keys);
	i->keys = NULL;
	i->all->rules[place_of(i)].keys = NULL;
}

/* ---- keys/issuers/SHA256.json: {"issuer", "fetched", "until", "configuration", "keys"} ---- */

static void file_name(struct view issuer, struct buf *out)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)issuer.p, issuer.n, digest);
	buf_put_hex(out, digest, sizeof digest);
	buf_puts(out, ".json");
	buf_putc(out, '\0');
}

static enum status open_folder(const struct warden *w, int *ret_fd)
{
	enum status st = disk_mkdir(w->sealing.keys, "issuers", 0700);

	if (st != ST_OK && st != ST_EXISTS)
		return st;
	return disk_open(w->sealing.keys, "issuers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ret_fd);
}

/* What is not kept is fetched again at the next start. */
static void keep(const struct issuer *i, struct view keys, wall_ms until)
{
	struct view issuer = name_of(i), configuration = buf_view(&i->configuration);
	struct buf name = BUF(NAME_SIZE + 16);
	json_t *o = json_pack("{s:s%, s:I, s:I, s:s%, s:s%}", "issuer", issuer.p, issuer.n, "fetched",
			      (json_int_t)i->fetched, "until", (json_int_t)until, "configuration",
			      configuration.n ? configuration.p : "", configuration.n, "keys", keys.p, keys.n);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	int folder = -1;
	enum status st = text ? open_folder(i->all->w, &folder) : ST_NOMEM;

	file_name(issuer, &name);
	if (st == ST_OK)
		st = disk_write_file(folder, "new", O_TRUNC, view_cstr(text));
	if (st == ST_OK)
		st = disk_rename(folder, "new", name.p);
	if (st != ST_OK)
		log_issuer("issuer-not-kept", issuer, status_name(st));
	if (folder >= 0)
		close(folder);
	free(text);
	json_decref(o);
	buf_free(&name);
}

static enum status read_file(const struct warden *w, const char *name, struct buf *out)
{
	int folder = -1, fd = -1;
	enum status st = open_folder(w, &folder);

	if (st == ST_OK)
		st = disk_open(folder, name, O_RDONLY | O_NOFOLLOW, 0, &fd);
	if (st == ST_OK)
		st = key_file_read(fd, out);
	if (fd >= 0)
		close(fd);
	if (folder >= 0)
		close(folder);
	return st;
}

/* Until when what was kept counts; 0: there is nothing of use. */
static wall_ms recall(struct issuer *i)
{
	struct buf name = BUF(NAME_SIZE + 16), text = BUF(KEPT_MAX);
	json_t *o = NULL;
	wall_ms until = 0;

	file_name(name_of(i), &name);
	if (read_file(i->all->w, name.p, &text) == ST_OK)
		o = json_object_of(buf_view(&text));
	if (view_eq(json_member(o, "issuer"), name_of(i)) &&
	    take_keys(i, json_member(o, "keys"), json_member(o, "configuration"),
		      json_integer_value(json_object_get(o, "fetched"))) == ST_OK)
		until = json_integer_value(json_object_get(o, "until"));
	json_decref(o);
	buf_free(&name);
	buf_free(&text);
	forget_stale(i);
	return i->keys ? until : 0;
}

/* ---- fetching ---- */

static void schedule(struct issuer *i, int64_t ms)
{
	const struct conf *c = &i->all->w->proc.conf;

	/* A clock that was set back puts nothing off for longer than this. */
	if (ms > c->oauth_refresh)
		ms = c->oauth_refresh;
	if (loop_timer(i->all->w->proc.loop, &i->due, clock_steady() + (steady_ms)(ms > 0 ? ms : 0)) != ST_OK)
		log_issuer("issuer-failed", name_of(i), status_name(ST_NOMEM));
}

static void heard(struct issuer *i, const struct rec_issuer_answer *in)
{
	const struct conf *c = &i->all->w->proc.conf;
	int64_t age = in->max_age ? (int64_t)in->max_age * 1000 : c->oauth_refresh;
	wall_ms now = clock_wall();
	enum status st = in->verdict == VERDICT_OK ? take_keys(i, in->keys, in->configuration, now) : ST_IO;

	if (age > c->oauth_refresh)
		age = c->oauth_refresh;
	if (age < c->oauth_again)
		age = c->oauth_again;
	if (st == ST_OK)
		keep(i, in->keys, now + age);
	else if (in->verdict == VERDICT_OK)
		log_issuer("issuer-failed", name_of(i), "there is no key of use in what it has");
	forget_stale(i);
	schedule(i, st == ST_OK ? age : c->oauth_again);
}

static struct channel *wait_for_relay(struct warden *w)
{
	for (int tries = 0; tries < RELAY_TRIES; tries++) {
		for (int i = 0; i < RELAYS_MAX; i++)
			if (channel_is_open(&w->relays[i]))
				return &w->relays[i];
		loop_sleep(w->proc.loop, RELAY_MS);
	}
	return NULL;
}

static struct issuer *issuer_named(const struct warden *w, struct view name)
{
	for (size_t i = 0; w->issuers && i < w->issuers->tokens.n; i++)
		if (view_eq(w->issuers->rules[i].issuer, name))
			return &w->issuers->list[i];
	return NULL;
}

static void ask(void *arg)
{
	struct asking *a = arg;
	struct warden *w = a->w;
	struct buf b = BUF(RECORD_MAX), said = BUF(RECORD_MAX);
	struct channel *relay = wait_for_relay(w);
	struct rec_issuer_answer in;
	struct issuer *i;
	uint16_t type = 0;

	rec_put_issuer_ask(&b, 0, 0, &(struct rec_issuer_ask){ buf_view(&a->issuer) });
	if (relay == NULL || channel_ask(relay, &b, -1, ASK_MS, &said, &type, NULL) != ST_OK ||
	    type != REC_issuer_answer || !rec_take_issuer_answer(buf_view(&said), &in) ||
	    !view_eq(in.issuer, buf_view(&a->issuer)))
		in = (struct rec_issuer_answer){ .verdict = VERDICT_LATER };
	i = issuer_named(w, buf_view(&a->issuer));
	if (i && i->far) {
		i->asking = false;
		heard(i, &in);
		sasl_go_on(w, place_of(i));
	}
	buf_free(&a->issuer);
	free(a);
	buf_free(&b);
	buf_free(&said);
}

static bool begin(struct issuer *i)
{
	struct asking *a = calloc(1, sizeof *a);

	if (a == NULL)
		return false;
	*a = (struct asking){ i->all->w, BUF(RECORD_MAX / 2) };
	buf_put(&a->issuer, name_of(i));
	i->tried = clock_steady();
	i->asking = true;
	loop_timer_clear(i->all->w->proc.loop, &i->due);
	/* It may be over at once, where relay has just died. */
	if (co_start(ask, a) == ST_OK)
		return i->asking;
	i->asking = false;
	buf_free(&a->issuer);
	free(a);
	return false;
}

static void due(struct timer *t)
{
	struct issuer *i = (struct issuer *)((char *)t - offsetof(struct issuer, due));

	if (!begin(i) && i->due.slot == 0)
		schedule(i, i->all->w->proc.conf.oauth_again);
}

bool issuers_renew(struct warden *w, size_t place)
{
	struct issuer *i = w->issuers && place < w->issuers->tokens.n ? &w->issuers->list[place] : NULL;

	if (i == NULL || !i->far)
		return false;
	if (i->asking)
		return true;
	return (i->tried == 0 || clock_steady() - i->tried >= (steady_ms)w->proc.conf.oauth_again) && begin(i);
}

const struct token_issuers *issuers_tokens(const struct warden *w)
{
	return w->issuers && w->issuers->tokens.n ? &w->issuers->tokens : NULL;
}

/* ---- as the settings have them ---- */

void issuers_free(struct issuers *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->tokens.n; i++) {
		loop_timer_clear(s->w->proc.loop, &s->list[i].due);
		jwks_free(s->list[i].keys);
		buf_free(&s->list[i].configuration);
	}
	arena_free(&s->a);
	free(s);
}

/* Until it says itself where its document is, it is where OpenID has it. */
static void guess_configuration(struct issuer *i)
{
	struct token_issuer *rule = &i->all->rules[place_of(i)];
	struct view base = rule->issuer;

	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	if (!view_starts_i(base, VIEW("https://")))
		return;
	buf_putf(&i->configuration, "%.*s/.well-known/openid-configuration", VIEW_ARG(base));
	rule->configuration = buf_view(&i->configuration);
}

/* keys: of a file, or NULL. */
static void add(struct issuers *s, const struct conf_issuer *one, struct jwks *keys)
{
	size_t place = s->tokens.n++;
	struct issuer *i = &s->list[place];

	s->rules[place] = (struct token_issuer){
		.issuer = arena_copy(&s->a, one->issuer), .audience = arena_copy(&s->a, one->audience),
		.scope = arena_copy(&s->a, one->scope), .claim = arena_cstr(&s->a, one->claim),
		.domains = arena_copy(&s->a, one->domains), .keys = keys,
	};
	*i = (struct issuer){
		.all = s, .keys = keys, .algorithms = arena_copy(&s->a, one->algorithms),
		.far = conf_issuer_is_far(one), .configuration = BUF(CONFIGURATION_MAX), .due = { .fire = due },
	};
	guess_configuration(i);
	if (i->far && arena_status(&s->a) == ST_OK)
		schedule(i, recall(i) - clock_wall());
}

void issuers_show(struct warden *w)
{
	struct issuers *s = calloc(1, sizeof *s);
	struct conf_issuer one;

	if (s) {
		s->w = w;
		s->a = ARENA(ISSUERS_ARENA);
		s->tokens = (struct token_issuers){ s->rules, 0, w->proc.conf.oauth_leeway };
	}
	for (size_t i = 0; s && conf_issuer(&w->proc.conf, i, &one); i++) {
		add(s, &one, w->next_jwks[i]);
		w->next_jwks[i] = NULL;
	}
	for (size_t i = 0; i < CONF_ISSUERS_MAX; i++) {
		jwks_free(w->next_jwks[i]);
		w->next_jwks[i] = NULL;
	}
	if (s == NULL || arena_status(&s->a) != ST_OK) {
		log_event(LOG_ERROR_, "issuers", "why=\"%s\"", status_name(ST_NOMEM));
		issuers_free(s);
		return;
	}
	issuers_free(w->issuers);
	w->issuers = s;
	/* Who waited for keys of one that is not there any more is told so. */
	sasl_go_on(w, SASL_ALL);
}

enum status issuers_take_file(struct warden *w, uint32_t index, int fd)
{
	struct buf json = BUF(KEY_FILE_MAX);
	struct conf_issuer one;
	enum status st = key_file_read(fd, &json);

	if (index >= CONF_ISSUERS_MAX || !conf_issuer(&w->proc.conf, index, &one)) {
		buf_free(&json);
		return ST_MISSING;
	}
	jwks_free(w->next_jwks[index]);
	w->next_jwks[index] = NULL;
	if (st == ST_OK)
		st = jwks_new(buf_view(&json), one.algorithms, &w->next_jwks[index]);
	buf_free(&json);
	return st;
}
