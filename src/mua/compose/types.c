#include "mua/compose/types.h"

#include "msg/charset.h"

#include <stdio.h>

#define GLOBS "/usr/share/mime/globs2"

static const struct {
	struct view extension, type;
} types[] = {
	{ VIEW("pdf"), VIEW("application/pdf") },	{ VIEW("txt"), VIEW("text/plain") },
	{ VIEW("png"), VIEW("image/png") },		{ VIEW("jpg"), VIEW("image/jpeg") },
	{ VIEW("jpeg"), VIEW("image/jpeg") },		{ VIEW("gif"), VIEW("image/gif") },
	{ VIEW("svg"), VIEW("image/svg+xml") },		{ VIEW("webp"), VIEW("image/webp") },
	{ VIEW("html"), VIEW("text/html") },		{ VIEW("csv"), VIEW("text/csv") },
	{ VIEW("md"), VIEW("text/markdown") },		{ VIEW("ics"), VIEW("text/calendar") },
	{ VIEW("vcf"), VIEW("text/vcard") },		{ VIEW("json"), VIEW("application/json") },
	{ VIEW("xml"), VIEW("application/xml") },	{ VIEW("zip"), VIEW("application/zip") },
	{ VIEW("gz"), VIEW("application/gzip") },	{ VIEW("tar"), VIEW("application/x-tar") },
	{ VIEW("xz"), VIEW("application/x-xz") },	{ VIEW("zst"), VIEW("application/zstd") },
	{ VIEW("mp3"), VIEW("audio/mpeg") },		{ VIEW("mp4"), VIEW("video/mp4") },
	{ VIEW("ogg"), VIEW("audio/ogg") },		{ VIEW("eml"), VIEW("application/octet-stream") },
	{ VIEW("doc"), VIEW("application/msword") },	{ VIEW("diff"), VIEW("text/x-diff") },
	{ VIEW("patch"), VIEW("text/x-diff") },		{ VIEW("odt"), VIEW("application/vnd.oasis.opendocument.text") },
	{ VIEW("docx"), VIEW("application/vnd.openxmlformats-officedocument.wordprocessingml.document") },
	{ VIEW("xlsx"), VIEW("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet") },
};

/* "50:application/pdf:*.pdf": the heaviest comes first. */
static bool glob_line(struct view line, struct view extension, struct view *ret)
{
	struct view left = view_skip(line, view_find(line, ':') + 1), type = view_head(left, view_find(left, ':'));
	struct view glob = view_skip(left, type.n + 1);

	glob = view_head(glob, view_find(glob, ':'));
	if (!view_starts_i(glob, VIEW("*.")) || !view_eq_i(view_skip(glob, 2), extension))
		return false;
	*ret = type;
	return type.n > 2 && view_find(type, '/') < type.n;
}

static struct view from_globs(struct view extension, struct arena *a)
{
	FILE *f = fopen(GLOBS, "re");
	struct view found = VIEW_NONE;
	char line[512];

	while (f && found.n == 0 && fgets(line, sizeof line, f)) {
		struct view v = view_cstr(line), type;

		if (v.n && v.p[v.n - 1] == '\n')
			v.n--;
		if (v.n && v.p[0] != '#' && glob_line(v, extension, &type))
			found = arena_copy(a, type);
	}
	if (f)
		fclose(f);
	return found;
}

static bool is_text(struct view octets)
{
	return utf8_valid(octets) == octets.n && view_find(octets, '\0') == octets.n;
}

struct view type_of_file(struct view name, struct view octets, struct arena *a)
{
	struct view extension = VIEW_NONE, type = VIEW_NONE;

	for (size_t i = name.n; i > 0; i--)
		if (name.p[i - 1] == '.') {
			extension = view_skip(name, i);
			break;
		}
	for (size_t i = 0; extension.n && i < sizeof types / sizeof *types; i++)
		if (view_eq_i(extension, types[i].extension))
			type = types[i].type;
	if (type.n == 0 && extension.n)
		type = from_globs(extension, a);
	if (type.n == 0)
		type = is_text(octets) ? VIEW("text/plain") : VIEW("application/octet-stream");
	if (view_starts_i(type, VIEW("text/")) && !is_text(octets))
		return VIEW("application/octet-stream");
	/* Letters and multiparts may not be base64 (RFC 2045 6.4). */
	if (view_starts_i(type, VIEW("message/")) || view_starts_i(type, VIEW("multipart/")))
		return VIEW("application/octet-stream");
	return type;
}
