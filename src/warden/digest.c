/* digest.c - the mechanisms that need the password itself here: CRAM-MD5
 * (RFC 2195), DIGEST-MD5 (RFC 2831, historic by RFC 6331) and POP3's APOP
 * (RFC 1939 7). */
#include "warden/mechanism.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { MD5 = 16, VALUE_MAX = 1024, A2_MAX = 2048, STAMP_MAX = 512 };

/* A hexadecimal digest, in small letters. */
static bool is_digest(struct view given, const unsigned char mine[MD5])
{
	struct buf hex = BUF(2 * MD5);
	bool same;

	buf_put_hex(&hex, mine, MD5);
	same = given.n == hex.n && same_octets(given.p, hex.p, hex.n);
	buf_free(&hex);
	return same;
}

static enum mechanism_result verdict(const struct exchange *x, bool same)
{
	return (same & x->who.known) ? MECHANISM_RIGHT : MECHANISM_WRONG;
}

/* ---- CRAM-MD5 ---- */

static enum mechanism_result cram_check(struct exchange *x, struct view digest)
{
	struct view key, text = buf_view(&x->text);
	unsigned char mine[MD5];

	if (x->host->find(x) != ST_OK)
		return MECHANISM_FAILED;
	key = buf_view(&x->who.plain);
	if (HMAC(EVP_md5(), key.p ? key.p : "", (int)key.n, (const unsigned char *)text.p, text.n, mine, NULL) == NULL)
		return MECHANISM_FAILED;
	return verdict(x, is_digest(digest, mine));
}

enum mechanism_result cram_step(struct exchange *x, struct view in, struct buf *out)
{
	size_t blank = in.n;

	if (x->silent) {
		x->silent = false;
		buf_putf(&x->text, "<%s.%lld@%s>", x->nonce, (long long)(x->now / 1000), x->host->host_name);
		buf_put(out, buf_view(&x->text));
		return buf_status(&x->text) == ST_OK ? MECHANISM_MORE : MECHANISM_FAILED;
	}
	while (blank && in.p[blank - 1] != ' ')
		blank--;
	if (blank == 0 || x->text.n == 0 || !exchange_keep(&x->name, view_head(in, blank - 1)))
		return MECHANISM_BAD;
	return cram_check(x, view_skip(in, blank));
}

/* ---- APOP: timestamp NUL name NUL digest, as the door puts it ---- */

enum mechanism_result apop_step(struct exchange *x, struct view in, struct buf *out)
{
	struct view stamp = view_head(in, view_find(in, '\0')), rest = view_skip(in, stamp.n + 1);
	struct view name = view_head(rest, view_find(rest, '\0')), digest = view_skip(rest, name.n + 1);
	unsigned char mine[MD5];
	bool made;

	(void)out;
	/* Behind a longer one not every password has room, and so its length would show. */
	if (stamp.n > STAMP_MAX || !exchange_keep(&x->text, stamp) || !exchange_keep(&x->name, name))
		return MECHANISM_BAD;
	if (x->host->find(x) != ST_OK)
		return MECHANISM_FAILED;
	buf_put(&x->text, buf_view(&x->who.plain));
	made = buf_status(&x->text) == ST_OK && EVP_Digest(x->text.p, x->text.n, mine, NULL, EVP_md5(), NULL) == 1;
	return made ? verdict(x, is_digest(digest, mine)) : MECHANISM_FAILED;
}

/* ---- DIGEST-MD5 ---- */

/* The directives of digest-response (2.1.2), unquoted. */
struct response {
	struct view username, realm, nonce, cnonce, nc, qop, uri, response, charset, authzid;
};

static const struct directive {
	const char *name;
	size_t at;
} directives[] = {
#define DIRECTIVE(name, field) { name, offsetof(struct response, field) }
	DIRECTIVE("username", username), DIRECTIVE("realm", realm),	DIRECTIVE("nonce", nonce),
	DIRECTIVE("cnonce", cnonce),	 DIRECTIVE("nc", nc),		DIRECTIVE("qop", qop),
	DIRECTIVE("digest-uri", uri),	 DIRECTIVE("response", response), DIRECTIVE("charset", charset),
	DIRECTIVE("authzid", authzid),
#undef DIRECTIVE
};
enum { DIRECTIVES_N = sizeof directives / sizeof *directives };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct view *left)
{
	while (left->n && is_blank(left->p[0]))
		*left = view_skip(*left, 1);
}

/* quoted-string: the octets go into store, without backslashes. */
static bool take_quoted(struct view *left, struct buf *store)
{
	for (size_t i = 1; i < left->n; i++) {
		char c = left->p[i];

		if (c == '"') {
			*left = view_skip(*left, i + 1);
			return true;
		}
		if (c == '\\' && ++i < left->n)
			c = left->p[i];
		if (c == '\0')
			return false;
		buf_putc(store, c);
	}
	return false;
}

static void take_token(struct view *left, struct buf *store)
{
	size_t n = 0;

	while (n < left->n && !is_blank(left->p[n]) && left->p[n] != ',' && left->p[n] != '"')
		n++;
	buf_put(store, view_head(*left, n));
	*left = view_skip(*left, n);
}

/* One `name=value`; its place in ret, which none may have twice (2.1.2). */
static bool take_directive(struct view *left, struct buf *store, struct response *ret)
{
	struct view name = view_head(*left, view_find(*left, '='));
	size_t at = store->n;
	struct view *field = NULL;

	*left = view_skip(*left, name.n + 1);
	while (name.n && is_blank(name.p[name.n - 1]))
		name.n--;
	for (size_t i = 0; i < DIRECTIVES_N; i++)
		if (view_eq_i(name, view_cstr(directives[i].name)))
			field = (struct view *)((char *)ret + directives[i].at);
	if (name.n == 0 || (field && field->p))
		return false;
	skip_blanks(left);
	if (left->n && left->p[0] == '"') {
		if (!take_quoted(left, store))
			return false;
	} else {
		take_token(left, store);
	}
	if (buf_status(store) != ST_OK)
		return false;
	if (field)
		*field = view_make(store->p + at, store->n - at);
	return true;
}

/* store holds the values and has its memory already, so that none moves. */
static bool take_response(struct view in, struct buf *store, struct response *ret)
{
	struct view left = in;
	char *room;

	if (buf_reserve(store, store->max, &room) != ST_OK)
		return false;
	for (;;) {
		skip_blanks(&left);
		while (left.n && left.p[0] == ',') {
			left = view_skip(left, 1);
			skip_blanks(&left);
		}
		if (left.n == 0)
			break;
		if (!take_directive(&left, store, ret))
			return false;
		skip_blanks(&left);
		if (left.n && left.p[0] != ',')
			return false;
	}
	return ret->username.n && ret->nonce.n && ret->cnonce.n && ret->nc.n == 8 && ret->uri.n &&
	       ret->response.n == 2 * MD5;
}

/* UTF-8 all of whose characters are Latin-1's is hashed as Latin-1 (2.1.2.1). */
static void put_folded(struct view v, struct buf *out)
{
	size_t start = out->n;

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c < 0x80) {
			buf_putc(out, (char)c);
		} else if ((c == 0xc2 || c == 0xc3) && i + 1 < v.n) {
			buf_putc(out, (char)((c & 3) << 6 | ((unsigned char)v.p[++i] & 0x3f)));
		} else {
			if (buf_status(out) == ST_OK)
				out->n = start;
			buf_put(out, v);
			return;
		}
	}
}

static bool md5_hex(struct view text, struct buf *out)
{
	unsigned char digest[MD5];

	if (EVP_Digest(text.p ? text.p : "", text.n, digest, NULL, EVP_md5(), NULL) != 1)
		return false;
	buf_put_hex(out, digest, MD5);
	return buf_status(out) == ST_OK;
}

/* HEX(H(A1)) (2.1.2.1): what one party alone knows. */
static bool put_a1(const struct exchange *x, const struct response *r, struct buf *out)
{
	struct buf secret = BUF(VALUE_MAX * 8), a1 = BUF(VALUE_MAX * 8);
	unsigned char digest[MD5];
	bool good;

	put_folded(r->username, &secret);
	buf_putc(&secret, ':');
	put_folded(r->realm, &secret);
	buf_putc(&secret, ':');
	put_folded(buf_view(&x->who.plain), &secret);
	good = buf_status(&secret) == ST_OK && EVP_Digest(secret.p, secret.n, digest, NULL, EVP_md5(), NULL) == 1;
	if (good) {
		buf_put(&a1, view_make((const char *)digest, MD5));
		buf_putf(&a1, ":%.*s:%.*s", VIEW_ARG(r->nonce), VIEW_ARG(r->cnonce));
		if (r->authzid.p)
			buf_putf(&a1, ":%.*s", VIEW_ARG(r->authzid));
		good = buf_status(&a1) == ST_OK && md5_hex(buf_view(&a1), out);
	}
	buf_wipe(&secret);
	buf_free(&a1);
	return good;
}

/* response-value, or with an empty verb what the server proves itself by. */
static bool put_value(const struct exchange *x, const struct response *r, const char *verb, struct buf *out)
{
	struct buf text = BUF(4 * VALUE_MAX), a2 = BUF(A2_MAX);
	bool good;

	buf_putf(&a2, "%s:%.*s", verb, VIEW_ARG(r->uri));
	good = buf_status(&a2) == ST_OK && put_a1(x, r, &text);
	buf_putf(&text, ":%.*s:%.*s:%.*s:auth:", VIEW_ARG(r->nonce), VIEW_ARG(r->nc), VIEW_ARG(r->cnonce));
	good = good && md5_hex(buf_view(&a2), &text) && buf_status(&text) == ST_OK && md5_hex(buf_view(&text), out);
	buf_free(&text);
	buf_free(&a2);
	return good;
}

/* "smtp/host": of the protocol that is spoken here; which name of ours the
 * client took is his own affair. */
static bool is_our_uri(const struct exchange *x, struct view uri)
{
	static const struct view names[] = { { "smtp", 4 }, { "imap", 4 }, { "pop", 3 }, { "pop3", 4 } };
	struct view type = view_head(uri, view_find(uri, '/'));

	if (x->service == SERVICE_IMAP || x->service == SERVICE_IMAPS)
		return view_eq_i(type, names[1]);
	if (x->service == SERVICE_POP3 || x->service == SERVICE_POP3S)
		return view_eq_i(type, names[2]) || view_eq_i(type, names[3]);
	return view_eq_i(type, names[0]);
}

static enum mechanism_result digest_check(struct exchange *x, const struct response *r, struct buf *out)
{
	struct buf mine = BUF(2 * MD5 + 1);
	bool same;

	if (x->host->find(x) != ST_OK)
		return MECHANISM_FAILED;
	if (!put_value(x, r, "AUTHENTICATE", &mine)) {
		buf_free(&mine);
		return MECHANISM_FAILED;
	}
	same = same_octets(mine.p, r->response.p, 2 * MD5);
	buf_free(&mine);
	if (verdict(x, same) != MECHANISM_RIGHT)
		return MECHANISM_WRONG;
	buf_puts(out, "rspauth=");
	return put_value(x, r, "", out) ? MECHANISM_RIGHT : MECHANISM_FAILED;
}

/* Of this exchange, used once, and no more than authentication asked for. */
static bool fits(const struct exchange *x, const struct response *r)
{
	return view_eq(r->nonce, view_cstr(x->nonce)) && view_eq(r->nc, VIEW("00000001")) &&
	       (r->qop.p == NULL || view_eq_i(r->qop, VIEW("auth"))) &&
	       (r->charset.p == NULL || view_eq_i(r->charset, VIEW("utf-8"))) && is_our_uri(x, r->uri) &&
	       (r->realm.p == NULL || view_eq(r->realm, view_cstr(x->host->host_name)));
}

enum mechanism_result digest_step(struct exchange *x, struct view in, struct buf *out)
{
	struct buf store = BUF(EXCHANGE_TEXT_MAX);
	struct response r = { 0 };
	enum mechanism_result result = MECHANISM_BAD;

	if (x->silent) {
		x->silent = false;
		buf_putf(out, "realm=\"%s\",nonce=\"%s\",qop=\"auth\",charset=utf-8,algorithm=md5-sess",
			 x->host->host_name, x->nonce);
		return MECHANISM_MORE;
	}
	if (x->step > 1 && take_response(in, &store, &r) && exchange_keep(&x->name, r.username) &&
	    (r.authzid.n == 0 || exchange_keep(&x->authzid, r.authzid)))
		result = fits(x, &r) ? digest_check(x, &r, out) : MECHANISM_WRONG;
	buf_free(&store);
	return result;
}
