/* verdict.h - all checks of one letter, folded into one answer: fields for
 * programs, a sentence for people, Authentication-Results for whoever comes
 * later (RFC 8601).
 *
 * The bytes go through checks_put as they come; nothing of the body is held.
 * DNS is hinted as early as a name is known and waited for in checks_end.
 */
#ifndef WAXWING_TRUST_VERDICT_H
#define WAXWING_TRUST_VERDICT_H

#include "trust/arc.h"
#include "trust/dmarc.h"
#include "trust/iprev.h"

/* What a process has for all letters; any of the last two may be NULL. */
struct checks_host {
	struct resolver *resolver;
	struct view name;		/* our authserv-id */
	struct view sealers;		/* whose ARC is believed: domains with blanks between */
	unsigned signatures;		/* DKIM signatures that are looked at */
	steady_ms patience;		/* for SPF's look-ups in all, ms; 0: none */
	struct suffixes *suffixes;
	struct key_cache *keys;
};

/* Who brought it. */
struct checks_letter {
	bool has_ip;			/* false: SPF is not checked */
	struct spf_ip ip;
	const struct iprev_ahead *address;	/* whether its name leads back to it, or NULL: nobody asks */
	struct view helo, sender;
	struct view tls;		/* "TLSv1.3 ...", or empty: in clear, or not known */
	wall_ms now;
	unsigned sample;		/* 0 to 99, at random */
};

/* Who signed the content itself, where somebody looked (smime/smime.h, RFC 7281). */
struct content_seal {
	const char *result;		/* "pass"; NULL: nobody looked, or there is nothing of S/MIME */
	struct view identifier;		/* the address of who signed; may be empty */
	struct view serial, issuer;	/* of his certificate */
	struct view sentence;
};

struct trust_verdict {
	enum status header;		/* ST_LIMIT: too large; then nothing but SPF was checked */
	bool has_spf;
	struct spf_answer spf;		/* MAIL FROM, or HELO for the null reverse-path */
	bool has_iprev;
	struct iprev iprev;
	struct dkim dkim;
	struct arc arc;
	bool arc_vouches;		/* DMARC fails, and a trusted chain says that it had passed */
	struct author author;
	struct dmarc_answer dmarc;
	struct view tls;
	struct content_seal smime;
};

struct checks {
	const struct checks_host *host;
	struct pass pass;
	struct dkim dkim;
	struct arc arc;
	struct author author;
	enum status st;
};

/* MAIL FROM is known: what SPF and probably DMARC will ask. */
void checks_hint(const struct checks_host *h, struct view sender, struct view helo);

/* h may be NULL: then the header section is kept (c->pass.header), and nothing
 * is checked. */
void checks_begin(struct checks *c, const struct checks_host *h);
void checks_put(struct checks *c, struct view bytes);
/* Asks what is still to be asked.  The verdict lives as long as the checks.
 * ST_NOMEM, ST_LIMIT (memory for answers). */
enum status checks_end(struct checks *c, const struct checks_letter *l, struct trust_verdict *ret) MUST_USE;
void checks_free(struct checks *c);

/* Authentication-Results: with its name and line end. */
void verdict_put_field(const struct trust_verdict *v, const struct checks_letter *l, struct view id, struct buf *out);

/* One or more sentences.  UTF-8, no control characters. */
void verdict_put_sentence(const struct trust_verdict *v, struct buf *out);

#endif
