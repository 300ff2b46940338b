/* render.h - what IMAP FETCH and the index want of a letter, made once at
 * delivery.
 *
 * Texts are IMAP's own (RFC 9051 7.5.2): envelope is the parenthesised
 * ENVELOPE, bodystructure BODYSTRUCTURE, body BODY (without extension data).
 * 7-bit, quoted strings or literals as needed, so that FETCH copies bytes.
 * Header text that is not ASCII stays as it is in the letter where it is
 * encoded; raw 8-bit bytes are made UTF-8 (RFC 6532) or replaced.
 *
 * Never fails on any letter but for memory: ST_NOMEM, ST_LIMIT (an arena or
 * buf is full).
 */
#ifndef WAXWING_MSG_RENDER_H
#define WAXWING_MSG_RENDER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

struct msg_rendered {
	struct buf envelope, body, bodystructure;
	struct buf subject_base;	/* RFC 5256 2.1, decoded, for threads and SORT */
	struct buf message_id;		/* without <> */
	struct buf references;		/* ids of References and In-Reply-To, one a line */
	wall_ms sent;			/* Date:, 0 when there is none that can be read */
	bool has_sent;
};

/* Initialises r's bufs itself; msg_rendered_free gives them back. */
enum status msg_render(struct view letter, struct msg_rendered *r) MUST_USE;
void msg_rendered_free(struct msg_rendered *r);

#endif
