/* From what was found to one word and one sentence. */
#include "smime/internal.h"

#include "msg/date.h"
#include "msg/header.h"

enum { HOUR = 60 * 60 * 1000, DAY = 24 * HOUR };

/* The graver, the further down. */
enum class { CLASS_NONE, CLASS_NOTE, CLASS_WEAK, CLASS_MISMATCH, CLASS_UNTRUSTED, CLASS_BAD };

static const struct {
	const char *word, *text;
	enum class class;
} problems[PROBLEM_COUNT] = {
#define P(id, word, class, text) [PROBLEM_##id] = { word, text, CLASS_##class },
#include "smime/problems.def"
#undef P
};

const char *smime_problem_word(enum smime_problem p)
{
	return problems[p].word;
}

const char *smime_word_name(enum smime_word w)
{
	static const char *const names[SMIME_WORDS] = {
		[SMIME_NONE] = "none", [SMIME_GOOD] = "good", [SMIME_WEAK] = "weak", [SMIME_MISMATCH] = "mismatch",
		[SMIME_UNTRUSTED] = "untrusted", [SMIME_BAD] = "bad", [SMIME_PARTIAL] = "partial",
		[SMIME_ENCRYPTED] = "encrypted", [SMIME_LOCKED] = "locked", [SMIME_BROKEN] = "broken",
		[SMIME_CERTIFICATES] = "certificates",
	};

	return names[w];
}

const char *smime_result(enum smime_word w)
{
	static const char *const names[SMIME_WORDS] = {
		[SMIME_GOOD] = "pass", [SMIME_WEAK] = "policy", [SMIME_MISMATCH] = "policy",
		[SMIME_UNTRUSTED] = "policy", [SMIME_BAD] = "fail", [SMIME_PARTIAL] = "neutral",
		[SMIME_ENCRYPTED] = "none", [SMIME_LOCKED] = "neutral", [SMIME_BROKEN] = "permerror",
	};

	return names[w];
}

const char *smime_kind_name(enum smime_kind k)
{
	static const char *const names[] = {
		[SMIME_MULTIPART_SIGNED] = "multipart-signed", [SMIME_SIGNED] = "signed-data",
		[SMIME_ENVELOPED] = "enveloped-data", [SMIME_AUTH_ENVELOPED] = "authEnveloped-data",
		[SMIME_COMPRESSED] = "compressed-data", [SMIME_CERTS_ONLY] = "certs-only",
		[SMIME_UNREADABLE] = "unreadable",
	};

	return names[k];
}

const char *smime_chain_name(enum smime_chain c)
{
	static const char *const names[] = {
		[SMIME_CHAIN_UNCHECKED] = "not checked", [SMIME_CHAIN_TRUSTED] = "trusted",
		[SMIME_CHAIN_PINNED] = "pinned", [SMIME_CHAIN_UNTRUSTED] = "untrusted",
	};

	return names[c];
}

const char *smime_revocation_name(enum smime_revocation r)
{
	static const char *const names[] = {
		[SMIME_NOT_CHECKED] = "not checked", [SMIME_NOT_REVOKED] = "good", [SMIME_REVOKED] = "revoked",
	};

	return names[r];
}

/* ---- signers ---- */

static enum class worst(smime_problems p)
{
	enum class c = CLASS_NONE;

	for (int i = 0; i < PROBLEM_COUNT; i++)
		if ((p >> i & 1) && problems[i].class > c)
			c = problems[i].class;
	return c;
}

static bool bears(const struct smime_signer *s, struct view address)
{
	for (size_t i = 0; i < s->n_addresses; i++)
		if (smime_same_address(s->addresses[i], address))
			return true;
	return false;
}

static void match(const struct reading *r, struct smime_signer *s)
{
	const struct author *a = &r->l->author;

	if (s->n_addresses == 0)
		s->problems |= PROBLEM(NO_ADDRESS);
	if (a->kind != AUTHOR_ONE)
		s->problems |= PROBLEM(AUTHORS);
	else if (s->n_addresses && !bears(s, a->all[0].address))
		s->problems |= PROBLEM(ADDRESS);
	else if (s->n_addresses)
		s->address_match = true;
	if (a->name_lies)
		s->problems |= PROBLEM(NAME_LIES);
}

static void look_at_time(const struct reading *r, struct smime_signer *s)
{
	struct field f;
	struct date d;
	wall_ms off;

	if (s->signed_at < 0)
		return;
	if (s->signed_at > r->how->now + HOUR)
		s->problems |= PROBLEM(FUTURE);
	if (!field_find(r->header, VIEW("Date"), &f) || date_parse(f.value, &d) != ST_OK)
		return;
	off = s->signed_at - date_wall(&d);
	if (off > DAY || off < -DAY)
		s->problems |= PROBLEM(TIME);
}

static bool is_signed(enum smime_kind k)
{
	return k == SMIME_MULTIPART_SIGNED || k == SMIME_SIGNED;
}

static bool is_sealed(enum smime_kind k)
{
	return k == SMIME_ENVELOPED || k == SMIME_AUTH_ENVELOPED;
}

/* The innermost signature is the one around the text. */
static const struct smime_layer *signing_layer(const struct smime_letter *l)
{
	for (unsigned i = l->n_layers; i-- > 0;)
		if (is_signed(l->layers[i].kind))
			return &l->layers[i];
	return NULL;
}

static bool sealed_inside(const struct smime_letter *l, const struct smime_layer *of)
{
	for (const struct smime_layer *i = of + 1; i < l->layers + l->n_layers; i++)
		if (is_sealed(i->kind))
			return true;
	return false;
}

static void judge_signers(struct reading *r, const struct smime_layer *layer)
{
	struct smime_letter *l = r->l;

	for (unsigned i = 0; i < l->n_signers; i++) {
		struct smime_signer *s = &l->signers[i];

		match(r, s);
		look_at_time(r, s);
		if (layer && s->layer == (unsigned)(layer - l->layers) && sealed_inside(l, layer))
			s->problems |= PROBLEM(OUTSIDE);
	}
}

/* One signer who is right is enough, unless another is wrong; whom we cannot
 * check at all counts only where there is nobody else. */
static enum class class_of(const struct smime_letter *l, const struct smime_layer *layer)
{
	enum class best = CLASS_BAD, own = worst(layer->problems), c;

	if (own == CLASS_BAD || layer->signers == 0)
		return CLASS_BAD;
	for (unsigned i = layer->first; i < layer->first + layer->signers; i++) {
		if (l->signers[i].problems & PROBLEM(UNSUPPORTED))
			continue;
		c = worst(l->signers[i].problems);
		if (c == CLASS_BAD)
			return CLASS_BAD;
		if (c < best)
			best = c;
	}
	return best;
}

/* ---- the letter ---- */

static enum smime_word word_of_class(enum class c)
{
	switch (c) {
	case CLASS_NONE:
	case CLASS_NOTE:
		return SMIME_GOOD;
	case CLASS_WEAK:
		return SMIME_WEAK;
	case CLASS_MISMATCH:
		return SMIME_MISMATCH;
	case CLASS_UNTRUSTED:
		return SMIME_UNTRUSTED;
	default:
		return SMIME_BAD;
	}
}

static enum smime_word word_of(const struct smime_letter *l)
{
	const struct smime_layer *last = l->n_layers ? &l->layers[l->n_layers - 1] : NULL, *layer = signing_layer(l);
	enum class c;

	if (last == NULL)
		return l->elsewhere ? SMIME_PARTIAL : SMIME_NONE;
	if (last->kind == SMIME_CERTS_ONLY)
		return SMIME_CERTIFICATES;
	if (!last->opened && last->problems & PROBLEM(NO_KEY))
		return SMIME_LOCKED;
	if ((!last->opened && !is_signed(last->kind)) || l->problems & PROBLEM(DEPTH))
		return SMIME_BROKEN;
	if (layer == NULL)
		return l->decrypted ? SMIME_ENCRYPTED : SMIME_NONE;
	c = class_of(l, layer);
	if (c < CLASS_BAD && worst(l->problems) > c)
		c = worst(l->problems);
	return word_of_class(c);
}

static bool all_tagged(const struct smime_letter *l)
{
	for (unsigned i = 0; i < l->n_layers; i++)
		if (is_sealed(l->layers[i].kind) && !l->layers[i].authenticated)
			return false;
	return true;
}

void smime_judge(struct reading *r)
{
	struct smime_letter *l = r->l;
	const struct smime_layer *layer = signing_layer(l);

	judge_signers(r, layer);
	l->word = word_of(l);
	l->authenticated = l->decrypted && (all_tagged(l) || l->word == SMIME_GOOD || l->word == SMIME_WEAK);
	if (l->decrypted && !l->authenticated)
		l->problems |= PROBLEM(MALLEABLE);
	for (unsigned i = 0; i < l->n_layers; i++)
		l->problems |= l->layers[i].problems;
	for (unsigned i = 0; i < l->n_signers; i++)
		l->problems |= l->signers[i].problems;
}

/* ---- for people ---- */

static const char *gravest(smime_problems p)
{
	enum class c = worst(p);

	for (int i = 0; i < PROBLEM_COUNT; i++)
		if ((p >> i & 1) && problems[i].class == c)
			return problems[i].text;
	return "its structure is not right";
}

const struct smime_signer *smime_main_signer(const struct smime_letter *l)
{
	const struct smime_layer *layer = signing_layer(l);
	const struct smime_signer *best = NULL;

	for (unsigned i = layer ? layer->first : 0; layer && i < layer->first + layer->signers; i++)
		if (best == NULL || worst(l->signers[i].problems) < worst(best->problems))
			best = &l->signers[i];
	return best;
}

/* Of several addresses the author's, where it is one of them. */
static void put_who(const struct smime_letter *l, const struct smime_signer *s, struct buf *out)
{
	if (s && s->address_match)
		buf_put(out, l->author.all[0].address);
	else if (s && s->n_addresses)
		buf_put(out, s->addresses[0]);
	else if (s && s->subject.n)
		buf_put(out, s->subject);
	else
		buf_puts(out, "somebody");
}

static void put_signature(const struct smime_letter *l, struct buf *out)
{
	const struct smime_signer *s = smime_main_signer(l);
	smime_problems p = l->problems | (s ? s->problems : 0);

	switch (l->word) {
	case SMIME_GOOD:
		buf_puts(out, "Signed by ");
		put_who(l, s, out);
		buf_puts(out, ", who wrote it, and not changed since");
		break;
	case SMIME_WEAK:
		buf_puts(out, "Signed as ");
		put_who(l, s, out);
		buf_putf(out, ", but it proves little: %s", gravest(s ? s->problems : p));
		break;
	case SMIME_MISMATCH:
		buf_puts(out, "Do not take this as from its author: it was signed by ");
		put_who(l, s, out);
		buf_putf(out, ", and %s", gravest((s ? s->problems : 0) | (l->problems & PROBLEM(FROM_INSIDE))));
		break;
	case SMIME_UNTRUSTED:
		buf_puts(out, "Signed by somebody who calls himself ");
		put_who(l, s, out);
		buf_putf(out, ", and nobody can tell who that is: %s", gravest(s ? s->problems : p));
		break;
	default:
		buf_putf(out, "Do not rely on the signature: %s", gravest(p));
	}
}

static void put_secrecy(const struct smime_letter *l, struct buf *out)
{
	if (!l->decrypted)
		return;
	buf_puts(out, l->word == SMIME_ENCRYPTED ? "" : "; it was encrypted");
	if (l->problems & PROBLEM(MALLEABLE))
		buf_putf(out, ", but %s", problems[PROBLEM_MALLEABLE].text);
	else if (l->problems & PROBLEM(OLD_CIPHER))
		buf_putf(out, ", but %s", problems[PROBLEM_OLD_CIPHER].text);
}

void smime_put_sentence(const struct smime_letter *l, struct buf *out)
{
	switch (l->word) {
	case SMIME_NONE:
		buf_puts(out, "Nobody signed this letter, and it was not encrypted");
		break;
	case SMIME_PARTIAL:
		buf_puts(out, "A part of this letter is signed or encrypted, the letter is not");
		break;
	case SMIME_ENCRYPTED:
		buf_puts(out, "It was encrypted, and nobody signed it");
		break;
	case SMIME_LOCKED:
		buf_puts(out, "It is encrypted, and none of the keys here opens it");
		break;
	case SMIME_BROKEN:
		buf_putf(out, "It cannot be opened: %s", gravest(l->problems));
		break;
	case SMIME_CERTIFICATES:
		buf_puts(out, "It holds certificates and no text");
		break;
	default:
		put_signature(l, out);
	}
	put_secrecy(l, out);
	buf_putc(out, '.');
}
