/* zones.c - what DNS says in the lab, written from what is broken. */
#include "admin/lab/lab.h"

#include "admin/dns/facts.h"
#include "admin/tell.h"
#include "directory/certificates.h"

#include <stdio.h>
#include <string.h>

enum { ZONE_MAX = 1024 * 1024, TTL = 60 };

/* The root first; each below the one that is named. */
static const struct {
	const char *name, *above;
	const char *domain;	/* of the place that it belongs to */
	bool is_signed;
} rows[] = {
	{ ".", NULL, NULL, true },
	{ "com.", ".", NULL, true },
	{ "example.", ".", NULL, true },
	{ "127.in-addr.arpa.", ".", NULL, true },
	{ "foo.com.", "com.", "foo.com", true },
	{ "bar.com.", "com.", "bar.com", true },
	{ "insecure.example.", "example.", "insecure.example", false },
};
enum { ZONES = sizeof rows / sizeof *rows };

bool lab_zone(size_t i, struct lab_zone *ret)
{
	if (i >= ZONES)
		return false;
	*ret = (struct lab_zone){
		.name = rows[i].name, .above = rows[i].above, .is_signed = rows[i].is_signed,
		.place = rows[i].domain ? lab_place_of(view_cstr(rows[i].domain)) : NULL,
	};
	return true;
}

bool lab_zone_is_there(const struct lab *l, const struct lab_zone *z)
{
	return z->place == NULL || !lab_is_broken(l, "gone", z->place->domain);
}

static bool broken(const struct lab *l, const struct lab_zone *z, const char *what)
{
	return z->place && lab_is_broken(l, what, z->place->domain);
}

static void put_head(const struct lab *l, const struct lab_zone *z, struct buf *out)
{
	char address[LAB_ADDRESS];

	buf_putf(out, "; written by `waxwing lab`; changes are lost\n$ORIGIN %s\n$TTL %d\n", z->name, TTL);
	buf_putf(out, "@ SOA ns1 hostmaster %u 3600 600 864000 %d\n@ NS ns1\nns1 A %s\n", l->serial, TTL,
		 lab_address(l, 1, address));
}

/* The zone below, as its parent has it: DS is where DNSSEC's chain goes on
 * (RFC 4035 2.4). */
static enum status put_delegation(const struct lab *l, const struct lab_zone *z, struct buf *out)
{
	char address[LAB_ADDRESS];

	buf_putf(out, "%s NS ns1.%s\nns1.%s A %s\n", z->name, z->name, z->name, lab_address(l, 1, address));
	if (!z->is_signed || broken(l, z, "unsigned"))
		return ST_OK;
	if (broken(l, z, "dnssec")) {
		buf_putf(out, "%s DS 4711 13 2 %064d\n", z->name, 0);
		return ST_OK;
	}
	buf_putf(out, "%s ", z->name);
	return knot_ds(l, z->name, out);
}

/* ---- a place, as `waxwing dns` prints it, and what is broken of it ---- */

static const char *mx_of(const struct lab *l, const struct lab_zone *z)
{
	if (broken(l, z, "null-mx"))
		return "0 .";
	return broken(l, z, "mx") ? "10 nowhere" : "10 mail";
}

/* Of a key that the host does not have; or, where nobody was told of a new one,
 * of the one before. */
static enum status put_tlsa(const struct lab *l, const struct lab_zone *z, const struct wanted *w, struct buf *out)
{
	struct buf record = BUF(256);
	enum status st = ST_OK;

	if (broken(l, z, "mta-sts"))
		return ST_OK;
	if (broken(l, z, "dane"))
		buf_putf(&record, "3 1 1 %064d", 0);
	else
		st = instance_published(l, z->place, &record);
	buf_putf(out, "%.*s. TLSA %.*s\n", VIEW_ARG(w->name), VIEW_ARG(buf_view(&record)));
	buf_free(&record);
	return st;
}

/* A digit of the key itself is another one. */
static void put_wrong_key(const struct wanted *w, struct buf *out)
{
	enum { WRONG_AT = 24 };
	size_t before = out->n;

	wanted_line(w, TTL, out);
	if (buf_status(out) == ST_OK && out->n - before > WRONG_AT)
		out->p[out->n - WRONG_AT] = out->p[out->n - WRONG_AT] == 'A' ? 'B' : 'A';
	buf_putc(out, '\n');
}

/* Everybody's certificates (RFC 8162), under names that are absolute. */
static void put_certificate(void *out, struct view owner, struct view rdata)
{
	smimea_put_line(owner, rdata, out);
}

static enum status put_people(const struct lab *l, const struct lab_zone *z, struct buf *out)
{
	struct directory *d;
	char path[LAB_PATH];
	enum status st = directory_open(lab_path(l, path, "%s/directory/directory.db", z->place->domain), &d);

	if (st == ST_OK) {
		st = smimea_each(d, view_cstr(z->place->domain), put_certificate, out);
		directory_close(d);
	}
	if (st != ST_OK)
		complain(path, st, NULL);
	return st;
}

static enum status put_record(const struct lab *l, const struct lab_zone *z, const struct wanted *w, bool *told,
			      struct buf *out)
{
	bool none_fits = broken(l, z, "dane") || broken(l, z, "mta-sts");

	if (w->kind == WANTED_MX) {
		buf_putf(out, "@ MX %s\n", mx_of(l, z));
	} else if (w->kind == WANTED_SMIMEA) {
		return ST_OK;	/* put_people has them all */
	} else if (w->kind == WANTED_TLSA && (!*told || none_fits)) {
		enum status st = *told ? ST_OK : put_tlsa(l, z, w, out);

		*told = true;
		return st;
	} else if (w->kind == WANTED_SPF && (broken(l, z, "spf") || broken(l, z, "dmarc"))) {
		buf_putf(out, "%.*s. TXT \"v=spf1 -all\"\n", VIEW_ARG(w->name));
	} else if (w->kind == WANTED_DKIM && (broken(l, z, "dkim") || broken(l, z, "dmarc"))) {
		put_wrong_key(w, out);
	} else {
		wanted_line(w, TTL, out);
		buf_putc(out, '\n');
	}
	return ST_OK;
}

static enum status put_modern(const struct lab *l, const struct lab_zone *z, struct buf *out)
{
	struct buf why = BUF(FACTS_WHY);
	struct wanted_list w = { 0 };
	const char *what = "";
	char dir[LAB_PATH];
	struct facts f;
	bool told = false;
	enum status st = facts_gather(lab_path(l, dir, "%s", z->place->domain), view_cstr(z->place->domain), &f, &why);

	if (st == ST_OK)
		st = wanted_make(&f.f, &w, &what);
	for (size_t i = 0; i < w.n && st == ST_OK; i++)
		if (!w.list[i].elsewhere)
			st = put_record(l, z, &w.list[i], &told, out);
	if (st == ST_OK && !broken(l, z, "smimea"))
		st = put_people(l, z, out);
	if (st != ST_OK)
		tell("the zone of %s: %.*s %s", z->place->domain, VIEW_ARG(buf_view(&why)), what);
	wanted_free(&w);
	facts_free(&f);
	buf_free(&why);
	return st;
}

/* One that nobody has touched for twenty years. */
static void put_old(const struct lab *l, const struct lab_zone *z, struct buf *out)
{
	char address[LAB_ADDRESS];

	buf_putf(out, "@ MX %s\nmail A %s\n", mx_of(l, z), lab_address(l, z->place->number, address));
	buf_putf(out, "_imaps._tcp SRV 0 1 2993 mail\n_submissions._tcp SRV 0 1 %d mail\n", LAB_SUBMISSIONS_PORT);
}

static enum status put_place(const struct lab *l, const struct lab_zone *z, struct buf *out)
{
	char address[LAB_ADDRESS];

	buf_putf(out, "@ A %s\n", lab_address(l, z->place->number, address));
	if (z->place->modern)
		return put_modern(l, z, out);
	put_old(l, z, out);
	return ST_OK;
}

/* Who an address belongs to (RFC 1035 3.5). */
static void put_reverse(const struct lab *l, struct buf *out)
{
	const struct lab_place *p;

	for (size_t i = 0; (p = lab_place(i)) != NULL; i++)
		buf_putf(out, "%d.%d.0 PTR %s.\n", p->number, l->net, p->mail);
}

static enum status put_zone(const struct lab *l, const struct lab_zone *z, struct buf *out)
{
	struct lab_zone below;
	enum status st = ST_OK;

	put_head(l, z, out);
	for (size_t i = 0; lab_zone(i, &below) && st == ST_OK; i++)
		if (below.above && strcmp(below.above, z->name) == 0 && lab_zone_is_there(l, &below))
			st = put_delegation(l, &below, out);
	if (st == ST_OK && z->place)
		st = put_place(l, z, out);
	if (strcmp(z->name, "127.in-addr.arpa.") == 0)
		put_reverse(l, out);
	return st == ST_OK ? buf_status(out) : st;
}

enum status lab_write_zones(struct lab *l)
{
	struct buf text = BUF(ZONE_MAX);
	char path[LAB_PATH];
	struct lab_zone z;
	enum status st = ST_OK;

	l->serial++;
	for (size_t i = 0; lab_zone(i, &z) && st == ST_OK; i++) {
		buf_clear(&text);
		st = put_zone(l, &z, &text);
		if (st == ST_OK)
			st = lab_write(lab_path(l, path, "dns/%szone", i ? z.name : "root."), &text);
	}
	buf_free(&text);
	return st;
}
