/* mime.h - the structure of a letter (RFC 2045, 2046, 5322) as offsets.
 *
 * The tree is an array of parts in the order in which they begin; nothing of
 * the letter is copied.  Never fails on any bytes: what each broken thing
 * means stands in QUIRKS.md.  One pass, linear time, no recursion.
 *
 * Part 0 is the letter.  A part of kind MIME_MULTIPART has its parts as
 * children; one of kind MIME_MESSAGE has one child, the letter inside.
 *
 * A part without a body may end behind the part around it by one line end: it
 * is the header's last one, and belongs to the delimiter too.
 *
 * Limits: a part deeper than MIME_DEPTH_MAX is a leaf, whatever it says it
 * is.  After MIME_PARTS_MAX parts further delimiters are content of the last
 * one.  Letters of less than 4 GiB.
 *
 * Errors: ST_NOMEM, ST_LIMIT (the arena is full, which one of MIME_ARENA_MAX
 * never is; or 4 GiB).  The tree lasts as long as letter and arena.
 */
#ifndef WAXWING_MSG_MIME_H
#define WAXWING_MSG_MIME_H

#include "msg/content.h"
#include "msg/header.h"

enum { MIME_DEPTH_MAX = 50, MIME_PARTS_MAX = 4096, MIME_BOUNDARY_MAX = 1024 };
#define MIME_ARENA_MAX ((size_t)256 * 1024 * 1024)
#define MIME_NONE UINT32_MAX

enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };

enum mime_encoding {
	ENC_7BIT, ENC_8BIT, ENC_BINARY, ENC_QP, ENC_BASE64, ENC_UUENCODE,
	ENC_UNKNOWN,	/* the field names something else: octets as they are */
};

/* Where the value of a field stands; start == end: no such field, or empty. */
struct mime_at {
	uint32_t start, end;
};

struct mime_part {
	uint32_t parent, child, next;	/* index or MIME_NONE */
	uint32_t header;	/* the header section begins */
	uint32_t header_end;	/* behind its empty line; where there is none, == body */
	uint32_t body, end;	/* the body, without the line end before a delimiter */
	uint32_t lines;		/* line ends in the body */
	uint8_t depth;
	uint8_t kind;		/* enum mime_kind */
	uint8_t encoding;	/* enum mime_encoding */
	bool opaque;		/* it says multipart or message, but is a leaf */
	bool has_type;		/* a Content-Type that can be read */
	/* As written, or the default; text/plain for a multipart without boundary
	 * or parts; application/octet-stream where it is not looked into: too
	 * deep, too many, a letter inside that is encoded. */
	struct content content;
	struct mime_at at[FIELD_IDS];	/* first occurrence of each */
};

struct mime {
	struct view letter;
	struct mime_part *parts;
	uint32_t n;
};

enum status mime_parse(struct view letter, struct arena *a, struct mime *ret) MUST_USE;

static inline struct view mime_body(const struct mime *m, const struct mime_part *p)
{
	return view_make(m->letter.p + p->body, p->end - p->body);
}

/* With the empty line at its end. */
static inline struct view mime_header(const struct mime *m, const struct mime_part *p)
{
	return view_make(m->letter.p + p->header, p->body - p->header);
}

/* The raw value of a field; empty where there is none. */
static inline struct view mime_field(const struct mime *m, const struct mime_part *p, enum field_id id)
{
	return view_make(m->letter.p + p->at[id].start, p->at[id].end - p->at[id].start);
}

/* Is it text of some kind, a leaf and shown as such. */
bool mime_is_text(const struct mime_part *p);

/* text/plain's charset parameter; empty: us-ascii by default. */
struct view mime_charset(const struct mime_part *p);

#endif
