/* attempt.c - one attempt: which hosts, in which order, and the answer. */
#include "mta/relay/internal.h"

#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

enum { ENDED_TEXT = 200, ANSWER_HEAD = 1024, RESULT_HEAD = 300 };

/* ---- answers ---- */

bool attempt_is_open(const struct attempt *a)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (a->answers[i].verdict == UNDECIDED)
			return true;
	return false;
}

/* Decides all that are undecided. */
static void attempt_decide(struct attempt *a, struct answer answer)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (a->answers[i].verdict == UNDECIDED)
			a->answers[i] = answer;
}

static void log_answer(const struct attempt *a, uint32_t i)
{
	static const char *const verdicts[] = { "relayed", "refused", "later" };
	const struct answer *w = &a->answers[i];

	log_begin(w->verdict == VERDICT_OK ? LOG_INFO_ : LOG_WARN_, verdicts[w->verdict < 3 ? w->verdict : 2]);
	log_hex("sid", a->env.sid);
	log_view("id", a->env.id);
	log_hex("queue", a->queue_id);
	log_view("to", a->env.recipients[a->wanted[i]].address);
	log_view("host", w->host);
	if (w->code)
		log_u64("code", w->code);
	log_view("status", w->status);
	log_view("says", view_head(w->text, ENDED_TEXT));
	if (w->verdict == VERDICT_OK)
		log_view("how", buf_view(&a->how));
	log_end();
}

static void answer_queue(struct attempt *a)
{
	struct buf results = BUF(RECORD_MAX), b = BUF(RECORD_MAX);
	/* All must fit into one record, whatever the hosts have said. */
	size_t share = (RECORD_MAX - ANSWER_HEAD) / a->n, text = share > RESULT_HEAD ? share - RESULT_HEAD : 0;

	for (uint32_t i = 0; i < a->n; i++) {
		const struct answer *w = &a->answers[i];

		log_answer(a, i);
		attempt_result_put(&results, &(struct attempt_result){
						     .recipient = a->wanted[i], .verdict = w->verdict, .dsn = w->dsn, .by = w->by,
						     .site = w->site && w->verdict == VERDICT_LATER, .code = w->code,
						     .status = w->status, .text = view_head(w->text, text),
						     .host = w->host });
	}
	rec_put_attempted(&b, 0, a->env.sid,
			  &(struct rec_attempted){ a->id, buf_view(&results), buf_view(&a->how) });
	(void)!role_send(&a->r->queue, &b, -1);
	buf_free(&results);
	buf_free(&b);
}

/* ---- one host ---- */

static struct tls_wish wish_of(const struct attempt *a)
{
	return (struct tls_wish){ .require = a->env.requiretls, .relax = a->letter.tls_not_required };
}

/* What connections have in common that may carry this letter. */
static struct view pool_key(struct attempt *a)
{
	struct tls_wish wish = wish_of(a);
	struct buf b = BUF(1024);
	struct view key;

	buf_putf(&b, "%d%d ", wish.require, wish.relax);
	buf_put(&b, a->route.mx ? a->site : a->route_text);
	key = arena_copy(&a->arena, buf_view(&b));
	buf_free(&b);
	return key;
}

/* The letter goes over this connection, which then waits for the next. */
static void use(struct attempt *a, struct remote *m)
{
	transact(a, m);
	buf_clear(&a->how);
	buf_put(&a->how, buf_view(&m->how));
	/* One that did not take it is not asked again for the same. */
	if (attempt_is_open(a))
		remote_end(m);
	else
		pool_put(m, pool_key(a));
}

static enum secured secured_by(const struct conn *c)
{
	if (!conn_has_tls(c))
		return SECURED_NOT;
	return strcmp(conn_tls_verified(c), "not verified") ? SECURED_VERIFIED : SECURED_TLS;
}

/* Less than before is nothing that stops a letter, but worth a look. */
static void remember(struct attempt *a, struct remote *m)
{
	struct buf was = BUF(HOW_MAX);

	if (memory_note(a->r->memory, a->site, secured_by(&m->conn), buf_view(&m->how), &was)) {
		log_begin(LOG_WARN_, "tls-weaker");
		log_view("id", a->env.id);
		log_view("site", a->site);
		log_view("was", buf_view(&was));
		log_view("now", buf_view(&m->how));
		log_end();
		buf_putf(&m->how, " (was: %.*s)", VIEW_ARG(buf_view(&was)));
	}
	buf_free(&was);
}

static struct destination destination_of(const struct attempt *a, const struct host *h, const struct endpoint *to,
					 const struct tls_policy *p)
{
	return (struct destination){
		.host = h->name, .site = a->site, .to = *to, .policy = p,
		.tls_first = a->route.tls_first,
		.login = a->route.mx ? NULL : credentials_find(&a->r->credentials, a->route.host),
	};
}

/* One connection; where TLS fails that need not be, one more without it. */
static void try_address(struct attempt *a, const struct host *h, const struct endpoint *to, const struct tls_policy *p)
{
	struct destination d = destination_of(a, h, to, p);
	struct tls_outcome outcome = { 0 };
	char text[ENDPOINT_TEXT];
	bool tls_failed;
	struct remote *m;

	if (d.host.n == 0)
		d.host = arena_copy(&a->arena, view_cstr(endpoint_text(to, text)));
	a->tried++;
	d.outcome = &outcome;
	m = remote_open(a->r, &d, &a->arena, &a->last, &tls_failed);
	report_tls(a, h, to, p, &outcome);
	d.outcome = NULL;
	if (m == NULL && tls_failed) {
		d.clear = true;
		m = remote_open(a->r, &d, &a->arena, &a->last, &tls_failed);
	}
	a->last.site = true;
	if (m == NULL)
		return;
	/* What the sender asked to relax is no sign of anything. */
	if (a->route.mx && !a->letter.tls_not_required)
		remember(a, m);
	use(a, m);
}

static bool policy_for(struct attempt *a, const struct site_policy *of_site, const struct hosts *hosts,
		       const struct host *h, struct tls_policy *ret)
{
	const struct policy_source source = { &a->r->dns.resolver, a->r->tls, a->r->sts };
	const struct tls_wish wish = wish_of(a);
	struct tlsa_base base = h->base;

	if (!a->route.mx && (a->route.tls_first || credentials_find(&a->r->credentials, a->route.host))) {
		*ret = policy_of_route(a->route.host, true, &a->arena);
		ret->require_tls = wish.require;
		return true;
	}
	base.secure &= hosts->secure;
	base.name = h->name;
	if (policy_of_host(&source, of_site, a->site, hosts->secure, &base, &wish, &a->arena, ret) != ST_OK) {
		a->last = own_answer(VERDICT_LATER, "4.3.0", VIEW("no memory"));
		return false;
	}
	if (ret->level == TLS_NOT_NOW && ret->problem != TLS_RESULT_OK)
		report_tls(a, h, NULL, ret, NULL);
	if (ret->level == TLS_NOT_NOW)
		a->last = own_answer(VERDICT_LATER, "4.7.5", ret->why);
	else if (ret->level == TLS_NEVER)
		a->last = own_answer(VERDICT_NO, "5.7.30", ret->why);
	/* What is asked for one letter says nothing of the others. */
	a->last.site = !wish.require;
	a->last.host = h->name;
	return ret->level != TLS_NOT_NOW && ret->level != TLS_NEVER;
}

/* False: no host behind this one may be asked. */
static bool try_host(struct attempt *a, const struct site_policy *of_site, const struct hosts *hosts, struct host *h)
{
	const struct conf *conf = &a->r->proc.conf;
	struct tls_policy policy;

	if (!host_addresses(a->r, h, a->route.mx ? (uint16_t)conf->relay_port : a->route.port, &a->arena, &a->last))
		return true;
	for (size_t i = 0; i < h->n_addresses; i++)
		if (host_is_own(a->r, &h->addresses[i])) {
			if (a->tried == 0)
				a->last = own_answerf(&a->arena, VERDICT_NO, "5.4.6", "mail for %.*s comes back to this host: "
						      "the address of %.*s is ours", VIEW_ARG(a->site), VIEW_ARG(h->name));
			return false;
		}
	if (!policy_for(a, of_site, hosts, h, &policy))
		return true;
	for (size_t i = 0; i < h->n_addresses && attempt_is_open(a); i++) {
		if (a->tried == (uint32_t)conf->relay_addresses)
			return false;
		try_address(a, h, &h->addresses[i], &policy);
	}
	return true;
}

/* ---- all of them ---- */

static void by_hosts(struct attempt *a)
{
	const struct policy_source source = { &a->r->dns.resolver, a->r->tls, a->r->sts };
	struct site_policy of_site = { 0 };
	struct hosts hosts;
	bool found = a->route.mx ? hosts_find(a->r, a->site, &a->arena, &hosts, &a->last)
				 : hosts_of_route(&a->route, &a->arena, &hosts, &a->last);

	/* The operator's own routes are his business. */
	if (found && a->route.mx)
		of_site = policy_of_site(&source, a->site, &a->arena);
	if (of_site.trouble != TLS_RESULT_OK)
		report_tls_trouble(a, of_site.trouble);
	for (size_t i = 0; found && i < hosts.n && attempt_is_open(a); i++)
		if (!try_host(a, &of_site, &hosts, &hosts.list[i]))
			break;
	if (attempt_is_open(a))
		attempt_decide(a, a->last);
}

static void by_idle(struct attempt *a)
{
	struct remote *m;

	while (attempt_is_open(a) && (m = pool_take(a->r, pool_key(a))) != NULL)
		use(a, m);
}

static void attempt_free(struct attempt *a)
{
	letter_close(&a->letter);
	buf_free(&a->sealed.fields);
	buf_free(&a->how);
	arena_free(&a->arena);
	free(a);
}

static void attempt_run(void *arg)
{
	struct attempt *a = arg;
	struct relay *r = a->r;

	by_idle(a);
	if (attempt_is_open(a))
		by_hosts(a);
	answer_queue(a);
	attempt_free(a);
	r->running--;
	relay_attempt_ended(r);
}

/* ---- the record ---- */

static enum status take_wanted(struct attempt *a, struct view places)
{
	struct cursor c = cursor_over(places);
	uint32_t n = (uint32_t)(places.n / sizeof *a->wanted);

	if (n == 0 || places.n % sizeof *a->wanted || n > a->env.n_recipients)
		return ST_SYNTAX;
	a->wanted = arena_array(&a->arena, n, sizeof *a->wanted);
	a->answers = arena_array(&a->arena, n, sizeof *a->answers);
	for (uint32_t i = 0; i < n && a->wanted && a->answers; i++) {
		a->wanted[i] = take_u32(&c);
		a->answers[i].verdict = UNDECIDED;
		if (a->wanted[i] >= a->env.n_recipients)
			return ST_SYNTAX;
	}
	if (arena_status(&a->arena) == ST_OK)
		a->n = n;
	return arena_status(&a->arena);
}

/* Nothing that stands in a command may end it.  Others have checked all of
 * this; here it would be said to strangers. */
static bool is_line(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < 32 || v.p[i] == 127)
			return false;
	return true;
}

static bool is_speakable(const struct attempt *a)
{
	bool good = is_line(a->env.sender) && is_line(a->env.envid);

	for (uint32_t i = 0; i < a->n; i++) {
		const struct recipient *r = &a->env.recipients[a->wanted[i]];

		good = good && is_line(r->address) && is_line(r->sender) && is_line(r->orcpt) && is_line(r->via);
	}
	return good;
}

static enum status take_record(struct attempt *a, const struct rec_attempt *in, int fd)
{
	enum status st;

	a->id = in->attempt;
	a->queue_id = in->queue_id;
	a->site = arena_copy(&a->arena, in->site);
	a->route_text = arena_copy(&a->arena, in->route);
	st = envelope_take(arena_copy(&a->arena, in->envelope), &a->arena, &a->env);
	if (in->unprotected)
		a->env.requiretls = 0;
	if (st == ST_OK)
		st = take_wanted(a, in->recipients);
	if (st == ST_OK && !is_speakable(a))
		st = ST_DENIED;
	if (st == ST_OK)
		st = route_parse(a->route_text, &a->route);
	if (st == ST_OK && !a->route.mx)
		a->site = a->route.host;
	if (st == ST_OK)
		st = letter_open(&a->letter, in->body, fd, in->size, &a->env, &a->arena);
	return st;
}

/* A record that cannot be read is answered too, lest the queue waits. */
static void answer_broken(struct relay *r, const struct rec_attempt *in, enum status st)
{
	struct buf b = BUF(1024);

	log_event(LOG_ERROR_, "attempt", "why=\"%s\"", status_name(st));
	rec_put_attempted(&b, 0, 0, &(struct rec_attempted){ in->attempt, VIEW_NONE, VIEW_NONE });
	(void)!role_send(&r->queue, &b, -1);
	buf_free(&b);
}

void attempt_begin(struct relay *r, struct record *rec)
{
	struct attempt *a = calloc(1, sizeof *a);
	struct rec_attempt in = { 0 };
	enum status st = a ? ST_OK : ST_NOMEM;

	if (!rec_take_attempt(rec->body, &in))
		st = ST_SYNTAX;
	if (st == ST_OK) {
		a->r = r;
		a->arena = ARENA(ATTEMPT_ARENA);
		a->how = BUF(HOW_MAX);
		a->sealed.fields = BUF(SEALED_MAX);
		a->last = own_answer(VERDICT_LATER, "4.4.0", VIEW("no host was found to ask"));
		st = take_record(a, &in, rec->fd);
	}
	if (rec->fd >= 0)
		close(rec->fd);
	r->running++;
	if (st == ST_OK)
		st = co_start(attempt_run, a);
	if (st == ST_OK)
		return;
	r->running--;
	if (a && a->n) {
		attempt_decide(a, st == ST_DENIED ? own_answer(VERDICT_NO, "5.1.3", VIEW("an address holds control characters"))
						  : own_answer(VERDICT_LATER, "4.3.0", view_cstr(status_name(st))));
		answer_queue(a);
	} else {
		answer_broken(r, &in, st);
	}
	if (a)
		attempt_free(a);
}
