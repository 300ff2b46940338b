#include "report/address.h"

#include "base/buf.h"
#include "trust/domain.h"
#include "trust/tags.h"

#include <inttypes.h>

enum { URL_MOST = 1000, ADDRESS_MOST = 320, HTTPS_PORT = 443 };

/* "!10m": k, m, g and t are powers of 2^10. */
static bool take_size(struct view *uri, uint64_t *ret)
{
	static const char units[] = "kmgt";
	size_t at = view_find(*uri, '!');
	struct view size = view_skip(*uri, at + 1);
	uint64_t n;
	int shift = 0;

	*ret = 0;
	if (at == uri->n)
		return true;
	for (int i = 0; size.n && units[i]; i++)
		if (ascii_lower(size.p[size.n - 1]) == units[i])
			shift = 10 * (i + 1);
	if (shift)
		size.n--;
	if (!view_u64(size, &n) || n == 0 || n > UINT64_MAX >> shift)
		return false;
	*ret = n << shift;
	uri->n = at;
	return true;
}

static struct view decoded(struct view v, struct arena *a)
{
	char *p = arena_alloc(a, v.n + 1);
	size_t n = 0;

	for (size_t i = 0; p && i < v.n; i++) {
		if (v.p[i] == '%' && i + 2 < v.n && ascii_hex(v.p[i + 1]) >= 0 && ascii_hex(v.p[i + 2]) >= 0) {
			p[n++] = (char)(ascii_hex(v.p[i + 1]) << 4 | ascii_hex(v.p[i + 2]));
			i += 2;
		} else {
			p[n++] = v.p[i];
		}
	}
	return p ? view_make(p, n) : VIEW_NONE;
}

/* A dot-atom: nobody asks for reports at a quoted local part, and what stands
 * there goes into a command and a header of ours. */
static bool is_plain(struct view local)
{
	static const char others[] = "!#$%&'*+-/=?^_`{|}~.";

	for (size_t i = 0; i < local.n; i++)
		if (!ascii_alpha(local.p[i]) && !ascii_digit(local.p[i]) &&
		    (local.p[i] == '\0' || strchr(others, local.p[i]) == NULL))
			return false;
	return local.n && local.p[0] != '.' && local.p[local.n - 1] != '.';
}

/* RFC 6068: what stands behind '?' is not for us. */
static bool take_mail(struct view uri, struct arena *a, struct report_address *ret)
{
	struct view all = decoded(view_head(uri, view_find(uri, '?')), a);
	size_t at = view_find(all, '@');
	struct buf b = BUF(ADDRESS_MOST);

	if (all.n > ADDRESS_MOST || !is_plain(view_head(all, at)) ||
	    domain_ascii(view_skip(all, at + 1), a, &ret->host) != ST_OK)
		return false;
	buf_put(&b, view_head(all, at + 1));
	buf_put(&b, ret->host);
	ret->mail = arena_copy(a, buf_view(&b));
	buf_free(&b);
	return ret->mail.n != 0;
}

static bool is_url_character(char c)
{
	return c > ' ' && c < 127 && c != '"' && c != '<' && c != '>' && c != '\\';
}

static bool take_url(struct view uri, struct arena *a, struct report_address *ret)
{
	struct view rest = view_skip(uri, sizeof "https://" - 1), authority = view_head(rest, view_find(rest, '/'));
	size_t colon = view_find(authority, ':');
	uint64_t port = HTTPS_PORT;

	for (size_t i = 0; i < uri.n; i++)
		if (!is_url_character(uri.p[i]))
			return false;
	if (uri.n > URL_MOST || view_find(authority, '@') < authority.n ||
	    (colon < authority.n && (!view_u64(view_skip(authority, colon + 1), &port) || port == 0 || port > 65535)) ||
	    domain_ascii(view_head(authority, colon), a, &ret->host) != ST_OK)
		return false;
	ret->url = arena_copy(a, uri);
	ret->path = view_skip(rest, authority.n);
	/* A fragment is the client's own. */
	ret->path = view_head(ret->path, view_find(ret->path, '#'));
	ret->path = ret->path.n ? arena_copy(a, ret->path) : VIEW("/");
	ret->port = (uint16_t)port;
	return ret->url.n != 0;
}

size_t report_addresses(struct view list, struct arena *a, struct report_address ret[REPORT_ADDRESSES])
{
	struct view one;
	size_t n = 0;

	while (n < REPORT_ADDRESSES && tags_list_next(&list, ',', &one)) {
		struct report_address r = { 0 };
		bool good = false;

		if (view_starts_i(one, VIEW("mailto:")) && take_size(&one, &r.most))
			good = take_mail(view_skip(one, sizeof "mailto:" - 1), a, &r);
		else if (view_starts_i(one, VIEW("https://")))
			good = take_url(one, a, &r);
		if (good)
			ret[n++] = r;
	}
	return n;
}
