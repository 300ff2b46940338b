/* show_internal.h - what show.c, show_head.c and report.c share. */
#ifndef WAXWING_MUA_COPY_SHOW_INTERNAL_H
#define WAXWING_MUA_COPY_SHOW_INTERNAL_H

#include "msg/mime.h"
#include "mua/copy/show.h"

struct showing {
	const struct show_options *o;
	const struct mime *m;
	struct arena *a;
	struct buf *out;
	enum status st;
	enum show_style style;	/* at the end of out */
	size_t texts;		/* shown so far */
};

/* What is put from here on looks so. */
void show_mark(struct showing *s, enum show_style style);
/* A line of our own. */
void show_note(struct showing *s, const char *text);
/* Seal, verdict and the header of the letter. */
void show_head(struct showing *s);
/* The header of the part that is a letter. */
void show_fields(struct showing *s, uint32_t part);

/* What a report says (report.c). */
struct showing_report {
	struct buf *text;		/* sentences, LF between */
	struct buf *id;			/* the letter that it is about: its Message-ID, without <>; or empty */
	size_t n;			/* recipients */
	enum show_style style;		/* of the worst of them */
};
/* False: it is no report, or says nothing of a recipient. */
bool report_read(const struct mime *m, struct showing_report *r);

enum status show_parts_of(const struct mime *m, struct arena *a, struct show_part **ret, size_t *ret_n) MUST_USE;
/* "1.2 MiB" */
void show_size(uint64_t n, struct buf *out);

#endif
