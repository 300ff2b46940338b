/* What a directory says is somebody's certificate: what is taken names the address. */
#include "base/fuzz.h"

#include "smime/identity.h"
#include "smime/ldap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view der = view_make((const char *)data, n);
	struct discovered d = { .n_people = 0 };
	struct arena a = ARENA(1 << 20);

	ldap_take_value(der, true, VIEW("jones@foo.com"), &a, &d);
	ldap_take_value(der, false, VIEW("jones@foo.com"), &a, &d);
	FUZZ_CHECK(d.n_people <= DISCOVERED_MOST);
	for (size_t i = 0; i < d.n_people && arena_status(&a) == ST_OK; i++) {
		X509 *x = smime_certificate(d.people[i]);
		struct arena of = ARENA(1 << 20);
		bool bad, names = false;
		size_t many = 0;
		struct view *all = x ? smime_addresses(x, &of, &many, &bad) : NULL;

		for (size_t k = 0; k < many; k++)
			names |= smime_same_address(all[k], VIEW("jones@foo.com"));
		FUZZ_CHECK(names || arena_status(&of) != ST_OK);
		arena_free(&of);
		X509_free(x);
	}
	arena_free(&a);
	return 0;
}
