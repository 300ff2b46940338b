/* domain.c - waxwing domain add, list, remove. */
#include "admin/cert.h"
#include "admin/instance.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "base/cursor.h"
#include "warden/signing_keys.h"

#include <stdio.h>

static const struct reason why_not[] = {
	{ ST_EXISTS, "is one of ours already" },
	{ ST_MISSING, "is not one of ours" },
	{ ST_SYNTAX, "is not the name of a domain, such as example.org" },
	{ ST_OK, NULL },
};

int cmd_domain_add(struct invocation *in)
{
	struct view domain = view_cstr(in->args[0]);
	struct directory *d;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK)
		return FAILED;
	st = directory_add_domain(d, domain);
	if (st == ST_OK) {
		/* Active at once: nothing was signed before that somebody could miss. */
		st = signing_keys_setup(in->dir, d, domain, SIGNING_ACTIVE, clock_wall());
		if (st != ST_OK)
			tell("%s is ours now, but has no keys to sign its letters with: %s; `waxwing domain key rotate %s` "
			     "makes them", in->args[0], status_name(st), in->args[0]);
		directory_close(d);
		if (cert_authority(in, domain) != ST_OK)
			tell("%s has no authority for certificates; `waxwing cert renew --all` makes it with the first of them", in->args[0]);
		return st == ST_OK ? DONE : FAILED;
	}
	directory_close(d);
	return complain(in->args[0], st, why_not);
}

static void add_row(void *arg, struct view name, struct view b, uint64_t id)
{
	(void)b;
	(void)id;
	json_array_append_new(arg, json_pack("{so}", "domain", json_text(name)));
}

int cmd_domain_list(struct invocation *in)
{
	static const struct column columns[] = { { "domain", "DOMAIN", COLUMN_TEXT } };

	return listing_of_directory(in, columns, 1, directory_each_domain, add_row,
				    "No domain yet; `waxwing domain add DOMAIN` adds one.");
}

static const struct reason still_used[] = {
	{ ST_MISSING, "is not one of ours; `waxwing domain list` shows them" },
	{ ST_DENIED, "has accounts or aliases; remove those first" },
	{ ST_OK, NULL },
};

static void note_selector(void *arg, const struct signing_key *k)
{
	put_view(arg, k->selector);
}

/* Their rows went with the domain. */
static enum status drop_keys(const struct invocation *in, struct view selectors)
{
	struct cursor c = cursor_over(selectors);
	enum status st = ST_OK;

	while (cursor_left(&c) && st == ST_OK)
		st = signing_key_forget(in->dir, view_cstr(in->args[0]), take_view(&c));
	return st;
}

int cmd_domain_remove(struct invocation *in)
{
	struct buf selectors = BUF(SIGNING_KEYS_MOST * (SIGNING_SELECTOR_MAX + 4));
	struct view domain = view_cstr(in->args[0]);
	struct directory *d;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK)
		return FAILED;
	st = domain.n ? signing_each(d, domain, note_selector, &selectors) : ST_MISSING;
	if (st == ST_OK)
		st = directory_remove_domain(d, domain);
	directory_close(d);
	if (st == ST_OK)
		st = drop_keys(in, buf_view(&selectors));
	buf_free(&selectors);
	return st == ST_OK ? DONE : complain(in->args[0], st, still_used);
}
