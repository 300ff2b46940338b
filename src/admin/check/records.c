/* records.c - what DNS says of the domain, beside what it should say. */
#include "admin/check/check.h"

#include "admin/dns/seen.h"
#include "trust/iprev.h"

enum { PEOPLE_ARENA = 256 * 1024 };

static const char publish[] = "Publish it: ";

void check_record(struct job *j)
{
	struct checker *c = j->c;
	const struct wanted *w = &c->wanted->list[j->i];
	const char *point = wanted_kind_row(w->kind)->word;
	struct buf mend = BUF(CHECK_TEXT * 4), data = BUF(CHECK_TEXT * 4);
	struct seen s;

	buf_puts(&mend, publish);
	wanted_line(w, c->facts->f.ttl, &mend);
	buf_putc(&mend, '\0');
	dns_rdata_text(w->type, w->rdata, &data);
	if (wanted_look(w, &c->facts->f, checker_resolver(c), &c->arena, &s) != ST_OK)
		found(j, FOUND_UNKNOWN, point, w->name, NULL, "too much to look at");
	else if (s.state == SEEN_GOOD)
		found(j, FOUND_GOOD, point, w->name, NULL, "%s %.*s, %s", dns_type_name(w->type),
		      VIEW_ARG(view_head(buf_view(&data), 200)), s.secure ? "secure" : "insecure");
	else if (s.state == SEEN_MISSING)
		found(j, FOUND_MISSING, point, w->name, mend.p, "no such %s record", dns_type_name(w->type));
	else if (s.state == SEEN_CONFLICT && (w->kind == WANTED_SPF || w->kind == WANTED_DMARC))
		found(j, FOUND_ADVICE, point, w->name, mend.p, "there is %.*s, which is judged below",
		      VIEW_ARG(view_head(s.other, 400)));
	else if (s.state == SEEN_CONFLICT)
		found(j, FOUND_WRONG, point, w->name, mend.p, "there is %.*s instead", VIEW_ARG(view_head(s.other, 400)));
	else
		found(j, FOUND_UNKNOWN, point, w->name, "Look whether the name servers of the domain answer, and validly.",
		      "DNS does not say: %.*s", VIEW_ARG(s.other));
	buf_free(&mend);
	buf_free(&data);
}

/* One after the other; what is good is said once for all. */
void check_people(struct job *j)
{
	struct checker *c = j->c;
	size_t good = 0, n = 0;

	for (size_t i = 0; c->wanted && i < c->wanted->n; i++) {
		const struct wanted *w = &c->wanted->list[i];
		struct arena a = ARENA(PEOPLE_ARENA);
		struct seen s = { .state = SEEN_UNKNOWN };

		if (w->kind != WANTED_SMIMEA)
			continue;
		n++;
		if (wanted_look(w, &c->facts->f, checker_resolver(c), &a, &s) == ST_OK && s.state == SEEN_GOOD)
			good++;
		else
			found(j, s.state == SEEN_UNKNOWN ? FOUND_UNKNOWN : FOUND_MISSING, "smimea", w->name,
			      "Publish it, as `waxwing dns` prints it.", "the certificate is not found there");
		arena_free(&a);
	}
	if (good)
		found(j, FOUND_GOOD, "smimea", c->domain, NULL, "%zu of %zu certificates of people are found", good, n);
}

void check_dnssec(struct job *j)
{
	struct checker *c = j->c;
	struct dns_answer d;

	if (dns_ask(checker_resolver(c), c->domain, DNS_SOA, &c->arena, &d) != ST_OK)
		return;
	if (d.outcome == DNS_BOGUS)
		found(j, FOUND_WRONG, "dnssec", c->domain,
		      "Renew the signatures, or let the zone above have the DS of a key that signs.",
		      "bogus: nobody who validates sees anything of the domain: %.*s", VIEW_ARG(d.why));
	else if (d.outcome == DNS_FAILED)
		found(j, FOUND_UNKNOWN, "dnssec", c->domain, "Look whether the name servers of the domain answer.",
		      "DNS gives no answer: %.*s", VIEW_ARG(d.why));
	else if (d.outcome == DNS_NO_NAME)
		found(j, FOUND_WRONG, "dnssec", c->domain, "Register it, or write it right.", "there is no such domain");
	else if (d.secure)
		found(j, FOUND_GOOD, "dnssec", c->domain, NULL, "the zone is signed, and proved from the root down");
	else
		found(j, ours_or_advice(c, FOUND_MISSING), "dnssec", c->domain,
		      "Let the name server sign the zone, and give its DS record to the registrar: DANE counts only then.",
		      "the zone is not signed: whoever is on the way may change what it says");
}

/* ---- the address's own name ---- */

static bool to_ip(const struct endpoint *e, struct spf_ip *ret)
{
	*ret = (struct spf_ip){ .v6 = e->family == AF_INET6 };
	memcpy(ret->bytes, e->address, ret->v6 ? 16 : 4);
	return e->family == AF_INET || e->family == AF_INET6;
}

void check_reverse(struct job *j)
{
	struct checker *c = j->c;
	const char *mend = "Let who gave you the address set its PTR record to the name of the host, whose address it is.";
	char text[SPF_IP_TEXT];
	struct view about;
	struct spf_ip ip;
	struct iprev i;

	if (!to_ip(j->what, &ip) || iprev_check(&ip, checker_resolver(c), &c->arena, &i) != ST_OK)
		return;
	spf_ip_text(&ip, text);
	about = view_cstr(text);
	if (i.result == IPREV_TEMPERROR)
		found(j, FOUND_UNKNOWN, "reverse", about, "Look whether the name servers of the reverse zone answer.",
		      "DNS does not say whose address it is");
	else if (i.result == IPREV_PERMERROR)
		found(j, ours_or_advice(c, FOUND_MISSING), "reverse", about, mend,
		      "the address has no name (PTR); many hosts take no letters from it");
	else if (i.result == IPREV_FAIL)
		found(j, ours_or_advice(c, FOUND_WRONG), "reverse", about, mend,
		      "its name %.*s does not lead back to it", VIEW_ARG(i.name));
	else if (c->facts && !view_eq_i(i.name, c->facts->f.host))
		found(j, FOUND_ADVICE, "reverse", about, mend, "its name is %.*s, but the host says %.*s in HELO",
		      VIEW_ARG(i.name), VIEW_ARG(c->facts->f.host));
	else
		found(j, FOUND_GOOD, "reverse", about, NULL, "its name %.*s leads back to it", VIEW_ARG(i.name));
}
