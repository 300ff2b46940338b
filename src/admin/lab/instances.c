/* instances.c - the mail systems of the lab: each a whole one, in its folder. */
#include "admin/lab/lab.h"

#include "admin/dns/facts.h"
#include "admin/inspect.h"
#include "admin/instance.h"
#include "admin/tell.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 64 * 1024, WAIT_TRIES = 1000, WAIT_MS = 10 };

/* ---- settings ---- */

/* waxwing.conf has its settings in sections, which must stand together. */
struct conf_text {
	struct buf text;
	char section[32];
};

static void put_setting(struct conf_text *c, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void put_setting(struct conf_text *c, const char *key, const char *fmt, ...)
{
	struct view section = view_head(view_cstr(key), view_find(view_cstr(key), '.'));
	char value[LAB_PATH + 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	if (!view_eq(section, view_cstr(c->section))) {
		buf_putf(&c->text, "%s%.*s = {\n", c->section[0] ? "};\n" : "", VIEW_ARG(section));
		snprintf(c->section, sizeof c->section, "%.*s", VIEW_ARG(section));
	}
	buf_putf(&c->text, "\t%s = \"%s\";\n", key + section.n + 1, value);
}

static const struct {
	const char *key;
	int port;
} listeners[] = {
	{ "listen.smtp", LAB_SMTP_PORT }, { "listen.submission", 2587 }, { "listen.submissions", LAB_SUBMISSIONS_PORT },
	{ "listen.imap", 2143 },	  { "listen.imaps", LAB_IMAPS_PORT },	  { "listen.pop3", 2110 },
	{ "listen.pop3s", 2995 },
};

static bool offers_starttls(const struct lab *l, const struct lab_place *p)
{
	return p->modern && !lab_is_broken(l, "starttls", p->domain);
}

enum status instance_configure(const struct lab *l, const struct lab_place *p)
{
	struct conf_text c = { .text = BUF(TEXT_MAX) };
	char path[LAB_PATH], address[LAB_ADDRESS], dns[LAB_ADDRESS];
	enum status st;

	lab_address(l, p->number, address);
	buf_puts(&c.text, "# written by `waxwing lab`; changes are lost\n");
	put_setting(&c, "host.name", "%s", p->mail);
	put_setting(&c, "host.doors", "1");
	put_setting(&c, "host.relays", "1");
	for (size_t i = 0; i < sizeof listeners / sizeof *listeners; i++)
		put_setting(&c, listeners[i].key, "%s:%d", address, listeners[i].port);
	put_setting(&c, "listen.http", "%s", "");
	if (p->modern)
		put_setting(&c, "listen.https", "%s:%d", address, LAB_HTTPS_PORT);
	else
		put_setting(&c, "listen.https", "%s", "");
	put_setting(&c, "sts.mode", "%s", p->modern ? "enforce" : "none");
	put_setting(&c, "smtp.starttls", "%s", offers_starttls(l, p) ? "yes" : "no");
	put_setting(&c, "dns.forwarders", "%s:%d", lab_address(l, 1, dns), LAB_DNS_PORT);
	put_setting(&c, "dns.trust_anchor", "%s", lab_path(l, path, "dns/anchor"));
	put_setting(&c, "dns.timeout", "3s");
	put_setting(&c, "relay.port", "%d", LAB_SMTP_PORT);
	put_setting(&c, "relay.source4", "%s", address);
	put_setting(&c, "relay.ipv6", "no");
	put_setting(&c, "relay.connect_timeout", "5s");
	put_setting(&c, "relay.sts_port", "%d", LAB_HTTPS_PORT);
	put_setting(&c, "relay.authorities", "%s", lab_path(l, path, "authority.pem"));
	/* Each letter looks anew: what was broken a moment ago is to be seen. */
	put_setting(&c, "relay.idle", "0");
	/* All of the lab comes from this machine. */
	put_setting(&c, "trust.check_loopback", "yes");
	put_setting(&c, "dkim.sign", "%s", p->modern ? "yes" : "no");
	put_setting(&c, "queue.retry", "10s");
	put_setting(&c, "log.dialog", "yes");
	put_setting(&c, "publish.ttl", "60s");
	put_setting(&c, "publish.dmarc", "reject");
	put_setting(&c, "publish.caa", "authority.lab.invalid");
	buf_puts(&c.text, "};\n");
	st = lab_write(lab_path(l, path, "%s/waxwing.conf", p->domain), &c.text);
	buf_free(&c.text);
	return st;
}

/* ---- making ---- */

static enum status waxwing(const struct lab *l, const struct lab_place *p, const char *const *words,
			   struct view input)
{
	struct buf out = BUF(TEXT_MAX);
	char dir[LAB_PATH];
	enum status st = run_waxwing(lab_path(l, dir, "%s", p->domain), words, input, &out);

	if (st != ST_OK)
		tell("waxwing %s for %s: %.*s", words[0], p->domain, VIEW_ARG(buf_view(&out)));
	buf_free(&out);
	return st;
}

static enum status set_up(const struct lab *l, const struct lab_place *p)
{
	const char *const words[] = { "setup", p->domain, NULL };

	return waxwing(l, p, words, VIEW_NONE);
}

/* Passwords that everybody knows need not be hashed. */
static enum status add_people(const struct lab *l, const struct lab_place *p)
{
	static const char *const words[] = { "account", "import", "-", NULL };
	static const char *const certificates[] = { "cert", "renew", "--all", NULL };
	struct buf lines = BUF(TEXT_MAX);
	enum status st;

	for (size_t i = 0; i < LAB_PEOPLE && p->people[i]; i++)
		buf_putf(&lines, "%s {PLAIN}%s\n", p->people[i], LAB_PASSWORD);
	st = waxwing(l, p, words, buf_view(&lines));
	buf_free(&lines);
	return st == ST_OK && p->modern ? waxwing(l, p, certificates, VIEW_NONE) : st;
}

enum status instance_make(const struct lab *l, const struct lab_place *p)
{
	char path[LAB_PATH];
	bool fresh = access(lab_path(l, path, "%s/directory/directory.db", p->domain), F_OK) != 0;
	enum status st;

	if (mkdir(lab_path(l, path, "%s", p->domain), 0711) == 0 && chmod(path, 0711) != 0)
		return ST_IO;
	st = instance_configure(l, p);
	if (st == ST_OK)
		st = set_up(l, p);
	if (st == ST_OK)
		st = instance_certify(l, p);
	return st == ST_OK && fresh ? add_people(l, p) : st;
}

/* ---- its key ---- */

enum status instance_certify(const struct lab *l, const struct lab_place *p)
{
	return p->modern ? authority_certify(l, p, !lab_is_broken(l, "mta-sts", p->domain)) : ST_OK;
}

enum status instance_new_key(const struct lab *l, const struct lab_place *p)
{
	char path[LAB_PATH];

	if (unlink(lab_path(l, path, "%s/keys/tls.pem", p->domain)) != 0)
		return ST_IO;
	if (set_up(l, p) != ST_OK)
		return ST_IO;
	return instance_certify(l, p);
}

/* Usage 3, selector 1, matching type 1 (RFC 7671 5.1). */
static enum status tlsa_of(const char *certificate, struct buf *out)
{
	unsigned char digest[PIN_SIZE];
	enum status st = pin_of_file(certificate, "", digest);

	if (st != ST_OK)
		return st;
	buf_puts(out, "3 1 1 ");
	buf_put_hex(out, digest, sizeof digest);
	return buf_status(out);
}

enum status instance_published(const struct lab *l, const struct lab_place *p, struct buf *out)
{
	char told[LAB_PATH], path[LAB_PATH];
	enum status st;

	lab_path(l, told, "dns/%s.tlsa", p->domain);
	if (lab_is_broken(l, "tlsa-rollover", p->domain))
		return read_file(told, out);
	st = tlsa_of(lab_path(l, path, "%s/keys/tls.pem", p->domain), out);
	if (st != ST_OK) {
		complain(path, st, NULL);
		return st;
	}
	return lab_write(told, out);
}

/* ---- running ---- */

int instance_pid(const struct lab *l, const struct lab_place *p)
{
	char file[LAB_PATH], dir[LAB_PATH];

	return running_pid(lab_path(l, file, "%s.pid", p->domain), lab_path(l, dir, "%s", p->domain));
}

static void look_at(void *arg, struct view json)
{
	json_t *row = json_loadb(json.p, json.n, 0, NULL);
	bool *all = arg;

	if (!json_is_true(json_object_get(row, "ready")))
		*all = false;
	json_decref(row);
}

static bool serves(const struct lab *l, const struct lab_place *p)
{
	struct control_answer answer;
	char dir[LAB_PATH];
	bool all = true;

	if (control_ask(lab_path(l, dir, "%s", p->domain), "status", "", look_at, &all, &answer) != ST_OK)
		return false;
	buf_free(&answer.text);
	return all;
}

enum status instance_start(const struct lab *l, const struct lab_place *p)
{
	char self[LAB_PATH], dir[LAB_PATH], output[LAB_PATH], path[LAB_PATH];
	const char *const argv[] = { self, "serve", "--dir", lab_path(l, dir, "%s", p->domain), NULL };
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	struct buf text = BUF(32);
	enum status st;
	int pid;

	if (n <= 0)
		return ST_IO;
	self[n] = '\0';
	if (instance_pid(l, p))
		return ST_OK;
	st = run_apart(argv, lab_path(l, output, "%s.out", p->domain), &pid);
	if (st != ST_OK) {
		complain(self, st, NULL);
		return st;
	}
	buf_putf(&text, "%d\n", pid);
	st = lab_write(lab_path(l, path, "%s.pid", p->domain), &text);
	buf_free(&text);
	for (int i = 0; i < WAIT_TRIES && st == ST_OK; i++) {
		if (serves(l, p))
			return ST_OK;
		if (has_ended(pid))
			break;
		sleep_ms(WAIT_MS);
	}
	tell("%s does not start; see %s and its log", p->domain, output);
	return ST_TIMEOUT;
}

void instance_stop(const struct lab *l, const struct lab_place *p)
{
	stop_pid(instance_pid(l, p));
}

/* The parent has read them long before every door has heard of it. */
void instance_reload(const struct lab *l, const struct lab_place *p)
{
	int pid = instance_pid(l, p);

	if (pid == 0 || kill(pid, SIGHUP) != 0)
		return;
	for (int i = 0; i < WAIT_TRIES && !lab_is_up_to_date(l, p, offers_starttls(l, p)); i++)
		sleep_ms(WAIT_MS);
}

void instance_forget_dns(const struct lab *l, const struct lab_place *p)
{
	struct control_answer answer;
	char dir[LAB_PATH];

	if (control_ask(lab_path(l, dir, "%s", p->domain), "dns-forget", "", NULL, NULL, &answer) != ST_OK)
		return;
	buf_free(&answer.text);
	for (int i = 0; i < WAIT_TRIES; i++) {
		if (control_ask(dir, "names-status", "", NULL, NULL, &answer) == ST_OK) {
			buf_free(&answer.text);
			return;
		}
		sleep_ms(WAIT_MS);
	}
}

void instance_flush_queue(const struct lab *l, const struct lab_place *p)
{
	struct control_answer answer;
	const struct lab_place *to;
	char dir[LAB_PATH];

	lab_path(l, dir, "%s", p->domain);
	for (size_t i = 0; (to = lab_place(i)) != NULL; i++)
		if (control_ask(dir, "queue-flush", to->domain, NULL, NULL, &answer) == ST_OK)
			buf_free(&answer.text);
}
