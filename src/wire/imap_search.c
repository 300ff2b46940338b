/* imap_search.c - the language of SEARCH (RFC 9051 6.4.4, RFC 4731, 5032, 7162). */
#include "wire/imap_args.h"

enum argument { ARG_NONE, ARG_TEXT, ARG_FIELD_TEXT, ARG_DATE, ARG_NUMBER, ARG_KEYWORD, ARG_SET };

/* All keys but AND, OR, NOT, MODSEQ and a bare set.  number is the flag's bit;
 * field the header field that the key searches. */
static const struct {
	const char *name;
	enum imap_key key;
	enum argument argument;
	uint32_t number;
	const char *field;
} keys[] = {
	{ "ALL", IMAP_KEY_ALL, ARG_NONE, 0, NULL },
	{ "ANSWERED", IMAP_KEY_FLAG, ARG_NONE, 1 << (IMAP_FLAG_ANSWERED - 1), NULL },
	{ "BCC", IMAP_KEY_HEADER, ARG_TEXT, 0, "BCC" },
	{ "BEFORE", IMAP_KEY_BEFORE, ARG_DATE, 0, NULL },
	{ "BODY", IMAP_KEY_BODY, ARG_TEXT, 0, NULL },
	{ "CC", IMAP_KEY_HEADER, ARG_TEXT, 0, "CC" },
	{ "DELETED", IMAP_KEY_FLAG, ARG_NONE, 1 << (IMAP_FLAG_DELETED - 1), NULL },
	{ "DRAFT", IMAP_KEY_FLAG, ARG_NONE, 1 << (IMAP_FLAG_DRAFT - 1), NULL },
	{ "FLAGGED", IMAP_KEY_FLAG, ARG_NONE, 1 << (IMAP_FLAG_FLAGGED - 1), NULL },
	{ "FROM", IMAP_KEY_HEADER, ARG_TEXT, 0, "FROM" },
	{ "HEADER", IMAP_KEY_HEADER, ARG_FIELD_TEXT, 0, NULL },
	{ "KEYWORD", IMAP_KEY_KEYWORD, ARG_KEYWORD, 0, NULL },
	{ "LARGER", IMAP_KEY_LARGER, ARG_NUMBER, 0, NULL },
	{ "NEW", IMAP_KEY_RECENT, ARG_NONE, 0, NULL },
	{ "OLD", IMAP_KEY_ALL, ARG_NONE, 0, NULL },
	{ "OLDER", IMAP_KEY_OLDER, ARG_NUMBER, 0, NULL },
	{ "ON", IMAP_KEY_ON, ARG_DATE, 0, NULL },
	{ "RECENT", IMAP_KEY_RECENT, ARG_NONE, 0, NULL },
	{ "SEEN", IMAP_KEY_FLAG, ARG_NONE, 1 << (IMAP_FLAG_SEEN - 1), NULL },
	{ "SENTBEFORE", IMAP_KEY_SENT_BEFORE, ARG_DATE, 0, NULL },
	{ "SENTON", IMAP_KEY_SENT_ON, ARG_DATE, 0, NULL },
	{ "SENTSINCE", IMAP_KEY_SENT_SINCE, ARG_DATE, 0, NULL },
	{ "SINCE", IMAP_KEY_SINCE, ARG_DATE, 0, NULL },
	{ "SMALLER", IMAP_KEY_SMALLER, ARG_NUMBER, 0, NULL },
	{ "SUBJECT", IMAP_KEY_HEADER, ARG_TEXT, 0, "SUBJECT" },
	{ "TEXT", IMAP_KEY_TEXT, ARG_TEXT, 0, NULL },
	{ "TO", IMAP_KEY_HEADER, ARG_TEXT, 0, "TO" },
	{ "UID", IMAP_KEY_UID, ARG_SET, 0, NULL },
	{ "UNANSWERED", IMAP_KEY_NO_FLAG, ARG_NONE, 1 << (IMAP_FLAG_ANSWERED - 1), NULL },
	{ "UNDELETED", IMAP_KEY_NO_FLAG, ARG_NONE, 1 << (IMAP_FLAG_DELETED - 1), NULL },
	{ "UNDRAFT", IMAP_KEY_NO_FLAG, ARG_NONE, 1 << (IMAP_FLAG_DRAFT - 1), NULL },
	{ "UNFLAGGED", IMAP_KEY_NO_FLAG, ARG_NONE, 1 << (IMAP_FLAG_FLAGGED - 1), NULL },
	{ "UNKEYWORD", IMAP_KEY_NO_KEYWORD, ARG_KEYWORD, 0, NULL },
	{ "UNSEEN", IMAP_KEY_NO_FLAG, ARG_NONE, 1 << (IMAP_FLAG_SEEN - 1), NULL },
	{ "YOUNGER", IMAP_KEY_YOUNGER, ARG_NUMBER, 0, NULL },
};

struct context {
	struct imap_parse *p;
	struct imap_search *search;
};

static struct imap_search_key *take_key(struct context *c, int depth);

static struct imap_search_key *new_key(struct context *c, enum imap_key key)
{
	struct imap_search_key *k = imap_ok(c->p) ? ARENA_NEW(c->p->arena, struct imap_search_key) : NULL;

	if (k == NULL)
		imap_fail(c->p);
	else
		k->key = key;
	return k;
}

static void take_argument(struct context *c, struct imap_search_key *k, enum argument argument)
{
	if (argument == ARG_NONE)
		return;
	imap_space(c->p);
	switch (argument) {
	case ARG_FIELD_TEXT:
		k->field = imap_take_astring(c->p);
		imap_space(c->p);
		k->text = imap_take_astring(c->p);
		break;
	case ARG_TEXT:
		k->text = imap_take_astring(c->p);
		break;
	case ARG_DATE:
		k->day = imap_take_date(c->p);
		break;
	case ARG_NUMBER:
		k->number = imap_take_number64(c->p);
		break;
	case ARG_KEYWORD:
		k->text = imap_take_atom(c->p);
		break;
	case ARG_SET:
		k->set = imap_take_set(c->p);
		break;
	case ARG_NONE:
		break;
	}
}

/* MODSEQ [<entry name> <entry type>] <mod-sequence> (RFC 7162 3.1.5). */
static struct imap_search_key *take_modseq(struct context *c)
{
	struct imap_search_key *k = new_key(c, IMAP_KEY_MODSEQ);

	imap_space(c->p);
	if (peek_char(&c->p->c) == '"') {
		(void)imap_take_string(c->p);
		imap_space(c->p);
		(void)imap_take_atom(c->p);
		imap_space(c->p);
	}
	c->search->modseq = true;
	if (k)
		k->number = imap_take_number64(c->p);
	return k;
}

static struct imap_search_key *take_kids(struct context *c, enum imap_key key, int n, int depth)
{
	struct imap_search_key *k = new_key(c, key), **end = k ? &k->kids : NULL;

	for (int i = 0; i < n && end && imap_ok(c->p); i++) {
		imap_space(c->p);
		*end = take_key(c, depth + 1);
		if (*end)
			end = &(*end)->next;
	}
	return k;
}

/* Keys with a blank between them. */
static struct imap_search_key *take_and(struct context *c, int depth)
{
	struct imap_search_key *k = new_key(c, IMAP_KEY_AND), **end = k ? &k->kids : NULL;

	if (end == NULL)
		return NULL;
	do {
		*end = take_key(c, depth);
		if (*end)
			end = &(*end)->next;
	} while (imap_ok(c->p) && imap_try(c->p, ' '));
	return k;
}

static struct imap_search_key *take_named(struct context *c)
{
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct imap_search_key *k;

		if (!imap_try_word(c->p, view_cstr(keys[i].name)))
			continue;
		k = new_key(c, keys[i].key);
		if (k == NULL)
			return NULL;
		k->number = keys[i].number;
		k->field = view_cstr(keys[i].field);
		take_argument(c, k, keys[i].argument);
		return k;
	}
	imap_fail(c->p);
	return NULL;
}

static struct imap_search_key *take_key(struct context *c, int depth)
{
	char next = peek_char(&c->p->c);
	struct imap_search_key *k;

	if (depth > IMAP_DEPTH_MAX) {
		imap_fail(c->p);
		return NULL;
	}
	if (imap_try(c->p, '(')) {
		k = take_and(c, depth + 1);
		imap_want(c->p, ')');
		return k;
	}
	if (ascii_digit(next) || next == '*' || next == '$') {
		k = new_key(c, IMAP_KEY_SEQUENCE);
		if (k)
			k->set = imap_take_set(c->p);
		return k;
	}
	if (imap_try_word(c->p, VIEW("NOT")))
		return take_kids(c, IMAP_KEY_NOT, 1, depth);
	if (imap_try_word(c->p, VIEW("OR")))
		return take_kids(c, IMAP_KEY_OR, 2, depth);
	if (imap_try_word(c->p, VIEW("MODSEQ")))
		return take_modseq(c);
	return take_named(c);
}

static const struct {
	const char *name;
	unsigned bit;
} results[] = {
	{ "MIN", IMAP_RETURN_MIN }, { "MAX", IMAP_RETURN_MAX }, { "ALL", IMAP_RETURN_ALL },
	{ "COUNT", IMAP_RETURN_COUNT }, { "SAVE", IMAP_RETURN_SAVE },
};

/* Behind RETURN: "(" [option *(SP option)] ")"; none is ALL. */
static unsigned take_results(struct imap_parse *p)
{
	unsigned bits = 0;

	imap_space(p);
	imap_want(p, '(');
	if (imap_try(p, ')'))
		return IMAP_RETURN_ALL;
	do {
		size_t i = 0;

		while (i < sizeof results / sizeof *results && !imap_try_word(p, view_cstr(results[i].name)))
			i++;
		if (i == sizeof results / sizeof *results) {
			imap_fail(p);
			return 0;
		}
		bits |= results[i].bit;
	} while (imap_try(p, ' '));
	imap_want(p, ')');
	return bits;
}

struct imap_search imap_take_search(struct imap_parse *p)
{
	struct imap_search s = { .results = IMAP_RETURN_ALL };
	struct context c = { p, &s };

	if (imap_try_word(p, VIEW("RETURN"))) {
		s.extended = true;
		s.results = take_results(p);
		imap_space(p);
	}
	if (imap_try_word(p, VIEW("CHARSET"))) {
		imap_space(p);
		s.charset = imap_take_astring(p);
		imap_space(p);
	}
	s.key = take_and(&c, 0);
	if (!imap_end(p))
		imap_fail(p);
	return s;
}
