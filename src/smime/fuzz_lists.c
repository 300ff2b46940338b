/* Any octets as a list of revoked certificates, and as an OCSP response, about a certificate
 * that is believed: nobody signed them, and so they say nothing. */
#include "base/fuzz.h"

#include "smime/internal.h"

/* Made for this alone; their keys are gone. */
static const char authority[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBazCCARCgAwIBAgIUFQMHj/35l1iu+6osK8nc+UgSW1YwCgYIKoZIzj0EAwIw\n"
	"EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjUyMzMxNDBaGA8yMTI2MTEwMTIz\n"
	"MzE0MFowEjEQMA4GA1UEAwwHVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
	"A0IABI2jMrV7ylAbZLgwQ0GITBekOqjLMTaeMU09365RuHcor4/huYxqzutlMN19\n"
	"TOXqyJGDvu15vodwWK6MHeijPRyjQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0P\n"
	"AQH/BAQDAgEGMB0GA1UdDgQWBBRtYaN4EV9qdcwDD0zLQz0L4NoGjDAKBggqhkjO\n"
	"PQQDAgNJADBGAiEAjQZBchYytzcbGCVE5fO2ivxwNNRS9C0HmyFmm4Uzy1UCIQCF\n"
	"oHjkS1Gl/DLmxjkV9ixtfubbk0EDhJ5XnFbeH+x3LQ==\n"
	"-----END CERTIFICATE-----\n";
static const char certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIICCjCCAa+gAwIBAgICEJIwCgYIKoZIzj0EAwIwEjEQMA4GA1UEAwwHVGVzdCBD\n"
	"QTAgFw0yNjExMjUyMzMxNDBaGA8yMTI2MTEwMTIzMzE0MFowEDEOMAwGA1UEAwwF\n"
	"YnJvd24wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQV9rmrHeOJAz1bd5WpRd5Q\n"
	"umXHCzexWuWHDIXGGG7+tkjtzFqVCwVFJYxWx7df3dnPE9cy3EkTOruyp9kcFiHy\n"
	"o4H0MIHxMAkGA1UdEwQCMAAwDgYDVR0PAQH/BAQDAgeAMB0GA1UdJQQWMBQGCCsG\n"
	"AQUFBwMEBggrBgEFBQcDAjAYBgNVHREEETAPgQ1icm93bkBmb28uY29tMCkGA1Ud\n"
	"HwQiMCAwHqAcoBqGGGh0dHA6Ly9jcmwuZm9vLmNvbS9hLmNybDAwBggrBgEFBQcB\n"
	"AQQkMCIwIAYIKwYBBQUHMAGGFGh0dHA6Ly9vY3NwLmZvby5jb20vMB0GA1UdDgQW\n"
	"BBSQDNA0b06t5gsnnsPbQgy/noCz4TAfBgNVHSMEGDAWgBRtYaN4EV9qdcwDD0zL\n"
	"Qz0L4NoGjDAKBggqhkjOPQQDAgNJADBGAiEAq+YuG88G4bHh+qhFzqfFkX+ZTssL\n"
	"bDNJQFBu8itouUwCIQDhNZX0PsEaeTzyCYzK7QeN9lxGdr2LODqxmfoiH0jT8w==\n"
	"-----END CERTIFICATE-----\n";

static void check(X509 *leaf, struct view octets)
{
	struct smime_trust *t;
	struct chain_answer r;

	if (smime_trust_new(&t) != ST_OK)
		return;
	if (smime_trust_authorities(t, view_make(authority, sizeof authority - 1)) == ST_OK) {
		enum status list = smime_trust_revoked(t, octets), ocsp = smime_trust_ocsp(t, octets);

		FUZZ_CHECK(list != ST_OK || ocsp != ST_OK);
		if ((list == ST_OK || ocsp == ST_OK) && smime_chain(t, leaf, NULL, NULL, 1800000000000, -1, &r) == ST_OK)
			FUZZ_CHECK(r.revocation == SMIME_NOT_CHECKED && r.chain == SMIME_CHAIN_TRUSTED && r.problems == 0);
	}
	smime_trust_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	STACK_OF(X509) *leaf = sk_X509_new_null();

	if (leaf && smime_certificates(view_make(certificate, sizeof certificate - 1), leaf) == ST_OK)
		check(sk_X509_value(leaf, 0), view_make((const char *)data, n));
	sk_X509_pop_free(leaf, X509_free);
	return 0;
}
