#include "mua/seal.h"

#include "mua/certs.h"
#include "mua/revoked.h"
#include "smime/sink.h"
#include "smime/write.h"
#include "trust/author.h"

enum { AUTHOR_ARENA = 1024 * 1024 };
#define SEALED_MAX ((size_t)512 * 1024 * 1024)

/* ---- writing ---- */

struct sealing {
	struct certs certs;
	const struct seal_wish *wish;
	struct view letter, from;
	wall_ms now;
	struct smime_recipient *recipients;	/* everybody's, and ours behind them */
	size_t n;				/* 0: not encrypted */
	bool own;
	struct arena a;
	seal_take *take;
	void *arg;
	struct buf *why;
};

/* Everybody's certificate, and ours, so that our own copy can be read. */
static enum status find_recipients(struct sealing *s)
{
	X509 *own = certs_own(&s->certs, s->from, s->now);
	enum cert_source source;

	s->recipients = arena_array(&s->a, s->wish->n_to + 1, sizeof *s->recipients);
	if (s->recipients == NULL)
		return arena_status(&s->a);
	for (size_t i = 0; i < s->wish->n_to; i++) {
		X509 *x = certs_find(&s->certs, s->wish->to[i], s->now, &source);

		if (x == NULL) {
			buf_clear(s->why);
			buf_putf(s->why, "no certificate of %.*s is known: DNS has none that DNSSEC proves, and no letter brought one",
				 VIEW_ARG(s->wish->to[i]));
			s->n = 0;
			return ST_MISSING;
		}
		buf_putf(s->why, "%sencrypted for %.*s (certificate %s)", s->why->n ? ", " : "", VIEW_ARG(s->wish->to[i]),
			 cert_source_text(source));
		s->recipients[s->n++] = (struct smime_recipient){ x, 0 };
	}
	s->own = own != NULL;
	s->recipients[s->n] = (struct smime_recipient){ own, 0 };
	return ST_OK;
}

/* With a signature goes what others need to answer: the certificate that they
 * encrypt for, where it is another one. */
static enum status write_sealed(struct sealing *s, const struct smime_key *signer,
				const struct smime_recipient *recipients, size_t n, struct buf *out)
{
	STACK_OF(X509) *chain = s->certs.keys.others ? sk_X509_dup(s->certs.keys.others) : sk_X509_new_null();
	X509 *own = certs_own(&s->certs, s->from, s->now);
	struct smime_writing how = {
		.signer = signer, .chain = chain, .recipients = recipients, .n_recipients = n, .now = s->now,
	};
	enum status st = chain && (own == NULL || (signer && own == signer->certificate) || sk_X509_push(chain, own)) ? ST_OK :
															ST_NOMEM;

	if (st == ST_OK)
		st = smime_write(s->letter, &how, cms_to_buf, out);
	sk_X509_free(chain);
	return st;
}

/* The copy for `n` recipients from `at` on. */
static enum status give_copy(struct sealing *s, const struct smime_key *signer, size_t at, size_t n, bool first)
{
	struct buf out = BUF(SEALED_MAX);
	struct seal_copy c = { .letter = s->letter, .to = s->wish->to + at, .n_to = n, .encrypted = s->n > 0, .first = first };
	struct smime_recipient *all = arena_array(&s->a, n + 1, sizeof *all);
	size_t n_all = s->n ? n : 0;
	enum status st = arena_status(&s->a);

	for (size_t i = 0; all && i < n_all; i++)
		all[i] = s->recipients[at + i];
	if (all && n_all && s->own)
		all[n_all++] = s->recipients[s->n];
	if (st == ST_OK && (signer || n_all)) {
		st = write_sealed(s, signer, all, n_all, &out);
		c.letter = buf_view(&out);
	}
	if (st == ST_OK)
		st = s->take(s->arg, &c);
	buf_free(&out);
	return st;
}

static bool stands_before(const struct seal_wish *w, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (smime_same_address(w->to[i], w->to[at]))
			return true;
	return false;
}

static enum status give_all(struct sealing *s, const struct smime_key *signer)
{
	const struct seal_wish *w = s->wish;
	enum status st;

	if (s->n == 0 || w->n_open == w->n_to)
		return give_copy(s, signer, 0, w->n_to, true);
	st = w->n_open ? give_copy(s, signer, 0, w->n_open, true) : ST_OK;
	for (size_t i = w->n_open; st == ST_OK && i < w->n_to; i++)
		if (!stands_before(w, i))
			st = give_copy(s, signer, i, 1, i == 0);
	return st;
}

/* why is for whom it is encrypted, or why it is not. */
static void say_how(struct sealing *s, bool is_signed)
{
	struct buf how = BUF(s->why->max);

	if (is_signed)
		buf_puts(&how, s->n ? "signed and " : "signed, not encrypted");
	else if (s->n == 0 && s->why->n)
		buf_puts(&how, "not encrypted");
	if (s->n == 0 && s->why->n)
		buf_puts(&how, ": ");
	buf_put(&how, buf_view(s->why));
	buf_free(s->why);
	*s->why = how;
}

static enum status seal(struct sealing *s)
{
	const struct seal_wish *w = s->wish;
	bool must_sign = w->sign || w->protect == PROTECTION_SIGN, must_encrypt = w->encrypt || w->protect == PROTECTION_ENCRYPT;
	const struct smime_key *signer = must_sign || w->protect > PROTECTION_OFF ? certs_signer(&s->certs, s->from, s->now) : NULL;
	enum status st = ST_OK;

	if (signer == NULL && must_sign) {
		buf_putf(s->why, "there is no key to sign as %.*s; `waxmail cert import FILE` brings one", VIEW_ARG(s->from));
		return ST_MISSING;
	}
	/* Who has no key was asked for nothing: his own copy would be closed to him. */
	if (must_encrypt || w->protect == PROTECTION_FULL || (w->protect == PROTECTION_AUTO && signer))
		st = find_recipients(s);
	if (st == ST_MISSING && !must_encrypt)
		st = ST_OK;
	if (st == ST_OK)
		say_how(s, signer != NULL);
	return st == ST_OK ? give_all(s, signer) : st;
}

enum status letter_seal(struct place *p, struct view letter, const struct seal_wish *w, seal_take *take, void *arg,
			struct buf *why)
{
	struct sealing s = { .wish = w, .letter = letter, .now = clock_wall(), .a = ARENA(AUTHOR_ARENA), .take = take,
			     .arg = arg, .why = why };
	struct seal_copy as_it_is = { .letter = letter, .to = w->to, .n_to = w->n_to, .first = true };
	struct author author;
	enum status st;

	if (w->protect == PROTECTION_OFF && !w->sign && !w->encrypt)
		return take(arg, &as_it_is);
	st = certs_open(&s.certs, p);
	if (st == ST_OK)
		st = author_find(letter, &s.a, &author);
	if (st == ST_OK && author.kind != AUTHOR_ONE) {
		buf_puts(why, author_problem(author.kind));
		st = ST_DENIED;
	}
	if (st == ST_OK) {
		s.from = author.all[0].address;
		st = seal(&s);
	}
	certs_close(&s.certs);
	arena_free(&s.a);
	return st;
}

/* ---- reading ---- */

static enum show_style style_of(enum smime_word w)
{
	switch (w) {
	case SMIME_GOOD:
		return SHOW_GOOD;
	case SMIME_MISMATCH:
	case SMIME_BAD:
	case SMIME_BROKEN:
		return SHOW_BAD;
	default:
		return SHOW_UNSURE;
	}
}

static bool is_open(enum smime_word w)
{
	return w != SMIME_NONE && w != SMIME_LOCKED && w != SMIME_BROKEN && w != SMIME_PARTIAL;
}

/* Whose certificate DNS proves. */
static bool pin_author(struct certs *c, struct view letter, struct smime_trust *trust)
{
	struct arena a = ARENA(AUTHOR_ARENA);
	struct author author;
	bool pinned = author_find(letter, &a, &author) == ST_OK && author.kind == AUTHOR_ONE &&
		      certs_pin(c, author.all[0].address, trust) > 0;

	arena_free(&a);
	return pinned;
}

/* Read, and where something is fetched of its signer, again. */
static enum status read_letter(struct place *p, struct view letter, const struct smime_reading *how,
			       struct smime_trust *trust, struct smime_letter *ret)
{
	struct smime_reading later = *how;
	enum status st = smime_read(letter, how, ret);

	if (st != ST_OK || !revoked_fetch(p, trust, ret))
		return st;
	smime_free(ret);
	/* What was signed just now is not of the future. */
	later.now = clock_wall();
	return smime_read(letter, &later, ret);
}

/* Only where somebody may be asked; a revoked one stands in the sentence. */
static void put_revocation(const struct place *p, const struct smime_signer *s, struct buf *line)
{
	if (s == NULL || s->chain != SMIME_CHAIN_TRUSTED || !(p->settings.revocation.crl || p->settings.revocation.ocsp))
		return;
	if (s->revocation == SMIME_NOT_REVOKED)
		buf_puts(line, " The certificate was not revoked.");
	else if (s->revocation == SMIME_NOT_CHECKED)
		buf_puts(line, " Whether the certificate was revoked was not checked: nobody answered.");
}

static enum status look(struct certs *c, struct view letter, struct smime_trust *trust, struct buf *line,
			enum show_style *ret_style, struct buf *inner)
{
	bool pinned = pin_author(c, letter, trust);
	struct smime_reading how = { .trust = trust, .keys = &c->keys, .now = clock_wall() };
	const struct smime_signer *signer;
	struct smime_letter l;
	enum status st = read_letter(c->p, letter, &how, trust, &l);

	if (st != ST_OK)
		return st;
	smime_put_sentence(&l, line);
	signer = smime_main_signer(&l);
	if (pinned && signer && signer->chain == SMIME_CHAIN_PINNED)
		buf_puts(line, " DNSSEC proves the certificate.");
	put_revocation(c->p, signer, line);
	*ret_style = style_of(l.word);
	if (is_open(l.word))
		st = smime_put_letter(&l, letter, cms_to_buf, inner);
	certs_learn(c, &l);
	smime_free(&l);
	return st;
}

enum status seal_look(struct place *p, struct view letter, struct buf *line, enum show_style *ret_style,
		      struct buf *inner)
{
	struct buf authorities = BUF(SMIME_PEM_MAX);
	struct smime_trust *trust = NULL;
	struct certs c;
	enum status st;

	if (!smime_concerns(letter))
		return ST_MISSING;
	st = certs_open(&c, p);
	if (st == ST_OK)
		st = smime_trust_new(&trust);
	if (st == ST_OK && file_load(p->settings.authorities, &authorities) == ST_OK)
		smime_trust_later(trust, buf_view(&authorities));
	if (st == ST_OK)
		st = look(&c, letter, trust, line, ret_style, inner);
	smime_trust_free(trust);
	buf_free(&authorities);
	certs_close(&c);
	return st;
}
