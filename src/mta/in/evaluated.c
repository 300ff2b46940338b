/* evaluated.c - what is told to the author's domain of a letter that was
 * checked: a row to be counted (RFC 9990), and where the operator wants it a
 * report on the letter itself (RFC 9991).  Both go to relay, and nobody waits
 * for it: a relay that is not there, or has too much to do, counts less. */
#include "mta/in/internal.h"

#include "msg/address.h"
#include "msg/header.h"
#include "report/dmarc.h"
#include "report/failure.h"
#include "role/role.h"
#include "trust/domain.h"

#include <stdlib.h>
#include <sys/random.h>

enum { NAME_MOST = 253, FEEDBACK_MAX = 16 * 1024, RUF_MOST = 2048, BACKLOG_MOST = 256 * 1024, RANK_REST = 3,
       UNCOUNTED_MOST = 64 * 1024, UNCOUNTED_MS = 200 };

/* ---- the policy ---- */

static struct view policy_word(enum dmarc_policy p)
{
	return view_cstr(dmarc_policy_name(p));
}

static struct dmarc_published published(const struct dmarc_answer *d)
{
	const struct dmarc_record *r = &d->record;

	return (struct dmarc_published){
		.domain = d->record_at, .organization = d->organization, .rua = r->rua, .fo = r->fo,
		.p = policy_word(r->p), .sp = policy_word(r->sp), .np = r->has_np ? policy_word(r->np) : VIEW_NONE,
		.strict_dkim = r->strict_dkim, .strict_spf = r->strict_spf, .testing = r->testing, .pct = (uint8_t)r->pct,
	};
}

/* ---- the row ---- */

/* What was done, and where that is not what the policy asks for, why. */
static void put_disposition(const struct dmarc_answer *d, enum reply r, bool aside, struct dmarc_row *row)
{
	bool enforced = d->result == DMARC_FAIL && d->disposition != DMARC_POLICY_NONE;

	if (r == SAY_DMARC_FAILED || (enforced && d->disposition == DMARC_QUARANTINE && aside)) {
		row->disposition = policy_word(d->disposition);
	} else if (r != SAY_OK) {
		row->disposition = VIEW("reject");
		row->reason = VIEW("local_policy");
		row->comment = r == SAY_SPF_FAILED ? VIEW("SPF says fail") : r == SAY_FALSE_OWN ? VIEW("one of our domains") :
											      VIEW("refused");
	} else if (aside || enforced) {
		row->disposition = aside ? VIEW("quarantine") : VIEW("none");
		row->reason = VIEW("local_policy");
	} else {
		row->disposition = d->result == DMARC_PASS && d->policy != DMARC_POLICY_NONE ? VIEW("pass") : VIEW("none");
	}
	if (d->result == DMARC_FAIL && d->disposition != d->policy && row->reason.n == 0)
		row->reason = VIEW("policy_test_mode");
}

/* RFC 9990: which signatures are told first. */
static int rank_of(const struct signature *s, const struct dmarc_answer *d)
{
	if (s->result != SEAL_PASS)
		return RANK_REST;
	return view_eq(s->domain, d->domain) ? 0 : domain_within(s->domain, d->organization) ? 1 : 2;
}

static void put_signatures(const struct trust_verdict *v, struct dmarc_row *row)
{
	for (int rank = 0; rank <= RANK_REST; rank++)
		for (uint32_t i = 0; i < v->dkim.n && row->n_signatures < DMARC_ROW_DKIM; i++) {
			const struct signature *s = &v->dkim.signatures[i];

			if (rank_of(s, &v->dmarc) != rank || s->domain.n == 0)
				continue;
			row->signatures[row->n_signatures++] = (struct dmarc_dkim){
				.domain = view_head(s->domain, NAME_MOST), .selector = view_head(s->selector, NAME_MOST),
				.result = view_cstr(seal_result_name(s->result)),
			};
		}
}

/* The one domain of all recipients, or nothing. */
static struct view envelope_to(const struct envelope *e)
{
	struct view first = VIEW_NONE, one;

	for (uint32_t i = 0; i < e->n_recipients; i++) {
		const struct recipient *r = &e->recipients[i];

		one = view_head(address_domain(r->original.n ? r->original : r->address), NAME_MOST);
		if (i == 0)
			first = one;
		else if (!view_eq_i(one, first))
			return VIEW_NONE;
	}
	return first;
}

void uncounted_tell(struct uncounted *u)
{
	struct buf b = BUF(RECORD_MAX);

	loop_timer_clear(u->loop, &u->late);
	if (u->letters.n) {
		rec_put_evaluated(&b, 0, 0, &(struct rec_evaluated){ buf_view(&u->letters) });
		(void)!channel_send(u->relay, &b, -1);
	}
	buf_clear(&u->letters);
	buf_free(&b);
}

static void uncounted_late(struct timer *t)
{
	uncounted_tell((struct uncounted *)((char *)t - offsetof(struct uncounted, late)));
}

void uncounted_begin(struct uncounted *u, struct loop *loop, struct channel *relay)
{
	*u = (struct uncounted){ .loop = loop, .relay = relay, .letters = BUF(UNCOUNTED_MOST), .late = { .fire = uncounted_late } };
	if (getrandom(u->redaction, sizeof u->redaction, 0) != (ssize_t)sizeof u->redaction)
		abort();
}

static void put_letter(struct uncounted *u, struct view domain, struct view policy, struct view row)
{
	if (u->letters.n + domain.n + policy.n + row.n + 64 > UNCOUNTED_MOST)
		uncounted_tell(u);
	put_view(&u->letters, domain);
	put_view(&u->letters, policy);
	put_view(&u->letters, row);
	if (buf_status(&u->letters) != ST_OK)
		buf_clear(&u->letters);
	else if (u->late.slot == 0 && loop_timer(u->loop, &u->late, clock_steady() + UNCOUNTED_MS) != ST_OK)
		uncounted_tell(u);
}

static void count(struct smtp_session *s, const struct trust_verdict *v, enum reply r)
{
	struct dmarc_row row = {
		.source = view_cstr(s->peer), .dkim = v->dmarc.dkim_aligned, .spf = v->dmarc.spf_aligned,
		.header_from = v->dmarc.domain, .envelope_from = view_head(address_domain(s->env.sender), NAME_MOST), .envelope_to = envelope_to(&s->env),
	};
	struct dmarc_published p = published(&v->dmarc);
	struct buf policy = BUF(DMARC_ROW_MAX), line = BUF(DMARC_ROW_MAX);

	put_disposition(&v->dmarc, r, s->env.quarantine.n > 0, &row);
	put_signatures(v, &row);
	if (v->has_spf) {
		row.spf_domain = view_head(v->spf.domain, NAME_MOST);
		row.spf_result = view_cstr(spf_result_name(v->spf.result));
	}
	dmarc_published_put(&policy, &p);
	dmarc_row_put(&line, &row);
	if (buf_status(&policy) == ST_OK && buf_status(&line) == ST_OK)
		put_letter(s->host->uncounted, p.domain, buf_view(&policy), buf_view(&line));
	buf_free(&policy);
	buf_free(&line);
}

/* ---- failures ---- */

/* fo= (RFC 9989 4.7): which failures are told. */
static bool is_asked_for(const struct trust_verdict *v)
{
	const struct dmarc_answer *d = &v->dmarc;
	struct view fo = d->record.fo, one;
	bool any = false;

	if (fo.n == 0)
		fo = VIEW("0");
	while (fo.n) {
		one = view_trim(view_head(fo, view_find(fo, ':')));
		fo = view_skip(fo, view_find(fo, ':') + 1);
		if (view_eq(one, VIEW("0")))
			any |= !d->spf_aligned && !d->dkim_aligned;
		else if (view_eq(one, VIEW("1")))
			any |= !d->spf_aligned || !d->dkim_aligned;
		else if (view_eq_i(one, VIEW("d")))
			any |= v->dkim.n && dkim_result(&v->dkim) != SEAL_PASS;
		else if (view_eq_i(one, VIEW("s")))
			any |= v->has_spf && v->spf.result != SPF_PASS && v->spf.result != SPF_NONE;
	}
	return any;
}

/* A report, a bounce, or what else a program wrote: a report upon it could be
 * answered by another one, and so on. */
static bool is_of_a_program(const struct smtp_session *s)
{
	struct view header = buf_view(&s->checks->pass.header);
	struct field f;

	if (s->env.sender.n == 0)
		return true;
	if (field_find(header, VIEW("Auto-Submitted"), &f) && !view_starts_i(view_trim(f.value), VIEW("no")))
		return true;
	return field_find(header, VIEW("Content-Type"), &f) && view_starts_i(view_trim(f.value), VIEW("multipart/report"));
}

/* The header, and where the operator wants it the text of a letter that lies in
 * memory; the addresses of those who were to get it cannot be read in either. */
static void put_letter_told(struct smtp_session *s, struct buf *header, struct buf *text)
{
	const struct envelope *e = &s->env;
	struct view *addresses = arena_array(&s->tx, 2 * (size_t)e->n_recipients, sizeof *addresses);
	struct view letter = buf_view(&s->sink.head);
	struct view key = view_make(s->host->uncounted->redaction, sizeof s->host->uncounted->redaction);
	struct buf told = BUF(FAILURE_HEADER_MAX), raw = BUF(FAILURE_TEXT_MAX + 1024);
	struct field f;
	size_t at = 0, n = 0;

	for (uint32_t i = 0; addresses && i < e->n_recipients; i++) {
		addresses[n++] = e->recipients[i].address;
		addresses[n++] = e->recipients[i].original;
	}
	failure_put_header(buf_view(&s->checks->pass.header), &told);
	failure_redact(buf_view(&told), addresses, n, key, header);
	while (s->sink.fd < 0 && field_next(letter, &at, &f))
		;
	letter = view_skip(letter, at);
	if (s->sink.fd < 0 && addresses && letter.n <= (size_t)s->host->conf->failure_body) {
		failure_put_text(letter, &raw);
		failure_redact(buf_view(&raw), addresses, n, key, text);
		if (buf_status(&raw) != ST_OK || buf_status(text) != ST_OK)
			buf_clear(text);
	}
	buf_free(&told);
	buf_free(&raw);
}

/* What has to be the same for failures that are told as one. */
static void put_like(const struct failure *f, struct buf *out)
{
	put_view(out, f->source);
	put_view(out, view_head(f->dkim_domain, NAME_MOST));
	put_view(out, view_head(f->dkim_selector, NAME_MOST));
	put_view(out, view_head(f->spf_domain, NAME_MOST));
	put_u8(out, (uint8_t)(f->dkim << 2 | f->spf << 1 | f->refused));
}

static void tell(struct smtp_session *s, const struct trust_verdict *v, enum reply r, struct view results)
{
	struct buf like = BUF(2048), text = BUF(FAILURE_TEXT_MAX + 1024);
	struct failure f = {
		.domain = v->dmarc.domain, .source = view_cstr(s->peer), .mail_from = s->env.sender,
		.results = view_skip(results, view_find(results, ':') + 1), .dkim = v->dmarc.dkim_aligned,
		.spf = v->dmarc.spf_aligned, .refused = r != SAY_OK, .arrived = s->env.received,
	};
	struct buf feedback = BUF(FEEDBACK_MAX), header = BUF(FAILURE_HEADER_MAX), b = BUF(RECORD_MAX), identity = BUF(NAME_MOST + 2);

	f.results = view_trim(f.results);
	for (uint32_t i = 0; i < v->dkim.n && f.dkim_domain.n == 0; i++) {
		if (v->dkim.signatures[i].result == SEAL_PASS || !view_eq(v->dkim.signatures[i].domain, f.domain))
			continue;
		f.dkim_domain = v->dkim.signatures[i].domain;
		f.dkim_selector = v->dkim.signatures[i].selector;
		f.dkim_identity = v->dkim.signatures[i].identity;
	}
	if (v->has_spf && v->spf.result != SPF_PASS) {
		f.spf_domain = v->spf.domain;
		f.spf_record = v->spf.record;
	}
	/* RFC 6376 3.5: i= that is not there is this. */
	if (f.dkim_domain.n && f.dkim_identity.n == 0) {
		buf_putc(&identity, '@');
		buf_put(&identity, f.dkim_domain);
		f.dkim_identity = buf_view(&identity);
	}
	failure_put(&f, &feedback);
	put_letter_told(s, &header, &text);
	put_like(&f, &like);
	if (buf_status(&feedback) == ST_OK && buf_status(&header) == ST_OK && buf_status(&like) == ST_OK) {
		rec_put_failed(&b, 0, s->sid,
			       &(struct rec_failed){ v->dmarc.record_at, v->dmarc.organization, v->dmarc.record.ruf,
						     buf_view(&like), buf_view(&feedback), buf_view(&header),
						     buf_view(&text) });
		(void)!channel_send(s->host->relay, &b, -1);
	}
	buf_free(&like);
	buf_free(&text);
	buf_free(&feedback);
	buf_free(&header);
	buf_free(&identity);
	buf_free(&b);
}

void smtp_evaluated(struct smtp_session *s, const struct trust_verdict *v, enum reply r, struct view results)
{
	const struct dmarc_answer *d = &v->dmarc;
	const struct conf *conf = s->host->conf;

	if (d->record_at.n == 0 || (d->result != DMARC_PASS && d->result != DMARC_FAIL) ||
	    !channel_is_open(s->host->relay) || s->host->relay->out_bytes > BACKLOG_MOST)
		return;
	if (conf->reports_dmarc && d->record.rua.n)
		count(s, v, r);
	/* RFC 9991: a public suffix is not told of the letters below it. */
	if (conf->reports_failure && d->record.ruf.n && d->record.ruf.n <= RUF_MOST && d->record.psd != 'y' &&
	    is_asked_for(v) && !is_of_a_program(s))
		tell(s, v, r, results);
}
