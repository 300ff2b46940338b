/* break.c - waxwing lab break and mend: one mechanism at a time. */
#include "admin/lab/lab.h"

#include "admin/listing.h"
#include "admin/tell.h"

#include <stdio.h>
#include <string.h>

/* What has to be done so that a change is seen. */
enum { IN_DNS = 1, IN_SETTINGS = 2, IN_PROCESS = 4, NEW_KEY = 8, SILENCE = 16, OF_SENDER = 32, CERTIFICATE = 64 };

static const struct mechanism {
	const char *name;
	unsigned how;
	const char *done;	/* what is changed; %s is the domain */
	const char *so;		/* what others will then do, and where that is written */
} mechanisms[] = {
	{ "dane", IN_DNS, "the TLSA record of %s is that of a key which its host does not have",
	  "whoever checks DANE finds no record that fits, and sends nothing: the letter waits (RFC 7672 2.2)" },
	{ "tlsa-rollover", IN_DNS | NEW_KEY, "the host of %s has a new key, and nobody told DNS",
	  "as with dane. The record of the next key must be published before it is used (RFC 7671 8.1)" },
	{ "dnssec", IN_DNS, "the DS record of %s, in the zone above, fits none of its keys",
	  "all that DNS says of the domain is bogus: nothing of it is used and the letter waits (RFC 4035 5.5)" },
	{ "unsigned", IN_DNS, "the zone above has no DS record of %s any more",
	  "the zone is insecure, TLSA in it counts nothing (RFC 7672 2.1.1): what is left is MTA-STS, and an authority's word" },
	{ "mta-sts", IN_DNS | CERTIFICATE, "%s has no TLSA records, only an MTA-STS policy, and nobody known has issued its host's certificate",
	  "the policy asks for a certificate of an authority, so whoever heeds it sends nothing: the letter waits (RFC 8461 5)" },
	{ "starttls", IN_SETTINGS, "the host of %s does not offer STARTTLS, as if somebody on the way had cut it out",
	  "with DANE the letter waits (RFC 7672 2.2); without, it would go in clear, and who listens reads it" },
	{ "mx", IN_DNS, "the MX record of %s names a host that does not exist",
	  "there is nowhere to go (RFC 5321 5.1)" },
	{ "null-mx", IN_DNS, "the MX record of %s says that it takes no mail",
	  "the letter comes back at once, and does not wait for days (RFC 7505 3)" },
	{ "gone", IN_DNS, "the zone above does not know %s any more",
	  "DNSSEC proves that there is no such domain: the letter comes back (RFC 8020)" },
	{ "dns", SILENCE, "the name server is silent; that is so for all domains",
	  "silence is no answer: nothing is known, the letter waits (RFC 5321 5.1)" },
	{ "spf", IN_DNS | OF_SENDER, "the SPF record of %s names no host any more",
	  "SPF fails for its letters; DMARC passes all the same, by DKIM, which does not ask who brings a letter (RFC 9989 4.4)" },
	{ "dkim", IN_DNS | OF_SENDER, "the DKIM records of %s are of keys which its host does not have",
	  "no signature of its fits; DMARC passes all the same, by SPF, until somebody sends the letter on (RFC 9989 4.4)" },
	{ "dmarc", IN_DNS | OF_SENDER, "neither SPF nor DKIM of %s holds",
	  "nothing proves the author, and his domain asks for rejection: the letter comes back (RFC 9989 4.8)" },
	{ "smimea", IN_DNS, "the SMIMEA records of everybody at %s are gone",
	  "nobody who does not know them yet finds their certificates: a letter to them cannot be encrypted (RFC 8162 4)" },
	{ "host", IN_PROCESS, "the host of %s does not run",
	  "nobody answers the connection: the letter waits, and is tried again (RFC 5321 4.5.4.1)" },
};
enum { MECHANISMS = sizeof mechanisms / sizeof *mechanisms };

static const struct mechanism *find(const char *name)
{
	for (size_t i = 0; i < MECHANISMS; i++)
		if (strcmp(mechanisms[i].name, name) == 0)
			return &mechanisms[i];
	return NULL;
}

/* ---- making it so ---- */

static void apply_process(const struct lab *l)
{
	const struct lab_place *p;

	for (size_t i = 0; (p = lab_place(i)) != NULL; i++) {
		if (lab_is_broken(l, "host", p->domain))
			instance_stop(l, p);
		else if (instance_start(l, p) != ST_OK)
			continue;	/* it has said why */
	}
}

static bool is_silent(const struct lab *l)
{
	const struct lab_place *p;

	for (size_t i = 0; (p = lab_place(i)) != NULL; i++)
		if (lab_is_broken(l, "dns", p->domain))
			return true;
	return false;
}

void mechanisms_apply(const struct lab *l)
{
	knot_pause(l, is_silent(l));
}

static enum status apply(struct lab *l, unsigned how, const struct lab_place *p)
{
	const struct lab_place *each;
	enum status st = ST_OK;

	knot_pause(l, false);
	if (how & NEW_KEY && lab_is_broken(l, "tlsa-rollover", p->domain))
		st = instance_new_key(l, p);
	if (st == ST_OK && how & CERTIFICATE)
		st = instance_certify(l, p);
	if (st == ST_OK && how & IN_SETTINGS)
		st = instance_configure(l, p);
	if (st == ST_OK && how & IN_SETTINGS)
		instance_reload(l, p);
	/* Not by a reload: tickets of the old key would still be good, and a session that is
	 * resumed shows no certificate (RFC 8446 2.2). */
	if (st == ST_OK && how & (NEW_KEY | CERTIFICATE)) {
		instance_stop(l, p);
		st = instance_start(l, p);
	}
	if (st == ST_OK && how & IN_PROCESS)
		apply_process(l);
	if (st == ST_OK && how & IN_DNS) {
		st = lab_write_zones(l);
		if (st == ST_OK)
			st = knot_reload(l);
	}
	/* Nobody shall answer out of his memory. */
	for (size_t i = 0; (each = lab_place(i)) != NULL && how & (IN_DNS | SILENCE); i++)
		instance_forget_dns(l, each);
	mechanisms_apply(l);
	return st == ST_OK ? lab_save(l) : st;
}

/* ---- the list of what is broken ---- */

static void add(struct lab *l, const char *what, const char *domain)
{
	if (!lab_is_broken(l, what, domain))
		json_array_append_new(l->broken, json_pack("{s:s, s:s}", "what", what, "domain", domain));
}

/* What is wanted goes; NULL is everything. */
static unsigned drop(struct lab *l, const char *what, const char *domain)
{
	unsigned how = 0;

	for (size_t i = json_array_size(l->broken); i-- > 0;) {
		const json_t *one = json_array_get(l->broken, i);
		const char *its = json_string_value(json_object_get(one, "what"));

		if ((what && strcmp(its, what) != 0) ||
		    (domain && strcmp(json_string_value(json_object_get(one, "domain")), domain) != 0))
			continue;
		how |= find(its) ? find(its)->how : 0;
		json_array_remove(l->broken, i);
	}
	return how;
}

/* ---- the commands ---- */

static void list_mechanisms(void)
{
	fputs("waxwing: these can be broken:\n", stderr);
	for (size_t i = 0; i < MECHANISMS; i++) {
		fprintf(stderr, "  %-14s ", mechanisms[i].name);
		fprintf(stderr, "%s\n", mechanisms[i].so);
	}
}

/* The place that the second argument names; without one it is whoever of the
 * two of `lab send` has the mechanism. */
static const struct lab_place *place_of(const struct invocation *in, const struct mechanism *m)
{
	const char *usual = m && m->how & OF_SENDER ? "bar.com" : "foo.com";
	const struct lab_place *p = lab_place_of(view_cstr(in->n > 1 ? in->args[1] : usual));

	if (p == NULL)
		tell("%s is no domain of the lab; `waxwing lab status` lists them", in->args[1]);
	return p;
}

static int report(const struct invocation *in, const struct lab *l, const struct mechanism *m,
		  const struct lab_place *p)
{
	char done[512];
	json_t *o;

	/* Our own text of the table above, with one %s. */
	snprintf(done, sizeof done, "%.*s%s%s", (int)strcspn(m->done, "%"), m->done, strchr(m->done, '%') ? p->domain : "",
		 strchr(m->done, '%') ? strchr(m->done, '%') + 2 : "");
	if (in->given[OPTION_json]) {
		o = json_pack("{s:s, s:s, s:s, s:s, s:O}", "what", m->name, "domain", p->domain, "done", done, "so",
			      m->so, "broken", l->broken);
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
		return DONE;
	}
	printf("Broken: %s.\nSo:     %s.\n\n  waxwing lab send                see it happen\n"
	       "  waxwing lab mend %-14s it is as before\n", done, m->so, m->name);
	return DONE;
}

int cmd_lab_break(struct invocation *in)
{
	const struct mechanism *m = find(in->args[0]);
	const struct lab_place *p = m ? place_of(in, m) : NULL;
	struct lab l;
	int done = FAILED;

	if (m == NULL)
		list_mechanisms();
	if (p == NULL)
		return WRONG_USE;
	if (!p->modern && (m->how & (NEW_KEY | OF_SENDER | CERTIFICATE) || strcmp(m->name, "dane") == 0)) {
		tell("%s has no %s that could be broken", p->domain, m->name);
		return FAILED;
	}
	if (lab_open(in, &l) == ST_OK) {
		add(&l, m->name, p->domain);
		if (apply(&l, m->how, p) == ST_OK)
			done = report(in, &l, m, p);
	}
	lab_close(&l);
	return done;
}

static enum status mend(struct lab *l, const char *what, const struct lab_place *only)
{
	const struct lab_place *p;
	enum status st = ST_OK;

	for (size_t i = 0; (p = lab_place(i)) != NULL && st == ST_OK; i++) {
		unsigned how = only && p != only ? 0 : drop(l, what, p->domain);

		if (how)
			st = apply(l, how, p);
	}
	for (size_t i = 0; (p = lab_place(i)) != NULL && st == ST_OK; i++)
		instance_flush_queue(l, p);
	return st;
}

int cmd_lab_mend(struct invocation *in)
{
	const char *what = in->n && strcmp(in->args[0], "all") != 0 ? in->args[0] : NULL;
	const struct lab_place *only = in->n > 1 ? place_of(in, NULL) : NULL;
	struct lab l;
	int done = FAILED;

	if (what && find(what) == NULL)
		list_mechanisms();
	if ((what && find(what) == NULL) || (in->n > 1 && only == NULL))
		return WRONG_USE;
	if (lab_open(in, &l) == ST_OK && mend(&l, what, only) == ST_OK) {
		done = DONE;
		if (in->given[OPTION_json]) {
			json_dumpf(l.broken, stdout, JSON_COMPACT);
			putchar('\n');
		} else {
			puts(json_array_size(l.broken) ? "Mended; `waxwing lab status` shows what is broken still."
						       : "All is whole.");
		}
	}
	lab_close(&l);
	return done;
}
