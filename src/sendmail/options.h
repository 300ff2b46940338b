/* options.h - the command line of waxwing-sendmail. */
#ifndef WAXWING_SENDMAIL_OPTIONS_H
#define WAXWING_SENDMAIL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum sendmail_mode { MODE_LETTER, MODE_SMTP, MODE_LIST, MODE_NOTHING, MODE_PICKUP, MODE_VERSION };

/* All texts are those of argv. */
struct options {
	enum sendmail_mode mode;
	bool header, dots, verbose;
	const char *dir;
	const char *sender;		/* NULL: not given */
	const char *full_name, *notify, *ret, *envid;	/* NULL: not given */
	const char *key;		/* MODE_PICKUP: of the file */
	uint32_t uid;			/* and its owner */
	char **recipients;
	int n;
};

/* Says on standard error what is wrong; then false. */
bool options_take(int argc, char **argv, struct options *ret);

#endif
