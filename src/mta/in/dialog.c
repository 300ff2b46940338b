/* dialog.c - log.dialog: each line as it was said, for who learns or looks
 * for a fault.  Passwords and the text of letters are left out. */
#include "mta/in/internal.h"

#include "base/log.h"

static void note(const struct smtp_session *s, const char *by, struct view line)
{
	log_begin(LOG_INFO_, "dialog");
	log_hex("sid", s->sid);
	log_str("by", by);
	log_str("layer", conn_has_tls(&s->conn) ? "TLS" : "TCP");
	log_view("line", line);
	log_end();
}

void smtp_dialog_reply(const struct smtp_session *s, struct view line)
{
	if (s->host->conf->log_dialog)
		note(s, "server", line);
}

/* "AUTH PLAIN secret" without the third word, and a URL without its token. */
static struct view without_secret(struct view line)
{
	size_t verb = view_find(line, ' ') + 1;

	if (view_starts_i(line, VIEW("BURL ")))
		return view_head(line, view_find(line, ';'));

	if (!view_starts_i(line, VIEW("AUTH ")))
		return line;
	return view_head(line, verb + view_find(view_skip(line, verb), ' '));
}

void smtp_dialog_line(const struct smtp_session *s, struct view line)
{
	if (s->host->conf->log_dialog)
		note(s, "client", s->mode == MODE_AUTH ? VIEW("(secret)") : without_secret(line));
}

void smtp_dialog_letter(const struct smtp_session *s, uint64_t size)
{
	struct buf line = BUF(64);

	if (!s->host->conf->log_dialog)
		return;
	buf_putf(&line, "(the letter: %llu octets)", (unsigned long long)size);
	note(s, "client", buf_view(&line));
	buf_free(&line);
}
