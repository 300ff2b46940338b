/* tls.c - waxwing tls switch: the host's next key becomes its key, once others
 * can know it (RFC 7671 8.1). */
#include "admin/dns/facts.h"
#include "admin/inspect.h"
#include "admin/instance.h"
#include "admin/tell.h"

#include "warden/keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, LOOK_ARENA = 1024 * 1024, NOTE_MAX = 256 };

/* What DNS says of the next key. */
enum said { SAID_IT, SAID_OTHERS, SAID_NONE, SAID_NOTHING };

static enum said look(const struct invocation *in, const struct conf *c, const unsigned char pin[PIN_SIZE],
		      uint32_t *ret_ttl)
{
	struct arena a = ARENA(LOOK_ARENA);
	struct buf name = BUF(DNS_TEXT_NAME_MAX);
	struct direct *d = NULL;
	struct dns_answer answer;
	enum said said = SAID_NOTHING;

	buf_putf(&name, "_%u._tcp.%s", (unsigned)c->relay_port, c->host_name);
	if (open_direct(in, &d) == ST_OK && dns_ask(direct_resolver(d), buf_view(&name), DNS_TLSA, &a, &answer) == ST_OK) {
		said = dns_is_absent(&answer) ? SAID_NONE : answer.outcome == DNS_FOUND ? SAID_OTHERS : SAID_NOTHING;
		*ret_ttl = answer.ttl;
	}
	for (size_t i = 0; said == SAID_OTHERS && i < answer.n; i++) {
		struct dns_tlsa t;

		if (dns_read_tlsa(answer.rdata[i], &t) == ST_OK && t.usage == 3 && t.selector == 1 && t.matching == 1 &&
		    view_eq(t.data, view_make((const char *)pin, PIN_SIZE)))
			said = SAID_IT;
	}
	direct_free(d);
	buf_free(&name);
	arena_free(&a);
	return said;
}

/* ---- since when: keys/next.seen has PIN and time ---- */

static wall_ms seen_since(const char *path, const unsigned char pin[PIN_SIZE])
{
	struct buf text = BUF(NOTE_MAX), want = BUF(NOTE_MAX);
	struct view rest;
	uint64_t at = 0;

	buf_put_hex(&want, pin, PIN_SIZE);
	buf_putc(&want, ' ');
	if (read_file(path, &text) == ST_OK && view_starts_i(buf_view(&text), buf_view(&want))) {
		rest = view_skip(buf_view(&text), want.n);
		if (!view_u64(view_head(rest, view_find(rest, '\n')), &at))
			at = 0;
	}
	buf_free(&text);
	buf_free(&want);
	return (wall_ms)at;
}

static enum status note_seen(const char *path, const unsigned char pin[PIN_SIZE], wall_ms now)
{
	struct buf text = BUF(NOTE_MAX);
	FILE *f = fopen(path, "we");
	bool good;

	buf_put_hex(&text, pin, PIN_SIZE);
	buf_putf(&text, " %lld\n", (long long)now);
	good = f && fwrite(text.p, 1, text.n, f) == text.n;
	if (f && fclose(f) != 0)
		good = false;
	buf_free(&text);
	return good ? ST_OK : ST_IO;
}

/* ---- the command ---- */

/* The next one after it. */
static int go_on(const struct invocation *in)
{
	enum status st = certificate_next(in->dir);

	if (st != ST_OK && st != ST_EXISTS)
		return complain("keys/next.pem", st, NULL);
	printf("The key that was next is the host's key from the next reload on (SIGHUP; systemctl reload waxwing).\n"
	       "A new next one is made: `waxwing dns` prints its record, and no longer that of the key before.\n");
	return DONE;
}

static int switch_now(const struct invocation *in, const char *seen)
{
	enum status st = certificate_switch(in->dir);

	if (st != ST_OK)
		return complain("keys/next.pem", st, NULL);
	(void)unlink(seen);
	return go_on(in);
}

static int wait_for(const struct conf *c, const char *seen, const unsigned char pin[PIN_SIZE], uint32_t ttl,
		    bool *ret_over)
{
	wall_ms since = seen_since(seen, pin), now = clock_wall();
	int64_t wait = (int64_t)ttl * 1000 > c->publish_ttl ? (int64_t)ttl * 1000 : c->publish_ttl;
	char until[RFC3339_SIZE];

	if (since == 0 || since > now) {
		since = now;
		if (note_seen(seen, pin, now) != ST_OK)
			return complain(seen, ST_IO, NULL);
	}
	*ret_over = now - since >= wait;
	if (*ret_over)
		return DONE;
	clock_rfc3339(since + wait, until);
	tell("DNS has its record, but others may remember the answer before for %lld s more: come again after %s",
	     (long long)((wait - (now - since) + 999) / 1000), until);
	return FAILED;
}

static int try_switch(struct invocation *in, const struct conf *c)
{
	char path[PATH_SIZE], seen[PATH_SIZE];
	unsigned char pin[PIN_SIZE];
	uint32_t ttl = 0;
	bool over = false;
	int done;

	snprintf(path, sizeof path, "%s/keys/next.pem", in->dir);
	snprintf(seen, sizeof seen, "%s/keys/next.seen", in->dir);
	if (pin_of_file(path, "", pin) != ST_OK) {
		enum status st = certificate_next(in->dir);

		if (st != ST_OK)
			return complain(path, st, NULL);
		tell("there was no next key; one is made. Publish its record (waxwing dns), and come again");
		return FAILED;
	}
	if (in->given[OPTION_yes])
		return switch_now(in, seen);
	switch (look(in, c, pin, &ttl)) {
	case SAID_IT:
		done = wait_for(c, seen, pin, ttl, &over);
		return over ? switch_now(in, seen) : done;
	case SAID_NONE:
		tell("DNS has no TLSA record of %s at all, so nobody goes by one; --yes switches at once", c->host_name);
		break;
	case SAID_OTHERS:
		tell("DNS does not have the record of the next key yet: publish it (waxwing dns), and come again");
		break;
	case SAID_NOTHING:
		tell("DNS does not say whether it has the record of the next key; nothing is switched");
		return FAILED;
	}
	(void)unlink(seen);
	return FAILED;
}

int cmd_tls_switch(struct invocation *in)
{
	struct conf c = { 0 };
	enum status st;
	int done = FAILED;

	if (!take_time(in))
		return WRONG_USE;
	if (instance_conf(in, &c) != ST_OK)
		return FAILED;
	st = certificate_finish(in->dir);
	if (c.tls_certificate[0])
		tell("tls.certificate names one of yours: keep its key when you renew it, or publish the next one's record before");
	else if (st == ST_OK)
		done = go_on(in);
	else if (st != ST_EXISTS)
		done = complain("keys", st, NULL);
	else
		done = try_switch(in, &c);
	conf_free(&c);
	return done;
}
