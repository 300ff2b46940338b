/* fuzz_conf.c - the settings as text, and each setting's value: anything is
 * taken or refused with a reason, and what is taken is written and read again
 * as the same. */
#include "base/fuzz.h"
#include "conf/conf.h"

static void check_text(struct view text)
{
	struct buf once = BUF(1 << 20), twice = BUF(1 << 20);
	struct conf c, again;

	if (conf_take(text, &c) != ST_OK)
		return;
	conf_text(&c, &once);
	FUZZ_CHECK(buf_status(&once) == ST_OK);
	if (conf_take(buf_view(&once), &again) == ST_OK) {
		conf_text(&again, &twice);
		FUZZ_CHECK(view_eq(buf_view(&once), buf_view(&twice)));
		conf_free(&again);
	} else {
		FUZZ_CHECK(false);
	}
	conf_free(&c);
	buf_free(&once);
	buf_free(&twice);
}

/* "key=value" over the defaults. */
static void check_setting(struct view line)
{
	size_t eq = view_find(line, '=');
	struct buf why = BUF(4096);
	struct conf c = { 0 };

	if (conf_defaults(&c) == ST_OK &&
	    conf_set(&c, view_head(line, eq), view_skip(line, eq + 1), &why) != ST_OK)
		FUZZ_CHECK(why.n > 0);
	conf_free(&c);
	buf_free(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view in = view_make((const char *)data, n);
	struct buf all = BUF(1 << 20);
	struct conf c = { 0 };

	check_setting(view_head(in, view_find(in, '\n')));
	/* All settings, and those of the input over them. */
	if (conf_defaults(&c) == ST_OK && (c.dir = strdup("/d")) != NULL) {
		conf_text(&c, &all);
		buf_put(&all, in);
		check_text(buf_view(&all));
	}
	conf_free(&c);
	buf_free(&all);
	return 0;
}
