#include "wire/rdata.h"

#include <arpa/inet.h>

static const struct {
	enum dns_type type;
	const char *name;
} types[] = {
	{ DNS_A, "A" },	    { DNS_NS, "NS" },	  { DNS_CNAME, "CNAME" }, { DNS_SOA, "SOA" },
	{ DNS_PTR, "PTR" }, { DNS_MX, "MX" },	  { DNS_TXT, "TXT" },	  { DNS_AAAA, "AAAA" },
	{ DNS_SRV, "SRV" }, { DNS_DS, "DS" },	  { DNS_TLSA, "TLSA" },	  { DNS_SMIMEA, "SMIMEA" },
	{ DNS_CAA, "CAA" },
};

bool dns_type_of(struct view name, enum dns_type *ret)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (view_eq_i(name, view_cstr(types[i].name))) {
			*ret = types[i].type;
			return true;
		}
	}
	return false;
}

const char *dns_type_name(unsigned type)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].type == type)
			return types[i].name;
	return NULL;
}

const char *dns_outcome_name(enum dns_outcome o)
{
	static const char *const names[] = {
		[DNS_FOUND] = "found",	 [DNS_NO_DATA] = "no-data", [DNS_NO_NAME] = "no-name",
		[DNS_FAILED] = "failed", [DNS_BOGUS] = "bogus",
	};

	return o <= DNS_BOGUS ? names[o] : "unknown";
}

/* Numbers in DNS are big endian (RFC 1035 2.3.2). */
static uint16_t take_be16(struct cursor *c)
{
	uint16_t high = take_u8(c);

	return (uint16_t)(high << 8 | take_u8(c));
}

static uint32_t take_be32(struct cursor *c)
{
	uint32_t high = take_be16(c);

	return high << 16 | take_be16(c);
}

static struct view take_rest(struct cursor *c)
{
	return take_bytes(c, cursor_left(c));
}

/* ---- names ---- */

enum status dns_take_name(struct cursor *c, struct view *ret)
{
	const char *from = c->p;
	uint8_t n;

	do {
		n = take_u8(c);
		if (n > DNS_LABEL_MAX)
			c->failed = true;
		take_bytes(c, n);
	} while (n && cursor_ok(c));
	if (!cursor_ok(c) || c->p - from > DNS_WIRE_NAME_MAX) {
		c->failed = true;
		return ST_SYNTAX;
	}
	*ret = view_make(from, (size_t)(c->p - from));
	return ST_OK;
}

static void label_text(struct view label, struct buf *out)
{
	for (size_t i = 0; i < label.n; i++) {
		unsigned char x = (unsigned char)ascii_lower(label.p[i]);

		if (x == '.' || x == '\\')
			buf_putc(out, '\\');
		if (x <= ' ' || x >= 0x7f)
			buf_putf(out, "\\%03u", x);
		else
			buf_putc(out, (char)x);
	}
}

void dns_name_text(struct view wire, struct buf *out)
{
	struct cursor c = cursor_over(wire);
	const char *dot = "";
	uint8_t n;

	while ((n = take_u8(&c)) != 0) {
		buf_puts(out, dot);
		label_text(take_bytes(&c, n), out);
		dot = ".";
	}
}

/* One byte of a label, which may be written \DDD or \X (RFC 1035 5.1). */
static bool take_escaped(struct cursor *c, unsigned char *ret)
{
	unsigned x = 0;

	if (!take_char(c, '\\')) {
		*ret = take_u8(c);
		return cursor_ok(c);
	}
	if (!ascii_digit(peek_char(c))) {
		*ret = take_u8(c);
		return cursor_ok(c);
	}
	for (int i = 0; i < 3; i++) {
		char d = (char)take_u8(c);

		if (!ascii_digit(d))
			return false;
		x = x * 10 + (unsigned)(d - '0');
	}
	*ret = (unsigned char)x;
	return x < 256;
}

static enum status take_label(struct cursor *c, struct buf *out)
{
	char label[DNS_LABEL_MAX];
	size_t n = 0;

	while (cursor_left(c) && peek_char(c) != '.') {
		unsigned char x;

		if (n == sizeof label || !take_escaped(c, &x))
			return ST_SYNTAX;
		label[n++] = ascii_lower((char)x);
	}
	if (n == 0)
		return ST_SYNTAX;
	put_u8(out, (uint8_t)n);
	buf_put(out, view_make(label, n));
	return ST_OK;
}

enum status dns_name_wire(struct view text, struct buf *out)
{
	struct cursor c = cursor_over(text);
	size_t before = out->n;
	enum status st = ST_OK;

	if (view_eq(text, VIEW(".")))
		take_char(&c, '.');
	while (st == ST_OK && cursor_left(&c)) {
		st = take_label(&c, out);
		take_char(&c, '.');
	}
	put_u8(out, 0);
	if (st == ST_OK && out->n - before > DNS_WIRE_NAME_MAX)
		st = ST_SYNTAX;
	if (st == ST_OK)
		st = buf_status(out);
	if (st == ST_SYNTAX)
		out->n = before;
	return st;
}

/* A name in presentation form, in the arena. */
static enum status take_host(struct cursor *c, struct arena *a, struct view *ret)
{
	struct buf text = BUF(DNS_TEXT_NAME_MAX);
	struct view wire;
	enum status st = dns_take_name(c, &wire);

	if (st != ST_OK)
		return st;
	dns_name_text(wire, &text);
	st = buf_status(&text);
	if (st == ST_OK)
		*ret = arena_copy(a, buf_view(&text));
	buf_free(&text);
	return st == ST_OK ? arena_status(a) : st;
}

/* ---- records ---- */

enum status dns_read_name(struct view rdata, struct arena *a, struct view *ret)
{
	struct cursor c = cursor_over(rdata);
	struct view name;
	enum status st = take_host(&c, a, &name);

	if (st != ST_OK)
		return st;
	if (!cursor_end(&c))
		return ST_SYNTAX;
	*ret = name;
	return ST_OK;
}

enum status dns_read_mx(struct view rdata, struct arena *a, struct dns_mx *ret)
{
	struct cursor c = cursor_over(rdata);
	struct dns_mx mx = { .preference = take_be16(&c) };
	enum status st = take_host(&c, a, &mx.host);

	if (st != ST_OK)
		return st;
	if (!cursor_end(&c))
		return ST_SYNTAX;
	*ret = mx;
	return ST_OK;
}

enum status dns_read_txt(struct view rdata, struct arena *a, struct view *ret)
{
	struct cursor c = cursor_over(rdata);
	size_t n = 0;
	char *p;

	if (rdata.n == 0)
		return ST_SYNTAX;	/* RFC 1035 3.3.14: one or more */
	p = arena_alloc(a, rdata.n);
	if (p == NULL)
		return arena_status(a);
	while (cursor_left(&c)) {
		struct view one = take_bytes(&c, take_u8(&c));

		if (one.n)
			memcpy(p + n, one.p, one.n);
		n += one.n;
	}
	if (!cursor_ok(&c))
		return ST_SYNTAX;
	*ret = view_make(p, n);
	return ST_OK;
}

enum status dns_read_tlsa(struct view rdata, struct dns_tlsa *ret)
{
	struct cursor c = cursor_over(rdata);
	struct dns_tlsa t = { .usage = take_u8(&c), };

	t.selector = take_u8(&c);
	t.matching = take_u8(&c);
	t.data = take_rest(&c);
	if (!cursor_ok(&c) || t.data.n == 0)
		return ST_SYNTAX;
	*ret = t;
	return ST_OK;
}

enum status dns_read_srv(struct view rdata, struct arena *a, struct dns_srv *ret)
{
	struct cursor c = cursor_over(rdata);
	struct dns_srv s = { .priority = take_be16(&c) };
	enum status st;

	s.weight = take_be16(&c);
	s.port = take_be16(&c);
	st = take_host(&c, a, &s.target);
	if (st != ST_OK)
		return st;
	if (!cursor_end(&c))
		return ST_SYNTAX;
	*ret = s;
	return ST_OK;
}

enum status dns_read_caa(struct view rdata, struct dns_caa *ret)
{
	struct cursor c = cursor_over(rdata);
	struct dns_caa caa = { .flags = take_u8(&c) };

	caa.tag = take_bytes(&c, take_u8(&c));
	caa.value = take_rest(&c);
	if (!cursor_ok(&c) || caa.tag.n == 0)
		return ST_SYNTAX;
	for (size_t i = 0; i < caa.tag.n; i++)
		if (!ascii_alpha(caa.tag.p[i]) && !ascii_digit(caa.tag.p[i]))
			return ST_SYNTAX;
	*ret = caa;
	return ST_OK;
}

enum status dns_read_address(enum dns_type type, struct view rdata, char ret[DNS_ADDRESS_TEXT])
{
	int family = type == DNS_A ? AF_INET : AF_INET6;

	if (rdata.n != (type == DNS_A ? 4u : 16u) || inet_ntop(family, rdata.p, ret, DNS_ADDRESS_TEXT) == NULL)
		return ST_SYNTAX;
	return ST_OK;
}

enum status dns_reverse_name(struct view address, struct buf *out)
{
	char text[DNS_ADDRESS_TEXT];
	unsigned char x[16];

	if (address.n == 0 || address.n >= sizeof text)
		return ST_SYNTAX;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	if (inet_pton(AF_INET, text, x) == 1) {
		buf_putf(out, "%u.%u.%u.%u.in-addr.arpa", x[3], x[2], x[1], x[0]);
	} else if (inet_pton(AF_INET6, text, x) == 1) {
		for (int i = 15; i >= 0; i--)
			buf_putf(out, "%x.%x.", x[i] & 15u, x[i] >> 4);
		buf_puts(out, "ip6.arpa");
	} else {
		return ST_SYNTAX;
	}
	return buf_status(out);
}

/* ---- for people ---- */

static void put_hex(struct view v, struct buf *out)
{
	buf_put_hex(out, v.p, v.n);
}

/* A <character-string> in quotes (RFC 1035 5.1). */
static void put_string(struct view v, struct buf *out)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < v.n; i++) {
		unsigned char x = (unsigned char)v.p[i];

		if (x < ' ' || x >= 0x7f) {
			buf_putf(out, "\\%03u", x);
			continue;
		}
		if (x == '"' || x == '\\')
			buf_putc(out, '\\');
		buf_putc(out, (char)x);
	}
	buf_putc(out, '"');
}

static void put_name(struct cursor *c, struct buf *out)
{
	struct view wire;

	if (dns_take_name(c, &wire) != ST_OK)
		return;
	dns_name_text(wire, out);
	buf_putc(out, '.');
}

static void put_strings(struct cursor *c, struct buf *out)
{
	const char *blank = "";

	while (cursor_left(c)) {
		buf_puts(out, blank);
		put_string(take_bytes(c, take_u8(c)), out);
		blank = " ";
	}
}

static void put_soa(struct cursor *c, struct buf *out)
{
	put_name(c, out);
	buf_putc(out, ' ');
	put_name(c, out);
	for (int i = 0; i < 5; i++)
		buf_putf(out, " %u", take_be32(c));
}

/* What the letters of a form mean is in put_form. */
static const char *form_of(enum dns_type type)
{
	switch (type) {
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		return "n";
	case DNS_MX:
		return "2n";
	case DNS_SRV:
		return "222n";
	case DNS_TLSA:
	case DNS_SMIMEA:
		return "111x";
	case DNS_DS:
		return "211x";
	case DNS_CAA:
		return "1cs";
	default:
		return "";
	}
}

static void put_form(const char *form, struct cursor *c, struct buf *out)
{
	for (const char *f = form; *f; f++) {
		if (f != form)
			buf_putc(out, ' ');
		if (*f == '1')
			buf_putu(out, take_u8(c));
		else if (*f == '2')
			buf_putu(out, take_be16(c));
		else if (*f == 'n')
			put_name(c, out);
		else if (*f == 'c')
			label_text(take_bytes(c, take_u8(c)), out);
		else if (*f == 's')
			put_string(take_rest(c), out);
		else
			put_hex(take_rest(c), out);
	}
}

void dns_rdata_text(enum dns_type type, struct view rdata, struct buf *out)
{
	struct cursor c = cursor_over(rdata);
	char address[DNS_ADDRESS_TEXT];
	size_t before = out->n;

	if (type == DNS_A || type == DNS_AAAA) {
		if (dns_read_address(type, rdata, address) == ST_OK) {
			buf_puts(out, address);
			return;
		}
		c.failed = true;
	} else if (type == DNS_TXT) {
		put_strings(&c, out);
	} else if (type == DNS_SOA) {
		put_soa(&c, out);
	} else {
		put_form(form_of(type), &c, out);
	}
	if (cursor_end(&c) && out->n > before)
		return;
	if (buf_status(out) == ST_OK)
		out->n = before;
	buf_putf(out, "\\# %zu ", rdata.n);
	put_hex(rdata, out);
}
