/* manual.c - waxmail(1) in mdoc(7), made from the tables. */
#include "mua/verb.h"

static void put_verb(struct buf *out, const struct cli_row *v)
{
	buf_putf(out, ".It Cm %s", v->words);
	mdoc_arguments(out, v->arguments);
	buf_putc(out, '\n');
	mdoc_text(out, v->help);
	mdoc_text(out, v->more);
	if (v->options == 0)
		return;
	buf_puts(out, ".Pp\nOptions:\n");
	mdoc_usage(&verb_cli, v->options, out);
}

static void put_examples(struct buf *out)
{
	const struct cli_row *v;

	buf_puts(out, ".Sh EXAMPLES\n.Bd -literal -offset indent\n");
	for (size_t i = 0; (v = verb_cli.row(i)) != NULL; i++)
		mdoc_literal(out, ((const struct verb *)v)->examples);
	buf_puts(out, ".Ed\n");
}

static const char tour[] =
	"`waxmail account add Jones@foo.com` finds the servers and asks for nothing but, at the first sync, the password. "
	"`waxmail account password Jones@foo.com` keeps it for this day; --password-command has it from a password store.\n\n"
	"`waxmail sync` brings the letters here. From now on everything works without the network.\n\n"
	"`waxmail` alone reads, full screen; ? says which keys do what.\n\n"
	"`waxmail list --limit 10` shows the newest ten, each with its number. `waxmail show 17` shows one; `waxmail reply 17` opens the editor with it quoted.\n\n"
	"`echo Blah | waxmail send --to Smith@bar.com --subject Blah` sends one without an editor.\n\n"
	"`waxmail search from:smith is:unread | waxmail flag --add seen` changes what was found; what list and search print is what the other verbs read. "
	"`waxmail search has:attachment after:1m --json` is for programs.\n\n"
	"`waxmail sync` tells the server what was done.";

static const char config[] =
	"The file config is read by libconfig: NAME = VALUE; with texts in quotes. `default` is the account that is meant where none is named; "
	"`authorities` a PEM file of the authorities that servers' certificates are believed from; `editor` a command; `revocation` what may be fetched to see whether the certificate of who signed a letter was revoked: nothing (what stands when nothing does; it then says \"not checked\"), `crl` (lists, which tell who looks on little), `ocsp` (which tells the authority whom you read, and when) or `crl,ocsp`; `review` whether it is asked what becomes of a letter when the editor ends (true); `patience` how many seconds a server may be silent (60); "
	"`letter_size` the octets of the largest letter that is fetched (256 MiB); `resolver` and `trust_anchor` the DNS server and anchor to ask instead of the root's servers; `autoconfig` a URL to ask for an account's servers instead of the usual ones, in which DOMAIN and ADDRESS stand for those of the account; `autodiscover` the same for Microsoft's form of it.\n\n"
	"accounts is a list of groups, each with `address`, `name`, `user` (where it is not the address), `read`, `send`, `password_command`, `signature` (a file), `authserv_id` (whose verdicts about letters are believed; the host that is read from where not given), "
	"`save_sent` (true: a copy of what is sent goes into the folder for that; false where the server does so itself), `leave_on_server` (POP3; true), `flowed` (format=flowed; true), `user_agent` (false), `local_time` (true: the date of a letter is in the zone of this machine; false: in UTC, which tells less), `ldap` (a directory that is asked for a certificate when neither DNS nor a letter has one, as ldaps://ldap.example.org/dc=example,dc=org; with ldap: STARTTLS is demanded) and `protect`: how much is wanted for letters, `off`, `sign`, `auto` (what stands when nothing does), `protect` or `encrypt`, as the verb send says.\n\n"
	"Passwords come from password_command, else from the kernel's keyring, else from the terminal; they are never in a file or on a command line of ours. "
	"Servers are spoken with over TLS only, and their certificates are verified; there is no way around it: by TLSA records of DNS where DNSSEC proves that there are some (RFC 6698, 7671), else by an authority and the server's name. "
	"DNS is asked for them before the first connection of a run, but for half an hour not again where no answer came; `dane` = false; does without.";

void verb_manual(struct buf *out)
{
	const struct cli_row *v;

	mdoc_head(&verb_cli, out, "waxmail", 1, "read and write mail in the terminal");
	buf_puts(out, ".Sh SYNOPSIS\n.Nm\n.Nm\n"
		      ".Ar verb\n.Op Ar argument ...\n.Op Ar option ...\n.Nm\n.Cm help\n.Op Ar verb\n.Sh DESCRIPTION\n");
	mdoc_text(out, "waxmail keeps a copy of each account's letters in Maildir, makes it the same as the server's by IMAP (or fetches by POP3), and sends by SMTP. "
		      "Without a verb it is a full-screen reader. With one it does that and ends, reads ids and texts from standard input and writes results to standard output, so that verbs work together in pipes.\n\n"
		      "Where a verb takes [ID ...] and none is given, they are read from standard input: the first word of each line, or the id of each object of JSON.\n\n"
		      "The verbs are:");
	buf_puts(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; (v = verb_cli.row(i)) != NULL; i++)
		put_verb(out, v);
	buf_puts(out, ".El\n");
	mdoc_options(&verb_cli, ~(option_set)0, out);
	buf_puts(out, ".Sh A TOUR OF FIVE MINUTES\n");
	mdoc_text(out, tour);
	buf_puts(out, ".Sh CONFIGURATION\n");
	mdoc_text(out, config);
	buf_puts(out, ".Sh ENVIRONMENT\n.Bl -tag -width Ds\n.It Ev VISUAL , EDITOR\nThe editor.\n"
		      ".It Ev NO_COLOR\nWhen set and not empty, nothing is coloured.\n"
		      ".It Ev XDG_CONFIG_HOME , XDG_DATA_HOME\nWhere configuration and letters are kept, in\n.Pa waxmail .\n.El\n"
		      ".Sh FILES\n.Bl -tag -width Ds\n.It Pa ~/.config/waxmail/config\nThe configuration.\n"
		      ".It Pa ~/.config/waxmail/aliases\nThe address book.\n"
		      ".It Pa ~/.local/share/waxmail/ADDRESS/\nThe copy of an account:\n.Pa mail\nholds a Maildir for each folder.\n.El\n");
	mdoc_exit_status(out);
	put_examples(out);
	buf_puts(out, ".Sh SEE ALSO\n.Xr mutt 1 ,\n.Xr waxwing 8\n");
}
