/* Any letter through every check that reads its header: DKIM and ARC, fed in
 * pieces of a size that the first byte says, against keys that are all the
 * same one: one with which the corpus is signed. */
#include "base/fuzz.h"

#include "trust/arc.h"
#include "trust/dkim.h"

/* After the corpus was signed. */
#define NOW 1800000000000

struct world {
	struct resolver resolver;
	unsigned asked;
	struct dkim dkim;
	struct arc arc;
};

static enum status ask(struct resolver *r, struct view name, enum dns_type type, struct arena *a,
		       struct dns_answer *ret)
{
	static const char record[] = "\x40" "v=DKIM1;k=ed25519;p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
	struct world *w = (struct world *)r;
	struct view *rdata = ARENA_NEW(a, struct view);

	(void)type;
	FUZZ_CHECK(name.n > 0 && name.n <= DNS_NAME_MAX);
	w->asked++;
	if (rdata == NULL)
		return arena_status(a);
	*rdata = view_make(record, sizeof record - 1);
	*ret = (struct dns_answer){ .outcome = name.n % 3 ? DNS_FOUND : DNS_NO_NAME, .rdata = rdata, .n = 1 };
	return ST_OK;
}

static void collect(void *arg, struct pass *p)
{
	struct world *w = arg;

	dkim_collect(p, 5, &w->resolver, &w->dkim);
	arc_collect(p, &w->resolver, &w->arc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct world w = { .resolver = { .ask = ask } };
	struct view v = view_make((const char *)data, n);
	size_t piece = n ? 1 + (size_t)data[0] * data[0] : 1;
	struct pass p;

	pass_begin(&p, collect, &w);
	for (; v.n; v = view_skip(v, piece))
		pass_put(&p, view_head(v, piece));
	if (pass_end(&p) == ST_OK) {
		dkim_check(&p, &w.dkim, &w.resolver, NULL, NOW);
		arc_check(&p, &w.arc, &w.resolver, NULL, NOW);
		FUZZ_CHECK(w.asked <= 5 + 1 + ARC_SETS_MOST);
		FUZZ_CHECK(w.dkim.n <= 5 && w.arc.n <= ARC_SETS_MOST);
		for (uint32_t i = 0; i < w.dkim.n; i++)
			FUZZ_CHECK((w.dkim.signatures[i].result == SEAL_PASS) == (w.dkim.signatures[i].problem == NULL));
		FUZZ_CHECK((w.arc.result == ARC_FAIL || w.arc.result == ARC_TEMPERROR) == (w.arc.problem != NULL));
	}
	pass_free(&p);
	return 0;
}
