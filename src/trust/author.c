#include "trust/author.h"

#include "msg/address.h"
#include "msg/header.h"
#include "msg/word.h"
#include "trust/domain.h"

enum { TEXT_MOST = 4096 };

const char *author_problem(enum author_kind k)
{
	static const char *const problems[] = {
		[AUTHOR_SEVERAL] = "several authors",
		[AUTHOR_NONE] = "no From: field",
		[AUTHOR_EMPTY] = "From: names nobody",
		[AUTHOR_TWICE] = "two From: fields",
		[AUTHOR_BAD] = "From: has an address that is none",
		[AUTHOR_TOO_MANY] = "too many authors",
	};

	return problems[k];
}

/* As people may see it: no byte that moves a cursor or ends a line. */
static struct view shown(struct arena *a, struct view text)
{
	char *p = arena_alloc(a, text.n);

	for (size_t i = 0; p && i < text.n; i++)
		p[i] = (unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f ? ' ' : text.p[i];
	return view_make(p, p ? text.n : 0);
}

static struct view name_of(const struct address *from, struct arena *a)
{
	struct buf phrase = BUF(TEXT_MOST), text = BUF(3 * TEXT_MOST);
	struct view v;

	address_put_name(from, &phrase);
	words_decode(buf_view(&phrase), &text);
	v = shown(a, view_trim(buf_view(&text)));
	buf_free(&phrase);
	buf_free(&text);
	return v;
}

/* An encoded word in an address is no encoding there (RFC 2047 5): it stays as
 * it is, and as a domain it is none. */
static bool take_address(const struct address *from, struct arena *a, struct author_address *ret)
{
	struct buf whole = BUF(TEXT_MOST), domain = BUF(TEXT_MOST);
	bool good;

	*ret = (struct author_address){ .name = name_of(from, a) };
	address_put(from, &whole);
	address_put_spec(from->domain, &domain);
	good = buf_status(&whole) == ST_OK && buf_status(&domain) == ST_OK && from->local.n &&
	       domain_ascii(buf_view(&domain), a, &ret->domain) == ST_OK;
	ret->address = shown(a, buf_view(&whole));
	buf_free(&whole);
	buf_free(&domain);
	return good;
}

static void add(struct author *au, const struct address *from, struct arena *a)
{
	if (au->n == AUTHORS_MOST)
		au->kind = AUTHOR_TOO_MANY;
	else if (!take_address(from, a, &au->all[au->n++]))
		au->kind = AUTHOR_BAD;
}

static void read_field(struct view value, struct arena *a, struct author *au)
{
	struct address_reader r = address_reader(value);
	struct address from;

	while (address_next(&r, &from) && au->kind != AUTHOR_TOO_MANY)
		if (from.kind == ADDRESS_MAILBOX)
			add(au, &from, a);
	if (au->kind == AUTHOR_ONE && au->n == 0)
		au->kind = AUTHOR_EMPTY;
	else if (au->kind == AUTHOR_ONE && au->n > 1)
		au->kind = AUTHOR_SEVERAL;
}

/* Somebody else's address as a name. */
static bool name_lies(const struct author_address *one)
{
	size_t at = view_find(one->name, '@'), n = 0;
	struct view rest = view_skip(one->name, at + 1), domain;

	while (n < rest.n && (ascii_alpha(rest.p[n]) || ascii_digit(rest.p[n]) || rest.p[n] == '-' || rest.p[n] == '.'))
		n++;
	domain = view_head(rest, n);
	return at > 0 && at < one->name.n && view_find(domain, '.') < domain.n && !domain_within(one->domain, domain);
}

enum status author_read(struct view value, struct arena *a, struct author *ret)
{
	struct author au = { .kind = AUTHOR_ONE, .all = arena_array(a, AUTHORS_MOST, sizeof *au.all) };

	if (au.all == NULL)
		return arena_status(a);
	read_field(value, a, &au);
	if (arena_status(a) != ST_OK)
		return arena_status(a);
	*ret = au;
	return ST_OK;
}

enum status author_find(struct view header, struct arena *a, struct author *ret)
{
	struct author au = { .kind = AUTHOR_NONE, .all = arena_array(a, AUTHORS_MOST, sizeof *au.all) };
	struct field f;
	size_t at = 0;

	if (au.all == NULL)
		return arena_status(a);
	while (field_next(header, &at, &f)) {
		if (field_id(f.name) != FIELD_FROM)
			continue;
		if (au.kind != AUTHOR_NONE) {
			au.kind = AUTHOR_TWICE;
			break;
		}
		au.kind = AUTHOR_ONE;
		read_field(f.value, a, &au);
	}
	for (size_t i = 0; i < au.n; i++)
		au.name_lies |= name_lies(&au.all[i]);
	if (arena_status(a) != ST_OK)
		return arena_status(a);
	*ret = au;
	return ST_OK;
}
