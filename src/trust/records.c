#include "trust/records.h"

#include "base/buf.h"
#include "base/cursor.h"
#include "base/map.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <xxhash.h>

enum { ALIASES_MOST = 8, RDATA_MOST = 64 * 1024, MEMORY_MOST = 16 * RECORDS_MAX, ANY_TYPE = 0 };

struct record_entry {
	struct record_entry *next;	/* of the same name */
	struct view name;
	uint16_t type;		/* ANY_TYPE: for all that are not listed; also for a name that only has others below it */
	bool marks;		/* an outcome, not a record */
	enum dns_outcome outcome;
	struct view rdata;
};

struct records {
	struct resolver resolver;
	struct arena memory;
	struct map names;	/* hash of a name -> its records */
	bool secure;
	size_t asked;
};

static const struct {
	const char *word;
	enum dns_type type;
} types[] = {
	{ "A", DNS_A }, { "AAAA", DNS_AAAA }, { "TXT", DNS_TXT }, { "MX", DNS_MX },
	{ "PTR", DNS_PTR }, { "CNAME", DNS_CNAME }, { "*", (enum dns_type)ANY_TYPE },
};

static const struct {
	const char *word;
	enum dns_outcome outcome;
} outcomes[] = {
	{ "TIMEOUT", DNS_FAILED }, { "SERVFAIL", DNS_FAILED }, { "BOGUS", DNS_BOGUS }, { "NODATA", DNS_NO_DATA },
};

static uint64_t hash_of(struct view name)
{
	return XXH3_64bits(name.p, name.n);
}

/* ---- reading the text ---- */

static bool is_word(char c)
{
	return c != ' ' && c != '\t' && c != '"' && c != ';';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct view take_word(struct cursor *c)
{
	take_while(c, is_blank);
	return take_while(c, is_word);
}

/* Three digits. */
static char octet(const char *p)
{
	return (char)((p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0'));
}

/* Also a word without quotes is a string. */
static bool take_string(struct cursor *c, struct buf *out)
{
	struct buf s = BUF(255);

	take_while(c, is_blank);
	if (!take_char(c, '"')) {
		buf_put(&s, take_word(c));
	} else {
		while (cursor_left(c) && *c->p != '"') {
			char x = *c->p++;

			if (x == '\\' && cursor_left(c) >= 3 && ascii_digit(c->p[0])) {
				x = octet(c->p);
				c->p += 3;
			} else if (x == '\\' && cursor_left(c)) {
				x = *c->p++;
			}
			buf_putc(&s, x);
		}
		if (!take_char(c, '"'))
			s.st = ST_SYNTAX;
	}
	put_u8(out, (uint8_t)s.n);
	buf_put(out, buf_view(&s));
	if (buf_status(&s) != ST_OK)
		out->st = buf_status(&s);
	buf_free(&s);
	return buf_status(out) == ST_OK;
}

static bool at_end(struct cursor *c)
{
	take_while(c, is_blank);
	return cursor_left(c) == 0 || *c->p == ';';
}

static void put_name(struct buf *out, struct view name)
{
	while (name.n) {
		struct view label = view_head(name, view_find(name, '.'));

		if (label.n == 0 || label.n > 63)
			out->st = ST_SYNTAX;
		put_u8(out, (uint8_t)label.n);
		buf_put(out, label);
		name = view_skip(name, label.n + 1);
	}
	put_u8(out, 0);
}

static void put_address(struct buf *out, int family, struct view text)
{
	char word[INET6_ADDRSTRLEN], bytes[16];

	if (text.n >= sizeof word) {
		out->st = ST_SYNTAX;
		return;
	}
	memcpy(word, text.p, text.n);
	word[text.n] = '\0';
	if (inet_pton(family, word, bytes) != 1)
		out->st = ST_SYNTAX;
	else
		buf_put(out, view_make(bytes, family == AF_INET ? 4 : 16));
}

static void put_mx(struct buf *out, struct cursor *c)
{
	uint64_t preference;

	if (!view_u64(take_word(c), &preference) || preference > 0xffff) {
		out->st = ST_SYNTAX;
		return;
	}
	put_u8(out, (uint8_t)(preference >> 8));
	put_u8(out, (uint8_t)preference);
	put_name(out, take_word(c));
}

static void put_rdata(struct buf *out, struct cursor *c, uint16_t type)
{
	switch (type) {
	case DNS_A:
		put_address(out, AF_INET, take_word(c));
		break;
	case DNS_AAAA:
		put_address(out, AF_INET6, take_word(c));
		break;
	case DNS_MX:
		put_mx(out, c);
		break;
	case DNS_TXT:
		while (!at_end(c) && take_string(c, out))
			;
		break;
	case DNS_PTR:
	case DNS_CNAME:
		put_name(out, take_word(c));
		break;
	default:
		out->st = ST_SYNTAX;
	}
}

static struct record_entry *find_name(const struct records *r, struct view name)
{
	struct record_entry *at = map_get(&r->names, hash_of(name));

	while (at && !view_eq(at->name, name))
		at = at->next;
	return at;
}

static enum status add(struct records *r, struct record_entry one)
{
	struct record_entry *new = ARENA_NEW(&r->memory, struct record_entry), *last;
	uint64_t key = hash_of(one.name);

	if (new == NULL)
		return arena_status(&r->memory);
	*new = one;
	last = map_get(&r->names, key);
	if (last == NULL)
		return map_set(&r->names, key, new);
	while (last->next)
		last = last->next;
	last->next = new;
	return ST_OK;
}

/* What stands above a name is there too (RFC 8020 2). */
static enum status add_above(struct records *r, struct view name)
{
	enum status st = ST_OK;

	for (size_t dot; st == ST_OK && (dot = view_find(name, '.')) < name.n;) {
		name = view_skip(name, dot + 1);
		if (find_name(r, name))
			break;
		st = add(r, (struct record_entry){ .name = name, .type = ANY_TYPE, .marks = true, .outcome = DNS_NO_DATA });
	}
	return st;
}

static struct view lower_copy(struct arena *a, struct view v)
{
	char *p = arena_alloc(a, v.n);

	for (size_t i = 0; p && i < v.n; i++)
		p[i] = ascii_lower(v.p[i]);
	return view_make(p, p ? v.n : 0);
}

/* An owner's name, with \DDD for octets. */
static struct view owner_name(struct arena *a, struct view v)
{
	char *p = arena_alloc(a, v.n);
	size_t n = 0;

	for (size_t i = 0; p && i < v.n; i++) {
		char c = v.p[i];

		if (c == '\\' && i + 3 < v.n && ascii_digit(v.p[i + 1])) {
			c = octet(v.p + i + 1);
			i += 3;
		}
		p[n++] = ascii_lower(c);
	}
	return view_make(p, n);
}

static bool type_of(struct view word, uint16_t *ret_type)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (!view_eq_i(word, view_cstr(types[i].word)))
			continue;
		*ret_type = (uint16_t)types[i].type;
		return true;
	}
	return false;
}

static bool take_outcome(struct cursor *c, struct record_entry *one)
{
	struct cursor again = *c;
	struct view word = take_word(&again);

	for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
		if (!view_eq(word, view_cstr(outcomes[i].word)))
			continue;
		*c = again;
		one->marks = true;
		one->outcome = outcomes[i].outcome;
		return true;
	}
	return false;
}

static enum status take_line(struct records *r, struct view line)
{
	struct cursor c = cursor_over(line);
	struct buf rdata = BUF(RDATA_MOST);
	struct record_entry one = { 0 };
	struct view name;
	enum status st;

	if (at_end(&c))
		return ST_OK;
	name = take_word(&c);
	if (view_eq(name, VIEW("SECURE")) && at_end(&c)) {
		r->secure = true;
		return ST_OK;
	}
	if (!type_of(take_word(&c), &one.type))
		return ST_SYNTAX;
	if (!take_outcome(&c, &one))
		put_rdata(&rdata, &c, one.type);
	one.name = owner_name(&r->memory, name);
	one.rdata = arena_copy(&r->memory, buf_view(&rdata));
	st = buf_status(&rdata);
	buf_free(&rdata);
	if (st == ST_OK && !at_end(&c))
		st = ST_SYNTAX;
	if (st == ST_OK)
		st = arena_status(&r->memory);
	if (st == ST_OK)
		st = add(r, one);
	return st == ST_OK ? add_above(r, one.name) : st;
}

/* ---- answering ---- */

static size_t find_all(const struct record_entry *from, struct view name, uint16_t type, struct view *ret_rdata,
		       const struct record_entry **ret_mark)
{
	size_t n = 0;

	for (const struct record_entry *at = from; at; at = at->next) {
		if (at->type != type || !view_eq(at->name, name))
			continue;
		if (at->marks)
			*ret_mark = at;
		else if (ret_rdata)
			ret_rdata[n++] = at->rdata;
		else
			n++;
	}
	return n;
}

static enum status answer(struct records *r, struct view name, uint16_t type, struct arena *a,
			  struct dns_answer *ret)
{
	const struct record_entry *from = find_name(r, name), *mark = NULL;
	struct dns_answer out = { .outcome = DNS_NO_NAME, .secure = r->secure, .ttl = 3600, .name = name };
	size_t n = find_all(from, name, type, NULL, &mark);

	if (n) {
		out.outcome = DNS_FOUND;
		out.rdata = arena_array(a, n, sizeof *out.rdata);
		if (out.rdata == NULL)
			return arena_status(a);
		out.n = find_all(from, name, type, out.rdata, &mark);
	} else {
		if (mark == NULL && from)
			find_all(from, name, ANY_TYPE, NULL, &mark);
		if (from)
			out.outcome = mark ? mark->outcome : DNS_NO_DATA;
		if (out.outcome == DNS_FAILED)
			out.why = VIEW("the records say so");
	}
	*ret = out;
	return ST_OK;
}

static const struct record_entry *alias_of(const struct records *r, struct view name)
{
	const struct record_entry *at = find_name(r, name);

	while (at && (at->type != DNS_CNAME || at->marks || !view_eq(at->name, name)))
		at = at->next;
	return at;
}

/* The RDATA that put_name wrote. */
static struct view name_in(struct arena *a, struct view rdata)
{
	struct buf b = BUF(DNS_NAME_MAX + 1);
	struct cursor c = cursor_over(rdata);
	struct view name;

	for (uint8_t n; (n = take_u8(&c)) > 0;) {
		if (b.n)
			buf_putc(&b, '.');
		buf_put(&b, take_bytes(&c, n));
	}
	name = lower_copy(a, buf_view(&b));
	buf_free(&b);
	return name;
}

static enum status ask(struct resolver *resolver, struct view name, enum dns_type type, struct arena *a,
		       struct dns_answer *ret)
{
	struct records *r = (struct records *)resolver;
	struct view at = lower_copy(a, name);

	r->asked++;
	for (int i = 0; i <= ALIASES_MOST; i++) {
		const struct record_entry *alias = type == DNS_CNAME ? NULL : alias_of(r, at);

		if (arena_status(a) != ST_OK)
			return arena_status(a);
		if (alias == NULL)
			return answer(r, at, (uint16_t)type, a, ret);
		at = name_in(a, alias->rdata);
	}
	*ret = (struct dns_answer){ .outcome = DNS_FAILED, .name = at, .why = VIEW("aliases go in circles") };
	return ST_OK;
}

enum status records_open(struct view text, struct records **ret, unsigned *ret_line)
{
	struct records *r = text.n > RECORDS_MAX ? NULL : calloc(1, sizeof *r);
	enum status st = ST_OK;
	unsigned line = 0;

	if (r == NULL)
		return text.n > RECORDS_MAX ? ST_LIMIT : ST_NOMEM;
	r->memory = ARENA(MEMORY_MOST);
	r->resolver.ask = ask;
	while (text.n && st == ST_OK) {
		struct view one = view_head(text, view_find(text, '\n'));

		text = view_skip(text, one.n + 1);
		line++;
		if (one.n && one.p[one.n - 1] == '\r')
			one.n--;
		st = take_line(r, one);
	}
	if (st != ST_OK) {
		*ret_line = line;
		records_free(r);
		return st;
	}
	*ret = r;
	return ST_OK;
}

void records_free(struct records *r)
{
	if (r == NULL)
		return;
	map_free(&r->names);
	arena_free(&r->memory);
	free(r);
}

struct resolver *records_resolver(struct records *r)
{
	return &r->resolver;
}

size_t records_asked(const struct records *r)
{
	return r->asked;
}
