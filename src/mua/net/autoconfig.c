/* autoconfig.c - the document that Thunderbird and others read: which servers
 * an address has (https://www.bucksch.org/1/projects/thunderbird/autoconfiguration/). */
#include "mua/net/discover.h"

#include <expat.h>
#include <stdio.h>

enum { TEXT_MAX = 256, DEPTH_MAX = 16 };

enum element { ELEMENT_OTHER, ELEMENT_SERVER, ELEMENT_HOST, ELEMENT_PORT, ELEMENT_SOCKET, ELEMENT_USER };

struct reading {
	XML_Parser parser;
	const char *address;
	struct found *ret;
	int depth;
	bool inside;			/* a server of ours */
	struct server server;
	char user[USER_MAX + 1];
	enum element element;
	struct buf text;
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

static bool good_host(const char *host)
{
	for (const char *p = host; *p; p++)
		if (!ascii_alpha(*p) && !ascii_digit(*p) && *p != '.' && *p != '-')
			return false;
	return host[0] != '\0';
}

static void take_value(struct reading *r)
{
	struct view v = view_trim(buf_view(&r->text));
	uint64_t port;

	switch (r->element) {
	case ELEMENT_HOST:
		if (!put_expanded(v, r->address, r->server.host, sizeof r->server.host) || !good_host(r->server.host))
			r->server.host[0] = '\0';
		break;
	case ELEMENT_PORT:
		if (view_u64(v, &port) && port > 0 && port <= UINT16_MAX)
			r->server.port = (uint16_t)port;
		break;
	case ELEMENT_SOCKET:
		/* "plain" is nothing that we speak. */
		r->server.tls_first = view_eq_i(v, VIEW("SSL"));
		if (!r->server.tls_first && !view_eq_i(v, VIEW("STARTTLS")))
			r->inside = false;
		break;
	case ELEMENT_USER:
		if (!put_expanded(v, r->address, r->user, sizeof r->user))
			r->user[0] = '\0';
		break;
	default:
		break;
	}
}

/* ---- elements ---- */

static const char *attribute(const char **list, const char *name)
{
	for (; list[0]; list += 2)
		if (strcmp(list[0], name) == 0)
			return list[1];
	return "";
}

static void begin_server(struct reading *r, const char *name, const char **attributes)
{
	struct view type = view_cstr(attribute(attributes, "type"));
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

static void XMLCALL on_begin(void *arg, const char *name, const char **attributes)
{
	static const struct {
		const char *name;
		enum element element;
	} names[] = { { "hostname", ELEMENT_HOST }, { "port", ELEMENT_PORT }, { "socketType", ELEMENT_SOCKET },
		      { "username", ELEMENT_USER } };
	struct reading *r = arg;

	if (++r->depth > DEPTH_MAX)
		XML_StopParser(r->parser, XML_FALSE);
	buf_clear(&r->text);
	r->element = ELEMENT_OTHER;
	if (strcmp(name, "incomingServer") == 0 || strcmp(name, "outgoingServer") == 0)
		begin_server(r, name, attributes);
	for (size_t i = 0; r->inside && i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i].name) == 0)
			r->element = names[i].element;
}

/* IMAP is taken before POP3, wherever it stands; else the first counts. */
static void end_server(struct reading *r)
{
	bool out = r->server.protocol == PROTOCOL_SMTP;
	struct server *to = out ? &r->ret->send : &r->ret->read;

	if (!r->inside || r->server.host[0] == '\0' || r->server.port == 0)
		return;
	if (to->port && (out || to->protocol == PROTOCOL_IMAP || r->server.protocol == PROTOCOL_POP3))
		return;
	*to = r->server;
	if (!out)
		snprintf(r->ret->user, sizeof r->ret->user, "%s", r->user);
}

static void XMLCALL on_end(void *arg, const char *name)
{
	struct reading *r = arg;

	r->depth--;
	if (r->inside)
		take_value(r);
	r->element = ELEMENT_OTHER;
	if (strcmp(name, "incomingServer") == 0 || strcmp(name, "outgoingServer") == 0) {
		end_server(r);
		r->inside = false;
	}
}

static void XMLCALL on_text(void *arg, const char *p, int n)
{
	struct reading *r = arg;

	if (n > 0 && r->element != ELEMENT_OTHER)
		buf_put(&r->text, view_make(p, (size_t)n));
}

/* No entities of its own (XML 1.0 4.2): none is needed, and they are bombs. */
static void XMLCALL on_entity(void *arg, const char *name, int is_parameter, const char *value, int n,
			      const char *base, const char *system, const char *public, const char *notation)
{
	struct reading *r = arg;

	(void)name;
	(void)is_parameter;
	(void)value;
	(void)n;
	(void)base;
	(void)system;
	(void)public;
	(void)notation;
	XML_StopParser(r->parser, XML_FALSE);
}

void autoconfig_take(struct view xml, const char *address, struct found *ret)
{
	struct reading r = {
		.parser = XML_ParserCreate(NULL), .address = address, .ret = ret, .text = BUF(TEXT_MAX)
	};

	if (r.parser && xml.n <= AUTOCONFIG_MAX) {
		XML_SetUserData(r.parser, &r);
		XML_SetElementHandler(r.parser, on_begin, on_end);
		XML_SetCharacterDataHandler(r.parser, on_text);
		XML_SetEntityDeclHandler(r.parser, on_entity);
		XML_Parse(r.parser, xml.p ? xml.p : "", (int)xml.n, XML_TRUE);
	}
	if (r.parser)
		XML_ParserFree(r.parser);
	buf_free(&r.text);
}
