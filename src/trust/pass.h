/* pass.h - one pass over the bytes of a letter, for everything that signs it
 * or checks signatures (RFC 6376 5, 6; RFC 8617 5).
 *
 * The header section is kept (at most PASS_HEADER_MAX), of the body only
 * hashes.  When the header is complete `header_done` is called once; it reads
 * the fields and says which body hashes it wants (body_want).  A letter without
 * empty line has it called at the end.
 *
 * A pass has about 10 KiB besides the header.  Errors are sticky: ST_LIMIT
 * (header too large: nothing about the letter can be proved), ST_NOMEM.
 */
#ifndef WAXWING_TRUST_PASS_H
#define WAXWING_TRUST_PASS_H

#include "base/arena.h"
#include "trust/canon.h"

enum { PASS_HEADER_MAX = 8 * 1024 * 1024, PASS_ARENA_MAX = 16 * 1024 * 1024 };
#define PASS_NONE UINT32_MAX

struct pass_field {
	struct view name, value;	/* as field_next gives them */
	struct view raw;		/* all of it, with its line end */
	struct view relaxed;		/* canonical, once it was asked for */
	uint32_t above;			/* the next field of this name above it, or PASS_NONE */
	uint32_t name_id;		/* fields of one name have one number, below n_names */
};

struct pass_name {
	struct view name;
	uint32_t last;			/* the lowest field of the name */
	uint32_t next;			/* in its bucket, or PASS_NONE */
};

struct pass {
	struct buf header;
	struct buf room;		/* for what is being made of a field */
	struct arena a;
	struct pass_field *fields;
	uint32_t n_fields;
	struct pass_name *names;
	uint32_t n_names;
	uint32_t *buckets;
	uint32_t n_buckets;
	bool in_body;
	size_t line;			/* bytes of the header line on its way */
	uint64_t body_size;
	void (*header_done)(void *arg, struct pass *p);
	void *arg;
	enum status st;
	struct body_hashes body;	/* last: it is not cleared */
};

void pass_begin(struct pass *p, void (*header_done)(void *arg, struct pass *p), void *arg);
void pass_put(struct pass *p, struct view bytes);
enum status pass_end(struct pass *p) MUST_USE;
void pass_free(struct pass *p);

/* The number of a name, or PASS_NONE where no field has it. */
uint32_t pass_name(const struct pass *p, struct view name);

/* The field in its canonical form, with line end. */
struct view pass_canon(struct pass *p, enum canon c, uint32_t field);

#endif
