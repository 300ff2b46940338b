#include "warden/srs.h"

#include "directory/directory.h"

#include <string.h>

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";	/* RFC 4648 6 */

enum { DAY_MS = 86400000, TAG = 4 };

/* local@domain; both not empty. */
static bool split(struct view address, struct view *ret_local, struct view *ret_domain)
{
	size_t at = view_behind_last(address, '@');

	if (at < 2 || at == address.n)
		return false;
	*ret_local = view_head(address, at - 1);
	*ret_domain = view_skip(address, at);
	return true;
}

/* "SRS0=", where the last may be "+" or "-" too. */
static bool begins(struct view local, struct view tag)
{
	return view_starts_i(local, tag) && local.n > TAG &&
	       (local.p[TAG] == '=' || local.p[TAG] == '+' || local.p[TAG] == '-');
}

bool srs_is(struct view address)
{
	return begins(address, VIEW("SRS0")) || begins(address, VIEW("SRS1"));
}

static enum status put_hash(const struct mac *m, struct view kind, struct view text, char out[SRS_HASH])
{
	unsigned char mac[MAC_SIZE];
	struct buf low = BUF(2 * ADDRESS_MAX);
	struct view parts[2];
	enum status st;

	for (size_t i = 0; i < text.n; i++)
		buf_putc(&low, ascii_lower(text.p[i]));
	st = buf_status(&low);
	parts[0] = kind;
	parts[1] = buf_view(&low);
	if (st == ST_OK)
		st = mac_of(m, parts, 2, mac);
	for (size_t i = 0; i < SRS_HASH && st == ST_OK; i++)
		out[i] = digits[mac[i] & 31];
	buf_free(&low);
	return st;
}

static enum status put_sealed(const struct mac *m, struct view kind, struct view text, struct view domain,
			      struct buf *out)
{
	char hash[SRS_HASH];
	enum status st = put_hash(m, kind, text, hash);

	if (st != ST_OK)
		return st;
	if (TAG + 1 + SRS_HASH + 1 + text.n + 1 + domain.n > ADDRESS_MAX)
		return ST_LIMIT;
	buf_put(out, kind);
	buf_putc(out, '=');
	buf_put(out, view_make(hash, SRS_HASH));
	buf_putc(out, '=');
	buf_put(out, text);
	buf_putc(out, '@');
	buf_put(out, domain);
	return buf_status(out);
}

/* Behind the hash of an SRS1 that another made: host==rest. */
static bool first_of(struct view local, struct view *ret_text)
{
	struct view rest = view_skip(local, TAG + 1);
	size_t n = view_find(rest, '=');

	*ret_text = view_skip(rest, n < rest.n ? n + 1 : n);
	return ret_text->n != 0;
}

enum status srs_put(const struct mac *m, struct view sender, struct view domain, wall_ms now, struct buf *out)
{
	struct buf text = BUF(2 * ADDRESS_MAX);
	struct view local, host, first;
	uint64_t day = (uint64_t)now / DAY_MS % SRS_DAYS;
	enum status st;

	if (!split(sender, &local, &host) || local.p[0] == '"' || host.p[0] == '[')
		return ST_SYNTAX;
	if (begins(local, VIEW("SRS1")) && first_of(local, &first)) {
		st = put_sealed(m, VIEW("SRS1"), first, domain, out);
	} else if (begins(local, VIEW("SRS0"))) {
		buf_putf(&text, "%.*s=%.*s", VIEW_ARG(host), VIEW_ARG(view_skip(local, TAG)));
		st = put_sealed(m, VIEW("SRS1"), buf_view(&text), domain, out);
	} else {
		buf_putf(&text, "%c%c=%.*s=%.*s", digits[day >> 5], digits[day & 31], VIEW_ARG(host), VIEW_ARG(local));
		st = put_sealed(m, VIEW("SRS0"), buf_view(&text), domain, out);
	}
	if (st == ST_OK)
		st = buf_status(&text);
	buf_free(&text);
	return st;
}

/* ---- the way back ---- */

static int digit(char c)
{
	const char *at = c ? strchr(digits, ascii_lower(c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

static enum status check_day(struct view text, wall_ms now, wall_ms life)
{
	int high = text.n > 2 && text.p[2] == '=' ? digit(text.p[0]) : -1, low = high < 0 ? -1 : digit(text.p[1]);
	uint64_t today = (uint64_t)now / DAY_MS % SRS_DAYS, age;

	if (low < 0)
		return ST_SYNTAX;
	age = (today + SRS_DAYS - (uint64_t)(high << 5 | low)) % SRS_DAYS;
	return age > (uint64_t)life / DAY_MS ? ST_TIMEOUT : ST_OK;
}

/* A sealed text's own; which it is says the tag. */
static enum status check_hash(const struct mac *m, struct view local, struct view *ret_text)
{
	char right[SRS_HASH];
	unsigned differ = 0;
	struct view text;
	enum status st;

	if (local.n <= TAG + 1 + SRS_HASH + 1 || local.p[TAG + 1 + SRS_HASH] != '=')
		return ST_SYNTAX;
	text = view_skip(local, TAG + 1 + SRS_HASH + 1);
	st = put_hash(m, local.p[TAG - 1] == '0' ? VIEW("SRS0") : VIEW("SRS1"), text, right);
	if (st != ST_OK)
		return st;
	/* In a time that does not say where. */
	for (size_t i = 0; i < SRS_HASH; i++)
		differ |= (unsigned)(ascii_lower(local.p[TAG + 1 + i]) ^ right[i]);
	if (differ)
		return ST_DENIED;
	*ret_text = text;
	return ST_OK;
}

enum status srs_take(const struct mac *m, struct view address, wall_ms now, wall_ms life, struct buf *out)
{
	struct view local, domain, text, host;
	bool first = begins(address, VIEW("SRS0"));
	enum status st;
	size_t n;

	if (address.n > ADDRESS_MAX || !srs_is(address) || !split(address, &local, &domain))
		return ST_SYNTAX;
	st = check_hash(m, local, &text);
	if (st == ST_OK && first)
		st = check_day(text, now, life);
	if (st != ST_OK)
		return st;
	text = view_skip(text, first ? 3 : 0);
	n = view_find(text, '=');
	host = view_head(text, n);
	if (n == 0 || n + 1 >= text.n)
		return ST_SYNTAX;
	text = view_skip(text, n + 1);
	/* The other's SRS0 as it was, with the character that he put behind it. */
	if (!first)
		buf_puts(out, "SRS0");
	buf_put(out, text);
	buf_putc(out, '@');
	buf_put(out, host);
	return buf_status(out);
}
