/* Taking the layers off (RFC 8551 3.5, 3.6, 3.7, 3.8, 3.9). */
#include "smime/internal.h"
#include "smime/sink.h"

#include "msg/header.h"

#include <openssl/err.h>

/* The root of an entity. */
struct root {
	struct view header, body;
	struct content content;
	enum mime_encoding encoding;
	bool twice;		/* it has two of a field that says how it is read */
};

/* ---- what is it ---- */

static bool is_twice(struct view header)
{
	unsigned types = 0, encodings = 0;
	struct field f;
	size_t at = 0;

	while (field_next(header, &at, &f)) {
		types += field_id(f.name) == FIELD_TYPE;
		encodings += field_id(f.name) == FIELD_ENCODING;
	}
	return types > 1 || encodings > 1;
}

/* Type and encoding by the parser of all letters, which sees a header alone. */
static enum status take_root(struct view entity, struct arena *a, struct root *ret)
{
	size_t end = header_size(entity);
	struct root o = { .header = view_head(entity, end), .body = view_skip(entity, end) };
	struct field f;
	struct mime m;
	enum status st = mime_parse(o.header, a, &m);

	if (st != ST_OK)
		return st;
	o.encoding = (enum mime_encoding)m.parts[0].encoding;
	o.twice = is_twice(o.header);
	if (field_find(o.header, VIEW("Content-Type"), &f))
		st = content_parse(f.value, a, &o.content);
	if (st == ST_OK)
		*ret = o;
	return st;
}

static bool is_type(const struct content *c, const char *subtype)
{
	struct view s = c->subtype;

	if (view_starts_i(s, VIEW("x-")))
		s = view_skip(s, 2);
	return view_eq_i(c->type, VIEW("application")) && view_eq_i(s, view_cstr(subtype));
}

static bool ends_in(const struct content *c, const char *name, const char *end)
{
	const struct param *p = content_param(c, view_cstr(name));
	size_t n = strlen(end);

	return p && p->value.n >= n && view_eq_i(view_skip(p->value, p->value.n - n), view_cstr(end));
}

/* Old programs say application/octet-stream and name the file (RFC 8551 3.9). */
static bool is_opaque(const struct content *c)
{
	return is_type(c, "pkcs7-mime") || (is_type(c, "octet-stream") && ends_in(c, "name", ".p7m"));
}

static bool is_multipart_signed(const struct content *c)
{
	const struct param *p = content_param(c, VIEW("protocol"));

	return view_eq_i(c->type, VIEW("multipart")) && view_eq_i(c->subtype, VIEW("signed")) && p &&
	       (view_eq_i(p->value, VIEW("application/pkcs7-signature")) ||
		view_eq_i(p->value, VIEW("application/x-pkcs7-signature")));
}

static bool is_of_smime(const struct content *c)
{
	return is_opaque(c) || is_multipart_signed(c) || is_type(c, "pkcs7-signature");
}

bool smime_concerns(struct view header)
{
	struct arena a = ARENA(1024 * 1024);
	struct content c = { 0 };
	struct field f;
	bool concerns = field_find(header, VIEW("Content-Type"), &f) && content_parse(f.value, &a, &c) == ST_OK &&
			is_of_smime(&c);

	arena_free(&a);
	return concerns;
}

static enum smime_cover cover_of(const struct content *c)
{
	const struct param *p = is_opaque(c) ? content_param(c, VIEW("smime-type")) : NULL;
	bool multipart = view_eq_i(c->type, VIEW("multipart"));

	if ((multipart && view_eq_i(c->subtype, VIEW("encrypted"))) ||
	    (p && (view_eq_i(p->value, VIEW("enveloped-data")) || view_eq_i(p->value, VIEW("authEnveloped-data")))))
		return SMIME_COVER_ENCRYPTED;
	if ((multipart && view_eq_i(c->subtype, VIEW("signed"))) || (p && view_eq_i(p->value, VIEW("signed-data"))))
		return SMIME_COVER_SIGNED;
	return SMIME_COVER_NONE;
}

enum smime_cover smime_cover(struct view header)
{
	struct arena a = ARENA(1024 * 1024);
	enum smime_cover cover = SMIME_COVER_NONE;
	struct content c = { 0 };
	struct field f;

	if (!is_twice(header) && field_find(header, VIEW("Content-Type"), &f) && content_parse(f.value, &a, &c) == ST_OK)
		cover = cover_of(&c);
	arena_free(&a);
	return cover;
}

/* ---- layers ---- */

static struct smime_layer *new_layer(struct reading *r, enum smime_kind kind)
{
	struct smime_layer *layer = &r->l->layers[r->l->n_layers++];

	*layer = (struct smime_layer){ .kind = kind, .first = r->l->n_signers };
	return layer;
}

/* What was packed becomes what is looked at next. */
static void go_inside(struct reading *r, struct buf *content)
{
	if (r->l->decrypted && r->l->held.n)
		OPENSSL_cleanse(r->l->held.p, r->l->held.n);
	buf_free(&r->l->held);
	r->l->held = *content;
	*content = BUF(0);
	r->l->payload = buf_view(&r->l->held);
}

/* ST_SYNTAX: it is none; ST_CLOSED: it has content, which a detached signature has not. */
static enum status read_detached(const struct mime *m, const struct mime_part *p, struct buf *skeleton)
{
	struct cms_shape shape;
	struct octets in;
	enum status st;

	octets_begin(&in, (enum mime_encoding)p->encoding, mime_body(m, p));
	st = cms_skim(&in, skeleton, NULL, NULL, &shape);
	octets_free(&in);
	if (st == ST_OK && shape.type != CMS_SIGNED)
		return ST_SYNTAX;
	return st == ST_OK && shape.has_content ? ST_CLOSED : st;
}

/* RFC 1847 2.1, RFC 8551 3.5.3: two parts, the second of them the signature. */
static bool take_parts(const struct mime *m, const struct mime_part **ret_what, const struct mime_part **ret_signature)
{
	uint32_t first = m->parts[0].kind == MIME_MULTIPART ? m->parts[0].child : MIME_NONE;
	uint32_t second = first == MIME_NONE ? MIME_NONE : m->parts[first].next;

	if (second == MIME_NONE || m->parts[second].next != MIME_NONE ||
	    !is_type(&m->parts[second].content, "pkcs7-signature"))
		return false;
	*ret_what = &m->parts[first];
	*ret_signature = &m->parts[second];
	return true;
}

/* What was signed: from the delimiter to the line end before the next one, which
 * stands on the line before the signature's part. */
static struct view signed_part(const struct mime *m, const struct mime_part *what, const struct mime_part *signature)
{
	size_t end = signature->header;

	end -= end > what->header && m->letter.p[end - 1] == '\n';
	while (end > what->header && m->letter.p[end - 1] != '\n')
		end--;
	end -= end > what->header && m->letter.p[end - 1] == '\n';
	end -= end > what->header && m->letter.p[end - 1] == '\r';
	return view_make(m->letter.p + what->header, end - what->header);
}

static enum status open_multipart(struct reading *r)
{
	struct smime_layer *layer = new_layer(r, SMIME_MULTIPART_SIGNED);
	struct buf skeleton = BUF(SKELETON_MAX);
	struct arena a = ARENA(MIME_ARENA_MAX);
	const struct mime_part *what, *signature;
	struct mime m;
	enum status st = mime_parse(r->l->payload, &a, &m);

	if (st == ST_OK && !take_parts(&m, &what, &signature)) {
		layer->problems |= PROBLEM(STRUCTURE);
	} else if (st == ST_OK) {
		st = read_detached(&m, signature, &skeleton);
		if (st == ST_OK)
			st = signed_check(r, layer, buf_view(&skeleton), signed_part(&m, what, signature));
		else if (is_theirs(st))
			layer->problems |= st == ST_CLOSED ? PROBLEM(CONFUSED) : PROBLEM(UNREADABLE);
		if (st != ST_NOMEM) {
			layer->opened = true;
			r->l->payload = signed_part(&m, what, signature);
		}
		st = st == ST_NOMEM ? st : ST_OK;
	}
	buf_free(&skeleton);
	arena_free(&a);
	return st;
}

/* Content and skeleton in one pass. */
static enum status read_signed(struct reading *r, struct cms_part part, struct buf *skeleton, struct buf *content,
			       struct cms_shape *ret)
{
	size_t expected = part.body.n / 4 * 3;
	struct octets in;
	char *room;
	enum status st;

	if (buf_reserve(content, expected < content->max ? expected : content->max, &room) != ST_OK)
		return buf_status(content);
	octets_begin(&in, part.encoding, part.body);
	st = cms_skim(&in, skeleton, cms_to_buf, content, ret);
	octets_free(&in);
	(void)r;
	return st;
}

static enum status open_signed(struct reading *r, struct cms_part part)
{
	struct smime_layer *layer = new_layer(r, SMIME_SIGNED);
	struct buf skeleton = BUF(SKELETON_MAX), content = BUF(content_max(r));
	struct cms_shape shape = { 0 };
	enum status st = read_signed(r, part, &skeleton, &content, &shape);

	if (is_theirs(st)) {
		layer->problems |= content.n == content.max ? PROBLEM(BOMB) : PROBLEM(UNREADABLE);
		st = ST_OK;
	} else if (st == ST_OK) {
		st = signed_check(r, layer, buf_view(&skeleton), buf_view(&content));
		layer->opened = shape.has_content;
		if (!shape.has_content && layer->signers == 0 && layer->problems == PROBLEM(NO_SIGNER)) {
			layer->kind = SMIME_CERTS_ONLY;
			layer->problems = 0;
		}
		if (st == ST_OK && layer->opened)
			go_inside(r, &content);
	}
	buf_free(&skeleton);
	buf_free(&content);
	return st;
}

static enum status open_other(struct reading *r, struct cms_part part, enum cms_type type)
{
	struct smime_layer *layer = new_layer(r, type == CMS_ENVELOPED ? SMIME_ENVELOPED :
					      type == CMS_AUTH_ENVELOPED ? SMIME_AUTH_ENVELOPED : SMIME_COMPRESSED);
	struct buf content = BUF(0);
	enum status st = type == CMS_COMPRESSED ? packed_open(r, layer, part, &content) :
						  sealed_open(r, layer, part, &content);

	if (st == ST_OK && layer->opened) {
		go_inside(r, &content);
		r->l->decrypted |= type != CMS_COMPRESSED;
	}
	buf_free(&content);
	return st;
}

static enum status open_opaque(struct reading *r, const struct root *o)
{
	struct cms_part part = { o->body, o->encoding };
	enum cms_type type;
	struct octets in;

	octets_begin(&in, part.encoding, part.body);
	type = cms_type_of(&in);
	octets_free(&in);
	if (type == CMS_SIGNED)
		return open_signed(r, part);
	if (type != CMS_OTHER)
		return open_other(r, part, type);
	new_layer(r, SMIME_UNREADABLE)->problems |= PROBLEM(UNREADABLE);
	return ST_OK;
}

/* ST_MISSING: there is no layer there. */
static enum status open_layer(struct reading *r)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct root o;
	enum status st = take_root(r->l->payload, &a, &o);

	if (st != ST_OK) {
		arena_free(&a);
		return st;
	}
	if (!is_multipart_signed(&o.content) && !is_opaque(&o.content)) {
		st = ST_MISSING;
	} else if (r->l->n_layers == SMIME_LAYERS_MOST) {
		r->l->problems |= PROBLEM(DEPTH);
		st = ST_MISSING;
	} else {
		st = is_multipart_signed(&o.content) ? open_multipart(r) : open_opaque(r, &o);
		/* Another program may take the other one of two fields. */
		if (o.twice)
			r->l->layers[r->l->n_layers - 1].problems |= PROBLEM(CONFUSED);
	}
	arena_free(&a);
	return st;
}

static enum status open_layers(struct reading *r)
{
	enum status st;

	do
		st = open_layer(r);
	while (st == ST_OK && r->l->layers[r->l->n_layers - 1].opened);
	return st == ST_MISSING ? ST_OK : st;
}

/* ---- S/MIME in some part ---- */

static enum status count_elsewhere(struct reading *r)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct mime m;
	enum status st = mime_parse(r->l->payload, &a, &m);

	for (uint32_t i = 1; st == ST_OK && i < m.n; i++)
		r->l->elsewhere += is_multipart_signed(&m.parts[i].content) || is_opaque(&m.parts[i].content);
	arena_free(&a);
	return st;
}

static enum status look_inside(struct reading *r)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct root o;
	enum status st = take_root(r->l->payload, &a, &o);

	if (st == ST_OK && view_eq_i(o.content.type, VIEW("message")) && r->l->n_layers)
		r->l->problems |= PROBLEM(INNER_LETTER);
	arena_free(&a);
	return st;
}

enum status smime_read(struct view letter, const struct smime_reading *how, struct smime_letter *ret)
{
	struct smime_letter *l = ret;
	struct reading r = { .how = how, .l = l, .header = view_head(letter, header_size(letter)) };
	enum status st;

	*l = (struct smime_letter){ .a = ARENA(SMIME_ARENA_MAX), .payload = letter };
	st = open_layers(&r);
	if (st == ST_OK && l->n_layers == 0)
		st = count_elsewhere(&r);
	if (st == ST_OK)
		st = look_inside(&r);
	if (st == ST_OK)
		st = protect_read(&r);
	if (st == ST_OK)
		smime_judge(&r);
	else
		smime_free(l);
	return st;
}

void smime_free(struct smime_letter *l)
{
	if (l->decrypted && l->held.n)
		OPENSSL_cleanse(l->held.p, l->held.n);
	buf_free(&l->held);
	arena_free(&l->a);
}
