/* autoconfig.c - the document that Thunderbird and others read: which servers
 * an address has (https://www.bucksch.org/1/projects/thunderbird/autoconfiguration/). */
#include "mua/net/discover.h"
#include "mua/net/xml.h"

#include <stdio.h>

struct reading {
	const char *address;
	struct found *ret;
	bool inside;			/* a server of ours */
	struct server server;
	char user[USER_MAX + 1];
};

/* ---- values ---- */

/* %EMAILADDRESS%, %EMAILLOCALPART% and %EMAILDOMAIN%. */
static bool put_expanded(struct view v, const char *address, char *out, size_t size)
{
	struct view whole = view_cstr(address), local = view_head(whole, view_find(whole, '@'));
	const struct {
		struct view word, value;
	} words[] = {
		{ VIEW("%EMAILADDRESS%"), whole },
		{ VIEW("%EMAILLOCALPART%"), local },
		{ VIEW("%EMAILDOMAIN%"), view_skip(whole, local.n + 1) },
	};
	struct buf b = BUF(size - 1);
	bool good;

	while (v.n) {
		size_t i = 0;

		while (i < 3 && !view_starts_i(v, words[i].word))
			i++;
		buf_put(&b, i < 3 ? words[i].value : view_head(v, 1));
		v = view_skip(v, i < 3 ? words[i].word.n : 1);
	}
	good = buf_status(&b) == ST_OK && b.n && view_find(buf_view(&b), '\0') == b.n;
	if (good)
		snprintf(out, size, "%.*s", VIEW_ARG(buf_view(&b)));
	buf_free(&b);
	return good;
}

bool discover_host(struct view v, char ret[HOST_MAX + 1])
{
	if (v.n == 0 || v.n > HOST_MAX)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '.' && v.p[i] != '-')
			return false;
	snprintf(ret, HOST_MAX + 1, "%.*s", VIEW_ARG(v));
	return true;
}

static void take_host(struct reading *r, struct view v)
{
	char host[HOST_MAX + 1];

	if (!put_expanded(v, r->address, host, sizeof host) || !discover_host(view_cstr(host), r->server.host))
		r->server.host[0] = '\0';
}

static void take_port(struct reading *r, struct view v)
{
	uint64_t port;

	if (view_u64(v, &port) && port > 0 && port <= UINT16_MAX)
		r->server.port = (uint16_t)port;
}

/* "plain" is nothing that we speak. */
static void take_socket(struct reading *r, struct view v)
{
	r->server.tls_first = view_eq_i(v, VIEW("SSL"));
	if (!r->server.tls_first && !view_eq_i(v, VIEW("STARTTLS")))
		r->inside = false;
}

static void take_user(struct reading *r, struct view v)
{
	if (!put_expanded(v, r->address, r->user, sizeof r->user))
		r->user[0] = '\0';
}

/* ---- elements ---- */

static void begin_server(struct reading *r, const char *name, const char **attributes)
{
	struct view type = view_cstr(xml_attribute(attributes, "type"));
	bool out = strcmp(name, "outgoingServer") == 0;

	r->server = (struct server){ 0 };
	r->user[0] = '\0';
	r->inside = true;
	if (out && view_eq_i(type, VIEW("smtp")))
		r->server.protocol = PROTOCOL_SMTP;
	else if (!out && view_eq_i(type, VIEW("imap")))
		r->server.protocol = PROTOCOL_IMAP;
	else if (!out && view_eq_i(type, VIEW("pop3")))
		r->server.protocol = PROTOCOL_POP3;
	else
		r->inside = false;
}

static bool is_server(const char *name)
{
	return strcmp(name, "incomingServer") == 0 || strcmp(name, "outgoingServer") == 0;
}

static void on_begin(void *arg, const char *name, const char **attributes)
{
	if (is_server(name))
		begin_server(arg, name, attributes);
}

void discover_take(const struct server *s, const char *user, struct found *ret)
{
	bool out = s->protocol == PROTOCOL_SMTP;
	struct server *to = out ? &ret->send : &ret->read;

	if (s->host[0] == '\0' || s->port == 0)
		return;
	if (to->port && (out || to->protocol == PROTOCOL_IMAP || s->protocol == PROTOCOL_POP3))
		return;
	*to = *s;
	if (!out)
		snprintf(ret->user, sizeof ret->user, "%s", user);
}

static void on_end(void *arg, const char *name, struct view text)
{
	static const struct {
		const char *name;
		void (*take)(struct reading *r, struct view text);
	} values[] = { { "hostname", take_host }, { "port", take_port }, { "socketType", take_socket },
		       { "username", take_user } };
	struct reading *r = arg;

	for (size_t i = 0; r->inside && i < sizeof values / sizeof *values; i++)
		if (strcmp(name, values[i].name) == 0)
			values[i].take(r, text);
	if (is_server(name)) {
		if (r->inside)
			discover_take(&r->server, r->user, r->ret);
		r->inside = false;
	}
}

void autoconfig_take(struct view xml, const char *address, struct found *ret)
{
	struct reading r = { .address = address, .ret = ret };
	struct xml_reader x = { on_begin, on_end, &r };

	xml_read(xml, &x);
}
