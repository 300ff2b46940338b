/* imap.h - the grammar of IMAP as a server reads it (RFC 9051 9, RFC 3501 9).
 *
 * Two layers.  imap_read gathers one command, its lines and its literals as
 * they came, without knowing what it says.  The take_* then read the command
 * over a cursor like the ABNF: after the first thing that does not fit all
 * later ones give nothing, and the caller asks once with imap_end.
 *
 * No policy and no input or output.  Views point into the command's text or
 * into the arena of the parser.  Used by door (until the login) and by room.
 */
#ifndef WAXWING_WIRE_IMAP_H
#define WAXWING_WIRE_IMAP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cursor.h"

/* ---- a command as it comes ---- */

/* The whole command stands in `text`, literals and all:
 *
 *     a1 LOGIN {5}\r\n
 *     SmithLOGIN's next argument ...
 *
 * without the CRLF at its end.  line_max bounds the lines of one command
 * together with the literals of all commands but APPEND; literal_max each
 * literal of APPEND (RFC 7889).  All literals of one APPEND together are
 * bounded by twice literal_max (RFC 3502).
 */
struct imap_reader {
	struct buf text;
	size_t line_max, literal_max;
	/* ---- the reader's own ---- */
	size_t lines;		/* octets counted against line_max */
	uint64_t literals;	/* octets of APPEND's literals so far */
	uint64_t wanted;	/* octets of a literal still to come */
	uint64_t thrown;	/* octets thrown away since the last refusal */
	size_t line_at;		/* where the line in hand begins in text */
	bool refused;		/* the rest of this command is thrown away */
	bool done;		/* the command is over; the next call forgets it */
	bool hopeless;		/* said at the next call */
};

enum imap_event {
	IMAP_MORE,		/* all bytes were used and more must come */
	IMAP_COMMAND,		/* reader.text is a whole command */
	IMAP_CONTINUE,		/* say "+ " (RFC 9051 7.6), then call again */
	IMAP_TOO_BIG,		/* a literal is too large: NO [TOOBIG] or BAD; call again */
	IMAP_TOO_LONG,		/* the lines are too long: BAD; call again */
	IMAP_BAD_BYTES,		/* NUL, or CR or LF alone: BAD; call again */
	IMAP_HOPELESS,		/* what comes cannot be told apart any more: BYE */
	IMAP_NO_MEMORY,		/* BYE */
};

/* Allocates nothing yet. */
void imap_reader_begin(struct imap_reader *r, size_t line_max, size_t literal_max);
void imap_reader_free(struct imap_reader *r);

/* Takes bytes up to the next event; *ret_used is how many.  After TOO_BIG,
 * TOO_LONG and BAD_BYTES reader.text still begins with the command, for its
 * tag (imap_tag_of); the rest of the command is thrown away. */
enum imap_event imap_read(struct imap_reader *r, struct view bytes, size_t *ret_used);

/* Nothing of a command was read yet: the session may rest. */
static inline bool imap_reader_rests(const struct imap_reader *r)
{
	return r->done || (r->text.n == 0 && r->wanted == 0 && !r->refused);
}

/* The tag that `text` begins with, or "*" where there is none. */
struct view imap_tag_of(struct view text);

/* ---- reading it ---- */

/* The parser of one command.  Strings with escapes and lists go into the
 * arena; the cursor fails too when the arena is full. */
struct imap_parse {
	struct cursor c;
	struct arena *arena;
	bool utf8;	/* mailbox names are UTF-8 (RFC 9051, 6855), not modified UTF-7 */
};

enum {
	IMAP_DEPTH_MAX = 32,	/* parentheses of a SEARCH or an extended option */
	IMAP_LIST_MAX = 4096,	/* entries of any list */
};

static inline struct imap_parse imap_parse_over(struct view text, struct arena *a)
{
	return (struct imap_parse){ cursor_over(text), a, false };
}

/* From now on everything fails. */
void imap_fail(struct imap_parse *p);

static inline bool imap_ok(const struct imap_parse *p)
{
	return !p->c.failed;
}

/* All was read and all of it fitted. */
static inline bool imap_end(const struct imap_parse *p)
{
	return cursor_end(&p->c);
}

/* One blank, or the byte, must stand here. */
void imap_space(struct imap_parse *p);
void imap_want(struct imap_parse *p, char c);
/* Takes the byte, or the word (letters fold) where it is not followed by
 * another character of an atom. */
bool imap_try(struct imap_parse *p, char c);
bool imap_try_word(struct imap_parse *p, struct view word);

struct view imap_take_tag(struct imap_parse *p);
struct view imap_take_atom(struct imap_parse *p);
struct view imap_take_astring(struct imap_parse *p);
struct view imap_take_string(struct imap_parse *p);	/* quoted or literal; no NUL */
/* NIL gives a view whose p is NULL. */
struct view imap_take_nstring(struct imap_parse *p);
/* literal or literal8, as APPEND has it. */
struct view imap_take_literal(struct imap_parse *p);
/* base64 of AUTHENTICATE's initial response, or "=". */
struct view imap_take_base64(struct imap_parse *p);
uint32_t imap_take_number(struct imap_parse *p);
uint32_t imap_take_nz_number(struct imap_parse *p);
uint64_t imap_take_number64(struct imap_parse *p);	/* 63 bits */

/* A mailbox name, as UTF-8; INBOX in capitals.  Not checked further: the
 * store knows which names are good. */
struct view imap_take_mailbox(struct imap_parse *p);
/* The same with the wildcards % and * (list-mailbox). */
struct view imap_take_pattern(struct imap_parse *p);

/* ( one, or ("a" "b") ), the field names, ids and the like. */
struct imap_list {
	struct view *v;
	uint32_t n;
};

/* "(" astring *(SP astring) ")" */
struct imap_list imap_take_astrings(struct imap_parse *p);
/* "(" ["string" SP nstring ...] ")" or NIL, of ID (RFC 2971); pairs, limited to 30. */
struct imap_list imap_take_id(struct imap_parse *p);

/* ---- writing ---- */

/* A string as quoted where it can be, else as a literal. */
void imap_put_string(struct buf *b, struct view v);
/* A mailbox name: an atom, quoted or a literal; modified UTF-7 unless utf8. */
void imap_put_mailbox(struct buf *b, struct view name, bool utf8);

/* Modified UTF-7 (RFC 3501 5.1.3) to and from UTF-8.  Decoding refuses what
 * an encoder would not have made (ST_SYNTAX). */
enum status imap_utf7_decode(struct view name, struct buf *out) MUST_USE;
void imap_utf7_encode(struct view utf8, struct buf *out);
bool imap_is_utf8(struct view v);

#endif
