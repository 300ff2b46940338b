#include "names/message.h"

#include "wire/rdata.h"

enum { HEAD = 12, FLAG_TC = 0x0200, RCODE_MASK = 0xf, POINTER = 0xc0, CLASS_IN = 1 };

/* A place in the message: names may point back (RFC 1035 4.1.4). */
struct reader {
	struct view all;
	size_t at;
	bool failed;
};

struct wire_name {
	char p[DNS_WIRE_NAME_MAX];
	size_t n;
};

/* One record, as it stands in the message. */
struct rr {
	struct wire_name owner;
	uint16_t type;
	uint32_t ttl;
	size_t rdata, n;	/* where, and how many bytes */
};

static struct view name_view(const struct wire_name *name)
{
	return view_make(name->p, name->n);
}

static uint8_t get8(struct reader *r)
{
	if (r->failed || r->at >= r->all.n) {
		r->failed = true;
		return 0;
	}
	return (uint8_t)r->all.p[r->at++];
}

static uint16_t get16(struct reader *r)
{
	uint16_t high = get8(r);

	return (uint16_t)(high << 8 | get8(r));
}

static uint32_t get32(struct reader *r)
{
	uint32_t high = get16(r);

	return high << 16 | get16(r);
}

static void put_label(struct reader *r, uint8_t n, struct wire_name *ret)
{
	if (n > DNS_LABEL_MAX || ret->n + 1u + n > sizeof ret->p) {
		r->failed = true;
		return;
	}
	ret->p[ret->n++] = (char)n;
	for (uint8_t i = 0; i < n; i++)
		ret->p[ret->n++] = ascii_lower((char)get8(r));
}

/* A pointer must lead before the name it stands in, and each to before the
 * last: so there is no loop. */
static void get_name(struct reader *r, struct wire_name *ret)
{
	size_t end = 0, least = r->at;
	uint8_t n;

	ret->n = 0;
	do {
		n = get8(r);
		if ((n & POINTER) == POINTER) {
			size_t to = (size_t)(n & ~POINTER) << 8 | get8(r);

			if (to >= least)
				r->failed = true;
			if (end == 0)
				end = r->at;
			r->at = least = to;
			continue;
		}
		put_label(r, n, ret);
	} while (n && !r->failed);
	if (end)
		r->at = end;
}

static bool get_rr(struct reader *r, struct rr *ret)
{
	get_name(r, &ret->owner);
	ret->type = get16(r);
	if (get16(r) != CLASS_IN)
		ret->type = 0;
	ret->ttl = get32(r);
	if (ret->ttl > INT32_MAX)
		ret->ttl = 0;	/* RFC 2181 8 */
	ret->n = get16(r);
	ret->rdata = r->at;
	if (r->failed || ret->n > r->all.n - r->at) {
		r->failed = true;
		return false;
	}
	r->at += ret->n;
	return true;
}

/* ---- RDATA without compression ---- */

/* How many bytes stand before the names of a type, and how many names; the
 * rest follows.  Only these may be compressed (RFC 3597 4), or are by some
 * (SRV). */
static const struct {
	uint16_t type;
	uint8_t before, names;
} with_names[] = {
	{ DNS_NS, 0, 1 },  { DNS_CNAME, 0, 1 }, { DNS_SOA, 0, 2 },
	{ DNS_PTR, 0, 1 }, { DNS_MX, 2, 1 },	{ DNS_SRV, 6, 1 },
};

static void put_rdata(struct reader *r, const struct rr *rr, struct buf *out)
{
	struct reader in = { r->all, rr->rdata, false };
	struct buf flat = BUF(UINT16_MAX);
	uint8_t before = 0, names = 0;
	size_t end = rr->rdata + rr->n;

	for (size_t i = 0; i < sizeof with_names / sizeof *with_names; i++) {
		if (with_names[i].type == rr->type) {
			before = with_names[i].before;
			names = with_names[i].names;
		}
	}
	for (uint8_t i = 0; i < before; i++)
		put_u8(&flat, get8(&in));
	while (names--) {
		struct wire_name name;

		get_name(&in, &name);
		buf_put(&flat, name_view(&name));
	}
	if (in.failed || in.at > end)
		r->failed = true;
	else
		buf_put(&flat, view_make(in.all.p + in.at, end - in.at));
	put_view(out, buf_view(&flat));
	if (buf_status(&flat) != ST_OK && buf_status(out) == ST_OK)
		out->st = buf_status(&flat);
	buf_free(&flat);
}

/* ---- the answer ---- */

static void least_ttl(struct message_answer *a, uint32_t ttl)
{
	if (ttl < a->ttl)
		a->ttl = ttl;
}

/* The records of that owner and type in the section that begins at r; of an
 * alias ret_target is where it leads. */
static size_t gather(struct reader r, unsigned count, const struct wire_name *owner, enum dns_type type,
		     struct message_answer *a, struct reader *whole, struct wire_name *ret_target)
{
	size_t n = 0;
	struct rr rr;

	while (count-- && get_rr(&r, &rr)) {
		if (rr.type != type || !view_eq(name_view(&rr.owner), name_view(owner)))
			continue;
		least_ttl(a, rr.ttl);
		n++;
		if (ret_target == NULL) {
			put_rdata(whole, &rr, &a->rdata);
		} else if (n == 1) {
			struct reader in = { r.all, rr.rdata, false };

			get_name(&in, ret_target);
			whole->failed |= in.failed;
		}
	}
	whole->failed |= r.failed;
	return n;
}

/* Absence lives as long as the SOA beside it says (RFC 2308 5). */
static void absence_ttl(struct reader *r, unsigned answers, unsigned authorities, struct message_answer *a)
{
	struct rr rr;

	for (unsigned i = 0; i < answers && get_rr(r, &rr); i++)
		;
	for (unsigned i = 0; i < authorities && get_rr(r, &rr); i++) {
		struct reader last = { r->all, rr.rdata + rr.n - 4, false };

		if (rr.type != DNS_SOA || rr.n < 4)
			continue;
		least_ttl(a, rr.ttl);
		least_ttl(a, get32(&last));
		return;
	}
	a->ttl = 0;
}

static enum status follow(struct reader *r, unsigned answers, unsigned authorities, struct wire_name *at,
			  enum dns_type type, struct message_answer *a)
{
	for (int aliases = 0; aliases <= MESSAGE_ALIASES && !r->failed; aliases++) {
		struct wire_name target = { .n = 0 };

		a->n = gather(*r, answers, at, type, a, r, NULL);
		if (a->n || type == DNS_CNAME ||
		    gather(*r, answers, at, DNS_CNAME, a, r, &target) == 0) {
			dns_name_text(name_view(at), &a->name);
			if (a->n == 0)
				absence_ttl(r, answers, authorities, a);
			return r->failed ? ST_SYNTAX : ST_OK;
		}
		*at = target;
	}
	return r->failed ? ST_SYNTAX : ST_LIMIT;
}

enum status message_read(struct view message, struct view name, enum dns_type type,
			 struct message_answer *ret)
{
	struct reader r = { message, 2, false };
	unsigned flags = get16(&r), questions = get16(&r), answers = get16(&r), authorities = get16(&r);
	struct wire_name at = { .n = name.n };
	enum status st;

	*ret = (struct message_answer){
		.rcode = flags & RCODE_MASK, .truncated = flags & FLAG_TC, .ttl = UINT32_MAX,
		.name = BUF(DNS_TEXT_NAME_MAX), .rdata = BUF(DNS_ANSWER_MAX),
	};
	if (name.n > sizeof at.p || message.n < HEAD)
		return ST_SYNTAX;
	memcpy(at.p, name.p, name.n);
	r.at = HEAD;
	while (questions-- && !r.failed) {
		struct wire_name asked;

		get_name(&r, &asked);
		get32(&r);
	}
	st = r.failed ? ST_SYNTAX : follow(&r, answers, authorities, &at, type, ret);
	if (st == ST_OK && buf_status(&ret->rdata) != ST_OK)
		st = buf_status(&ret->rdata);
	return st == ST_OK ? buf_status(&ret->name) : st;
}

void message_answer_free(struct message_answer *a)
{
	buf_free(&a->name);
	buf_free(&a->rdata);
}
