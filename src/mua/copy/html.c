#include "mua/copy/html.h"

#include "mua/copy/show.h"
#include "mua/copy/text.h"
#include "trust/domain.h"

#include <libxml/HTMLparser.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	LINE_MAX_OCTETS = 1024 * 1024, URL_MAX = 2048, TEXT_MAX_OCTETS = 512, PREFIX_MAX = 256,
	QUOTES_MAX = 20, LISTS_MAX = 20, ATTRIBUTES_MAX = 200,
};

enum {
	BLOCK = 1 << 0,		/* begins and ends a line */
	GAP = 1 << 1,		/* an empty line before and behind */
	SKIP = 1 << 2,		/* nothing inside is text */
	PRE = 1 << 3,		/* blanks and line ends count */
	QUOTE = 1 << 4,
	LIST = 1 << 5,
	ITEM = 1 << 6,
	CELL = 1 << 7,
	BREAK = 1 << 8,
	RULE = 1 << 9,
	LINK = 1 << 10,
	IMAGE = 1 << 11,
	ORDERED = 1 << 12,
};

static const struct {
	const char *name;
	uint32_t what;
} elements[] = {
	{ "a", LINK }, { "address", BLOCK }, { "article", BLOCK }, { "applet", SKIP }, { "aside", BLOCK },
	{ "blockquote", BLOCK | GAP | QUOTE }, { "br", BREAK }, { "button", 0 }, { "canvas", SKIP },
	{ "caption", BLOCK }, { "center", BLOCK }, { "dd", BLOCK }, { "div", BLOCK }, { "dl", BLOCK | GAP },
	{ "dt", BLOCK }, { "embed", SKIP }, { "fieldset", BLOCK }, { "figure", BLOCK }, { "footer", BLOCK },
	{ "form", BLOCK }, { "frameset", SKIP }, { "h1", BLOCK | GAP }, { "h2", BLOCK | GAP },
	{ "h3", BLOCK | GAP }, { "h4", BLOCK | GAP }, { "h5", BLOCK | GAP }, { "h6", BLOCK | GAP },
	{ "head", SKIP }, { "header", BLOCK }, { "hr", BLOCK | RULE }, { "iframe", SKIP }, { "img", IMAGE },
	{ "li", BLOCK | ITEM }, { "main", BLOCK }, { "math", SKIP }, { "nav", BLOCK }, { "noframes", SKIP },
	{ "object", SKIP }, { "ol", BLOCK | GAP | LIST | ORDERED }, { "option", BLOCK }, { "p", BLOCK | GAP },
	{ "pre", BLOCK | GAP | PRE }, { "script", SKIP }, { "section", BLOCK }, { "select", SKIP },
	{ "style", SKIP }, { "svg", SKIP }, { "table", BLOCK }, { "td", CELL }, { "template", SKIP },
	{ "textarea", SKIP }, { "th", CELL }, { "title", SKIP }, { "tr", BLOCK }, { "ul", BLOCK | GAP | LIST },
	{ "video", SKIP }, { "xmp", BLOCK | PRE },
};

struct frame {
	uint32_t what;
	bool hidden;
	uint32_t number;	/* of a list's next item */
	size_t link;		/* index of a link, SIZE_MAX: none */
};

struct link {
	char *url;
	char *claims;		/* the host that its text names; NULL: none, or it is true */
	bool listed;
};

struct page {
	xmlParserCtxtPtr parser;
	struct buf *out;
	size_t width;
	struct buf line;	/* not yet laid out */
	struct buf link_text;	/* of the link that is open */
	bool blank;		/* one is owed before the next word */
	bool gap;		/* an empty line is owed, within so many quotes */
	size_t gap_quotes;
	bool any;		/* something was put */
	bool cut;		/* the parser was stopped */
	bool lost;		/* of a line that is too long its end */
	struct frame frames[HTML_DEPTH_MAX];
	size_t depth;
	size_t hidden, pre, quotes, lists;	/* how many around */
	const char *item;	/* what stands before the next line: "* " */
	char item_text[16];
	struct link links[HTML_LINKS_MAX];
	size_t n_links;
	enum status st;
};

/* ---- lines ---- */

static void put_prefix(const struct page *p, bool first, struct buf *out)
{
	size_t indent = 2 * (p->lists < LISTS_MAX ? p->lists : LISTS_MAX);

	for (size_t i = 0; i < p->quotes && i < QUOTES_MAX; i++)
		buf_puts(out, "> ");
	if (p->item && first) {
		for (size_t n = strlen(p->item); indent > n; indent--)
			buf_putc(out, ' ');
		buf_puts(out, p->item);
	} else {
		for (size_t i = 0; i < indent; i++)
			buf_putc(out, ' ');
	}
}

static void ask_gap(struct page *p)
{
	if (!p->gap || p->quotes < p->gap_quotes)
		p->gap_quotes = p->quotes;
	p->gap = true;
}

static void put_gap(struct page *p)
{
	struct buf prefix = BUF(PREFIX_MAX);

	if (p->gap && p->any) {
		for (size_t i = 0; i < p->gap_quotes && i < QUOTES_MAX; i++)
			buf_puts(&prefix, i ? " >" : ">");
		buf_put(p->out, buf_view(&prefix));
		buf_putc(p->out, '\n');
	}
	p->gap = false;
	buf_free(&prefix);
}

static void end_line(struct page *p)
{
	struct buf first = BUF(PREFIX_MAX), rest = BUF(PREFIX_MAX);

	p->blank = false;
	if (p->line.n) {
		put_gap(p);
		put_prefix(p, true, &first);
		put_prefix(p, false, &rest);
		text_wrap(buf_view(&p->line), buf_view(&first), buf_view(&rest), p->width, p->out);
		p->item = NULL;
		p->any = true;
	}
	p->lost |= buf_status(&p->line) == ST_LIMIT;
	buf_clear(&p->line);
	buf_free(&first);
	buf_free(&rest);
}

static void put_word(struct page *p, struct view v)
{
	if (p->blank && p->line.n)
		buf_putc(&p->line, ' ');
	p->blank = false;
	buf_put(&p->line, v);
	if (p->link_text.max && p->link_text.n + v.n < TEXT_MAX_OCTETS)
		buf_put(&p->link_text, v);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static void put_text(struct page *p, struct view raw)
{
	struct buf clean = BUF(4 * raw.n + 16);
	struct view v;

	text_harmless(raw, true, &clean);
	v = buf_view(&clean);
	while (v.n && p->pre) {
		size_t n = view_find(v, '\n');

		buf_put(&p->line, view_head(v, n));
		if (n < v.n && p->line.n)
			end_line(p);
		else if (n < v.n)
			ask_gap(p);
		v = view_skip(v, n + 1);
	}
	while (v.n) {
		size_t n = 0;

		while (n < v.n && !is_blank(v.p[n]))
			n++;
		if (n)
			put_word(p, view_head(v, n));
		if (n < v.n)
			p->blank = true;
		v = view_skip(v, n + (n < v.n));
	}
	if (buf_status(&clean) == ST_NOMEM || buf_status(&p->line) == ST_NOMEM)
		p->st = ST_NOMEM;
	buf_free(&clean);
}

/* ---- attributes ---- */

static const char *attribute(const xmlChar **atts, const char *name)
{
	for (size_t i = 0; atts && atts[i] && i < 2 * ATTRIBUTES_MAX; i += 2)
		if (strcmp((const char *)atts[i], name) == 0)
			return atts[i + 1] ? (const char *)atts[i + 1] : "";
	return NULL;
}

/* A property of a style that has this value, and not one that begins so. */
static bool style_has(const char *style, const char *want)
{
	const char *at = strstr(style, want);
	size_t n = strlen(want);

	for (; at; at = strstr(at + 1, want)) {
		const char *end = at + n;

		if (want[n - 1] == '0' && (*end == '.' || ascii_digit(*end)))
			continue;
		return true;
	}
	return false;
}

static bool is_hidden(const xmlChar **atts)
{
	static const char *const hiding[] = { "display:none", "visibility:hidden", "font-size:0", "max-height:0",
					      "opacity:0", "mso-hide:all" };
	const char *style = attribute(atts, "style");
	char flat[1024];
	size_t n = 0;

	if (attribute(atts, "hidden"))
		return true;
	for (; style && *style && n + 1 < sizeof flat; style++)
		if (!is_blank(*style))
			flat[n++] = ascii_lower(*style);
	flat[n] = '\0';
	for (size_t i = 0; i < sizeof hiding / sizeof *hiding; i++)
		if (style_has(flat, hiding[i]))
			return true;
	return false;
}

/* ---- links ---- */

/* The host of "https://user@host:port/..." or "host/..."; empty: none. */
static struct view host_of(struct view url)
{
	static const struct view schemes[] = { VIEW("https://"), VIEW("http://") };
	struct view host;
	size_t n = 0;

	for (size_t i = 0; i < 2; i++)
		if (view_starts_i(url, schemes[i]))
			url = view_skip(url, schemes[i].n);
	while (n < url.n && !strchr("/?#\\ ", url.p[n]))
		n++;
	host = view_head(url, n);
	for (n = host.n; n > 0; n--)
		if (host.p[n - 1] == '@') {
			host = view_skip(host, n);
			break;
		}
	return view_head(host, view_find(host, ':'));
}

static bool looks_like_host(struct view v)
{
	size_t dots = 0;

	for (size_t i = 0; i < v.n; i++) {
		dots += v.p[i] == '.';
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '.' && v.p[i] != '-')
			return false;
	}
	return dots && v.n > 3 && ascii_alpha(v.p[v.n - 1]) && ascii_alpha(v.p[v.n - 2]) && v.p[0] != '.';
}

static struct view without_www(struct view host)
{
	return view_starts_i(host, VIEW("www.")) ? view_skip(host, 4) : host;
}

static bool same_place(struct view a, struct view b)
{
	char x[256], y[256];

	a = without_www(a);
	b = without_www(b);
	if (a.n > sizeof x || b.n > sizeof y)
		return false;
	for (size_t i = 0; i < a.n; i++)
		x[i] = ascii_lower(a.p[i]);
	for (size_t i = 0; i < b.n; i++)
		y[i] = ascii_lower(b.p[i]);
	a.p = x;
	b.p = y;
	return view_eq(a, b) || domain_within(a, b) || domain_within(b, a);
}

static char *kept(struct view v)
{
	return strndup(v.p ? v.p : "", v.n);
}

static size_t open_link(struct page *p, const char *href)
{
	struct buf url = BUF(4 * URL_MAX);
	size_t at = SIZE_MAX;

	if (href == NULL || p->n_links == HTML_LINKS_MAX || p->link_text.max)
		return SIZE_MAX;
	show_line(view_head(view_cstr(href), URL_MAX), 0, &url);
	if (url.n && url.p[0] != '#' && !view_starts_i(buf_view(&url), VIEW("javascript:"))) {
		p->links[p->n_links] = (struct link){ .url = kept(buf_view(&url)) };
		if (p->links[p->n_links].url) {
			at = p->n_links++;
			p->link_text = BUF(TEXT_MAX_OCTETS + 1);
		} else {
			p->st = ST_NOMEM;
		}
	}
	buf_free(&url);
	return at;
}

static bool is_same_text(struct view text, struct view url)
{
	static const struct view starts[] = { VIEW("https://"), VIEW("http://"), VIEW("mailto:") };

	while (url.n && url.p[url.n - 1] == '/')
		url.n--;
	while (text.n && text.p[text.n - 1] == '/')
		text.n--;
	for (size_t i = 0; i < 3; i++)
		if (view_starts_i(url, starts[i]) && view_eq(view_skip(url, starts[i].n), text))
			return true;
	return view_eq(text, url);
}

/* The number behind the text; none where the text is the address itself. */
static void close_link(struct page *p, size_t at)
{
	struct link *l = &p->links[at];
	struct view text = buf_view(&p->link_text), named = host_of(text);
	char number[32];

	if (looks_like_host(named) && !same_place(named, host_of(view_cstr(l->url))) &&
	    !view_starts_i(view_cstr(l->url), VIEW("mailto:")))
		l->claims = kept(named);
	l->listed = text.n > 0 && (l->claims || !is_same_text(text, view_cstr(l->url)));
	buf_free(&p->link_text);
	p->link_text = BUF(0);
	if (l->listed) {
		size_t n = 0;

		for (size_t i = 0; i <= at; i++)
			n += p->links[i].listed;
		snprintf(number, sizeof number, "[%zu]", n);
		p->blank = false;
		put_word(p, view_cstr(number));
	}
}

static void put_links(struct page *p)
{
	struct buf line = BUF(8 * URL_MAX);
	size_t n = 0;

	p->quotes = p->lists = 0;
	for (size_t i = 0; i < p->n_links; i++) {
		if (!p->links[i].listed)
			continue;
		if (n++ == 0 && p->any)
			buf_putc(p->out, '\n');
		buf_clear(&line);
		buf_putf(&line, "[%zu] %s", n, p->links[i].url);
		if (p->links[i].claims)
			buf_putf(&line, "  -- NOT %s, which its text names", p->links[i].claims);
		text_wrap(buf_view(&line), VIEW_NONE, VIEW("    "), 0, p->out);
	}
	buf_free(&line);
}

/* ---- what the parser calls ---- */

static uint32_t what_is(const char *name)
{
	for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
		if (strcmp(elements[i].name, name) == 0)
			return elements[i].what;
	return 0;
}

static void begin_item(struct page *p)
{
	for (size_t i = p->depth; i-- > 0;) {
		struct frame *f = &p->frames[i];

		if (!(f->what & LIST))
			continue;
		if (f->what & ORDERED)
			snprintf(p->item_text, sizeof p->item_text, "%u. ", ++f->number % 100000);
		else
			snprintf(p->item_text, sizeof p->item_text, "* ");
		p->item = p->item_text;
		return;
	}
}

static void put_image(struct page *p, const xmlChar **atts)
{
	const char *alt = attribute(atts, "alt");
	struct buf text = BUF(TEXT_MAX_OCTETS);

	if (alt && *alt)
		show_line(view_head(view_cstr(alt), TEXT_MAX_OCTETS / 4), 0, &text);
	if (text.n) {
		put_word(p, VIEW("["));
		buf_put(&p->line, buf_view(&text));
		buf_putc(&p->line, ']');
	}
	buf_free(&text);
}

static void begin_visible(struct page *p, struct frame *f, const xmlChar **atts)
{
	if (f->what & BLOCK)
		end_line(p);
	if (f->what & GAP && !(f->what & LIST && p->lists))
		ask_gap(p);
	if (f->what & QUOTE)
		p->quotes++;
	if (f->what & LIST)
		p->lists++;
	if (f->what & PRE)
		p->pre++;
	if (f->what & ITEM)
		begin_item(p);
	if (f->what & BREAK) {
		if (p->line.n)
			end_line(p);
		else
			ask_gap(p);
	}
	if (f->what & RULE) {
		buf_puts(&p->line, "----------");
		end_line(p);
	}
	if (f->what & IMAGE)
		put_image(p, atts);
	if (f->what & LINK)
		f->link = open_link(p, attribute(atts, "href"));
}

static void on_start(void *arg, const xmlChar *name, const xmlChar **atts)
{
	struct page *p = arg;
	struct frame f = { .what = what_is((const char *)name), .link = SIZE_MAX };

	if (p->depth == HTML_DEPTH_MAX) {
		p->cut = true;
		xmlStopParser(p->parser);
		return;
	}
	f.hidden = (f.what & SKIP) != 0 || is_hidden(atts);
	p->hidden += f.hidden;
	if (p->hidden == 0)
		begin_visible(p, &f, atts);
	else
		f.what = 0;
	p->frames[p->depth++] = f;
}

static void on_end(void *arg, const xmlChar *name)
{
	struct page *p = arg;
	struct frame f;

	(void)name;
	if (p->depth == 0 || p->cut)
		return;
	f = p->frames[--p->depth];
	p->hidden -= f.hidden;
	if (f.link != SIZE_MAX)
		close_link(p, f.link);
	if (f.what & CELL)
		p->blank = true;
	if (f.what & BLOCK)
		end_line(p);
	p->quotes -= (f.what & QUOTE) != 0;
	p->lists -= (f.what & LIST) != 0;
	if (f.what & GAP && !(f.what & LIST && p->lists))
		ask_gap(p);
	p->pre -= (f.what & PRE) != 0;
	if (f.what & ITEM)
		p->item = NULL;
}

static void on_text(void *arg, const xmlChar *text, int n)
{
	struct page *p = arg;

	if (p->hidden == 0 && n > 0 && !p->cut)
		put_text(p, view_make((const char *)text, (size_t)n));
	if (p->st != ST_OK || buf_status(p->out) != ST_OK)
		xmlStopParser(p->parser);
}

static void parse(struct page *p, struct view html)
{
	static const int options = HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
				   HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC;
	xmlDocPtr doc;

	memset(p->parser->sax, 0, sizeof *p->parser->sax);
	p->parser->sax->startElement = on_start;
	p->parser->sax->endElement = on_end;
	p->parser->sax->characters = on_text;
	p->parser->sax->ignorableWhitespace = on_text;
	p->parser->userData = p;
	doc = htmlCtxtReadMemory(p->parser, html.p, (int)html.n, NULL, "UTF-8", options);
	if (doc)
		xmlFreeDoc(doc);
}

enum status html_text(struct view html, size_t width, bool links, struct buf *out)
{
	struct page *p;
	enum status st;

	if (html.n == 0)
		return ST_OK;
	p = calloc(1, sizeof *p);
	if (p == NULL)
		return ST_NOMEM;
	p->out = out;
	p->width = width;
	p->line = BUF(LINE_MAX_OCTETS);
	p->parser = htmlNewParserCtxt();
	p->st = p->parser ? ST_OK : ST_NOMEM;
	if (p->parser) {
		parse(p, view_head(html, HTML_MAX));
		xmlFreeParserCtxt(p->parser);
	}
	end_line(p);
	if (p->cut || p->lost || html.n > HTML_MAX)
		buf_puts(out, "\n[The page goes on; it is too deep or too long to be shown.]\n");
	if (links)
		put_links(p);
	for (size_t i = 0; i < p->n_links; i++) {
		free(p->links[i].url);
		free(p->links[i].claims);
	}
	buf_free(&p->line);
	buf_free(&p->link_text);
	st = p->st == ST_OK ? buf_status(out) : p->st;
	free(p);
	return st;
}
