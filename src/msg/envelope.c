#include "msg/address.h"
#include "msg/imapstr.h"
#include "msg/lex.h"
#include "msg/structure.h"

/* A field's value; of a longer one its beginning, up to a comma where there is
 * one, so that no address is cut in half. */
static struct view field_of(const struct mime *m, const struct mime_part *p, enum field_id id)
{
	struct view v = mime_field(m, p, id);
	const char *comma;

	if (v.n > STRUCTURE_FIELD_MAX) {
		v.n = STRUCTURE_FIELD_MAX;
		comma = memrchr(v.p, ',', v.n);
		if (comma)
			v.n = (size_t)(comma - v.p);
	}
	return lex_trim(v);
}

/* "" for what is missing: a NIL mailbox or host would mean a group. */
static void put_spec(struct view part, struct buf *scratch, struct buf *out)
{
	buf_clear(scratch);
	address_put_spec(part, scratch);
	imapstr_put(out, buf_view(scratch));
}

static void put_address(const struct address *a, struct buf *scratch, struct buf *out)
{
	buf_putc(out, '(');
	buf_clear(scratch);
	if (a->kind == ADDRESS_MAILBOX)
		address_put_name(a, scratch);
	imapstr_put_nil(out, buf_view(scratch));
	buf_putc(out, ' ');
	imapstr_put_nil(out, a->route);
	buf_putc(out, ' ');
	switch (a->kind) {
	case ADDRESS_MAILBOX:
		put_spec(a->local, scratch, out);
		buf_putc(out, ' ');
		put_spec(a->domain, scratch, out);
		break;
	case ADDRESS_GROUP:
		buf_clear(scratch);
		address_put_phrase(a->phrase, scratch);
		imapstr_put(out, buf_view(scratch));
		buf_puts(out, " NIL");
		break;
	case ADDRESS_GROUP_END:
		buf_puts(out, "NIL NIL");
		break;
	}
	buf_putc(out, ')');
}

static void put_addresses(struct view field, struct buf *scratch, struct buf *out)
{
	struct address_reader r = address_reader(field);
	size_t before = out->n;
	struct address a;
	bool open = false;

	for (uint32_t n = 0; (n < STRUCTURE_ADDRESSES || open) && address_next(&r, &a); n++) {
		if (n >= STRUCTURE_ADDRESSES && a.kind != ADDRESS_GROUP_END)
			continue;
		if (a.kind != ADDRESS_MAILBOX)
			open = a.kind == ADDRESS_GROUP;
		if (out->n == before)
			buf_putc(out, '(');
		put_address(&a, scratch, out);
	}
	buf_puts(out, out->n == before ? "NIL" : ")");
}

/* What stands at from..to once more. */
static void put_again(struct buf *out, size_t from, size_t to)
{
	char *p;

	if (buf_reserve(out, to - from, &p) != ST_OK)
		return;
	memcpy(p, out->p + from, to - from);
	out->n += to - from;
}

void put_envelope(const struct mime *m, uint32_t i, struct buf *out)
{
	static const enum field_id lists[] = {
		FIELD_FROM, FIELD_SENDER, FIELD_REPLY_TO, FIELD_TO, FIELD_CC, FIELD_BCC,
	};
	const struct mime_part *p = &m->parts[i];
	struct buf scratch = BUF(STRUCTURE_FIELD_MAX * 2);
	size_t from = 0, from_end = 0;

	buf_putc(out, '(');
	imapstr_put_nil(out, field_of(m, p, FIELD_DATE));
	buf_putc(out, ' ');
	imapstr_put_nil(out, field_of(m, p, FIELD_SUBJECT));
	for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
		struct view v = field_of(m, p, lists[l]);

		buf_putc(out, ' ');
		/* RFC 9051 7.5.2: Sender and Reply-To default to From. */
		if (v.n == 0 && (lists[l] == FIELD_SENDER || lists[l] == FIELD_REPLY_TO)) {
			put_again(out, from, from_end);
			continue;
		}
		from = lists[l] == FIELD_FROM ? out->n : from;
		put_addresses(v, &scratch, out);
		from_end = lists[l] == FIELD_FROM ? out->n : from_end;
	}
	buf_putc(out, ' ');
	imapstr_put_nil(out, field_of(m, p, FIELD_IN_REPLY_TO));
	buf_putc(out, ' ');
	imapstr_put_nil(out, field_of(m, p, FIELD_MESSAGE_ID));
	buf_putc(out, ')');
	if (out->st == ST_OK)
		out->st = buf_status(&scratch);
	buf_free(&scratch);
}
