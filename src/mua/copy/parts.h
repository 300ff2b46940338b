/* parts.h - which parts of a letter are shown, and which are for saving. */
#ifndef WAXWING_MUA_COPY_PARTS_H
#define WAXWING_MUA_COPY_PARTS_H

#include "msg/mime.h"

/* Text that show_letter can show. */
bool parts_is_shown(const struct mime *m, uint32_t i);
/* What people call an attachment: a leaf that says so (RFC 2183), or that is
 * not shown and not part of a signature or of an HTML page (RFC 2387); and a
 * letter inside that says so. */
bool parts_is_attachment(const struct mime *m, uint32_t i);
/* Of a multipart/alternative: which of its parts to show, MIME_NONE for none;
 * of a multipart/related: its root.  html: rather that. */
uint32_t parts_choose(const struct mime *m, uint32_t i, bool html);

/* A leaf's content in UTF-8, transfer encoding and charset undone. */
void parts_text(const struct mime *m, uint32_t i, struct buf *out);
/* Is the type of part i this? */
bool parts_type(const struct mime *m, uint32_t i, const char *type, const char *subtype);

#endif
