/* command.c - the one table of the commands, and the way through it. */
#include "ms/imap/internal.h"

#include "base/log.h"

enum { ERRORS_MAX = 50 };

enum {
	NEEDS_SELECTED = 1,	/* BAD where no mailbox is selected */
	KEEPS_NUMBERS = 2,	/* no EXPUNGE may be told at its end (RFC 9051 7.5.1) */
	HAS_UID = 4,		/* "UID name" is one too, and then numbers may change */
	CHANGES = 16,		/* its OK comes after all is on disk */
	SILENT = 32,		/* nothing else is told at its end */
};

struct imap_command {
	const char *name;
	enum reply (*run)(struct imap_session *s, struct imap_parse *p, bool uid);
	unsigned flags;
};

static const struct imap_command commands[] = {
	{ "CAPABILITY", imap_do_capability, 0 },
	{ "NOOP", imap_do_noop, 0 },
	{ "CHECK", imap_do_noop, NEEDS_SELECTED },
	{ "LOGOUT", imap_do_logout, SILENT },
	{ "ID", imap_do_id, 0 },
	{ "ENABLE", imap_do_enable, 0 },
	{ "IDLE", imap_do_idle, 0 },
	{ "NAMESPACE", imap_do_namespace, 0 },
	{ "LOGIN", imap_do_already, 0 },
	{ "AUTHENTICATE", imap_do_already, 0 },
	{ "STARTTLS", imap_do_already, 0 },

	{ "SELECT", imap_do_select, SILENT },
	{ "EXAMINE", imap_do_examine, SILENT },
	{ "CLOSE", imap_do_close, NEEDS_SELECTED | SILENT | CHANGES },
	{ "UNSELECT", imap_do_unselect, NEEDS_SELECTED | SILENT },
	{ "CREATE", imap_do_create, CHANGES },
	{ "DELETE", imap_do_delete, CHANGES },
	{ "RENAME", imap_do_rename, CHANGES },
	{ "SUBSCRIBE", imap_do_subscribe, CHANGES },
	{ "UNSUBSCRIBE", imap_do_unsubscribe, CHANGES },
	{ "LIST", imap_do_list, 0 },
	{ "LSUB", imap_do_lsub, 0 },
	{ "STATUS", imap_do_status, 0 },
	{ "APPEND", imap_do_append, CHANGES },

	{ "FETCH", imap_do_fetch, NEEDS_SELECTED | KEEPS_NUMBERS | HAS_UID },
	{ "STORE", imap_do_store, NEEDS_SELECTED | KEEPS_NUMBERS | HAS_UID | CHANGES },
	{ "SEARCH", imap_do_search, NEEDS_SELECTED | KEEPS_NUMBERS | HAS_UID },
	{ "COPY", imap_do_copy, NEEDS_SELECTED | HAS_UID | CHANGES },
	{ "MOVE", imap_do_move, NEEDS_SELECTED | HAS_UID | CHANGES },
	{ "EXPUNGE", imap_do_expunge, NEEDS_SELECTED | HAS_UID | CHANGES },

	{ "GETQUOTA", imap_do_getquota, 0 },
	{ "GETQUOTAROOT", imap_do_getquotaroot, 0 },
	{ "SETQUOTA", imap_do_setquota, 0 },

	{ "GENURLAUTH", imap_do_genurlauth, 0 },
	{ "RESETKEY", imap_do_resetkey, 0 },
	{ "URLFETCH", imap_do_urlfetch, KEEPS_NUMBERS },
};

static const struct {
	const char *word, *code, *text;
} replies[SAY_COUNT] = {
#define REPLY(name, word, code, text) [SAY_##name] = { word, code, text },
#include "ms/imap/replies.def"
#undef REPLY
};

void imap_say(struct imap_session *s, struct view tag, enum reply r)
{
	struct buf *b = out_of(s);
	struct view code = s->code.n ? buf_view(&s->code) : view_cstr(replies[r].code);

	/* None rather than a part of one. */
	if (buf_status(&s->code) != ST_OK)
		code = VIEW_NONE;
	if (r == SAY_NOTHING)
		return;
	if (replies[r].word[0] == 'B')
		s->errors++;
	buf_put(b, tag);
	buf_putc(b, ' ');
	buf_puts(b, replies[r].word);
	if (code.n) {
		buf_puts(b, " [");
		buf_put(b, code);
		buf_putc(b, ']');
	}
	buf_putc(b, ' ');
	buf_puts(b, replies[r].text);
	buf_puts(b, "\r\n");
	buf_clear(&s->code);
}

enum reply imap_reply_of(enum status st)
{
	switch (st) {
	case ST_OK:
		return SAY_OK;
	case ST_MISSING:
		return SAY_NO_MAILBOX;
	case ST_EXISTS:
		return SAY_EXISTS;
	case ST_SYNTAX:
		return SAY_BAD_NAME;
	case ST_DENIED:
		return SAY_CANNOT;
	case ST_LIMIT:
		return SAY_LIMIT;
	case ST_NOSPACE:
		return SAY_OVER_QUOTA;
	case ST_NOMEM:
		return SAY_NO_MEMORY;
	case ST_CORRUPT:
		return SAY_CORRUPT;
	default:
		return SAY_TROUBLE;
	}
}

enum reply imap_durable(struct imap_session *s)
{
	enum status st = store_flush(s->host->store);

	if (st == ST_OK)
		return SAY_OK;
	log_begin(LOG_ERROR_, "flush");
	log_hex("sid", s->record.sid);
	log_str("why", status_name(st));
	log_end();
	return SAY_NOT_DURABLE;
}

bool imap_flow(struct imap_session *s)
{
	/* Output that was cut short cannot be told from what should be there. */
	if (buf_status(out_of(s)) != ST_OK)
		s->conn.broken = true;
	if (s->conn.broken)
		return false;
	return out_of(s)->n < OUT_ENOUGH || conn_flush(&s->conn) == ST_OK;
}

bool imap_flowed(struct imap_session *s)
{
	if (out_of(s)->n < OUT_ENOUGH)
		return false;
	(void)imap_flow(s);
	return true;
}

static const struct imap_command *find(struct view name, bool uid)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (view_eq_i(name, view_cstr(commands[i].name)))
			return uid && !(commands[i].flags & HAS_UID) ? NULL : &commands[i];
	return NULL;
}

/* What a command may tell at its end besides its own answer. */
static void tell_news(struct imap_session *s, const struct imap_command *c, bool uid)
{
	if (s->sel.m == NULL || s->conn.closing || (c->flags & SILENT))
		return;
	imap_sync(s, uid || !(c->flags & KEEPS_NUMBERS));
}

static void run(struct imap_session *s, const struct imap_command *c, struct view tag,
		struct imap_parse *p, bool uid)
{
	enum reply r = c->run(s, p, uid), late;

	if (c->flags & CHANGES) {
		late = imap_durable(s);
		if (late != SAY_OK && replies[r].word[0] == 'O') {
			buf_clear(&s->code);
			r = late;
		}
	}
	if (r != SAY_NOTHING && replies[r].word[0] != 'B')
		tell_news(s, c, uid);
	imap_say(s, tag, r);
}

/* The name of the command, with "UID " taken off. */
static struct view take_name(struct imap_parse *p, bool *uid)
{
	*uid = imap_try_word(p, VIEW("UID"));
	if (*uid)
		imap_space(p);
	return imap_take_atom(p);
}

void imap_command(struct imap_session *s, struct view text)
{
	struct imap_parse p = imap_parse_over(text, &s->work);
	const struct imap_command *c;
	struct view tag, name;
	bool uid;

	p.utf8 = wants_utf8(s);
	tag = imap_take_tag(&p);
	imap_space(&p);
	name = take_name(&p, &uid);
	if (!imap_ok(&p) || tag.n > IMAP_TAG_MAX) {
		imap_say(s, imap_tag_of(text), SAY_BAD_SYNTAX);
	} else {
		c = find(name, uid);
		if (c == NULL)
			imap_say(s, tag, SAY_BAD_COMMAND);
		else if ((c->flags & NEEDS_SELECTED) && s->sel.m == NULL)
			imap_say(s, tag, SAY_BAD_STATE);
		else
			run(s, c, tag, &p, uid);
	}
	arena_free(&s->work);
	if (s->errors > ERRORS_MAX && !s->conn.closing) {
		buf_puts(out_of(s), "* BYE too many errors\r\n");
		conn_close(&s->conn);
	}
}
