/* inspect_tlsa.c - waxwing inspect tlsa: TLSA records against a chain of
 * certificates, as DANE has it (RFC 6698, 7671), and as relay decides (RFC 7672). */
#include "admin/inspect.h"
#include "admin/tell.h"
#include "admin/tlsa_lines.h"

#include "mta/relay/policy.h"

#include <openssl/x509_vfy.h>
#include <string.h>

enum { TLSA_ARENA_MAX = 1024 * 1024 };

/* ---- the answer ---- */

/* NULL: a certificate cannot be read, or a record cannot be used. */
static json_t *verify(struct tls_client *t, const struct tlsa_lines *p, size_t n, struct view name, bool check_ee_name,
		      long *ret_error)
{
	struct tls_trust trust = {
		.how = TLS_VERIFY_DANE, .check_ee_name = check_ee_name, .names = &name, .n_names = 1,
		.records = p->records, .n_records = n,
	};
	int depth = -1;

	if (tls_verify_chain(t, &trust, p->chain, ret_error, &depth) != ST_OK)
		return NULL;
	return json_pack("{s:I, s:s, s:i}", "error", (json_int_t)*ret_error,
			 "problem", X509_verify_cert_error_string(*ret_error), "depth", depth);
}

/* What becomes of a letter to a host that presents this: relay's own choice
 * of records, and no name asked of DANE-EE (RFC 7672 3.1.1). */
static bool add_smtp(json_t *o, struct tls_client *t, struct tlsa_lines *p, struct view name)
{
	const struct policy_source source = { .tls = t };
	size_t usable = policy_usable(&source, p->records, p->n);
	json_t *how = json_null();
	long error = 0;

	if (usable && (how = verify(t, p, usable, name, false, &error)) == NULL)
		return false;
	json_object_set_new(o, "smtp", json_pack("{s:I, s:s, s:o}", "usable", (json_int_t)usable, "outcome",
						 usable == 0 ? "encrypted" : error ? "refused" : "verified",
						 "verified", how));
	return true;
}

static json_t *answer(struct tls_client *t, struct tlsa_lines *p, struct view name)
{
	json_t *o = json_object(), *named, *unnamed;
	long error;

	named = verify(t, p, p->n, name, true, &error);
	unnamed = verify(t, p, p->n, name, false, &error);
	json_object_set_new(o, "named", named ? named : json_null());
	json_object_set_new(o, "unnamed", unnamed ? unnamed : json_null());
	if (add_smtp(o, t, p, name))
		return o;
	json_decref(o);
	return NULL;
}

json_t *inspect_tlsa(struct invocation *in, struct view input)
{
	struct arena a = ARENA(TLSA_ARENA_MAX);
	const char *authorities = in->given[OPTION_authorities] ? in->given[OPTION_authorities] : "";
	struct view name = view_cstr(in->given[OPTION_domain] ? in->given[OPTION_domain] : "");
	struct tlsa_lines p = { .n = 0 };
	struct tls_client *t;
	json_t *o = NULL;

	if (name.n == 0 || tlsa_lines_take(input, &a, &p) != ST_OK || p.chain.n == 0) {
		tell("inspect tlsa: --domain HOST, and on standard input lines as 3 1 1 HEX and then certificates in PEM");
	} else if (tls_client_new(authorities, &t) != ST_OK) {
		tell("%s: no authorities can be read there", authorities);
	} else {
		o = answer(t, &p, name);
		if (o == NULL)
			tell("inspect tlsa: the certificates cannot be read");
		tls_client_free(t);
	}
	arena_free(&a);
	return o;
}
