/* account.c - waxmail account. */
#include "conf/conf.h"
#include "mua/net/discover.h"
#include "mua/net/imap.h"
#include "mua/place.h"
#include "mua/say.h"
#include "mua/secret.h"
#include "wire/smtp.h"

#include <stdio.h>
#include <strings.h>

enum { WHY_TEXT = 64 * 1024 };

static int stored(const struct settings *s)
{
	enum status st = settings_store(s);

	return st == ST_OK ? DONE : say_failed("configuration", st);
}

static struct account *named(struct place *p, const char *address)
{
	struct account *a = address[0] ? settings_account(&p->settings, address) : NULL;

	if (a == NULL)
		say("no account %.200s; `waxmail account list` shows them", address);
	return a;
}

/* ---- add ---- */

/* --read and --send are taken as they are. */
static bool take_urls(const struct invocation *in, struct found *f)
{
	const char *read = VALUE(in, read_url), *send = VALUE(in, send_url);

	if (read && (server_parse(view_cstr(read), &f->read) != ST_OK || f->read.protocol == PROTOCOL_SMTP)) {
		say("--read wants imaps://HOST:PORT, imap://, pop3s:// or pop3://");
		return false;
	}
	if (send && (server_parse(view_cstr(send), &f->send) != ST_OK || f->send.protocol != PROTOCOL_SMTP)) {
		say("--send wants submissions://HOST:PORT or submission://");
		return false;
	}
	return true;
}

static bool search(const struct invocation *in, struct place *p, const char *address, struct found *f)
{
	struct discovery d = { .net = &p->net, .resolver = place_resolver(p),
			       .authorities = p->settings.authorities, .autoconfig = p->settings.autoconfig,
			       .autodiscover = p->settings.autodiscover,
			       .dane = p->settings.dane, .check = !GIVEN(in, no_check) };
	struct buf why = BUF(WHY_TEXT);
	struct found found;
	enum status st = discover(&d, address, &found, &why);

	if (st == ST_OK || st == ST_MISSING) {
		if (f->read.port == 0) {
			f->read = found.read;
			f->read_by = found.read_by;
			snprintf(f->user, sizeof f->user, "%s", found.user);
		}
		if (f->send.port == 0) {
			f->send = found.send;
			f->send_by = found.send_by;
		}
	}
	if (f->read.port == 0 || f->send.port == 0)
		say("the servers of %.200s were not found; name them with --read and --send.  Tried:\n%.*s", address,
		    VIEW_ARG(buf_view(&why)));
	buf_free(&why);
	return f->read.port && f->send.port;
}

static void tell_server(const char *what, const struct server *s, const char *by)
{
	struct buf url = BUF(HOST_MAX + 64);

	server_put(s, &url);
	printf("%s %.*s (%s)\n", what, VIEW_ARG(buf_view(&url)), by[0] ? by : "as given");
	buf_free(&url);
}

static json_t *server_json(const struct server *s)
{
	struct buf url = BUF(HOST_MAX + 64);
	json_t *o;

	server_put(s, &url);
	o = s->port ? say_text(buf_view(&url)) : json_null();
	buf_free(&url);
	return o;
}

static int told(const struct invocation *in, const struct account *a, const struct found *f)
{
	if (GIVEN(in, json))
		return print_object(json_pack("{ss,so,so,ss,ss}", "address", a->address, "read",
					      server_json(&a->read), "send", server_json(&a->send), "read_by",
					      f->read_by, "send_by", f->send_by));
	tell_server("reads by", &a->read, f->read_by);
	tell_server("sends by", &a->send, f->send_by);
	return printed();
}

static int add(const struct invocation *in, struct place *p, const char *address)
{
	struct found f = { .read_by = "", .send_by = "" };
	struct account *a;
	enum status st;

	if (GIVEN(in, authorities))
		p->settings.authorities = VALUE(in, authorities);
	if (!take_urls(in, &f))
		return WRONG_USE;
	if (place_net(p) != ST_OK || ((f.read.port == 0 || f.send.port == 0) && !search(in, p, address, &f)))
		return FAILED;
	st = settings_add(&p->settings, address, &a);
	if (st != ST_OK) {
		say("%.200s: %s", address, st == ST_EXISTS ? "that account is known already" : status_name(st));
		return FAILED;
	}
	a->read = f.read;
	a->send = f.send;
	a->user = GIVEN(in, user) ? VALUE(in, user) : strcasecmp(f.user, address) == 0 ? "" : f.user;
	a->name = GIVEN(in, name) ? VALUE(in, name) : "";
	a->password_command = GIVEN(in, password_command) ? VALUE(in, password_command) : "";
	if (GIVEN(in, default) || p->settings.n == 1)
		p->settings.standard = a->address;
	return stored(&p->settings) == DONE ? told(in, a, &f) : FAILED;
}

int verb_account_add(struct invocation *in)
{
	struct smtp_path path;
	struct place p;
	int status = FAILED;

	if (smtp_take_mailbox(view_cstr(in->args[0]), &path) != ST_OK || path.domain.n == 0 || path.literal) {
		say("%.200s is not an address of the form NAME@DOMAIN", in->args[0]);
		return WRONG_USE;
	}
	if (place_settings(&p) == ST_OK)
		status = add(in, &p, in->args[0]);
	place_close(&p);
	return status;
}

/* ---- the others ---- */

int verb_account_list(struct invocation *in)
{
	struct place p;
	json_t *rows = json_array();
	struct account *standard;
	enum status st = place_settings(&p);
	int status = FAILED;

	standard = st == ST_OK ? settings_account(&p.settings, NULL) : NULL;
	for (size_t i = 0; st == ST_OK && i < p.settings.n; i++) {
		const struct account *a = &p.settings.accounts[i];

		if (GIVEN(in, json))
			json_array_append_new(rows, json_pack("{ss,ss,so,so,sb}", "address", a->address, "name",
							      a->name, "read", server_json(&a->read), "send",
							      server_json(&a->send), "default", a == standard));
		else
			printf("%s%s\n", a->address, a == standard ? "  (default)" : "");
	}
	if (st == ST_OK)
		status = GIVEN(in, json) ? print_array(json_incref(rows)) : printed();
	json_decref(rows);
	place_close(&p);
	return status;
}

int verb_account_remove(struct invocation *in)
{
	struct place p;
	struct account *a;
	int status = FAILED;

	if (place_settings(&p) == ST_OK && (a = named(&p, in->args[0])) != NULL) {
		(void)!keyring_forget(a);
		if (strcasecmp(p.settings.standard, a->address) == 0)
			p.settings.standard = "";
		settings_remove(&p.settings, a);
		status = stored(&p.settings);
	}
	place_close(&p);
	return status;
}

int verb_account_default(struct invocation *in)
{
	struct place p;
	struct account *a;
	int status = FAILED;

	if (place_settings(&p) == ST_OK && (a = named(&p, in->args[0])) != NULL) {
		p.settings.standard = a->address;
		status = stored(&p.settings);
	}
	place_close(&p);
	return status;
}

static enum status keep_password(const struct account *a)
{
	struct buf password = BUF(PASSWORD_MAX);
	enum status st = password_ask(a->address, &password);

	if (st == ST_OK)
		st = keyring_put(a, buf_view(&password));
	else
		say("no password was given");
	if (st == ST_DENIED)
		say("the kernel does not keep keys here (keyrings(7)); use a password_command");
	buf_wipe(&password);
	return st;
}

int verb_account_password(struct invocation *in)
{
	struct place p;
	struct account *a;
	enum status st = ST_MISSING;

	if (place_settings(&p) == ST_OK && (a = named(&p, in->args[0])) != NULL) {
		if (!GIVEN(in, remove_password)) {
			st = keep_password(a);
		} else {
			st = keyring_forget(a);
			if (st != ST_OK)
				say("no password of %.200s is kept", a->address);
		}
	}
	place_close(&p);
	return st == ST_OK ? DONE : FAILED;
}
