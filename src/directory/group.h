/* group.h - groups: one address that leads to many, with an owner who gets
 * the bounces, and a rule of who may post.
 *
 * They lie in directory.db.  A group is not an account nor an alias: where
 * one of these has the address, a group cannot be made.
 */
#ifndef WAXWING_DIRECTORY_GROUP_H
#define WAXWING_DIRECTORY_GROUP_H

#include "directory/directory.h"

/* Each stands in the letter's envelope (ENVELOPE_MAX). */
enum { GROUP_MEMBERS = 250 };

enum group_post { POST_ANYONE, POST_MEMBERS, POST_DOMAIN };

struct group {
	struct view address, owner;	/* in the arena given */
	enum group_post post;
};

/* "anyone", "members", "domain", and back.  ST_SYNTAX. */
enum status group_post_take(struct view word, enum group_post *ret) MUST_USE;
const char *group_post_word(enum group_post post);

/* ST_MISSING where there is none. */
enum status directory_group(struct directory *d, struct view address, struct arena *a, struct group *ret) MUST_USE;
/* ST_SYNTAX (no address), ST_MISSING (its domain, or the owner's, is not
 * ours), ST_EXISTS (somebody has the address). */
enum status directory_add_group(struct directory *d, const struct group *g) MUST_USE;
/* With its members.  ST_MISSING. */
enum status directory_remove_group(struct directory *d, struct view address) MUST_USE;
/* ST_MISSING (the group), ST_SYNTAX, ST_EXISTS, ST_LIMIT (GROUP_MEMBERS). */
enum status directory_add_member(struct directory *d, struct view group, struct view member) MUST_USE;
/* ST_MISSING */
enum status directory_remove_member(struct directory *d, struct view group, struct view member) MUST_USE;
/* a: address, b: owner, id: how many members. */
enum status directory_each_group(struct directory *d, directory_row *row, void *arg) MUST_USE;
/* a: the member. */
enum status directory_each_member(struct directory *d, struct view group, directory_row *row, void *arg) MUST_USE;

/* May this sender post?  The null sender may not (RFC 3834 and bounces would
 * go round among the members).  An address of ours counts only when who
 * submits has logged in; that of another host as far as SPF holds it.
 * VERDICT_OK, VERDICT_DENIED, VERDICT_LATER. */
enum verdict group_may_post(struct directory *d, const struct group *g, const struct asked *q);

#endif
