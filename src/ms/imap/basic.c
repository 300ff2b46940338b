/* basic.c - commands of any state: CAPABILITY, NOOP, LOGOUT, ID, ENABLE, IDLE, NAMESPACE. */
#include "ms/imap/internal.h"

#include "base/log.h"

/* RFC 9051 6.1.1; what depends on a setting is put behind. */
static const char *const capabilities[] = {
	"IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ENABLE", "ID", "IDLE", "NAMESPACE", "UIDPLUS",
	"UNSELECT", "MOVE", "CHILDREN", "SPECIAL-USE", "CREATE-SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS",
	"STATUS=SIZE", "ESEARCH", "SEARCHRES", "WITHIN", "CONDSTORE", "QRESYNC", "BINARY", "MULTIAPPEND",
	"UTF8=ACCEPT", "URLAUTH", "URLAUTH=BINARY", "CATENATE", "QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE",
};

void imap_put_capabilities(struct imap_session *s, struct buf *b)
{
	for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
		buf_puts(b, capabilities[i]);
		buf_putc(b, ' ');
	}
	buf_puts(b, "APPENDLIMIT=");
	buf_putu(b, (uint64_t)s->host->conf->imap_literal);
}

enum reply imap_do_capability(struct imap_session *s, struct imap_parse *p, bool uid)
{
	(void)uid;
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	buf_puts(out_of(s), "* CAPABILITY ");
	imap_put_capabilities(s, out_of(s));
	buf_puts(out_of(s), "\r\n");
	return SAY_OK;
}

enum reply imap_do_noop(struct imap_session *s, struct imap_parse *p, bool uid)
{
	(void)s, (void)uid;
	return imap_end(p) ? SAY_OK : SAY_BAD_SYNTAX;
}

enum reply imap_do_logout(struct imap_session *s, struct imap_parse *p, bool uid)
{
	(void)uid;
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	buf_puts(out_of(s), "* BYE until the next time\r\n");
	conn_close(&s->conn);
	return SAY_OK_GOODBYE;
}

/* What the client says of itself is for the log (RFC 2971 3.3). */
enum reply imap_do_id(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct imap_list said;

	(void)uid;
	imap_space(p);
	said = imap_take_id(p);
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	log_begin(LOG_DEBUG_, "imap-id");
	log_hex("sid", s->record.sid);
	for (uint32_t i = 0; i + 1 < said.n; i += 2)
		if (view_eq_i(said.v[i], VIEW("name")))
			log_view("client", said.v[i + 1]);
	log_end();
	buf_puts(out_of(s), "* ID (\"name\" \"waxwing\")\r\n");
	return SAY_OK;
}

static const struct {
	const char *name, *say;
	uint32_t bits;
} extensions[] = {
	{ "CONDSTORE", "CONDSTORE", ENABLED_CONDSTORE },
	{ "QRESYNC", "QRESYNC", ENABLED_QRESYNC | ENABLED_CONDSTORE },
	{ "IMAP4rev2", "IMAP4rev2", ENABLED_REV2 },
	{ "UTF8=ACCEPT", "UTF8=ACCEPT", ENABLED_UTF8 },
};

enum reply imap_do_enable(struct imap_session *s, struct imap_parse *p, bool uid)
{
	uint32_t wanted = 0;

	(void)uid;
	do {
		struct view word;

		imap_space(p);
		word = imap_take_atom(p);
		for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
			if (view_eq_i(word, view_cstr(extensions[i].name)))
				wanted |= 1u << i;
	} while (imap_ok(p) && peek_char(&p->c) == ' ');
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	buf_puts(out_of(s), "* ENABLED");
	for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
		if (wanted >> i & 1) {
			s->enabled |= extensions[i].bits;
			buf_putf(out_of(s), " %s", extensions[i].say);
		}
	buf_puts(out_of(s), "\r\n");
	return SAY_OK;
}

enum reply imap_do_idle(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct view tag = imap_tag_of(buf_view(&s->reader.text));

	(void)uid;
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	imap_idle_begin(s, tag);
	imap_sync(s, true);
	return SAY_NOTHING;
}

enum reply imap_do_namespace(struct imap_session *s, struct imap_parse *p, bool uid)
{
	(void)uid;
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	buf_puts(out_of(s), "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	return SAY_OK;
}

enum reply imap_do_already(struct imap_session *s, struct imap_parse *p, bool uid)
{
	(void)s, (void)p, (void)uid;
	return SAY_BAD_AUTHENTICATED;
}
