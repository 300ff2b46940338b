#include "msg/header.h"

#include "msg/lex.h"

static const struct view known[FIELD_IDS] = {
	[FIELD_DATE] = { "date", 4 },
	[FIELD_FROM] = { "from", 4 },
	[FIELD_SENDER] = { "sender", 6 },
	[FIELD_REPLY_TO] = { "reply-to", 8 },
	[FIELD_TO] = { "to", 2 },
	[FIELD_CC] = { "cc", 2 },
	[FIELD_BCC] = { "bcc", 3 },
	[FIELD_SUBJECT] = { "subject", 7 },
	[FIELD_MESSAGE_ID] = { "message-id", 10 },
	[FIELD_IN_REPLY_TO] = { "in-reply-to", 11 },
	[FIELD_REFERENCES] = { "references", 10 },
	[FIELD_TYPE] = { "content-type", 12 },
	[FIELD_ENCODING] = { "content-transfer-encoding", 25 },
	[FIELD_DISPOSITION] = { "content-disposition", 19 },
	[FIELD_ID] = { "content-id", 10 },
	[FIELD_DESCRIPTION] = { "content-description", 19 },
	[FIELD_MD5] = { "content-md5", 11 },
	[FIELD_LANGUAGE] = { "content-language", 16 },
	[FIELD_LOCATION] = { "content-location", 16 },
};

enum field_id field_id(struct view name)
{
	for (int i = 0; i < FIELD_IDS; i++)
		if (known[i].n == name.n && view_eq_i(known[i], name))
			return (enum field_id)i;
	return FIELD_IDS;
}

/* Behind the line end of the line that p stands in. */
static size_t line_end(struct view v, size_t at)
{
	const char *lf = memchr(v.p + at, '\n', v.n - at);

	return lf ? (size_t)(lf - v.p) + 1 : v.n;
}

static size_t blank_line(struct view v, size_t at)
{
	if (v.p[at] == '\n')
		return 1;
	return v.p[at] == '\r' && at + 1 < v.n && v.p[at + 1] == '\n' ? 2 : 0;
}

/* RFC 5322 3.6.8, 4.5: printable ASCII, and blanks before the colon; RFC 6532
 * leaves names alone. */
static struct view name_of(struct view line)
{
	size_t colon = view_find(line, ':');
	struct view name;

	if (colon == line.n)
		return VIEW_NONE;
	name = view_trim(view_head(line, colon));
	if (name.n == 0 || name.p != line.p)
		return VIEW_NONE;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] == 0x7f)
			return VIEW_NONE;
	return name;
}

bool field_next(struct view v, size_t *at, struct field *ret)
{
	size_t start = *at, end, blank;
	struct view line;

	if (start >= v.n)
		return false;
	blank = blank_line(v, start);
	if (blank) {
		*at = start + blank;
		return false;
	}
	end = line_end(v, start);
	line = view_make(v.p + start, end - start);
	while (end < v.n && (v.p[end] == ' ' || v.p[end] == '\t'))
		end = line_end(v, end);
	ret->start = start;
	ret->end = end;
	ret->name = name_of(line);
	ret->value = view_make(v.p + start, end - start);
	if (ret->name.n)
		ret->value = view_skip(ret->value, view_find(line, ':') + 1);
	if (ret->value.n && ret->value.p[ret->value.n - 1] == '\n')
		ret->value.n--;
	if (ret->value.n && ret->value.p[ret->value.n - 1] == '\r')
		ret->value.n--;
	*at = end;
	return true;
}

size_t header_size(struct view bytes)
{
	struct field f;
	size_t at = 0;

	while (field_next(bytes, &at, &f))
		;
	return at;
}

bool field_find(struct view bytes, struct view name, struct field *ret)
{
	struct field f;
	size_t at = 0;

	while (field_next(bytes, &at, &f)) {
		if (f.name.n == name.n && view_eq_i(f.name, name)) {
			*ret = f;
			return true;
		}
	}
	return false;
}

void field_unfold(struct view v, struct buf *out)
{
	size_t from = 0;

	v = lex_trim(v);
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] != '\r' && v.p[i] != '\n' && v.p[i] != '\0')
			continue;
		buf_put(out, view_make(v.p + from, i - from));
		from = i + 1;
	}
	if (from < v.n)
		buf_put(out, view_make(v.p + from, v.n - from));
}
