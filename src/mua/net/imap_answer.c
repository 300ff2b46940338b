#include "mua/net/imap_answer.h"

/* ---- an answer as it comes ---- */

void imap_hearer_begin(struct imap_hearer *h, size_t max)
{
	*h = (struct imap_hearer){ .text = BUF(max) };
}

void imap_hearer_free(struct imap_hearer *h)
{
	buf_free(&h->text);
}

/* "{n}" at the end of a line: false where there is none. */
static bool announces(struct view line, uint64_t *ret_n)
{
	size_t end = line.n - 1, i;

	if (line.n < 3 || line.p[end] != '}')
		return false;
	if (line.p[end - 1] == '+')
		end--;
	for (i = end; i && ascii_digit(line.p[i - 1]); i--)
		;
	if (i == end || i == 0 || line.p[i - 1] != '{')
		return false;
	if (!view_u64(view_make(line.p + i, end - i), ret_n))
		*ret_n = UINT64_MAX;
	return true;
}

static enum imap_heard full(const struct imap_hearer *h)
{
	return buf_status(&h->text) == ST_NOMEM ? HEARD_NO_MEMORY : HEARD_TOO_LONG;
}

/* The line that ends at text.n, whose CRLF is there. */
static enum imap_heard end_line(struct imap_hearer *h)
{
	struct view line = view_make(h->text.p + h->line_at, h->text.n - h->line_at);
	char *p;

	if (line.n < 2 || line.p[line.n - 2] != '\r')
		return HEARD_BAD_BYTES;
	line.n -= 2;
	if (view_find(line, '\r') < line.n || view_find(line, '\0') < line.n)
		return HEARD_BAD_BYTES;
	if (announces(line, &h->wanted)) {
		if (h->wanted > h->text.max - h->text.n || buf_reserve(&h->text, (size_t)h->wanted, &p) != ST_OK)
			return h->wanted > h->text.max - h->text.n ? HEARD_TOO_LONG : HEARD_NO_MEMORY;
		h->line_at = h->text.n + (size_t)h->wanted;
		return HEARD_MORE;
	}
	h->text.n -= 2;
	h->done = true;
	return HEARD_ANSWER;
}

enum imap_heard imap_hear(struct imap_hearer *h, struct view bytes, size_t *ret_used)
{
	size_t used = 0;
	enum imap_heard r = HEARD_MORE;

	if (h->done) {
		buf_clear(&h->text);
		h->line_at = 0;
		h->done = false;
	}
	while (r == HEARD_MORE && used < bytes.n) {
		struct view left = view_skip(bytes, used);
		size_t lf = view_find(left, '\n');
		size_t n = h->wanted	 ? h->wanted < left.n ? (size_t)h->wanted : left.n
			   : lf < left.n ? lf + 1
					 : left.n;

		buf_put(&h->text, view_head(left, n));
		used += n;
		if (buf_status(&h->text) != ST_OK)
			r = full(h);
		else if (h->wanted)
			h->wanted -= n;
		else if (h->text.n - h->line_at > ANSWER_LINE_MAX)
			r = HEARD_TOO_LONG;
		else if (lf < left.n)
			r = end_line(h);
	}
	*ret_used = used;
	return r;
}

/* ---- passing over what is not known ---- */

/* A value of any kind: atom, number, string, literal, list. */
static void skip_value(struct imap_parse *p)
{
	int depth = 0;

	do {
		char c = peek_char(&p->c);

		if (imap_try(p, ' '))
			continue;
		if (imap_try(p, '(')) {
			if (++depth > ANSWER_DEPTH)
				imap_fail(p);
		} else if (depth && imap_try(p, ')')) {
			depth--;
		} else if (c == '"') {
			(void)imap_take_string(p);
		} else if (c == '{' || c == '~') {
			(void)imap_take_literal(p);
		} else {
			const char *from = p->c.p;

			while (cursor_left(&p->c) && !strchr(" ()\"{", *p->c.p))
				p->c.p++;
			if (p->c.p == from)
				imap_fail(p);
		}
	} while (depth && imap_ok(p));
}

/* ---- flags ---- */

static const struct view system_flags[] = { VIEW("\\Seen"), VIEW("\\Answered"), VIEW("\\Flagged"), VIEW("\\Deleted"),
					    VIEW("\\Draft") };

static struct view take_flag(struct imap_parse *p)
{
	const char *from = p->c.p;

	while (cursor_left(&p->c) && !strchr(" ()\"{\r", *p->c.p))
		p->c.p++;
	if (p->c.p == from)
		imap_fail(p);
	return view_make(from, (size_t)(p->c.p - from));
}

/* Flags of the system that are not known ("\Recent", "\*") mean nothing. */
static void take_flags(struct imap_parse *p, struct answer *a)
{
	uint32_t cap = 0;

	/* Where they are told twice, the last ones count. */
	a->system = 0;
	a->keywords = (struct imap_list){ 0 };
	imap_want(p, '(');
	while (imap_ok(p) && !imap_try(p, ')')) {
		struct view f = take_flag(p);
		uint32_t bit = 0;

		imap_try(p, ' ');
		for (uint32_t i = 0; i < 5; i++)
			if (view_eq_i(f, system_flags[i]))
				bit = 1u << i;
		a->system |= bit;
		if (bit || f.n == 0 || f.p[0] == '\\')
			continue;
		if (a->keywords.n == cap) {
			struct view *more = cap >= IMAP_LIST_MAX
						    ? NULL
						    : arena_array(p->arena, cap ? 2 * cap : 4, sizeof *more);

			if (more == NULL) {
				imap_fail(p);
				return;
			}
			if (cap)
				memcpy(more, a->keywords.v, cap * sizeof *more);
			a->keywords.v = more;
			cap = cap ? 2 * cap : 4;
		}
		a->keywords.v[a->keywords.n++] = f;
	}
}

/* ---- FETCH (7.5.2) ---- */

static void take_body(struct imap_parse *p, struct answer *a)
{
	char c = peek_char(&p->c);

	if (c == '{' || c == '~')
		a->body = imap_take_literal(p);
	else
		a->body = imap_take_nstring(p);
	if (a->body.p)
		a->gave |= GAVE_BODY;
}

/* Behind "BODY[" up to "]" and "<0>". */
static void skip_section(struct imap_parse *p)
{
	while (cursor_left(&p->c) && peek_char(&p->c) != ']') {
		if (peek_char(&p->c) == '"' || peek_char(&p->c) == '{')
			(void)imap_take_string(p);
		else
			p->c.p++;
	}
	imap_want(p, ']');
	if (imap_try(p, '<')) {
		(void)imap_take_number64(p);
		imap_want(p, '>');
	}
}

static void take_item(struct imap_parse *p, struct answer *a)
{
	const char *from = p->c.p;
	struct view name;

	while (cursor_left(&p->c) && !strchr(" [()\"{", *p->c.p))
		p->c.p++;
	name = view_make(from, (size_t)(p->c.p - from));
	if (imap_try(p, '['))
		skip_section(p);
	imap_space(p);
	if (view_eq_i(name, VIEW("UID"))) {
		a->uid = imap_take_nz_number(p);
		a->gave |= GAVE_UID;
	} else if (view_eq_i(name, VIEW("FLAGS"))) {
		take_flags(p, a);
		a->gave |= GAVE_FLAGS;
	} else if (view_eq_i(name, VIEW("RFC822.SIZE"))) {
		a->size = imap_take_number64(p);
		a->gave |= GAVE_SIZE;
	} else if (view_eq_i(name, VIEW("INTERNALDATE"))) {
		a->date = imap_take_date_time(p);
		a->gave |= GAVE_DATE;
	} else if (view_eq_i(name, VIEW("MODSEQ"))) {
		imap_want(p, '(');
		a->modseq = imap_take_number64(p);
		imap_want(p, ')');
		a->gave |= GAVE_MODSEQ;
	} else if (view_eq_i(name, VIEW("BODY")) && from[name.n] == '[') {
		take_body(p, a);
	} else {
		skip_value(p);
	}
}

static void take_fetch(struct imap_parse *p, struct answer *a)
{
	a->kind = ANSWER_FETCH;
	imap_space(p);
	imap_want(p, '(');
	if (imap_try(p, ')'))
		return;
	do
		take_item(p, a);
	while (imap_ok(p) && imap_try(p, ' '));
	imap_want(p, ')');
}

/* ---- LIST and STATUS (7.3.1, 7.3.4) ---- */

static unsigned list_attribute(struct view v)
{
	static const struct {
		struct view name;
		unsigned bit;
	} names[] = {
		{ VIEW("\\Noselect"), LIST_NOSELECT }, { VIEW("\\NonExistent"), LIST_NOSELECT },
		{ VIEW("\\Sent"), LIST_SENT },	       { VIEW("\\Drafts"), LIST_DRAFTS },
		{ VIEW("\\Trash"), LIST_TRASH },       { VIEW("\\Junk"), LIST_JUNK },
		{ VIEW("\\Archive"), LIST_ARCHIVE },   { VIEW("\\All"), LIST_ALL },
		{ VIEW("\\Flagged"), LIST_FLAGGED },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (view_eq_i(v, names[i].name))
			return names[i].bit;
	return 0;
}

/* A name that is neither UTF-8 nor modified UTF-7 is none that we can show, or
 * say; it gives an empty one, and the others are still good. */
static struct view take_mailbox(struct imap_parse *p)
{
	struct view name = imap_take_astring(p);
	struct buf utf8 = BUF(4 * name.n + 1);
	struct view ret = name;

	if (view_eq_i(name, VIEW("INBOX")))
		return VIEW("INBOX");
	if (!p->utf8) {
		ret = imap_utf7_decode(name, &utf8) == ST_OK ? arena_copy(p->arena, buf_view(&utf8)) : VIEW_NONE;
		buf_free(&utf8);
	}
	return imap_is_utf8(ret) ? ret : VIEW_NONE;
}

static void take_list(struct imap_parse *p, struct answer *a)
{
	struct view delimiter;

	a->kind = ANSWER_LIST;
	imap_space(p);
	imap_want(p, '(');
	while (imap_ok(p) && !imap_try(p, ')')) {
		a->attributes |= list_attribute(take_flag(p));
		imap_try(p, ' ');
	}
	imap_space(p);
	delimiter = imap_take_nstring(p);
	if (delimiter.n > 1)
		imap_fail(p);
	a->delimiter = delimiter.n == 1 ? delimiter.p[0] : '\0';
	imap_space(p);
	a->mailbox = take_mailbox(p);
	if (imap_try(p, ' '))
		skip_value(p);
}

static void take_status(struct imap_parse *p, struct answer *a)
{
	a->kind = ANSWER_STATUS;
	imap_space(p);
	a->mailbox = take_mailbox(p);
	imap_space(p);
	imap_want(p, '(');
	while (imap_ok(p) && !imap_try(p, ')')) {
		struct view name = imap_take_atom(p);

		imap_space(p);
		if (view_eq_i(name, VIEW("MESSAGES")))
			a->status.messages = imap_take_number(p);
		else if (view_eq_i(name, VIEW("UIDNEXT")))
			a->status.uidnext = imap_take_number(p);
		else if (view_eq_i(name, VIEW("UIDVALIDITY")))
			a->status.uidvalidity = imap_take_number(p);
		else if (view_eq_i(name, VIEW("UNSEEN")))
			a->status.unseen = imap_take_number(p);
		else if (view_eq_i(name, VIEW("HIGHESTMODSEQ")))
			a->status.highestmodseq = imap_take_number64(p);
		else
			skip_value(p);
		imap_try(p, ' ');
	}
}

/* ---- the others ---- */

static struct view take_rest(struct imap_parse *p)
{
	return imap_ok(p) ? take_bytes(&p->c, cursor_left(&p->c)) : VIEW_NONE;
}

/* "[CODE rest] text" (7.1). */
static void take_text(struct imap_parse *p, struct answer *a)
{
	if (cursor_left(&p->c))
		imap_space(p);
	if (imap_try(p, '[')) {
		struct view left = view_make(p->c.p, cursor_left(&p->c)),
			    inside = view_head(left, view_find(left, ']'));

		a->code = view_head(inside, view_find(inside, ' '));
		a->code_rest = view_skip(inside, a->code.n + 1);
		p->c.p += inside.n;
		imap_want(p, ']');
		imap_try(p, ' ');
	}
	a->text = take_rest(p);
}

static void take_vanished(struct imap_parse *p, struct answer *a)
{
	a->kind = ANSWER_VANISHED;
	imap_space(p);
	if (imap_try(p, '(')) {
		a->earlier = imap_try_word(p, VIEW("EARLIER"));
		imap_want(p, ')');
		imap_space(p);
	}
	a->set = imap_take_set(p);
}

static void take_search(struct imap_parse *p, struct answer *a)
{
	size_t most = cursor_left(&p->c) / 2 + 1;

	a->kind = ANSWER_SEARCH;
	a->numbers = arena_array(p->arena, most, sizeof *a->numbers);
	if (a->numbers == NULL)
		imap_fail(p);
	while (imap_ok(p) && imap_try(p, ' ')) {
		/* "(MODSEQ n)" may end it (RFC 7162 3.1.5). */
		if (peek_char(&p->c) == '(')
			skip_value(p);
		else if (cursor_left(&p->c))
			a->numbers[a->n_numbers++] = imap_take_nz_number(p);
	}
}

static bool take_state(struct imap_parse *p, struct answer *a)
{
	static const struct {
		struct view word;
		enum answer_kind kind;
	} states[] = {
		{ VIEW("OK"), ANSWER_OK },   { VIEW("NO"), ANSWER_NO },		 { VIEW("BAD"), ANSWER_BAD },
		{ VIEW("BYE"), ANSWER_BYE }, { VIEW("PREAUTH"), ANSWER_PREAUTH },
	};

	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		if (!imap_try_word(p, states[i].word))
			continue;
		a->kind = states[i].kind;
		take_text(p, a);
		return true;
	}
	return false;
}

static void take_numbered(struct imap_parse *p, struct answer *a)
{
	a->number = imap_take_number(p);
	imap_space(p);
	if (imap_try_word(p, VIEW("FETCH")))
		take_fetch(p, a);
	else if (imap_try_word(p, VIEW("EXISTS")))
		a->kind = ANSWER_EXISTS;
	else if (imap_try_word(p, VIEW("EXPUNGE")))
		a->kind = ANSWER_EXPUNGE;
}

static void take_untagged(struct imap_parse *p, struct answer *a)
{
	if (ascii_digit(peek_char(&p->c))) {
		take_numbered(p, a);
	} else if (take_state(p, a)) {
		;
	} else if (imap_try_word(p, VIEW("CAPABILITY")) || imap_try_word(p, VIEW("ENABLED"))) {
		a->kind = ascii_lower(p->c.p[-1]) == 'y' ? ANSWER_CAPABILITY : ANSWER_ENABLED;
		a->text = take_rest(p);
	} else if (imap_try_word(p, VIEW("LIST"))) {
		take_list(p, a);
	} else if (imap_try_word(p, VIEW("STATUS"))) {
		take_status(p, a);
	} else if (imap_try_word(p, VIEW("SEARCH"))) {
		take_search(p, a);
	} else if (imap_try_word(p, VIEW("VANISHED"))) {
		take_vanished(p, a);
	}
}

void answer_take(struct view text, struct arena *arena, bool utf8, struct answer *ret)
{
	struct imap_parse p = imap_parse_over(text, arena);
	struct answer a = { .kind = ANSWER_OTHER };

	p.utf8 = utf8;
	if (imap_try(&p, '+')) {
		a.kind = ANSWER_CONTINUE;
		imap_try(&p, ' ');
		a.text = take_rest(&p);
	} else if (imap_try(&p, '*')) {
		imap_space(&p);
		take_untagged(&p, &a);
	} else {
		a.tag = imap_take_tag(&p);
		imap_space(&p);
		if (!take_state(&p, &a))
			imap_fail(&p);
	}
	if (!imap_ok(&p) || arena_status(arena) != ST_OK)
		a.kind = ANSWER_BROKEN;
	*ret = a;
}

bool answer_uids(struct view code_rest, struct arena *arena, uint32_t *ret_validity, struct imap_set *ret_from,
		 struct imap_set *ret_to)
{
	struct imap_parse p = imap_parse_over(code_rest, arena);
	struct imap_set from = { 0 }, to;
	uint32_t validity = imap_take_nz_number(&p);

	imap_space(&p);
	to = imap_take_set(&p);
	if (imap_try(&p, ' ')) {
		from = to;
		to = imap_take_set(&p);
	}
	if (!imap_end(&p))
		return false;
	*ret_validity = validity;
	*ret_from = from;
	*ret_to = to;
	return true;
}
