/* report_json.h - reports of other systems, read and shown. */
#ifndef WAXWING_ADMIN_REPORT_JSON_H
#define WAXWING_ADMIN_REPORT_JSON_H

#include "admin/command.h"
#include "report/letter.h"

#include <jansson.h>

enum { REPORT_ARENA_MAX = 128 * 1024 * 1024 };

/* What was found, read.  ST_SYNTAX, ST_LIMIT, ST_NOMEM. */
enum status report_json(const struct report_found *f, struct arena *a, json_t **ret) MUST_USE;

/* `waxwing inspect dmarc-report` and so on: one of them, a whole letter or the
 * bare attachment.  ST_MISSING: it is no report, or one of another kind. */
enum status inspect_report(enum report_kind kind, struct view input, json_t **ret) MUST_USE;

/* ---- a process that has nothing (report_reader.c) ---- */

/* Reads letters of strangers: locked in, without files and sockets, it gets a
 * letter and gives JSON.  One that dies of a letter is replaced. */
struct report_reader;
enum status report_reader_new(uint32_t uid, const char *host_name, struct report_reader **ret) MUST_USE;
void report_reader_free(struct report_reader *r);

/* A JSON object that the caller owns: what report_json says, with `proved` (did
 * our own checks find that the letter is its author's?) and `author`.
 * ST_MISSING (it is no report), ST_SYNTAX, ST_LIMIT (it is one, and cannot be
 * read), ST_CLOSED (the reader died of it), ST_NOMEM, ST_IO. */
enum status report_reader_ask(struct report_reader *r, struct view letter, json_t **ret) MUST_USE;

#endif
