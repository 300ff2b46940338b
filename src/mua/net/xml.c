#include "mua/net/xml.h"

#include "mua/net/discover.h"

#include <expat.h>

struct reading {
	XML_Parser parser;
	const struct xml_reader *r;
	int depth;
	struct buf text;
};

/* Prefixes of namespaces are anybody's choice (Namespaces in XML 1.0). */
static const char *local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static void XMLCALL on_begin(void *arg, const char *name, const char **attributes)
{
	struct reading *r = arg;

	if (++r->depth > XML_DEPTH)
		XML_StopParser(r->parser, XML_FALSE);
	buf_clear(&r->text);
	if (r->r->begin)
		r->r->begin(r->r->arg, local_name(name), attributes);
}

static struct view without_blanks(struct view v)
{
	while (v.n && strchr(" \t\r\n", v.p[0]))
		v = view_skip(v, 1);
	while (v.n && strchr(" \t\r\n", v.p[v.n - 1]))
		v.n--;
	return v;
}

static void XMLCALL on_end(void *arg, const char *name)
{
	struct reading *r = arg;

	r->depth--;
	r->r->end(r->r->arg, local_name(name),
		  buf_status(&r->text) == ST_OK ? without_blanks(buf_view(&r->text)) : VIEW_NONE);
	buf_clear(&r->text);
}

static void XMLCALL on_text(void *arg, const char *p, int n)
{
	struct reading *r = arg;

	if (n > 0)
		buf_put(&r->text, view_make(p, (size_t)n));
}

static void XMLCALL on_entity(void *arg, const char *name, int is_parameter, const char *value, int n,
			      const char *base, const char *system, const char *public, const char *notation)
{
	struct reading *r = arg;

	(void)name;
	(void)is_parameter;
	(void)value;
	(void)n;
	(void)base;
	(void)system;
	(void)public;
	(void)notation;
	XML_StopParser(r->parser, XML_FALSE);
}

void xml_read(struct view xml, const struct xml_reader *r)
{
	struct reading all = { .parser = XML_ParserCreate(NULL), .r = r, .text = BUF(XML_TEXT_MAX) };

	if (all.parser && xml.n <= AUTOCONFIG_MAX) {
		XML_SetUserData(all.parser, &all);
		XML_SetElementHandler(all.parser, on_begin, on_end);
		XML_SetCharacterDataHandler(all.parser, on_text);
		XML_SetEntityDeclHandler(all.parser, on_entity);
		XML_Parse(all.parser, xml.p ? xml.p : "", (int)xml.n, XML_TRUE);
	}
	if (all.parser)
		XML_ParserFree(all.parser);
	buf_free(&all.text);
}

const char *xml_attribute(const char **attributes, const char *name)
{
	for (; attributes[0]; attributes += 2)
		if (strcmp(attributes[0], name) == 0)
			return attributes[1];
	return "";
}
