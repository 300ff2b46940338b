/* checks.c - who really sent a letter, at the door: SPF, DKIM, DMARC and ARC
 * between the end of its text and the queue; what they found is written at its
 * top (RFC 8601), and nobody else's claims to have found it stay there. */
#include "mta/in/internal.h"

#include "base/log.h"
#include "trust/authres.h"
#include "trust/domain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { FIELDS_MAX = 64 * 1024, HEAD_MAX = PASS_HEADER_MAX + FIELDS_MAX, WHY_MAX = 1024 };

/* Is this session's letter checked, or is its sender known (by his login, or
 * because it comes from this machine)? */
static bool smtp_is_checked(const struct smtp_session *s)
{
	const struct conf *conf = s->host->conf;

	return conf->trust_check && !smtp_is_submission(s) && s->account == 0 && !smtp_speaks_for_us(s) &&
	       (!s->loopback || conf->trust_loopback);
}

void smtp_checks_hint(struct smtp_session *s)
{
	struct spf_ip ip;

	if (!smtp_is_checked(s))
		return;
	checks_hint(s->host->checks, s->env.sender, buf_view(&s->helo));
	if (s->host->conf->trust_iprev && s->address == NULL && spf_ip_parse(view_cstr(s->peer), &ip) == ST_OK)
		s->address = iprev_begin(&ip, s->host->checks->resolver);
}

enum status smtp_checks_begin(struct smtp_session *s)
{
	s->checks = malloc(sizeof *s->checks);
	if (s->checks == NULL)
		return ST_NOMEM;
	checks_begin(s->checks, smtp_is_checked(s) ? s->host->checks : NULL);
	return ST_OK;
}

/* The header is held twice: by the sink, and here. */
void smtp_checks_put(struct smtp_session *s, struct view run)
{
	uint64_t held;

	if (s->checks == NULL || sink_status(&s->sink) != ST_OK)
		return;
	checks_put(s->checks, run);
	held = s->checks->pass.header.n;
	s->host->budget->held += held - s->checks_held;
	s->checks_held = held;
}

void smtp_checks_forget(struct smtp_session *s)
{
	if (s->checks == NULL)
		return;
	s->host->budget->held -= s->checks_held;
	s->checks_held = 0;
	checks_free(s->checks);
	free(s->checks);
	s->checks = NULL;
}

/* ---- policy ---- */

/* What becomes of the letter: the sternest of what its failures ask for. */
struct ruling {
	enum conf_action action;
	enum reply reply;	/* where it is refused */
	struct buf *why;	/* names the check and the domain, for the sender's operator */
};

static void rule(struct ruling *r, int64_t action, enum reply reply, const char *fmt, ...) PRINTF_LIKE(4, 5);

static void rule(struct ruling *r, int64_t action, enum reply reply, const char *fmt, ...)
{
	char text[WHY_MAX];
	va_list ap;

	if (action <= (int64_t)r->action)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	r->action = (enum conf_action)action;
	r->reply = reply;
	buf_clear(r->why);
	buf_puts(r->why, text);
}

/* A domain of this system: warden knows its people, or that they are not there. */
static bool is_ours(struct smtp_session *s, struct view address)
{
	struct buf answer = BUF(RECORD_MAX);
	struct view targets = VIEW_NONE;
	enum verdict v = smtp_ask_warden(s, address, &answer, &targets);

	buf_free(&answer);
	return v == VERDICT_OK || v == VERDICT_NO || v == VERDICT_DENIED;
}

/* A good signature of the domain itself, or of one above it, also where there
 * is no policy, or the letter has other authors besides. */
static bool is_signed_by(const struct trust_verdict *v, struct view domain)
{
	for (uint32_t i = 0; i < v->dkim.n; i++)
		if (dkim_proves(&v->dkim.signatures[i]) && domain_within(domain, v->dkim.signatures[i].domain))
			return true;
	return false;
}

/* Somebody outside writes as one of ours, and nothing proves that he may. */
static bool is_false_own(struct smtp_session *s, const struct trust_verdict *v, struct view *ret_domain)
{
	for (size_t i = 0; i < v->author.n; i++) {
		const struct author_address *one = &v->author.all[i];
		bool proved = view_eq(one->domain, v->dmarc.domain) &&
			      (v->dmarc.spf_aligned || v->dmarc.dkim_aligned || v->arc_vouches);

		if (one->domain.n == 0 || proved || is_signed_by(v, one->domain) || !is_ours(s, one->address))
			continue;
		*ret_domain = one->domain;
		return true;
	}
	return false;
}

static bool has_author(const struct trust_verdict *v)
{
	return v->author.kind == AUTHOR_ONE || v->author.kind == AUTHOR_SEVERAL;
}

static void rule_dmarc(const struct conf *conf, const struct trust_verdict *v, struct ruling *r)
{
	bool reject = v->dmarc.disposition == DMARC_REJECT;

	if (v->dmarc.result != DMARC_FAIL || v->dmarc.disposition == DMARC_POLICY_NONE)
		return;
	rule(r, reject ? conf->trust_reject_dmarc : conf->trust_quarantine_dmarc, SAY_DMARC_FAILED,
	     "DMARC: neither SPF (%s) nor DKIM (%s) proves %.*s, whose policy is %s",
	     v->has_spf ? spf_result_name(v->spf.result) : "none", seal_result_name(dkim_result(&v->dkim)),
	     VIEW_ARG(v->dmarc.domain), dmarc_policy_name(v->dmarc.disposition));
}

static void rule_spf(const struct smtp_session *s, const struct trust_verdict *v, struct ruling *r)
{
	enum conf_action before = r->action;

	if (!v->has_spf || v->spf.result != SPF_FAIL || v->dmarc.result == DMARC_PASS)
		return;
	rule(r, s->host->conf->trust_reject_spf, SAY_SPF_FAILED, "SPF: %s may not send for %.*s", s->peer,
	     VIEW_ARG(v->spf.domain));
	if (r->action != before && v->spf.explanation.n)
		buf_putf(r->why, "\nThe domain %.*s explains: %.*s", VIEW_ARG(v->spf.domain),
			 VIEW_ARG(view_head(v->spf.explanation, 300)));
}

static void judge(struct smtp_session *s, const struct trust_verdict *v, struct ruling *r)
{
	const struct conf *conf = s->host->conf;
	struct view own = VIEW_NONE;

	if (!has_author(v))
		rule(r, conf->trust_reject_author, SAY_NO_AUTHOR, "From: is refused: %s", author_problem(v->author.kind));
	if (conf->trust_reject_own != ACTION_ACCEPT && is_false_own(s, v, &own))
		rule(r, conf->trust_reject_own, SAY_FALSE_OWN,
		     "From: is of %.*s, which is ours, and neither SPF nor DKIM proves it: log in to send for it", VIEW_ARG(own));
	rule_dmarc(conf, v, r);
	rule_spf(s, v, r);
}

/* Its accounts get it in Junk, and read why. */
static void put_aside(struct smtp_session *s, const struct ruling *r)
{
	struct view why = buf_view(r->why);

	s->env.quarantine = arena_copy(&s->tx, view_head(view_head(why, view_find(why, '\n')), QUARANTINE_MAX));
	log_begin(LOG_INFO_, "quarantined");
	log_hex("sid", s->sid);
	log_view("id", s->env.id);
	log_view("why", s->env.quarantine);
	log_end();
}

static void log_verdict(const struct smtp_session *s, const struct trust_verdict *v)
{
	log_begin(LOG_INFO_, "checked");
	log_hex("sid", s->sid);
	log_view("id", s->env.id);
	if (v->has_spf)
		log_str("spf", spf_result_name(v->spf.result));
	if (v->has_iprev)
		log_str("iprev", iprev_result_name(v->iprev.result));
	log_str("dkim", seal_result_name(dkim_result(&v->dkim)));
	log_str("dmarc", dmarc_result_name(v->dmarc.result));
	if (v->dmarc.result == DMARC_FAIL)
		log_str("disposition", dmarc_policy_name(v->dmarc.disposition));
	log_str("arc", arc_result_name(v->arc.result));
	if (v->arc_vouches)
		log_str("trusted", "arc");
	if (v->author.n)
		log_view("from", v->author.all[0].address);
	log_end();
}

/* ---- what stands at the top ---- */

static void put_run(void *arg, struct view run)
{
	buf_put(arg, run);
}

/* Our fields before the letter, what it lacked behind Received:, and where
 * something of its header goes (what somebody forged of ours, too), the rest
 * of it. */
static enum reply write_top(struct smtp_session *s, struct buf *fields, const struct mended *m)
{
	struct view header = buf_view(&s->checks->pass.header), id = view_cstr(s->host->conf->host_name);
	struct view left = m->changed ? buf_view(&m->kept) : header;
	struct buf clean = BUF(PASS_HEADER_MAX);
	uint64_t skip = 0;
	enum status st;

	authres_strip(left, id, put_run, &clean);
	if (m->changed || m->added.n || clean.n != header.n) {
		buf_put(fields, s->trace);
		buf_put(fields, buf_view(&m->added));
		skip = s->trace.n;
	}
	if (m->changed || clean.n != header.n) {
		buf_put(fields, buf_view(&clean));
		skip += header.n;
	}
	st = buf_status(&clean) != ST_OK ? buf_status(&clean) : buf_status(fields);
	if (st == ST_OK && (fields->n || skip))
		st = sink_replace(&s->sink, skip, buf_view(fields));
	buf_free(&clean);
	return st == ST_OK ? SAY_OK : SAY_NO_SPACE;
}

static unsigned hundredth(void)
{
	uint32_t x = 0;

	return getrandom(&x, sizeof x, 0) == sizeof x ? x % 100 : 0;
}

static enum reply check(struct smtp_session *s, struct buf *why, struct buf *fields)
{
	struct checks_letter l = {
		.helo = buf_view(&s->helo), .sender = s->env.sender, .now = s->env.received, .sample = hundredth(),
		.address = s->address,
	};
	struct ruling r = { .reply = SAY_OK, .why = why };
	struct trust_verdict v;
	size_t before = fields->n;

	l.has_ip = spf_ip_parse(view_cstr(s->peer), &l.ip) == ST_OK;
	if (checks_end(s->checks, &l, &v) != ST_OK)
		return SAY_TRY_AGAIN;
	log_verdict(s, &v);
	judge(s, &v, &r);
	if (r.action == ACTION_QUARANTINE)
		put_aside(s, &r);
	if (r.action != ACTION_REJECT) {
		r.reply = SAY_OK;
		buf_clear(why);
	}
	verdict_put_field(&v, &l, s->host->checks->name, fields);
	smtp_evaluated(s, &v, r.reply, view_skip(buf_view(fields), before));
	smtp_challenge_look(s, &v);
	if (s->host->conf->trust_received_spf && v.has_spf) {
		struct spf_query q = { .ip = l.ip, .helo = l.helo, .sender = l.sender, .receiver = s->host->checks->name };

		spf_put_received(&q, &v.spf, fields);
	}
	return arena_status(&s->tx) == ST_OK ? r.reply : SAY_TRY_AGAIN;
}

enum reply smtp_checks_end(struct smtp_session *s, struct buf *why)
{
	struct mended m = { .added = BUF(FIELDS_MAX), .kept = BUF(PASS_HEADER_MAX) };
	struct buf fields = BUF(HEAD_MAX);
	enum reply r = SAY_OK;

	if (s->checks->pass.st == ST_LIMIT)
		return SAY_HEADER_TOO_LARGE;
	if (s->checks->host)
		r = check(s, why, &fields);
	else if (pass_end(&s->checks->pass) != ST_OK)
		r = SAY_TRY_AGAIN;
	if (r == SAY_OK && (s->account || s->local.here))
		r = smtp_submit_header(s, buf_view(&s->checks->pass.header), why, &m);
	if (r == SAY_OK)
		r = write_top(s, &fields, &m);
	buf_free(&m.added);
	buf_free(&m.kept);
	buf_free(&fields);
	return r;
}
