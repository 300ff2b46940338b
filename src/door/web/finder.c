/* finder.c - settings for mail programs, so that a person types an address
 * and a password and nothing else.
 *
 * All formats say the same: one table of what is offered, the host's name,
 * and the ports that the settings listen on.  Logins are whole addresses. */
#include "door/web/web.h"

#include "wire/smtp.h"

#include <openssl/rand.h>

/* What mail programs are told of, best first. */
static const struct offer {
	enum service service;
	const char *kind;	/* Thunderbird's type; "smtp" is for sending */
	bool tls_first;
} offers[] = {
	{ SERVICE_IMAPS, "imap", true },	    { SERVICE_IMAP, "imap", false },
	{ SERVICE_POP3S, "pop3", true },	    { SERVICE_POP3, "pop3", false },
	{ SERVICE_SUBMISSIONS, "smtp", true }, { SERVICE_SUBMISSION, "smtp", false },
};
enum { OFFERS_N = sizeof offers / sizeof *offers };

static uint16_t port_of(const struct web *w, const struct offer *o)
{
	return conf_port(w->conf->listen[o->service]);
}

static bool sends(const struct offer *o)
{
	return strcmp(o->kind, "smtp") == 0;
}

/* Text in XML: what a person gave is never markup. */
static void put_xml(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'' || c < 0x20)
			buf_putf(out, "&#%u;", c < 0x20 ? ' ' : c);
		else
			buf_putc(out, (char)c);
	}
}

/* An address that is one, or nothing. */
static struct view checked(struct view address)
{
	struct smtp_path path;

	return smtp_take_mailbox(address, &path) == ST_OK && path.domain.n && !path.literal ? address : VIEW_NONE;
}

static struct view domain_of(struct view address)
{
	struct smtp_path path;

	return smtp_take_mailbox(address, &path) == ST_OK ? path.domain : VIEW_NONE;
}

/* ---- Thunderbird and those who read its format ---- */

static void put_server(struct web *w, const struct offer *o, struct buf *out)
{
	const char *element = sends(o) ? "outgoingServer" : "incomingServer";

	buf_putf(out, "    <%s type=\"%s\">\n      <hostname>%s</hostname>\n      <port>%u</port>\n"
		 "      <socketType>%s</socketType>\n      <username>%%EMAILADDRESS%%</username>\n"
		 "      <authentication>password-cleartext</authentication>\n    </%s>\n",
		 element, o->kind, w->conf->host_name, port_of(w, o), o->tls_first ? "SSL" : "STARTTLS", element);
}

void page_autoconfig(struct web *w, const struct http_request *rq, struct view domain, struct http_reply *ret)
{
	struct view of = domain_of(checked(rq->query(rq, "emailaddress")));
	struct buf *out = &ret->body;

	if (of.n == 0)
		of = domain;
	ret->type = "text/xml; charset=utf-8";
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n  <emailProvider id=\"");
	put_xml(out, of);
	buf_puts(out, "\">\n    <domain>");
	put_xml(out, of);
	buf_puts(out, "</domain>\n    <displayName>");
	put_xml(out, of);
	buf_puts(out, "</displayName>\n");
	for (int i = 0; i < OFFERS_N; i++)
		if (port_of(w, &offers[i]))
			put_server(w, &offers[i], out);
	buf_puts(out, "  </emailProvider>\n</clientConfig>\n");
}

/* ---- Outlook (POX Autodiscover) ---- */

/* The text of the one element that we read; the rest of what comes is
 * nothing to us, and so needs no XML parser. */
static struct view address_in(struct view xml)
{
	static const char open[] = "<EMailAddress>", close[] = "</EMailAddress>";
	const char *from = xml.n ? memmem(xml.p, xml.n, open, sizeof open - 1) : NULL;
	const char *to;

	if (from == NULL)
		return VIEW_NONE;
	xml = view_skip(xml, (size_t)(from - xml.p) + sizeof open - 1);
	to = memmem(xml.p, xml.n, close, sizeof close - 1);
	return to ? view_trim(view_head(xml, (size_t)(to - xml.p))) : VIEW_NONE;
}

static void put_protocol(struct web *w, const struct offer *o, struct view address, struct buf *out)
{
	const char *type = sends(o) ? "SMTP" : strcmp(o->kind, "imap") == 0 ? "IMAP" : "POP3";

	buf_putf(out, "      <Protocol>\n        <Type>%s</Type>\n        <Server>%s</Server>\n        <Port>%u</Port>\n"
		 "        <LoginName>", type, w->conf->host_name, port_of(w, o));
	put_xml(out, address);
	buf_putf(out, "</LoginName>\n        <SPA>off</SPA>\n        <Encryption>%s</Encryption>\n"
		 "        <AuthRequired>on</AuthRequired>\n      </Protocol>\n", o->tls_first ? "SSL" : "TLS");
}

void page_autodiscover(struct web *w, const struct http_request *rq, struct view domain, struct http_reply *ret)
{
	struct view address = checked(address_in(rq->body));
	struct buf *out = &ret->body;

	(void)domain;
	if (address.n == 0) {
		ret->status = 400;
		buf_puts(out, "POST an Autodiscover request with an EMailAddress.\r\n");
		return;
	}
	ret->type = "text/xml; charset=utf-8";
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n"
		      "  <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n"
		      "    <Account>\n      <AccountType>email</AccountType>\n      <Action>settings</Action>\n");
	for (int i = 0; i < OFFERS_N; i++)
		if (port_of(w, &offers[i]))
			put_protocol(w, &offers[i], address, out);
	buf_puts(out, "    </Account>\n  </Response>\n</Autodiscover>\n");
}

/* ---- Apple ---- */

static void put_uuid(struct buf *out)
{
	unsigned char b[16] = { 0 };

	if (RAND_bytes(b, sizeof b) != 1)
		out->st = ST_IO;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);	/* RFC 9562 5.4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (int i = 0; i < 16; i++)
		buf_putf(out, "%s%02X", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
}

static void put_string(struct buf *out, const char *key, struct view value)
{
	buf_putf(out, "<key>%s</key><string>", key);
	put_xml(out, value);
	buf_puts(out, "</string>\n");
}

static void put_identity(struct buf *out, const char *type, struct view name, struct view of)
{
	buf_putf(out, "<key>PayloadType</key><string>%s</string>\n<key>PayloadVersion</key><integer>1</integer>\n", type);
	put_string(out, "PayloadDisplayName", name);
	buf_puts(out, "<key>PayloadIdentifier</key><string>waxwing.");
	put_xml(out, of);
	buf_putf(out, ".%s</string>\n<key>PayloadUUID</key><string>", type);
	put_uuid(out);
	buf_puts(out, "</string>\n");
}

static void put_apple_server(struct web *w, const char *way, const struct offer *o, struct view address, struct buf *out)
{
	buf_putf(out, "<key>%sMailServerHostName</key><string>%s</string>\n"
		 "<key>%sMailServerPortNumber</key><integer>%u</integer>\n"
		 "<key>%sMailServerUseSSL</key><true/>\n"
		 "<key>%sMailServerAuthentication</key><string>EmailAuthPassword</string>\n"
		 "<key>%sMailServerUsername</key><string>", way, w->conf->host_name, way, port_of(w, o), way, way, way);
	put_xml(out, address);
	buf_puts(out, "</string>\n");
}

static const struct offer *best(const struct web *w, bool sending)
{
	for (int i = 0; i < OFFERS_N; i++)
		if (sends(&offers[i]) == sending && port_of(w, &offers[i]))
			return &offers[i];
	return NULL;
}

void page_apple_profile(struct web *w, const struct http_request *rq, struct view domain, struct http_reply *ret)
{
	struct view address = checked(rq->query(rq, "email"));
	const struct offer *in = best(w, false), *send = best(w, true);
	struct buf *out = &ret->body;

	(void)domain;
	if (address.n == 0 || in == NULL || send == NULL) {
		ret->status = address.n ? 404 : 400;
		buf_puts(out, "Ask with ?email=ADDRESS.\r\n");
		return;
	}
	ret->type = "application/x-apple-aspen-config; charset=utf-8";
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
		      "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n<dict>\n"
		      "<key>PayloadContent</key><array><dict>\n");
	put_identity(out, "com.apple.mail.managed", address, address);
	buf_putf(out, "<key>EmailAccountType</key><string>%s</string>\n",
		 strcmp(in->kind, "imap") == 0 ? "EmailTypeIMAP" : "EmailTypePOP");
	put_string(out, "EmailAccountDescription", address);
	put_string(out, "EmailAddress", address);
	put_apple_server(w, "Incoming", in, address, out);
	put_apple_server(w, "Outgoing", send, address, out);
	buf_puts(out, "<key>OutgoingPasswordSameAsIncomingPassword</key><true/>\n</dict></array>\n");
	put_identity(out, "Configuration", address, address);
	buf_puts(out, "</dict>\n</plist>\n");
}
