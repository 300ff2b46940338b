/* show.h - a letter as text for a terminal: for `waxmail show` and the screen.
 *
 * UTF-8, lines end with LF.  No control character comes out of a letter, no
 * character that turns the direction of text (Unicode Bidi, UAX #9) or hides
 * (zero width, tags, variation that nothing shows): they are dropped or
 * written as U+FFFD.  Nothing is fetched; HTML becomes text (html.h) with its
 * links numbered and listed.
 *
 *     Verdict:  from example.net, proved (DMARC)            only if options say whom to trust
 *     Report:   Your letter could not be delivered to ...   RFC 3464, RFC 8098
 *     From:     Mary Smith <mary@example.net>               author.h: as it is judged
 *     ...
 *
 *     text
 *
 *     [1] report.pdf  application/pdf  1.2 MiB              attachments
 *
 * text/plain with format=flowed is joined and wrapped anew (RFC 3676), other
 * text wrapped where a line is longer than `width`.  multipart/alternative: the
 * last that can be shown, plain before HTML unless `prefer_html`;
 * multipart/related: its root; letters inside are shown with their header.
 *
 * Errors: ST_NOMEM, ST_LIMIT (out is full: what is there is good to show).
 */
#ifndef WAXWING_MUA_COPY_SHOW_H
#define WAXWING_MUA_COPY_SHOW_H

#include "base/arena.h"
#include "base/buf.h"

enum { SHOW_WIDTH_LEAST = 20, SHOW_TEXT_MAX = 16 * 1024 * 1024, SHOW_ATTACHMENTS_MAX = 4096 };

/* What begins at a place of the text, for colours; the bytes of `out` have none. */
enum show_style {
	SHOW_TEXT, SHOW_HEADER_NAME, SHOW_HEADER, SHOW_GOOD, SHOW_BAD, SHOW_UNSURE,
	SHOW_QUOTE, SHOW_SIGNATURE, SHOW_LINK, SHOW_ATTACHMENT, SHOW_NOTE,
};

struct show_options {
	size_t width;			/* columns; 0: lines are not wrapped */
	bool all_headers;		/* every field, decoded, not only those people want */
	bool no_headers;
	bool prefer_html;
	bool no_attachments;		/* do not list them */
	/* The authserv-id whose Authentication-Results: are believed (RFC 8601 5):
	 * the account's own server, and only the topmost field; empty: none. */
	struct view authserv_id;
	struct view keywords;		/* of the copy, blanks between; may be empty */
	struct view about;		/* which letter a report is about, in words; may be empty */
	/* A line that somebody else judged (S/MIME), shown first; empty: none. */
	struct view seal;
	enum show_style seal_style;
	/* Told of each run of one style, in order; may be NULL. */
	void (*style)(void *arg, size_t at, enum show_style s);
	void *style_arg;
};

/* Appends.  letter: whole, or its header section alone (`whole` false: a note
 * says that the body is not here). */
enum status show_letter(struct view letter, bool whole, const struct show_options *o, struct buf *out) MUST_USE;

/* A part that can be saved. */
struct show_part {
	uint32_t number;		/* from 1, as show_letter numbers them */
	struct view name;		/* safe as a file's name: no "/", no controls, never empty, no dot in front */
	struct view type;		/* "application/pdf", lower case */
	uint64_t size;			/* octets, decoded */
	bool attachment;		/* by its disposition, or because nothing shows it */
	uint32_t part;			/* of the tree of msg/mime.h */
};
/* All leaves, and letters inside that are for saving as a whole; those with
 * `attachment` are what people mean.  In the arena (MIME_ARENA_MAX). */
enum status show_parts(struct view letter, struct arena *a, struct show_part **ret, size_t *ret_n) MUST_USE;
/* The octets of a part, decoded.  ST_MISSING. */
enum status show_part_octets(struct view letter, uint32_t number, struct buf *out) MUST_USE;

/* The text alone, for quoting in a reply: flowed lines joined, no header. */
enum status show_body(struct view letter, size_t width, struct buf *out) MUST_USE;

/* A report on a letter of one's own (RFC 3464, 8098): a sentence for each recipient, LF
 * between, and the letter's Message-ID without <>, or nothing.  Both harmless.  ST_MISSING: it
 * is none. */
enum status show_report(struct view letter, struct buf *text, struct buf *id) MUST_USE;

/* A text of a stranger made harmless on one line, at most `columns` wide (0:
 * any): for lists. */
void show_line(struct view text, size_t columns, struct buf *out);
/* Keywords as people want to see them, "work, junk": those that people gave, and of the
 * registered ones (RFC 5788) those that say something of the letter; or nothing. */
void show_keywords(struct view keywords, struct buf *out);
/* Columns of a terminal that UTF-8 text takes. */
size_t show_columns(struct view text);
/* "pass" of foo.com and so on, as one line; style says how good.  Empty where
 * nothing is known. */
enum status show_verdict(struct view letter, struct view authserv_id, struct buf *out,
			 enum show_style *ret_style) MUST_USE;

#endif
