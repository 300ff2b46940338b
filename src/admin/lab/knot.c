/* knot.c - Debian's knot, which signs the zones of the lab and serves them. */
#include "admin/lab/lab.h"

#include "admin/tell.h"
#include "names/direct.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 64 * 1024, WAIT_TRIES = 500, WAIT_MS = 20, SOA_NUMBERS = 20 };

#define LONG_AGO "20200101000000"

/* ---- its configuration ---- */

static const char server[] =
	"server:\n"
	"    rundir: \"%s\"\n"
	"    listen: %s@%d\n"
	"    udp-workers: 1\n"
	"    tcp-workers: 1\n"
	"    background-workers: 1\n"
	"database:\n"
	"    storage: \"%s/db\"\n"
	"    journal-db-max-size: 16M\n"
	"    kasp-db-max-size: 16M\n"
	"    timer-db-max-size: 4M\n"
	"log:\n"
	"  - target: stderr\n"
	"    any: info\n"
	"policy:\n"
	"  - id: lab\n"
	"    algorithm: ecdsap256sha256\n"
	"    single-type-signing: on\n"
	"    manual: on\n"
	"    rrsig-lifetime: 365d\n"
	"    rrsig-refresh: 30d\n"
	"template:\n"
	"  - id: default\n"
	"    storage: \"%s\"\n"
	"    zonefile-sync: -1\n"
	"    journal-content: none\n"
	"    semantic-checks: off\n"
	"zone:\n";

static enum status write_conf(const struct lab *l)
{
	struct buf text = BUF(TEXT_MAX);
	char dns[LAB_PATH], path[LAB_PATH], address[LAB_ADDRESS];
	struct lab_zone z;
	enum status st;

	lab_path(l, dns, "dns");
	buf_putf(&text, server, dns, lab_address(l, 1, address), LAB_DNS_PORT, dns, dns);
	for (size_t i = 0; lab_zone(i, &z); i++) {
		if (!lab_zone_is_there(l, &z))
			continue;
		buf_putf(&text, "  - domain: \"%s\"\n    file: \"%szone\"\n", z.name, i ? z.name : "root.");
		if (z.is_signed)
			buf_puts(&text, "    dnssec-signing: on\n    dnssec-policy: lab\n");
	}
	st = lab_write(lab_path(l, path, "dns/knot.conf"), &text);
	buf_free(&text);
	return st;
}

/* ---- its programs ---- */

static enum status run_knot(const struct lab *l, const char *program, const char *const *words, struct buf *out)
{
	char conf[LAB_PATH];
	const char *argv[16] = { program, "-c", lab_path(l, conf, "dns/knot.conf") };
	size_t n = 3;
	enum status st;

	while (*words && n < 15)
		argv[n++] = *words++;
	st = run_program(argv, VIEW_NONE, out);
	if (st == ST_MISSING)
		tell("no program %s; it comes with Debian's package knot", program);
	else if (st != ST_OK)
		tell("%s: %.*s", program, VIEW_ARG(buf_view(out)));
	return st;
}

/* The line of "keymgr ZONE ds" with a SHA-256 digest, without the name. */
static struct view sha256_line(struct view text)
{
	while (text.n) {
		struct view line = view_head(text, view_find(text, '\n'));
		struct view ds = view_skip(line, view_find(line, ' ') + 1), left = ds;

		for (int i = 0; i < 3; i++)
			left = view_skip(left, view_find(left, ' ') + 1);
		if (left.n > 2 && left.p[0] == '2' && left.p[1] == ' ')
			return ds;
		text = view_skip(text, line.n + 1);
	}
	return VIEW_NONE;
}

enum status knot_ds(const struct lab *l, const char *zone, struct buf *out)
{
	const char *const words[] = { zone, "ds", NULL };
	struct buf text = BUF(TEXT_MAX);
	enum status st = run_knot(l, "keymgr", words, &text);
	struct view line = sha256_line(buf_view(&text));

	if (st == ST_OK && line.n == 0)
		st = ST_MISSING;
	buf_put(out, line);
	buf_putc(out, '\n');
	buf_free(&text);
	return st;
}

static enum status make_key(const struct lab *l, const char *zone)
{
	const char *const list[] = { zone, "list", NULL };
	const char *const generate[] = {
		zone, "generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes", "created=" LONG_AGO,
		"publish=" LONG_AGO, "ready=" LONG_AGO, "active=" LONG_AGO, NULL,
	};
	struct buf text = BUF(TEXT_MAX);
	enum status st = run_knot(l, "keymgr", list, &text);

	if (st == ST_OK && text.n == 0)
		st = run_knot(l, "keymgr", generate, &text);
	buf_free(&text);
	return st;
}

/* The root's key is what everybody in the lab trusts. */
static enum status write_anchor(const struct lab *l)
{
	const char *const words[] = { ".", "dnskey", NULL };
	struct buf text = BUF(TEXT_MAX);
	char path[LAB_PATH];
	enum status st = run_knot(l, "keymgr", words, &text);

	if (st == ST_OK)
		st = lab_write(lab_path(l, path, "dns/anchor"), &text);
	buf_free(&text);
	return st;
}

static enum status make_keys(const struct lab *l)
{
	char path[LAB_PATH];
	struct lab_zone z;
	enum status st = ST_OK;

	mkdir(lab_path(l, path, "dns"), 0755);
	mkdir(lab_path(l, path, "dns/db"), 0700);
	if (st == ST_OK)
		st = write_conf(l);
	for (size_t i = 0; lab_zone(i, &z) && st == ST_OK; i++)
		if (z.is_signed)
			st = make_key(l, z.name);
	return st == ST_OK ? write_anchor(l) : st;
}

/* ---- does it answer? ---- */

/* The serial number of a zone (RFC 1035 3.3.13), asked as everybody asks. */
static uint32_t serial_of(struct direct *d, const char *zone)
{
	struct arena a = ARENA(TEXT_MAX);
	struct dns_answer answer;
	uint32_t serial = 0;

	if (dns_ask(direct_resolver(d), view_cstr(zone), DNS_SOA, &a, &answer) == ST_OK && answer.n == 1 &&
	    answer.secure && answer.rdata[0].n >= SOA_NUMBERS)
		for (size_t i = 0; i < 4; i++)
			serial = serial << 8 |
				 (unsigned char)answer.rdata[0].p[answer.rdata[0].n - SOA_NUMBERS + i];
	arena_free(&a);
	return serial;
}

static bool answers_by_now(const struct lab *l)
{
	char resolver[64], anchor[LAB_PATH], address[LAB_ADDRESS];
	struct lookup_settings s = {
		.resolver = resolver, .forwarders = "", .stubs = "", .time = "", .cache = 1 << 20, .timeout = 1000,
		.anchor = lab_path(l, anchor, "dns/anchor"),
	};
	struct buf why = BUF(1024);
	struct direct *d = NULL;
	bool good;

	snprintf(resolver, sizeof resolver, "%s:%d", lab_address(l, 1, address), LAB_DNS_PORT);
	good = direct_open(&s, &why, &d) == ST_OK && serial_of(d, ".") == l->serial &&
	       serial_of(d, "com.") == l->serial && serial_of(d, "127.in-addr.arpa.") == l->serial;
	direct_free(d);
	buf_free(&why);
	return good;
}

static enum status wait_answers(const struct lab *l, int pid)
{
	char path[LAB_PATH];

	for (int i = 0; i < WAIT_TRIES; i++) {
		if (answers_by_now(l))
			return ST_OK;
		if (has_ended(pid))
			break;
		sleep_ms(WAIT_MS);
	}
	tell("knot does not answer; see %s", lab_path(l, path, "dns/knot.log"));
	return ST_TIMEOUT;
}

/* ---- running ---- */

int knot_pid(const struct lab *l)
{
	char pid[LAB_PATH], conf[LAB_PATH];

	return running_pid(lab_path(l, pid, "dns/knotd.pid"), lab_path(l, conf, "dns/knot.conf"));
}

enum status knot_start(struct lab *l)
{
	char conf[LAB_PATH], log[LAB_PATH], path[LAB_PATH];
	const char *const argv[] = { "knotd", "-c", lab_path(l, conf, "dns/knot.conf"), NULL };
	struct buf text = BUF(32);
	enum status st = make_keys(l);
	int pid;

	if (st == ST_OK)
		st = lab_write_zones(l);
	if (st != ST_OK)
		return st;
	if (knot_pid(l))
		return knot_reload(l);
	st = run_apart(argv, lab_path(l, log, "dns/knot.log"), &pid);
	if (st == ST_OK) {
		buf_putf(&text, "%d\n", pid);
		st = lab_write(lab_path(l, path, "dns/knotd.pid"), &text);
		buf_free(&text);
	}
	return st == ST_OK ? wait_answers(l, pid) : st;
}

enum status knot_reload(struct lab *l)
{
	static const char *const reload[] = { "reload", NULL }, *const zones[] = { "-b", "zone-reload", NULL };
	struct buf out = BUF(TEXT_MAX);
	enum status st = write_conf(l);

	if (st == ST_OK)
		st = run_knot(l, "knotc", reload, &out);
	if (st == ST_OK)
		st = run_knot(l, "knotc", zones, &out);
	buf_free(&out);
	return st == ST_OK ? wait_answers(l, knot_pid(l)) : st;
}

void knot_stop(const struct lab *l)
{
	stop_pid(knot_pid(l));
}

void knot_pause(const struct lab *l, bool paused)
{
	int pid = knot_pid(l);

	if (pid)
		kill(pid, paused ? SIGSTOP : SIGCONT);
}
