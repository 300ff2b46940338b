/* port.h - mailboxes from and to what others read: Maildir, mbox, .eml.
 *
 *     Maildir   DIR/{cur,new,tmp} is INBOX, DIR/.Work.Deep/... is Work/Deep
 *               (Maildir++); flags in the names ("...:2,FS"), keywords in
 *               dovecot-keywords, the date is the file's; lines end with LF
 *     mbox      DIR/Work/Deep.mbox (mboxrd: ">From " quoted), flags in Status:
 *               and X-Status:, the date in the From_ line; lines end with LF
 *     eml       DIR/Work/Deep/UID[,FS].eml, the letter as it is; flags in the
 *               name, the date is the file's
 *
 * In names of files '.' at a level's beginning (Maildir: everywhere), '/' and
 * what is no plain character stands as %XX, so no mailbox can name a place
 * outside of DIR.  Reading, a line that ends with LF alone gets a CRLF.
 *
 * Runs where nobody else has the store: waxwing(8) while no room of the
 * account is there.  Errors are those of disk.h and store.h; what has been
 * done before an error stays.
 */
#ifndef WAXWING_MS_PORT_H
#define WAXWING_MS_PORT_H

#include "ms/store.h"

enum port_format { PORT_MAILDIR, PORT_MBOX, PORT_EML, PORT_FORMATS };

/* "maildir", "mbox", "eml"; ST_SYNTAX. */
enum status port_format(struct view name, enum port_format *ret) MUST_USE;

struct port {
	void (*progress)(struct port *p);	/* after each letter; may be NULL */
	uint64_t letters, bytes;		/* done */
	uint64_t failed;			/* could not be read */
};

/* A file (mbox when it begins with "From ", else one letter) goes into the
 * mailbox `into`; a folder (Maildir, or a tree of .mbox and .eml) makes the
 * mailboxes that it names.  Flushed when it returns. */
enum status port_import(struct store *s, const char *path, struct view into, struct port *p) MUST_USE;

/* All mailboxes, below the folder dir, which is made. */
enum status port_export(struct store *s, const char *dir, enum port_format f, struct port *p) MUST_USE;

#endif
