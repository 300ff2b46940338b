#include "base/json.h"

/* Up to the first thing that is no JSON, where jansson stops as well. */
static bool is_flat(struct view text)
{
	bool quoted = false;
	size_t depth = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
			return false;
		else if (!quoted && (c == '}' || c == ']') && depth)
			depth--;
	}
	return true;
}

json_t *json_object_of(struct view text)
{
	json_t *o = text.n && is_flat(text) ? json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (json_is_object(o))
		return o;
	json_decref(o);
	return NULL;
}

struct view json_member(const json_t *object, const char *name)
{
	const json_t *m = json_object_get(object, name);

	return json_is_string(m) ? view_make(json_string_value(m), json_string_length(m)) : VIEW_NONE;
}
