/* inspect_tlsa.c - waxwing inspect tlsa: TLSA records against a chain of
 * certificates, as DANE has it (RFC 6698, 7671), and as relay decides (RFC 7672). */
#include "admin/inspect.h"
#include "admin/tell.h"

#include "mta/relay/policy.h"

#include <openssl/x509_vfy.h>
#include <string.h>

enum { TLSA_LINES_MAX = 32, TLSA_ARENA_MAX = 1024 * 1024 };

/* ---- the input: a record a line, then the chain in PEM ---- */

struct presented {
	struct dns_tlsa records[TLSA_LINES_MAX];
	size_t n;
	struct view chain;
};

static bool is_graphic(char c)
{
	return c > ' ';
}

static struct view take_word(struct view *line)
{
	struct cursor c = cursor_over(view_trim(*line));
	struct view word = take_while(&c, is_graphic);

	*line = view_skip(view_trim(*line), word.n);
	return word;
}

static int nibble(char c)
{
	c = ascii_lower(c);
	return ascii_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_hex(struct view hex, struct arena *a, struct view *ret)
{
	char *bytes = hex.n && hex.n % 2 == 0 ? arena_alloc(a, hex.n / 2) : NULL;

	for (size_t i = 0; bytes && i < hex.n; i += 2) {
		int high = nibble(hex.p[i]), low = nibble(hex.p[i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i / 2] = (char)(high << 4 | low);
	}
	*ret = view_make(bytes, hex.n / 2);
	return bytes != NULL;
}

static bool take_record(struct view line, struct arena *a, struct dns_tlsa *ret)
{
	uint64_t numbers[3];
	struct view data;

	for (size_t i = 0; i < 3; i++)
		if (!view_u64(take_word(&line), &numbers[i]) || numbers[i] > UINT8_MAX)
			return false;
	if (!take_hex(view_trim(line), a, &data))
		return false;
	*ret = (struct dns_tlsa){ (uint8_t)numbers[0], (uint8_t)numbers[1], (uint8_t)numbers[2], data };
	return true;
}

/* False: a line is no record, or there are too many. */
static bool take_input(struct view in, struct arena *a, struct presented *p)
{
	while (in.n && in.p[0] != '-') {
		struct view line = view_head(in, view_find(in, '\n'));

		in = view_skip(in, line.n + 1);
		if (view_trim(line).n == 0)
			continue;
		if (p->n == TLSA_LINES_MAX || !take_record(line, a, &p->records[p->n]))
			return false;
		p->n++;
	}
	p->chain = in;
	return true;
}

/* ---- the answer ---- */

/* NULL: a certificate cannot be read, or a record cannot be used. */
static json_t *verify(struct tls_client *t, const struct presented *p, size_t n, struct view name, bool check_ee_name,
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
static bool add_smtp(json_t *o, struct tls_client *t, struct presented *p, struct view name)
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

static json_t *answer(struct tls_client *t, struct presented *p, struct view name)
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
	struct presented p = { .n = 0 };
	struct tls_client *t;
	json_t *o = NULL;

	if (name.n == 0 || !take_input(input, &a, &p) || p.chain.n == 0) {
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
