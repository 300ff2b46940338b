#include "smime/ldap.h"

#include "smime/identity.h"

#include <lber.h>
#include <ldap.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <stdlib.h>

enum { FILTER_MAX = 2048, DER_MOST = 64 * 1024 };

/* ---- filters ---- */

/* Everything that is not a letter, a digit or harmless: so nothing has a meaning in a filter, and
 * UTF-8 stays what it is (RFC 4515 3). */
enum status ldap_put_filter(struct view address, struct buf *out)
{
	buf_puts(out, "(mail=");
	for (size_t i = 0; i < address.n; i++) {
		char c = address.p[i];

		if (ascii_alpha(c) || ascii_digit(c) || c == '@' || c == '.' || c == '-' || c == '_' || c == '+')
			buf_putc(out, c);
		else
			buf_putf(out, "\\%02x", (unsigned char)c);
	}
	buf_putc(out, ')');
	return buf_status(out);
}

/* ---- the server ---- */

static LDAPURLDesc *parse(const char *url, const char **ret_why)
{
	LDAPURLDesc *u = NULL;
	const char *why = NULL;

	if (strlen(url) > LDAP_URL_MOST || ldap_url_parse(url, &u) != LDAP_URL_SUCCESS)
		why = "it is no LDAP URL, as ldaps://ldap.example.org/dc=example,dc=org";
	else if (strcmp(u->lud_scheme, "ldaps") != 0 && strcmp(u->lud_scheme, "ldap") != 0)
		why = "only ldaps and ldap (with STARTTLS) are known";
	else if (u->lud_host == NULL || u->lud_host[0] == '\0')
		why = "it names no host";
	else if (u->lud_port < 0 || u->lud_port > UINT16_MAX)
		why = "it has no such port";
	else if (u->lud_exts || u->lud_attrs)
		why = "it should end behind the base";
	if (why) {
		ldap_free_urldesc(u);
		u = NULL;
		*ret_why = why;
	}
	return u;
}

const char *ldap_url_flaw(const char *url)
{
	const char *why = NULL;

	ldap_free_urldesc(parse(url, &why));
	return why;
}

/* Set here, so that no ldap.conf or LDAPTLS_REQCERT makes it weaker. */
static bool set_up(LDAP *l, const struct ldap_place *p)
{
	const struct timeval patience = { .tv_sec = LDAP_SECONDS };
	int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, entries = LDAP_ENTRIES_MOST, seconds = LDAP_SECONDS;
	int never = LDAP_DEREF_NEVER, fresh = 0, least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;

	return ldap_set_option(l, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(l, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(l, LDAP_OPT_DEREF, &never) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(l, LDAP_OPT_NETWORK_TIMEOUT, &patience) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(l, LDAP_OPT_TIMEOUT, &patience) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(l, LDAP_OPT_SIZELIMIT, &entries) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(l, LDAP_OPT_TIMELIMIT, &seconds) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(l, LDAP_OPT_X_TLS_CACERTFILE, p->authorities) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(l, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(l, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(l, LDAP_OPT_X_TLS_NEWCTX, &fresh) == LDAP_OPT_SUCCESS;
}

/* Who says more than that in one message is not listened to. */
static void limit(LDAP *l)
{
	ber_len_t most = LDAP_ANSWER_MAX;
	Sockbuf *s = NULL;

	if (ldap_get_option(l, LDAP_OPT_SOCKBUF, &s) == LDAP_OPT_SUCCESS && s)
		ber_sockbuf_ctrl(s, LBER_SB_OPT_SET_MAX_INCOMING, &most);
}

static void put_why(LDAP *l, int r, struct buf *why)
{
	char *more = NULL;

	buf_puts(why, ldap_err2string(r));
	if (l && ldap_get_option(l, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more) == LDAP_OPT_SUCCESS && more) {
		buf_puts(why, ": ");
		for (const char *p = more; *p; p++)
			buf_putc(why, *p >= ' ' && *p < 0x7f ? *p : '?');
	}
	ldap_memfree(more);
}

static int dial(const struct ldap_place *p, const LDAPURLDesc *u, LDAP **ret, struct buf *why)
{
	struct buf uri = BUF(LDAP_URL_MOST + 64);
	LDAP *l = NULL;
	int r = LDAP_NO_MEMORY;

	/* Without the base. */
	buf_putf(&uri, strchr(u->lud_host, ':') ? "%s://[%s]:%d" : "%s://%s:%d", u->lud_scheme, u->lud_host, u->lud_port);
	buf_putc(&uri, '\0');
	if (buf_status(&uri) == ST_OK)
		r = ldap_initialize(&l, uri.p);
	buf_free(&uri);
	if (r == LDAP_SUCCESS && !set_up(l, p))
		r = LDAP_LOCAL_ERROR;
	if (r == LDAP_SUCCESS)
		limit(l);
	if (r == LDAP_SUCCESS && strcmp(u->lud_scheme, "ldap") == 0)
		r = ldap_start_tls_s(l, NULL, NULL);
	if (r == LDAP_SUCCESS) {
		*ret = l;
		return r;
	}
	put_why(l, r, why);
	if (l)
		ldap_unbind_ext_s(l, NULL, NULL);
	return r;
}

/* ---- what it says ---- */

struct finding {
	struct view address;
	struct arena *a;
	struct discovered *to;
};

static void take_certificate(struct finding *f, X509 *x)
{
	struct arena a = ARENA(SMIME_ARENA_MAX);
	size_t n = 0;
	bool bad, names = false;
	struct view *all = smime_addresses(x, &a, &n, &bad);

	for (size_t i = 0; all && i < n; i++)
		names |= smime_same_address(all[i], f->address);
	if (names && f->to->n_people < DISCOVERED_MOST)
		f->to->people[f->to->n_people++] = smime_der(x, f->a);
	arena_free(&a);
}

/* A PKCS #7 SignedData with certificates (RFC 2798 2.8). */
static void take_package(struct finding *f, struct view der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	PKCS7 *package = d2i_PKCS7(NULL, &p, (long)der.n);
	STACK_OF(X509) *all = package && PKCS7_type_is_signed(package) && package->d.sign ? package->d.sign->cert : NULL;

	for (int i = 0; i < sk_X509_num(all) && i < DISCOVERED_MOST; i++)
		take_certificate(f, sk_X509_value(all, i));
	PKCS7_free(package);
}

void ldap_take_value(struct view der, bool package, struct view address, struct arena *a, struct discovered *to)
{
	struct finding f = { address, a, to };
	X509 *x;

	if (der.n == 0 || der.n > DER_MOST)
		return;
	x = smime_certificate(der);
	if (x)
		take_certificate(&f, x);
	else if (package)
		take_package(&f, der);
	X509_free(x);
	ERR_clear_error();
}

static const struct {
	const char *name;
	bool package;
} attributes[] = {
	{ "userSMIMECertificate;binary", true }, { "userSMIMECertificate", true }, { "userCertificate;binary", false },
	{ "userCertificate", false },
};
enum { ATTRIBUTES_N = sizeof attributes / sizeof *attributes };

static void take_entry(struct finding *f, LDAP *l, LDAPMessage *entry)
{
	for (size_t i = 0; i < ATTRIBUTES_N; i++) {
		struct berval **values = ldap_get_values_len(l, entry, attributes[i].name);

		for (int k = 0; values && values[k] && k < DISCOVERED_MOST; k++)
			ldap_take_value(view_make(values[k]->bv_val, values[k]->bv_len), attributes[i].package, f->address,
					f->a, f->to);
		ldap_value_free_len(values);
	}
}

static int ask(LDAP *l, const char *base, char *filter, LDAPMessage **ret)
{
	struct timeval patience = { .tv_sec = LDAP_SECONDS };
	char *names[ATTRIBUTES_N + 1] = { NULL };
	int r;

	for (size_t i = 0; i < ATTRIBUTES_N; i++)
		names[i] = (char *)(uintptr_t)attributes[i].name;
	r = ldap_search_ext_s(l, base, LDAP_SCOPE_SUBTREE, filter, names, 0, NULL, NULL, &patience, LDAP_ENTRIES_MOST, ret);
	/* What came before the limit counts. */
	return r == LDAP_SIZELIMIT_EXCEEDED || r == LDAP_NO_SUCH_OBJECT ? LDAP_SUCCESS : r;
}

static int find(const struct ldap_place *p, const LDAPURLDesc *u, char *filter, struct finding *f, struct buf *why)
{
	LDAP *l = NULL;
	LDAPMessage *answer = NULL;
	int r = dial(p, u, &l, why);

	if (r != LDAP_SUCCESS)
		return r;
	r = ask(l, u->lud_dn ? u->lud_dn : "", filter, &answer);
	if (r != LDAP_SUCCESS)
		put_why(l, r, why);
	if (r == LDAP_SUCCESS && answer)
		for (LDAPMessage *e = ldap_first_entry(l, answer); e; e = ldap_next_entry(l, e))
			take_entry(f, l, e);
	if (answer)
		ldap_msgfree(answer);
	ldap_unbind_ext_s(l, NULL, NULL);
	return r;
}

enum status smime_ldap_find(const struct ldap_place *p, struct view address, struct arena *a, struct discovered *ret,
			    struct buf *why)
{
	struct discovered found = { .outcome = DISCOVERY_FAILED };
	struct finding f = { address, a, &found };
	struct buf filter = BUF(FILTER_MAX);
	const char *flaw = NULL;
	LDAPURLDesc *u = parse(p->url, &flaw);
	enum status st = u && view_find(address, '@') < address.n ? ldap_put_filter(address, &filter) : ST_SYNTAX;
	int r;

	if (flaw)
		buf_puts(why, flaw);
	if (st == ST_OK) {
		buf_putc(&filter, '\0');
		r = find(p, u, filter.p, &f, why);
		if (r == LDAP_SUCCESS)
			found.outcome = found.n_people ? DISCOVERY_FOUND : DISCOVERY_NONE;
		st = arena_status(a);
	}
	ldap_free_urldesc(u);
	buf_free(&filter);
	if (st == ST_OK)
		*ret = found;
	return st;
}
