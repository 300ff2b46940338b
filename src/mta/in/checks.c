/* checks.c - who really sent a letter, at the door: SPF, DKIM, DMARC and ARC
 * between the end of its text and the queue; what they found is written at its
 * top (RFC 8601), and nobody else's claims to have found it stay there. */
#include "mta/in/internal.h"

#include "base/log.h"
#include "trust/authres.h"

#include <stdlib.h>
#include <sys/random.h>

enum { FIELDS_MAX = 64 * 1024, HEAD_MAX = PASS_HEADER_MAX + FIELDS_MAX };

bool smtp_is_checked(const struct smtp_session *s)
{
	const struct conf *conf = s->host->conf;

	return conf->trust_check && !smtp_is_submission(s) && s->account == 0 &&
	       (!s->loopback || conf->trust_loopback);
}

void smtp_checks_hint(const struct smtp_session *s)
{
	if (smtp_is_checked(s))
		checks_hint(s->host->checks, s->env.sender, buf_view(&s->helo));
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

/* A domain of this system: warden knows its people, or that they are not there. */
static bool is_ours(struct smtp_session *s, struct view address)
{
	struct buf answer = BUF(RECORD_MAX);
	struct view targets = VIEW_NONE;
	enum verdict v = smtp_ask_warden(s, address, &answer, &targets);

	buf_free(&answer);
	return v == VERDICT_OK || v == VERDICT_NO || v == VERDICT_DENIED;
}

/* Somebody outside writes as one of ours, and nothing proves that he may. */
static bool is_false_own(struct smtp_session *s, const struct trust_verdict *v, struct view *ret_domain)
{
	for (size_t i = 0; i < v->author.n; i++) {
		const struct author_address *one = &v->author.all[i];
		bool proved = view_eq(one->domain, v->dmarc.domain) &&
			      (v->dmarc.spf_aligned || v->dmarc.dkim_aligned || v->arc_vouches);

		if (one->domain.n == 0 || proved || !is_ours(s, one->address))
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

/* The sentence names the check that failed, for the sender's operator. */
static enum reply judge(struct smtp_session *s, const struct trust_verdict *v, struct buf *why)
{
	const struct conf *conf = s->host->conf;
	struct view own = VIEW_NONE;

	if (!has_author(v) && conf->trust_reject_author) {
		buf_putf(why, "From: is refused: %s", author_problem(v->author.kind));
		return SAY_NO_AUTHOR;
	}
	if (conf->trust_reject_own && is_false_own(s, v, &own)) {
		buf_putf(why, "From: is of %.*s, which is ours: log in to send for it", VIEW_ARG(own));
		return SAY_FALSE_OWN;
	}
	if (conf->trust_reject_dmarc && v->dmarc.result == DMARC_FAIL && v->dmarc.disposition == DMARC_REJECT) {
		buf_putf(why, "DMARC: neither SPF nor DKIM proves %.*s, whose policy is reject", VIEW_ARG(v->dmarc.domain));
		return SAY_DMARC_FAILED;
	}
	if (conf->trust_reject_spf && v->has_spf && v->spf.result == SPF_FAIL && v->dmarc.result != DMARC_PASS) {
		buf_putf(why, "SPF: %s may not send for %.*s", s->peer, VIEW_ARG(v->spf.domain));
		if (v->spf.explanation.n)
			buf_putf(why, "\nThe domain %.*s explains: %.*s", VIEW_ARG(v->spf.domain),
				 VIEW_ARG(view_head(v->spf.explanation, 300)));
		return SAY_SPF_FAILED;
	}
	return SAY_OK;
}

static void log_verdict(const struct smtp_session *s, const struct trust_verdict *v)
{
	log_begin(LOG_INFO_, "checked");
	log_hex("sid", s->sid);
	log_view("id", s->env.id);
	if (v->has_spf)
		log_str("spf", spf_result_name(v->spf.result));
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
	};
	struct trust_verdict v;
	size_t before = fields->n;
	enum reply r;

	l.has_ip = spf_ip_parse(view_cstr(s->peer), &l.ip) == ST_OK;
	if (checks_end(s->checks, &l, &v) != ST_OK)
		return SAY_TRY_AGAIN;
	log_verdict(s, &v);
	r = judge(s, &v, why);
	verdict_put_field(&v, &l, s->host->checks->name, fields);
	smtp_evaluated(s, &v, r, view_skip(buf_view(fields), before));
	if (s->host->conf->trust_received_spf && v.has_spf) {
		struct spf_query q = { .ip = l.ip, .helo = l.helo, .sender = l.sender, .receiver = s->host->checks->name };

		spf_put_received(&q, &v.spf, fields);
	}
	return r;
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
	if (r == SAY_OK && s->account)
		r = smtp_submit_header(s, buf_view(&s->checks->pass.header), why, &m);
	if (r == SAY_OK)
		r = write_top(s, &fields, &m);
	buf_free(&m.added);
	buf_free(&m.kept);
	buf_free(&fields);
	return r;
}
