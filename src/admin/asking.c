/* asking.c - where the commands that check letters get their answers of DNS. */
#include "admin/inspect.h"
#include "admin/revoked.h"
#include "admin/tell.h"

#include "smime/ldap.h"
#include "trust/records.h"

enum { WHY_MAX = 1024 };

enum status conf_or_defaults(const struct invocation *in, struct conf *ret)
{
	struct buf why = BUF(WHY_MAX);
	struct conf c = { 0 };
	enum status st = conf_load(in->dir, &c, &why);

	/* No instance is needed. */
	if (st != ST_OK)
		st = conf_defaults(&c);
	buf_free(&why);
	if (st == ST_OK)
		*ret = c;
	else
		complain("settings", st, NULL);
	return st;
}

struct lookup_settings asked_of(const struct invocation *in, const struct conf *c)
{
	struct lookup_settings s = lookup_settings(c);

	if (in->given[OPTION_resolver])
		s.resolver = in->given[OPTION_resolver];
	if (in->given[OPTION_trust_anchor])
		s.anchor = in->given[OPTION_trust_anchor];
	return s;
}

enum status open_direct(const struct invocation *in, struct direct **ret)
{
	struct buf why = BUF(WHY_MAX);
	struct lookup_settings s;
	struct conf c = { 0 };
	enum status st = conf_or_defaults(in, &c);

	if (st != ST_OK)
		return st;
	s = asked_of(in, &c);
	st = direct_open(&s, &why, ret);
	if (st != ST_OK)
		tell("%.*s", VIEW_ARG(why.n ? buf_view(&why) : view_cstr(status_name(st))));
	buf_free(&why);
	conf_free(&c);
	return st;
}

static struct records *open_records(const char *path)
{
	struct buf text = BUF(RECORDS_MAX);
	struct records *r = NULL;
	unsigned line = 0;
	enum status st = read_file(path, &text);

	if (st == ST_OK)
		st = records_open(buf_view(&text), &r, &line);
	if (st == ST_SYNTAX)
		tell("%s:%u: no record; they are NAME TYPE DATA", path, line);
	else if (st != ST_OK)
		tell("%s: %s", path, status_name(st));
	buf_free(&text);
	return r;
}

struct resolver *asker_open(struct asker *a, const struct invocation *in)
{
	*a = (struct asker){ 0 };
	if (in->given[OPTION_records]) {
		a->records = open_records(in->given[OPTION_records]);
		return a->records ? records_resolver(a->records) : NULL;
	}
	return open_direct(in, &a->direct) == ST_OK ? direct_resolver(a->direct) : NULL;
}

void asker_close(struct asker *a)
{
	records_free(a->records);
	if (a->direct)
		direct_free(a->direct);
}

const struct asking asking = { asker_open, asker_close, read_with_fetch, find_in_ldap, ldap_url_flaw };
