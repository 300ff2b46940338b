/* report_send.c - reports to other domains, when they are due: DMARC (RFC 9990,
 * 9991) and TLS (RFC 8460).
 *
 * One coroutine of the relay of index 0 takes one batch after another: whom it
 * goes to is asked of DNS, then it is a letter like any other, with the null
 * reverse-path, so that nothing is ever answered.  A batch goes from the file
 * when the queue has all its letters.  A crash before that sends it again, under
 * the same id. */
#include "mta/relay/internal.h"

#include "base/log.h"
#include "ipc/seal.h"
#include "report/address.h"
#include "report/dmarc.h"
#include "report/pack.h"
#include "trust/dmarc.h"
#include "trust/domain.h"
#include "trust/tags.h"
#include "wire/rdata.h"
#include "wire/sink.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	FIRST_MS = 5000, LOOK_MS = 60000, AGAIN_MS = 1800000, TRIES_MOST = 96, KEEP_MS = 120000, WARDEN_MS = 30000,
	BATCH_ARENA = 64 * 1024 * 1024, POST_MS = 60000, SAID_MAX = 65536, HOST_NAME = 256,
	ID_TEXT = 64, SID_RELAY = 63, XML_MOST = 32 * 1024 * 1024,
};

enum outcome { SENT, NOBODY, LATER };

/* ---- into the queue ---- */

/* A sid that no door gives: theirs bear an index below SID_RELAY, but for the
 * 64th. */
static uint64_t next_sid(struct relay *r)
{
	return (uint64_t)(clock_wall() / 1000) << 28 | (uint64_t)SID_RELAY << 22 | (r->reporter.letters++ & 0x3fffff);
}

/* Where letters for this address go: one of ours, or another host. */
static enum outcome find_recipients(struct relay *r, struct view to, struct arena *a, struct envelope *e)
{
	struct buf b = BUF(RECORD_MAX), said = BUF(RECORD_MAX);
	struct rec_rcpt_answer answer = { .verdict = VERDICT_LATER };
	struct target t;
	struct cursor c;
	uint16_t type;

	rec_put_rcpt_ask(&b, 0, e->sid, &(struct rec_rcpt_ask){ .address = to });
	if (channel_ask(&r->warden, &b, -1, WARDEN_MS, &said, &type, NULL) != ST_OK || type != REC_rcpt_answer ||
	    !rec_take_rcpt_answer(buf_view(&said), &answer))
		answer.verdict = VERDICT_LATER;
	answer.targets = arena_copy(a, answer.targets);
	buf_free(&b);
	buf_free(&said);
	e->recipients = arena_array(a, RECIPIENTS_MAX, sizeof *e->recipients);
	if (e->recipients == NULL || answer.verdict == VERDICT_LATER)
		return LATER;
	if (answer.verdict == VERDICT_RELAY) {
		e->recipients[0] = (struct recipient){ .address = to, .notify = NOTIFY_NEVER };
		e->n_recipients = 1;
		return SENT;
	}
	c = cursor_over(answer.targets);
	while (answer.verdict == VERDICT_OK && e->n_recipients < RECIPIENTS_MAX && target_take(&c, &t))
		e->recipients[e->n_recipients++] = (struct recipient){
			.address = t.address, .account = t.account, .notify = NOTIFY_NEVER, .via_kind = t.via_kind,
			.via = t.via, .sender = t.sender, .detail = t.detail,
		};
	return e->n_recipients ? SENT : NOBODY;
}

/* Signed for our own domain; where it is not ours, as on a host that only
 * relays, it goes as it is. */
static enum outcome find_seal(struct relay *r, struct arena *a, struct envelope *e)
{
	struct buf b = BUF(RECORD_MAX), said = BUF(RECORD_MAX);
	struct rec_seal_grant_answer answer = { .verdict = VERDICT_LATER };
	uint16_t type;

	rec_put_seal_grant_ask(&b, 0, e->sid, &(struct rec_seal_grant_ask){ .id = e->id });
	if (channel_ask(&r->warden, &b, -1, WARDEN_MS, &said, &type, NULL) != ST_OK || type != REC_seal_grant_answer ||
	    !rec_take_seal_grant_answer(buf_view(&said), &answer))
		answer.verdict = VERDICT_LATER;
	e->seal = arena_copy(a, view_head(answer.grant, SEAL_GRANT_MAX));
	buf_free(&b);
	buf_free(&said);
	return answer.verdict == VERDICT_LATER ? LATER : SENT;
}

static enum outcome give_to_queue(struct relay *r, const struct envelope *e, struct sink *s)
{
	struct buf env = BUF(ENVELOPE_MAX), b = BUF(RECORD_MAX), said = BUF(1024);
	struct rec_letter_kept kept = { .verdict = VERDICT_LATER };
	enum status st;
	uint16_t type;

	envelope_put(&env, e);
	rec_put_letter(&b, 0, e->sid, &(struct rec_letter){ buf_view(&env), s->size, buf_view(&s->head), false });
	st = buf_status(&env);
	if (st == ST_OK)
		st = channel_ask(&r->queue, &b, s->fd, KEEP_MS, &said, &type, NULL);
	if (st == ST_OK && (type != REC_letter_kept || !rec_take_letter_kept(buf_view(&said), &kept)))
		st = ST_SYNTAX;
	buf_free(&env);
	buf_free(&b);
	buf_free(&said);
	return st == ST_OK && kept.verdict == VERDICT_OK ? SENT : LATER;
}

static enum outcome mail_bytes(struct relay *r, struct view to, struct view text, struct arena *a)
{
	struct sink_budget budget = { .most = REPORT_LETTER_MAX };
	struct envelope e = { .sid = next_sid(r), .received = clock_wall(), .body = BODY_7BIT };
	char id[ID_TEXT];
	struct sink s;
	enum outcome o;

	snprintf(id, sizeof id, "%llx.0", (unsigned long long)e.sid);
	e.id = view_cstr(id);
	o = find_recipients(r, to, a, &e);
	if (o == SENT)
		o = find_seal(r, a, &e);
	if (o != SENT)
		return o;
	sink_begin(&s, REPORT_LETTER_MAX, &budget);
	sink_put(&s, text);
	o = sink_status(&s) == ST_OK && sink_seal(&s) == ST_OK ? give_to_queue(r, &e, &s) : LATER;
	sink_free(&s);
	return o;
}

/* ---- whom it goes to ---- */

/* What the host of the address says at DOMAIN._report._dmarc.HOST (RFC 9990
 * "Verifying External Destinations").
 * SENT: it is wanted there. */
static enum outcome ask_host(struct relay *r, struct view domain, const char *tag, struct report_address *to,
			     struct arena *a)
{
	struct buf name = BUF(DNS_NAME_MAX);
	struct report_address other[REPORT_ADDRESSES];
	struct dns_answer d;
	struct view txt;
	struct tags t;
	enum outcome o = NOBODY;

	buf_putf(&name, "%.*s._report._dmarc.%.*s", VIEW_ARG(domain), VIEW_ARG(to->host));
	if (buf_status(&name) != ST_OK) {
		buf_free(&name);
		return NOBODY;
	}
	if (dns_ask(&r->dns.resolver, arena_copy(a, buf_view(&name)), DNS_TXT, a, &d) != ST_OK ||
	    d.outcome == DNS_FAILED || d.outcome == DNS_BOGUS)
		o = LATER;
	buf_free(&name);
	for (size_t i = 0; o != LATER && d.outcome == DNS_FOUND && i < d.n; i++) {
		if (dns_read_txt(d.rdata[i], a, &txt) != ST_OK || !dmarc_record_is(txt) || tags_parse(txt, &t) != ST_OK)
			continue;
		o = SENT;
		if (tags_value(&t, tag).n == 0)
			continue;
		/* Another address, but of the same host. */
		if (report_addresses(tags_value(&t, tag), a, other) == 0 || !view_eq(other[0].host, to->host) ||
		    other[0].mail.n == 0)
			return NOBODY;
		to->mail = other[0].mail;
	}
	return o;
}

/* Is the host of the author's organization, or does it want such reports? */
static enum outcome is_wanted(struct relay *r, struct view domain, struct view organization, const char *tag,
			      struct report_address *to, struct arena *a)
{
	struct view theirs;
	enum status st;

	if (view_eq(to->host, domain) || view_eq(to->host, organization))
		return SENT;
	if (!domain_within(to->host, organization))
		return ask_host(r, domain, tag, to, a);
	st = dmarc_organization(to->host, NULL, &r->dns.resolver, a, &theirs);
	if (st != ST_OK)
		return LATER;
	return view_eq(theirs, organization) ? SENT : ask_host(r, domain, tag, to, a);
}

static void log_report(const char *event, const struct report_letter *l, const struct report_address *to, const char *why)
{
	static const char *const kinds[] = {
		[REPORT_NONE] = "", [REPORT_DMARC] = "dmarc", [REPORT_TLS] = "tls", [REPORT_FAILURE] = "dmarc-failure",
	};

	log_begin(LOG_INFO_, event);
	log_str("kind", kinds[l->kind]);
	log_view("domain", l->domain);
	log_view("report", l->id);
	if (to)
		log_view("to", to->mail.n ? to->mail : to->url);
	if (why)
		log_str("why", why);
	log_end();
}

/* To one address, where it is small enough for it. */
static enum outcome mail_report(struct relay *r, struct report_letter *l, const struct report_address *to, struct arena *a)
{
	struct buf text = BUF(REPORT_LETTER_MAX);
	enum outcome o = LATER;

	l->to = to->mail;
	report_letter_put(l, &text);
	if (buf_status(&text) == ST_LIMIT || (to->most && text.n > to->most)) {
		log_report("report-not-sent", l, to, "it is larger than the address takes");
		o = NOBODY;
	} else if (buf_status(&text) == ST_OK) {
		o = mail_bytes(r, to->mail, buf_view(&text), a);
		if (o == SENT)
			log_report("report-sent", l, to, NULL);
	}
	buf_free(&text);
	return o;
}

/* RFC 8460 5.4.  A certificate that does not name the host ends it: so nobody
 * has us bring bytes to hosts inside our network. */
static enum outcome post_report(struct relay *r, const struct report_letter *l, const struct report_address *to,
				struct arena *a)
{
	struct buf addresses = BUF(FETCH_ADDRESSES), said = BUF(SAID_MAX);
	char *host = arena_cstr(a, to->host), *path = arena_cstr(a, to->path);
	struct fetch w = {
		.host = host, .path = path, .port = to->port, .timeout_ms = POST_MS, .post = l->content,
		.post_type = "application/tlsrpt+gzip", .why = "its host has no address",
	};
	enum outcome o = LATER;

	if (host && path && r->fetcher && fetch_addresses(&r->dns.resolver, host, a, &addresses)) {
		w.addresses = addresses.p;
		if (fetch(r->fetcher, &w, &said) == ST_OK)
			o = SENT;
	}
	log_report(o == SENT ? "report-sent" : "report-not-sent", l, to, o == SENT ? NULL : w.why);
	buf_free(&addresses);
	buf_free(&said);
	return o;
}

static enum outcome worse(enum outcome so_far, enum outcome o)
{
	return so_far == LATER || o == LATER ? LATER : so_far == SENT || o == SENT ? SENT : NOBODY;
}

/* ---- one report ---- */

static struct view from_of(const struct relay *r, struct arena *a)
{
	struct buf text = BUF(HOST_NAME * 2);
	struct view v;

	conf_reports_from(&r->proc.conf, &text);
	v = arena_copy(a, buf_view(&text));
	buf_free(&text);
	return v;
}

static struct view organization_of(const struct relay *r)
{
	return view_cstr(r->proc.conf.reports_organization[0] ? r->proc.conf.reports_organization : r->proc.conf.host_name);
}

/* The same for the same batch, whoever sends it when. */
static struct view id_of(const struct batch *b, struct arena *a)
{
	char text[ID_TEXT];

	snprintf(text, sizeof text, "%lldx%lldx%lld", (long long)b->begin, (long long)b->end, (long long)b->id);
	return arena_copy(a, view_cstr(text));
}

/* Copies: settings may be read again while it is on its way. */
static struct report_letter letter_of(const struct relay *r, const struct batch *b, struct arena *a)
{
	return (struct report_letter){
		.kind = b->kind, .from = from_of(r, a), .domain = b->domain,
		.submitter = arena_copy(a, view_cstr(r->proc.conf.host_name)),
		.id = id_of(b, a), .now = clock_wall(), .begin = b->begin, .end = b->end,
	};
}

static enum status dmarc_text(struct relay *r, const struct batch *b, const struct dmarc_published *p,
			      const struct batch_line *lines, uint32_t n, struct arena *a, struct buf *out)
{
	struct dmarc_reporter who = {
		.organization = organization_of(r), .email = from_of(r, a), .contact = view_cstr(r->proc.conf.reports_contact),
		.id = id_of(b, a), .begin = b->begin, .end = b->end, .old_form = r->proc.conf.reports_old_form,
	};
	uint32_t told = 0;
	struct dmarc_row row;

	dmarc_xml_begin(&who, p, out);
	/* The greatest counts come first: what is too much for one report are
	 * the smallest. */
	for (uint32_t i = 0; i < n && out->n < XML_MOST; i++) {
		if (!dmarc_row_take(lines[i].line, &row))
			continue;
		row.count = lines[i].count;
		dmarc_xml_row(&who, &row, out);
		told++;
	}
	dmarc_xml_end(out);
	return told ? buf_status(out) : ST_MISSING;
}

/* To one address, unless it has it. */
static enum outcome send_to(struct relay *r, const struct batch *b, struct report_letter *l, const struct report_address *to,
			    struct arena *a)
{
	struct view address = to->mail.n ? to->mail : to->url;
	enum outcome o;

	if (reports_was_sent(r->reports, b->id, address))
		return SENT;
	o = to->mail.n ? mail_report(r, l, to, a) : post_report(r, l, to, a);
	if (o == SENT)
		reports_note_sent(r->reports, b->id, address);
	return o;
}

static enum outcome dmarc_to_all(struct relay *r, const struct batch *b, struct report_letter *l,
				 const struct dmarc_published *p, struct arena *a)
{
	struct report_address to[REPORT_ADDRESSES];
	size_t n = report_addresses(p->rua, a, to);
	enum outcome all = NOBODY, o;

	for (size_t i = 0; i < n; i++) {
		if (to[i].mail.n == 0)
			continue;
		o = is_wanted(r, p->domain, p->organization, "rua", &to[i], a);
		if (o == NOBODY)
			log_report("report-not-sent", l, &to[i], "its host does not say that it wants it");
		all = worse(all, o == SENT ? send_to(r, b, l, &to[i], a) : o);
	}
	return all;
}

static enum outcome send_dmarc(struct relay *r, const struct batch *b, const struct batch_line *lines, uint32_t n,
			       struct arena *a)
{
	struct buf xml = BUF(REPORT_TEXT_MAX), gz = BUF(REPORT_PACKED_MAX);
	struct report_letter l = letter_of(r, b, a);
	struct dmarc_published p;
	enum outcome o = NOBODY;
	enum status st = dmarc_published_take(b->policy, &p) ? dmarc_text(r, b, &p, lines, n, a, &xml) : ST_SYNTAX;

	if (st == ST_OK)
		st = pack_gzip(buf_view(&xml), &gz);
	buf_free(&xml);
	l.content = buf_view(&gz);
	if (st == ST_OK)
		o = dmarc_to_all(r, b, &l, &p, a);
	else if (st == ST_NOMEM)
		o = LATER;
	buf_free(&gz);
	return o;
}

/* ---- TLS ---- */

struct sections {
	struct tls_section *all;
	struct view *keys;
	uint32_t n;
};

static struct tls_section *section_of(struct sections *s, struct view key, uint32_t most, struct arena *a)
{
	struct tls_section *x;
	uint32_t i = 0;

	while (i < s->n && !view_eq(s->keys[i], key))
		i++;
	x = &s->all[i];
	if (i < s->n)
		return x;
	if (!tls_applied_take(key, &x->policy))
		return NULL;
	x->rows = arena_array(a, most, sizeof *x->rows);
	s->keys[s->n] = key;
	return x->rows ? &s->all[s->n++] : NULL;
}

/* Lines by policy, of which a day has few: past TLS_POLICIES_MAX nothing more is
 * told. */
static enum status collect(const struct batch_line *lines, uint32_t n, struct arena *a, struct sections *s)
{
	s->all = arena_array(a, TLS_STRINGS_MOST, sizeof *s->all);
	s->keys = arena_array(a, TLS_STRINGS_MOST, sizeof *s->keys);
	for (uint32_t i = 0; s->all && s->keys && i < n && s->n < TLS_STRINGS_MOST; i++) {
		struct cursor c = cursor_over(lines[i].line);
		struct view policy = take_view(&c), line = take_view(&c);
		struct tls_section *x = cursor_end(&c) ? section_of(s, policy, n, a) : NULL;
		struct tls_row row;

		if (x == NULL || !tls_row_take(line, &row))
			continue;
		row.count = lines[i].count;
		x->rows[x->n++] = row;
	}
	return arena_status(a);
}

/* rua= of _smtp._tls.DOMAIN (RFC 8460 3). */
static enum outcome who_wants_tls(struct relay *r, struct view domain, struct arena *a, struct view *ret_rua)
{
	struct buf name = BUF(DNS_NAME_MAX);
	struct dns_answer d = { .outcome = DNS_NO_NAME };
	struct view txt;
	size_t n = 0;
	enum status st;

	buf_putf(&name, "_smtp._tls.%.*s", VIEW_ARG(domain));
	st = buf_status(&name) == ST_OK ? dns_ask(&r->dns.resolver, arena_copy(a, buf_view(&name)), DNS_TXT, a, &d) : ST_OK;
	buf_free(&name);
	if (st != ST_OK || d.outcome == DNS_FAILED || d.outcome == DNS_BOGUS)
		return LATER;
	for (size_t i = 0; d.outcome == DNS_FOUND && i < d.n; i++)
		n += dns_read_txt(d.rdata[i], a, &txt) == ST_OK && tlsrpt_record_parse(txt, ret_rua) == ST_OK;
	/* Of two records neither counts. */
	return n == 1 ? SENT : NOBODY;
}

static enum status tls_text(struct relay *r, const struct batch *b, const struct batch_line *lines, uint32_t n,
			    struct arena *a, struct buf *gz)
{
	struct tls_reporter who = {
		.organization = organization_of(r), .contact = from_of(r, a), .id = id_of(b, a), .begin = b->begin, .end = b->end,
	};
	struct buf json = BUF(REPORT_TEXT_MAX);
	struct sections s = { 0 };
	enum status st = collect(lines, n, a, &s);

	if (st == ST_OK)
		st = s.n ? tls_json(&who, s.all, s.n, &json) : ST_MISSING;
	if (st == ST_OK)
		st = pack_gzip(buf_view(&json), gz);
	buf_free(&json);
	return st;
}

static enum outcome send_tls(struct relay *r, const struct batch *b, const struct batch_line *lines, uint32_t n,
			     struct arena *a)
{
	struct buf gz = BUF(REPORT_PACKED_MAX);
	struct report_letter l = letter_of(r, b, a);
	struct report_address to[REPORT_ADDRESSES];
	struct view rua = VIEW_NONE;
	enum outcome o = who_wants_tls(r, b->domain, a, &rua);
	size_t n_to = o == SENT ? report_addresses(rua, a, to) : 0;
	enum status st = n_to ? tls_text(r, b, lines, n, a, &gz) : ST_MISSING;

	l.content = buf_view(&gz);
	if (o == SENT)
		o = st == ST_NOMEM ? LATER : NOBODY;
	for (size_t i = 0; st == ST_OK && i < n_to; i++)
		o = worse(o, send_to(r, b, &l, &to[i], a));
	buf_free(&gz);
	return o;
}

/* ---- one after another ---- */

static enum status settle(struct relay *r, const struct batch *b, enum outcome o)
{
	/* Two days are enough: what it tells is old by then. */
	if (o == LATER && b->tries < TRIES_MOST)
		return reports_later(r->reports, b->id, AGAIN_MS);
	if (o == LATER)
		log_event(LOG_WARN_, "report-given-up", "domain=%.*s", VIEW_ARG(b->domain));
	return reports_done(r->reports, b->id);
}

static enum status send_next(struct relay *r, uint32_t *sent)
{
	struct arena a = ARENA(BATCH_ARENA);
	struct batch_line *lines;
	struct batch b;
	uint32_t n;
	enum outcome o = NOBODY;
	enum status st = reports_due(r->reports, &a, &b, &lines, &n);

	if (st == ST_OK) {
		if (b.kind == REPORT_DMARC && r->proc.conf.reports_dmarc)
			o = send_dmarc(r, &b, lines, n, &a);
		else if (b.kind == REPORT_TLS && r->proc.conf.reports_tls)
			o = send_tls(r, &b, lines, n, &a);
		*sent += o == SENT;
		st = settle(r, &b, o);
	}
	arena_free(&a);
	return st;
}

/* How many were sent. */
static uint32_t send_all(struct relay *r, bool all)
{
	enum status st = reports_end_day(r->reports, all);
	uint32_t sent = 0;

	r->reporter.running = true;
	while (st == ST_OK && !r->proc.stopping)
		st = send_next(r, &sent);
	if (st != ST_OK && st != ST_MISSING)
		log_event(LOG_WARN_, "reports", "why=\"%s\"", status_name(st));
	r->reporter.running = false;
	return sent;
}

static void look(void *arg)
{
	struct relay *r = arg;

	if (!r->reporter.running)
		send_all(r, false);
}

static void look_now(struct timer *t)
{
	struct relay *r = (struct relay *)((char *)t - offsetof(struct relay, reporter.timer));

	if (r->proc.stopping)
		return;
	(void)!co_start(look, r);
	(void)!loop_timer(r->proc.loop, t, clock_steady() + LOOK_MS);
}

void reporter_begin(struct relay *r)
{
	if (r->reports == NULL || r->proc.index != 0)
		return;
	r->reporter.timer.fire = look_now;
	(void)!loop_timer(r->proc.loop, &r->reporter.timer, clock_steady() + FIRST_MS);
}

/* ---- the operator ---- */

static void show(void *arg, const struct batch *b, int64_t due, uint64_t lines, uint64_t count)
{
	struct buf json = BUF(RECORD_MAX);

	/* A domain is A-labels by now. */
	buf_putf(&json, "{\"kind\":\"%s\",\"domain\":\"%.*s\",\"begin\":%lld,\"end\":%lld,\"due\":%lld,\"tries\":%lld,"
			"\"rows\":%llu,\"count\":%llu}", b->kind == REPORT_TLS ? "tls" : "dmarc", VIEW_ARG(b->domain),
		 (long long)b->begin, (long long)b->end, (long long)due, (long long)b->tries, (unsigned long long)lines,
		 (unsigned long long)count);
	role_row(arg, buf_view(&json));
	buf_free(&json);
}

enum verdict reporter_command(struct relay *r, struct channel *ch, const struct rec_command *cmd)
{
	struct buf json = BUF(64);

	if (r->reports == NULL)
		return VERDICT_NO;
	if (view_eq(cmd->verb, VIEW("reports-pending")))
		return reports_each(r->reports, show, ch) == ST_OK ? VERDICT_OK : VERDICT_LATER;
	while (r->reporter.running)
		loop_sleep(r->proc.loop, 100);
	buf_putf(&json, "{\"sent\":%u}", send_all(r, true));
	role_row(ch, buf_view(&json));
	buf_free(&json);
	return VERDICT_OK;
}

/* ---- what doors say ---- */

void reporter_take_evaluated(struct relay *r, const struct record *rec)
{
	struct rec_evaluated in;
	struct cursor c;

	if (!rec_take_evaluated(rec->body, &in))
		return;
	c = cursor_over(in.letters);
	while (cursor_left(&c)) {
		struct view domain = take_view(&c), policy = take_view(&c), row = take_view(&c);

		if (!cursor_ok(&c))
			return;
		reports_count(r->reports, REPORT_DMARC, domain, policy, row);
	}
}

void reporter_tell_failure(struct relay *r, const struct rec_failed *in, uint32_t incidents, struct arena *a)
{
	struct report_address to[REPORT_ADDRESSES];
	size_t n = report_addresses(in->ruf, a, to);
	struct batch about = {
		.kind = REPORT_FAILURE, .domain = in->domain, .begin = clock_wall() / 1000, .id = r->reporter.letters,
	};
	struct report_letter l = letter_of(r, &about, a);
	struct buf feedback = BUF(RECORD_MAX);

	buf_put(&feedback, in->feedback);
	if (incidents > 1)
		buf_putf(&feedback, "Incidents: %u\r\n", incidents);
	l.content = buf_view(&feedback);
	l.header = in->header;
	l.text = in->text;
	for (size_t i = 0; i < n && buf_status(&feedback) == ST_OK; i++)
		if (to[i].mail.n && is_wanted(r, in->domain, in->organization, "ruf", &to[i], a) == SENT)
			(void)mail_report(r, &l, &to[i], a);
	buf_free(&feedback);
}
