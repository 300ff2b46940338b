/* lex.h - the small words of header fields (RFC 5322 3.2, RFC 2045 5.1).
 *
 * All work on the raw value of a field, with its folds: CR and LF count as
 * blanks everywhere, since the field iterator has already decided where the
 * field ends.  Nothing is copied; the raw text between quotes still has its
 * backslashes, and lex_unquoted writes it without.
 *
 * What is left open: a comment that is never closed reaches to the end of the
 * field; a quotation mark that is never answered is an ordinary character
 * (lex_quoted says false once and the caller takes it as such).
 */
#ifndef WAXWING_MSG_LEX_H
#define WAXWING_MSG_LEX_H

#include "base/buf.h"
#include "base/cursor.h"

static inline bool lex_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* FWS, including obsolete forms. */
void lex_blank(struct cursor *c);

/* At '(': past the comment; ret_inner is what the outer parentheses hold. */
void lex_comment(struct cursor *c, struct view *ret_inner);

/* CFWS. */
void lex_cfws(struct cursor *c);

/* At '"': past the closing one, ret_inner is between them.  False, and
 * nothing taken, where there is no closing one. */
bool lex_quoted(struct cursor *c, struct view *ret_inner);

/* The inside of a quoted string, comment or domain literal as text: without
 * backslashes, line ends and NULs. */
void lex_unquoted(struct view inner, struct buf *out);

/* Without blanks, line ends among them, at both ends. */
struct view lex_trim(struct view v);

#endif
