/* command.c - queue list, show, remove and status. */
#include "mta/queue/internal.h"

#include "base/log.h"

static const char *const states[] = { "waiting", "in hand", "delivered", "put off", "done" };

static void put_json(struct buf *b, struct view v)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c == '"' || c == '\\')
			buf_putf(b, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_putf(b, "\\u%04x", c);
		else
			buf_putc(b, (char)c);
	}
	buf_putc(b, '"');
}

static void row_of(struct queue *q, const struct letter *l, bool recipients, struct buf *json)
{
	struct view env;
	struct envelope e;
	char at[RFC3339_SIZE];

	arena_free(&q->arena);
	if (spool_envelope(q->spool, &l->at, &env) == ST_OK &&
	    envelope_take(env, &q->arena, &e) == ST_OK) {
		buf_putf(json, "{\"queue\":\"%llx\",\"id\":\"%s\",\"received\":\"%s\",\"size\":%u,\"from\":",
			 (unsigned long long)l->id, l->name, clock_rfc3339(e.received, at), l->at.body_n);
		put_json(json, e.sender);
		buf_putf(json, ",\"recipients\":%u", l->n);
		for (uint32_t i = 0; i < l->n && recipients; i++) {
			buf_puts(json, i ? ",{\"to\":" : ",\"to\":[{\"to\":");
			put_json(json, e.recipients[i].address);
			buf_putf(json, ",\"state\":\"%s\"}%s", states[l->to[i].state],
				 i + 1 == l->n ? "]" : "");
		}
		buf_putc(json, '}');
	}
}

static void send_row(struct queue *q, struct channel *ch, const struct letter *l, bool recipients)
{
	struct buf json = BUF(RECORD_MAX - 256);

	row_of(q, l, recipients, &json);
	if (buf_status(&json) == ST_OK && json.n)
		role_row(ch, buf_view(&json));
	buf_free(&json);
}

/* How many letters, and how many recipients in each state. */
static void send_status(struct queue *q, struct channel *ch)
{
	uint64_t letters = 0, in[DONE + 1] = { 0 };
	struct buf json = BUF(512);
	struct letter *l;
	size_t at = 0;

	while ((l = map_next(&q->letters, &at)) != NULL) {
		letters++;
		for (uint32_t i = 0; i < l->n; i++)
			in[l->to[i].state]++;
	}
	buf_putf(&json, "{\"letters\":%llu,\"waiting\":%llu,\"in_hand\":%llu,\"unflushed\":%llu}",
		 (unsigned long long)letters, (unsigned long long)(in[WAITING] + in[DEFERRED]),
		 (unsigned long long)in[HANDED], (unsigned long long)in[DELIVERED]);
	role_row(ch, buf_view(&json));
	buf_free(&json);
}

static struct letter *named(struct queue *q, struct view name)
{
	struct letter *l;
	size_t at = 0;
	char hex[20];

	while ((l = map_next(&q->letters, &at)) != NULL) {
		struct buf b = { .p = hex, .cap = sizeof hex, .max = sizeof hex };

		buf_putf(&b, "%llx", (unsigned long long)l->id);
		if (view_eq(name, view_cstr(l->name)) || view_eq(name, buf_view(&b)))
			return l;
	}
	return NULL;
}

/* The operator's word: no recipient is owed it any more. */
static enum verdict remove_letter(struct queue *q, struct letter *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->to[i].state == HANDED || l->to[i].state == DELIVERED)
			return VERDICT_LATER;
	for (uint32_t i = 0; i < l->n; i++)
		if (l->to[i].state != DONE)
			lane_remove(q, &l->to[i]);
	log_event(LOG_INFO_, "removed", "id=%s", l->name);
	l->owed = 1;
	letter_settled(q, l);
	return VERDICT_OK;
}

enum verdict queue_command(struct role_process *p, struct channel *ch, const struct rec_command *cmd)
{
	struct queue *q = (struct queue *)((char *)p - offsetof(struct queue, proc));
	struct letter *l = named(q, cmd->argument);
	size_t at = 0;

	if (view_eq(cmd->verb, VIEW("queue-list"))) {
		while ((l = map_next(&q->letters, &at)) != NULL)
			send_row(q, ch, l, false);
		return VERDICT_OK;
	}
	if (view_eq(cmd->verb, VIEW("queue-status"))) {
		send_status(q, ch);
		return VERDICT_OK;
	}
	if (l == NULL)
		return VERDICT_NO;
	if (view_eq(cmd->verb, VIEW("queue-remove")))
		return remove_letter(q, l);
	send_row(q, ch, l, true);
	return VERDICT_OK;
}
