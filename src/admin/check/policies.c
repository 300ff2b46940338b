/* policies.c - what the domain says of its letters and of TLS: SPF, DKIM, DMARC,
 * MTA-STS, TLS reports, CAA; read as those read them who heed it. */
#include "admin/check/check.h"

#include "admin/inspect.h"
#include "trust/dmarc.h"
#include "trust/domain.h"
#include "trust/iprev.h"

#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

enum { PEM_MAX = 64 * 1024 };

/* ---- SPF ---- */

static enum status evaluate(struct checker *c, const struct spf_ip *ip, struct spf_answer *ret)
{
	struct buf sender = BUF(CHECK_TEXT);
	struct spf_query q = {
		.ip = *ip, .now = clock_wall(), .deadline = clock_steady() + 2 * (steady_ms)c->conf.check_timeout,
	};
	enum status st;

	buf_putf(&sender, "postmaster@%.*s", VIEW_ARG(c->domain));
	q.sender = arena_copy(&c->arena, buf_view(&sender));
	q.helo = c->facts ? c->facts->f.host : c->domain;
	q.receiver = view_cstr(c->conf.host_name);
	buf_free(&sender);
	st = spf_check(&q, checker_resolver(c), &c->arena, ret);
	return st;
}

/* An address that is nobody's (RFC 5737). */
static void check_strangers(struct job *j)
{
	const struct spf_ip nobody = { .bytes = { 198, 51, 100, 77 } };
	struct spf_answer s;

	if (evaluate(j->c, &nobody, &s) != ST_OK)
		return;
	if (s.result == SPF_TEMPERROR)
		found(j, FOUND_UNKNOWN, "spf", j->c->domain, "Look whether the name servers of all that it names answer.", "%s",
		      s.problem ? s.problem : "DNS does not answer");
	else if (s.result == SPF_PERMERROR)
		found(j, FOUND_WRONG, "spf", j->c->domain, "Write the record anew, as `waxwing dns` prints it.",
		      "nobody can use the record: %s", s.problem ? s.problem : "permerror");
	else if (s.result == SPF_PASS)
		found(j, FOUND_WRONG, "spf", j->c->domain, "End it with -all.", "anybody may send for the domain (%.*s)",
		      VIEW_ARG(s.mechanism));
	else if (s.result != SPF_FAIL && s.result != SPF_SOFTFAIL)
		found(j, ours_or_advice(j->c, FOUND_WRONG), "spf", j->c->domain, "End it with -all.",
		      "of hosts that it does not name it says nothing (%s)", spf_result_name(s.result));
	else
		found(j, FOUND_GOOD, "spf", j->c->domain, NULL, "a stranger's host gets %s (%u terms asked DNS)",
		      spf_result_name(s.result), s.lookups);
}

static void check_own_address(struct job *j, const struct endpoint *e)
{
	struct spf_ip ip = { .v6 = e->family == AF_INET6 };
	char text[SPF_IP_TEXT];
	struct spf_answer s;

	memcpy(ip.bytes, e->address, ip.v6 ? 16 : 4);
	spf_ip_text(&ip, text);
	if (evaluate(j->c, &ip, &s) != ST_OK)
		return;
	if (s.result == SPF_PASS)
		found(j, FOUND_GOOD, "spf", view_cstr(text), NULL, "may send for the domain (%.*s)", VIEW_ARG(s.mechanism));
	else
		found(j, s.result == SPF_TEMPERROR ? FOUND_UNKNOWN : FOUND_WRONG, "spf", view_cstr(text),
		      "Name the address in the SPF record, as `waxwing dns` prints it.", "our own host gets %s%s%s",
		      spf_result_name(s.result), s.problem ? ": " : "", s.problem ? s.problem : "");
}

void check_spf(struct job *j)
{
	struct checker *c = j->c;
	struct view text;
	size_t n = 0;
	enum status st = check_txt(j, "", "v=spf1", "spf", &n, &text);

	if (st == ST_MISSING)
		found(j, ours_or_advice(c, FOUND_MISSING), "spf", c->domain, "Publish one, as `waxwing dns` prints it.",
		      "no SPF record: nobody knows which hosts may send for the domain");
	if (st != ST_OK)
		return;
	check_strangers(j);
	for (size_t i = 0; c->facts && i < c->facts->f.n_addresses; i++)
		check_own_address(j, &c->facts->f.addresses[i]);
}

/* ---- DKIM ---- */

/* What the private key signs, does the published one verify it? */
static const char *try_key(struct checker *c, const struct fact_key *k, enum seal_algorithm algorithm,
			   enum seal_result *ret_published)
{
	struct buf path = BUF(CHECK_TEXT), pem = BUF(PEM_MAX), signature = BUF(PEM_MAX);
	struct signer_with_key s = { 0 };
	struct seal_key published;
	uint8_t digest[SHA256_DIGEST_LENGTH];
	const char *problem = "it does not fit the private key";
	bool good = false;

	*ret_published = SEAL_NONE;

	buf_putf(&path, "%s/keys/dkim/%.*s/%.*s.key", c->conf.dir, VIEW_ARG(k->folder), VIEW_ARG(k->selector));
	buf_putc(&path, '\0');
	if (RAND_bytes(digest, sizeof digest) != 1 || buf_status(&path) != ST_OK)
		problem = "no memory";
	else if (read_file(path.p, &pem) != ST_OK)
		problem = "the private key cannot be read";
	else if (signer_from_pem(buf_view(&pem), c->domain, k->selector, &s) != ST_OK)
		problem = "the private key is none";
	else
		*ret_published = key_find(checker_resolver(c), k->selector, c->domain, algorithm, NULL, &c->arena, &published,
					  &problem);
	if (*ret_published == SEAL_PASS) {
		good = s.signer.sign(&s.signer, digest, &signature) == ST_OK && s.signer.algorithm == algorithm &&
		       key_verify(&published, algorithm, digest, buf_view(&signature));
		key_free(&published);
	}
	signer_free(&s);
	buf_wipe(&pem);
	buf_free(&path);
	buf_free(&signature);
	return good ? NULL : problem;
}

void check_dkim(struct job *j)
{
	struct checker *c = j->c;

	if (c->facts == NULL)
		return;		/* nobody knows the selectors of others */
	if (c->facts->f.n_keys == 0)
		found(j, FOUND_MISSING, "dkim", c->domain, "Make one: `waxwing setup` does.", "there is no key to sign with");
	for (size_t i = 0; i < c->facts->f.n_keys; i++) {
		const struct fact_key *k = &c->facts->f.keys[i];
		bool ed25519 = view_eq(k->algorithm, VIEW("ed25519"));
		enum seal_result published;
		const char *why;

		if (k->retired)
			continue;
		why = try_key(c, k, ed25519 ? SEAL_ED25519_SHA256 : SEAL_RSA_SHA256, &published);
		if (why)
			found(j, published == SEAL_TEMPERROR ? FOUND_UNKNOWN : FOUND_WRONG, "dkim", k->selector,
			      "Publish its record, as `waxwing dns` prints it.",
			      "others cannot verify what it signs: %s", why);
		else
			found(j, FOUND_GOOD, "dkim", k->selector, NULL, "the published key (%.*s) is that of the private one%s",
			      VIEW_ARG(k->algorithm), k->next ? ", which is used next" : "");
	}
}

/* ---- DMARC ---- */

/* Does the other domain agree to get reports (RFC 9990 4)? */
static void check_receiver(struct job *j, struct view uri)
{
	struct checker *c = j->c;
	struct view address = view_head(view_skip(uri, 7), view_find(view_skip(uri, 7), '!')), other, text;
	struct buf name = BUF(DNS_TEXT_NAME_MAX);
	struct dns_answer d = { 0 };
	bool agrees = false;

	other = view_skip(address, view_find(address, '@') + 1);
	if (!view_starts_i(uri, VIEW("mailto:")) || other.n == 0 || domain_ascii(other, &c->arena, &other) != ST_OK) {
		found(j, FOUND_ADVICE, "dmarc", uri, "Write it as mailto:ADDRESS.", "nobody can send reports there");
		return;
	}
	if (domain_within(other, c->domain) || domain_within(c->domain, other))
		return;
	buf_putf(&name, "%.*s._report._dmarc.%.*s", VIEW_ARG(c->domain), VIEW_ARG(other));
	if (dns_ask(checker_resolver(c), buf_view(&name), DNS_TXT, &c->arena, &d) == ST_OK)
		for (size_t i = 0; d.outcome == DNS_FOUND && i < d.n; i++)
			agrees |= dns_read_txt(d.rdata[i], &c->arena, &text) == ST_OK && dmarc_record_is(text);
	if (agrees)
		found(j, FOUND_GOOD, "dmarc", address, NULL, "its domain agrees to get the reports");
	else
		found(j, ours_or_advice(c, FOUND_MISSING), "dmarc", address,
		      "Let that domain publish the record, as `waxwing dns` prints it.",
		      "its domain does not agree to get reports about this one, so none are sent");
	buf_free(&name);
}

static void judge_dmarc(struct job *j, const struct dmarc_answer *d)
{
	struct view list = d->record.rua, uri;

	if (d->policy == DMARC_POLICY_NONE)
		found(j, FOUND_ADVICE, "dmarc", d->record_at, "Ask for quarantine, once the reports show that all is signed.",
		      "the policy asks for nothing to be done about false letters");
	else
		found(j, FOUND_GOOD, "dmarc", d->record_at, NULL, "false letters: %s%s", dmarc_policy_name(d->policy),
		      d->record.testing ? ", in test only" : "");
	while (tags_list_next(&list, ',', &uri))
		check_receiver(j, uri);
}

void check_dmarc(struct job *j)
{
	struct checker *c = j->c;
	struct author_address one = { .domain = c->domain };
	struct author author = { .kind = AUTHOR_ONE, .all = &one, .n = 1 };
	struct suffixes *suffixes = suffixes_open();
	struct dmarc_query q = { .author = &author, .suffixes = suffixes };
	struct dmarc_answer d;
	enum status st = dmarc_check(&q, checker_resolver(c), &c->arena, &d);

	suffixes_close(suffixes);
	if (st != ST_OK)
		return;
	if (d.result == DMARC_TEMPERROR)
		found(j, FOUND_UNKNOWN, "dmarc", c->domain, "Look whether the name servers of the domain answer, and validly.", "%s",
		      d.problem ? d.problem : "DNS does not say");
	else if (d.result == DMARC_PERMERROR)
		found(j, FOUND_WRONG, "dmarc", c->domain, "Publish one record, as `waxwing dns` prints it.", "%s",
		      d.problem ? d.problem : "nobody can use the record");
	else if (d.record_at.n == 0)
		found(j, ours_or_advice(c, FOUND_MISSING), "dmarc", c->domain, "Publish one, as `waxwing dns` prints it.",
		      "no policy: anybody can write in the name of the domain%s%s", d.problem ? ": " : "",
		      d.problem ? d.problem : "");
	else
		judge_dmarc(j, &d);
}

/* ---- TLS ---- */

void check_sts(struct job *j)
{
	struct checker *c = j->c;

	if (c->sts_unknown)
		found(j, FOUND_UNKNOWN, "mta-sts", c->domain, "Look whether the name servers of the domain answer, and validly.",
		      "DNS does not say whether there is a policy");
	else if (c->sts_records == 0)
		found(j, c->facts && c->facts->f.sts != STS_NONE ? FOUND_MISSING : FOUND_ADVICE, "mta-sts", c->domain,
		      "See sts.mode; it needs a certificate of a public authority.",
		      "no MTA-STS: who does not know DNSSEC sends to whoever answers");
	else if (c->sts_records > 1)
		found(j, FOUND_WRONG, "mta-sts", c->domain, "Leave one of them.", "%zu records: none counts (RFC 8461 3.1)",
		      c->sts_records);
	else if (c->sts_why.n)
		found(j, FOUND_WRONG, "mta-sts", c->domain,
		      "Serve the policy at https://mta-sts.DOMAIN/.well-known/mta-sts.txt, with a certificate that names that host.",
		      "the policy cannot be had: %.*s", VIEW_ARG(c->sts_why));
	else
		found(j, FOUND_GOOD, "mta-sts", c->domain, NULL, "the policy is %s, for %u s", sts_mode_name(c->sts.sts.mode),
		      c->sts.sts.max_age);
}

void check_tlsrpt(struct job *j)
{
	struct checker *c = j->c;
	struct tags tags;
	struct view text, rua;
	size_t n = 0;
	enum status st = check_txt(j, "_smtp._tls", "v=TLSRPTv1", "tlsrpt", &n, &text);

	if (st == ST_MISSING)
		found(j, c->facts && c->facts->f.reports.n ? FOUND_MISSING : FOUND_ADVICE, "tlsrpt", c->domain,
		      "Publish one, as `waxwing dns` prints it.", "nobody reports when TLS to the domain fails");
	if (st != ST_OK)
		return;
	rua = tags_parse(text, &tags) == ST_OK ? tags_value(&tags, "rua") : VIEW_NONE;
	if (n > 1)
		found(j, FOUND_WRONG, "tlsrpt", c->domain, "Leave one of them.", "%zu records: none counts (RFC 8460 3)", n);
	else if (!view_starts_i(rua, VIEW("mailto:")) && !view_starts_i(rua, VIEW("https:")))
		found(j, FOUND_WRONG, "tlsrpt", c->domain, "Let rua= be a mailto: or https: address.",
		      "nobody can tell where reports go");
	else
		found(j, FOUND_GOOD, "tlsrpt", c->domain, NULL, "reports go to %.*s", VIEW_ARG(rua));
}

/* ---- CAA ---- */

static bool knows_tag(struct view tag)
{
	static const char *const known[] = {
		"issue", "issuewild", "issuemail", "issuevmc", "iodef", "contactemail", "contactphone",
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (view_eq_i(tag, view_cstr(known[i])))
			return true;
	return false;
}

static void judge_caa(struct job *j, struct view name, const struct dns_answer *d)
{
	for (size_t i = 0; i < d->n; i++) {
		struct dns_caa caa;

		if (dns_read_caa(d->rdata[i], &caa) != ST_OK)
			found(j, FOUND_WRONG, "caa", name, "Write it anew.", "a record that nobody can read");
		else if (caa.flags & 0x80 && !knows_tag(caa.tag))
			found(j, FOUND_WRONG, "caa", name, "Take the critical flag off it, or write the tag right.",
			      "%.*s is critical, and no authority knows it: none may issue anything", VIEW_ARG(caa.tag));
		else
			found(j, FOUND_GOOD, "caa", name, NULL, "%.*s \"%.*s\"", VIEW_ARG(caa.tag), VIEW_ARG(view_head(caa.value, 200)));
	}
}

/* The nearest from the domain upward counts (RFC 8659 3). */
void check_caa(struct job *j)
{
	struct checker *c = j->c;
	struct view name = c->domain;

	while (name.n) {
		struct dns_answer d;

		if (dns_ask(checker_resolver(c), name, DNS_CAA, &c->arena, &d) != ST_OK)
			return;
		if (d.outcome == DNS_FOUND) {
			judge_caa(j, name, &d);
			return;
		}
		if (!dns_is_absent(&d)) {
			found(j, FOUND_UNKNOWN, "caa", name, "Authorities issue nothing while DNS fails here.", "DNS does not say: %.*s",
			      VIEW_ARG(d.why));
			return;
		}
		name = view_skip(name, view_find(name, '.') + 1);
	}
	found(j, FOUND_ADVICE, "caa", c->domain, "Name yours in publish.caa.",
	      "any authority may issue certificates for the domain");
}
