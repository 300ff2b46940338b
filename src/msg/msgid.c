#include "msg/msgid.h"

#include "msg/lex.h"

static bool has_blank(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (lex_is_blank(v.p[i]))
			return true;
	return false;
}

bool msgid_next(struct msgid_reader *r, struct view *ret)
{
	struct view whole = lex_trim(r->rest);

	while (r->rest.n) {
		size_t open = view_find(r->rest, '<');
		struct view inside = view_skip(r->rest, open + 1);
		size_t close = view_find(inside, '>');
		struct view id = lex_trim(view_head(inside, close));

		if (open == r->rest.n)
			break;
		r->any = true;
		r->rest = view_skip(inside, close + 1);
		if (id.n) {
			*ret = id;
			return true;
		}
	}
	r->rest = VIEW_NONE;
	if (r->any || whole.n == 0 || has_blank(whole))
		return false;
	r->any = true;
	*ret = whole;
	return true;
}
