/* instance.h - the folder that a command works on. */
#ifndef WAXWING_ADMIN_INSTANCE_H
#define WAXWING_ADMIN_INSTANCE_H

#include "admin/command.h"
#include "conf/conf.h"
#include "directory/secrets.h"

#include <jansson.h>

/* Each says itself what is wrong. */
enum status instance_conf(const struct invocation *in, struct conf *ret) MUST_USE;
enum status instance_directory(const struct invocation *in, struct directory **ret) MUST_USE;

/* ---- asking the running server, by run/control ---- */

/* Sends the command and calls row (which may be NULL) for each row of the answer.
 * ST_CLOSED: no server runs here.  ST_IO: it left in the middle.  ST_DENIED. */
struct control_answer {
	enum verdict verdict;
	struct buf text;	/* what it said at the end; the caller frees it */
};
typedef void control_row(void *arg, struct view json);
enum status control_ask(const char *dir, const char *verb, const char *argument, control_row *row,
			void *arg, struct control_answer *ret) MUST_USE;

/* The same; the rows are appended to the array.  ret_verdict may be NULL. */
enum status control_rows(const char *dir, const char *verb, const char *argument, json_t *rows,
			 enum verdict *ret_verdict) MUST_USE;

/* For a verb without rows whose effect lasts as long as the connection: until
 * *ret_fd is closed.  *ret_fd is the caller's where the verdict is VERDICT_OK, else -1. */
enum status control_hold(const char *dir, const char *verb, const char *argument, enum verdict *ret_verdict,
			 int *ret_fd) MUST_USE;

#endif
