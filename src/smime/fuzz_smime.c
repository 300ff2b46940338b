/* Any letter, read with a key that the corpus is encrypted for and with no
 * authority at all: whatever it says, nobody can be believed. */
#include "base/fuzz.h"

#include "smime/chain.h"

/* Made for this alone. */
static const char pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQcHn/KAr2mfc/45B\n"
	"FRe66Wbj4lvNjLEky9S5sb6PjjyhRANCAAShngC1jKX3bcRAkjXHH4JrFD6e+Ox1\n"
	"ticuJRYbCvLkyOKiqVuUi+xM9VCgnjzyUi+CqkHkd7enfgFnzTK1tAsC\n"
	"-----END PRIVATE KEY-----\n"
	"-----BEGIN CERTIFICATE-----\n"
	"MIICcDCCAVigAwIBAgIUQcNBcWilS2XtUYwk4sxKn6K1IP4wDQYJKoZIhvcNAQEL\n"
	"BQAwEjEQMA4GA1UEAwwHVGVzdCBDQTAeFw0yNjExMjUxNzIxMjNaFw0yNzExMjUx\n"
	"NzIxMjNaMBAxDjAMBgNVBAMMBWJyb3duMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD\n"
	"QgAEoZ4AtYyl923EQJI1xx+CaxQ+nvjsdbYnLiUWGwry5MjioqlblIvsTPVQoJ48\n"
	"8lIvgqpB5He3p34BZ80ytbQLAqOBijCBhzAJBgNVHRMEAjAAMAsGA1UdDwQEAwID\n"
	"qDATBgNVHSUEDDAKBggrBgEFBQcDBDAYBgNVHREEETAPgQ1icm93bkBmb28uY29t\n"
	"MB0GA1UdDgQWBBTIFfqPGK0NbPO7lcDso6y6uznWLTAfBgNVHSMEGDAWgBQOGcaC\n"
	"/+Iqeh8sAvLqM0zORiSxXTANBgkqhkiG9w0BAQsFAAOCAQEAgKFqujCDP8ntABcF\n"
	"hF7MxhueAAyataTB1g2eI44tPlDJtk73ha/OWVHXXuc10R6JGUhLg3/Ymo3dihCq\n"
	"JBfaW943wq8x3ONfupxryaBrHhdYiiJGWgy3N2F1WJ+114sp9umiFABHnCB19Bkm\n"
	"JuptnzceDKeI/21+gJZx4+NXgYZgndl1oAuw+ZrBljq2Je2AjZqSxHnHvRcRgp6m\n"
	"qjZS35GOZfPZGmwpG+ozqhx1WKZ+cpvVFMooQJUVH9zHeAwfwLokKqKpgoQby0G0\n"
	"N1OIHcwdRVKnT3kvzfuEA6/GVa97UFeOJA/LZSx6Uw3NJXgn7mLOyznPCLrfa7dB\n"
	"70T85Q==\n"
	"-----END CERTIFICATE-----\n";

static enum status count(void *arg, struct view piece)
{
	*(size_t *)arg += piece.n;
	return ST_OK;
}

static void check_sentence(const struct smime_letter *l)
{
	struct buf out = BUF(65536);

	smime_put_sentence(l, &out);
	FUZZ_CHECK(out.n > 1 && out.p[out.n - 1] == '.');
	for (size_t i = 0; i < out.n; i++)
		FUZZ_CHECK((unsigned char)out.p[i] >= ' ' && out.p[i] != 0x7f);
	buf_free(&out);
}

static bool is_within(struct view part, struct view whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check(const struct smime_letter *l, struct view letter)
{
	size_t n = 0;

	FUZZ_CHECK(l->word != SMIME_GOOD && l->word != SMIME_WEAK);
	FUZZ_CHECK(is_within(l->payload, letter) || is_within(l->payload, buf_view(&l->held)));
	FUZZ_CHECK(l->n_layers <= SMIME_LAYERS_MOST && l->n_signers <= SMIME_SIGNERS_MOST);
	for (unsigned i = 0; i < l->n_signers; i++)
		FUZZ_CHECK(l->signers[i].problems != 0);
	check_sentence(l);
	FUZZ_CHECK(smime_put_letter(l, letter, count, &n) == ST_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct smime_reading how = { .now = 1800000000000, .content_max = 1 << 20 };
	struct smime_keys keys = { 0 };
	struct smime_letter l;
	struct view letter = view_make((const char *)data, n);

	if (smime_trust_new(&how.trust) != ST_OK)
		return 0;
	if (smime_keys_add(&keys, view_make(pem, sizeof pem - 1)) == ST_OK) {
		how.keys = &keys;
		if (smime_read(letter, &how, &l) == ST_OK) {
			check(&l, letter);
			smime_free(&l);
		}
	}
	smime_keys_free(&keys);
	smime_trust_free(how.trust);
	return 0;
}
