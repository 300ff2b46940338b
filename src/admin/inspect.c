/* inspect.c - waxwing inspect mime, header, address: what we make of bytes on standard
 * input, as one JSON object.  Reads no instance and asks nobody. */
#include "admin/inspect.h"
#include "admin/listing.h"
#include "admin/tell.h"

#include "base/clock.h"
#include "msg/address.h"
#include "msg/charset.h"
#include "msg/check.h"
#include "msg/date.h"
#include "msg/decode.h"
#include "msg/lex.h"
#include "msg/msgid.h"
#include "msg/received.h"
#include "msg/render.h"
#include "msg/word.h"

#include <stdio.h>
#include <string.h>

/* Of standard input; and of what is decoded from it. */
enum { INPUT_MAX = 256 * 1024 * 1024 };

/* ---- texts ---- */

static json_t *text_of(struct buf *b)
{
	json_t *text = json_text(buf_view(b));

	buf_free(b);
	return text;
}

/* Header text with encoded words undone. */
static json_t *decoded(struct view raw)
{
	struct buf text = BUF(INPUT_MAX);

	words_decode(lex_trim(raw), &text);
	return text_of(&text);
}

static json_t *name_of(const struct address *a)
{
	struct buf phrase = BUF(INPUT_MAX), text = BUF(INPUT_MAX);

	address_put_name(a, &phrase);
	words_decode(buf_view(&phrase), &text);
	buf_free(&phrase);
	if (text.n == 0) {
		buf_free(&text);
		return json_null();
	}
	return text_of(&text);
}

static json_t *spec_of(const struct address *a)
{
	struct buf text = BUF(INPUT_MAX);

	address_put(a, &text);
	return text_of(&text);
}

/* ---- fields ---- */

/* Groups hold their members; an address outside of them stands by itself. */
static json_t *addresses_of(struct view field)
{
	struct address_reader r = address_reader(field);
	json_t *all = json_array(), *in = all;
	struct address a;

	while (address_next(&r, &a)) {
		json_t *one;

		if (a.kind == ADDRESS_GROUP_END) {
			in = all;
			continue;
		}
		one = json_object();
		if (a.kind == ADDRESS_GROUP) {
			in = json_array();
			json_object_set_new(one, "group", name_of(&a));
			json_object_set_new(one, "addresses", in);
			json_array_append_new(all, one);
			continue;
		}
		json_object_set_new(one, "name", name_of(&a));
		json_object_set_new(one, "address", spec_of(&a));
		if (a.route.n)
			json_object_set_new(one, "route", json_text(a.route));
		json_array_append_new(in, one);
	}
	return all;
}

static json_t *ids_of(struct view field)
{
	struct msgid_reader r = msgid_reader(field);
	json_t *all = json_array();
	struct view id;

	while (msgid_next(&r, &id))
		json_array_append_new(all, json_text(id));
	return all;
}

static json_t *date_of(struct view field)
{
	char text[RFC3339_SIZE];
	struct date d;
	json_t *o;

	if (date_parse(field, &d) != ST_OK)
		return json_null();
	o = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "year", d.year, "month", d.month, "day", d.day,
		      "hour", d.hour, "minute", d.minute, "second", d.second, "zone", d.zone);
	json_object_set_new(o, "utc", json_string(clock_rfc3339(date_wall(&d), text)));
	return o;
}

static json_t *value_of(const struct param *p)
{
	struct buf octets = BUF(INPUT_MAX), text = BUF(INPUT_MAX);

	if (!p->extended && memmem(p->value.p, p->value.n, "=?", 2)) {
		words_decode(p->value, &text);
	} else {
		param_octets(p, &octets);
		charset_text(p->charset, buf_view(&octets), &text);
	}
	buf_free(&octets);
	return text_of(&text);
}

static void add_lower(json_t *to, const char *key, struct view v)
{
	struct buf lower = BUF(INPUT_MAX);

	for (size_t i = 0; i < v.n; i++)
		buf_putc(&lower, ascii_lower(v.p[i]));
	json_object_set_new(to, key, json_text_or_null(buf_view(&lower)));
	buf_free(&lower);
}

static json_t *content_of(const struct content *c)
{
	json_t *o = json_object(), *params = json_array();

	add_lower(o, "type", c->type);
	add_lower(o, "subtype", c->subtype);
	for (uint32_t i = 0; i < c->n; i++) {
		json_t *p = json_object();

		add_lower(p, "name", c->params[i].name);
		json_object_set_new(p, "value", value_of(&c->params[i]));
		if (c->params[i].language.n)
			json_object_set_new(p, "language", json_text(c->params[i].language));
		json_array_append_new(params, p);
	}
	json_object_set_new(o, "parameters", params);
	return o;
}

static json_t *parsed_content(struct view field)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct content c;
	json_t *o = content_parse(field, &a, &c) == ST_OK && c.type.n ? content_of(&c) : json_null();

	arena_free(&a);
	return o;
}

static json_t *received_of(struct view field)
{
	struct received r;
	json_t *o = json_object();

	received_parse(field, &r);
	const struct {
		const char *key;
		struct view v;
	} said[] = {
		{ "from", r.from }, { "address", r.address }, { "reverse", r.reverse }, { "helo", r.helo },
		{ "by", r.by }, { "via", r.via }, { "with", r.with }, { "id", r.id }, { "for", r.to },
		{ "tls_version", r.tls_version }, { "tls_cipher", r.tls_cipher },
	};

	for (size_t i = 0; i < sizeof said / sizeof *said; i++)
		json_object_set_new(o, said[i].key, json_text_or_null(said[i].v));
	json_object_set_new(o, "date", date_of(r.date_text));
	return o;
}

/* How the fields that are known are understood. */
static const struct {
	const char *key;
	json_t *(*make)(struct view field);
} meanings[FIELD_IDS + 1] = {
	[FIELD_DATE] = { "date", date_of },
	[FIELD_FROM] = { "addresses", addresses_of },
	[FIELD_SENDER] = { "addresses", addresses_of },
	[FIELD_REPLY_TO] = { "addresses", addresses_of },
	[FIELD_TO] = { "addresses", addresses_of },
	[FIELD_CC] = { "addresses", addresses_of },
	[FIELD_BCC] = { "addresses", addresses_of },
	[FIELD_MESSAGE_ID] = { "ids", ids_of },
	[FIELD_IN_REPLY_TO] = { "ids", ids_of },
	[FIELD_REFERENCES] = { "ids", ids_of },
	[FIELD_ID] = { "ids", ids_of },
	[FIELD_TYPE] = { "content", parsed_content },
	[FIELD_DISPOSITION] = { "content", parsed_content },
	[FIELD_IDS] = { NULL, NULL },
};

static json_t *field_of(const struct field *f, size_t base)
{
	enum field_id id = field_id(f->name);
	json_t *o = json_pack("{s:I, s:I}", "start", (json_int_t)(base + f->start),
			      "end", (json_int_t)(base + f->end));

	json_object_set_new(o, "name", json_text_or_null(f->name));
	json_object_set_new(o, "text", decoded(f->value));
	if (meanings[id].key)
		json_object_set_new(o, meanings[id].key, meanings[id].make(f->value));
	if (view_eq_i(f->name, VIEW("Received")))
		json_object_set_new(o, "received", received_of(f->value));
	return o;
}

static json_t *fields_of(struct view header, size_t base)
{
	json_t *all = json_array();
	struct field f;
	size_t at = 0;

	while (field_next(header, &at, &f))
		json_array_append_new(all, field_of(&f, base));
	return all;
}

/* ---- the kinds ---- */

static json_t *inspect_header(struct view input)
{
	return json_pack("{s:o}", "fields", fields_of(input, 0));
}

static json_t *inspect_address(struct view input)
{
	enum address_verdict verdict;

	/* The line end that echo(1) adds. */
	if (input.n && input.p[input.n - 1] == '\n')
		input.n--;
	verdict = address_check(input);

	return json_pack("{s:s, s:s, s:o}", "category", address_category_name(verdict),
			 "diagnosis", address_verdict_name(verdict), "addresses", addresses_of(input));
}

static void add_content(json_t *o, const struct mime *m, const struct mime_part *p)
{
	struct buf octets = BUF(INPUT_MAX), text = BUF(INPUT_MAX);
	struct decoder d;

	decoder_begin(&d, (enum mime_encoding)p->encoding);
	decoder_put(&d, mime_body(m, p), &octets);
	decoder_end(&d, &octets);
	json_object_set_new(o, "octets", json_integer((json_int_t)octets.n));
	json_object_set_new(o, "damaged", json_boolean(d.damaged));
	if (mime_is_text(p)) {
		charset_text(mime_charset(p), buf_view(&octets), &text);
		json_object_set_new(o, "text", json_text(buf_view(&text)));
	}
	buf_free(&octets);
	buf_free(&text);
}

static json_t *part_of(const struct mime *m, const struct mime_part *p)
{
	static const char *const kinds[] = {
		[MIME_LEAF] = "leaf", [MIME_MULTIPART] = "multipart", [MIME_MESSAGE] = "message",
	};
	struct view disposition = mime_field(m, p, FIELD_DISPOSITION);
	json_t *o = json_pack("{s:s, s:i, s:b, s:I, s:I, s:I, s:I, s:I}", "kind", kinds[p->kind],
			      "depth", (int)p->depth, "opaque", (int)p->opaque,
			      "parent", p->parent == MIME_NONE ? (json_int_t)-1 : (json_int_t)p->parent,
			      "header", (json_int_t)p->header, "body", (json_int_t)p->body,
			      "end", (json_int_t)p->end, "lines", (json_int_t)p->lines);

	json_object_set_new(o, "content", content_of(&p->content));
	if (disposition.n)
		json_object_set_new(o, "disposition", parsed_content(disposition));
	json_object_set_new(o, "fields", fields_of(mime_header(m, p), p->header));
	if (p->kind == MIME_LEAF)
		add_content(o, m, p);
	return o;
}

static json_t *inspect_mime(struct view input)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	json_t *o = NULL, *parts;
	struct msg_rendered r;
	struct mime m;

	if (mime_parse(input, &a, &m) == ST_OK && msg_render(input, &r) == ST_OK) {
		parts = json_array();
		for (uint32_t i = 0; i < m.n; i++)
			json_array_append_new(parts, part_of(&m, &m.parts[i]));
		o = json_pack("{s:I, s:o}", "size", (json_int_t)input.n, "parts", parts);
		json_object_set_new(o, "envelope", json_text(buf_view(&r.envelope)));
		json_object_set_new(o, "bodystructure", json_text(buf_view(&r.bodystructure)));
		json_object_set_new(o, "subject_base", json_text(buf_view(&r.subject_base)));
		msg_rendered_free(&r);
	}
	arena_free(&a);
	return o;
}

static int show(const struct invocation *in, json_t *(*inspect)(struct view input))
{
	struct buf input = BUF(INPUT_MAX);
	json_t *o = NULL;
	enum status st;

	if (!take_time(in))
		return WRONG_USE;
	st = read_input(&input);
	if (st == ST_OK)
		o = inspect(buf_view(&input));
	buf_free(&input);
	return o ? print_json(o) : complain("standard input", st == ST_OK ? ST_NOMEM : st, NULL);
}

int cmd_inspect_mime(struct invocation *in)
{
	return show(in, inspect_mime);
}

int cmd_inspect_header(struct invocation *in)
{
	return show(in, inspect_header);
}

int cmd_inspect_address(struct invocation *in)
{
	return show(in, inspect_address);
}
