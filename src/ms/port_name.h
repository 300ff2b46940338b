/* port_name.h - what port_import.c and port_export.c share: flags as letters,
 * names of mailboxes as names of files. */
#ifndef WAXWING_MS_PORT_NAME_H
#define WAXWING_MS_PORT_NAME_H

#include "base/buf.h"
#include "ms/port.h"

struct flag_letter {
	char letter;		/* in Maildir and .eml names, in this order */
	char status;		/* in X-Status:, 0: only Status: R */
	uint64_t flag;
};
enum { FLAG_LETTERS = 5 };
extern const struct flag_letter flag_letters[FLAG_LETTERS];

/* The name of a mailbox as a path; every '.' is encoded where dots. */
void path_of_name(struct view name, bool dots, struct buf *out);
/* One level back: %XX undone. */
void name_of_level(struct view level, struct buf *out);

#endif
