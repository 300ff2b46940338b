/* numbers.h - settings that an account has of its own: the limits of its
 * submission, the priority that its letters may ask for, whether copies
 * of them go into its Sent mailbox, and how they are protected.
 *
 * They lie in directory.db and go with the account.
 */
#ifndef WAXWING_DIRECTORY_NUMBERS_H
#define WAXWING_DIRECTORY_NUMBERS_H

#include "directory/directory.h"

enum number {
	NUMBER_LETTERS_HOUR, NUMBER_LETTERS_DAY, NUMBER_RECIPIENTS_HOUR, NUMBER_RECIPIENTS_DAY, NUMBER_NEW_RECIPIENTS,
	NUMBER_PRIORITY,
	NUMBER_SENT,		/* 1: copies go into Sent */
	NUMBER_PROTECT,		/* enum protect of ipc/envelope.h */
	NUMBER_ENCRYPT,		/* 1: what arrives in clear is stored encrypted */
	NUMBER_COUNT,
	NUMBER_LIMITS = NUMBER_SENT,	/* those before are set by `account limit` */
};

struct numbers {
	bool has[NUMBER_COUNT];
	int64_t value[NUMBER_COUNT];
};

/* "letters-hour"; as people write it. */
const char *number_name(enum number n);
/* ST_MISSING: there is no such limit. */
enum status number_take(struct view name, enum number *ret) MUST_USE;

/* The errors of sql.h. */
enum status directory_numbers(struct directory *d, uint64_t account, struct numbers *ret) MUST_USE;
enum status directory_set_number(struct directory *d, uint64_t account, enum number n, int64_t value) MUST_USE;
/* By the setting again.  ST_OK where it was so already. */
enum status directory_drop_number(struct directory *d, uint64_t account, enum number n) MUST_USE;

#endif
