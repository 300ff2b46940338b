/* imap_fetch.c - what FETCH may ask for (RFC 9051 6.4.5, RFC 3516, RFC 7162). */
#include "wire/imap_args.h"

static const struct {
	const char *name;
	enum imap_fetch_kind kind;
} plain_items[] = {
	{ "UID", IMAP_FETCH_UID },
	{ "FLAGS", IMAP_FETCH_FLAGS },
	{ "INTERNALDATE", IMAP_FETCH_INTERNALDATE },
	{ "RFC822.SIZE", IMAP_FETCH_SIZE },
	{ "ENVELOPE", IMAP_FETCH_ENVELOPE },
	{ "BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE },
	{ "MODSEQ", IMAP_FETCH_MODSEQ },
	{ "RFC822.HEADER", IMAP_FETCH_RFC822_HEADER },
	{ "RFC822.TEXT", IMAP_FETCH_RFC822_TEXT },
	{ "RFC822", IMAP_FETCH_RFC822 },
};

static const struct {
	const char *name;
	enum imap_fetch_kind kinds[6];
	uint32_t n;
} macros[] = {
	{ "ALL", { IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_SIZE, IMAP_FETCH_ENVELOPE }, 4 },
	{ "FAST", { IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_SIZE }, 3 },
	{ "FULL", { IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_SIZE, IMAP_FETCH_ENVELOPE,
		    IMAP_FETCH_BODY }, 5 },
};

static const struct {
	const char *name;
	enum imap_section_text text;
} section_texts[] = {
	{ "HEADER.FIELDS.NOT", IMAP_SECTION_FIELDS_NOT },
	{ "HEADER.FIELDS", IMAP_SECTION_FIELDS },
	{ "HEADER", IMAP_SECTION_HEADER },
	{ "TEXT", IMAP_SECTION_TEXT },
	{ "MIME", IMAP_SECTION_MIME },
};

static void add(struct imap_parse *p, struct imap_fetch *f, struct imap_fetch_item item)
{
	if (f->items == NULL)
		f->items = arena_array(p->arena, IMAP_FETCH_MAX, sizeof item);
	if (f->items == NULL || f->n == IMAP_FETCH_MAX) {
		imap_fail(p);
		return;
	}
	f->items[f->n++] = item;
	f->kinds |= 1u << item.kind;
}

/* Part numbers, up to what is no digit. */
static void take_parts(struct imap_parse *p, struct imap_section *s)
{
	while (ascii_digit(peek_char(&p->c))) {
		uint32_t x = imap_take_nz_number(p);

		if (s->part == NULL)
			s->part = arena_array(p->arena, IMAP_PARTS_MAX, sizeof *s->part);
		if (s->part == NULL || s->n_part == IMAP_PARTS_MAX)
			imap_fail(p);
		if (!imap_ok(p))
			return;
		s->part[s->n_part++] = x;
		if (!imap_try(p, '.'))
			return;
		/* "1." must go on. */
		if (peek_char(&p->c) == ']')
			imap_fail(p);
	}
}

static void take_section_text(struct imap_parse *p, struct imap_section *s)
{
	for (size_t i = 0; i < sizeof section_texts / sizeof *section_texts; i++) {
		if (!imap_try_word(p, view_cstr(section_texts[i].name)))
			continue;
		s->text = section_texts[i].text;
		/* MIME is of a part only. */
		if (s->text == IMAP_SECTION_MIME && s->n_part == 0)
			imap_fail(p);
		if (s->text == IMAP_SECTION_FIELDS || s->text == IMAP_SECTION_FIELDS_NOT) {
			imap_space(p);
			s->fields = imap_take_astrings(p);
		}
		return;
	}
	imap_fail(p);
}

/* Behind "[". */
static struct imap_section take_section(struct imap_parse *p, bool texts)
{
	struct imap_section s = { 0 };
	bool dot;

	take_parts(p, &s);
	dot = s.n_part && p->c.p[-1] == '.';
	if (imap_ok(p) && peek_char(&p->c) != ']') {
		if (!texts || (s.n_part && !dot))
			imap_fail(p);
		else
			take_section_text(p, &s);
	}
	imap_want(p, ']');
	return s;
}

static void take_partial(struct imap_parse *p, struct imap_fetch_item *item)
{
	if (!imap_try(p, '<'))
		return;
	item->partial = true;
	item->from = imap_take_number64(p);
	imap_want(p, '.');
	item->length = imap_take_number64(p);
	imap_want(p, '>');
	if (item->length == 0)
		imap_fail(p);
}

static bool take_body(struct imap_parse *p, struct imap_fetch_item *item)
{
	bool peek = imap_try_word(p, VIEW("BODY.PEEK"));

	if (!peek && !imap_try_word(p, VIEW("BODY")))
		return false;
	if (!imap_try(p, '[')) {
		item->kind = IMAP_FETCH_BODY;
		if (peek)
			imap_fail(p);
		return true;
	}
	item->kind = IMAP_FETCH_SECTION;
	item->peek = peek;
	item->section = take_section(p, true);
	take_partial(p, item);
	return true;
}

static bool take_binary(struct imap_parse *p, struct imap_fetch_item *item)
{
	if (imap_try_word(p, VIEW("BINARY.SIZE"))) {
		item->kind = IMAP_FETCH_BINARY_SIZE;
		item->peek = true;
	} else if (imap_try_word(p, VIEW("BINARY.PEEK"))) {
		item->kind = IMAP_FETCH_BINARY;
		item->peek = true;
	} else if (imap_try_word(p, VIEW("BINARY"))) {
		item->kind = IMAP_FETCH_BINARY;
	} else {
		return false;
	}
	imap_want(p, '[');
	item->section = take_section(p, false);
	if (item->kind == IMAP_FETCH_BINARY)
		take_partial(p, item);
	return true;
}

static void take_item(struct imap_parse *p, struct imap_fetch *f)
{
	struct imap_fetch_item item = { 0 };

	for (size_t i = 0; i < sizeof plain_items / sizeof *plain_items; i++)
		if (imap_try_word(p, view_cstr(plain_items[i].name))) {
			item.kind = plain_items[i].kind;
			add(p, f, item);
			return;
		}
	if (take_body(p, &item) || take_binary(p, &item))
		add(p, f, item);
	else
		imap_fail(p);
}

static bool take_macro(struct imap_parse *p, struct imap_fetch *f)
{
	for (size_t i = 0; i < sizeof macros / sizeof *macros; i++) {
		if (!imap_try_word(p, view_cstr(macros[i].name)))
			continue;
		for (uint32_t k = 0; k < macros[i].n; k++)
			add(p, f, (struct imap_fetch_item){ .kind = macros[i].kinds[k] });
		return true;
	}
	return false;
}

struct imap_fetch imap_take_fetch(struct imap_parse *p)
{
	struct imap_fetch f = { 0 };

	if (take_macro(p, &f))
		return f;
	if (!imap_try(p, '(')) {
		take_item(p, &f);
		return f;
	}
	do
		take_item(p, &f);
	while (imap_ok(p) && imap_try(p, ' '));
	imap_want(p, ')');
	return f;
}

static void put_astring(struct buf *b, struct view v)
{
	imap_put_mailbox(b, v, true);
}

void imap_put_section(struct buf *b, const struct imap_section *s)
{
	buf_putc(b, '[');
	for (uint32_t i = 0; i < s->n_part; i++) {
		if (i)
			buf_putc(b, '.');
		buf_putu(b, s->part[i]);
	}
	for (size_t i = 0; i < sizeof section_texts / sizeof *section_texts; i++)
		if (section_texts[i].text == s->text) {
			if (s->n_part)
				buf_putc(b, '.');
			buf_puts(b, section_texts[i].name);
		}
	if (s->fields.n) {
		for (uint32_t i = 0; i < s->fields.n; i++) {
			buf_puts(b, i ? " " : " (");
			put_astring(b, s->fields.v[i]);
		}
		buf_putc(b, ')');
	}
	buf_putc(b, ']');
}
