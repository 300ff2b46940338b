/* Any SPF record, found at every name: the check ends within its limits, and
 * what it says can stand in a reply and in a header field. */
#include "base/fuzz.h"

#include "base/buf.h"
#include "trust/spf.h"

struct world {
	struct resolver resolver;
	struct view record;
	unsigned asked;
};

static enum status ask(struct resolver *r, struct view name, enum dns_type type, struct arena *a,
		       struct dns_answer *ret)
{
	struct world *w = (struct world *)r;
	struct buf text = BUF(DNS_ANSWER_MAX);

	FUZZ_CHECK(name.n > 0 && name.n <= DNS_NAME_MAX);
	w->asked++;
	*ret = (struct dns_answer){ .outcome = DNS_NO_DATA, .name = name };
	for (struct view v = w->record; v.n && type == DNS_TXT; v = view_skip(v, 255)) {
		put_u8(&text, (uint8_t)view_head(v, 255).n);
		buf_put(&text, view_head(v, 255));
	}
	/* Other types: the record's own bytes as RDATA, well formed or not. */
	if (type != DNS_TXT)
		buf_put(&text, w->record);
	if (text.n && buf_status(&text) == ST_OK && (name.n % 5) != 0) {
		ret->outcome = name.n % 7 ? DNS_FOUND : DNS_FAILED;
		ret->n = 1;
		ret->rdata = ARENA_NEW(a, struct view);
		if (ret->rdata)
			*ret->rdata = arena_copy(a, buf_view(&text));
	}
	buf_free(&text);
	return arena_status(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct world w = { .resolver = { .ask = ask }, .record = view_make((const char *)data, n) };
	struct spf_query q = { .ip = { .v6 = n % 2, .bytes = { 192, 0, 2, 1 } }, .helo = VIEW("mail.bar.com"),
			       .sender = VIEW("a.b-c@d.bar.com") };
	struct arena a = ARENA(SPF_ARENA_MAX);
	struct buf b = BUF(65536);
	struct spf_answer s;

	if (n < 4096 && spf_check(&q, &w.resolver, &a, &s) == ST_OK) {
		FUZZ_CHECK(w.asked <= 2 + (SPF_LOOKUPS + 1) * (1 + SPF_NAMES));
		FUZZ_CHECK(s.lookups <= SPF_LOOKUPS + 1);
		for (size_t i = 0; i < s.explanation.n; i++)
			FUZZ_CHECK(s.explanation.p[i] >= ' ' && s.explanation.p[i] <= '~');
		spf_put_received(&q, &s, &b);
		for (size_t i = 0; i + 1 < b.n; i++)
			FUZZ_CHECK(b.p[i] != '\n' || b.p[i + 1] == '\t');
	}
	buf_free(&b);
	arena_free(&a);
	return 0;
}
