/* explain.c - what the lines of an SMTP session mean, and in which layer they
 * belong.  The only list; the first that fits counts. */
#include "admin/lab/dialog.h"

#define TCP "TCP"
#define TLS "TLS"
#define SMTP "SMTP"
#define MESSAGE "message"

static const struct {
	char by;		/* 'C', 'S' or '*' */
	const char *begins;	/* of the line */
	const char *layer, *text;
} explanations[] = {
	{ '*', "connection", TCP,
	  "A TCP connection (RFC 9293): bytes arrive whole and in order. Nothing is secret yet, and nobody has proved who he is." },
	{ '*', "TLSv", TLS,
	  "The handshake (RFC 8446): both have agreed on a key that nobody on the way knows. From here on what is said is encrypted, and a change would be noticed. Whether the server is the right one is for the client to check: by DANE, by MTA-STS, or not at all." },
	{ '*', "TLS failed", TLS, "The handshake failed: nothing can be said over this connection any more." },
	{ '*', "end", TCP, "The connection is closed." },
	{ '*', "on disk", MESSAGE,
	  "The letter and its envelope are on disk: from now on this host answers for it (RFC 5321 6.1)." },
	{ '*', "in the mailbox", MESSAGE, "Final delivery: the letter lies where its reader will find it." },
	{ '*', "checked", MESSAGE,
	  "Who sent it? SPF: may this host send for the envelope's sender (RFC 7208). DKIM: is a signature of the letter good by the key that its domain publishes (RFC 6376). DMARC: is one of the two of the domain that the reader sees in From: (RFC 9989). ARC: what hosts say that had it before (RFC 8617)." },
	{ '*', "sealed by arc", MESSAGE,
	  "The letter is somebody else's and is sent on: what was found when it came is sealed (RFC 8617), so that the next host can know although SPF holds for us only." },
	{ '*', "sealed", MESSAGE,
	  "Signed for the domain of its author (RFC 6376): by RSA for all, by Ed25519 (RFC 8463) for who knows it. The keys are in DNS; header fields and body cannot be changed any more without a trace." },
	{ '*', "relayed", SMTP, "The other host has said 250: it answers for the letter now." },
	{ '*', "waits", SMTP,
	  "This is no failure yet: the letter stays in the queue and is tried again, with growing pauses, for days (RFC 5321 4.5.4.1). So a fault, or an attack, costs time and not the letter, nor its secrecy." },
	{ '*', "returned", SMTP, "There is no hope: the sender is told by a report (RFC 5321 6.1)." },

	{ 'S', "220 2.0.0", SMTP, "Yes. The next bytes on this connection belong to TLS." },
	{ 'S', "220", SMTP,
	  "The server speaks first (RFC 5321 4.3.1). The name that it says is not proved." },
	{ 'C', "EHLO", SMTP,
	  "The client says its name, and asks what the server can do (RFC 5321 4.1.1.1). After STARTTLS it says it again: all that was learned before TLS might have been forged (RFC 3207 4.2)." },
	{ 'C', "HELO", SMTP, "As EHLO, in the old way: no extensions, so no TLS either." },
	{ 'S', "250-STARTTLS", SMTP,
	  "TLS is to be had (RFC 3207). This line is said in clear: whoever sits on the way can cut it out, and a client that does not know better would go on in clear. DANE and MTA-STS are how it knows better." },
	{ 'S', "250-PIPELINING", SMTP, "Commands may be sent without waiting for each reply (RFC 2920)." },
	{ 'S', "250-SIZE", SMTP, "The largest letter that is taken (RFC 1870)." },
	{ 'S', "250-8BITMIME", SMTP, "Octets with the eighth bit are taken as they are (RFC 6152)." },
	{ 'S', "250-CHUNKING", SMTP, "BDAT: letters with a length in front, instead of a dot at the end (RFC 3030)." },
	{ 'S', "250-SMTPUTF8", SMTP, "Addresses in all scripts (RFC 6531)." },
	{ 'S', "250-DSN", SMTP, "Reports can be asked for (RFC 3461)." },
	{ 'S', "250-REQUIRETLS", SMTP, "A letter may ask to travel over verified TLS or not at all (RFC 8689)." },
	{ 'S', "250-AUTH", SMTP, "Logging in is offered (RFC 4954): here only under TLS, because what is sent is the password." },
	{ 'S', "250-BINARYMIME", SMTP, "Octets of any kind are taken, lines or not (RFC 3030 3)." },
	{ 'S', "250-LIMITS", SMTP, "How many letters and recipients one session may have (RFC 9422)." },
	{ 'S', "250-ENHANCEDSTATUSCODES", SMTP, "Replies have a second, finer code (RFC 2034, 3463)." },
	{ 'S', "250 HELP", SMTP, "The last line of the reply: a blank stands behind the code, not a hyphen (RFC 5321 4.2.1)." },
	{ 'S', "250-", SMTP, "A line of a longer reply: a hyphen stands behind the code (RFC 5321 4.2.1)." },
	{ 'C', "STARTTLS", SMTP, "Now TLS, please (RFC 3207). Nothing may follow in clear." },
	{ 'C', "AUTH", SMTP, "A person logs in (RFC 4954); the password is not shown here." },
	{ 'C', "(secret)", SMTP, "The password, which is not logged." },
	{ 'S', "334", SMTP, "The server asks for the next piece of the login (RFC 4954 4)." },
	{ 'S', "235", SMTP, "It is the right password." },
	{ 'C', "MAIL FROM:<>", SMTP, "The envelope's sender is nobody: this is a report, and never answered by another one (RFC 5321 4.5.5)." },
	{ 'C', "MAIL FROM:", SMTP,
	  "The envelope begins: who is told when it cannot be delivered (RFC 5321 3.3). It need not be whom the letter itself names in From:, and nothing here proves it: that is what SPF, DKIM and DMARC are for." },
	{ 'C', "RCPT TO:", SMTP, "The envelope goes on: who shall get it. A line for each." },
	{ 'S', "250 2.1.0", SMTP, "The sender is taken." },
	{ 'S', "250 2.1.5", SMTP, "The recipient is taken." },
	{ 'C', "DATA", SMTP, "Now the letter itself (RFC 5321 4.1.1.4)." },
	{ 'C', "BDAT", SMTP, "The letter itself, so many octets of it (RFC 3030 2)." },
	{ 'S', "354", SMTP, "Go on; a dot alone on a line is the end." },
	{ 'C', "(the letter", MESSAGE,
	  "Header and body (RFC 5322), which SMTP carries and does not look into." },
	{ 'S', "250 2.0.0 OK id=", SMTP,
	  "The promise: the letter is safe here, and the client may forget it. Said only once it is on disk (RFC 5321 6.1)." },
	{ 'C', "RSET", SMTP, "The envelope so far is forgotten." },
	{ 'C', "NOOP", SMTP, "Are you there?" },
	{ 'C', "QUIT", SMTP, "That was all." },
	{ 'S', "221", SMTP, "Goodbye." },
	{ 'S', "421", SMTP, "The server has to close the connection: try again later (RFC 5321 3.8)." },
	{ 'S', "4", SMTP, "Not now: this may pass, and the client tries again later (RFC 5321 4.2.1)." },
	{ 'S', "550 5.1.1", SMTP, "Nobody has that address here. Said now, so that the host that sends tells its own user; no report goes to a stranger." },
	{ 'S', "5", SMTP, "No, for good: trying the same again would not help (RFC 5321 4.2.1)." },
	{ 'S', "250", SMTP, "Yes." },
};

const char *lab_explain(char by, struct view line, const char **ret_layer)
{
	for (size_t i = 0; i < sizeof explanations / sizeof *explanations; i++) {
		if (explanations[i].by != by || !view_starts_i(line, view_cstr(explanations[i].begins)))
			continue;
		*ret_layer = explanations[i].layer;
		return explanations[i].text;
	}
	*ret_layer = SMTP;
	return NULL;
}
