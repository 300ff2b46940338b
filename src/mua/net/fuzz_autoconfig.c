/* Whatever stands in a document of settings, of autoconfig or Autodiscover: servers with
 * names that are names, or none. */
#include "base/fuzz.h"
#include "mua/net/discover.h"

static void check(const struct server *s)
{
	struct buf url = BUF(HOST_MAX + 64);
	struct server again;

	if (s->port == 0)
		return;
	server_put(s, &url);
	FUZZ_CHECK(server_parse(buf_view(&url), &again) == ST_OK);
	FUZZ_CHECK(again.port == s->port && strcmp(again.host, s->host) == 0 && again.tls_first == s->tls_first);
	buf_free(&url);
}

static void check_both(const struct found *f)
{
	check(&f->read);
	check(&f->send);
	FUZZ_CHECK(f->read.port == 0 || f->read.protocol != PROTOCOL_SMTP);
	FUZZ_CHECK(f->send.port == 0 || f->send.protocol == PROTOCOL_SMTP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view xml = view_make((const char *)data, n);
	struct found f = { 0 };
	struct autodiscover_next next;

	autoconfig_take(xml, "Jones@foo.com", &f);
	check_both(&f);
	f = (struct found){ 0 };
	autodiscover_take(xml, &f, &next);
	check_both(&f);
	FUZZ_CHECK(next.url[0] == '\0' || view_starts_i(view_cstr(next.url), VIEW("https://")));
	return 0;
}
