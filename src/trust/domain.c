#include "trust/domain.h"

#include "wire/dns.h"

#include <idn2.h>

bool domain_fits(struct view name)
{
	/* What is no printable ASCII is written with a backslash (wire/rdata.h). */
	if (name.n == 0 || name.n > DNS_NAME_MAX || view_find(name, '\\') < name.n)
		return false;
	for (struct view v = name;;) {
		size_t n = view_find(v, '.');

		if (n == 0 || n > 63)
			return false;
		if (n == v.n)
			return true;
		v = view_skip(v, n + 1);
	}
}

bool domain_within(struct view name, struct view above)
{
	size_t at = name.n - above.n;

	if (name.n < above.n || above.n == 0)
		return false;
	return view_eq_i(view_skip(name, at), above) && (at == 0 || name.p[at - 1] == '.');
}

struct view domain_tail(struct view name, size_t n)
{
	for (size_t labels = domain_labels(name); labels > n; labels--)
		name = view_skip(name, view_find(name, '.') + 1);
	return name;
}

/* Letters, digits, hyphens, and the underscore that is found in the wild. */
static bool is_host(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '-' && v.p[i] != '_' &&
		    v.p[i] != '.')
			return false;
	return true;
}

static enum status from_unicode(struct view name, struct arena *a, struct view *ret)
{
	char *text = arena_cstr(a, name), *ascii = NULL;
	int r;

	if (text == NULL)
		return arena_status(a);
	if (strlen(text) != name.n)
		return ST_SYNTAX;
	r = idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (r != IDN2_OK)
		return r == IDN2_MALLOC ? ST_NOMEM : ST_SYNTAX;
	*ret = arena_copy(a, view_cstr(ascii));
	idn2_free(ascii);
	return arena_status(a);
}

enum status domain_unicode(struct view ascii, struct arena *a, struct view *ret)
{
	char *text = arena_cstr(a, ascii), *unicode = NULL;
	int r;

	if (text == NULL)
		return arena_status(a);
	r = idn2_to_unicode_8z8z(text, &unicode, IDN2_NONTRANSITIONAL);
	if (r != IDN2_OK)
		return r == IDN2_MALLOC ? ST_NOMEM : ST_SYNTAX;
	*ret = arena_copy(a, view_cstr(unicode));
	idn2_free(unicode);
	return arena_status(a);
}

enum status domain_ascii(struct view name, struct arena *a, struct view *ret)
{
	struct view v = VIEW_NONE;
	enum status st;

	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n > 4 * DNS_NAME_MAX)
		return ST_SYNTAX;
	if (view_is_ascii(name)) {
		char *p = arena_alloc(a, name.n);

		if (p == NULL)
			return arena_status(a);
		for (size_t i = 0; i < name.n; i++)
			p[i] = ascii_lower(name.p[i]);
		v = view_make(p, name.n);
	} else {
		st = from_unicode(name, a, &v);
		if (st != ST_OK)
			return st;
	}
	if (!domain_fits(v) || !is_host(v) || view_find(v, '.') == v.n)
		return ST_SYNTAX;
	*ret = v;
	return ST_OK;
}
