/* fuzz_dsn.c - a report upon any letter, with anything that a remote host or a
 * sender may have said: always three parts in lines, a header of our own fields
 * only, and a status part of fields that RFC 3464 knows. */
#include "base/fuzz.h"

#include "base/cursor.h"
#include "msg/convert.h"
#include "msg/dsn.h"
#include "msg/mime.h"

static const char *const allowed[] = {
	"Original-Envelope-Id", "Reporting-MTA", "Arrival-Date", "Original-Recipient", "Final-Recipient",
	"Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date", "Will-Retry-Until",
};

static bool is_allowed(struct view name)
{
	for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
		if (view_eq(name, view_cstr(allowed[i])))
			return true;
	return false;
}

static void check_status(struct view body, size_t recipients)
{
	size_t groups = 0;

	while (body.n) {
		size_t at = 0;
		struct field f;

		while (field_next(body, &at, &f))
			FUZZ_CHECK(is_allowed(f.name));
		body = view_skip(body, at);
		groups++;
	}
	FUZZ_CHECK(groups == recipients + 1);
}

static void check_report(const struct dsn *d, struct view report, struct dsn_form form)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct convert_form has = { 0 };
	struct mime m = { 0 };
	size_t fields = 0, at = 0;
	struct field f;

	if (mime_parse(report, &a, &m) != ST_OK || m.n < 4) {
		FUZZ_CHECK(false);
		arena_free(&a);
		return;
	}
	FUZZ_CHECK(m.parts[0].kind == MIME_MULTIPART && m.parts[0].child == 1);
	FUZZ_CHECK(m.parts[1].next == 2 && m.parts[2].next == 3 && m.parts[3].next == MIME_NONE);
	check_status(mime_body(&m, &m.parts[2]), d->n);
	FUZZ_CHECK(convert_needs(report, &a, &has) == ST_OK);
	FUZZ_CHECK(!has.binary && (form.eightbit || !has.eightbit));
	while (field_next(report, &at, &f))
		fields++;
	FUZZ_CHECK(fields == 8 || fields == 9);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct cursor c = cursor_over(view_make((const char *)data, n));
	struct dsn_recipient r[2] = { 0 };
	struct dsn d = {
		.reporting_mta = VIEW("mx.foo.com"), .from = VIEW("MAILER-DAEMON@mx.foo.com"),
		.sender = VIEW("Smith@bar.com"), .id = VIEW("0af3.1"), .arrived = 1, .now = 2,
		.letter_max = 4096, .recipients = r, .n = 2,
	};
	struct buf out = BUF(1 << 22);
	struct dsn_form form;
	uint8_t how = take_u8(&c);

	for (int i = 0; i < 2; i++) {
		r[i].action = (enum dsn_action)(take_u8(&c) % 5);
		r[i].orcpt = take_view(&c);
		r[i].original = take_view(&c);
		r[i].address = take_view(&c);
		r[i].status = take_view(&c);
		r[i].host = take_view(&c);
		r[i].reply = take_view(&c);
		r[i].replied = how & 1;
	}
	d.smtputf8 = how & 2;
	d.whole = how & 4;
	d.envid = take_view(&c);
	if (dsn_build(&d, take_bytes(&c, cursor_left(&c)), &out, &form) == ST_OK)
		check_report(&d, buf_view(&out), form);
	else
		FUZZ_CHECK(false);
	buf_free(&out);
	return 0;
}
