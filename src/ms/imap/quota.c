/* quota.c - GETQUOTA, GETQUOTAROOT (RFC 9208).  One root, "", which is the account. */
#include "ms/imap/internal.h"

enum { KIBI = 1024 };

static enum reply put_quota(struct imap_session *s)
{
	struct store_usage u;
	enum status st = store_usage(s->host->store, &u);

	if (st != ST_OK)
		return imap_reply_of(st);
	buf_puts(out_of(s), "* QUOTA \"\" (");
	if (u.quota > 0)
		buf_putf(out_of(s), "STORAGE %llu %llu", (unsigned long long)((u.bytes + KIBI - 1) / KIBI),
			 (unsigned long long)u.quota / KIBI);
	buf_puts(out_of(s), ")\r\n");
	return SAY_OK;
}

enum reply imap_do_getquota(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct view root;

	(void)uid;
	imap_space(p);
	root = imap_take_astring(p);
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	return root.n ? SAY_NO_QUOTA_ROOT : put_quota(s);
}

enum reply imap_do_getquotaroot(struct imap_session *s, struct imap_parse *p, bool uid)
{
	struct mailbox_info info;
	struct view name;
	enum status st;

	(void)uid;
	imap_space(p);
	name = imap_take_mailbox(p);
	if (!imap_end(p))
		return SAY_BAD_SYNTAX;
	st = store_mailbox_info(s->host->store, name, &s->work, &info);
	if (st != ST_OK)
		return imap_reply_of(st);
	buf_puts(out_of(s), "* QUOTAROOT ");
	imap_put_mailbox(out_of(s), name, wants_utf8(s));
	buf_puts(out_of(s), " \"\"\r\n");
	return put_quota(s);
}

enum reply imap_do_setquota(struct imap_session *s, struct imap_parse *p, bool uid)
{
	(void)s, (void)p, (void)uid;
	return SAY_NO_PERMISSION;
}
