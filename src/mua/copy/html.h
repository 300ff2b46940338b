/* html.h - HTML as text, for a terminal (libxml2's HTML parser, as a stream).
 *
 * Nothing is fetched: images, style sheets, frames and scripts are not there;
 * an image with a text in its place shows that text.  Not shown: what the page
 * itself hides (the attribute `hidden`, display:none, a font of no size).
 * Links get numbers, listed at the end; where the text of a link names another
 * host than it leads to, the list says so.
 *
 * Limits: HTML_DEPTH_MAX elements in each other, HTML_LINKS_MAX links, and
 * HTML_MAX octets: what is beyond is not shown, and a note says so.
 *
 * Errors: those of the buf; ST_NOMEM.
 */
#ifndef WAXWING_MUA_COPY_HTML_H
#define WAXWING_MUA_COPY_HTML_H

#include "base/buf.h"

enum { HTML_DEPTH_MAX = 200, HTML_LINKS_MAX = 1000 };
#define HTML_MAX ((size_t)4 * 1024 * 1024)

/* html: UTF-8.  Appends harmless lines.  links: list them at the end. */
enum status html_text(struct view html, size_t width, bool links, struct buf *out) MUST_USE;

#endif
