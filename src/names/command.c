/* command.c - what the operator asks of names. */
#include "names/internal.h"

#include "base/log.h"
#include "names/describe.h"
#include "wire/rdata.h"

enum { ARENA_MAX = 1024 * 1024 };

struct waiting {
	struct lookup_wait wait;
	struct co *co;
	struct arena *arena;
	struct dns_answer *ret;
	enum status st;		/* ST_AGAIN while waiting */
};

static void answered(struct lookup_wait *w, const struct rec_dns_answer *a)
{
	struct waiting *q = (struct waiting *)w;

	q->st = dns_answer_take(a, q->arena, q->ret);
	if (q->co)
		co_wake(q->co);
}

/* "TYPE NAME" */
static enum verdict lookup(struct names *n, struct channel *ch, struct view argument)
{
	struct view word = view_head(argument, view_find(argument, ' '));
	struct view name = view_skip(argument, word.n + 1);
	struct arena arena = ARENA(ARENA_MAX);
	struct buf json = BUF(RECORD_MAX - RECORD_HEAD - 8);
	struct dns_answer a;
	struct waiting q = {
		.wait = { .done = answered }, .arena = &arena, .ret = &a, .st = ST_AGAIN,
	};
	enum dns_type type;

	if (!dns_type_of(word, &type))
		return VERDICT_NO;
	lookups_ask(n->lookups, name, (uint16_t)type, &q.wait);
	q.co = co_self();
	while (q.st == ST_AGAIN)
		co_wait();
	if (q.st == ST_OK) {
		describe_answer(name, type, &a, &json);
		q.st = buf_status(&json);
	}
	if (q.st == ST_OK)
		role_row(ch, buf_view(&json));
	buf_free(&json);
	arena_free(&arena);
	return q.st == ST_OK ? VERDICT_OK : VERDICT_LATER;
}

static enum verdict status(struct names *n, struct channel *ch)
{
	struct buf json = BUF(512);

	buf_putf(&json, "{\"asked\":%llu,\"failed\":%llu,\"bogus\":%llu,\"in_flight\":%zu}",
		 (unsigned long long)n->asked, (unsigned long long)n->failed, (unsigned long long)n->bogus,
		 lookups_in_flight(n->lookups));
	role_row(ch, buf_view(&json));
	buf_free(&json);
	return VERDICT_OK;
}

enum verdict names_command(struct role_process *p, struct channel *ch, const struct rec_command *cmd)
{
	struct names *n = (struct names *)((char *)p - offsetof(struct names, proc));

	if (view_eq(cmd->verb, VIEW("dns-lookup")))
		return lookup(n, ch, cmd->argument);
	if (view_eq(cmd->verb, VIEW("names-status")))
		return status(n, ch);
	if (!view_eq(cmd->verb, VIEW("dns-forget")))
		return VERDICT_NO;
	/* The next process begins with an empty cache. */
	log_event(LOG_INFO_, "dns-forget", "%s", "next=restart");
	loop_stop(p->loop);
	return VERDICT_OK;
}
