#include "sendmail/options.h"

#include "base/view.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_DIR "/var/lib/waxwing"

enum meaning {
	IGNORED, MODE, FULL_NAME, SENDER, NEWALIASES, DOTS, NOTIFY, LONG_OPTION, OPTION, QUEUE, RETURN, HEADER,
	ENVID, VERBOSE,
};

static const struct row {
	char letter;
	const char *argument;
	enum meaning meaning;
} rows[] = {
#define O(letter, argument, meaning, doc) { letter, argument, meaning },
#include "sendmail/options.def"
#undef O
};
enum { ROWS = sizeof rows / sizeof *rows };

enum { LONG_DIR = 256, LONG_PICKUP, LONG_VERSION };
static const struct option longs[] = {
	{ "dir", required_argument, NULL, LONG_DIR },
	{ "pickup", required_argument, NULL, LONG_PICKUP },
	{ "version", no_argument, NULL, LONG_VERSION },
	{ 0 },
};

static const struct row *row_of(int letter)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

/* As getopt(3) wants it. */
static void letters(char out[3 * ROWS + 1])
{
	for (size_t i = 0; i < ROWS; i++) {
		*out++ = rows[i].letter;
		if (rows[i].argument[0])
			*out++ = ':';
		if (rows[i].argument[0] == '[')
			*out++ = ':';
	}
	*out = '\0';
}

static bool take_mode(struct options *o, const char *mode)
{
	static const struct {
		const char *word;
		enum sendmail_mode mode;
	} modes[] = { { "m", MODE_LETTER }, { "s", MODE_SMTP }, { "p", MODE_LIST }, { "i", MODE_NOTHING } };

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (strcmp(mode, modes[i].word) == 0) {
			o->mode = modes[i].mode;
			return true;
		}
	fprintf(stderr, "waxwing-sendmail: -b%s is not for this program; `waxwing serve` is the server\n", mode);
	return false;
}

/* The words are checked here, since a server would be asked much later. */
static bool take_notify(struct options *o, const char *words)
{
	struct view list = view_cstr(words), one;
	bool good = false;

	if (strcasecmp(words, "never") == 0) {
		o->notify = words;
		return true;
	}
	while ((one = view_take_word(&list)).n) {
		good = view_eq_i(one, VIEW("success")) || view_eq_i(one, VIEW("failure")) || view_eq_i(one, VIEW("delay"));
		if (!good)
			break;
	}
	if (!good || strchr(words, ' ') || strchr(words, '\t')) {
		fprintf(stderr, "waxwing-sendmail: -N wants never, or some of success,failure,delay\n");
		return false;
	}
	o->notify = words;
	return true;
}

static bool take_return(struct options *o, const char *word)
{
	o->ret = word;
	if (strcasecmp(word, "full") == 0 || strcasecmp(word, "hdrs") == 0)
		return true;
	fprintf(stderr, "waxwing-sendmail: -R wants full or hdrs\n");
	return false;
}

static bool take(struct options *o, enum meaning meaning, const char *value)
{
	switch (meaning) {
	case MODE:
		return take_mode(o, value);
	case NOTIFY:
		return take_notify(o, value);
	case RETURN:
		return take_return(o, value);
	case FULL_NAME:
		o->full_name = value;
		break;
	case SENDER:
		o->sender = value;
		break;
	case ENVID:
		o->envid = value;
		break;
	case NEWALIASES:
	case QUEUE:
		o->mode = MODE_NOTHING;
		break;
	case OPTION:
		o->dots = o->dots || value[0] == 'i';
		break;
	case LONG_OPTION:
		o->dots = o->dots || strcasecmp(value, "IgnoreDots=true") == 0;
		break;
	case DOTS:
		o->dots = true;
		break;
	case HEADER:
		o->header = true;
		break;
	case VERBOSE:
		o->verbose = true;
		break;
	case IGNORED:
		break;
	}
	return true;
}

static bool take_long(struct options *o, int which, const char *value)
{
	if (which == LONG_DIR)
		o->dir = value;
	if (which == LONG_VERSION)
		o->mode = MODE_VERSION;
	if (which == LONG_PICKUP) {
		o->mode = MODE_PICKUP;
		o->key = value;
	}
	return true;
}

/* By which name it was called. */
static enum sendmail_mode mode_of(const char *program)
{
	const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;

	if (strcmp(name, "mailq") == 0)
		return MODE_LIST;
	return strcmp(name, "newaliases") == 0 ? MODE_NOTHING : MODE_LETTER;
}

static bool take_owner(struct options *o)
{
	uint64_t uid = 0;

	if (o->n != 1 || !view_u64(view_cstr(o->recipients[0]), &uid) || uid >= UINT32_MAX) {
		fprintf(stderr, "waxwing-sendmail: --pickup KEY UID is for waxwing alone\n");
		return false;
	}
	o->uid = (uint32_t)uid;
	return true;
}

bool options_take(int argc, char **argv, struct options *ret)
{
	struct options o = { .mode = mode_of(argc ? argv[0] : ""), .dir = getenv("WAXWING_DIR") };
	char known[3 * ROWS + 1];
	int c;

	letters(known);
	while ((c = getopt_long(argc, argv, known, longs, NULL)) != -1) {
		const struct row *row = row_of(c);

		if (row == NULL && c < LONG_DIR)
			return false;	/* getopt has said it */
		if (!(row ? take(&o, row->meaning, optarg) : take_long(&o, c, optarg)))
			return false;
	}
	if (o.dir == NULL || o.dir[0] == '\0')
		o.dir = DEFAULT_DIR;
	o.recipients = argv + optind;
	o.n = argc - optind;
	if (o.mode == MODE_PICKUP && !take_owner(&o))
		return false;
	*ret = o;
	return true;
}
