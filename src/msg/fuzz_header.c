/* Any header: all that reads fields; texts that come out are UTF-8 on one line. */
#include "base/fuzz.h"
#include "msg/charset.h"
#include "msg/content.h"
#include "msg/date.h"
#include "msg/header.h"
#include "msg/msgid.h"
#include "msg/received.h"
#include "msg/subject.h"
#include "msg/word.h"

#define MUST FUZZ_CHECK

static void check_line(const struct buf *b)
{
	MUST(buf_status(b) == ST_OK);
	MUST(utf8_valid(buf_view(b)) == b->n);
	for (size_t i = 0; i < b->n; i++)
		MUST(b->p[i] != '\r' && b->p[i] != '\n' && b->p[i] != '\0');
}

static void check_content(struct view value)
{
	struct arena a = ARENA(1 << 20);
	struct content c = { 0 };

	MUST(content_parse(value, &a, &c) == ST_OK);
	MUST(c.n <= CONTENT_PARAMS);
	for (uint32_t i = 0; i < c.n; i++) {
		struct buf octets = BUF(CONTENT_FIELD_MAX * 4);

		MUST(content_param(&c, c.params[i].name) == &c.params[i]);
		param_octets(&c.params[i], &octets);
		MUST(buf_status(&octets) == ST_OK);
		buf_free(&octets);
	}
	arena_free(&a);
}

static void check_value(struct view value)
{
	struct buf text = BUF(value.n * 4 + 64), line = BUF(value.n + 64);
	struct msgid_reader r = msgid_reader(value);
	struct view id;
	struct received trace;
	struct date d;
	bool reply;

	words_decode(value, &text);
	check_line(&text);
	buf_clear(&text);
	subject_base(value, &text, &reply);
	check_line(&text);
	field_unfold(value, &line);
	MUST(buf_status(&line) == ST_OK);
	while (msgid_next(&r, &id))
		MUST(id.n > 0);
	if (date_parse(value, &d) == ST_OK)
		MUST(date_wall(&d) > -3000000000000);
	check_content(value);
	received_parse(value, &trace);
	MUST(trace.from.n <= value.n && trace.to.n <= value.n && trace.address.n <= value.n);
	buf_free(&text);
	buf_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_make((const char *)data, size);
	struct field f;
	size_t at = 0, before = 0;

	while (field_next(v, &at, &f)) {
		MUST(f.start == before && f.end == at && f.end > f.start);
		before = at;
		check_value(f.value);
	}
	MUST(at <= v.n);
	check_value(v);
	return 0;
}
