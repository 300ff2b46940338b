/* charset.h - text in any charset to UTF-8 (RFC 2045 5.2, RFC 2046 4.1.2).
 *
 * A converter takes bytes in pieces and appends UTF-8 to a buf.  It never
 * fails on bytes: what is not valid in the charset becomes U+FFFD, and the
 * output is always valid UTF-8.
 *
 *   us-ascii, utf-8       UTF-8 is checked; us-ascii with bytes above 127 is
 *                         taken for UTF-8 where it is that, else windows-1252
 *   iso-8859-1            is windows-1252, as everybody writes it
 *   iso-8859-15           by a table of our own
 *   all others            by iconv, only those of a table of ours, so that no
 *                         stranger chooses what the C library loads
 *   unknown               as us-ascii
 *
 * iconv opens its modules at run time; a process that has locked itself in
 * must be allowed to (CHARSET_FOLDERS readable, SANDBOX_LIBRARIES), else those
 * charsets count as unknown.
 *
 * Errors: only those of the buf (ST_LIMIT, ST_NOMEM), sticky there.
 */
#ifndef WAXWING_MSG_CHARSET_H
#define WAXWING_MSG_CHARSET_H

#include "base/buf.h"

/* Where iconv keeps its table and modules, NULL-ended. */
extern const char *const CHARSET_FOLDERS[];

enum charset_kind { CHARSET_GUESS, CHARSET_UTF8, CHARSET_1252, CHARSET_8859_15, CHARSET_ICONV };

struct charset {
	enum charset_kind kind;
	bool unopened;	/* iconv should read it and does not now: guessed */
	void *iconv;
	char held[16];	/* the beginning of a character that is not complete */
	size_t n_held;
};

/* Never fails; charset_close gives back what iconv holds. */
void charset_open(struct charset *c, struct view name);
void charset_put(struct charset *c, struct view bytes, struct buf *out);
/* The text is over: an unfinished character becomes U+FFFD. */
void charset_end(struct charset *c, struct buf *out);
void charset_close(struct charset *c);

/* All at once. */
void charset_text(struct view name, struct view bytes, struct buf *out);

/* How many bytes at the start are complete, valid UTF-8 (RFC 3629: no
 * surrogates, nothing overlong, up to U+10FFFF). */
size_t utf8_valid(struct view v);

#endif
