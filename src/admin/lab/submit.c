/* submit.c - a letter to the host of its sender, as a mail program gives it:
 * over TLS from the first byte (RFC 8314 3.3), with a password. */
#include "admin/lab/dialog.h"

#include "base/clock.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { LINE_MAX_OCTETS = 4096, TIMEOUT_S = 30 };

struct submission {
	SSL_CTX *ctx;
	BIO *bio;
	struct buf line;	/* the last line of the last reply */
	bool starttls;		/* one of its lines said so */
};

/* Line by line, because that is how replies end. */
static bool hear_line(struct submission *s)
{
	char c;

	buf_clear(&s->line);
	while (BIO_read(s->bio, &c, 1) == 1) {
		if (c == '\n')
			return buf_status(&s->line) == ST_OK;
		if (c != '\r')
			buf_putc(&s->line, c);
	}
	return false;
}

/* ST_DENIED: another reply than that. */
static enum status hear(struct submission *s, const char *code)
{
	do {
		if (!hear_line(s) || s->line.n < 3)
			return ST_IO;
		s->starttls |= view_eq(view_skip(buf_view(&s->line), 4), VIEW("STARTTLS"));
	} while (s->line.n > 3 && s->line.p[3] == '-');
	return memcmp(s->line.p, code, 3) == 0 ? ST_OK : ST_DENIED;
}

static enum status say(struct submission *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);

static enum status say(struct submission *s, const char *code, const char *fmt, ...)
{
	char line[LINE_MAX_OCTETS];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line - 2, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof line - 2)
		return ST_LIMIT;
	memcpy(line + n, "\r\n", 2);
	return BIO_write(s->bio, line, n + 2) == n + 2 ? hear(s, code) : ST_IO;
}

static enum status greet(struct submission *s, const struct lab *l, const struct lab_place *p, int port)
{
	struct timeval patience = { TIMEOUT_S, 0 };
	char address[LAB_ADDRESS], where[64];
	int fd = -1;

	snprintf(where, sizeof where, "%s:%d", lab_address(l, p->number, address), port);
	BIO_set_conn_hostname(s->bio, where);
	if (BIO_do_connect(s->bio) != 1)
		return ST_IO;
	if (BIO_get_fd(s->bio, &fd) >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	return hear(s, "220");
}

/* The host shows the certificate that the lab made for it, and no other. */
static enum status reach(struct submission *s, const struct lab *l, const struct lab_place *p)
{
	char pem[LAB_PATH];
	SSL *ssl = NULL;

	s->ctx = SSL_CTX_new(TLS_client_method());
	if (s->ctx == NULL ||
	    SSL_CTX_load_verify_locations(s->ctx, lab_path(l, pem, "%s/keys/tls.pem", p->domain), NULL) != 1)
		return ST_IO;
	/* This one certificate is trusted, whoever has issued it. */
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(s->ctx), X509_V_FLAG_PARTIAL_CHAIN);
	SSL_CTX_set_verify(s->ctx, SSL_VERIFY_PEER, NULL);
	s->bio = BIO_new_ssl_connect(s->ctx);
	if (s->bio == NULL || BIO_get_ssl(s->bio, &ssl) != 1 || SSL_set1_host(ssl, p->mail) != 1)
		return ST_NOMEM;
	return greet(s, l, p, LAB_SUBMISSIONS_PORT);
}

static void hang_up(struct submission *s)
{
	BIO_free_all(s->bio);
	SSL_CTX_free(s->ctx);
	buf_free(&s->line);
	ERR_clear_error();
}

bool lab_is_up_to_date(const struct lab *l, const struct lab_place *p, bool starttls)
{
	struct submission secure = { .line = BUF(LINE_MAX_OCTETS) }, clear = { .line = BUF(LINE_MAX_OCTETS) };
	bool good = reach(&secure, l, p) == ST_OK;

	clear.bio = BIO_new(BIO_s_connect());
	good = good && clear.bio && greet(&clear, l, p, LAB_SMTP_PORT) == ST_OK &&
	       say(&clear, "250", "EHLO probe.%s", p->domain) == ST_OK && clear.starttls == starttls;
	hang_up(&secure);
	hang_up(&clear);
	return good;
}

/* AUTH PLAIN (RFC 4616). */
static enum status log_in(struct submission *s, const char *who)
{
	unsigned char plain[512], encoded[1024];
	int n = snprintf((char *)plain, sizeof plain, "%c%.200s%c%s", 0, who, 0, LAB_PASSWORD);

	EVP_EncodeBlock(encoded, plain, n);
	return say(s, "235", "AUTH PLAIN %s", (const char *)encoded);
}

static enum status letter(struct submission *s, const char *from, const char *to)
{
	char date[RFC5322_DATE_SIZE];
	enum status st = say(s, "354", "DATA");

	if (st == ST_OK)
		st = say(s, "250",
			 "From: %s\r\nTo: %s\r\nSubject: Blah\r\nDate: %s\r\nMessage-ID: <%llx.lab@%s>\r\n\r\n"
			 "Blah blah blah...\r\n....etc. etc. etc.\r\n.",
			 from, to, clock_rfc5322(clock_wall(), date), (unsigned long long)clock_steady(),
			 strchr(from, '@') + 1);
	return st;
}

/* "250 2.0.0 OK id=6920f8d100000.1" */
static void take_id(const struct submission *s, struct buf *id)
{
	struct view v = buf_view(&s->line);
	const char *at = memmem(v.p, v.n, "id=", 3);

	if (at)
		buf_put(id, view_make(at + 3, v.n - (size_t)(at + 3 - v.p)));
}

enum status lab_submit(const struct lab *l, const struct lab_place *p, const char *from, const char *to,
		       struct buf *id, struct buf *why)
{
	struct submission s = { .line = BUF(LINE_MAX_OCTETS) };
	enum status st = reach(&s, l, p);

	if (st == ST_OK)
		st = say(&s, "250", "EHLO program.%s", p->domain);
	if (st == ST_OK)
		st = log_in(&s, from);
	if (st == ST_OK)
		st = say(&s, "250", "MAIL FROM:<%s>", from);
	if (st == ST_OK)
		st = say(&s, "250", "RCPT TO:<%s>", to);
	if (st == ST_OK)
		st = letter(&s, from, to);
	if (st == ST_OK)
		take_id(&s, id);
	else if (st == ST_DENIED)
		buf_put(why, buf_view(&s.line));
	else
		buf_putf(why, "%s cannot be spoken with", p->mail);
	/* Whatever it says to that: the letter is there. */
	if (st == ST_OK)
		(void)!say(&s, "221", "QUIT");
	hang_up(&s);
	return st;
}
