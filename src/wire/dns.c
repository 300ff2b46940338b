#include "wire/dns.h"

#include "ipc/records.h"

#include <unistd.h>

/* libunbound gives up long before this. */
enum { ASK_MS = 60000 };

static enum status take_rdata(struct view bytes, struct arena *a, struct dns_answer *ret)
{
	struct cursor c = cursor_over(bytes), again = c;

	ret->n = 0;
	while (cursor_left(&c)) {
		take_view(&c);
		ret->n++;
	}
	if (!cursor_ok(&c))
		return ST_SYNTAX;
	ret->rdata = arena_array(a, ret->n, sizeof *ret->rdata);
	if (ret->n && ret->rdata == NULL)
		return arena_status(a);
	for (size_t i = 0; i < ret->n; i++)
		ret->rdata[i] = arena_copy(a, take_view(&again));
	return arena_status(a);
}

enum status dns_answer_take(const struct rec_dns_answer *in, struct arena *a, struct dns_answer *ret)
{
	struct dns_answer got = {
		.outcome = (enum dns_outcome)in->outcome, .secure = in->secure, .ttl = in->ttl,
		.name = arena_copy(a, in->name), .why = arena_copy(a, in->why),
	};
	enum status st = in->outcome <= DNS_BOGUS ? take_rdata(in->rdata, a, &got) : ST_SYNTAX;

	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK)
		*ret = got;
	return st;
}

static enum status take_answer(struct view body, struct arena *a, struct dns_answer *ret)
{
	struct rec_dns_answer in;

	return rec_take_dns_answer(body, &in) ? dns_answer_take(&in, a, ret) : ST_SYNTAX;
}

static enum status ask(struct resolver *r, struct view name, enum dns_type type, struct arena *a,
		       struct dns_answer *ret)
{
	struct dns_over_channel *d = (struct dns_over_channel *)r;
	struct buf b = BUF(RECORD_MAX), body = BUF(RECORD_MAX);
	uint16_t answer_type = 0;
	enum status st;
	int fd = -1;

	rec_put_dns_ask(&b, 0, 0, &(struct rec_dns_ask){ (uint16_t)type, name });
	st = channel_ask(d->names, &b, -1, ASK_MS, &body, &answer_type, &fd);
	if (fd >= 0)
		close(fd);
	if (st == ST_OK)
		st = answer_type == REC_dns_answer ? take_answer(buf_view(&body), a, ret) : ST_SYNTAX;
	buf_free(&b);
	buf_free(&body);
	if (st == ST_NOMEM || st == ST_LIMIT || st == ST_OK)
		return st;
	/* Names died, or is silent: it will be back. */
	*ret = (struct dns_answer){ .outcome = DNS_FAILED, .name = name, .why = VIEW("names does not answer") };
	return ST_OK;
}

static void hint(struct resolver *r, struct view name, enum dns_type type)
{
	struct dns_over_channel *d = (struct dns_over_channel *)r;
	struct buf b = BUF(RECORD_MAX);

	rec_put_dns_ask(&b, 0, 0, &(struct rec_dns_ask){ (uint16_t)type, name });
	/* One that is lost costs time, not truth. */
	(void)!channel_send(d->names, &b, -1);
	buf_free(&b);
}

void dns_over_channel(struct dns_over_channel *d, struct channel *names)
{
	*d = (struct dns_over_channel){ { ask, hint }, names };
}
