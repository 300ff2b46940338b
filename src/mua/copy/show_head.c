/* show_head.c - who sent it, to whom, what about, and whether that is proved. */
#include "mua/copy/show_internal.h"

#include "msg/address.h"
#include "msg/date.h"
#include "msg/word.h"
#include "mua/copy/text.h"
#include "trust/author.h"
#include "trust/authres.h"
#include "trust/domain.h"

#include <time.h>

enum { NAME_COLUMNS = 10, FIELD_MOST = 256 * 1024, ADDRESSES_MOST = 200 };

/* ---- fields ---- */

static void put_name(struct showing *s, const char *name)
{
	show_mark(s, SHOW_HEADER_NAME);
	buf_puts(s->out, name);
	buf_putc(s->out, ':');
	for (size_t n = strlen(name) + 1; n < NAME_COLUMNS; n++)
		buf_putc(s->out, ' ');
}

static void put_value(struct showing *s, struct view text, enum show_style style)
{
	struct buf line = BUF(4 * FIELD_MOST);
	struct view first;
	size_t n;

	show_line(text, 0, &line);
	show_mark(s, style);
	/* The name stands on the first line already. */
	n = s->out->n;
	text_wrap(buf_view(&line), VIEW("          "), VIEW("          "), s->o->width, s->out);
	first = view_make(s->out->p + n, s->out->n - n);
	if (buf_status(s->out) == ST_OK && first.n > NAME_COLUMNS) {
		memmove(s->out->p + n, s->out->p + n + NAME_COLUMNS, first.n - NAME_COLUMNS);
		s->out->n -= NAME_COLUMNS;
	}
	show_mark(s, SHOW_TEXT);
	buf_free(&line);
}

static void put_words(struct showing *s, const char *name, struct view raw)
{
	struct buf text = BUF(4 * FIELD_MOST);

	words_decode(view_head(raw, FIELD_MOST), &text);
	if (view_trim(buf_view(&text)).n) {
		put_name(s, name);
		put_value(s, buf_view(&text), SHOW_HEADER);
	}
	buf_free(&text);
}

static void put_one_address(const struct address *ad, struct buf *out)
{
	struct buf raw = BUF(FIELD_MOST), name = BUF(4 * FIELD_MOST);

	address_put_name(ad, &raw);
	words_decode(buf_view(&raw), &name);
	buf_put(out, view_trim(buf_view(&name)));
	if (name.n)
		buf_puts(out, " <");
	address_put(ad, out);
	if (name.n)
		buf_putc(out, '>');
	buf_free(&raw);
	buf_free(&name);
}

static void put_addresses(struct showing *s, const char *name, struct view raw)
{
	struct address_reader r = address_reader(view_head(raw, FIELD_MOST));
	struct buf text = BUF(4 * FIELD_MOST);
	struct address ad;
	size_t n = 0;

	while (n < ADDRESSES_MOST && address_next(&r, &ad)) {
		if (ad.kind == ADDRESS_GROUP_END)
			continue;
		if (n++)
			buf_puts(&text, ", ");
		if (ad.kind == ADDRESS_GROUP) {
			address_put_phrase(ad.phrase, &text);
			buf_putc(&text, ':');
		} else {
			put_one_address(&ad, &text);
		}
	}
	if (n == ADDRESSES_MOST)
		buf_puts(&text, ", ...");
	if (n) {
		put_name(s, name);
		put_value(s, buf_view(&text), SHOW_HEADER);
	}
	buf_free(&text);
}

/* The author, as the checks see him (author.h). */
static void put_author(struct showing *s, struct view header)
{
	struct buf text = BUF(4 * FIELD_MOST);
	struct author au;

	if (author_find(header, s->a, &au) != ST_OK)
		return;
	for (size_t i = 0; i < au.n; i++) {
		const struct author_address *one = &au.all[i];

		if (i)
			buf_puts(&text, ", ");
		if (one->name.n)
			buf_putf(&text, "%.*s <%.*s>", VIEW_ARG(one->name), VIEW_ARG(one->address));
		else
			buf_put(&text, one->address);
	}
	put_name(s, "From");
	put_value(s, text.n ? buf_view(&text) : VIEW("(nobody)"), SHOW_HEADER);
	if (author_problem(au.kind)) {
		put_name(s, "Note");
		put_value(s, view_cstr(author_problem(au.kind)), SHOW_BAD);
	}
	if (au.name_lies) {
		put_name(s, "Note");
		put_value(s, VIEW("the name shows an address that is not the author's"), SHOW_BAD);
	}
	buf_free(&text);
}

static void put_date(struct showing *s, struct view raw)
{
	struct date d;
	struct tm tm;
	time_t t;
	char text[64];

	if (date_parse(raw, &d) != ST_OK) {
		put_words(s, "Date", raw);
		return;
	}
	t = (time_t)(date_wall(&d) / 1000);
	if (localtime_r(&t, &tm) && strftime(text, sizeof text, "%a, %e %b %Y %H:%M %z", &tm) > 0) {
		put_name(s, "Date");
		put_value(s, view_cstr(text), SHOW_HEADER);
	}
}

void show_fields(struct showing *s, uint32_t part)
{
	const struct mime_part *p = &s->m->parts[part];

	put_author(s, mime_header(s->m, p));
	put_addresses(s, "To", mime_field(s->m, p, FIELD_TO));
	put_addresses(s, "Cc", mime_field(s->m, p, FIELD_CC));
	if (!view_eq(mime_field(s->m, p, FIELD_REPLY_TO), mime_field(s->m, p, FIELD_FROM)))
		put_addresses(s, "Reply-To", mime_field(s->m, p, FIELD_REPLY_TO));
	put_date(s, mime_field(s->m, p, FIELD_DATE));
	put_words(s, "Subject", mime_field(s->m, p, FIELD_SUBJECT));
	buf_putc(s->out, '\n');
}

static void put_every_field(struct showing *s)
{
	struct view header = mime_header(s->m, &s->m->parts[0]);
	struct field f;
	size_t at = 0;

	while (field_next(header, &at, &f) && buf_status(s->out) == ST_OK) {
		struct buf text = BUF(4 * FIELD_MOST), name = BUF(1024);

		words_decode(view_head(f.value, FIELD_MOST), &text);
		show_line(view_head(f.name, 200), 0, &name);
		show_mark(s, SHOW_HEADER_NAME);
		buf_put(s->out, buf_view(&name));
		buf_puts(s->out, f.name.n ? ": " : "");
		show_mark(s, SHOW_HEADER);
		show_line(buf_view(&text), 0, s->out);
		buf_putc(s->out, '\n');
		buf_free(&text);
		buf_free(&name);
	}
	show_mark(s, SHOW_TEXT);
	buf_putc(s->out, '\n');
}

/* ---- keywords ---- */

static struct view word_of(struct view keyword)
{
	static const struct {
		struct view keyword, word;
	} known[] = {
		{ VIEW("$Junk"), VIEW("junk") },
		{ VIEW("$Phishing"), VIEW("phishing") },
		{ VIEW("$Important"), VIEW("important") },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (view_eq_i(keyword, known[i].keyword))
			return known[i].word;
	return keyword.p[0] == '$' && !view_starts_i(keyword, VIEW("$label")) ? VIEW_NONE : keyword;
}

void show_keywords(struct view keywords, struct buf *out)
{
	size_t from = out->n;
	struct view w;

	while ((w = view_take_word(&keywords)).n) {
		struct view word = word_of(w);

		if (word.n) {
			buf_puts(out, out->n > from ? ", " : "");
			show_line(word, 0, out);
		}
	}
}

static void put_keywords(struct showing *s)
{
	struct buf line = BUF(8192);

	show_keywords(s->o->keywords, &line);
	if (line.n) {
		put_name(s, "Tags");
		put_value(s, buf_view(&line), SHOW_HEADER);
	}
	buf_free(&line);
}

/* ---- the verdict ---- */

static const struct authres_result *result_of(const struct authres *r, struct view method)
{
	for (size_t i = 0; i < r->n; i++)
		if (view_eq_i(r->results[i].method, method))
			return &r->results[i];
	return NULL;
}

static struct view property_of(const struct authres_result *r, struct view type, struct view name)
{
	for (size_t i = 0; i < r->n; i++)
		if (view_eq_i(r->properties[i].type, type) && view_eq_i(r->properties[i].name, name))
			return r->properties[i].value;
	return VIEW_NONE;
}

/* RFC 8601 5.  Only the topmost field of our own server: one that stands lower came with
 * the letter. */
static bool find_results(struct view header, struct view id, struct arena *a, struct authres *ret)
{
	struct field f;
	size_t at = 0;

	while (field_next(header, &at, &f))
		if (view_eq_i(f.name, VIEW("Authentication-Results")) && authres_parse(f.value, a, ret) == ST_OK &&
		    view_eq_i(ret->id, id))
			return true;
	return false;
}

/* DMARC is about the author's domain, and only if it says that one. */
static enum show_style put_dmarc(const struct authres_result *dmarc, struct view domain, struct arena *a,
				 struct buf *out)
{
	struct view from = property_of(dmarc, VIEW("header"), VIEW("from")), judged;
	bool same = domain_ascii(from, a, &judged) == ST_OK && view_eq(judged, domain);

	if (same && view_eq_i(dmarc->result, VIEW("pass"))) {
		buf_putf(out, "from %.*s, proved (DMARC)", VIEW_ARG(domain));
		return SHOW_GOOD;
	}
	if (same && view_eq_i(dmarc->result, VIEW("fail"))) {
		buf_putf(out, "NOT proved to be from %.*s (DMARC fail)", VIEW_ARG(domain));
		return SHOW_BAD;
	}
	if (same && view_eq_i(dmarc->result, VIEW("none"))) {
		buf_putf(out, "not proved: %.*s does not say who sends for it", VIEW_ARG(domain));
		return SHOW_UNSURE;
	}
	buf_putf(out, "not proved (DMARC %.*s)", VIEW_ARG(view_head(dmarc->result, 20)));
	return SHOW_UNSURE;
}

static enum show_style judge(const struct authres *r, const struct author *au, struct arena *a, struct buf *out)
{
	const struct authres_result *dmarc = result_of(r, VIEW("dmarc")), *dkim = result_of(r, VIEW("dkim"));

	if (au->kind != AUTHOR_ONE) {
		buf_putf(out, "not proved: %s", author_problem(au->kind));
		return SHOW_BAD;
	}
	if (dmarc)
		return put_dmarc(dmarc, au->all[0].domain, a, out);
	if (dkim && view_eq_i(dkim->result, VIEW("pass")) &&
	    view_eq_i(property_of(dkim, VIEW("header"), VIEW("d")), au->all[0].domain)) {
		buf_putf(out, "from %.*s, signed (DKIM)", VIEW_ARG(au->all[0].domain));
		return SHOW_GOOD;
	}
	buf_puts(out, "not proved");
	return SHOW_UNSURE;
}

enum status show_verdict(struct view letter, struct view authserv_id, struct buf *out, enum show_style *ret_style)
{
	struct arena a = ARENA((size_t)16 * 1024 * 1024);
	struct buf text = BUF(4096);
	struct authres r;
	struct author au;
	enum status st = ST_OK;

	if (authserv_id.n && find_results(letter, authserv_id, &a, &r)) {
		st = author_find(letter, &a, &au);
		if (st == ST_OK) {
			*ret_style = judge(&r, &au, &a, &text);
			show_line(buf_view(&text), 0, out);
		}
	}
	if (st == ST_OK)
		st = arena_status(&a) == ST_NOMEM ? ST_NOMEM : buf_status(out);
	buf_free(&text);
	arena_free(&a);
	return st;
}

static void put_verdict(struct showing *s)
{
	struct buf line = BUF(8192);
	enum show_style style = SHOW_UNSURE;

	if (show_verdict(mime_header(s->m, &s->m->parts[0]), s->o->authserv_id, &line, &style) == ST_OK && line.n) {
		put_name(s, "Verdict");
		put_value(s, buf_view(&line), style);
	}
	buf_free(&line);
}

/* A sentence a line. */
static void put_report(struct showing *s)
{
	struct buf text = BUF(FIELD_MOST), id = BUF(FIELD_MOST);
	struct showing_report r = { .text = &text, .id = &id };

	if (report_read(s->m, &r)) {
		for (struct view left = buf_view(&text); left.n;) {
			size_t n = view_find(left, '\n');

			put_name(s, "Report");
			put_value(s, view_head(left, n), r.style);
			left = view_skip(left, n + 1);
		}
		if (s->o->about.n) {
			put_name(s, "About");
			put_value(s, s->o->about, SHOW_HEADER);
		}
	}
	buf_free(&text);
	buf_free(&id);
}

void show_head(struct showing *s)
{
	if (s->o->seal.n) {
		put_name(s, "Seal");
		put_value(s, s->o->seal, s->o->seal_style);
	}
	put_verdict(s);
	put_report(s);
	put_keywords(s);
	if (s->o->all_headers)
		put_every_field(s);
	else
		show_fields(s, 0);
}
