#include "mua/seal.h"

enum status letter_seal(struct place *p, struct view letter, const struct seal_wish *w, struct buf *out, struct buf *why)
{
	(void)p;
	(void)letter;
	(void)w;
	(void)out;
	buf_puts(why, "S/MIME is not built in");
	return ST_MISSING;
}

enum status seal_look(struct place *p, struct view letter, struct buf *line, enum show_style *ret_style,
		      struct buf *inner)
{
	(void)p;
	(void)letter;
	(void)line;
	(void)ret_style;
	(void)inner;
	return ST_MISSING;
}
