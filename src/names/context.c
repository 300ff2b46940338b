#include "names/context.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>
#include <unistd.h>

/* From Debian's dns-root-data.  The package brings new keys long before they
 * sign (RFC 5011 needs a file that the process may write, which it has not). */
#define ROOT_ANCHOR "/usr/share/dns/root.key"
#define ROOT_HINTS "/usr/share/dns/root.hints"

enum { ADDRESS_MAX = 80, CLASS_IN = 1 };

static enum status option(struct context *c, const char *name, const char *value, struct buf *why)
{
	int rc = ub_ctx_set_option(c->ub, name, value);

	if (rc == 0)
		return ST_OK;
	buf_putf(why, "libunbound does not take %s %s: %s", name, value, ub_strerror(rc));
	return rc == UB_NOMEM ? ST_NOMEM : ST_SYNTAX;
}

/* What differs from libunbound's defaults, and why. */
static const struct {
	const char *name, *value;
} options[] = {
	/* Answers without what nobody asked for are shorter to read. */
	{ "minimal-responses:", "yes" },
	/* A signed zone that cannot be validated is bogus, whatever is said of
	 * its algorithms (RFC 4035 5.2). */
	{ "harden-dnssec-stripped:", "yes" },
	{ "harden-below-nxdomain:", "yes" },	/* RFC 8020 */
	{ "harden-referral-path:", "no" },
	{ "aggressive-nsec:", "yes" },		/* RFC 8198 */
	{ "qname-minimisation:", "yes" },	/* RFC 9156 */
	/* A failure is asked again after this many seconds, not after 60: a
	 * letter waits for it. */
	{ "val-bogus-ttl:", "10" },
	{ "cache-max-negative-ttl:", "3600" },
	{ "outgoing-range:", "1024" },
	{ "outgoing-num-tcp:", "64" },
	{ "use-syslog:", "no" },
	{ "verbosity:", "0" },
};

static enum status set_options(struct context *c, const struct lookup_settings *s, struct buf *why)
{
	enum status st = ST_OK;
	char bytes[24];

	for (size_t i = 0; i < sizeof options / sizeof *options && st == ST_OK; i++)
		st = option(c, options[i].name, options[i].value, why);
	snprintf(bytes, sizeof bytes, "%lld", (long long)s->cache * 2 / 3);
	if (st == ST_OK)
		st = option(c, "rrset-cache-size:", bytes, why);
	snprintf(bytes, sizeof bytes, "%lld", (long long)s->cache / 3);
	if (st == ST_OK)
		st = option(c, "msg-cache-size:", bytes, why);
	return st;
}

/* libunbound has a clock of its own; it must agree with ours about what has
 * expired. */
static enum status set_time(struct context *c, const struct lookup_settings *s, struct buf *why)
{
	char seconds[24];
	wall_ms at;

	if (s->time[0] == '\0')
		return ST_OK;
	if (clock_parse_rfc3339(view_cstr(s->time), &at) != ST_OK) {
		buf_putf(why, "testing.time: \"%.60s\" is no time", s->time);
		return ST_SYNTAX;
	}
	snprintf(seconds, sizeof seconds, "%lld", (long long)at / 1000);
	return option(c, "val-override-date:", seconds, why);
}

/* ---- where to ask ---- */

/* "192.0.2.1:53" or "[2001:db8::1]:53" -> "192.0.2.1@53". */
static bool unbound_address(struct view v, char out[ADDRESS_MAX])
{
	size_t colon = v.n;
	struct view host, port;

	while (colon && v.p[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return false;
	port = view_skip(v, colon);
	host = view_head(v, colon - 1);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = view_make(host.p + 1, host.n - 2);
	return host.n && port.n &&
	       snprintf(out, ADDRESS_MAX, "%.*s@%.*s", VIEW_ARG(host), VIEW_ARG(port)) < ADDRESS_MAX;
}

static enum status bad_address(const char *setting, struct view word, struct buf *why)
{
	buf_putf(why, "%s has \"%.*s\", but should have ADDRESS:PORT", setting,
		 VIEW_ARG(view_head(word, 80)));
	return ST_SYNTAX;
}

static enum status forward(struct context *c, const char *setting, struct view list, struct buf *why)
{
	char address[ADDRESS_MAX];
	struct view word;

	while ((word = view_take_word(&list)).n)
		if (!unbound_address(word, address) || ub_ctx_set_fwd(c->ub, address) != 0)
			return bad_address(setting, word, why);
	return ST_OK;
}

/* "ZONE=ADDRESS:PORT" */
static enum status stubs(struct context *c, struct view list, struct buf *why)
{
	char address[ADDRESS_MAX], zone[DNS_NAME_MAX + 2];
	struct view word;

	while ((word = view_take_word(&list)).n) {
		size_t eq = view_find(word, '=');

		snprintf(zone, sizeof zone, "%.*s", VIEW_ARG(view_head(word, eq)));
		if (eq == word.n || eq == 0 || eq > DNS_NAME_MAX ||
		    !unbound_address(view_skip(word, eq + 1), address) ||
		    ub_ctx_set_stub(c->ub, zone, address, 0) != 0) {
			buf_putf(why, "dns.stubs has \"%.*s\", but should have ZONE=ADDRESS:PORT",
				 VIEW_ARG(view_head(word, 80)));
			return ST_SYNTAX;
		}
	}
	return ST_OK;
}

static enum status set_servers(struct context *c, const struct lookup_settings *s, struct buf *why)
{
	enum status st = ST_OK;

	if (s->resolver[0]) {
		st = forward(c, "testing.resolver", view_cstr(s->resolver), why);
	} else if (strcmp(s->forwarders, "system") == 0) {
		if (ub_ctx_resolvconf(c->ub, NULL) != 0) {
			buf_puts(why, "dns.forwarders is system, but /etc/resolv.conf cannot be read");
			st = ST_MISSING;
		}
	} else if (s->forwarders[0]) {
		st = forward(c, "dns.forwarders", view_cstr(s->forwarders), why);
	} else if (access(ROOT_HINTS, R_OK) == 0) {
		st = option(c, "root-hints:", ROOT_HINTS, why);
	}
	if (st == ST_OK)
		st = stubs(c, view_cstr(s->stubs), why);
	/* A server of ours may be on loopback; a stranger's may not. */
	if (st == ST_OK && (s->resolver[0] || s->forwarders[0] || s->stubs[0]))
		st = option(c, "do-not-query-localhost:", "no", why);
	return st;
}

/* How many keys a file of anchors names.  libunbound takes an empty one, and
 * then everything would be insecure, and nobody would notice. */
static int count_anchors(FILE *f)
{
	char line[4096];
	int n = 0;

	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, ";")] = '\0';
		if (strstr(line, "DNSKEY") || strstr(line, "DS"))
			n++;
	}
	return n;
}

static enum status set_anchor(struct context *c, const struct lookup_settings *s, struct buf *why)
{
	const char *file = s->anchor[0] ? s->anchor : ROOT_ANCHOR;
	FILE *f = fopen(file, "re");
	int n;

	if (f == NULL) {
		buf_putf(why, "the DNSSEC trust anchor %s cannot be read%s", file,
			 s->anchor[0] ? "" : "; it comes with the package dns-root-data");
		return ST_MISSING;
	}
	n = count_anchors(f);
	fclose(f);
	if (n && ub_ctx_add_ta_file(c->ub, file) == 0)
		return ST_OK;
	buf_putf(why, "%s is no DNSSEC trust anchor: it has no DS and no DNSKEY record", file);
	return ST_SYNTAX;
}

/* Zones that libunbound would answer itself (RFC 6303, 6761): where a server
 * is named for them or for everything, it knows better. */
static enum status set_local_zones(struct context *c, const struct lookup_settings *s)
{
	static const char *const zones[] = {
		"127.in-addr.arpa.", "10.in-addr.arpa.", "168.192.in-addr.arpa.", "254.169.in-addr.arpa.",
		"d.f.ip6.arpa.", "8.e.f.ip6.arpa.", "9.e.f.ip6.arpa.", "a.e.f.ip6.arpa.",
		"b.e.f.ip6.arpa.", "test.",
	};
	char net[32];

	if (!s->resolver[0] && !s->forwarders[0] && !s->stubs[0])
		return ST_OK;
	for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
		if (ub_ctx_zone_remove(c->ub, zones[i]) != 0)
			return ST_NOMEM;
	for (int i = 16; i < 32; i++) {
		snprintf(net, sizeof net, "%d.172.in-addr.arpa.", i);
		if (ub_ctx_zone_remove(c->ub, net) != 0)
			return ST_NOMEM;
	}
	return ST_OK;
}

/* ---- opening ---- */

static void note(void *arg, int rcode, void *packet, int n, int sec, char *why, int limited)
{
	(void)packet;
	(void)n;
	(void)sec;
	(void)why;
	(void)limited;
	*(bool *)arg = rcode == 0;
}

/* libunbound reads its files at the first question.  localhost it answers
 * itself (RFC 6761 6.3), so this asks nobody. */
static enum status first_question(struct context *c, struct buf *why)
{
	bool answered = false;
	int rc = ub_resolve_event(c->ub, "localhost.", DNS_A, CLASS_IN, &answered, note, NULL);

	if (rc == 0 && answered)
		return ST_OK;
	buf_putf(why, "libunbound does not start: %s", rc ? ub_strerror(rc) : "no answer for localhost");
	return rc == UB_NOMEM ? ST_NOMEM : ST_SYNTAX;
}

enum status context_open(struct context *c, const struct lookup_settings *s, struct loop *l, struct buf *why)
{
	enum status st;

	events_init(&c->events, l);
	c->ub = ub_ctx_create_ub_event(&c->events.base);
	if (c->ub == NULL)
		return ST_NOMEM;
	ub_ctx_debugout(c->ub, NULL);	/* libraries do not log */
	st = set_options(c, s, why);
	if (st == ST_OK)
		st = set_time(c, s, why);
	if (st == ST_OK)
		st = set_servers(c, s, why);
	if (st == ST_OK)
		st = set_anchor(c, s, why);
	if (st == ST_OK)
		st = set_local_zones(c, s);
	if (st == ST_OK)
		st = first_question(c, why);
	if (st != ST_OK)
		context_close(c);
	return st;
}

void context_close(struct context *c)
{
	if (c->ub)
		ub_ctx_delete(c->ub);
	c->ub = NULL;
}

enum status context_ask(struct context *c, const char *name, uint16_t type, void *arg,
			ub_event_callback_type call)
{
	return ub_resolve_event(c->ub, name, type, CLASS_IN, arg, call, NULL) == 0 ? ST_OK : ST_NOMEM;
}
