/* agent.h - who speaks with the issuer of certificates: a child without keys and files.
 *
 * It asks DNS, speaks TLS and HTTP, and reads JSON; what it found it tells by a pipe.  It
 * knows no secret: whatever is signed comes to it signed.  Start it before anything that it
 * must not have is in memory.
 */
#ifndef WAXWING_ADMIN_ACME_AGENT_H
#define WAXWING_ADMIN_ACME_AGENT_H

#include "admin/command.h"
#include "base/buf.h"
#include "conf/conf.h"

#include <jansson.h>

enum { AGENT_ANSWER_MAX = 256 * 1024 };

struct agent;
/* What is wrong the child says itself, on standard error, at the first question.
 * Both must last as long as it.  ST_NOMEM, ST_DENIED. */
enum status agent_new(const struct invocation *in, const struct conf *c, struct agent **ret) MUST_USE;
void agent_free(struct agent *a);

struct agent_answer {
	json_t *whole;		/* all of it: to be freed by agent_answer_free */
	unsigned status;	/* of HTTP */
	struct view nonce, location;	/* fields of the answer, or empty */
	uint64_t again_s;	/* Retry-After; 0: nothing */
	const json_t *json;	/* the body, where it is a JSON object */
	struct view text;	/* where it is something else */
};
/* POST of that JSON, or, where it is empty, GET.  Any status of HTTP is well.  ST_IO and
 * so on: there is no answer, and why says so. */
enum status agent_ask(struct agent *a, struct view url, struct view body, struct agent_answer *ret,
		      struct buf *why) MUST_USE;
void agent_answer_free(struct agent_answer *a);

#endif
