/* letter.c - the bytes of the letter, in the form that a host can take. */
#include "mta/relay/internal.h"

#include "base/mapped.h"
#include "msg/convert.h"
#include "msg/mime.h"

/* Quoted-printable makes three octets of one, and lines. */
enum { CONVERTED_MOST = 4, CONVERTED_SPARE = 64 * 1024 };

static enum status map_file(struct letter *l, int fd, uint64_t size)
{
	enum status st = size ? mapped_sealed(fd, size, &l->raw) : ST_SYNTAX;

	l->mapped = st == ST_OK;
	return st;
}

static bool any_eight(struct view v)
{
	unsigned char all = 0;

	for (size_t i = 0; i < v.n; i++)
		all |= (unsigned char)v.p[i];
	return all & 0x80;
}

/* NUL, or CR and LF that do not stand together (RFC 3030 3). */
static bool any_binary(struct view v)
{
	for (size_t at = 0; at < v.n;) {
		struct view rest = view_skip(v, at);
		size_t lf = view_find(rest, '\n');
		struct view line = view_head(rest, lf);

		if (lf < rest.n && (line.n == 0 || line.p[--line.n] != '\r'))
			return true;
		if (view_find(line, '\r') < line.n)
			return true;
		at += lf + 1;
	}
	return view_find(v, '\0') < v.n;
}

static void look_at_header(struct letter *l)
{
	struct field f;
	size_t at = 0;

	while (field_next(l->raw, &at, &f))
		l->tls_not_required |= view_eq_i(f.name, VIEW("TLS-Required")) &&
				       view_eq_i(view_trim(f.value), VIEW("No"));
	l->eight_header = any_eight(view_head(l->raw, at));
}

enum status letter_open(struct letter *l, struct view body, int fd, uint64_t size, const struct envelope *e,
			struct arena *a)
{
	enum status st = ST_OK;

	*l = (struct letter){ .converted = BUF(0) };
	if (fd >= 0) {
		st = map_file(l, fd, size);
	} else {
		l->raw = arena_copy(a, body);
		st = body.n == size ? arena_status(a) : ST_SYNTAX;
	}
	if (st != ST_OK)
		return st;
	l->eight = any_eight(l->raw);
	l->utf8 = e->smtputf8;
	l->binary = e->body == BODY_BINARY && any_binary(l->raw);
	look_at_header(l);
	return ST_OK;
}

void letter_close(struct letter *l)
{
	if (l->mapped)
		mapped_free(l->raw);
	l->mapped = false;
	buf_free(&l->converted);
}

/* Anew for each host: another may take more. */
static enum status convert(struct letter *l, struct convert_form takes)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	enum status st;

	buf_free(&l->converted);
	l->converted = BUF(l->raw.n * CONVERTED_MOST + CONVERTED_SPARE);
	st = convert_letter(l->raw, takes, &a, &l->converted);
	arena_free(&a);
	return st;
}

enum status letter_for(struct letter *l, const struct smtp_offer *offer, struct view *ret_bytes,
		       enum body_type *ret_body)
{
	const unsigned binary = EXT_BINARYMIME | EXT_CHUNKING;
	const struct convert_form has = { .eightbit = l->eight, .binary = l->binary, .utf8 = l->eight_header && l->utf8 };
	const struct convert_form takes = {
		.eightbit = (offer->set & EXT_8BITMIME) != 0, .binary = (offer->set & binary) == binary,
		/* Where nobody has asked for SMTPUTF8 a header of 8 bits goes as the body does. */
		.utf8 = l->utf8 ? (offer->set & EXT_SMTPUTF8) != 0 : (offer->set & EXT_8BITMIME) != 0,
	};
	enum status st;

	if (!convert_lacks(takes, has)) {
		*ret_bytes = l->raw;
		*ret_body = l->binary ? BODY_BINARY : l->eight ? BODY_8BIT : BODY_7BIT;
		return ST_OK;
	}
	st = convert(l, takes);
	if (st != ST_OK)
		return st == ST_DENIED ? ST_MISSING : st;
	*ret_bytes = buf_view(&l->converted);
	*ret_body = any_eight(*ret_bytes) ? BODY_8BIT : BODY_7BIT;
	return ST_OK;
}
