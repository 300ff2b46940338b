/* scram.c - SCRAM (RFC 5802, 7677), server side, with channel binding
 * (RFC 5929, 9266).
 *
 *     client-first   n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL
 *     server-first   r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096
 *     client-final   c=biws,r=fyko+...,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=
 *     server-final   v=rmF9pqV8S7suAoZWja4dJRkFsKQ=
 */
#include "warden/mechanism.h"

#include "wire/sasl.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { CLIENT_NONCE_MAX = 256, INPUT_MAX = 512 };

/* "x=" and the value up to the next comma; the comma is taken too. */
static bool take_attribute(struct view *left, char name, struct view *ret)
{
	if (left->n < 2 || left->p[0] != name || left->p[1] != '=')
		return false;
	*ret = view_skip(*left, 2);
	ret->n = view_find(*ret, ',');
	*left = view_skip(*left, 2 + ret->n + 1);
	return true;
}

/* saslname: "=2C" and "=3D" stand for what parts the message (5.1). */
static bool take_name(struct view v, struct buf *ret)
{
	buf_clear(ret);
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '=') {
			struct view code = view_head(view_skip(v, i + 1), 2);

			if (!view_eq_i(code, VIEW("2C")) && !view_eq_i(code, VIEW("3D")))
				return false;
			c = view_eq_i(code, VIEW("2C")) ? ',' : '=';
			i += 2;
		}
		if (c == '\0')
			return false;
		buf_putc(ret, c);
	}
	return ret->n && buf_status(ret) == ST_OK;
}

/* Printable and no comma. */
static bool is_nonce(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < 0x21 || v.p[i] > 0x7e || v.p[i] == ',')
			return false;
	return v.n > 0 && v.n <= CLIENT_NONCE_MAX;
}

/* ---- the gs2 header (5.1, 6) ---- */

enum gs2 { GS2_GOOD, GS2_SYNTAX, GS2_REFUSED };

/* "y": the client could bind, and was not told that we can.  Where we offered
 * it, somebody on the way took the offer out. */
static enum gs2 take_flag(const struct exchange *x, struct view *left)
{
	bool plus = exchange_binds(x);
	struct view kind;

	if (take_attribute(left, 'p', &kind)) {
		if (!plus)
			return GS2_REFUSED;
		return view_eq(kind, buf_view(&x->binding_name)) && kind.n ? GS2_GOOD : GS2_REFUSED;
	}
	if (left->n < 2 || left->p[1] != ',' || (left->p[0] != 'n' && left->p[0] != 'y'))
		return GS2_SYNTAX;
	if (plus || (left->p[0] == 'y' && x->binding.n))
		return GS2_REFUSED;
	*left = view_skip(*left, 2);
	return GS2_GOOD;
}

static enum gs2 take_gs2(struct exchange *x, struct view *left)
{
	struct view authzid;
	enum gs2 r = take_flag(x, left);

	if (r != GS2_GOOD)
		return r;
	if (left->n && left->p[0] == ',') {
		*left = view_skip(*left, 1);
		return GS2_GOOD;
	}
	return take_attribute(left, 'a', &authzid) && take_name(authzid, &x->authzid) ? GS2_GOOD : GS2_SYNTAX;
}

/* ---- client-first, server-first ---- */

/* Kept in x->text: the gs2 header, then (from mark) what both sides sign:
 * client-first-bare "," server-first. */
static enum mechanism_result first(struct exchange *x, struct view in, struct buf *out)
{
	struct view left = in, bare, name, nonce;
	size_t header;
	enum gs2 r = take_gs2(x, &left);

	if (r != GS2_GOOD)
		return r == GS2_SYNTAX ? MECHANISM_BAD : MECHANISM_WRONG;
	bare = left;
	header = in.n - left.n;
	/* "m=" asks for an extension, and there is none: a grammar error too. */
	if (!take_attribute(&left, 'n', &name) || !take_attribute(&left, 'r', &nonce) ||
	    !take_name(name, &x->name) || !is_nonce(nonce))
		return MECHANISM_BAD;
	if (x->host->find(x) != ST_OK)
		return MECHANISM_FAILED;
	buf_putf(out, "r=%.*s%s,s=", VIEW_ARG(nonce), x->nonce);
	sasl_encode(view_make((const char *)x->who.scram.salt, x->who.scram.salt_n), out);
	buf_putf(out, ",i=%u", x->who.scram.iterations);
	buf_put(&x->text, view_head(in, header));
	x->mark = header;
	buf_put(&x->text, bare);
	buf_putc(&x->text, ',');
	buf_put(&x->text, buf_view(out));
	return buf_status(&x->text) == ST_OK && buf_status(out) == ST_OK ? MECHANISM_MORE : MECHANISM_BAD;
}

/* ---- client-final, server-final ---- */

/* c= must be base64 of the gs2 header and the binding as they are here. */
static bool same_binding(const struct exchange *x, struct view given)
{
	struct buf input = BUF(INPUT_MAX), text = BUF(2 * INPUT_MAX);
	bool same;

	buf_put(&input, view_make(x->text.p, x->mark));
	if (exchange_binds(x))
		buf_put(&input, buf_view(&x->binding));
	sasl_encode(buf_view(&input), &text);
	same = buf_status(&input) == ST_OK && buf_status(&text) == ST_OK && view_eq(given, buf_view(&text));
	buf_free(&input);
	buf_free(&text);
	return same;
}

/* The nonce of both, as server-first has it: "...,r=NONCE,s=". */
static bool same_nonce(const struct exchange *x, struct view given)
{
	struct view signed_text = view_skip(buf_view(&x->text), x->mark), left, nonce, name;

	left = signed_text;
	if (!take_attribute(&left, 'n', &name) || !take_attribute(&left, 'r', &nonce) ||
	    given.n != nonce.n + strlen(x->nonce))
		return false;
	return view_eq(view_head(given, nonce.n), nonce) &&
	       view_eq(view_skip(given, nonce.n), view_cstr(x->nonce));
}

static bool sign(const EVP_MD *md, const unsigned char *key, size_t n, struct view text, unsigned char *out)
{
	return HMAC(md, key, (int)n, (const unsigned char *)text.p, text.n, out, NULL) != NULL;
}

/* ClientKey is the proof without its signature; its hash is StoredKey (3). */
static enum mechanism_result check(struct exchange *x, struct view proof, struct buf *out)
{
	const struct scram_keys *k = &x->who.scram;
	const EVP_MD *md = EVP_get_digestbyname(scram_digest(exchange_hash(x)));
	struct view message = view_skip(buf_view(&x->text), x->mark);
	unsigned char key[SCRAM_KEY_MAX], hash[SCRAM_KEY_MAX], mine[SCRAM_KEY_MAX];
	bool right;

	if (md == NULL || !sign(md, k->stored, k->n, message, key))
		return MECHANISM_FAILED;
	for (size_t i = 0; i < k->n; i++)
		key[i] ^= (unsigned char)proof.p[i];
	if (EVP_Digest(key, k->n, hash, NULL, md, NULL) != 1 || !sign(md, k->server, k->n, message, mine))
		return MECHANISM_FAILED;
	right = same_octets(hash, k->stored, k->n) & x->who.known;
	explicit_bzero(key, sizeof key);
	if (!right) {
		buf_puts(out, "e=invalid-proof");
		return MECHANISM_WRONG;
	}
	buf_puts(out, "v=");
	sasl_encode(view_make((const char *)mine, k->n), out);
	return MECHANISM_RIGHT;
}

static enum mechanism_result last(struct exchange *x, struct view in, struct buf *out)
{
	struct view left = in, binding, nonce, text;
	struct buf proof = BUF(SCRAM_KEY_MAX + 2);
	enum mechanism_result r = MECHANISM_BAD;
	size_t without;

	if (!take_attribute(&left, 'c', &binding) || !take_attribute(&left, 'r', &nonce))
		return MECHANISM_BAD;
	/* Extensions, then the proof, which is not signed itself. */
	for (;;) {
		without = in.n - left.n - 1;
		if (take_attribute(&left, 'p', &text))
			break;
		if (left.n < 2 || !ascii_alpha(left.p[0]) || left.p[0] == 'm' ||
		    !take_attribute(&left, left.p[0], &text))
			return MECHANISM_BAD;
	}
	if (left.n == 0 && sasl_decode(text, &proof) == ST_OK && proof.n == x->who.scram.n) {
		buf_putc(&x->text, ',');
		buf_put(&x->text, view_head(in, without));
		if (buf_status(&x->text) == ST_OK)
			r = same_binding(x, binding) && same_nonce(x, nonce) ? check(x, buf_view(&proof), out)
									     : MECHANISM_WRONG;
	}
	buf_free(&proof);
	return r;
}

enum mechanism_result scram_step(struct exchange *x, struct view in, struct buf *out)
{
	return x->step == 1 ? first(x, in, out) : last(x, in, out);
}
