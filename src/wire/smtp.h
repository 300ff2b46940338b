/* smtp.h - the grammar of SMTP, for both ends (RFC 5321 4.1, 3461, 6531).
 *
 * No policy and no state but what the text itself needs.  Views point into
 * the line that was parsed.
 */
#ifndef WAXWING_WIRE_SMTP_H
#define WAXWING_WIRE_SMTP_H

#include "base/buf.h"
#include "base/cursor.h"
#include "base/status.h"

/* RFC 5321 4.5.3.1: 64 octets of local part, 255 of domain, 256 of path. */
enum { LOCAL_PART_MAX = 64, DOMAIN_MAX = 255, PATH_MAX_OCTETS = 254, PARAMETERS_MAX = 16 };

/* A verb of letters and what follows it behind one blank. */
struct smtp_command {
	struct view verb, rest;
};
struct smtp_command smtp_split(struct view line);

/* Reverse-path or forward-path, without <> and without the source route of
 * RFC 5321 appendix C (which is dropped); empty for <>. */
struct smtp_path {
	struct view address;	/* local@domain, or "postmaster" */
	struct view local, domain;
	bool literal;		/* domain is an address literal, with its [] */
	bool utf8;		/* needs SMTPUTF8 */
};

/* KEY or KEY=VALUE behind the path (4.1.1.11). */
struct smtp_parameter {
	struct view key, value;
	bool has_value;
};

struct smtp_path_command {
	struct smtp_path path;
	struct smtp_parameter parameters[PARAMETERS_MAX];
	size_t n_parameters;
};

/* What follows "MAIL FROM:" or "RCPT TO:".  prefix is "FROM:" or "TO:".
 * ST_SYNTAX, ST_LIMIT (too many parameters, or a part is too long). */
enum status smtp_take_path(struct view rest, struct view prefix, struct smtp_path_command *ret) MUST_USE;

/* An address without <>: Mailbox of 4.1.2.  ST_SYNTAX, ST_LIMIT. */
enum status smtp_take_mailbox(struct view text, struct smtp_path *ret) MUST_USE;

/* xtext of RFC 3461 4: printable, with +HH for the rest, well-formed. */
bool smtp_is_xtext(struct view text);

/* NOTIFY of RFC 3461 4.1: NEVER alone, or a list of the others; the set of
 * enum notify of ipc/envelope.h.  ST_SYNTAX. */
enum status smtp_take_notify(struct view text, uint8_t *ret_set) MUST_USE;

/* ORCPT of RFC 3461 4.2: an address type, ";", xtext. */
bool smtp_is_orcpt(struct view text);

/* "SIZE" or "SIZE LAST", as BDAT takes (RFC 3030 2).  ST_SYNTAX. */
enum status smtp_take_chunk(struct view text, uint64_t *ret_size, bool *ret_last) MUST_USE;

/* Domain or address literal, as HELO and EHLO take (4.1.1.1). */
bool smtp_is_domain(struct view text);

/* The text of DATA (4.5.2): dots unstuffed, end found, CR and LF only as
 * CRLF.  Feed it bytes; it gives runs of the letter's text to `put`.  Only
 * CRLF.CRLF as it came ends the text, whatever is mended. */
struct smtp_text {
	uint8_t state;
	bool mend;		/* make a CR or LF that stands alone a CRLF */
	bool bare;		/* such a one was seen and not mended, or a NUL */
};

/* The same check for the chunks of BDAT, in which dots mean nothing and the
 * count ends the text; smtp_chunk_end says that the last byte has come. */
void smtp_chunk_take(struct smtp_text *t, struct view bytes, void (*put)(void *arg, struct view run), void *arg);
void smtp_chunk_end(struct smtp_text *t, void (*put)(void *arg, struct view run), void *arg);

/* The other way (4.5.2, 2.3.8): a letter as it is sent.  A CR or LF that
 * stands alone leaves as CRLF, whatever the letter holds, so that no reader
 * can take it for the end of the text.  Feed it the letter in pieces; what is
 * to be sent is added to out. */
struct smtp_sender {
	uint8_t state;
	bool dots;		/* stuff dots: DATA, not BDAT */
};
void smtp_send_text(struct smtp_sender *t, struct view bytes, struct buf *out);
/* All was fed: ends the last line; for DATA the final dot follows. */
void smtp_send_end(struct smtp_sender *t, struct buf *out);

enum smtp_text_result { TEXT_MORE, TEXT_END };

/* Takes from `bytes` up to the end of the text; *ret_used is how many. */
enum smtp_text_result smtp_text_take(struct smtp_text *t, struct view bytes,
				     void (*put)(void *arg, struct view run), void *arg,
				     size_t *ret_used);

#endif
