/* check.c - waxwing check: does the world see what it should of a domain? */
#include "admin/check/check.h"

#include "admin/inspect.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "base/log.h"
#include "trust/domain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const states[] = {
	[FOUND_GOOD] = "good", [FOUND_ADVICE] = "advice", [FOUND_MISSING] = "missing", [FOUND_WRONG] = "wrong",
	[FOUND_UNKNOWN] = "unknown",
};

/* ---- findings ---- */

void found(struct job *j, enum found_state s, const char *point, struct view about, const char *mend,
	   const char *fmt, ...)
{
	char text[CHECK_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	json_array_append_new(j->found, json_pack("{s:s, s:s, s:o, s:o, s:o}", "state", states[s], "point", point,
						  "about", json_text(about), "says", json_text(view_cstr(text)), "mend",
						  json_text(view_cstr(mend ? mend : ""))));
}

/* ---- small things that several jobs need ---- */

enum status check_txt(struct job *j, const char *prefix, const char *begins, const char *point, size_t *ret_n,
		      struct view *ret_text)
{
	struct arena *a = &j->c->arena;
	struct buf name = BUF(DNS_TEXT_NAME_MAX);
	struct view text, first = VIEW_NONE;
	struct dns_answer d;
	size_t n = 0;
	enum status st;

	buf_putf(&name, "%s%s%.*s", prefix, prefix[0] ? "." : "", VIEW_ARG(j->c->domain));
	st = dns_ask(checker_resolver(j->c), buf_view(&name), DNS_TXT, a, &d);
	if (st == ST_OK && d.outcome != DNS_FOUND && !dns_is_absent(&d)) {
		found(j, FOUND_UNKNOWN, point, buf_view(&name), "Look whether the name servers of the domain answer, and validly.",
		      "DNS does not say: %.*s", VIEW_ARG(d.why));
		st = ST_IO;
	}
	buf_free(&name);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; d.outcome == DNS_FOUND && i < d.n; i++) {
		if (dns_read_txt(d.rdata[i], a, &text) != ST_OK || !view_starts_i(text, view_cstr(begins)))
			continue;
		if (n++ == 0)
			first = text;
	}
	*ret_n = n;
	*ret_text = first;
	return n ? ST_OK : ST_MISSING;
}

/* False: DNS does not say. */
static bool put_addresses(struct checker *c, struct view host, enum dns_type type, struct buf *out)
{
	struct dns_answer d = { .outcome = DNS_FAILED };
	char text[DNS_ADDRESS_TEXT];

	if (dns_ask(checker_resolver(c), host, type, &c->arena, &d) != ST_OK || d.outcome != DNS_FOUND)
		return dns_is_absent(&d);
	for (size_t i = 0; i < d.n && i < CHECK_LOOKED_AT; i++)
		if (dns_read_address(type, d.rdata[i], text) == ST_OK)
			buf_putf(out, type == DNS_AAAA ? "%s[%s]" : "%s%s", out->n ? "," : "", text);
	return true;
}

enum status check_fetch(struct checker *c, struct view host, uint16_t port, const char *path, const char *type,
			struct buf *out, struct view *ret_why)
{
	struct buf addresses = BUF(CHECK_TEXT);
	struct fetch w = {
		.host = arena_cstr(&c->arena, host), .path = path, .port = port,
		.timeout_ms = (uint64_t)c->conf.check_timeout, .type = type, .why = "its host has no address",
	};
	enum status st = ST_IO;

	if (!put_addresses(c, host, DNS_A, &addresses) || !put_addresses(c, host, DNS_AAAA, &addresses))
		st = ST_AGAIN;
	if (st == ST_AGAIN)
		snprintf(w.why, sizeof w.why, "DNS does not say where its host is");
	buf_putc(&addresses, '\0');
	if (st == ST_IO && w.host && addresses.n > 1 && buf_status(&addresses) == ST_OK) {
		w.addresses = addresses.p;
		st = fetch(c->fetcher, &w, out);
	}
	buf_free(&addresses);
	*ret_why = arena_copy(&c->arena, view_cstr(w.why));
	return st;
}

/* ---- jobs ---- */

/* One more job.  False: there are too many. */
static bool checker_add(struct checker *c, void (*run)(struct job *j), const void *what, size_t i)
{
	if (c->n_jobs == CHECK_JOBS)
		return false;
	c->jobs[c->n_jobs++] = (struct job){ .c = c, .run = run, .what = what, .i = i, .found = json_array() };
	return true;
}

static void job_main(void *arg)
{
	struct job *j = arg;

	j->run(j);
	if (--j->c->left == 0 && j->c->waiting)
		co_wake(j->c->waiting);
}

static void add_hosts(struct checker *c)
{
	for (size_t i = 0; c->has_hosts && i < c->hosts.n && i < (size_t)c->conf.check_hosts; i++) {
		const struct host *h = &c->hosts.list[i];

		for (size_t j = 0; j < h->n_addresses && j < (size_t)c->conf.check_addresses; j++)
			(void)!checker_add(c, check_host, h, j);
	}
}

/* Of ours those that we send from; of others those that are known. */
static void add_addresses(struct checker *c)
{
	if (c->facts) {
		for (size_t i = 0; i < c->facts->f.n_addresses; i++)
			(void)!checker_add(c, check_reverse, &c->facts->f.addresses[i], i);
		return;
	}
	for (size_t i = 0; c->has_hosts && i < c->hosts.n && i < (size_t)c->conf.check_hosts; i++)
		for (size_t j = 0; j < c->hosts.list[i].n_addresses && j < (size_t)c->conf.check_addresses; j++)
			(void)!checker_add(c, check_reverse, &c->hosts.list[i].addresses[j], j);
}

/* In the order in which people read them. */
static void add_jobs(struct checker *c)
{
	(void)!checker_add(c, check_dnssec, NULL, 0);
	for (size_t i = 0; c->wanted && i < c->wanted->n; i++)
		if (c->wanted->list[i].kind != WANTED_SMIMEA)
			(void)!checker_add(c, check_record, NULL, i);
	(void)!checker_add(c, check_people, NULL, 0);
	(void)!checker_add(c, check_mx, NULL, 0);
	add_hosts(c);
	add_addresses(c);
	(void)!checker_add(c, check_spf, NULL, 0);
	(void)!checker_add(c, check_dkim, NULL, 0);
	(void)!checker_add(c, check_dmarc, NULL, 0);
	(void)!checker_add(c, check_sts, NULL, 0);
	(void)!checker_add(c, check_tlsrpt, NULL, 0);
	(void)!checker_add(c, check_caa, NULL, 0);
	for (size_t i = 0; i < check_services(); i++)
		(void)!checker_add(c, check_service, NULL, i);
	(void)!checker_add(c, check_autoconfig, NULL, 0);
}

static void run_all(void *arg)
{
	struct checker *c = arg;

	check_first(c);
	add_jobs(c);
	c->left = c->n_jobs;
	for (size_t i = 0; i < c->n_jobs; i++) {
		if (co_start(job_main, &c->jobs[i]) != ST_OK) {
			found(&c->jobs[i], FOUND_UNKNOWN, "memory", c->domain, NULL, "there is not enough of it to look at this");
			c->left--;
		}
	}
	while (c->left) {
		c->waiting = co_self();
		co_wait();
	}
	/* Connections that were let go end in the loop. */
	loop_sleep(c->relay.proc.loop, 1);
	c->waiting = NULL;
	loop_stop(c->relay.proc.loop);
}

/* ---- setting up ---- */

static struct checker *checker_of(struct resolver *r)
{
	return (struct checker *)((char *)r - offsetof(struct checker, relay.dns.resolver));
}

static enum status ask(struct resolver *r, struct view name, enum dns_type type, struct arena *a,
		       struct dns_answer *ret)
{
	return dns_ask(direct_resolver(checker_of(r)->direct), name, type, a, ret);
}

static void hint(struct resolver *r, struct view name, enum dns_type type)
{
	dns_hint(direct_resolver(checker_of(r)->direct), name, type);
}

/* relay's own code is to be as patient as we are. */
static void take_patience(struct checker *c)
{
	struct conf *conf = &c->conf;

	conf->relay_connect_timeout = conf->relay_greeting_timeout = conf->relay_command_timeout = conf->check_timeout;
	conf->tls_handshake = conf->dns_timeout = conf->check_timeout;
}

static enum status open_tls(struct checker *c, const char *authorities)
{
	enum status st = tls_client_new(authorities, &c->relay.tls);

	if (st == ST_MISSING) {
		tell("%s: no authorities can be read there, so no certificate counts as issued by one", authorities);
		st = tls_client_new("", &c->relay.tls);
	}
	return st == ST_OK ? fetcher_new(c->relay.proc.loop, authorities, &c->fetcher) : st;
}

static enum status set_up(struct checker *c, const struct invocation *in, struct buf *why)
{
	const char *authorities = in->given[OPTION_authorities] ? in->given[OPTION_authorities] : c->conf.relay_authorities;
	struct lookup_settings s;
	enum status st;

	/* What relay would log is said as a finding. */
	log_start("check", 2, LOG_ERROR_);
	take_patience(c);
	c->relay.proc.conf = c->conf;
	c->relay.dns.resolver = (struct resolver){ ask, hint };
	c->jobs = calloc(CHECK_JOBS, sizeof *c->jobs);
	st = c->jobs ? loop_new(&c->relay.proc.loop) : ST_NOMEM;
	s = asked_of(in, &c->conf);
	if (st == ST_OK)
		st = direct_open_on(&s, c->relay.proc.loop, why, &c->direct);
	return st == ST_OK ? open_tls(c, authorities) : st;
}

/* One of ours is compared with what should be; any other is only looked at. */
static enum status take_domain(struct checker *c, const struct invocation *in, struct facts *f, struct wanted_list *w,
			       struct buf *why)
{
	const char *what = "";
	enum status st = domain_ascii(view_cstr(in->args[0]), &c->arena, &c->domain);

	if (st != ST_OK) {
		buf_putf(why, "%.200s is not the name of a domain, such as example.org", in->args[0]);
		return st;
	}
	st = facts_gather(in->dir, c->domain, f, why);
	if (st == ST_OK && (st = wanted_make(&f->f, w, &what)) == ST_SYNTAX)
		buf_putf(why, "%s of %s: the settings make no record", what, in->args[0]);
	if (st == ST_SYNTAX)
		return st;
	if (st == ST_OK) {
		c->facts = f;
		c->wanted = w;
	}
	buf_clear(why);
	return ST_OK;
}

/* ---- what is said ---- */

static json_t *gather(struct checker *c)
{
	json_t *all = json_array();

	for (size_t i = 0; i < c->n_jobs; i++) {
		json_array_extend(all, c->jobs[i].found);
		json_decref(c->jobs[i].found);
	}
	return all;
}

static const char *text_at(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void print_findings(const struct checker *c, const json_t *all, const size_t counts[])
{
	const json_t *one;
	size_t i;

	json_array_foreach(all, i, one) {
		struct buf line = BUF(64 * 1024);

		buf_putf(&line, "%-8s %-12s %s: %s", text_at(one, "state"), text_at(one, "point"), text_at(one, "about"),
			 text_at(one, "says"));
		print_clean(buf_view(&line));
		buf_clear(&line);
		if (text_at(one, "mend")[0]) {
			buf_putf(&line, "         -> %s", text_at(one, "mend"));
			print_clean(buf_view(&line));
		}
		buf_free(&line);
	}
	printf("\n%.*s%s: %zu good, %zu wrong, %zu missing, %zu unknown, %zu to think about\n", VIEW_ARG(c->domain),
	       c->facts ? "" : " (not ours)", counts[FOUND_GOOD], counts[FOUND_WRONG], counts[FOUND_MISSING],
	       counts[FOUND_UNKNOWN], counts[FOUND_ADVICE]);
}

static int report(struct invocation *in, struct checker *c)
{
	size_t counts[sizeof states / sizeof *states] = { 0 };
	json_t *all = gather(c);
	const json_t *one;
	size_t i;
	int done;

	json_array_foreach(all, i, one)
		for (size_t s = 0; s < sizeof states / sizeof *states; s++)
			counts[s] += strcmp(states[s], text_at(one, "state")) == 0;
	done = counts[FOUND_WRONG] + counts[FOUND_MISSING] + counts[FOUND_UNKNOWN] ? FAILED : DONE;
	if (in->given[OPTION_json])
		return listing_print(in, NULL, 0, all, "") == DONE ? done : FAILED;
	print_findings(c, all, counts);
	json_decref(all);
	return fflush(stdout) == 0 ? done : FAILED;
}

static void checker_free(struct checker *c)
{
	direct_free(c->direct);
	tls_client_free(c->relay.tls);
	fetcher_free(c->fetcher);
	loop_free(c->relay.proc.loop);
	arena_free(&c->arena);
	conf_free(&c->conf);
	free(c->jobs);
	free(c);
}

int cmd_check(struct invocation *in)
{
	struct checker *c = calloc(1, sizeof *c);
	struct buf why = BUF(FACTS_WHY);
	struct wanted_list w = { 0 };
	struct facts f = { 0 };
	int done = FAILED;
	enum status st = c ? conf_or_defaults(in, &c->conf) : ST_NOMEM;

	if (st == ST_OK) {
		c->arena = ARENA(CHECK_ARENA);
		st = take_domain(c, in, &f, &w, &why);
	}
	if (st == ST_OK)
		st = set_up(c, in, &why);
	if (st == ST_OK)
		st = co_start(run_all, c);
	if (st == ST_OK) {
		loop_run(c->relay.proc.loop);
		done = report(in, c);
	} else {
		tell("check: %.*s", VIEW_ARG(why.n ? buf_view(&why) : view_cstr(status_name(st))));
	}
	buf_free(&why);
	wanted_free(&w);
	facts_free(&f);
	if (c)
		checker_free(c);
	return done;
}
