#include "conf/conf.h"

#include "ipc/route.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUE_MAX = 8192 };

#define S(key, field, type, def, least, most, doc) \
	{ key, SETTING_##type, offsetof(struct conf, field), def, least, most, doc },
static const struct setting table[] = {
#include "conf/settings.def"
};
#undef S
enum { TABLE_N = sizeof table / sizeof *table };

static const struct {
	const char *suffix;
	int64_t factor;
} size_units[] = { { "k", 1024 }, { "kb", 1024 }, { "m", 1048576 }, { "mb", 1048576 },
		   { "g", 1073741824 }, { "gb", 1073741824 }, { "", 1 } },
  time_units[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 },
		   { "d", 86400000 }, { "", 1000 } };

const struct setting *settings(size_t *ret_n)
{
	*ret_n = TABLE_N;
	return table;
}

static const struct setting *lookup(struct view key)
{
	for (size_t i = 0; i < TABLE_N; i++)
		if (view_eq(key, view_cstr(table[i].key)))
			return &table[i];
	return NULL;
}

static const char *nearest(struct view key)
{
	const char *best = table[0].key;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < TABLE_N; i++) {
		struct view k = view_cstr(table[i].key);
		size_t d = view_distance(key, k);

		/* The right name in the wrong section is near, too. */
		if (view_eq(view_skip(key, view_find(key, '.')), view_skip(k, view_find(k, '.'))))
			d = 1;

		if (d < least) {
			least = d;
			best = table[i].key;
		}
	}
	return best;
}

static bool parse_scaled(struct view v, enum setting_type type, int64_t *ret)
{
	size_t digits = 0;
	uint64_t n;
	struct view unit;
	int64_t factor = 0;

	while (digits < v.n && ascii_digit(v.p[digits]))
		digits++;
	if (!view_u64(view_head(v, digits), &n))
		return false;
	unit = view_trim(view_skip(v, digits));
	for (size_t i = 0; i < sizeof size_units / sizeof *size_units && type == SETTING_SIZE; i++)
		if (view_eq_i(unit, view_cstr(size_units[i].suffix)))
			factor = size_units[i].factor;
	for (size_t i = 0; i < sizeof time_units / sizeof *time_units && type == SETTING_TIME; i++)
		if (view_eq_i(unit, view_cstr(time_units[i].suffix)))
			factor = time_units[i].factor;
	if (type == SETTING_INT && unit.n == 0)
		factor = 1;
	return factor && !__builtin_mul_overflow((int64_t)n, factor, ret) && n <= INT64_MAX;
}

static bool parse_bool(struct view v, int64_t *ret)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < 4; i++) {
		if (view_eq_i(v, view_cstr(yes[i]))) {
			*ret = 1;
			return true;
		}
		if (view_eq_i(v, view_cstr(no[i]))) {
			*ret = 0;
			return true;
		}
	}
	return false;
}

static const char *const actions[] = {
	[ACTION_ACCEPT] = "accept", [ACTION_QUARANTINE] = "quarantine", [ACTION_REJECT] = "reject",
};

/* Or yes, which is to reject, and no. */
static bool parse_action(struct view v, int64_t *ret)
{
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (!view_eq_i(v, view_cstr(actions[i])))
			continue;
		*ret = (int64_t)i;
		return true;
	}
	if (!parse_bool(v, ret))
		return false;
	*ret = *ret ? ACTION_REJECT : ACTION_ACCEPT;
	return true;
}

static const char *wanted(enum setting_type type)
{
	static const char *const words[] = {
		[SETTING_INT] = "a whole number",
		[SETTING_SIZE] = "a number of bytes, as 4096, 64k, 50m or 1g",
		[SETTING_TIME] = "a time, as 500ms, 30s, 5min, 2h or 7d",
		[SETTING_BOOL] = "yes or no",
		[SETTING_ACTION] = "reject, quarantine or accept",
		[SETTING_TEXT] = "a text",
		[SETTING_LIST] = "addresses with ports, as \"0.0.0.0:25, [::]:25\"",
		[SETTING_TIMES] = "times, as \"5min, 30min, 2h\"",
		[SETTING_NETWORKS] = "networks, as \"192.0.2.0/24, 2001:db8::/48\"",
	};
	return words[type];
}

static enum status set_text(struct conf *c, const struct setting *s, struct view value)
{
	char **field = (char **)((char *)c + s->offset);
	char *copy = malloc(value.n + 1);

	if (copy == NULL)
		return ST_NOMEM;
	if (value.n)
		memcpy(copy, value.p, value.n);
	copy[value.n] = '\0';
	free(*field);
	*field = copy;
	return ST_OK;
}

static enum status set_number(struct conf *c, const struct setting *s, struct view value,
			      struct buf *why)
{
	int64_t n = 0;
	bool good = s->type == SETTING_BOOL   ? parse_bool(value, &n) :
		    s->type == SETTING_ACTION ? parse_action(value, &n) :
						parse_scaled(value, s->type, &n);

	if (!good) {
		buf_putf(why, "%s is \"%.*s\", but should be %s (default %s)", s->key,
			 VIEW_ARG(view_head(value, 80)), wanted(s->type), s->fallback);
		return ST_SYNTAX;
	}
	if (n < s->least || n > s->most) {
		buf_putf(why, "%s is %.*s, but should be between %lld and %lld (default %s)", s->key,
			 VIEW_ARG(view_head(value, 80)), (long long)s->least, (long long)s->most,
			 s->fallback);
		return ST_LIMIT;
	}
	*(int64_t *)((char *)c + s->offset) = n;
	return ST_OK;
}

/* "127.0.0.1:25" or "[::1]:25"; ret_loopback: nobody else can reach it. */
static bool parse_address(struct view v, bool *ret_loopback)
{
	unsigned char bytes[16];
	char host[64];
	size_t colon = v.n;
	uint64_t port;
	bool v6 = v.n && v.p[0] == '[';

	while (colon && v.p[colon - 1] != ':')
		colon--;
	if (colon == 0 || !view_u64(view_skip(v, colon), &port) || port > 65535)
		return false;
	v = view_head(v, colon - 1);
	if (v6 && v.p[v.n - 1] == ']')
		v = view_make(v.p + 1, v.n - 2);
	if (v.n == 0 || v.n >= sizeof host)
		return false;
	memcpy(host, v.p, v.n);
	host[v.n] = '\0';
	if (inet_pton(v6 ? AF_INET6 : AF_INET, host, bytes) != 1)
		return false;
	*ret_loopback = v6 ? IN6_IS_ADDR_LOOPBACK((struct in6_addr *)(void *)bytes) : bytes[0] == 127;
	return true;
}

uint16_t conf_port(const char *list)
{
	struct view rest = view_cstr(list), one = view_take_word(&rest);
	uint64_t port = 0;

	while (one.n && view_find(one, ':') < one.n)
		one = view_skip(one, view_find(one, ':') + 1);
	return view_u64(one, &port) ? (uint16_t)port : 0;
}

static enum status check_list(const struct setting *s, struct view list, struct buf *why)
{
	struct view one;
	bool loopback;

	while ((one = view_take_word(&list)).n) {
		if (parse_address(one, &loopback))
			continue;
		buf_putf(why, "%s has \"%.*s\", but should have addresses with ports, as \"0.0.0.0:25, [::]:25\"",
			 s->key, VIEW_ARG(view_head(one, 80)));
		return ST_SYNTAX;
	}
	return ST_OK;
}

static enum status check_sts(const struct conf *c, struct buf *why)
{
	static const char *const modes[] = { "none", "testing", "enforce" };

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (strcmp(c->sts_mode, modes[i]) == 0)
			return ST_OK;
	buf_putf(why, "sts.mode is \"%s\", but should be none, testing or enforce", c->sts_mode);
	return ST_SYNTAX;
}

/* What others are asked to do; "" where nothing is published. */
static enum status check_publish(const struct conf *c, struct buf *why)
{
	static const char *const policies[] = { "", "none", "quarantine", "reject" };

	for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
		if (strcmp(c->publish_dmarc, policies[i]) == 0)
			return ST_OK;
	buf_putf(why, "publish.dmarc is \"%s\", but should be none, quarantine, reject or empty", c->publish_dmarc);
	return ST_SYNTAX;
}

/* "system", or addresses with ports; or (zones) each with "ZONE=" before it. */
static enum status check_servers(const char *key, const char *value, bool zones, struct buf *why)
{
	struct view list = view_cstr(value), one;
	bool loopback;

	if (!zones && strcmp(value, "system") == 0)
		return ST_OK;
	while ((one = view_take_word(&list)).n) {
		size_t eq = zones ? view_find(one, '=') + 1 : 0;

		if ((!zones || eq > 1) && parse_address(view_skip(one, eq), &loopback))
			continue;
		buf_putf(why, "%s has \"%.*s\", but should have %s", key, VIEW_ARG(view_head(one, 80)),
			 zones ? "zones with servers, as \"corp.example=192.0.2.53:53\""
			       : "addresses with ports, as \"192.0.2.1:53, [2001:db8::1]:53\"");
		return ST_SYNTAX;
	}
	return ST_OK;
}

static enum status check_dns(const struct conf *c, struct buf *why)
{
	enum status st = check_servers("dns.forwarders", c->dns_forwarders, false, why);

	if (st == ST_OK)
		st = check_servers("testing.resolver", c->test_resolver, false, why);
	if (st == ST_OK)
		st = check_servers("dns.stubs", c->dns_stubs, true, why);
	return st;
}

static enum status check_routes(const struct conf *c, struct buf *why)
{
	struct route r;

	if (route_parse(view_cstr(c->relay_smarthost), &r) == ST_OK)
		return routes_check(view_cstr(c->relay_routes), why);
	buf_putf(why, "relay.smarthost is \"%s\", but should be as smtp://smart.example.net:587 or "
		 "smtps://smart.example.net", c->relay_smarthost);
	return ST_SYNTAX;
}

static enum status check_times(const struct setting *s, struct view list, struct buf *why)
{
	struct view one;
	int64_t ms;
	size_t n = 0;

	for (; (one = view_take_word(&list)).n; n++) {
		if (parse_scaled(one, SETTING_TIME, &ms) && ms > 0)
			continue;
		buf_putf(why, "%s has \"%.*s\", but should be %s (default %s)", s->key,
			 VIEW_ARG(view_head(one, 80)), wanted(SETTING_TIMES), s->fallback);
		return ST_SYNTAX;
	}
	if (n == 0)
		buf_putf(why, "%s is empty, but should be %s (default %s)", s->key, wanted(SETTING_TIMES), s->fallback);
	return n ? ST_OK : ST_SYNTAX;
}

int64_t conf_time_at(const char *times, size_t i)
{
	struct view list = view_cstr(times), one;
	int64_t ms = 0;

	for (size_t n = 0; n <= i && (one = view_take_word(&list)).n; n++)
		if (!parse_scaled(one, SETTING_TIME, &ms))
			break;
	return ms;
}

/* Passwords must not be read on the way. */
static enum status check_clear_text(const struct conf *c, struct buf *why)
{
	for (int service = 0; service < SERVICE_COUNT && c->login_clear_text; service++) {
		struct view list = view_cstr(c->listen[service]), one;
		bool loopback = true;

		/* Port 25 takes no logins; with TLS from the first byte nothing is clear. */
		if (service == SERVICE_SMTP || service == SERVICE_HTTP || service_implicit_tls((enum service)service))
			continue;
		while (loopback && (one = view_take_word(&list)).n)
			if (!parse_address(one, &loopback) || !loopback)
				break;
		if (loopback)
			continue;
		buf_putf(why, "login.clear_text is yes, but listen.%s has %.*s, which others can reach: anybody on the "
			 "way would read the passwords. Make login.clear_text no, or listen on 127.0.0.1 only",
			 service_name((enum service)service), VIEW_ARG(one));
		return ST_DENIED;
	}
	return ST_OK;
}

/* A setting that is one word of a few. */
static enum status check_word(const char *key, const char *value, const char *const *words, size_t n, struct buf *why)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(value, words[i]) == 0)
			return ST_OK;
	buf_putf(why, "%s is \"%s\", but should be", key, value);
	for (size_t i = 0; i < n; i++)
		buf_putf(why, "%s %s", i == 0 ? "" : i + 1 == n ? " or" : ",", words[i]);
	return ST_SYNTAX;
}

static enum status check_submission(const struct conf *c, struct buf *why)
{
	static const char *const from[] = { "own", "resent", "any" };
	static const char *const sender[] = { "granted", "always", "never" };
	static const char *const protect[] = { "off", "sign", "protect", "encrypt" };
	static const char *const unprotected[] = { "hold", "return" };
	enum status st = check_word("submission.from", c->submission_from, from, 3, why);

	if (st == ST_OK)
		st = check_word("submission.sender", c->submission_sender, sender, 3, why);
	if (st == ST_OK)
		st = check_word("submission.protect", c->submission_protect, protect, 4, why);
	return st == ST_OK ? check_word("submission.unprotected", c->submission_unprotected, unprotected, 2, why) : st;
}

static enum status check_acme(const struct conf *c, struct buf *why)
{
	static const char *const keys[] = { "both", "separate" };

	if (c->acme[0] == '\0' || view_starts_i(view_cstr(c->acme), VIEW("https://")))
		return check_word("smime.acme_keys", c->acme_keys, keys, 2, why);
	buf_putf(why, "smime.acme is \"%s\", but should be a URL of https", c->acme);
	return ST_SYNTAX;
}

/* What is cut off would be no setting at all in other processes. */
static enum status check_size(const struct conf *c, struct buf *why)
{
	struct buf text = BUF(CONF_TEXT_MAX);
	enum status st;

	conf_text(c, &text);
	st = buf_status(&text);
	buf_free(&text);
	if (st == ST_LIMIT)
		buf_putf(why, "all settings together are longer than %d bytes; the lists in them have to be shorter",
			 CONF_TEXT_MAX);
	return st;
}

enum status conf_check(const struct conf *c, struct buf *why)
{
	enum status st = check_size(c, why);

	if (st == ST_OK)
		st = check_clear_text(c, why);
	if (st == ST_OK)
		st = check_submission(c, why);
	if (st == ST_OK)
		st = check_sts(c, why);
	if (st == ST_OK)
		st = check_acme(c, why);
	if (st == ST_OK)
		st = check_publish(c, why);
	if (st == ST_OK)
		st = check_dns(c, why);
	if (st == ST_OK)
		st = conf_check_local(c, why);
	if (st == ST_OK)
		st = conf_check_issuers(c, why);
	return st == ST_OK ? check_routes(c, why) : st;
}

enum status conf_set(struct conf *c, struct view key, struct view value, struct buf *why)
{
	const struct setting *s = lookup(key);
	enum status st;

	if (s == NULL) {
		buf_putf(why, "unknown setting %.*s; the nearest known one is %s",
			 VIEW_ARG(view_head(key, 80)), nearest(view_head(key, 80)));
		return ST_MISSING;
	}
	if (s->type < SETTING_TEXT)
		return set_number(c, s, value, why);
	if (value.n > (size_t)s->most || memchr(value.n ? value.p : "", '\n', value.n)) {
		buf_putf(why, "%s is too long or has line breaks; at most %lld bytes", s->key,
			 (long long)s->most);
		return ST_LIMIT;
	}
	st = s->type == SETTING_LIST	 ? check_list(s, value, why) :
	     s->type == SETTING_TIMES	 ? check_times(s, value, why) :
	     s->type == SETTING_NETWORKS ? conf_check_networks(s->key, value, why) :
					   ST_OK;
	return st == ST_OK ? set_text(c, s, value) : st;
}

enum status conf_defaults(struct conf *c)
{
	struct buf why = BUF(VALUE_MAX);
	enum status st = ST_OK;

	for (size_t i = 0; i < TABLE_N && st == ST_OK; i++)
		st = conf_set(c, view_cstr(table[i].key), view_cstr(table[i].fallback), &why);
	buf_free(&why);
	return st;
}

void conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < TABLE_N; i++)
		if (table[i].type >= SETTING_TEXT)
			free(*(char **)((char *)c + table[i].offset));
	free(c->dir);
	*c = (struct conf){ 0 };
}

void conf_reports_from(const struct conf *c, struct buf *out)
{
	if (c->reports_from[0])
		buf_puts(out, c->reports_from);
	else
		buf_putf(out, "postmaster@%s", c->host_name);
}

bool conf_demands_tls(const struct conf *c, enum service service)
{
	struct view left = view_cstr(c->tls_demand_of);

	while (left.n) {
		size_t n = view_find(left, ' ');

		if (view_eq(view_head(left, n), view_cstr(service_name(service))))
			return true;
		left = view_skip(left, n + 1);
	}
	return false;
}

void conf_text(const struct conf *c, struct buf *out)
{
	buf_putf(out, "%s\n", c->dir);
	for (size_t i = 0; i < TABLE_N; i++) {
		const char *at = (const char *)c + table[i].offset;

		buf_putf(out, "%s=", table[i].key);
		if (table[i].type >= SETTING_TEXT)
			buf_puts(out, *(char *const *)at);
		else if (table[i].type == SETTING_ACTION)
			buf_puts(out, actions[*(const int64_t *)at]);
		else if (table[i].type == SETTING_TIME)
			buf_putf(out, "%lldms", (long long)*(const int64_t *)at);
		else
			buf_putf(out, "%lld", (long long)*(const int64_t *)at);
		buf_putc(out, '\n');
	}
}

enum status conf_take(struct view text, struct conf *ret_conf)
{
	struct conf c = { 0 };
	struct buf why = BUF(VALUE_MAX);
	size_t eol = view_find(text, '\n');
	enum status st = ST_OK;

	c.dir = strndup(text.p ? text.p : "", eol);
	if (c.dir == NULL)
		return ST_NOMEM;
	text = view_skip(text, eol + 1);
	while (st == ST_OK && text.n) {
		struct view line = view_head(text, view_find(text, '\n'));
		size_t eq = view_find(line, '=');

		st = conf_set(&c, view_head(line, eq), view_skip(line, eq + 1), &why);
		text = view_skip(text, line.n + 1);
	}
	buf_free(&why);
	if (st != ST_OK) {
		conf_free(&c);
		return st;
	}
	*ret_conf = c;
	return ST_OK;
}
