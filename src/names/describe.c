#include "names/describe.h"

#include "wire/rdata.h"

static void put_text(struct buf *json, struct view v)
{
	buf_putc(json, '"');
	for (size_t i = 0; i < v.n; i++) {
		unsigned char x = (unsigned char)v.p[i];

		if (x < ' ' || x >= 0x7f)
			buf_putf(json, "\\u%04x", x);
		else if (x == '"' || x == '\\')
			buf_putf(json, "\\%c", x);
		else
			buf_putc(json, (char)x);
	}
	buf_putc(json, '"');
}

void describe_answer(struct view name, enum dns_type type, const struct dns_answer *a, struct buf *json)
{
	struct buf text = BUF(4 * DNS_ANSWER_MAX);

	buf_puts(json, "{\"name\":");
	put_text(json, name);
	buf_putf(json, ",\"type\":\"%s\",\"outcome\":\"%s\",\"secure\":%s,\"ttl\":%u,\"canonical\":",
		 dns_type_name(type), dns_outcome_name(a->outcome), a->secure ? "true" : "false", a->ttl);
	put_text(json, a->name);
	buf_puts(json, ",\"records\":[");
	for (size_t i = 0; i < a->n; i++) {
		buf_clear(&text);
		dns_rdata_text(type, a->rdata[i], &text);
		buf_puts(json, i ? "," : "");
		put_text(json, buf_view(&text));
	}
	buf_puts(json, "],\"why\":");
	put_text(json, a->why);
	buf_puts(json, "}");
	if (buf_status(&text) != ST_OK && buf_status(json) == ST_OK)
		json->st = buf_status(&text);
	buf_free(&text);
}
