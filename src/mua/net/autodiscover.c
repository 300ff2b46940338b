/* autodiscover.c - what Microsoft's servers and many others tell of an address: the
 * "plain old XML" of Autodiscover, version 1 ([MS-OXDSCLI] 2.2).  Asked without a
 * password: who wants one before he answers is passed over. */
#include "mua/net/discover.h"
#include "mua/net/xml.h"

#include <stdio.h>

struct reading {
	struct found *ret;
	struct autodiscover_next *next;
	bool inside;		/* Protocol */
	bool known;		/* of a type that we speak */
	bool plain;
	struct view encryption;	/* static; empty: by SSL and the port */
	struct server server;
	char user[USER_MAX + 1];
};

void autodiscover_ask(const char *address, struct buf *out)
{
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\""
		      "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\"><Request>"
		      "<EMailAddress>");
	for (const char *p = address; *p; p++) {
		if (strchr("<>&\"'", *p))
			buf_putf(out, "&#%u;", (unsigned)(unsigned char)*p);
		else
			buf_putc(out, *p);
	}
	buf_puts(out, "</EMailAddress><AcceptableResponseSchema>"
		      "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
		      "</AcceptableResponseSchema></Request></Autodiscover>\n");
}

/* ---- values ---- */

static void take_type(struct reading *r, struct view v)
{
	r->known = true;
	if (view_eq_i(v, VIEW("IMAP")))
		r->server.protocol = PROTOCOL_IMAP;
	else if (view_eq_i(v, VIEW("POP3")))
		r->server.protocol = PROTOCOL_POP3;
	else if (view_eq_i(v, VIEW("SMTP")))
		r->server.protocol = PROTOCOL_SMTP;
	else
		r->known = false;	/* EXCH, EXPR, WEB ... */
}

static void take_host(struct reading *r, struct view v)
{
	(void)!discover_host(v, r->server.host);
}

static void take_port(struct reading *r, struct view v)
{
	uint64_t port;

	if (view_u64(v, &port) && port > 0 && port <= UINT16_MAX)
		r->server.port = (uint16_t)port;
}

/* "on" where nothing is said ([MS-OXDSCLI] 2.2.4.1.1.2.6.39). */
static void take_ssl(struct reading *r, struct view v)
{
	r->plain = view_eq_i(v, VIEW("off"));
}

/* Stands above SSL (2.2.4.1.1.2.6.10): SSL is from the first byte, TLS by STARTTLS. */
static void take_encryption(struct reading *r, struct view v)
{
	static const struct view words[] = { VIEW("None"), VIEW("SSL"), VIEW("TLS"), VIEW("Auto") };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (view_eq_i(v, words[i]))
			r->encryption = words[i];
}

static void take_user(struct reading *r, struct view v)
{
	if (v.n <= USER_MAX && view_find(v, '\0') == v.n)
		snprintf(r->user, sizeof r->user, "%.*s", VIEW_ARG(v));
}

/* Where else to ask: another address, or another URL. */
static void take_address(struct reading *r, struct view v)
{
	if (v.n < sizeof r->next->address && view_find(v, '@') < v.n)
		snprintf(r->next->address, sizeof r->next->address, "%.*s", VIEW_ARG(v));
}

static void take_url(struct reading *r, struct view v)
{
	if (v.n < sizeof r->next->url && view_starts_i(v, VIEW("https://")))
		snprintf(r->next->url, sizeof r->next->url, "%.*s", VIEW_ARG(v));
}

/* ---- elements ---- */

/* Those that answer to STARTTLS, whatever SSL says of them. */
static bool is_port_in_clear(uint16_t port)
{
	return port == 143 || port == 110 || port == 587 || port == 25;
}

static void end_protocol(struct reading *r)
{
	bool automatic = r->encryption.n == 0 || view_eq(r->encryption, VIEW("Auto"));

	r->inside = false;
	if (!r->known || view_eq(r->encryption, VIEW("None")) || (r->encryption.n == 0 && r->plain))
		return;
	r->server.tls_first = automatic ? !is_port_in_clear(r->server.port) : view_eq(r->encryption, VIEW("SSL"));
	discover_take(&r->server, r->user, r->ret);
}

static void on_begin(void *arg, const char *name, const char **attributes)
{
	struct reading *r = arg;
	const char *type;

	if (strcmp(name, "Protocol") != 0)
		return;
	r->inside = true;
	r->known = r->plain = false;
	r->encryption = VIEW_NONE;
	r->server = (struct server){ 0 };
	r->user[0] = '\0';
	/* Some write the type as an attribute. */
	type = xml_attribute(attributes, "Type");
	if (type[0])
		take_type(r, view_cstr(type));
}

static const struct {
	const char *name;
	bool inside;	/* of Protocol, or of Account */
	void (*take)(struct reading *r, struct view text);
} values[] = {
	{ "Type", true, take_type },
	{ "Server", true, take_host },
	{ "Port", true, take_port },
	{ "SSL", true, take_ssl },
	{ "Encryption", true, take_encryption },
	{ "LoginName", true, take_user },
	{ "RedirectAddr", false, take_address },
	{ "RedirectUrl", false, take_url },
};

static void on_end(void *arg, const char *name, struct view text)
{
	struct reading *r = arg;

	if (strcmp(name, "Protocol") == 0 && r->inside)
		end_protocol(r);
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		if (values[i].inside == r->inside && strcmp(name, values[i].name) == 0)
			values[i].take(r, text);
}

void autodiscover_take(struct view xml, struct found *ret, struct autodiscover_next *ret_next)
{
	struct reading r = { .ret = ret, .next = ret_next };
	struct xml_reader x = { on_begin, on_end, &r };

	*ret_next = (struct autodiscover_next){ "", "" };
	xml_read(xml, &x);
}
