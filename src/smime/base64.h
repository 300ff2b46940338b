/* base64.h - octets that pass as base64 in lines (RFC 2045 6.8). */
#ifndef WAXWING_SMIME_BASE64_H
#define WAXWING_SMIME_BASE64_H

#include "smime/skim.h"

enum { BASE64_LINE = 57, BASE64_LINES = 256 };	/* octets a line; lines at once */

struct base64 {
	cms_content *take;
	void *arg;
	size_t n;
	unsigned char stage[BASE64_LINE * BASE64_LINES];
};

void base64_begin(struct base64 *b, cms_content *take, void *arg);
/* A cms_content. */
enum status base64_put(void *base64, struct view octets);
/* The last line, with its line end. */
enum status base64_end(struct base64 *b) MUST_USE;

#endif
