/* protect.c - "protect this letter" (S/MIME, RFC 8551) for who has logged in:
 * signed by his own key, which stays in warden, and encrypted where everybody's
 * certificate is known; else REQUIRETLS (RFC 8689) is asked for it.
 *
 * All of it happens between the end of the text and the queue's word, so what was
 * not protected never reaches a disk: whatever dies on the way, the client has no
 * 250 and nothing has left.  The letter lies in its sink; what is written
 * goes into another one, piece by piece, and takes its place.
 *
 * An encrypted letter names those who can read it (by their certificates).  So whoever is
 * not named in To: or Cc: gets one of his own. */
#include "mta/in/internal.h"

#include "base/log.h"
#include "msg/address.h"
#include "msg/convert.h"
#include "msg/header.h"
#include "smime/discover.h"
#include "smime/write.h"
#include "trust/author.h"

#include <openssl/err.h>
#include <stdio.h>
#include <sys/mman.h>

enum { PLAN_ARENA = 64 * 1024 * 1024, FOUND_ARENA = 1024 * 1024, NAMED_MOST = 10000, ADDRESS_MOST = 1024,
       SHOWN_MOST = 300, BREATH = 4 * 1024 * 1024, GROWTH = 2, SLACK = 1024 * 1024 };

/* Who can read it: of each recipient of the envelope. */
struct reader {
	X509 *certificate;
	bool apart;		/* nobody else is to know of him */
};

struct protecting {
	struct smtp_session *s;
	struct buf *why;
	struct arena a;
	void *map;			/* of the sink, or NULL */
	struct buf textual;		/* the letter without binary parts, where it had some */
	uint64_t held;			/* of the budget, for that */
	size_t map_n;
	struct view letter, header;
	enum smime_cover cover;
	struct smime_key signer;	/* key NULL: it is not signed here */
	struct view signing;		/* its certificate, DER */
	bool unanswered;		/* warden did not say whether it signs */
	STACK_OF(X509) *chain;
	X509 *own;			/* the author's, to encrypt for; or NULL */
	struct reader *readers;
	uint32_t n_readers;
	struct view *named;		/* in To: and Cc: */
	size_t n_named;
	unsigned apart;
};

static enum reply refuse(struct protecting *p, enum reply r, struct view who, const char *what)
{
	who = view_head(who, SHOWN_MOST);
	for (size_t i = 0; i < who.n; i++)
		buf_putc(p->why, (who.p[i] & 0x80) && !p->s->env.smtputf8 ? '?' : who.p[i]);
	buf_puts(p->why, what);
	return r;
}

/* ---- the letter as it lies there ---- */

static enum reply open_letter(struct protecting *p)
{
	const struct sink *sink = &p->s->sink;
	struct field f;
	size_t at = 0;

	p->letter = buf_view(&sink->head);
	if (sink->fd >= 0) {
		p->map = mmap(NULL, sink->size, PROT_READ, MAP_PRIVATE, sink->fd, 0);
		if (p->map == MAP_FAILED) {
			p->map = NULL;
			return SAY_NO_SPACE;
		}
		p->map_n = sink->size;
		p->letter = view_make(p->map, p->map_n);
	}
	while (field_next(p->letter, &at, &f))
		;
	p->header = view_head(p->letter, at);
	p->cover = smime_cover(p->header);
	return SAY_OK;
}

/* ---- certificates that warden knows ---- */

struct identity {
	X509 *signing, *encryption;
	STACK_OF(X509) *chain;
	struct view signing_der;	/* in the arena */
};

static void identity_free(struct identity *i)
{
	X509_free(i->signing);
	X509_free(i->encryption);
	sk_X509_pop_free(i->chain, X509_free);
}

static enum verdict ask_identity(struct protecting *p, uint64_t account, struct identity *ret)
{
	struct buf b = BUF(64), answer = BUF(RECORD_MAX);
	struct rec_identity_answer a;
	uint16_t type;
	enum verdict v = VERDICT_LATER;

	rec_put_identity_ask(&b, 0, p->s->sid, &(struct rec_identity_ask){ account });
	if (channel_ask(p->s->host->warden, &b, -1, ASK_MS, &answer, &type, NULL) == ST_OK &&
	    type == REC_identity_answer && rec_take_identity_answer(buf_view(&answer), &a)) {
		v = (enum verdict)a.verdict;
		*ret = (struct identity){
			.signing = smime_certificate(a.signing), .encryption = smime_certificate(a.encryption),
			.chain = smime_certificate_list(a.chain), .signing_der = arena_copy(&p->a, a.signing),
		};
	}
	buf_free(&b);
	buf_free(&answer);
	return arena_status(&p->a) == ST_OK ? v : VERDICT_LATER;
}

/* ---- his own key, which is in warden ---- */

/* Called within OpenSSL, on the session's stack. */
static enum status sign(const struct tls_signer *t, enum tls_scheme scheme, struct view input, struct buf *ret)
{
	struct protecting *p = t->owner;
	struct buf b = BUF(RECORD_MAX), answer = BUF(4096);
	struct rec_letter_sign_answer a;
	uint16_t type;
	enum status st;

	rec_put_letter_sign_ask(&b, 0, p->s->sid, &(struct rec_letter_sign_ask){ buf_view(&p->s->ticket), p->signing,
										 (uint8_t)scheme, input });
	st = channel_ask(p->s->host->warden, &b, -1, ASK_MS, &answer, &type, NULL);
	if (st == ST_OK && (type != REC_letter_sign_answer || !rec_take_letter_sign_answer(buf_view(&answer), &a)))
		st = ST_SYNTAX;
	p->unanswered = st != ST_OK || a.verdict == VERDICT_LATER;
	if (st == ST_OK && a.verdict != VERDICT_OK)
		st = ST_DENIED;
	if (st == ST_OK)
		buf_put(ret, a.signature);
	buf_free(&b);
	buf_free(&answer);
	return st;
}

/* Whoever reads it compares the certificate with From:. */
static enum reply check_author(struct protecting *p, X509 *signing)
{
	struct author author;
	size_t n = 0;
	bool bad, same = false;
	struct view *all = smime_addresses(signing, &p->a, &n, &bad);
	enum status st = author_find(p->header, &p->a, &author);

	if (st != ST_OK || all == NULL)
		return SAY_TRY_AGAIN;
	if (author.kind != AUTHOR_ONE)
		return refuse(p, SAY_NO_CERTIFICATE, VIEW("From:"), " does not name one author, so nobody can sign it");
	for (size_t i = 0; i < n; i++)
		same |= smime_same_address(all[i], author.all[0].address);
	return same ? SAY_OK : refuse(p, SAY_NO_CERTIFICATE, author.all[0].address,
				      " is not named by your certificate, so the letter cannot be signed");
}

static enum reply take_signer(struct protecting *p, struct identity *own)
{
	enum reply r;

	if (own->signing == NULL)
		return SAY_NO_CERTIFICATE;
	r = check_author(p, own->signing);
	if (r != SAY_OK)
		return r;
	p->signing = own->signing_der;
	p->signer.key = tls_pair(p->s->host->tls, X509_get0_pubkey(own->signing), &(struct tls_signer){ sign, 0, p });
	if (p->signer.key == NULL)
		return refuse(p, SAY_NO_CERTIFICATE, VIEW_NONE, "Your certificate has a key of a kind that cannot sign here");
	p->signer.certificate = own->signing;
	own->signing = NULL;
	p->chain = own->chain;
	own->chain = NULL;
	return SAY_OK;
}

/* What the author has himself. */
static enum reply find_own(struct protecting *p)
{
	bool signs = p->cover == SMIME_COVER_NONE;
	struct identity own = { 0 };
	enum verdict v;
	enum reply r = SAY_OK;

	if (signs && p->s->ticket.n == 0 && p->s->local.here && smtp_local_ticket(p->s) != VERDICT_OK)
		return SAY_PROTECT_LATER;
	if (signs && p->s->ticket.n == 0)
		return SAY_PROTECT_LOGIN;
	v = ask_identity(p, p->s->account, &own);
	if (v != VERDICT_OK)
		r = SAY_PROTECT_LATER;
	else if (signs)
		r = take_signer(p, &own);
	if (r == SAY_OK && own.encryption && smime_can_receive(own.encryption, clock_wall())) {
		p->own = own.encryption;
		own.encryption = NULL;
	}
	identity_free(&own);
	return r;
}

/* ---- who is named, and who is not ---- */

static void take_named(struct protecting *p, struct view value)
{
	struct address_reader r = address_reader(value);
	struct buf text = BUF(ADDRESS_MOST);
	struct address one;

	while (p->n_named < NAMED_MOST && address_next(&r, &one)) {
		if (one.kind != ADDRESS_MAILBOX || one.domain.n == 0)
			continue;
		buf_clear(&text);
		address_put(&one, &text);
		if (buf_status(&text) == ST_OK)
			p->named[p->n_named] = smime_plain_address(buf_view(&text), &p->a);
		p->n_named += p->named[p->n_named].n > 0;
	}
	buf_free(&text);
}

static enum status find_named(struct protecting *p)
{
	struct field f;
	size_t at = 0;

	p->named = arena_array(&p->a, NAMED_MOST, sizeof *p->named);
	while (p->named && field_next(p->header, &at, &f))
		if (view_eq_i(f.name, VIEW("To")) || view_eq_i(f.name, VIEW("Cc")) || view_eq_i(f.name, VIEW("Resent-To")) ||
		    view_eq_i(f.name, VIEW("Resent-Cc")))
			take_named(p, f.value);
	return arena_status(&p->a);
}

static bool is_named(struct protecting *p, const struct recipient *r)
{
	struct view own = smime_plain_address(r->address, &p->a), given = VIEW_NONE;

	/* With a detail it is still the mailbox that everybody can read there. */
	if (r->via_kind == VIA_NOTHING && r->detail.n)
		given = smime_plain_address(r->original, &p->a);
	for (size_t i = 0; i < p->n_named; i++)
		if (view_eq(p->named[i], own) || view_eq(p->named[i], given))
			return true;
	return r->via_kind == VIA_SENT;
}

/* ---- everybody's certificate ---- */

enum finding { FOUND, LACKING, LATER };

static enum finding find_here(struct protecting *p, const struct recipient *r, X509 **ret)
{
	struct identity i = { 0 };
	enum verdict v = ask_identity(p, r->account, &i);
	bool good = v == VERDICT_OK && i.encryption && smime_can_receive(i.encryption, clock_wall());

	if (good) {
		*ret = i.encryption;
		i.encryption = NULL;
	} else if (v != VERDICT_LATER && p->why->n == 0) {
		refuse(p, SAY_OK, r->address, " has no certificate here");
	}
	identity_free(&i);
	return good ? FOUND : v == VERDICT_LATER ? LATER : LACKING;
}

/* The first of his that can be encrypted for. */
static X509 *usable(const struct discovered *d)
{
	for (size_t i = 0; i < d->n_people; i++) {
		X509 *x = smime_certificate(d->people[i]);

		if (x && smime_can_receive(x, clock_wall()))
			return x;
		X509_free(x);
	}
	return NULL;
}

static enum finding find_elsewhere(struct protecting *p, const struct recipient *r, X509 **ret)
{
	struct arena a = ARENA(FOUND_ARENA);
	struct discovered d = { .outcome = DISCOVERY_NONE };
	enum status st = smime_discover(p->s->host->checks->resolver, r->address, &a, &d);
	X509 *x = st == ST_OK && d.outcome == DISCOVERY_FOUND ? usable(&d) : NULL;
	bool later = (st != ST_OK && st != ST_SYNTAX) || (st == ST_OK && d.outcome == DISCOVERY_FAILED);

	if (x == NULL && !later && p->why->n == 0) {
		refuse(p, SAY_OK, r->address, " ");
		buf_puts(p->why, d.outcome == DISCOVERY_FOUND ? "has no certificate in DNS that can be encrypted for now"
							      : discovery_text(d.outcome));
	}
	arena_free(&a);
	*ret = x;
	return x ? FOUND : later ? LATER : LACKING;
}

static enum finding find_all(struct protecting *p)
{
	const struct envelope *e = &p->s->env;
	enum finding all = FOUND;

	for (uint32_t i = 0; i < e->n_recipients; i++)
		if (e->recipients[i].account == 0)
			smime_discover_hint(p->s->host->checks->resolver, e->recipients[i].address);
	for (uint32_t i = 0; i < e->n_recipients; i++) {
		const struct recipient *r = &e->recipients[i];
		enum finding f = r->account ? find_here(p, r, &p->readers[i].certificate)
					    : find_elsewhere(p, r, &p->readers[i].certificate);

		/* One that lacks it decides; what cannot be known now may yet be one. */
		if (f == LACKING)
			return LACKING;
		if (f == LATER)
			all = LATER;
	}
	return all;
}

/* Where nobody is named the first is written to as if he was. */
static void set_apart(struct protecting *p)
{
	const struct envelope *e = &p->s->env;

	for (uint32_t i = 0; i < e->n_recipients; i++) {
		p->readers[i].apart = !is_named(p, &e->recipients[i]);
		p->apart += p->readers[i].apart;
	}
	if (p->apart == e->n_recipients) {
		p->readers[0].apart = false;
		p->apart--;
	}
}

/* *ret: can it be encrypted?  Else p->why says why not. */
static enum reply find_readers(struct protecting *p, bool *ret)
{
	const struct smtp_session *s = p->s;
	uint32_t n = s->env.n_recipients;
	enum finding f;

	p->readers = arena_array(&p->a, n, sizeof *p->readers);
	if (p->readers == NULL || find_named(p) != ST_OK)
		return SAY_TRY_AGAIN;
	p->n_readers = n;
	set_apart(p);
	*ret = false;
	if (p->own == NULL)
		refuse(p, SAY_OK, VIEW_NONE, "You have no certificate to encrypt for yourself");
	else if (p->apart > (unsigned)s->host->conf->protect_apart)
		refuse(p, SAY_OK, VIEW_NONE, "Too many recipients are not named in To: or Cc:");
	else if (n - p->apart >= SMIME_RECIPIENTS_WRITTEN_MOST)
		refuse(p, SAY_OK, VIEW_NONE, "It has too many recipients");
	else if (p->apart && s->local.key[0])
		refuse(p, SAY_OK, VIEW_NONE, "Not all recipients are named in To: or Cc:");
	if (p->why->n)
		return SAY_OK;
	f = find_all(p);
	if (f == LATER)
		return SAY_PROTECT_LATER;
	*ret = f == FOUND;
	return SAY_OK;
}

/* ---- writing ---- */

struct written {
	struct sink *to;
	struct loop *loop;
	uint64_t since;		/* bytes since others had their turn */
};

static enum status take_piece(void *arg, struct view piece)
{
	struct written *w = arg;

	sink_put(w->to, piece);
	w->since += piece.n;
	if (w->since >= BREATH) {
		w->since = 0;
		loop_sleep(w->loop, 1);
	}
	return sink_status(w->to);
}

/* What is signed alone is held twice while its form is changed (smime/write.h). */
static uint64_t held_meanwhile(const struct protecting *p, size_t readers)
{
	return readers == 0 ? GROWTH * (uint64_t)p->letter.n : 0;
}

static enum reply write_for(struct protecting *p, const struct smime_recipient *to, size_t n, struct sink *ret)
{
	struct smtp_session *s = p->s;
	struct sink_budget *budget = s->host->budget;
	struct smime_writing how = {
		.signer = p->signer.key ? &p->signer : NULL, .chain = p->chain, .recipients = to, .n_recipients = n,
		.now = clock_wall(),
	};
	struct written w = { .to = ret, .loop = s->host->loop };
	uint64_t more = held_meanwhile(p, n);
	enum status st = ST_NOMEM;

	sink_begin(ret, GROWTH * (uint64_t)p->letter.n + SLACK, budget);
	if (budget->held + more <= budget->most) {
		budget->held += more;
		st = smime_write(p->letter, &how, take_piece, &w);
		budget->held -= more;
	}
	if (st == ST_OK)
		st = sink_seal(ret);
	if (st == ST_OK)
		return SAY_OK;
	sink_free(ret);
	if (p->unanswered)
		return SAY_PROTECT_LATER;
	return st == ST_DENIED || st == ST_SYNTAX ? SAY_CANNOT_PROTECT : st == ST_LIMIT ? SAY_TOO_LARGE : SAY_NO_SPACE;
}

static bool is_among(const struct smime_recipient *to, size_t n, X509 *x)
{
	for (size_t i = 0; i < n; i++)
		if (X509_cmp(to[i].certificate, x) == 0)
			return true;
	return false;
}

/* For all who are named, and the author. */
static enum reply write_main(struct protecting *p, bool encrypt, struct sink *ret)
{
	uint32_t most = p->s->env.n_recipients + 1;
	struct smime_recipient *to = arena_array(&p->a, most, sizeof *to);
	size_t n = 0;

	if (to == NULL)
		return SAY_TRY_AGAIN;
	if (encrypt)
		to[n++].certificate = p->own;
	for (uint32_t i = 0; encrypt && i + 1 < most; i++)
		if (!p->readers[i].apart && !is_among(to, n, p->readers[i].certificate))
			to[n++].certificate = p->readers[i].certificate;
	return write_for(p, to, n, ret);
}

/* It takes the place of what came. */
static void put_main(struct smtp_session *s, const struct sink *written)
{
	sink_free(&s->sink);
	s->sink = *written;
	if (!s->env.smtputf8)
		s->env.body = BODY_7BIT;
}

/* One letter, one recipient, one certificate; from here to its place in the queue. */
static enum reply keep_apart(struct protecting *p, uint32_t i, unsigned number)
{
	struct smtp_session *s = p->s;
	struct smime_recipient to = { .certificate = p->readers[i].certificate };
	const struct envelope whole = s->env;
	const struct sink clear = s->sink;
	struct buf id = BUF(64);
	uint64_t queue_id = 0;
	struct sink written;
	enum reply r = write_for(p, &to, 1, &written);

	if (r != SAY_OK)
		return r;
	buf_putf(&id, "%.*s.%u", VIEW_ARG(whole.id), number);
	s->env.id = arena_copy(&s->tx, buf_view(&id));
	s->env.recipients = &whole.recipients[i];
	s->env.n_recipients = 1;
	if (!s->env.smtputf8)
		s->env.body = BODY_7BIT;
	s->sink = written;
	r = buf_status(&id) == ST_OK ? smtp_seal(s) : SAY_TRY_AGAIN;
	if (r == SAY_OK)
		r = smtp_keep(s, &queue_id);
	log_begin(LOG_INFO_, r == SAY_OK ? "accepted" : "refused");
	log_hex("sid", s->sid);
	log_view("id", s->env.id);
	log_view("apart", whole.id);
	if (r == SAY_OK)
		log_hex("queue", queue_id);
	log_end();
	sink_free(&s->sink);
	s->sink = clear;
	s->env = whole;
	buf_free(&id);
	return r;
}

/* Those who are not named leave the envelope with their own letters. */
static enum reply send_apart(struct protecting *p)
{
	struct envelope *e = &p->s->env;
	uint32_t left = 0;
	unsigned number = 0;
	enum reply r = SAY_OK;

	for (uint32_t i = 0; i < e->n_recipients && r == SAY_OK; i++)
		if (p->readers[i].apart)
			r = keep_apart(p, i, ++number);
	for (uint32_t i = 0; i < e->n_recipients && r == SAY_OK; i++)
		if (!p->readers[i].apart)
			e->recipients[left++] = e->recipients[i];
	if (r == SAY_OK)
		e->n_recipients = left;
	return r;
}

/* ---- what is done ---- */

static void log_protected(const struct protecting *p, const char *how)
{
	log_begin(LOG_INFO_, "protected");
	log_hex("sid", p->s->sid);
	log_view("id", p->s->env.id);
	log_str("wish", protect_word((enum protect)p->s->protect));
	log_str("how", how);
	if (p->apart)
		log_u64("apart", p->apart);
	if (p->why->n)
		log_view("why", buf_view(p->why));
	log_end();
}

/* It may not be encrypted, but it does not go in less than that. */
static void demand_tls(struct protecting *p)
{
	struct smtp_session *s = p->s;

	s->env.requiretls = 1;
	s->env.held_back = strcmp(s->host->conf->submission_unprotected, "return") != 0;
}

/* What came as BINARYMIME has lines of no bound and line ends that are none, which no
 * signature survives: such parts become base64 first (RFC 3030 3, 8551 3.1.2). */
static enum reply make_textual(struct protecting *p)
{
	struct sink_budget *budget = p->s->host->budget;
	uint64_t more = GROWTH * (uint64_t)p->letter.n + SLACK;
	enum status st;

	if (budget->held + more > budget->most)
		return SAY_NO_SPACE;
	budget->held += more;
	p->held = more;
	p->textual = BUF(more);
	st = convert_letter(p->letter, (struct convert_form){ .eightbit = true, .utf8 = true }, &p->a, &p->textual);
	if (st == ST_DENIED)
		return refuse(p, SAY_CANNOT_PROTECT, VIEW_NONE,
			      "It has binary parts that cannot be encoded, so it cannot be signed or encrypted");
	if (st != ST_OK)
		return SAY_NO_SPACE;
	p->letter = buf_view(&p->textual);
	p->s->env.body = BODY_8BIT;
	return SAY_OK;
}

static enum reply write_all(struct protecting *p, bool encrypt)
{
	bool best = p->s->protect >= PROTECT_BEST;
	struct sink written;
	enum reply r;

	if (best && !encrypt)
		demand_tls(p);
	log_protected(p, encrypt ? "encrypted" : best ? "requiretls" : "signed");
	buf_clear(p->why);
	if (!encrypt && p->signer.key == NULL)
		return SAY_OK;
	r = p->s->env.body == BODY_BINARY ? make_textual(p) : SAY_OK;
	if (r != SAY_OK)
		return r;
	/* First, so that nobody has his own where this cannot be written. */
	r = write_main(p, encrypt, &written);
	if (r != SAY_OK)
		return r;
	if (encrypt && p->apart)
		r = send_apart(p);
	if (r == SAY_OK)
		put_main(p->s, &written);
	else
		sink_free(&written);
	return r;
}

static enum reply protect(struct protecting *p)
{
	enum protect wish = (enum protect)p->s->protect;
	bool encrypt = false;
	enum reply r;

	if (p->cover == SMIME_COVER_ENCRYPTED || (p->cover == SMIME_COVER_SIGNED && wish == PROTECT_SIGN)) {
		log_protected(p, "already");
		return SAY_OK;
	}
	r = find_own(p);
	if (r == SAY_OK && wish >= PROTECT_BEST)
		r = find_readers(p, &encrypt);
	if (r == SAY_OK && wish == PROTECT_ENCRYPT && !encrypt)
		r = SAY_NOT_ENCRYPTED;
	if (r != SAY_OK)
		return r;
	return write_all(p, encrypt);
}

static void protecting_free(struct protecting *p)
{
	for (uint32_t i = 0; p->readers && i < p->n_readers; i++)
		X509_free(p->readers[i].certificate);
	X509_free(p->own);
	X509_free(p->signer.certificate);
	EVP_PKEY_free(p->signer.key);
	sk_X509_pop_free(p->chain, X509_free);
	if (p->map)
		munmap(p->map, p->map_n);
	buf_free(&p->textual);
	p->s->host->budget->held -= p->held;
	arena_free(&p->a);
	ERR_clear_error();
}

/* A user of this machine without an account: what he asks for he cannot have, and
 * less is not what he wants.  A stranger's field is nobody's wish here. */
static enum reply of_nobody(const struct smtp_session *s)
{
	enum protect wish = PROTECT_BEST;
	struct field f;

	if (!s->local.here || !field_find(buf_view(&s->checks->pass.header), VIEW("Waxwing-Protect"), &f))
		return SAY_OK;
	return protect_take(view_trim(f.value), &wish) == ST_OK && wish == PROTECT_OFF ? SAY_OK : SAY_PROTECT_LOGIN;
}

enum reply smtp_protect(struct smtp_session *s, struct buf *why)
{
	struct protecting p = { .s = s, .why = why, .a = ARENA(PLAN_ARENA) };
	enum reply r;

	if (s->account == 0)
		return of_nobody(s);
	if (s->protect == PROTECT_OFF)
		return SAY_OK;
	r = open_letter(&p);
	if (r == SAY_OK)
		r = protect(&p);
	protecting_free(&p);
	return r;
}
