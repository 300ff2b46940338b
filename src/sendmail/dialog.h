/* dialog.h - `-bs` while no server runs: SMTP as it is said on standard input,
 * answered here, and the letters kept in the drop folder.
 *
 * What can be checked without a server is: grammar, size, number of recipients,
 * line ends.  Everything else the server says when it takes the letter from
 * the folder, and then the sender gets a report.
 */
#ifndef WAXWING_SENDMAIL_DIALOG_H
#define WAXWING_SENDMAIL_DIALOG_H

#include "sendmail/user.h"

/* Until QUIT or the end of standard input.  A status of sysexits(3). */
int dialog(const char *dir, const struct about *about);

#endif
