/* fuzz_rdata.c - one record of DNS: the first byte says which type, or that
 * the rest is a name as text. */
#include "wire/rdata.h"

#include "base/fuzz.h"

static const enum dns_type types[] = { DNS_A,	DNS_AAAA, DNS_CNAME,  DNS_MX,  DNS_TXT,
				       DNS_TLSA, DNS_SRV,  DNS_CAA, DNS_SOA, DNS_DS };
enum { TYPES = sizeof types / sizeof *types };

/* Whatever is a name comes back as itself. */
static void check_name(struct view text)
{
	struct buf wire = BUF(4096), back = BUF(4096), again = BUF(4096);
	struct cursor c;
	struct view whole;

	if (dns_name_wire(text, &wire) == ST_OK) {
		FUZZ_CHECK(wire.n <= DNS_WIRE_NAME_MAX);
		c = cursor_over(buf_view(&wire));
		FUZZ_CHECK(dns_take_name(&c, &whole) == ST_OK && cursor_end(&c));
		dns_name_text(whole, &back);
		FUZZ_CHECK(back.n <= DNS_TEXT_NAME_MAX);
		FUZZ_CHECK(dns_name_wire(buf_view(&back), &again) == ST_OK);
		FUZZ_CHECK(view_eq(buf_view(&wire), buf_view(&again)));
	}
	buf_free(&wire);
	buf_free(&back);
	buf_free(&again);
}

/* Nothing but printable ASCII reaches people. */
static void check_text(enum dns_type type, struct view rdata)
{
	struct buf text = BUF(1024 * 1024);

	dns_rdata_text(type, rdata, &text);
	FUZZ_CHECK(text.n > 0);
	for (size_t i = 0; i < text.n; i++)
		FUZZ_CHECK(text.p[i] >= ' ' && text.p[i] < 0x7f);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA(256 * 1024);
	struct view rdata = view_make((const char *)data + 1, n ? n - 1 : 0), v;
	char address[DNS_ADDRESS_TEXT];
	struct dns_mx mx;
	struct dns_srv srv;
	struct dns_tlsa tlsa;
	struct dns_caa caa;

	if (n == 0)
		return 0;
	if (data[0] >= TYPES) {
		check_name(rdata);
		return 0;
	}
	check_text(types[data[0]], rdata);
	if (dns_read_mx(rdata, &a, &mx) == ST_OK)
		FUZZ_CHECK(mx.host.n <= DNS_TEXT_NAME_MAX);
	if (dns_read_srv(rdata, &a, &srv) == ST_OK)
		FUZZ_CHECK(srv.target.n <= DNS_TEXT_NAME_MAX);
	if (dns_read_txt(rdata, &a, &v) == ST_OK)
		FUZZ_CHECK(v.n < rdata.n);
	if (dns_read_name(rdata, &a, &v) == ST_OK)
		check_name(v);
	if (dns_read_tlsa(rdata, &tlsa) == ST_OK)
		FUZZ_CHECK(tlsa.data.n + 3 == rdata.n);
	if (dns_read_caa(rdata, &caa) == ST_OK)
		FUZZ_CHECK(caa.tag.n + caa.value.n + 2 == rdata.n);
	if (dns_read_address(DNS_AAAA, rdata, address) == ST_OK)
		FUZZ_CHECK(rdata.n == 16);
	arena_free(&a);
	return 0;
}
