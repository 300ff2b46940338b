/* challenge.c - an issuer of certificates asks by letter whether an address is ours (RFC 8823).
 * It is noted for the command that asks for one, and for nobody else. */
#include "warden/internal.h"

#include "base/log.h"
#include "directory/acme.h"

void challenge_came(struct warden *w, struct channel *ch, const struct record *rec)
{
	wall_ms since = clock_wall() - w->proc.conf.acme_wait;
	struct rec_challenge in;
	struct acme_challenge c;
	enum status st;

	(void)ch;
	if (!rec_take_challenge(rec->body, &in))
		return;
	c = (struct acme_challenge){
		.sender = in.sender, .token = in.token, .message_id = in.message_id, .reply_to = in.reply_to,
	};
	st = directory_acme_note(w->directory, in.account, since, &c);
	log_begin(st == ST_OK ? LOG_INFO_ : LOG_WARN_, st == ST_OK ? "challenge" : "challenge-unasked");
	log_view("id", in.id);
	log_u64("account", in.account);
	log_view("from", in.sender);
	if (st != ST_OK && st != ST_MISSING)
		log_str("why", status_name(st));
	log_end();
}
