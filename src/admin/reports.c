/* reports.c - waxwing reports: what other mail systems told of our domains, read
 * from the mailbox that it came to; and what the running system will tell. */
#include "admin/listing.h"
#include "admin/mail.h"
#include "admin/report_json.h"
#include "admin/tell.h"

#include "role/role.h"
#include "trust/domain.h"

#include <stdio.h>
#include <sys/stat.h>

enum { ACCOUNTS_MAX = 64, DAYS = 30, DAY_MS = 86400000, LIST_ARENA = 64 * 1024 * 1024, ADDRESS_MOST = 400 };

/* ---- whose mailboxes ---- */

struct search {
	struct invocation *in;
	struct conf conf;
	struct directory *directory;
	struct view domain;	/* only of this one, or empty: of all */
	uint64_t accounts[ACCOUNTS_MAX];
	size_t n;
	wall_ms since;
	json_t *reports;	/* as report_reader_ask gives them */
	unsigned unread;
};

static void add_account(struct search *s, uint64_t account)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->accounts[i] == account)
			return;
	if (account && s->n < ACCOUNTS_MAX)
		s->accounts[s->n++] = account;
}

/* A setting is an address, or the name before the @ in each domain. */
static void add_address(struct search *s, const char *setting, struct view domain)
{
	struct buf address = BUF(ADDRESS_MOST), targets = BUF(65536);
	struct asked asked = { .separators = view_cstr(s->conf.separators) };
	struct cursor c;
	struct target t;

	buf_puts(&address, setting);
	if (strchr(setting, '@') == NULL)
		buf_putf(&address, "@%.*s", VIEW_ARG(domain));
	asked.address = buf_view(&address);
	if (buf_status(&address) == ST_OK && directory_resolve(s->directory, &asked, &targets) == VERDICT_OK) {
		c = cursor_over(buf_view(&targets));
		while (target_take(&c, &t))
			add_account(s, t.account);
	}
	buf_free(&address);
	buf_free(&targets);
}

/* Where `waxwing dns` has others send them, as far as that is here. */
static void add_domain(void *arg, struct view domain, struct view nothing, uint64_t id)
{
	struct search *s = arg;
	const struct conf *c = &s->conf;

	(void)nothing;
	(void)id;
	add_address(s, c->publish_reports[0] ? c->publish_reports : c->reports_address, domain);
	if (c->publish_failures[0])
		add_address(s, c->publish_failures, domain);
}

/* ---- reading ---- */

/* The same report a second time, as a relay that died may send it. */
static bool is_known(const struct search *s, const json_t *o)
{
	const json_t *one;
	size_t i;

	json_array_foreach(s->reports, i, one)
		if (json_is_string(json_object_get(o, "id")) && json_equal(json_object_get(one, "id"), json_object_get(o, "id")) &&
		    json_equal(json_object_get(one, "organization"), json_object_get(o, "organization")) &&
		    json_equal(json_object_get(one, "kind"), json_object_get(o, "kind")))
			return true;
	return false;
}

static void take_letter(struct search *s, struct report_reader *r, struct mailbox *m, const struct message *msg)
{
	struct view body;
	json_t *o = NULL;
	enum status st = message_body(m, msg, &body);

	if (st == ST_OK)
		st = report_reader_ask(r, body, &o);
	if (st == ST_OK && !is_known(s, o))
		json_array_append(s->reports, o);
	else if (st != ST_OK && st != ST_MISSING)
		s->unread++;
	json_decref(o);
}

static enum status read_mailboxes(struct search *s, struct report_reader *r, struct store *store)
{
	struct arena a = ARENA(LIST_ARENA);
	struct mailbox_info *all;
	struct mailbox *m;
	uint32_t n = 0;
	enum status st = store_mailboxes(store, &a, &all, &n);

	for (uint32_t i = 0; st == ST_OK && i < n; i++) {
		st = mailbox_open(store, all[i].name, &m);
		if (st != ST_OK)
			break;
		for (uint32_t k = 0; k < m->n; k++)
			if (m->messages[k].date >= s->since)
				take_letter(s, r, m, &m->messages[k]);
		mailbox_release(m);
	}
	arena_free(&a);
	return st;
}

static const struct reason why_closed[] = {
	{ ST_EXISTS, "somebody else has it open and does not leave it" },
	{ ST_OK, NULL },
};

/* Nothing is made for an account that never had a letter. */
static bool has_folder(const struct search *s, uint64_t account)
{
	char path[MAIL_PATH];
	struct stat sb;

	snprintf(path, sizeof path, "%s/mail/%llu", s->conf.dir, (unsigned long long)account);
	return stat(path, &sb) == 0;
}

static enum status read_account(struct search *s, uint64_t account)
{
	struct mail m = { .conf = s->conf };
	struct report_reader *r = NULL;
	enum status st;

	if (!has_folder(s, account))
		return ST_OK;
	st = report_reader_new(role_uid(&s->conf, ROLE_ROOM, account), s->conf.host_name, &r);
	if (st == ST_OK)
		st = mail_open(&m, account, 0);
	if (st == ST_OK) {
		st = read_mailboxes(s, r, m.store);
		mail_close(&m);
	}
	report_reader_free(r);
	if (st != ST_OK)
		complain("the mailbox of reports", st, why_closed);
	return st;
}

static enum status find_reports(struct search *s)
{
	enum status st = directory_each_domain(s->directory, add_domain, s);

	for (size_t i = 0; st == ST_OK && i < s->n; i++)
		st = read_account(s, s->accounts[i]);
	return st;
}

/* ---- rows ---- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static bool is_asked_for(const struct search *s, const char *domain)
{
	return s->domain.n == 0 || domain_within(view_cstr(domain), s->domain);
}

/* RFC 3339 as "2026-11-25". */
static json_t *day_of(const json_t *o, const char *key)
{
	return json_text_or_null(view_head(view_cstr(text_of(o, key)), 10));
}

static json_t *row_of(const json_t *report, const char *domain)
{
	json_t *row = json_pack("{s:s, s:s}", "domain", domain, "reporter", text_of(report, "organization"));

	json_object_set(row, "author", json_object_get(report, "author"));
	json_object_set(row, "proved", json_object_get(report, "proved"));
	json_object_set_new(row, "begin", day_of(report, "begin"));
	json_object_set_new(row, "end", day_of(report, "end"));
	return row;
}

static void add_number(json_t *row, const char *key, json_int_t n)
{
	json_int_t before = json_integer_value(json_object_get(row, key)), sum;

	if (__builtin_add_overflow(before, n, &sum))
		sum = before;
	json_object_set_new(row, key, json_integer(sum));
}

/* The row of this source in what this reporter told, over all its days. */
static json_t *source_row(json_t *rows, const json_t *report, const char *domain, const char *source)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		if (strcmp(text_of(row, "source"), source) != 0 || strcmp(text_of(row, "domain"), domain) != 0 ||
		    strcmp(text_of(row, "reporter"), text_of(report, "organization")) != 0 ||
		    !json_equal(json_object_get(row, "proved"), json_object_get(report, "proved")))
			continue;
		if (strncmp(text_of(report, "begin"), text_of(row, "begin"), 10) < 0)
			json_object_set_new(row, "begin", day_of(report, "begin"));
		if (strncmp(text_of(report, "end"), text_of(row, "end"), 10) > 0)
			json_object_set_new(row, "end", day_of(report, "end"));
		return row;
	}
	row = row_of(report, domain);
	json_object_set_new(row, "source", json_string(source));
	json_object_set_new(row, "passed", json_integer(0));
	json_object_set_new(row, "failed", json_integer(0));
	json_array_append_new(rows, row);
	return row;
}

static void add_dmarc(const struct search *s, const json_t *report, json_t *rows)
{
	const char *domain = text_of(json_object_get(report, "policy"), "domain");
	const json_t *record;
	size_t i;

	if (!is_asked_for(s, domain))
		return;
	json_array_foreach(json_object_get(report, "records"), i, record) {
		json_t *row = source_row(rows, report, domain, text_of(record, "source"));
		bool good = json_is_true(json_object_get(record, "dkim")) || json_is_true(json_object_get(record, "spf"));

		add_number(row, good ? "passed" : "failed", json_integer_value(json_object_get(record, "count")));
	}
}

static void add_tls_row(const json_t *report, const json_t *policy, const char *result, const json_t *count,
			const json_t *detail, json_t *rows)
{
	json_t *row = row_of(report, text_of(policy, "domain"));

	json_object_set(row, "policy", json_object_get(policy, "type"));
	json_object_set_new(row, "result", json_string(result));
	json_object_set_new(row, "sessions", json_integer(json_integer_value(count)));
	json_object_set(row, "host", detail ? json_object_get(detail, "host") : json_null());
	json_object_set(row, "reason", detail ? json_object_get(detail, "reason") : json_null());
	json_array_append_new(rows, row);
}

static void add_tls(const struct search *s, const json_t *report, json_t *rows)
{
	const json_t *policy, *detail;
	size_t i, k;

	json_array_foreach(json_object_get(report, "policies"), i, policy) {
		if (!is_asked_for(s, text_of(policy, "domain")))
			continue;
		add_tls_row(report, policy, "ok", json_object_get(policy, "successes"), NULL, rows);
		json_array_foreach(json_object_get(policy, "details"), k, detail)
			add_tls_row(report, policy, text_of(detail, "result"), json_object_get(detail, "count"), detail, rows);
	}
}

static void add_failure(const struct search *s, const json_t *report, json_t *rows)
{
	static const char *const keys[] = { "source", "arrived", "from", "subject", "unaligned", "delivery" };
	json_t *row;

	if (!is_asked_for(s, text_of(report, "domain")))
		return;
	row = json_pack("{s:s}", "domain", text_of(report, "domain"));
	json_object_set(row, "reporter", json_object_get(report, "author"));
	json_object_set(row, "proved", json_object_get(report, "proved"));
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		json_object_set(row, keys[i], json_object_get(report, keys[i]));
	json_array_append_new(rows, row);
}

/* ---- the three tables ---- */

static const struct column dmarc_columns[] = {
	{ "domain", "DOMAIN", COLUMN_TEXT },	 { "source", "SOURCE", COLUMN_TEXT },
	{ "passed", "PASSED", COLUMN_NUMBER },	 { "failed", "FAILED", COLUMN_NUMBER },
	{ "reporter", "REPORTER", COLUMN_TEXT }, { "proved", "PROVED", COLUMN_TEXT },
	{ "begin", "FROM", COLUMN_TEXT },	 { "end", "TO", COLUMN_TEXT },
};
static const struct column tls_columns[] = {
	{ "domain", "DOMAIN", COLUMN_TEXT },	  { "policy", "POLICY", COLUMN_TEXT },
	{ "result", "RESULT", COLUMN_TEXT },	  { "sessions", "SESSIONS", COLUMN_NUMBER },
	{ "host", "HOST", COLUMN_TEXT },	  { "reporter", "REPORTER", COLUMN_TEXT },
	{ "proved", "PROVED", COLUMN_TEXT },	  { "begin", "FROM", COLUMN_TEXT },
	{ "end", "TO", COLUMN_TEXT },
};
static const struct column failure_columns[] = {
	{ "domain", "DOMAIN", COLUMN_TEXT },	 { "source", "SOURCE", COLUMN_TEXT },
	{ "from", "AUTHOR", COLUMN_TEXT },	 { "subject", "SUBJECT", COLUMN_TEXT },
	{ "arrived", "ARRIVED", COLUMN_TEXT },	 { "reporter", "REPORTER", COLUMN_TEXT },
	{ "proved", "PROVED", COLUMN_TEXT },
};

#define TABLE(columns) columns, sizeof columns / sizeof *columns
static const struct {
	const char *kind;
	void (*add)(const struct search *s, const json_t *report, json_t *rows);
	const struct column *columns;
	size_t n;
	const char *none;
} tables[] = {
	{ "dmarc", add_dmarc, TABLE(dmarc_columns), "Nobody reported letters." },
	{ "tls", add_tls, TABLE(tls_columns), "Nobody reported on TLS." },
	{ "failure", add_failure, TABLE(failure_columns), "Nobody reported a single letter." },
};

static int show(const struct search *s)
{
	size_t t = s->in->given[OPTION_tls] ? 1 : s->in->given[OPTION_failures] ? 2 : 0;
	json_t *rows = json_array();
	const json_t *one;
	size_t i;

	json_array_foreach(s->reports, i, one)
		if (strcmp(text_of(one, "kind"), tables[t].kind) == 0)
			tables[t].add(s, one, rows);
	if (s->unread)
		tell("%u letters with reports could not be read", s->unread);
	return listing_print(s->in, tables[t].columns, tables[t].n, rows, tables[t].none);
}

static int search(struct search *s)
{
	enum status st;
	int code = FAILED;

	s->reports = json_array();
	st = find_reports(s);
	if (st == ST_OK)
		code = show(s);
	json_decref(s->reports);
	return code;
}

int cmd_reports(struct invocation *in)
{
	struct search s = { .in = in };
	struct arena a = ARENA(65536);
	int code = FAILED;

	s.since = clock_wall() - (wall_ms)DAYS * DAY_MS;
	if (!take_days(in->given[OPTION_days], &s.since))
		return WRONG_USE;
	if (in->n && domain_ascii(view_cstr(in->args[0]), &a, &s.domain) != ST_OK) {
		tell("%s: no name of a domain", in->args[0]);
		arena_free(&a);
		return WRONG_USE;
	}
	if (instance_conf(in, &s.conf) == ST_OK) {
		if (instance_directory(in, &s.directory) == ST_OK)
			code = search(&s);
		directory_close(s.directory);
		conf_free(&s.conf);
	}
	arena_free(&a);
	return code;
}

/* ---- what will be told ---- */

static const struct reason not_asked[] = {
	{ ST_CLOSED, "no waxwing serves this folder now" },
	{ ST_DENIED, "not allowed; it belongs to another user" },
	{ ST_OK, NULL },
};

static json_t *ask(struct invocation *in, const char *verb)
{
	json_t *rows = json_array();
	enum verdict v = VERDICT_LATER;
	enum status st = control_rows(in->dir, verb, "", rows, &v);

	if (st == ST_OK && v == VERDICT_OK)
		return rows;
	json_decref(rows);
	if (st != ST_OK)
		complain(in->dir, st, not_asked);
	else
		tell("the running system cannot count: see its log for no-reports");
	return NULL;
}

static void add_days(json_t *rows)
{
	static const char *const keys[][2] = { { "begin", "from" }, { "due", "when" } };
	char text[RFC3339_SIZE];
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		for (size_t k = 0; k < 2; k++) {
			json_int_t at = json_integer_value(json_object_get(row, keys[k][0]));

			json_object_set_new(row, keys[k][1], at ? json_string(clock_rfc3339(at * 1000, text)) : json_null());
		}
}

int cmd_reports_pending(struct invocation *in)
{
	static const struct column columns[] = {
		{ "kind", "KIND", COLUMN_TEXT },   { "domain", "DOMAIN", COLUMN_TEXT }, { "rows", "ROWS", COLUMN_NUMBER },
		{ "count", "COUNT", COLUMN_NUMBER }, { "from", "FROM", COLUMN_TEXT },   { "when", "DUE", COLUMN_TEXT },
		{ "tries", "TRIES", COLUMN_NUMBER },
	};
	json_t *rows = ask(in, "reports-pending");

	if (rows == NULL)
		return FAILED;
	add_days(rows);
	return listing_print(in, columns, sizeof columns / sizeof *columns, rows, "Nothing is counted.");
}

int cmd_reports_send(struct invocation *in)
{
	json_t *rows = ask(in, "reports-send");

	if (rows == NULL)
		return FAILED;
	printf("%lld reports sent.\n", (long long)json_integer_value(json_object_get(json_array_get(rows, 0), "sent")));
	json_decref(rows);
	return DONE;
}
