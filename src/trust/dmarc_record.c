/* dmarc_record.c - DMARC policy records (RFC 9989 4.7, 4.8; RFC 7489 6.3). */
#include "trust/dmarc.h"

#include "trust/tags.h"

const char *dmarc_policy_name(enum dmarc_policy p)
{
	static const char *const names[] = {
		[DMARC_POLICY_NONE] = "none", [DMARC_QUARANTINE] = "quarantine", [DMARC_REJECT] = "reject",
	};

	return names[p];
}

static bool policy_of(const struct tag *t, enum dmarc_policy *ret)
{
	if (t == NULL)
		return false;
	for (int i = DMARC_POLICY_NONE; i <= DMARC_REJECT; i++) {
		if (!view_eq_i(t->value, view_cstr(dmarc_policy_name((enum dmarc_policy)i))))
			continue;
		*ret = (enum dmarc_policy)i;
		return true;
	}
	return false;
}

/* "v" *WSP "=" *WSP "DMARC1", then the end or ';'. */
bool dmarc_record_is(struct view text)
{
	struct view first = view_trim(view_head(text, view_find(text, ';')));
	size_t equals = view_find(first, '=');

	return view_eq(view_trim(view_head(first, equals)), VIEW("v")) &&
	       view_eq(view_trim(view_skip(first, equals + 1)), VIEW("DMARC1"));
}

static bool has_address(struct view rua)
{
	struct view one;

	while (tags_list_next(&rua, ',', &one))
		if (view_starts_i(one, VIEW("mailto:")) && view_find(one, '@') < one.n)
			return true;
	return false;
}

static bool is_strict(const struct tag *t)
{
	return t && view_eq_i(t->value, VIEW("s"));
}

enum status dmarc_record_parse(struct view text, struct dmarc_record *ret)
{
	struct dmarc_record r = { .psd = 'u', .pct = 100 };
	const struct tag *psd, *pct;
	struct tags t;
	uint64_t percent;

	if (!dmarc_record_is(text) || tags_parse(text, &t) != ST_OK)
		return ST_SYNTAX;
	r.rua = tags_value(&t, "rua");
	r.ruf = tags_value(&t, "ruf");
	r.fo = tags_value(&t, "fo");
	/* 4.7: none given is p=none.  With one that nobody knows reports may still
	 * be wanted. */
	if (tags_find(&t, "p") && !policy_of(tags_find(&t, "p"), &r.p) && !has_address(r.rua))
		return ST_SYNTAX;
	r.has_sp = policy_of(tags_find(&t, "sp"), &r.sp);
	if (!r.has_sp)
		r.sp = r.p;
	r.has_np = policy_of(tags_find(&t, "np"), &r.np);
	if (!r.has_np)
		r.np = r.sp;
	r.strict_dkim = is_strict(tags_find(&t, "adkim"));
	r.strict_spf = is_strict(tags_find(&t, "aspf"));
	r.has_t = tags_find(&t, "t") != NULL;
	r.testing = view_eq_i(tags_value(&t, "t"), VIEW("y"));
	psd = tags_find(&t, "psd");
	if (psd && (view_eq_i(psd->value, VIEW("y")) || view_eq_i(psd->value, VIEW("n"))))
		r.psd = ascii_lower(psd->value.p[0]);
	pct = tags_find(&t, "pct");
	if (pct && view_u64(pct->value, &percent) && percent <= 100)
		r.pct = (unsigned)percent;
	*ret = r;
	return ST_OK;
}
