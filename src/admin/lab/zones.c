/* zones.c - what DNS says in the lab, written from what is broken. */
#include "admin/lab/lab.h"

#include "admin/tell.h"
#include "directory/certificates.h"
#include "directory/signing.h"

#include <stdio.h>
#include <string.h>

enum { ZONE_MAX = 1024 * 1024, TTL = 60, STRING_MOST = 255, WRONG_AT = 20 };

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

/* TLSA records for the port that the lab uses, and for the usual one. */
static void put_tlsa(const struct lab *l, const struct lab_zone *z, struct view published, struct buf *out)
{
	struct buf record = BUF(256);

	if (broken(l, z, "dane"))
		buf_putf(&record, "3 1 1 %064d", 0);
	else
		buf_put(&record, published);
	buf_putf(out, "_%d._tcp.mail TLSA %.*s\n_25._tcp.mail TLSA %.*s\n", LAB_SMTP_PORT,
		 VIEW_ARG(buf_view(&record)), VIEW_ARG(buf_view(&record)));
	buf_free(&record);
}

/* ---- what receivers check letters by ---- */

struct key_lines {
	bool wrong;
	struct buf *out;
};

/* A record of 255 octets and more is several strings (RFC 6376 3.6.2.2). */
static void put_key(void *arg, const struct signing_key *k)
{
	struct key_lines *lines = arg;
	struct buf record = BUF(SIGNING_PUBLIC_MAX + 64);
	struct view left;

	signing_put_record(k, &record);
	/* A letter of the key itself is another one. */
	if (lines->wrong && record.n > WRONG_AT)
		record.p[record.n - WRONG_AT] = record.p[record.n - WRONG_AT] == 'A' ? 'B' : 'A';
	buf_putf(lines->out, "%.*s._domainkey TXT", VIEW_ARG(k->selector));
	for (left = buf_view(&record); left.n; left = view_skip(left, STRING_MOST))
		buf_putf(lines->out, " \"%.*s\"", VIEW_ARG(view_head(left, STRING_MOST)));
	buf_putc(lines->out, '\n');
	buf_free(&record);
}

static enum status put_keys(const struct lab *l, const struct lab_zone *z, struct buf *out)
{
	struct key_lines lines = { broken(l, z, "dkim") || broken(l, z, "dmarc"), out };
	struct directory *d;
	char path[LAB_PATH];
	enum status st = directory_open(lab_path(l, path, "%s/directory/directory.db", z->place->domain), &d);

	if (st == ST_OK) {
		st = signing_each(d, view_cstr(z->place->domain), put_key, &lines);
		directory_close(d);
	}
	if (st != ST_OK)
		complain(path, st, NULL);
	return st;
}

static void put_policies(const struct lab *l, const struct lab_zone *z, struct buf *out)
{
	bool nobody = broken(l, z, "spf") || broken(l, z, "dmarc");

	buf_putf(out, "@ TXT \"v=spf1 %s-all\"\n", nobody ? "" : "mx ");
	buf_putf(out, "_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:postmaster@%s\"\n", z->place->domain);
	/* Who sends reports says this name (RFC 7208 2.4). */
	buf_putf(out, "mail TXT \"v=spf1 %s-all\"\n", nobody ? "" : "a ");
	buf_putf(out, "_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:postmaster@%s\"\n", z->place->domain);
}

static const char *mx_of(const struct lab *l, const struct lab_zone *z)
{
	if (broken(l, z, "null-mx"))
		return "0 .";
	return broken(l, z, "mx") ? "10 nowhere" : "10 mail";
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

static enum status put_place(const struct lab *l, const struct lab_zone *z, struct buf *out)
{
	struct buf published = BUF(256);
	char address[LAB_ADDRESS];
	enum status st = ST_OK;

	lab_address(l, z->place->number, address);
	buf_putf(out, "@ MX %s\n@ A %s\nmail A %s\n", mx_of(l, z), address, address);
	buf_putf(out, "_imaps._tcp SRV 0 1 2993 mail\n_submissions._tcp SRV 0 1 %d mail\n", LAB_SUBMISSIONS_PORT);
	if (z->place->modern) {
		put_policies(l, z, out);
		st = put_keys(l, z, out);
		if (st == ST_OK)
			st = instance_published(l, z->place, &published);
		if (st == ST_OK)
			put_tlsa(l, z, buf_view(&published), out);
		if (st == ST_OK && !broken(l, z, "smimea"))
			st = put_people(l, z, out);
	}
	buf_free(&published);
	return st;
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
