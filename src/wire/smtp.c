#include "wire/smtp.h"

#include "ipc/envelope.h"

struct smtp_command smtp_split(struct view line)
{
	size_t blank = view_find(line, ' ');

	return (struct smtp_command){ view_head(line, blank), view_trim(view_skip(line, blank)) };
}

/* ---- addresses (4.1.2, 6531 3.3) ---- */

static bool is_utf8_byte(char c)
{
	return (unsigned char)c >= 0x80;
}

static bool is_atext(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c)) ||
	       is_utf8_byte(c);
}

static bool is_let_dig(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || is_utf8_byte(c);
}

static bool is_let_dig_hyp(char c)
{
	return is_let_dig(c) || c == '-' || c == '_';
}

static bool take_dot_string(struct cursor *c)
{
	do {
		if (take_while(c, is_atext).n == 0)
			return false;
	} while (take_char(c, '.'));
	return true;
}

static bool take_quoted_string(struct cursor *c)
{
	if (!take_char(c, '"'))
		return false;
	for (;;) {
		char ch = peek_char(c);

		if (cursor_left(c) == 0 || (unsigned char)ch < 32 || ch == 127)
			return false;
		c->p++;
		if (ch == '"')
			return true;
		if (ch == '\\') {
			ch = peek_char(c);
			if (cursor_left(c) == 0 || (unsigned char)ch < 32 || (unsigned char)ch > 126)
				return false;
			c->p++;
		}
	}
}

static bool take_domain_name(struct cursor *c)
{
	do {
		struct view label = take_while(c, is_let_dig_hyp);

		if (label.n == 0 || label.n > 63 || !is_let_dig(label.p[label.n - 1]))
			return false;
	} while (take_char(c, '.'));
	return true;
}

static bool is_literal_char(char c)
{
	return c > 32 && c < 127 && c != '[' && c != ']' && c != '\\';
}

static bool take_domain(struct cursor *c, bool *ret_literal)
{
	*ret_literal = take_char(c, '[');
	if (!*ret_literal)
		return take_domain_name(c);
	return take_while(c, is_literal_char).n && take_char(c, ']');
}

bool smtp_is_domain(struct view text)
{
	struct cursor c = cursor_over(text);
	bool literal;

	return text.n <= DOMAIN_MAX && take_domain(&c, &literal) && cursor_end(&c);
}

static struct view since(const struct cursor *c, const char *from)
{
	return view_make(from, (size_t)(c->p - from));
}

static bool any_utf8(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (is_utf8_byte(v.p[i]))
			return true;
	return false;
}

/* Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates. */
static bool well_formed(struct view v)
{
	for (size_t i = 0; i < v.n;) {
		unsigned char b = (unsigned char)v.p[i];
		size_t more = b < 0x80 ? 0 : b >= 0xc2 && b < 0xe0 ? 1 : (b & 0xf0) == 0xe0 ? 2
					   : b >= 0xf0 && b < 0xf5 ? 3 : 9;

		if (more > 3 || v.n - i <= more)
			return false;
		for (size_t k = 1; k <= more; k++)
			if (((unsigned char)v.p[i + k] & 0xc0) != 0x80)
				return false;
		if (more > 1) {
			unsigned char second = (unsigned char)v.p[i + 1];

			if ((b == 0xe0 && second < 0xa0) || (b == 0xed && second > 0x9f) ||
			    (b == 0xf0 && second < 0x90) || (b == 0xf4 && second > 0x8f))
				return false;
		}
		i += more + 1;
	}
	return true;
}

static enum status take_mailbox(struct cursor *c, struct smtp_path *ret)
{
	struct smtp_path p = { 0 };
	const char *from = c->p, *domain;
	bool good = peek_char(c) == '"' ? take_quoted_string(c) : take_dot_string(c);

	p.local = since(c, from);
	if (!good || !take_char(c, '@'))
		return ST_SYNTAX;
	domain = c->p;
	if (!take_domain(c, &p.literal))
		return ST_SYNTAX;
	p.domain = since(c, domain);
	p.address = since(c, from);
	if (p.local.n > LOCAL_PART_MAX || p.domain.n > DOMAIN_MAX || p.address.n > PATH_MAX_OCTETS)
		return ST_LIMIT;
	p.utf8 = any_utf8(p.address);
	if (p.utf8 && !well_formed(p.address))
		return ST_SYNTAX;
	*ret = p;
	return ST_OK;
}

enum status smtp_take_mailbox(struct view text, struct smtp_path *ret)
{
	struct cursor c = cursor_over(text);
	struct smtp_path p;
	enum status st = take_mailbox(&c, &p);

	if (st == ST_OK && !cursor_end(&c))
		st = ST_SYNTAX;
	if (st == ST_OK)
		*ret = p;
	return st;
}

/* "@one,@two:" - accepted and ignored (appendix C). */
static bool skip_source_route(struct cursor *c)
{
	bool literal;

	if (peek_char(c) != '@')
		return true;
	do {
		if (!take_char(c, '@') || !take_domain(c, &literal))
			return false;
	} while (take_char(c, ','));
	return take_char(c, ':');
}

static enum status take_angle_path(struct cursor *c, bool forward, struct smtp_path *ret)
{
	static const struct view postmaster = { "postmaster", 10 };
	enum status st;

	if (!take_char(c, '<'))
		return ST_SYNTAX;
	if (!forward && take_char(c, '>'))
		return ST_OK;
	if (!skip_source_route(c))
		return ST_SYNTAX;
	if (forward && cursor_left(c) > postmaster.n && c->p[postmaster.n] == '>' &&
	    view_eq_i(view_make(c->p, postmaster.n), postmaster)) {
		ret->address = ret->local = view_make(c->p, postmaster.n);
		c->p += postmaster.n;
	} else if ((st = take_mailbox(c, ret)) != ST_OK) {
		return st;
	}
	return take_char(c, '>') ? ST_OK : ST_SYNTAX;
}

/* ---- parameters ---- */

static bool is_keyword_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-';
}

static bool is_value_char(char c)
{
	return c > 32 && c != '=' && c != 127;
}

static bool is_value_char_utf8(char c)
{
	return is_value_char(c) || is_utf8_byte(c);
}

static bool take_parameter(struct cursor *c, struct smtp_parameter *ret)
{
	ret->key = take_while(c, is_keyword_char);
	ret->has_value = take_char(c, '=');
	ret->value = VIEW_NONE;
	if (ret->has_value) {
		ret->value = take_while(c, is_value_char_utf8);
		/* xtext and base64 end in "=" at times; be kind to both. */
		while (take_char(c, '='))
			ret->value.n++;
	}
	return ret->key.n && (!ret->has_value || ret->value.n);
}

enum status smtp_take_path(struct view rest, struct view prefix, struct smtp_path_command *ret)
{
	struct smtp_path_command pc = { 0 };
	struct cursor c;
	enum status st;

	if (!view_starts_i(rest, prefix))
		return ST_SYNTAX;
	/* "MAIL FROM: <a@b>" is wrong but common (QUIRKS.md). */
	c = cursor_over(view_trim(view_skip(rest, prefix.n)));
	st = take_angle_path(&c, prefix.n == 3, &pc.path);
	while (st == ST_OK && cursor_left(&c)) {
		if (pc.n_parameters == PARAMETERS_MAX)
			return ST_LIMIT;
		if (!take_char(&c, ' '))
			return ST_SYNTAX;
		while (take_char(&c, ' '))
			;
		if (!take_parameter(&c, &pc.parameters[pc.n_parameters++]))
			return ST_SYNTAX;
	}
	if (st == ST_OK)
		*ret = pc;
	return st;
}

static bool is_xchar(char c)
{
	return c > 32 && c < 127 && c != '+' && c != '=';
}

static bool is_upper_hex(char c)
{
	return ascii_digit(c) || (c >= 'A' && c <= 'F');
}

static bool take_xtext(struct cursor *c)
{
	do {
		take_while(c, is_xchar);
		if (!take_char(c, '+'))
			return true;
		for (int i = 0; i < 2; i++) {
			if (cursor_left(c) == 0 || !is_upper_hex(*c->p))
				return false;
			c->p++;
		}
	} while (cursor_left(c));
	return true;
}

bool smtp_is_xtext(struct view text)
{
	struct cursor c = cursor_over(text);

	return text.n && take_xtext(&c) && cursor_end(&c);
}

bool smtp_is_orcpt(struct view text)
{
	struct cursor c = cursor_over(text);

	/* RFC 6533 has "utf-8" as a type: its address is more than xtext. */
	return take_while(&c, is_keyword_char).n && take_char(&c, ';') && cursor_left(&c) && take_xtext(&c) &&
	       cursor_end(&c);
}

enum status smtp_take_notify(struct view text, uint8_t *ret_set)
{
	static const struct {
		const char *word;
		uint8_t bit;
	} words[] = { { "NEVER", NOTIFY_NEVER }, { "SUCCESS", NOTIFY_SUCCESS },
		      { "FAILURE", NOTIFY_FAILURE }, { "DELAY", NOTIFY_DELAY } };
	uint8_t set = 0;

	for (;;) {
		struct view word = view_head(text, view_find(text, ','));
		uint8_t bit = 0;

		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (view_eq_i(word, view_cstr(words[i].word)))
				bit = words[i].bit;
		if (bit == 0 || (set & bit))
			return ST_SYNTAX;
		set |= bit;
		if (word.n == text.n)
			break;
		text = view_skip(text, word.n + 1);
	}
	if ((set & NOTIFY_NEVER) && set != NOTIFY_NEVER)
		return ST_SYNTAX;
	*ret_set = set;
	return ST_OK;
}

enum status smtp_take_chunk(struct view text, uint64_t *ret_size, bool *ret_last)
{
	size_t blank = view_find(text, ' ');
	struct view end = view_trim(view_skip(text, blank));

	if (end.n && !view_eq_i(end, VIEW("LAST")))
		return ST_SYNTAX;
	if (!view_u64(view_head(text, blank), ret_size))
		return ST_SYNTAX;
	*ret_last = end.n > 0;
	return ST_OK;
}

/* ---- the text of DATA ---- */

enum { AT_LINE, IN_LINE, AFTER_CR, AFTER_DOT, AFTER_DOT_CR };

static const struct view crlf = { "\r\n", 2 };
static const struct view cr = { "\r", 1 };

/* A CR or LF that stands alone. */
static void lone(struct smtp_text *t, struct view as_it_came, void (*put)(void *, struct view), void *arg)
{
	t->bare |= !t->mend;
	put(arg, t->mend ? crlf : as_it_came);
}

/* One byte in a state that is not the plain middle of a line.  True at the
 * end of the text. */
static bool step(struct smtp_text *t, const char *p, void (*put)(void *, struct view), void *arg)
{
	struct view one = { p, 1 };

	switch (t->state) {
	case AT_LINE:
		if (*p == '.') {
			t->state = AFTER_DOT;
			return false;
		}
		break;
	case AFTER_DOT:
		if (*p == '\r') {
			t->state = AFTER_DOT_CR;
			return false;
		}
		break;	/* a stuffed dot: what follows it is the line */
	case AFTER_DOT_CR:
		if (*p == '\n')
			return true;
		lone(t, cr, put, arg);
		break;
	case AFTER_CR:
		if (*p == '\n') {
			put(arg, crlf);
			t->state = AT_LINE;
			return false;
		}
		lone(t, cr, put, arg);
		break;
	default:
		break;
	}
	if (*p == '\r') {
		t->state = AFTER_CR;
		return false;
	}
	t->bare |= *p == '\0';
	if (*p == '\n')
		lone(t, one, put, arg);
	else
		put(arg, one);
	t->state = IN_LINE;
	return false;
}

/* The run of bytes from p on that are neither CR, LF nor NUL. */
static size_t plain_run(const char *p, size_t n)
{
	const char *crp = memchr(p, '\r', n);
	size_t run = crp ? (size_t)(crp - p) : n;
	const char *lf = memchr(p, '\n', run);

	if (lf)
		run = (size_t)(lf - p);
	if (memchr(p, '\0', run))
		run = (size_t)((const char *)memchr(p, '\0', run) - p);
	return run;
}

/* Whole lines in the middle go by in one run: from p, as far as each ends in CRLF
 * and the next does not begin with a dot.  0: the first byte is to be looked at
 * alone. */
static size_t line_run(uint8_t *state, const char *p, size_t n)
{
	size_t at = 0;

	if (*state != IN_LINE && (*state != AT_LINE || *p == '.'))
		return 0;
	while (at < n) {
		at += plain_run(p + at, n - at);
		if (at + 2 > n || p[at] != '\r' || p[at + 1] != '\n')
			break;
		at += 2;
		if (at == n || p[at] == '.') {
			*state = AT_LINE;
			return at;
		}
	}
	if (at)
		*state = IN_LINE;
	return at;
}

enum smtp_text_result smtp_text_take(struct smtp_text *t, struct view bytes,
				     void (*put)(void *arg, struct view run), void *arg, size_t *ret_used)
{
	size_t i = 0;

	while (i < bytes.n) {
		size_t run = line_run(&t->state, bytes.p + i, bytes.n - i);

		if (run) {
			put(arg, view_make(bytes.p + i, run));
			i += run;
			continue;
		}
		if (step(t, bytes.p + i, put, arg)) {
			*ret_used = i + 1;
			return TEXT_END;
		}
		i++;
	}
	*ret_used = i;
	return TEXT_MORE;
}

/* ---- the chunks of BDAT ---- */

/* A byte that is CR, LF or NUL, or stands behind a CR. */
static void chunk_step(struct smtp_text *t, const char *p, void (*put)(void *, struct view), void *arg)
{
	struct view one = { p, 1 };

	if (t->state == AFTER_CR) {
		t->state = IN_LINE;
		if (*p == '\n') {
			put(arg, crlf);
			return;
		}
		lone(t, cr, put, arg);
	}
	if (*p == '\r') {
		t->state = AFTER_CR;
		return;
	}
	t->bare |= *p == '\0';
	if (*p == '\n')
		lone(t, one, put, arg);
	else
		put(arg, one);
}

/* From p, as far as lines end in CRLF. */
static size_t chunk_run(const char *p, size_t n)
{
	size_t at = 0;

	while (at < n) {
		at += plain_run(p + at, n - at);
		if (n - at < 2 || p[at] != '\r' || p[at + 1] != '\n')
			return at;
		at += 2;
	}
	return at;
}

void smtp_chunk_take(struct smtp_text *t, struct view bytes, void (*put)(void *arg, struct view run), void *arg)
{
	size_t i = 0;

	while (i < bytes.n) {
		size_t run = t->state == AFTER_CR ? 0 : chunk_run(bytes.p + i, bytes.n - i);

		if (run)
			put(arg, view_make(bytes.p + i, run));
		i += run;
		if (run == 0)
			chunk_step(t, bytes.p + i++, put, arg);
	}
}

void smtp_chunk_end(struct smtp_text *t, void (*put)(void *arg, struct view run), void *arg)
{
	if (t->state == AFTER_CR)
		lone(t, cr, put, arg);
	t->state = AT_LINE;
}

/* ---- a letter as it is sent ---- */

static void send_byte(struct smtp_sender *t, char c, struct buf *out)
{
	if (t->state == AFTER_CR) {
		buf_put(out, crlf);
		t->state = AT_LINE;
		if (c == '\n')
			return;
	}
	if (c == '\r') {
		t->state = AFTER_CR;
	} else if (c == '\n') {
		buf_put(out, crlf);
		t->state = AT_LINE;
	} else {
		if (t->dots && t->state == AT_LINE && c == '.')
			buf_putc(out, '.');
		buf_putc(out, c);
		t->state = IN_LINE;
	}
}

void smtp_send_text(struct smtp_sender *t, struct view bytes, struct buf *out)
{
	size_t i = 0;

	while (i < bytes.n) {
		size_t run = line_run(&t->state, bytes.p + i, bytes.n - i);

		if (run)
			buf_put(out, view_make(bytes.p + i, run));
		else
			send_byte(t, bytes.p[i++], out);
		i += run;
	}
}

void smtp_send_end(struct smtp_sender *t, struct buf *out)
{
	if (t->state != AT_LINE)
		buf_put(out, crlf);
	t->state = AT_LINE;
	if (t->dots)
		buf_puts(out, ".\r\n");
}
