#include "smime/protect.h"

#include "smime/internal.h"
#include "smime/legacy.h"
#include "smime/sink.h"

#include "msg/header.h"
#include "msg/lex.h"

/* A longer header section is compared with nothing: the work grows with its square. */
enum { FIELDS_MOST = 1024, VALUE_MOST = 256 * 1024, HEADER_MOST = 256 * 1024 };

static bool is_one_of(struct view name, const char *const *names)
{
	for (; *names; names++)
		if (view_eq_i(name, view_cstr(*names)))
			return true;
	return false;
}

bool protect_is_structural(struct view name)
{
	return view_eq_i(name, VIEW("MIME-Version")) || view_starts_i(name, VIEW("Content-"));
}

bool protect_is_outer(struct view name)
{
	static const char *const names[] = {
		"Received", "Return-Path", "Delivered-To", "DKIM-Signature", "Authentication-Results", "Received-SPF",
		"ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results", "Bcc", "Resent-Bcc", "HP-Outer",
		"X-Original-To", "TLS-Required", NULL,
	};

	return name.n == 0 || is_one_of(name, names);
}

struct view protect_outside(struct view name, struct view raw)
{
	static const char *const gone[] = { "Comments", "Keywords", NULL };

	if (view_eq_i(name, VIEW("Subject")))
		return VIEW("Subject: [...]\r\n");
	return is_one_of(name, gone) ? VIEW_NONE : raw;
}

/* ---- reading ---- */

/* Do both say the same, folds and blanks at the ends apart? */
static bool same_value(struct view a, struct view b)
{
	struct buf x = BUF(VALUE_MOST), y = BUF(VALUE_MOST);
	bool same;

	field_unfold(a, &x);
	field_unfold(b, &y);
	same = buf_status(&x) == ST_OK && buf_status(&y) == ST_OK && view_eq(buf_view(&x), buf_view(&y));
	buf_free(&x);
	buf_free(&y);
	return same;
}

/* "HP-Outer: Subject: [...]" (2.2). */
static bool outer_field(const struct field *f, struct view *ret_name, struct view *ret_value)
{
	size_t colon = view_find(f->value, ':');

	if (!view_eq_i(f->name, VIEW("HP-Outer")) || colon == f->value.n)
		return false;
	*ret_name = lex_trim(view_head(f->value, colon));
	*ret_value = view_skip(f->value, colon + 1);
	return true;
}

static bool stands_outside(struct view payload, const struct field *f)
{
	struct view name, value;
	struct field outer;
	size_t at = 0;

	unsigned n = 0;

	while (n < FIELDS_MOST && field_next(payload, &at, &outer))
		if (outer_field(&outer, &name, &value) && ++n && view_eq_i(name, f->name) &&
		    same_value(value, f->value))
			return true;
	return false;
}

static bool has_field(struct view header, struct view name, struct view value)
{
	struct field f;
	size_t at = 0;

	while (field_next(header, &at, &f))
		if (view_eq_i(f.name, name) && same_value(f.value, value))
			return true;
	return false;
}

/* Was something put outside that is not there now, or is another? */
static bool outside_differs(struct view payload, struct view header)
{
	struct view name, value;
	struct field f;
	size_t at = 0;
	unsigned n = 0;

	while (field_next(payload, &at, &f) && n++ < FIELDS_MOST)
		if (outer_field(&f, &name, &value) && !has_field(header, name, value))
			return true;
	return false;
}

static enum smime_protection protection_of(struct view header, struct arena *a)
{
	const struct param *hp;
	struct content c;
	struct field f;

	if (!field_find(header, VIEW("Content-Type"), &f) || content_parse(f.value, a, &c) != ST_OK)
		return SMIME_HP_NONE;
	hp = content_param(&c, VIEW("hp"));
	if (hp == NULL)
		return SMIME_HP_NONE;
	return view_eq_i(hp->value, VIEW("cipher")) ? SMIME_HP_CIPHER :
	       view_eq_i(hp->value, VIEW("clear")) ? SMIME_HP_CLEAR : SMIME_HP_NONE;
}

static enum status read_fields(struct smime_letter *l, struct view header)
{
	struct field f;
	size_t at = 0;

	l->fields = arena_array(&l->a, FIELDS_MOST, sizeof *l->fields);
	while (l->fields && l->n_fields < FIELDS_MOST && field_next(header, &at, &f)) {
		if (f.name.n == 0 || protect_is_structural(f.name) || view_eq_i(f.name, VIEW("HP-Outer")))
			continue;
		l->fields[l->n_fields++] = (struct smime_field){
			.name = f.name, .value = f.value,
			.hidden = l->protection == SMIME_HP_CIPHER && !stands_outside(header, &f),
		};
	}
	return arena_status(&l->a);
}

/* The author inside is believed only where he is the one outside, too: other
 * programs show that one (4.4). */
static enum status compare_authors(struct reading *r, struct view inside)
{
	struct smime_letter *l = r->l;
	struct author a;
	struct field f;
	enum status st;

	if (!field_find(inside, VIEW("From"), &f))
		return ST_OK;
	st = author_find(inside, &l->a, &a);
	if (st == ST_OK && (a.kind != AUTHOR_ONE || l->author.kind != AUTHOR_ONE ||
			    !smime_same_address(a.all[0].address, l->author.all[0].address)))
		l->problems |= PROBLEM(FROM_INSIDE);
	return st;
}

enum status protect_read(struct reading *r)
{
	struct smime_letter *l = r->l;
	size_t end;
	struct view inside;
	enum status st = author_find(r->header, &l->a, &l->author);

	if (st != ST_OK || l->n_layers == 0)
		return st;
	end = header_size(l->payload);
	inside = view_head(l->payload, end);
	l->protection = protection_of(inside, &l->a);
	if (l->protection == SMIME_HP_CIPHER && !l->decrypted)
		l->protection = SMIME_HP_CLEAR;		/* it says more than is so */
	if (l->protection == SMIME_HP_NONE || end > HEADER_MOST)
		return arena_status(&l->a);
	if (l->protection == SMIME_HP_CIPHER && r->header.n <= HEADER_MOST && outside_differs(inside, r->header))
		l->problems |= PROBLEM(OUTER_FIELDS);
	st = read_fields(l, inside);
	return st == ST_OK ? compare_authors(r, inside) : st;
}

/* ---- the letter as it was ---- */

static enum status put_fields(const struct legacy *entity, size_t end, bool outer, bool author, bool structure,
			      struct buf *out)
{
	struct view header = view_head(entity->whole, end);
	enum status st = ST_OK;
	struct field f;
	size_t at = 0;

	while (st == ST_OK && field_next(header, &at, &f)) {
		bool wanted = protect_is_structural(f.name) ? structure : protect_is_outer(f.name) ? outer : author;

		if (wanted && !view_eq_i(f.name, VIEW("MIME-Version")))
			st = legacy_put(entity, f.start, f.end, cms_to_buf, out);
	}
	return st;
}

/* What is packed may be a text and no MIME entity (the examples of RFC 4134 are). */
static bool begins_with_field(struct view entity)
{
	struct field f;
	size_t at = 0;

	return !field_next(entity, &at, &f) || f.name.n;
}

static enum status put_header(const struct legacy *outer, size_t outer_end, const struct legacy *payload, size_t end,
			      bool inside, struct buf *out)
{
	enum status st = put_fields(outer, outer_end, true, !inside, false, out);

	if (st == ST_OK)
		st = put_fields(payload, end, false, inside, false, out);
	buf_puts(out, "MIME-Version: 1.0\r\n");
	if (st == ST_OK)
		st = put_fields(payload, end, false, false, true, out);
	buf_puts(out, "\r\n");
	return st == ST_OK ? buf_status(out) : st;
}

enum status smime_put_letter(const struct smime_letter *l, struct view letter,
			     enum status (*take)(void *arg, struct view piece), void *arg)
{
	struct legacy outer = { .whole = letter }, payload = { .whole = l->payload };
	size_t outer_end = header_size(letter), end = begins_with_field(l->payload) ? header_size(l->payload) : 0;
	struct buf header = BUF(outer_end + end + 64);
	enum status st = ST_OK;

	if (l->n_layers == 0)
		return take(arg, letter);
	if (l->protection == SMIME_HP_CIPHER)
		st = legacy_remove(l->payload, &payload);
	if (st == ST_OK)
		st = put_header(&outer, outer_end, &payload, end, l->protection != SMIME_HP_NONE, &header);
	if (st == ST_OK)
		st = take(arg, buf_view(&header));
	if (st == ST_OK)
		st = legacy_put(&payload, end, l->payload.n, take, arg);
	buf_free(&header);
	legacy_free(&payload);
	return st;
}
