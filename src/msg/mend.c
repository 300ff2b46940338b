#include "msg/mend.h"

#include "msg/header.h"

enum mend_field {
	MEND_OTHER,
	MEND_DATE, MEND_MESSAGE_ID, MEND_FROM, MEND_SENDER, MEND_MIME_VERSION, MEND_BCC, MEND_RESENT_BCC,
	MEND_RESENT_FROM, MEND_RESENT_SENDER, MEND_PRIORITY, MEND_SENT, MEND_PROTECT,
	MEND_FIELDS,
};

static const struct view names[MEND_FIELDS] = {
	[MEND_DATE] = { "Date", 4 },
	[MEND_MESSAGE_ID] = { "Message-ID", 10 },
	[MEND_FROM] = { "From", 4 },
	[MEND_SENDER] = { "Sender", 6 },
	[MEND_MIME_VERSION] = { "MIME-Version", 12 },
	[MEND_BCC] = { "Bcc", 3 },
	[MEND_RESENT_BCC] = { "Resent-Bcc", 10 },
	[MEND_RESENT_FROM] = { "Resent-From", 11 },
	[MEND_RESENT_SENDER] = { "Resent-Sender", 13 },
	[MEND_PRIORITY] = { "MT-Priority", 11 },
	[MEND_SENT] = { "Waxwing-Sent", 12 },
	[MEND_PROTECT] = { "Waxwing-Protect", 15 },
};

static enum mend_field field_of(struct view name)
{
	for (int i = MEND_OTHER + 1; i < MEND_FIELDS; i++)
		if (view_eq_i(name, names[i]))
			return (enum mend_field)i;
	return MEND_OTHER;
}

static void first(struct view *field, struct view value)
{
	if (field->p == NULL)
		*field = value.p ? value : VIEW("");
}

void mend_look(struct view header, struct mend_found *ret)
{
	struct mend_found found = { 0 };
	bool *const seen[MEND_FIELDS] = {
		[MEND_DATE] = &found.date, [MEND_MESSAGE_ID] = &found.message_id, [MEND_FROM] = &found.from,
		[MEND_MIME_VERSION] = &found.mime_version, [MEND_BCC] = &found.goes, [MEND_RESENT_BCC] = &found.goes,
		[MEND_SENT] = &found.goes, [MEND_PROTECT] = &found.goes,
	};
	struct view *const firsts[MEND_FIELDS] = {
		[MEND_SENDER] = &found.sender, [MEND_RESENT_FROM] = &found.resent_from,
		[MEND_RESENT_SENDER] = &found.resent_sender, [MEND_BCC] = &found.bcc,
		[MEND_PRIORITY] = &found.priority, [MEND_SENT] = &found.sent, [MEND_PROTECT] = &found.protect,
	};
	struct field f;
	size_t at = 0;

	while (field_next(header, &at, &f)) {
		enum mend_field which = field_of(f.name);

		/* mbox's "From " line is none of a body. */
		found.bare |= f.start == 0 && f.name.n == 0 && !view_starts_i(f.value, VIEW("From "));
		found.content |= view_starts_i(f.name, VIEW("Content-"));
		found.senders += which == MEND_SENDER;
		if (seen[which])
			*seen[which] = true;
		if (firsts[which])
			first(firsts[which], f.value);
	}
	found.priority = view_trim(found.priority);
	found.sent = view_trim(found.sent);
	found.protect = view_trim(found.protect);
	/* What stands behind it is the body's, whatever it looks like. */
	if (found.bare)
		found = (struct mend_found){ .bare = true };
	*ret = found;
}

static void put(struct buf *added, enum mend_field f, struct view value)
{
	buf_put(added, names[f]);
	buf_puts(added, ": ");
	buf_put(added, value);
	buf_puts(added, "\r\n");
}

static bool goes(enum mend_field f, const struct mending *m)
{
	switch (f) {
	case MEND_BCC:
	case MEND_RESENT_BCC:
	case MEND_SENT:
	case MEND_PROTECT:
		return true;
	case MEND_SENDER:
		return m->drop_sender || m->sender.n;
	case MEND_PRIORITY:
		return m->drop_priority;
	default:
		return false;
	}
}

/* All but the fields that go, with the empty line at the end. */
static void put_kept(struct view header, const struct mending *m, struct buf *kept)
{
	struct field f;
	size_t at = 0, from = 0;

	while (field_next(header, &at, &f)) {
		if (!goes(field_of(f.name), m))
			continue;
		buf_put(kept, view_make(header.p + from, f.start - from));
		from = f.end;
	}
	buf_put(kept, view_skip(header, from));
}

enum status mend_header(struct view header, const struct mend_found *found, const struct mending *m,
			struct buf *added, struct buf *kept, bool *ret_same)
{
	bool same = !found->goes && !(found->senders && (m->drop_sender || m->sender.n)) &&
		    !(found->priority.p && m->drop_priority);

	if (!found->date && m->date.n)
		put(added, MEND_DATE, m->date);
	if (!found->message_id && m->message_id.n)
		put(added, MEND_MESSAGE_ID, m->message_id);
	if (!found->from && m->from.n)
		put(added, MEND_FROM, m->from);
	if (m->sender.n)
		put(added, MEND_SENDER, m->sender);
	if (found->content && !found->mime_version)
		put(added, MEND_MIME_VERSION, VIEW("1.0"));
	if (found->bare)
		buf_puts(added, "\r\n");
	if (!same)
		put_kept(header, m, kept);
	if (buf_status(added) != ST_OK || buf_status(kept) != ST_OK)
		return buf_status(added) != ST_OK ? buf_status(added) : buf_status(kept);
	*ret_same = same;
	return ST_OK;
}
