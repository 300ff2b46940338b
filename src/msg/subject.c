#include "msg/subject.h"

#include "msg/lex.h"
#include "msg/word.h"

static bool ends_i(struct view v, struct view tail)
{
	return v.n >= tail.n && view_eq_i(view_skip(v, v.n - tail.n), tail);
}

/* Step 1: runs of blanks become one. */
static void collapse(struct buf *b, size_t from)
{
	size_t to = from;

	for (size_t i = from; i < b->n; i++) {
		char c = b->p[i] == '\t' ? ' ' : b->p[i];

		if (c == ' ' && to > from && b->p[to - 1] == ' ')
			continue;
		b->p[to++] = c;
	}
	b->n = to;
}

/* Step 2: subj-trailer. */
static struct view without_trailer(struct view v, bool *reply)
{
	for (;;) {
		v = view_trim(v);
		if (!ends_i(v, VIEW("(fwd)")))
			return v;
		v.n -= 5;
		*reply = true;
	}
}

/* "[" *BLOBCHAR "]" *WSP; 0 where there is none. */
static size_t blob(struct view v)
{
	size_t i = 1;

	if (v.n == 0 || v.p[0] != '[')
		return 0;
	while (i < v.n && v.p[i] != '[' && v.p[i] != ']')
		i++;
	if (i == v.n || v.p[i] != ']')
		return 0;
	for (i++; i < v.n && v.p[i] == ' '; )
		i++;
	return i;
}

/* ("re" / "fw" ["d"]) *WSP [blob] ":"; 0 where there is none. */
static size_t refwd(struct view v)
{
	size_t i;

	if (view_starts_i(v, VIEW("fwd")))
		i = 3;
	else if (view_starts_i(v, VIEW("re")) || view_starts_i(v, VIEW("fw")))
		i = 2;
	else
		return 0;
	while (i < v.n && v.p[i] == ' ')
		i++;
	i += blob(view_skip(v, i));
	return i < v.n && v.p[i] == ':' ? i + 1 : 0;
}

/* Steps 3 to 5: leaders, and blobs that leave something. */
static struct view without_leaders(struct view v, bool *reply)
{
	for (;;) {
		struct view behind = view_trim(v);
		size_t n;

		v = behind;
		while ((n = blob(behind)) > 0)
			behind = view_skip(behind, n);
		n = refwd(behind);
		if (n == 0)
			break;
		*reply = true;
		v = view_skip(behind, n);
	}
	for (size_t n = blob(v); n > 0 && n < v.n; n = blob(v))
		v = view_skip(v, n);
	return v;
}

void subject_base(struct view field, struct buf *out, bool *ret_reply)
{
	size_t from = out->n;
	bool reply = false;
	struct view v;

	words_decode(lex_trim(field), out);
	if (buf_status(out) != ST_OK || out->n == from) {
		*ret_reply = false;
		return;
	}
	collapse(out, from);
	v = view_make(out->p + from, out->n - from);
	for (;;) {
		v = without_leaders(without_trailer(v, &reply), &reply);
		/* Step 6: a letter forwarded as a whole. */
		if (!view_starts_i(v, VIEW("[fwd:")) || v.p[v.n - 1] != ']')
			break;
		v = view_make(v.p + 5, v.n - 6);
		reply = true;
	}
	if (v.n)
		memmove(out->p + from, v.p, v.n);
	out->n = from + v.n;
	*ret_reply = reply;
}
