/* lines.h - text in its canonical form for signatures: lines end with CRLF
 * (RFC 8551 3.1.1).  A CR alone stays. */
#ifndef WAXWING_SMIME_LINES_H
#define WAXWING_SMIME_LINES_H

#include "smime/skim.h"

enum { LINES_STAGE = 16384 };

struct lines {
	cms_content *take;
	void *arg;
	bool cr;		/* the last octet was one */
	size_t n;
	char stage[LINES_STAGE];
	enum status st;
};

void lines_begin(struct lines *l, cms_content *take, void *arg);
void lines_put(struct lines *l, struct view text);
/* What `take` answered. */
enum status lines_end(struct lines *l) MUST_USE;

/* Does any line end with LF alone? */
bool lines_need(struct view text);

#endif
