/* summary.c - what lists, threads and searches want of a letter, taken once.
 *
 *     packed = from address to subject message-id   each with its length (u32)
 *              base-subject                         u64
 *              references                           u64 each, with their length in octets
 */
#include "mua/copy/internal.h"

#include "base/cursor.h"
#include "msg/address.h"
#include "msg/date.h"
#include "msg/mime.h"
#include "msg/msgid.h"
#include "msg/subject.h"
#include "msg/word.h"
#include "mua/copy/parts.h"
#include "mua/copy/show.h"
#include "trust/author.h"

#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <xxhash.h>

enum {
	FIELD_MOST = 64 * 1024,		/* octets of a field that are looked at */
	NAMES_MOST = 32,		/* recipients in a list's line */
	DAY_MS = 24 * 60 * 60 * 1000,
};

uint64_t copy_hash(struct view v)
{
	uint64_t h = XXH3_64bits(v.p ? v.p : "", v.n);

	return h ? h : 1;
}

/* Shown and cut, with its length. */
static void put_text(struct buf *out, struct view text)
{
	struct buf line = BUF(4 * FIELD_MOST);
	struct view v;
	size_t n;

	show_line(text, 0, &line);
	v = buf_view(&line);
	for (n = v.n < COPY_TEXT_MAX ? v.n : COPY_TEXT_MAX; n && n < v.n && ((uint8_t)v.p[n] & 0xc0) == 0x80; n--)
		;
	put_view(out, view_head(v, n));
	buf_free(&line);
}

static struct view field(const struct mime *m, enum field_id id)
{
	return view_head(mime_field(m, &m->parts[0], id), FIELD_MOST);
}

static void put_author(struct view header, struct arena *a, struct buf *out)
{
	struct author au;
	struct view name = VIEW_NONE, address = VIEW_NONE;

	if (author_find(header, a, &au) == ST_OK && au.n) {
		name = au.all[0].name;
		address = au.all[0].address;
	}
	put_text(out, name.n ? name : address);
	put_text(out, address);
}

static void put_names(struct view value, size_t *n, struct buf *names)
{
	struct address_reader r = address_reader(value);
	struct address ad;
	struct buf raw = BUF(FIELD_MOST), text = BUF(4 * FIELD_MOST);

	while (*n < NAMES_MOST && names->n < COPY_TEXT_MAX && address_next(&r, &ad)) {
		if (ad.kind == ADDRESS_GROUP_END)
			continue;
		buf_clear(&raw);
		buf_clear(&text);
		if (ad.kind == ADDRESS_GROUP)
			address_put_phrase(ad.phrase, &raw);
		else
			address_put_name(&ad, &raw);
		words_decode(buf_view(&raw), &text);
		if (text.n == 0)
			address_put(&ad, &text);
		if (names->n)
			buf_puts(names, ", ");
		buf_put(names, buf_view(&text));
		(*n)++;
	}
	buf_free(&raw);
	buf_free(&text);
}

static void put_recipients(const struct mime *m, struct buf *out)
{
	struct buf names = BUF(COPY_TEXT_MAX + 8 * FIELD_MOST);
	size_t n = 0;

	put_names(field(m, FIELD_TO), &n, &names);
	put_names(field(m, FIELD_CC), &n, &names);
	put_text(out, buf_view(&names));
	buf_free(&names);
}

static void put_subject(const struct mime *m, struct buf *out)
{
	struct buf text = BUF(4 * FIELD_MOST);

	words_decode(field(m, FIELD_SUBJECT), &text);
	put_text(out, buf_view(&text));
	buf_free(&text);
}

/* RFC 5256 2.1, whatever the case: a hash, 0 where nothing is left. */
static uint64_t base_subject(const struct mime *m, bool *ret_reply)
{
	struct buf text = BUF(4 * FIELD_MOST);
	uint64_t h = 0;
	size_t n = 0;
	uint8_t *folded;

	subject_base(field(m, FIELD_SUBJECT), &text, ret_reply);
	if (text.n) {
		folded = u8_casefold((const uint8_t *)text.p, text.n, NULL, UNINORM_NFC, NULL, &n);
		h = folded ? copy_hash(view_make((const char *)folded, n)) : copy_hash(buf_view(&text));
		free(folded);
	}
	buf_free(&text);
	return h;
}

/* Of folds inside an id nothing stays (RFC 5322 4.5.4). */
static uint64_t hash_id(struct view id)
{
	struct buf b = BUF(FIELD_MOST);
	uint64_t h;

	for (size_t i = 0; i < id.n; i++)
		if ((uint8_t)id.p[i] > ' ')
			buf_putc(&b, id.p[i]);
	h = copy_hash(buf_view(&b));
	buf_free(&b);
	return h;
}

/* The last COPY_REFS_MAX of References, else the first id of In-Reply-To
 * (RFC 5256 3, REFERENCES 1). */
static void put_refs(const struct mime *m, struct buf *out)
{
	struct msgid_reader r = msgid_reader(field(m, FIELD_REFERENCES));
	uint64_t ring[COPY_REFS_MAX];
	size_t n = 0, first;
	struct view id;

	while (msgid_next(&r, &id))
		ring[n++ % COPY_REFS_MAX] = hash_id(id);
	if (n == 0) {
		r = msgid_reader(field(m, FIELD_IN_REPLY_TO));
		if (msgid_next(&r, &id))
			ring[n++] = hash_id(id);
	}
	first = n > COPY_REFS_MAX ? n - COPY_REFS_MAX : 0;
	put_u32(out, (uint32_t)((n - first) * 8));
	for (size_t i = first; i < n; i++)
		put_u64(out, ring[i % COPY_REFS_MAX]);
}

static uint64_t put_id(const struct mime *m, uint64_t salt, struct buf *out)
{
	struct msgid_reader r = msgid_reader(field(m, FIELD_MESSAGE_ID));
	struct view id;

	if (!msgid_next(&r, &id) || id.n == 0) {
		put_view(out, VIEW_NONE);
		return copy_hash(view_make((const char *)&salt, sizeof salt));
	}
	put_text(out, id);
	return hash_id(id);
}

/* The date that the author wrote, unless nobody can have: a letter from the
 * future stays on top of every list. */
static wall_ms date_of(const struct mime *m, wall_ms received)
{
	struct date d;
	wall_ms at;

	if (date_parse(field(m, FIELD_DATE), &d) != ST_OK)
		return received;
	at = date_wall(&d);
	return at < 0 || (received && at > received + DAY_MS) ? received : at;
}

static uint32_t flags_of(const struct mime *m, bool whole)
{
	const struct content *t = &m->parts[0].content;
	uint32_t flags = 0;

	if (view_eq_i(t->type, VIEW("multipart")) && view_eq_i(t->subtype, VIEW("signed")))
		flags |= COPY_SIGNED;
	if (view_eq_i(t->type, VIEW("multipart")) && view_eq_i(t->subtype, VIEW("encrypted")))
		flags |= COPY_ENCRYPTED;
	if (view_eq_i(t->subtype, VIEW("pkcs7-mime")) || view_eq_i(t->subtype, VIEW("x-pkcs7-mime"))) {
		const struct param *p = content_param(t, VIEW("smime-type"));

		flags |= p && view_eq_i(p->value, VIEW("signed-data")) ? COPY_SIGNED : COPY_ENCRYPTED;
	}
	for (uint32_t i = 0; whole && i < m->n; i++)
		if (parts_is_attachment(m, i))
			return flags | COPY_ATTACHMENTS;
	return flags;
}

static void summarise(const struct mime *m, bool whole, wall_ms received, uint64_t salt, struct arena *a,
		      struct copy_summary *s)
{
	bool reply = false;
	uint64_t base;

	s->flags = flags_of(m, whole);
	s->date = date_of(m, received);
	put_author(mime_header(m, &m->parts[0]), a, &s->packed);
	put_recipients(m, &s->packed);
	put_subject(m, &s->packed);
	s->name = put_id(m, salt, &s->packed);
	base = base_subject(m, &reply);
	if (reply)
		s->flags |= COPY_REPLY;
	put_u64(&s->packed, base);
	put_refs(m, &s->packed);
}

enum status copy_summarise(struct view letter, bool whole, wall_ms received, uint64_t salt,
			   struct copy_summary *ret)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct copy_summary s = { .packed = BUF(64 * 1024) };
	struct mime m;
	enum status st = mime_parse(letter, &a, &m);

	if (st == ST_OK) {
		summarise(&m, whole, received, salt, &a, &s);
		st = buf_status(&s.packed);
	}
	arena_free(&a);
	if (st == ST_OK)
		*ret = s;
	else
		buf_free(&s.packed);
	return st;
}

enum status copy_unpack(struct view packed, struct copy_message *m)
{
	struct cursor c = cursor_over(packed);
	struct view refs;

	m->from = take_view(&c);
	m->address = take_view(&c);
	m->to = take_view(&c);
	m->subject = take_view(&c);
	m->message_id = take_view(&c);
	m->base_subject = take_u64(&c);
	refs = take_view(&c);
	m->refs = refs.p;
	m->n_refs = (uint32_t)(refs.n / sizeof(uint64_t));
	return cursor_end(&c) && refs.n % sizeof(uint64_t) == 0 ? ST_OK : ST_CORRUPT;
}
