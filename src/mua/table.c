/* table.c - the verbs. */
#include "mua/verb.h"

#define O(id, word, value, help) { word, value, help },
static const struct option_row options[OPTION_COUNT] = {
#include "mua/options.def"
};
#undef O

#define V(handler, words, arguments, least, most, options, help, more, examples) \
	{ { words, arguments, least, most, options, help, more }, verb_##handler, examples },
static const struct verb verbs[] = {
#include "mua/verbs.def"
};
#undef V

static const struct cli_row *row(size_t i)
{
	return i < sizeof verbs / sizeof *verbs ? &verbs[i].row : NULL;
}

const struct cli verb_cli = { .program = "waxmail", .kind = "verb", .options = options, .n_options = OPTION_COUNT,
			      .always = OPTIONS_ALWAYS, .row = row, .date = "November 25, 2026" };
