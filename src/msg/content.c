#include "msg/content.h"

#include "msg/lex.h"

/* One "name*2*=value" as it stands; section -1: none. */
struct piece {
	struct view name, value;
	int section;
	bool extended, used;
};

static bool is_name(char c)
{
	return !lex_is_blank(c) && c != '=' && c != ';' && c != '(' && c != '"' && c != '*';
}

static bool is_type(char c)
{
	return !lex_is_blank(c) && c != ';' && c != '/' && c != '(';
}

static bool is_subtype(char c)
{
	return !lex_is_blank(c) && c != ';' && c != '(';
}

static bool is_value(char c)
{
	return !lex_is_blank(c) && c != ';' && c != '(';
}

/* A quoted string's text; copied only where something must go. */
static struct view plain(struct view inner, struct arena *a)
{
	struct buf text = BUF(CONTENT_FIELD_MAX);
	struct view out;

	if (view_find(inner, '\\') == inner.n && view_find(inner, '\n') == inner.n &&
	    view_find(inner, '\r') == inner.n && view_find(inner, '\0') == inner.n)
		return inner;
	lex_unquoted(inner, &text);
	if (buf_status(&text) != ST_OK)
		a->st = buf_status(&text);
	out = arena_copy(a, buf_view(&text));
	buf_free(&text);
	return out;
}

/* Of "name*1*": the star, the number, the star (RFC 2231 3, 4). */
static void take_section(struct cursor *c, struct piece *ret)
{
	int section = 0;
	struct view digits;

	ret->section = -1;
	if (!take_char(c, '*'))
		return;
	digits = take_while(c, ascii_digit);
	if (digits.n == 0) {
		ret->extended = true;
		return;
	}
	for (size_t i = 0; i < digits.n; i++)
		if (section < CONTENT_SECTIONS)
			section = section * 10 + (digits.p[i] - '0');
	ret->section = section;
	ret->extended = take_char(c, '*');
}

/* An encoded word as an unquoted value is against the grammar and common; its
 * "?=" may be followed, behind a blank, by the next one. */
static struct view take_words(struct cursor *c)
{
	const char *from = c->p;
	const char *end;

	do {
		take_while(c, is_value);
		end = c->p;
		lex_blank(c);
	} while (cursor_left(c) > 2 && c->p[0] == '=' && c->p[1] == '?');
	c->p = end;
	return view_make(from, (size_t)(end - from));
}

static struct view take_value(struct cursor *c, struct arena *a)
{
	struct view inner;

	lex_cfws(c);
	if (peek_char(c) == '"') {
		if (lex_quoted(c, &inner))
			return plain(inner, a);
		inner = view_make(c->p + 1, cursor_left(c) - 1);
		c->p = c->end;
		return plain(inner, a);
	}
	if (cursor_left(c) > 2 && c->p[0] == '=' && c->p[1] == '?')
		return take_words(c);
	return take_while(c, is_value);
}

/* The next parameter; false at the end.  Always takes something. */
static bool take_piece(struct cursor *c, struct arena *a, struct piece *ret)
{
	while (cursor_left(c)) {
		const char *before = c->p;

		lex_cfws(c);
		while (take_char(c, ';'))
			lex_cfws(c);
		*ret = (struct piece){ .name = take_while(c, is_name) };
		take_section(c, ret);
		lex_cfws(c);
		if (take_char(c, '=')) {
			ret->value = take_value(c, a);
			/* A name without anything behind "=" is none. */
			if (ret->name.n && (ret->value.n || (c->p > before && c->p[-1] == '"')))
				return true;
		} else if (c->p == before && cursor_left(c)) {
			c->p++;
		}
	}
	return false;
}

/* charset'language'text (RFC 2231 4); without the marks all is text. */
static void split_charset(struct param *p)
{
	size_t one = view_find(p->value, '\'');
	struct view rest = view_skip(p->value, one + 1);
	size_t two = view_find(rest, '\'');

	if (one == p->value.n || two == rest.n)
		return;
	p->charset = view_head(p->value, one);
	p->language = view_head(rest, two);
	p->value = view_skip(rest, two + 1);
}

static void put_percent(struct buf *out, struct view text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '-' || c == '_')
			buf_putc(out, c);
		else
			buf_putf(out, "%%%02X", (unsigned)(uint8_t)c);
	}
}

/* Sections 0, 1, 2 ... as one value; a gap ends it (RFC 2231 3).  Where one
 * of them is percent-encoded the whole becomes so. */
static void join(struct piece *all, uint32_t n, const struct piece *first, struct arena *a, struct param *ret)
{
	struct piece *order[CONTENT_SECTIONS] = { NULL };
	struct buf text = BUF(CONTENT_FIELD_MAX * 3);

	for (uint32_t i = 0; i < n; i++) {
		struct piece *p = &all[i];

		if (p->section < 0 || !view_eq_i(p->name, first->name))
			continue;
		p->used = true;
		if (p->section >= CONTENT_SECTIONS || order[p->section])
			continue;
		order[p->section] = p;
		ret->extended |= p->extended;
	}
	for (int i = 0; i < CONTENT_SECTIONS && order[i]; i++) {
		struct param part = { .value = order[i]->value };

		if (i == 0 && order[i]->extended) {
			split_charset(&part);
			ret->charset = part.charset;
			ret->language = part.language;
		}
		if (ret->extended && !order[i]->extended)
			put_percent(&text, part.value);
		else
			buf_put(&text, part.value);
	}
	if (buf_status(&text) != ST_OK)
		a->st = buf_status(&text);
	ret->value = arena_copy(a, buf_view(&text));
	buf_free(&text);
}

static void add(struct piece *all, uint32_t n, uint32_t i, struct arena *a, struct content *c)
{
	struct piece *p = &all[i];
	struct param *to;

	if (p->used || content_param(c, p->name))
		return;
	to = &c->params[c->n++];
	to->name = p->name;
	if (p->section < 0) {
		to->value = p->value;
		to->extended = p->extended;
		if (p->extended)
			split_charset(to);
		return;
	}
	join(all, n, p, a, to);
}

static enum status take_params(struct cursor *c, struct arena *a, struct content *ret)
{
	struct piece pieces[CONTENT_PARAMS + CONTENT_SECTIONS];
	uint32_t n = 0;

	while (n < CONTENT_PARAMS + CONTENT_SECTIONS && take_piece(c, a, &pieces[n]))
		n++;
	if (n == 0)
		return arena_status(a);
	ret->params = arena_array(a, n < CONTENT_PARAMS ? n : CONTENT_PARAMS, sizeof *ret->params);
	if (ret->params == NULL)
		return arena_status(a);
	/* What stands there with section numbers or a charset counts before the
	 * plain form that is sent along for older readers. */
	for (uint32_t i = 0; i < n && ret->n < CONTENT_PARAMS; i++)
		if (pieces[i].section >= 0 || pieces[i].extended)
			add(pieces, n, i, a, ret);
	for (uint32_t i = 0; i < n && ret->n < CONTENT_PARAMS; i++)
		if (pieces[i].section < 0 && !pieces[i].extended)
			add(pieces, n, i, a, ret);
	return arena_status(a);
}

enum status content_parse(struct view field, struct arena *a, struct content *ret)
{
	struct cursor c = cursor_over(view_head(field, CONTENT_FIELD_MAX));
	struct content out = { 0 };
	enum status st;

	lex_cfws(&c);
	out.type = take_while(&c, is_type);
	lex_cfws(&c);
	if (take_char(&c, '/')) {
		lex_cfws(&c);
		out.subtype = take_while(&c, is_subtype);
		if (out.type.n == 0)
			out.subtype = VIEW_NONE;
	}
	st = take_params(&c, a, &out);
	if (st == ST_OK)
		*ret = out;
	return st;
}

bool content_is(const struct content *c, const char *type, const char *subtype)
{
	return view_eq_i(c->type, view_cstr(type)) && view_eq_i(c->subtype, view_cstr(subtype));
}

bool content_is_sealed(const struct content *c)
{
	return content_is(c, "multipart", "signed") || content_is(c, "multipart", "encrypted");
}

const struct param *content_param(const struct content *c, struct view name)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (view_eq_i(c->params[i].name, name))
			return &c->params[i];
	return NULL;
}

void param_octets(const struct param *p, struct buf *out)
{
	struct view v = p->value;

	if (!p->extended) {
		buf_put(out, v);
		return;
	}
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '%' && i + 2 < v.n && ascii_hex(v.p[i + 1]) >= 0 && ascii_hex(v.p[i + 2]) >= 0) {
			buf_putc(out, (char)(ascii_hex(v.p[i + 1]) << 4 | ascii_hex(v.p[i + 2])));
			i += 2;
		} else {
			buf_putc(out, v.p[i]);
		}
	}
}
