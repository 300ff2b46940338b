/* Whatever stands in an autoconfig document: servers with names that are
 * names, or none. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct found f = { 0 };

	autoconfig_take(view_make((const char *)data, n), "Jones@foo.com", &f);
	check(&f.read);
	check(&f.send);
	FUZZ_CHECK(f.read.port == 0 || f.read.protocol != PROTOCOL_SMTP);
	FUZZ_CHECK(f.send.port == 0 || f.send.protocol == PROTOCOL_SMTP);
	return 0;
}
