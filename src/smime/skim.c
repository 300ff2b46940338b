#include "smime/skim.h"

enum { TAG_OCTETS = 0x04, TAG_OCTETS_SEGMENTED = 0x24, TAG_OID = 0x06, TAG_SEQUENCE = 0x30, TAG_SET = 0x31,
       TAG_0 = 0x80, TAG_0_CONSTRUCTED = 0xa0 };

/* Errors are sticky. */
struct skim {
	struct octets *in;
	struct buf *out;	/* or NULL */
	cms_content *take;	/* or NULL */
	void *arg;
	uint64_t content;
	enum status st;
};

/* A constructed element that was entered. */
struct level {
	bool indefinite;
	uint64_t end;		/* octets taken at its end; of an indefinite one, of what is around it */
};

static void fail(struct skim *s, enum status st)
{
	if (s->st == ST_OK)
		s->st = st;
}

static void put(struct skim *s, struct view v)
{
	if (s->out == NULL || s->st != ST_OK)
		return;
	buf_put(s->out, v);
	if (buf_status(s->out) != ST_OK)
		fail(s, buf_status(s->out));
}

static void put_two(struct skim *s, uint8_t a, uint8_t b)
{
	const char two[] = { (char)a, (char)b };

	put(s, view_make(two, 2));
}

/* The header of what comes next; false where that is nothing, or more than is left. */
static bool next(struct skim *s, const struct level *in, struct ber *ret)
{
	struct ber b = { 0 };

	if (s->st == ST_OK)
		fail(s, ber_peek(s->in, &b));
	if (s->st != ST_OK)
		return false;
	if (in->end - s->in->passed < b.size + b.length) {
		fail(s, ST_SYNTAX);
		return false;
	}
	*ret = b;
	return true;
}

/* Is there another element in it?  Takes the end-of-contents octets. */
static bool more(struct skim *s, const struct level *l)
{
	struct view v;

	if (s->st != ST_OK)
		return false;
	if (!l->indefinite)
		return s->in->passed < l->end;
	v = octets_peek(s->in, 2);
	if (v.n != 2 || v.p[0] || v.p[1])
		return true;
	/* They belong to it, and so to what is around it. */
	if (l->end - s->in->passed < 2)
		fail(s, ST_SYNTAX);
	octets_skip(s->in, 2);
	return false;
}

static struct level enter(struct skim *s, const struct level *in, uint8_t tag)
{
	struct ber b = { 0 };

	if (next(s, in, &b) && b.tag != tag)
		fail(s, ST_SYNTAX);
	if (s->st != ST_OK)
		return (struct level){ .end = s->in->passed };
	octets_skip(s->in, b.size);
	return (struct level){ b.indefinite, b.indefinite ? in->end : s->in->passed + b.length };
}

/* As enter, and the same in the skeleton. */
static struct level open_level(struct skim *s, const struct level *in, uint8_t tag)
{
	struct level l = enter(s, in, tag);

	put_two(s, tag, 0x80);
	return l;
}

/* Nothing may be left in it. */
static void leave(struct skim *s, const struct level *l)
{
	if (more(s, l))
		fail(s, ST_SYNTAX);
}

static void close_level(struct skim *s, const struct level *l)
{
	leave(s, l);
	put_two(s, 0, 0);
}

/* ---- what is copied ---- */

static void copy(struct skim *s, uint64_t n)
{
	while (n && s->st == ST_OK) {
		struct view v = octets_some(s->in, n);

		if (v.n == 0)
			fail(s, s->in->st == ST_OK ? ST_SYNTAX : s->in->st);
		put(s, v);
		n -= v.n;
	}
}

/* One element as it stands. */
static void copy_element(struct skim *s, const struct level *in)
{
	unsigned depth = 0;
	struct ber b = { 0 };

	do {
		if (!next(s, in, &b))
			return;
		copy(s, b.size + b.length);
		if (b.indefinite && ++depth > BER_DEPTH)
			fail(s, ST_LIMIT);
		/* End-of-contents octets look like an element of no length. */
		if (b.tag == 0 && depth == 0)
			fail(s, ST_SYNTAX);
		else if (b.tag == 0)
			depth--;
	} while (depth && s->st == ST_OK);
}

static void copy_tagged(struct skim *s, const struct level *in, uint8_t tag)
{
	struct ber b = { 0 };

	if (next(s, in, &b) && b.tag != tag)
		fail(s, ST_SYNTAX);
	copy_element(s, in);
}

/* ---- the content ---- */

static void take_octets(struct skim *s, uint64_t n)
{
	s->content += n;
	while (n && s->st == ST_OK) {
		struct view v = octets_some(s->in, n);

		if (v.n == 0)
			fail(s, s->in->st == ST_OK ? ST_SYNTAX : s->in->st);
		else if (s->take)
			fail(s, s->take(s->arg, v));
		n -= v.n;
	}
}

/* A string in segments, and segments of those. */
static void take_segments(struct skim *s, struct level first)
{
	struct level levels[SEGMENT_DEPTH] = { first };
	unsigned depth = 1;
	struct ber b = { 0 };

	while (depth && s->st == ST_OK) {
		const struct level *l = &levels[depth - 1];

		if (!more(s, l)) {
			depth--;
		} else if (next(s, l, &b) && b.tag == TAG_OCTETS) {
			octets_skip(s->in, b.size);
			take_octets(s, b.length);
		} else if (s->st == ST_OK && b.tag == TAG_OCTETS_SEGMENTED && depth < SEGMENT_DEPTH) {
			levels[depth] = enter(s, l, b.tag);
			depth++;
		} else {
			fail(s, b.tag == TAG_OCTETS_SEGMENTED ? ST_LIMIT : ST_SYNTAX);
		}
	}
}

/* An octet string under a tag, primitive or in segments. */
static void take_string(struct skim *s, const struct level *in, uint8_t tag)
{
	struct ber b = { 0 };

	if (!next(s, in, &b))
		return;
	if ((b.tag & ~0x20) != tag) {
		fail(s, ST_SYNTAX);
	} else if (b.constructed) {
		take_segments(s, enter(s, in, b.tag));
	} else {
		octets_skip(s->in, b.size);
		take_octets(s, b.length);
	}
}

/* EncapsulatedContentInfo (RFC 5652 5.2). */
static bool encapsulated(struct skim *s, const struct level *in)
{
	struct level info = open_level(s, in, TAG_SEQUENCE), explicit;
	bool has = false;

	copy_tagged(s, &info, TAG_OID);
	if (more(s, &info)) {
		has = true;
		explicit = enter(s, &info, TAG_0_CONSTRUCTED);
		take_string(s, &explicit, TAG_OCTETS);
		leave(s, &explicit);
		leave(s, &info);
	}
	put_two(s, 0, 0);
	return has;
}

/* The object identifier at the front of an AlgorithmIdentifier. */
static void note_cipher(struct skim *s, const struct level *in, struct cms_shape *shape)
{
	struct ber b;
	struct view v;

	if (!next(s, in, &b))
		return;
	v = view_skip(octets_peek(s->in, b.size + 2u + CMS_OID_MOST), b.size);
	if (v.n < 2 || v.p[0] != TAG_OID || (uint8_t)v.p[1] > CMS_OID_MOST || v.n < 2u + (uint8_t)v.p[1])
		return;
	shape->n_cipher = (uint8_t)v.p[1];
	memcpy(shape->cipher, v.p + 2, shape->n_cipher);
}

/* EncryptedContentInfo (RFC 5652 6.1). */
static bool encrypted(struct skim *s, const struct level *in, struct cms_shape *shape)
{
	struct level info = open_level(s, in, TAG_SEQUENCE);
	bool has = false;

	copy_tagged(s, &info, TAG_OID);
	note_cipher(s, &info, shape);
	copy_tagged(s, &info, TAG_SEQUENCE);
	if (more(s, &info)) {
		has = true;
		take_string(s, &info, TAG_0);
		leave(s, &info);
	}
	put_two(s, 0, 0);
	return has;
}

/* ---- the whole ---- */

static const struct {
	const char *oid;
	size_t n;
	enum cms_type type;
} types[] = {
	{ "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", 9, CMS_SIGNED },
	{ "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03", 9, CMS_ENVELOPED },
	{ "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17", 11, CMS_AUTH_ENVELOPED },
	{ "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09", 11, CMS_COMPRESSED },
};

static enum cms_type type_of(struct view oid)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (view_eq(oid, view_make(types[i].oid, types[i].n)))
			return types[i].type;
	return CMS_OTHER;
}

static enum cms_type take_type(struct skim *s, const struct level *in)
{
	enum cms_type type;
	struct ber b;

	if (!next(s, in, &b))
		return CMS_OTHER;
	if (b.tag != TAG_OID || b.length > CMS_OID_MOST) {
		fail(s, ST_SYNTAX);
		return CMS_OTHER;
	}
	type = type_of(view_skip(octets_peek(s->in, (size_t)(b.size + b.length)), b.size));
	copy_element(s, in);
	return type;
}

enum cms_type cms_type_of(struct octets *in)
{
	struct view v = octets_peek(in, 8 + CMS_OID_MOST);
	size_t at = v.n > 1 && (v.p[1] & 0x80) ? 2 + (v.p[1] & 0x7f) : 2;

	if (v.n < at + 2 || v.p[0] != TAG_SEQUENCE || v.p[at] != TAG_OID)
		return CMS_OTHER;
	return type_of(view_head(view_skip(v, at + 2), (uint8_t)v.p[at + 1]));
}

static void digest_algorithms(struct skim *s, const struct level *in)
{
	uint64_t before = s->in->passed;

	copy_tagged(s, in, TAG_SET);
	if (s->in->passed - before > DIGESTS_SIZE)
		fail(s, ST_LIMIT);
}

/* Behind the content; of AuthEnvelopedData the tag is there. */
static void copy_rest(struct skim *s, const struct level *in, struct cms_shape *ret)
{
	struct ber b = { 0 };

	while (more(s, in) && next(s, in, &b)) {
		if (ret->type == CMS_AUTH_ENVELOPED && b.tag == TAG_OCTETS)
			ret->mac = (uint32_t)b.length;
		copy_element(s, in);
	}
}

static void skim_data(struct skim *s, const struct level *in, struct cms_shape *ret)
{
	struct level data = open_level(s, in, TAG_SEQUENCE);
	struct ber b = { 0 };

	copy_element(s, &data);		/* version */
	switch (ret->type) {
	case CMS_SIGNED:
		digest_algorithms(s, &data);
		ret->has_content = encapsulated(s, &data);
		break;
	case CMS_COMPRESSED:
		copy_tagged(s, &data, TAG_SEQUENCE);
		ret->has_content = encapsulated(s, &data);
		break;
	default:
		if (next(s, &data, &b) && b.tag == TAG_0_CONSTRUCTED)
			copy_element(s, &data);		/* originatorInfo */
		copy_tagged(s, &data, TAG_SET);
		ret->has_content = encrypted(s, &data, ret);
	}
	copy_rest(s, &data, ret);
	put_two(s, 0, 0);
}

enum status cms_skim(struct octets *in, struct buf *skeleton, cms_content *take, void *arg, struct cms_shape *ret)
{
	struct skim s = { .in = in, .out = skeleton, .take = take, .arg = arg };
	struct level all = { .end = UINT64_MAX }, info, outer;
	struct cms_shape shape = { 0 };

	info = open_level(&s, &all, TAG_SEQUENCE);
	shape.type = take_type(&s, &info);
	if (s.st == ST_OK && shape.type != CMS_OTHER) {
		outer = open_level(&s, &info, TAG_0_CONSTRUCTED);
		skim_data(&s, &outer, &shape);
		close_level(&s, &outer);
		close_level(&s, &info);
	}
	shape.content = s.content;
	if (s.st == ST_OK)
		*ret = shape;
	return s.st;
}
