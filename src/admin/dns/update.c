#include "admin/dns/update.h"

#include "base/disk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_OCTETS = 64 * 1024, MEMORY_MAX = 64 * 1024 * 1024, PATH_SIZE = 4096, RDATA_MAX = 64 * 1024, BATCH_OCTETS = 24 * 1024 };

/* One run.  Lists own their records. */
struct run {
	const struct update *u;
	ldns_resolver *resolver;
	ldns_rdf *zone;			/* the zone that the domain is in */
	ldns_rr_list *remembered;	/* what we have put there before */
	ldns_rr_list *must, *changes;	/* prerequisites, and what is to be done */
	ldns_rr_list *published;	/* what of ours is there in the end */
	struct buf *why;
};

/* ---- records, ours and ldns's ---- */

static ldns_rr *to_ldns(const struct run *r, const struct wanted *w)
{
	struct buf line = BUF(LINE_MAX_OCTETS);
	ldns_rr *rr = NULL;

	wanted_line(w, r->u->ttl, &line);
	buf_putc(&line, '\0');
	if (buf_status(&line) != ST_OK || ldns_rr_new_frm_str(&rr, line.p, 0, NULL, NULL) != LDNS_STATUS_OK)
		rr = NULL;
	buf_free(&line);
	return rr;
}

static void rdata_of(const ldns_rr *rr, struct buf *out)
{
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *f = ldns_rr_rdf(rr, i);

		buf_put(out, view_make((const char *)ldns_rdf_data(f), ldns_rdf_size(f)));
	}
}

static bool is_wanted(const struct wanted *w, const ldns_rr *rr)
{
	struct buf rdata = BUF(RDATA_MAX);
	bool same;

	rdata_of(rr, &rdata);
	same = buf_status(&rdata) == ST_OK && wanted_is(w, (enum dns_type)ldns_rr_get_type(rr), buf_view(&rdata));
	buf_free(&rdata);
	return same;
}

static bool agrees(const struct wanted *w, const ldns_rr *rr)
{
	struct buf rdata = BUF(RDATA_MAX);
	bool good;

	rdata_of(rr, &rdata);
	good = wanted_agrees(w, (enum dns_type)ldns_rr_get_type(rr), buf_view(&rdata));
	buf_free(&rdata);
	return good;
}

/* The same name, type and RDATA, whatever the TTL. */
static bool same_rr(const ldns_rr *a, const ldns_rr *b)
{
	struct buf x = BUF(RDATA_MAX), y = BUF(RDATA_MAX);
	bool same = ldns_rr_get_type(a) == ldns_rr_get_type(b) &&
		    ldns_dname_compare(ldns_rr_owner(a), ldns_rr_owner(b)) == 0;

	rdata_of(a, &x);
	rdata_of(b, &y);
	same = same && buf_status(&x) == ST_OK && buf_status(&y) == ST_OK && view_eq(buf_view(&x), buf_view(&y));
	buf_free(&x);
	buf_free(&y);
	return same;
}

static bool has(const ldns_rr_list *list, const ldns_rr *rr)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++)
		if (same_rr(ldns_rr_list_rr(list, i), rr))
			return true;
	return false;
}

/* A copy of another class and TTL 0, as the sections of an update have them. */
static enum status push(ldns_rr_list *to, const ldns_rr *rr, ldns_rr_class class, uint32_t ttl)
{
	ldns_rr *copy = ldns_rr_clone(rr);

	if (copy == NULL)
		return ST_NOMEM;
	ldns_rr_set_class(copy, class);
	ldns_rr_set_ttl(copy, ttl);
	return ldns_rr_list_push_rr(to, copy) ? ST_OK : ST_NOMEM;
}

static void say(const struct run *r, enum update_what what, const ldns_rr *rr, const ldns_rr *other)
{
	char *line = ldns_rr2str(rr), *text = other ? ldns_rr2str(other) : NULL;
	struct view v = view_cstr(line), o = view_cstr(text);

	while (v.n && v.p[v.n - 1] == '\n')
		v.n--;
	while (o.n && o.p[o.n - 1] == '\n')
		o.n--;
	r->u->each(r->u->arg, what, v, o);
	free(line);
	free(text);
}

/* ---- the server ---- */

static enum status open_resolver(struct run *r)
{
	const struct update *u = r->u;
	struct timeval patience = { (time_t)(u->timeout_ms / 1000), (suseconds_t)(u->timeout_ms % 1000 * 1000) };
	char text[INET6_ADDRSTRLEN];
	ldns_rdf *address = NULL;

	r->resolver = ldns_resolver_new();
	if (inet_ntop(u->server.family, u->server.address, text, sizeof text))
		address = ldns_rdf_new_frm_str(u->server.family == AF_INET ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA, text);
	if (r->resolver == NULL || address == NULL ||
	    ldns_resolver_push_nameserver(r->resolver, address) != LDNS_STATUS_OK) {
		ldns_rdf_deep_free(address);
		return ST_NOMEM;
	}
	ldns_rdf_deep_free(address);
	ldns_resolver_set_port(r->resolver, u->server.port);
	ldns_resolver_set_usevc(r->resolver, true);
	ldns_resolver_set_recursive(r->resolver, false);
	ldns_resolver_set_timeout(r->resolver, patience);
	ldns_resolver_set_retry(r->resolver, 1);
	ldns_resolver_set_fail(r->resolver, true);
	if (u->key) {
		ldns_resolver_set_tsig_keyname(r->resolver, u->key->name);
		ldns_resolver_set_tsig_keydata(r->resolver, u->key->secret);
		ldns_resolver_set_tsig_algorithm(r->resolver, "hmac-sha256.");
	}
	return ST_OK;
}

static enum status no_answer(struct run *r, ldns_status s)
{
	if (s == LDNS_STATUS_CRYPTO_TSIG_BOGUS) {
		buf_puts(r->why, "the server's answer is not signed with the key: it does not know the key, or has another "
				 "under that name");
		return ST_CORRUPT;
	}
	buf_putf(r->why, "the server does not answer (%s)", ldns_get_errorstr_by_id(s));
	return s == LDNS_STATUS_NETWORK_ERR || s == LDNS_STATUS_SOCKET_ERROR ? ST_TIMEOUT : ST_IO;
}

/* What rcodes mean for who asked. */
static enum status check_rcode(struct run *r, const ldns_pkt *p)
{
	ldns_pkt_rcode rcode = ldns_pkt_get_rcode(p);
	char *word;

	if (rcode == LDNS_RCODE_NOERROR || rcode == LDNS_RCODE_NXDOMAIN)
		return ST_OK;
	if (rcode == LDNS_RCODE_NXRRSET || rcode == LDNS_RCODE_YXRRSET || rcode == LDNS_RCODE_YXDOMAIN) {
		buf_puts(r->why, "somebody else changed the records meanwhile; nothing was done");
		return ST_AGAIN;
	}
	word = ldns_pkt_rcode2str(rcode);
	buf_putf(r->why, "the server says %s%s", word ? word : "no",
		 rcode == LDNS_RCODE_NOTAUTH ? ": it wants a key that it knows, or the zone is not its own" :
		 rcode == LDNS_RCODE_REFUSED ? ": it does not allow this" : "");
	free(word);
	return rcode == LDNS_RCODE_SERVFAIL ? ST_IO : ST_DENIED;
}

static enum status send_packet(struct run *r, ldns_pkt *q, ldns_pkt **ret)
{
	ldns_pkt *p = NULL;
	ldns_status s = LDNS_STATUS_OK;
	enum status st;

	if (r->u->key)
		s = ldns_pkt_tsig_sign(q, r->u->key->name, r->u->key->secret, 300, "hmac-sha256.", NULL);
	if (s == LDNS_STATUS_OK)
		s = ldns_resolver_send_pkt(&p, r->resolver, q);
	st = s != LDNS_STATUS_OK || p == NULL ? no_answer(r, s) : check_rcode(r, p);
	if (st == ST_OK)
		*ret = p;
	else
		ldns_pkt_free(p);
	return st;
}

static enum status ask(struct run *r, const ldns_rdf *name, ldns_rr_type type, ldns_pkt **ret)
{
	ldns_rdf *copy = ldns_rdf_clone(name);
	ldns_pkt *q = copy ? ldns_pkt_query_new(copy, type, LDNS_RR_CLASS_IN, 0) : NULL;
	enum status st;

	if (q == NULL) {
		ldns_rdf_deep_free(copy);
		return ST_NOMEM;
	}
	ldns_pkt_set_id(q, ldns_get_random());
	st = send_packet(r, q, ret);
	ldns_pkt_free(q);
	return st;
}

/* Those that the server has of this name and type; also an alias there. */
static enum status gather(struct run *r, const ldns_rdf *name, ldns_rr_type type, ldns_rr_list *to)
{
	ldns_pkt *p = NULL;
	enum status st = ask(r, name, type, &p);

	for (size_t i = 0; p && st == ST_OK && i < ldns_rr_list_rr_count(ldns_pkt_answer(p)); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(p), i);

		if (ldns_dname_compare(ldns_rr_owner(rr), name) == 0 && !has(to, rr) &&
		    (ldns_rr_get_type(rr) == type || ldns_rr_get_type(rr) == LDNS_RR_TYPE_CNAME))
			st = push(to, rr, LDNS_RR_CLASS_IN, ldns_rr_ttl(rr));
	}
	ldns_pkt_free(p);
	return st;
}

/* An alias suffers nothing beside it (RFC 1034 3.6.2), and a server passes over
 * one that is added there without a word (RFC 2136 3.4.2.2): so what may be there is
 * asked for, too. */
static enum status records_at(struct run *r, const ldns_rdf *name, ldns_rr_type type, ldns_rr_list **ret)
{
	static const ldns_rr_type others[] = { LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA, LDNS_RR_TYPE_TXT, LDNS_RR_TYPE_MX };
	ldns_rr_list *list = ldns_rr_list_new();
	enum status st = list ? gather(r, name, type, list) : ST_NOMEM;

	for (size_t i = 0; type == LDNS_RR_TYPE_CNAME && st == ST_OK && i < sizeof others / sizeof *others; i++)
		st = gather(r, name, others[i], list);
	if (st == ST_OK)
		*ret = list;
	else
		ldns_rr_list_deep_free(list);
	return st;
}

/* The zone's own name stands at its SOA, in the answer or behind it (RFC 2308 3). */
static enum status find_zone(struct run *r)
{
	char name[DNS_TEXT_NAME_MAX + 2];
	ldns_rdf *domain;
	ldns_pkt *p = NULL;
	ldns_rr_list *soa = NULL;
	enum status st;

	snprintf(name, sizeof name, "%.*s.", VIEW_ARG(r->u->domain));
	domain = ldns_dname_new_frm_str(name);
	st = domain ? ask(r, domain, LDNS_RR_TYPE_SOA, &p) : ST_NOMEM;
	if (st == ST_OK)
		soa = ldns_pkt_rr_list_by_type(p, LDNS_RR_TYPE_SOA, LDNS_SECTION_ANY_NOQUESTION);
	if (st == ST_OK && soa && ldns_rr_list_rr_count(soa) == 1 && ldns_pkt_aa(p) &&
	    (ldns_dname_compare(domain, ldns_rr_owner(ldns_rr_list_rr(soa, 0))) == 0 ||
	     ldns_dname_is_subdomain(domain, ldns_rr_owner(ldns_rr_list_rr(soa, 0))))) {
		r->zone = ldns_rdf_clone(ldns_rr_owner(ldns_rr_list_rr(soa, 0)));
		st = r->zone ? ST_OK : ST_NOMEM;
	} else if (st == ST_OK) {
		buf_putf(r->why, "the server has no zone that %.*s is in", VIEW_ARG(r->u->domain));
		st = ST_DENIED;
	}
	ldns_rr_list_deep_free(soa);
	ldns_pkt_free(p);
	ldns_rdf_deep_free(domain);
	return st;
}

/* ---- what we remember ---- */

static void memory_path(const struct run *r, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/dns/%.*s.published", r->u->dir, VIEW_ARG(r->u->domain));
}

static enum status remember(struct run *r, const ldns_rr_list *list)
{
	struct buf text = BUF(MEMORY_MAX);
	char path[PATH_SIZE], fresh[PATH_SIZE + 8];
	struct iovec iov;
	int fd = -1;
	enum status st;

	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		char *line = ldns_rr2str(ldns_rr_list_rr(list, i));

		buf_puts(&text, line ? line : "");
		free(line);
	}
	snprintf(path, sizeof path, "%s/dns", r->u->dir);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return status_of_errno(errno);
	memory_path(r, path);
	snprintf(fresh, sizeof fresh, "%s.new", path);
	st = buf_status(&text);
	if (st == ST_OK)
		st = disk_open(AT_FDCWD, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600, &fd);
	iov = (struct iovec){ text.p, text.n };
	if (st == ST_OK && text.n)
		st = disk_write_at(fd, &iov, 1, 0);
	if (st == ST_OK)
		st = disk_flush_all(fd);
	if (fd >= 0)
		close(fd);
	if (st == ST_OK && rename(fresh, path) != 0)
		st = status_of_errno(errno);
	if (st != ST_OK)
		buf_putf(r->why, "%s cannot be written (%s)", path, status_name(st));
	buf_free(&text);
	return st;
}

static enum status recall(struct run *r)
{
	char path[PATH_SIZE], line[LINE_MAX_OCTETS];
	FILE *f;
	enum status st = ST_OK;

	memory_path(r, path);
	f = fopen(path, "re");
	while (f && st == ST_OK && fgets(line, sizeof line, f)) {
		ldns_rr *rr = NULL;

		line[strcspn(line, "\n")] = '\0';
		/* What cannot be read is nobody's, and so is never removed. */
		if (ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) != LDNS_STATUS_OK)
			continue;
		if (!ldns_rr_list_push_rr(r->remembered, rr))
			st = ST_NOMEM;
	}
	if (f)
		fclose(f);
	return st;
}

/* ---- what has to be done ---- */

/* The server does it only if these records are as we saw them (2.4.2, 2.4.3). */
static enum status require(struct run *r, const ldns_rdf *name, ldns_rr_type type, const ldns_rr_list *seen)
{
	ldns_rr *none;
	size_t n = 0;

	for (size_t i = 0; i < ldns_rr_list_rr_count(seen); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(seen, i);

		if (ldns_rr_get_type(rr) != type)
			continue;
		n++;
		if (!has(r->must, rr) && push(r->must, rr, LDNS_RR_CLASS_IN, 0) != ST_OK)
			return ST_NOMEM;
	}
	if (n)
		return ST_OK;
	for (size_t i = 0; i < ldns_rr_list_rr_count(r->must); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(r->must, i);

		if (ldns_rr_get_type(rr) == type && ldns_dname_compare(ldns_rr_owner(rr), name) == 0)
			return ST_OK;
	}
	none = ldns_rr_new();
	if (none == NULL)
		return ST_NOMEM;
	ldns_rr_set_owner(none, ldns_rdf_clone(name));
	ldns_rr_set_type(none, type);
	ldns_rr_set_class(none, LDNS_RR_CLASS_NONE);
	ldns_rr_set_ttl(none, 0);
	return ldns_rr_list_push_rr(r->must, none) ? ST_OK : ST_NOMEM;
}

static bool is_still_wanted(const struct run *r, const ldns_rr *rr)
{
	for (size_t i = 0; i < r->u->wanted->n; i++) {
		ldns_rr *w = r->u->wanted->list[i].elsewhere ? NULL : to_ldns(r, &r->u->wanted->list[i]);
		bool same = w && same_rr(w, rr);

		ldns_rr_free(w);
		if (same)
			return true;
	}
	return false;
}

/* Ours of before, and no longer right. */
static bool goes(const struct run *r, const ldns_rr *rr)
{
	return has(r->remembered, rr) && !is_still_wanted(r, rr);
}

static enum status plan_one(struct run *r, const struct wanted *w)
{
	ldns_rr *rr = to_ldns(r, w);
	ldns_rr_list *seen = NULL;
	const ldns_rr *against = NULL;
	bool there = false;
	enum status st = rr ? records_at(r, ldns_rr_owner(rr), ldns_rr_get_type(rr), &seen) : ST_SYNTAX;

	for (size_t i = 0; st == ST_OK && i < ldns_rr_list_rr_count(seen); i++) {
		const ldns_rr *one = ldns_rr_list_rr(seen, i);

		if (is_wanted(w, one))
			there = true;
		else if (!goes(r, one) && !agrees(w, one) && !is_still_wanted(r, one))
			against = one;
	}
	if (st == ST_OK && !there && against == NULL) {
		st = require(r, ldns_rr_owner(rr), ldns_rr_get_type(rr), seen);
		if (st == ST_OK)
			st = push(r->changes, rr, LDNS_RR_CLASS_IN, r->u->ttl);
	}
	if (st == ST_OK)
		say(r, there ? UPDATE_KEPT : against ? UPDATE_CONFLICT : UPDATE_ADDED, rr, against);
	/* One that was there before is ours from now on only if it was. */
	if (st == ST_OK && (there ? has(r->remembered, rr) : against == NULL))
		st = push(r->published, rr, LDNS_RR_CLASS_IN, r->u->ttl);
	ldns_rr_list_deep_free(seen);
	ldns_rr_free(rr);
	return st;
}

/* 2.5.4: class NONE takes one record away. */
static enum status plan_removal(struct run *r, const ldns_rr *rr)
{
	ldns_rr_list *seen = NULL;
	enum status st;

	if (is_still_wanted(r, rr))
		return ST_OK;
	st = records_at(r, ldns_rr_owner(rr), ldns_rr_get_type(rr), &seen);
	if (st == ST_OK && has(seen, rr)) {
		st = require(r, ldns_rr_owner(rr), ldns_rr_get_type(rr), seen);
		if (st == ST_OK)
			st = push(r->changes, rr, LDNS_RR_CLASS_NONE, 0);
		if (st == ST_OK)
			say(r, UPDATE_REMOVED, rr, NULL);
	}
	ldns_rr_list_deep_free(seen);
	return st;
}

/* Removals go first: an alias leaves before what takes its place comes. */
static enum status plan(struct run *r)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < ldns_rr_list_rr_count(r->remembered) && st == ST_OK; i++)
		st = plan_removal(r, ldns_rr_list_rr(r->remembered, i));
	for (size_t i = 0; i < r->u->wanted->n && st == ST_OK; i++)
		if (!r->u->wanted->list[i].elsewhere)
			st = plan_one(r, &r->u->wanted->list[i]);
	return st;
}

/* ---- doing it ---- */

static enum status send_update(struct run *r, const ldns_rr_list *must, const ldns_rr_list *changes)
{
	ldns_rdf *zone = ldns_rdf_clone(r->zone);
	ldns_pkt *q = zone ? ldns_update_pkt_new(zone, LDNS_RR_CLASS_IN, must, changes, NULL) : NULL;
	ldns_pkt *p = NULL;
	enum status st;

	if (q == NULL) {
		ldns_rdf_deep_free(zone);
		return ST_NOMEM;
	}
	ldns_pkt_set_id(q, ldns_get_random());
	st = send_packet(r, q, &p);
	ldns_pkt_free(p);
	ldns_pkt_free(q);
	return st;
}

static bool same_set(const ldns_rr *a, const ldns_rr *b)
{
	return ldns_rr_get_type(a) == ldns_rr_get_type(b) && ldns_dname_compare(ldns_rr_owner(a), ldns_rr_owner(b)) == 0;
}

/* Those of the set that `of` is in, moved to the other list; their octets. */
static size_t move_set(ldns_rr_list *from, const ldns_rr *of, ldns_rr_list *to)
{
	ldns_rr_list *rest = ldns_rr_list_new();
	size_t octets = 0;

	for (ldns_rr *rr; rest && (rr = ldns_rr_list_pop_rr(from)) != NULL;) {
		bool mine = same_set(rr, of);

		octets += mine ? ldns_rr_uncompressed_size(rr) : 0;
		ldns_rr_list_push_rr(mine ? to : rest, rr);
	}
	while (rest && ldns_rr_list_rr_count(rest))
		ldns_rr_list_push_rr(from, ldns_rr_list_pop_rr(rest));
	ldns_rr_list_free(rest);
	return octets;
}

/* A message has 65535 octets: so many sets go by one, each whole and with its
 * prerequisites. */
static enum status tell_server(struct run *r)
{
	enum status st = ST_OK;

	while (st == ST_OK && ldns_rr_list_rr_count(r->changes)) {
		ldns_rr_list *must = ldns_rr_list_new(), *changes = ldns_rr_list_new();
		size_t octets = 0;

		while (must && changes && octets < BATCH_OCTETS && ldns_rr_list_rr_count(r->changes)) {
			ldns_rr *of = ldns_rr_clone(ldns_rr_list_rr(r->changes, 0));

			octets += move_set(r->changes, of, changes) + move_set(r->must, of, must);
			ldns_rr_free(of);
		}
		st = must && changes ? send_update(r, must, changes) : ST_NOMEM;
		ldns_rr_list_deep_free(must);
		ldns_rr_list_deep_free(changes);
	}
	return st;
}

/* What is about to be ours is remembered before it is, so that a crash in
 * between forgets nothing; a record that then is not there is never removed. */
static enum status carry_out(struct run *r)
{
	ldns_rr_list *both = ldns_rr_list_clone(r->remembered);
	enum status st = both ? ST_OK : ST_NOMEM;

	for (size_t i = 0; i < ldns_rr_list_rr_count(r->published) && st == ST_OK; i++)
		if (!has(both, ldns_rr_list_rr(r->published, i)))
			st = push(both, ldns_rr_list_rr(r->published, i), LDNS_RR_CLASS_IN, r->u->ttl);
	if (st == ST_OK)
		st = remember(r, both);
	if (st == ST_OK)
		st = tell_server(r);
	if (st == ST_OK)
		st = remember(r, r->published);
	ldns_rr_list_deep_free(both);
	return st;
}

enum status update_run(const struct update *u, struct buf *why)
{
	struct run r = {
		.u = u, .why = why, .remembered = ldns_rr_list_new(), .must = ldns_rr_list_new(),
		.changes = ldns_rr_list_new(), .published = ldns_rr_list_new(),
	};
	enum status st = r.remembered && r.must && r.changes && r.published ? open_resolver(&r) : ST_NOMEM;

	if (st == ST_OK)
		st = find_zone(&r);
	if (st == ST_OK)
		st = recall(&r);
	if (st == ST_OK)
		st = plan(&r);
	if (st == ST_OK && ldns_rr_list_rr_count(r.changes))
		st = carry_out(&r);
	ldns_rr_list_deep_free(r.remembered);
	ldns_rr_list_deep_free(r.must);
	ldns_rr_list_deep_free(r.changes);
	ldns_rr_list_deep_free(r.published);
	ldns_rdf_deep_free(r.zone);
	ldns_resolver_deep_free(r.resolver);
	return st;
}
