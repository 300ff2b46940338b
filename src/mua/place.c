#include "mua/place.h"

#include "mua/say.h"
#include "mua/secret.h"
#include "names/direct.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WHY_TEXT = 2048 };

enum status place_settings(struct place *p)
{
	struct buf why = BUF(WHY_TEXT);
	enum status st;

	*p = (struct place){ .password = BUF(PASSWORD_MAX), .may_ask = true };
	st = settings_load(&p->settings, &why);
	if (st != ST_OK)
		say("%.*s", VIEW_ARG(why.n ? buf_view(&why) : view_cstr(status_name(st))));
	buf_free(&why);
	return st;
}

enum status place_use(struct place *p, struct account *a)
{
	char path[PATH_TEXT_MAX];
	struct copy_findings found = { 0 };
	enum status st;

	copy_close(p->copy);
	p->copy = NULL;
	buf_wipe(&p->password);
	p->account = a;
	if (!path_copy(a, path)) {
		say("no place for letters: neither HOME nor XDG_DATA_HOME is set, or it is too long");
		return ST_MISSING;
	}
	st = make_folders(path);
	if (st == ST_OK)
		st = copy_open(path, &p->copy, &found);
	if (st != ST_OK)
		say_failed(path, st);
	else if (found.lost)
		say("%llu letters were lost here; the next sync fetches them again", (unsigned long long)found.lost);
	return st;
}

enum status place_open(struct place *p, const struct invocation *in)
{
	const char *name = VALUE(in, account);
	enum status st = place_settings(p);
	struct account *a;

	if (st != ST_OK)
		return st;
	a = settings_account(&p->settings, name);
	if (a)
		return place_use(p, a);
	if (name)
		say("no account %.200s; `waxmail account list` shows them", name);
	else
		say("no account yet; `waxmail account add ADDRESS` makes one known");
	return ST_MISSING;
}

void place_close(struct place *p)
{
	copy_close(p->copy);
	p->copy = NULL;
	buf_wipe(&p->password);
	net_close(&p->net);
	direct_free(p->dns);
	p->dns = NULL;
	settings_free(&p->settings);
}

/* A file of the account that says by its age when DNS gave no answer for its servers: not each
 * run shall wait for one on a network where none comes. */
static bool silence_path(const struct place *p, char path[PATH_TEXT_MAX])
{
	size_t n;

	if (!path_copy(p->account, path))
		return false;
	n = strlen(path);
	return snprintf(path + n, PATH_TEXT_MAX - n, "/dns-silent") < (int)(PATH_TEXT_MAX - n);
}

static bool was_silent(const struct place *p)
{
	char path[PATH_TEXT_MAX];
	struct stat sb;
	wall_ms age;

	if (!silence_path(p, path) || stat(path, &sb) != 0)
		return false;
	age = clock_wall() - (wall_ms)sb.st_mtime * 1000;
	return age >= 0 && age < PLACE_DNS_SILENT_MS;
}

static void note_silence(const struct place *p)
{
	char path[PATH_TEXT_MAX];

	if (!silence_path(p, path))
		return;
	(void)!unlink(path);
	if (clock_steady() < p->net.dns_silent)
		(void)!file_store(path, VIEW("DNS gave no answer.\n"));
}

/* What DNS says of the account's servers. */
static void learn_servers(struct place *p)
{
	const struct server *servers[] = { &p->account->read, &p->account->send };
	bool own = p->settings.resolver[0] != '\0', dane = p->settings.dane && !was_silent(p);
	struct resolver *r = own || dane ? place_resolver(p) : NULL;

	for (size_t i = 0; r && i < 2; i++) {
		if (own)
			net_learn_host(&p->net, r, servers[i]->host);
		if (dane)
			net_learn_tlsa(&p->net, r, servers[i]);
	}
	if (dane)
		note_silence(p);
}

enum status place_net(struct place *p)
{
	enum status st = ST_OK;

	if (p->net.loop && p->account)
		learn_servers(p);
	if (p->net.loop)
		return ST_OK;
	st = net_open(&p->net, p->settings.authorities, (uint64_t)p->settings.patience_s * 1000);
	if (st == ST_MISSING)
		say("%.300s: no authorities there to verify servers by (setting authorities; package ca-certificates)",
		    p->settings.authorities);
	else if (st != ST_OK)
		say_failed("network", st);
	if (st == ST_OK && p->account)
		learn_servers(p);
	return st;
}

static struct direct *open_dns(const struct settings *s)
{
	struct buf why = BUF(WHY_TEXT);
	struct direct *d = NULL;
	struct conf c = { 0 };
	struct lookup_settings l;

	if (conf_defaults(&c) == ST_OK) {
		l = lookup_settings(&c);
		l.timeout = PLACE_DNS_MS;
		if (s->resolver[0])
			l.resolver = s->resolver;
		if (s->trust_anchor[0])
			l.anchor = s->trust_anchor;
		if (direct_open(&l, &why, &d) != ST_OK)
			d = NULL;
	}
	conf_free(&c);
	buf_free(&why);
	return d;
}

struct resolver *place_resolver(struct place *p)
{
	if (!p->dns_tried)
		p->dns = open_dns(&p->settings);
	p->dns_tried = true;
	return p->dns ? direct_resolver(p->dns) : NULL;
}

enum status place_password(struct place *p)
{
	return p->password.n ? ST_OK : password_of(p->account, p->may_ask, &p->password);
}

enum status place_folder(struct place *p, enum copy_use use, struct arena *a, struct copy_folder *ret)
{
	static const struct {
		enum copy_use use;
		const char *name;
	} usual[] = {
		{ COPY_USE_SENT, "Sent" },	    { COPY_USE_SENT, "Sent Items" },
		{ COPY_USE_SENT, "Sent Messages" }, { COPY_USE_DRAFTS, "Drafts" },
		{ COPY_USE_TRASH, "Trash" },	    { COPY_USE_TRASH, "Deleted Items" },
		{ COPY_USE_ARCHIVE, "Archive" },    { COPY_USE_JUNK, "Junk" },
		{ COPY_USE_INBOX, "INBOX" },
	};
	const char *first = NULL;
	enum status st = copy_folder_with(p->copy, use, a, ret);

	for (size_t i = 0; st == ST_MISSING && i < sizeof usual / sizeof *usual; i++) {
		if (usual[i].use != use)
			continue;
		if (first == NULL)
			first = usual[i].name;
		st = copy_folder(p->copy, view_cstr(usual[i].name), false, a, ret);
	}
	if (st != ST_MISSING || first == NULL)
		return st;
	st = copy_folder(p->copy, view_cstr(first), true, a, ret);
	/* So that a sync can tell what it was made for. */
	ret->sync.use = use;
	return st == ST_OK ? copy_folder_sync(p->copy, ret->id, &ret->sync) : st;
}
