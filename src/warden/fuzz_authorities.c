/* Any octets as the chain of a client: nobody vouches for it. */
#include "base/fuzz.h"

#include "warden/authorities.h"

/* Made for this alone; its key is gone. */
static const char authority[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBazCCARCgAwIBAgIUCJMQQT8fbCoCA5o/T2FisaKsTzMwCgYIKoZIzj0EAwIw\n"
	"EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjUyMzMxNDBaGA8yMTI2MTEwMTIz\n"
	"MzE0MFowEjEQMA4GA1UEAwwHVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
	"A0IABLgPcLoxnUn6OyxNfaIdOuDyiHcw7I8smzYYFZUpeZMF81Ehgfhjj7xoUmSZ\n"
	"wYFznctgvGcaX5bG8vtTA/+FRpejQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0P\n"
	"AQH/BAQDAgEGMB0GA1UdDgQWBBQ1/CrYuhoV9JP+pqcRmOWypY0mLjAKBggqhkjO\n"
	"PQQDAgNJADBGAiEAwifcpFY0MlGez/cb51q7t4BfnMyk0GvcBUPCZ6BnoWICIQCc\n"
	"JCZcBu57//jX+FQUGdhGH+dML0MNctjYV0E6vLfWOA==\n"
	"-----END CERTIFICATE-----\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf names = BUF(65536);
	struct authorities *a;

	if (authorities_new(view_make(authority, sizeof authority - 1), &a) == ST_OK) {
		FUZZ_CHECK(authorities_check(a, view_make((const char *)data, n), 1800000000000, &names) != ST_OK);
		FUZZ_CHECK(names.n == 0);
		authorities_free(a);
	}
	buf_free(&names);
	return 0;
}
