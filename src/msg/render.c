#include "msg/render.h"

#include "msg/date.h"
#include "msg/lex.h"
#include "msg/msgid.h"
#include "msg/structure.h"
#include "msg/subject.h"

/* The longest form that an octet of the letter can take: an address of one
 * letter, shown as From, Sender and Reply-To. */
enum { SPARE = 64 * 1024, GROWTH = 64 };

static void put_id(struct buf *out, struct view id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!lex_is_blank(id.p[i]) && id.p[i] != '\0')
			buf_putc(out, id.p[i]);
}

static void put_ids(struct buf *out, struct view field)
{
	struct msgid_reader r = msgid_reader(view_head(field, STRUCTURE_FIELD_MAX));
	struct view id;

	while (msgid_next(&r, &id)) {
		put_id(out, id);
		buf_putc(out, '\n');
	}
}

static void put_first_id(struct buf *out, struct view field)
{
	struct msgid_reader r = msgid_reader(view_head(field, STRUCTURE_FIELD_MAX));
	struct view id;

	if (msgid_next(&r, &id))
		put_id(out, id);
}

static void render(const struct mime *m, struct msg_rendered *r)
{
	const struct mime_part *top = &m->parts[0];
	struct date d;
	bool reply;

	put_envelope(m, 0, &r->envelope);
	put_structure(m, 0, false, &r->body);
	put_structure(m, 0, true, &r->bodystructure);
	subject_base(view_head(mime_field(m, top, FIELD_SUBJECT), STRUCTURE_FIELD_MAX), &r->subject_base, &reply);
	put_first_id(&r->message_id, mime_field(m, top, FIELD_MESSAGE_ID));
	put_ids(&r->references, mime_field(m, top, FIELD_REFERENCES));
	put_ids(&r->references, mime_field(m, top, FIELD_IN_REPLY_TO));
	if (date_parse(view_head(mime_field(m, top, FIELD_DATE), STRUCTURE_FIELD_MAX), &d) == ST_OK) {
		r->sent = date_wall(&d);
		r->has_sent = true;
	}
}

static enum status worst(const struct msg_rendered *r)
{
	const struct buf *bufs[] = {
		&r->envelope, &r->body, &r->bodystructure, &r->subject_base, &r->message_id, &r->references,
	};

	for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
		if (buf_status(bufs[i]) != ST_OK)
			return buf_status(bufs[i]);
	return ST_OK;
}

enum status msg_render(struct view letter, struct msg_rendered *r)
{
	struct arena arena = ARENA(MIME_ARENA_MAX);
	size_t most = letter.n * GROWTH + SPARE;
	struct mime m;
	enum status st;

	*r = (struct msg_rendered){
		.envelope = BUF(most), .body = BUF(most), .bodystructure = BUF(most),
		.subject_base = BUF(most), .message_id = BUF(most), .references = BUF(most),
	};
	st = mime_parse(letter, &arena, &m);
	if (st == ST_OK) {
		render(&m, r);
		st = worst(r);
	}
	arena_free(&arena);
	if (st != ST_OK)
		msg_rendered_free(r);
	return st;
}

void msg_rendered_free(struct msg_rendered *r)
{
	buf_free(&r->envelope);
	buf_free(&r->body);
	buf_free(&r->bodystructure);
	buf_free(&r->subject_base);
	buf_free(&r->message_id);
	buf_free(&r->references);
}
