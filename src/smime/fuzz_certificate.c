/* Certificates in PEM: the names that are read of them. */
#include "base/fuzz.h"

#include "smime/identity.h"

static void check_address(struct view v)
{
	FUZZ_CHECK(v.n > 0 && view_find(v, '@') < v.n);
	for (size_t i = 0; i < v.n; i++)
		FUZZ_CHECK((unsigned char)v.p[i] > ' ' && v.p[i] != 0x7f);
	smime_same_address(v, VIEW("smith@bar.com"));
}

static void check(X509 *x)
{
	struct arena a = ARENA(1 << 20);
	size_t n = 0;
	bool bad;
	struct view *all = smime_addresses(x, &a, &n, &bad), name = smime_name(X509_get_subject_name(x), &a);

	FUZZ_CHECK(n <= SMIME_ADDRESSES_MOST);
	for (size_t i = 0; i < n && arena_status(&a) == ST_OK; i++)
		check_address(all[i]);
	for (size_t i = 0; i < name.n; i++)
		FUZZ_CHECK((unsigned char)name.p[i] >= ' ');
	smime_serial(X509_get0_serialNumber(x), &a);
	smime_capabilities(x);
	smime_can_receive(x, 1800000000000);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	STACK_OF(X509) *all = sk_X509_new_null();

	if (all && smime_certificates(view_make((const char *)data, n), all) == ST_OK)
		for (int i = 0; i < sk_X509_num(all); i++)
			check(sk_X509_value(all, i));
	sk_X509_pop_free(all, X509_free);
	return 0;
}
