/* manual_sendmail.c - waxwing-sendmail(1), made from its table of options. */
#include "admin/command.h"

static const struct {
	char letter;
	const char *argument, *doc;
} rows[] = {
#define O(letter, argument, meaning, doc) { letter, argument, doc },
#include "sendmail/options.def"
#undef O
};

/* ".Fl o Ar OPTION", or ".Fl q Ns Op Ar INTERVAL" where it must stand at the letter. */
static void put_option(struct buf *out, char letter, const char *argument)
{
	struct view a = view_cstr(argument);

	buf_putf(out, "Fl %c", letter);
	if (a.n && a.p[0] == '[')
		buf_putf(out, " Ns Op Ar %.*s", (int)a.n - 2, a.p + 1);
	else if (a.n)
		buf_putf(out, " Ar %s", argument);
	buf_putc(out, '\n');
}

static void put_files(struct buf *out)
{
	buf_puts(out, ".Sh FILES\n.Bl -tag -width local/submit\n.It Pa local/submit\n"
		      "The server's socket, below the folder of the instance.\n.It Pa local/drop\n");
	mdoc_text(out, "What was handed in while no server ran, each letter a file that only its owner can read. "
			 "Where the server runs as root any user may leave letters there, as much as the disk holds "
			 "(quotas of the file system count); where it does not, only the server's own user. "
			 "When it starts, and whenever a file comes, it takes them.");
	buf_puts(out, ".It Pa local/about\nThe name of the host and the size of the largest letter,\nas the server last "
		      "had them.\n.El\n");
}

static void put_status(struct buf *out)
{
	buf_puts(out, ".Sh EXIT STATUS\n");
	mdoc_text(out, "Those of sysexits.h: 0 when the server has the letter, or it is flushed to the disk in the drop "
			 "folder; 64 when the command line is wrong; 65 when the letter is refused for what it is; 67 when a "
			 "recipient does not exist (the others got it); 69 when it is refused for another reason; 75 when no "
			 "server takes it and it cannot be kept for one; 77 when the user may not send so. "
			 "Standard error says why.\n\n"
			 "What is found out after the program has ended is reported to the sender by a letter.");
}

void manual_sendmail(struct buf *out)
{
	mdoc_head(&admin_cli, out, "waxwing-sendmail", 1, "hand in a letter as programs do");
	buf_puts(out, ".Sh SYNOPSIS\n.Nm\n.Op Ar option ...\n.Op Ar recipient ...\n.Sh DESCRIPTION\n");
	mdoc_text(out, "What cron, git, mutt, PHP and scripts call to send a letter: it is read from standard input, up to "
			 "its end or a line with only a dot, and handed to the running waxwing of this machine. "
			 "Where none runs, or it cannot take the letter now, it is kept in the drop folder for it.\n\n"
			 "Who calls is known by his user id: no password is asked for. "
			 "He sends as his name at the host's name, or as the address that the setting local.accounts gives him; "
			 "his letters are held to the same rules as those of somebody who has logged in.\n\n"
			 "Missing From:, Date: and Message-ID: fields are added, Bcc: is removed, addresses without a domain "
			 "get the host's. Lines may end in LF or CRLF.\n\n"
			 "Called as mailq it lists the queue, as newaliases it does nothing.\n\n"
			 "The options are those of other sendmails:");
	buf_puts(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_puts(out, ".It ");
		put_option(out, rows[i].letter, rows[i].argument);
		mdoc_text(out, rows[i].doc);
	}
	buf_puts(out, ".It Fl \\-dir Ar DIR\nThe folder of the instance, in the place of\n.Ev WAXWING_DIR .\n"
		      ".It Fl \\-version\nSay which version this is.\n.El\n"
		      ".Sh ENVIRONMENT\n.Bl -tag -width WAXWING_DIR\n.It Ev WAXWING_DIR\n"
		      "The folder of the instance; without it\n.Pa /var/lib/waxwing .\n.El\n");
	put_files(out);
	put_status(out);
	buf_puts(out, ".Sh EXAMPLES\nAs the system's sendmail, beside those that Debian's packages bring:\n"
		      ".Bd -literal -offset indent\n"
		      "update\\-alternatives \\-\\-install /usr/sbin/sendmail sendmail \\e\n"
		      "    /usr/local/sbin/waxwing\\-sendmail 90 \\e\n"
		      "    \\-\\-slave /usr/bin/mailq mailq /usr/local/sbin/waxwing\\-sendmail \\e\n"
		      "    \\-\\-slave /usr/bin/newaliases newaliases /usr/local/sbin/waxwing\\-sendmail\n.Ed\n.Pp\n"
		      "A package of Debian's that owns the file itself (postfix, exim4) has to go\nfirst, or its file be "
		      "moved away by\n.Xr dpkg\\-divert 1 .\n"
		      ".Sh SEE ALSO\n.Xr waxwing.conf 5 ,\n.Xr waxwing 8 ,\n.Xr waxwing-queue 8\n");
}
