/* xml.h - documents of settings that a server of the world hands out, element by
 * element (expat).
 *
 * No entities of the document's own: none is needed, and they are bombs (XML
 * 1.0 4.2).  Reading ends at the first error, at XML_DEPTH levels, and after
 * AUTOCONFIG_MAX octets; what was told until then was told.
 */
#ifndef WAXWING_MUA_NET_XML_H
#define WAXWING_MUA_NET_XML_H

#include "base/view.h"

enum { XML_DEPTH = 16, XML_TEXT_MAX = 1024 };

struct xml_reader {
	/* attributes: name, value, ..., NULL; names without their prefix.  May be NULL. */
	void (*begin)(void *arg, const char *name, const char **attributes);
	/* text: what stands behind the last mark-up before it, without blanks around it; empty
	 * where it is longer than XML_TEXT_MAX. */
	void (*end)(void *arg, const char *name, struct view text);
	void *arg;
};
void xml_read(struct view xml, const struct xml_reader *r);

/* The value of an attribute, or "". */
const char *xml_attribute(const char **attributes, const char *name);

#endif
