/* up.c - waxwing lab up, down and status. */
#include "admin/lab/lab.h"

#include "admin/listing.h"
#include "admin/tell.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- status ---- */

/* What is broken at a domain, in words. */
static json_t *broken_at(const struct lab *l, const char *domain)
{
	json_t *all = json_array();
	const json_t *one;
	size_t i;

	json_array_foreach(l->broken, i, one)
		if (strcmp(json_string_value(json_object_get(one, "domain")), domain) == 0)
			json_array_append(all, json_object_get(one, "what"));
	return all;
}

static json_t *joined(const json_t *words)
{
	struct buf text = BUF(1024);
	const json_t *one;
	json_t *s;
	size_t i;

	json_array_foreach(words, i, one)
		buf_putf(&text, "%s%s", i ? ", " : "", json_string_value(one));
	s = json_stringn(text.p ? text.p : "", text.n);
	buf_free(&text);
	return s;
}

static json_t *row(const struct lab *l, const char *domain, int number, int pid)
{
	char address[LAB_ADDRESS];

	return json_pack("{s:s, s:s, s:i, s:b}", "domain", domain, "address", lab_address(l, number, address), "pid",
			 pid, "up", pid != 0);
}

static json_t *rows(const struct invocation *in, const struct lab *l)
{
	json_t *all = json_array(), *one;
	const struct lab_place *p;
	char path[LAB_PATH];

	one = row(l, "(DNS)", 1, knot_pid(l));
	json_object_set_new(one, "port", json_integer(LAB_DNS_PORT));
	json_object_set_new(one, "dir", json_string(lab_path(l, path, "dns")));
	json_object_set_new(one, "security", json_string("DNSSEC"));
	json_array_append_new(all, one);
	for (size_t i = 0; (p = lab_place(i)) != NULL; i++) {
		json_t *broken = broken_at(l, p->domain);

		one = row(l, p->domain, p->number, instance_pid(l, p));
		json_object_set_new(one, "port", json_integer(LAB_SMTP_PORT));
		json_object_set_new(one, "dir", json_string(lab_path(l, path, "%s", p->domain)));
		json_object_set_new(one, "security", json_string(p->modern ? "DNSSEC, DANE" : "none"));
		json_object_set_new(one, "broken", in->given[OPTION_json] ? json_incref(broken) : joined(broken));
		json_decref(broken);
		json_array_append_new(all, one);
	}
	return all;
}

static int print_status(const struct invocation *in, const struct lab *l)
{
	static const struct column columns[] = {
		{ "domain", "DOMAIN", COLUMN_TEXT }, { "address", "ADDRESS", COLUMN_TEXT },
		{ "port", "PORT", COLUMN_NUMBER },   { "up", "UP", COLUMN_TEXT },
		{ "security", "SECURITY", COLUMN_TEXT }, { "broken", "BROKEN", COLUMN_TEXT },
	};

	return listing_print(in, columns, sizeof columns / sizeof *columns, rows(in, l), "");
}

int cmd_lab_status(struct invocation *in)
{
	struct lab l;
	int done = lab_open(in, &l) == ST_OK ? print_status(in, &l) : FAILED;

	lab_close(&l);
	return done;
}

/* ---- up ---- */

static enum status start_all(struct lab *l)
{
	const struct lab_place *p;
	enum status st = ST_OK;

	for (size_t i = 0; (p = lab_place(i)) != NULL && st == ST_OK; i++)
		st = instance_make(l, p);
	if (st == ST_OK)
		st = knot_start(l);
	if (st == ST_OK)
		st = lab_save(l);
	for (size_t i = 0; (p = lab_place(i)) != NULL && st == ST_OK; i++)
		if (!lab_is_broken(l, "host", p->domain))
			st = instance_start(l, p);
	if (st == ST_OK)
		mechanisms_apply(l);
	return st;
}

static void stop_all(const struct lab *l)
{
	const struct lab_place *p;

	for (size_t i = 0; (p = lab_place(i)) != NULL; i++)
		instance_stop(l, p);
	knot_stop(l);
}

static void print_next(const struct lab *l)
{
	const struct lab_place *p;
	char address[LAB_ADDRESS];

	printf("\nPeople, each with the password \"%s\":\n", LAB_PASSWORD);
	for (size_t i = 0; (p = lab_place(i)) != NULL; i++)
		printf("  %-24s IMAP over TLS at %s:2993\n", p->people[0], lab_address(l, p->number, address));
	printf("\nNext:\n  waxwing lab send            a letter from Smith@bar.com to Jones@foo.com\n"
	       "  waxwing lab watch           what they say to each other\n"
	       "  waxwing lab break dane      and send again\n"
	       "  waxwing lab down            it all ends\n");
}

int cmd_lab_up(struct invocation *in)
{
	struct lab l;
	enum status st = lab_make(in, &l);
	int done = FAILED;

	if (st == ST_OK)
		st = start_all(&l);
	if (st == ST_OK) {
		done = print_status(in, &l);
		if (!in->given[OPTION_json])
			print_next(&l);
	} else if (l.net) {
		stop_all(&l);
	}
	lab_close(&l);
	return done;
}

/* ---- down ---- */

static int remove_one(const char *path, const struct stat *sb, int kind, struct FTW *ftw)
{
	(void)sb;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int cmd_lab_down(struct invocation *in)
{
	struct lab l;
	int done = DONE;

	if (lab_open(in, &l) != ST_OK) {
		lab_close(&l);
		return FAILED;
	}
	stop_all(&l);
	/* Only a folder that has our lab.json comes here; links are not followed. */
	if (in->given[OPTION_purge] && nftw(l.dir, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
		done = complain(l.dir, status_of_errno(errno), NULL);
	if (done == DONE)
		printf("The lab in %s is down%s.\n", l.dir, in->given[OPTION_purge] ? ", and removed" : "");
	lab_close(&l);
	return done;
}
