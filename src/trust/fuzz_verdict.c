/* Any letter, any DMARC record: what is written about it is one field that
 * reads back, and a sentence without control characters; and nothing that claims
 * to be ours is left in its header. */
#include "base/fuzz.h"

#include "msg/header.h"
#include "trust/authres.h"
#include "trust/verdict.h"

struct world {
	struct resolver resolver;
	struct view record;
};

/* The first line of the input, whatever is asked. */
static enum status ask(struct resolver *r, struct view name, enum dns_type type, struct arena *a,
		       struct dns_answer *ret)
{
	struct world *w = (struct world *)r;
	struct view *rdata = ARENA_NEW(a, struct view);
	struct buf b = BUF(256);

	(void)type;
	FUZZ_CHECK(name.n > 0 && name.n <= DNS_NAME_MAX);
	put_u8(&b, (uint8_t)view_head(w->record, 255).n);
	buf_put(&b, view_head(w->record, 255));
	if (rdata)
		*rdata = arena_copy(a, buf_view(&b));
	buf_free(&b);
	*ret = (struct dns_answer){ .outcome = name.n % 5 ? DNS_FOUND : DNS_NO_NAME, .rdata = rdata, .n = rdata ? 1 : 0 };
	return arena_status(a);
}

static void gather(void *arg, struct view run)
{
	buf_put(arg, run);
}

static void check_strip(struct view letter)
{
	struct buf out = BUF(letter.n + 1);
	struct field f;
	size_t at = 0;

	authres_strip(letter, VIEW("mx.foo.com"), gather, &out);
	FUZZ_CHECK(buf_status(&out) == ST_OK);
	while (field_next(buf_view(&out), &at, &f))
		FUZZ_CHECK(!view_eq_i(f.name, VIEW("Authentication-Results")) || !authres_is_ours(f.value, VIEW("mx.foo.com")));
	buf_free(&out);
}

static void check_texts(const struct trust_verdict *v, const struct checks_letter *l)
{
	struct buf field = BUF(1 << 20), sentence = BUF(1 << 20);
	struct arena a = ARENA(1 << 20);
	struct authres r;

	verdict_put_field(v, l, VIEW("mx.foo.com"), &field);
	verdict_put_sentence(v, &sentence);
	FUZZ_CHECK(buf_status(&field) == ST_OK && buf_status(&sentence) == ST_OK);
	for (size_t i = 0; i + 1 < field.n; i++)
		FUZZ_CHECK(field.p[i] != '\n' || field.p[i + 1] == '\t');
	FUZZ_CHECK(authres_parse(view_skip(buf_view(&field), 23), &a, &r) == ST_OK);
	for (size_t i = 0; i < sentence.n; i++)
		FUZZ_CHECK((unsigned char)sentence.p[i] >= ' ' && sentence.p[i] != 0x7f);
	buf_free(&field);
	buf_free(&sentence);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view input = view_make((const char *)data, n), record = view_head(input, view_find(input, '\n'));
	struct view letter = view_skip(input, record.n + 1);
	struct world w = { .resolver = { .ask = ask }, .record = record };
	struct checks_host h = { .resolver = &w.resolver, .name = VIEW("mx.foo.com"), .signatures = 5,
				 .sealers = VIEW("foo.com bar.com") };
	struct checks_letter l = { .has_ip = true, .ip = { .bytes = { 192, 0, 2, 1 } }, .helo = VIEW("h.bar.com"),
				   .sender = view_head(letter, 40), .now = 1800000000000 };
	struct trust_verdict v;
	struct checks c;

	check_strip(letter);
	checks_hint(&h, l.sender, l.helo);
	checks_begin(&c, &h);
	checks_put(&c, letter);
	if (checks_end(&c, &l, &v) == ST_OK)
		check_texts(&v, &l);
	checks_free(&c);
	return 0;
}
