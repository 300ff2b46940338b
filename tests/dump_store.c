/* For tests: every message of one account, by the store itself.
 *
 *     dump_store mail/ACCOUNT
 *
 * prints a line for each: mailbox, UIDVALIDITY, UID, and the first line of the
 * letter that begins with "Message-ID:".  The server must not be running. */
#include "ms/store.h"

#include <stdio.h>

static struct view message_id(struct view body)
{
	while (body.n) {
		struct view line = view_head(body, view_find(body, '\n'));

		if (view_starts_i(line, VIEW("Message-ID: ")))
			return view_trim(view_skip(view_head(line, line.n - (line.n && line.p[line.n - 1] == '\r')), 12));
		body = view_skip(body, line.n + 1);
	}
	return VIEW("-");
}

static int dump(struct store *s, struct view name)
{
	struct mailbox *m;

	if (mailbox_open(s, name, &m) != ST_OK)
		return 1;
	for (uint32_t i = 0; i < m->n; i++) {
		struct view body;

		if (message_body(m, &m->messages[i], &body) != ST_OK) {
			printf("%.*s %u %u damaged\n", VIEW_ARG(name), m->uidvalidity, m->messages[i].uid);
			continue;
		}
		body = message_id(body);
		printf("%.*s %u %u %.*s\n", VIEW_ARG(name), m->uidvalidity, m->messages[i].uid, VIEW_ARG(body));
	}
	printf("%.*s %u next %u\n", VIEW_ARG(name), m->uidvalidity, m->uidnext);
	mailbox_release(m);
	return 0;
}

int main(int argc, char **argv)
{
	struct store_settings settings = { .segment_size = 4 << 20, .undelete_ms = 1000000 };
	struct store_findings f;
	struct arena a = ARENA(64 << 20);
	struct mailbox_info *boxes;
	uint32_t n;
	struct store *s;
	enum status st = argc == 2 ? store_open(argv[1], &settings, &s, &f) : ST_SYNTAX;

	if (st == ST_OK)
		st = store_mailboxes(s, &a, &boxes, &n);
	if (st != ST_OK) {
		fprintf(stderr, "dump_store: %s\n", status_name(st));
		return 1;
	}
	for (uint32_t i = 0; i < n; i++)
		if (dump(s, boxes[i].name) != 0)
			return 1;
	store_close(s);
	arena_free(&a);
	return 0;
}
