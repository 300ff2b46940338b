/* as.c - waxwing lab as: waxmail(1) as one of the people of the lab. */
#include "admin/lab/lab.h"

#include "admin/tell.h"
#include "base/beside.h"
#include "mua/account.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG_MAX = 16 * 1024, EXPORT_MAX = 1024 * 1024, WORDS_MOST = 256 };

/* One of its people, as the table writes him. */
static const char *person_of(const struct lab_place *p, const char *address)
{
	for (size_t i = 0; p && i < LAB_PEOPLE && p->people[i]; i++)
		if (view_eq_i(view_cstr(p->people[i]), view_cstr(address)))
			return p->people[i];
	return NULL;
}

/* Where his mail program finds things. */
static void set_home(const struct lab *l, const char *person)
{
	char path[LAB_PATH];

	setenv("XDG_CONFIG_HOME", lab_path(l, path, "people/%s/config", person), 1);
	setenv("XDG_DATA_HOME", lab_path(l, path, "people/%s/data", person), 1);
}

static enum status write_config(const struct lab *l, const struct lab_place *p, const char *person)
{
	struct buf text = BUF(CONFIG_MAX);
	char path[LAB_PATH], dns[LAB_ADDRESS];
	enum status st = make_folders(lab_path(l, path, "people/%s/config/waxmail", person));

	buf_putf(&text, "authorities = \"%s\";\n", lab_path(l, path, "authority.pem"));
	buf_putf(&text, "resolver = \"%s:%d\";\n", lab_address(l, 1, dns), LAB_DNS_PORT);
	buf_putf(&text, "trust_anchor = \"%s\";\n", lab_path(l, path, "dns/anchor"));
	buf_putf(&text, "accounts = ( { address = \"%s\"; read = \"imaps://%s:%d\"; send = \"submissions://%s:%d\";\n"
			"\tpassword_command = \"echo " LAB_PASSWORD "\"; } );\n",
		 person, p->mail, LAB_IMAPS_PORT, p->mail, LAB_SUBMISSIONS_PORT);
	if (st == ST_OK)
		st = buf_status(&text);
	if (st == ST_OK)
		st = file_store(lab_path(l, path, "people/%s/config/waxmail/config", person), buf_view(&text));
	if (st != ST_OK)
		complain(path, st, NULL);
	buf_free(&text);
	return st;
}

/* His keys, as the operator would hand them to him. */
static enum status bring_keys(const struct lab *l, const struct lab_place *p, const char *person)
{
	const char *const words[] = { "cert", "export", person, NULL };
	struct buf pem = BUF(EXPORT_MAX);
	struct account a = { .address = person };
	char dir[LAB_PATH], path[PATH_TEXT_MAX];
	size_t n;
	enum status st = run_waxwing(lab_path(l, dir, "%s", p->domain), words, VIEW_NONE, &pem);

	if (st != ST_OK || !path_copy(&a, path)) {
		tell("the keys of %s: %.*s", person, VIEW_ARG(buf_view(&pem)));
		buf_free(&pem);
		return ST_DENIED;
	}
	n = strlen(path);
	snprintf(path + n, sizeof path - n, "/smime");
	st = make_folders(path);
	n = strlen(path);
	snprintf(path + n, sizeof path - n, "/keys.pem");
	if (st == ST_OK)
		st = file_store(path, buf_view(&pem));
	if (st != ST_OK)
		complain(path, st, NULL);
	buf_free(&pem);
	return st;
}

static void run_waxmail(char **args, int n)
{
	char *argv[WORDS_MOST + 2] = { (char *)"waxmail" };

	for (int i = 0; i < n && i < WORDS_MOST; i++)
		argv[i + 1] = args[i];
	beside_become("waxmail", argv);
	execvp("waxmail", argv);
	tell("waxmail cannot be run: %s", strerror(errno));
}

int cmd_lab_as(struct invocation *in)
{
	const struct lab_place *p = lab_place_of(view_cstr(in->args[0]));
	const char *person = person_of(p, in->args[0]);
	struct lab l;
	enum status st = lab_open(in, &l);

	if (st == ST_OK && person == NULL) {
		tell("%s is nobody in the lab; `waxwing lab up` shows who is", in->args[0]);
		st = ST_MISSING;
	}
	if (st == ST_OK) {
		set_home(&l, person);
		st = write_config(&l, p, person);
	}
	if (st == ST_OK && p->modern)
		st = bring_keys(&l, p, person);
	lab_close(&l);
	if (st == ST_OK)
		run_waxmail(in->args + 1, in->n - 1);
	return FAILED;
}
