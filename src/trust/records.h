/* records.h - a resolver that answers from a text: for tests, and for
 * `waxwing verify --records FILE`.
 *
 * One record a line, as in a zone file, names in full and without the last
 * dot; what follows ';' outside of quotes is a comment.
 *
 *     example.org        TXT    "v=spf1 mx " "-all"     \DDD is one octet
 *     example.org        MX     10 mail.example.org
 *     mail.example.org   A      192.0.2.1
 *     mail.example.org   AAAA   2001:db8::1
 *     www.example.org    CNAME  mail.example.org
 *     a.example.org      TXT    TIMEOUT        or SERVFAIL, BOGUS, NODATA
 *     b.example.org      *      TIMEOUT        for the types that are not listed
 *
 * A name that is not there, nor above one that is, is NXDOMAIN.  A CNAME is
 * followed 8 times.  Nothing is secure unless the text has a line "SECURE".
 *
 * Owns its memory; at most RECORDS_MAX bytes of text.
 */
#ifndef WAXWING_TRUST_RECORDS_H
#define WAXWING_TRUST_RECORDS_H

#include "wire/dns.h"

enum { RECORDS_MAX = 16 * 1024 * 1024 };

struct records;

/* ret_line: where it is wrong, with ST_SYNTAX.  ST_NOMEM, ST_LIMIT. */
enum status records_open(struct view text, struct records **ret, unsigned *ret_line) MUST_USE;
void records_free(struct records *r);

struct resolver *records_resolver(struct records *r);

/* Questions that were asked so far, hints not counted. */
size_t records_asked(const struct records *r);

#endif
