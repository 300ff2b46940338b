/* write.c - waxmail send, reply, forward, attach. */
#include "mua/compose/write.h"
#include "mua/say.h"
#include "mua/verbs/ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

/* ---- options ---- */

static void add_all(const struct invocation *in, enum option_id id, struct buf *to)
{
	const char *value;

	for (size_t at = 0; (value = option_next(in, id, &at)) != NULL;)
		buf_putf(to, "%s%s", to->n ? ", " : "", value);
}

static void set(const struct invocation *in, enum option_id id, struct buf *to)
{
	const char *value = option(in, id);

	if (value == NULL)
		return;
	buf_clear(to);
	buf_puts(to, value);
}

/* "success,failure" (RFC 3461 4.1). */
static bool good_dsn(const char *text)
{
	static const char *const words[] = { "success", "failure", "delay" };
	struct view left = view_cstr(text), word;
	bool good = false;

	if (strcasecmp(text, "never") == 0)
		return true;
	while ((word = view_take_word(&left)).n) {
		good = false;
		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			good |= view_eq_i(word, view_cstr(words[i]));
		if (!good)
			return false;
	}
	return good && strpbrk(text, " \t") == NULL;
}

static bool take_protect(const struct invocation *in, enum protection *ret)
{
	if (!GIVEN(in, protect) || protection_take(view_cstr(VALUE(in, protect)), ret))
		return true;
	say("--protect wants " PROTECTION_WORDS);
	return false;
}

static enum status take_options(const struct invocation *in, struct writing *w)
{
	const char *value;
	enum status st = ST_OK;

	add_all(in, OPTION_to, &w->to);
	add_all(in, OPTION_cc, &w->cc);
	add_all(in, OPTION_bcc, &w->bcc);
	set(in, OPTION_from, &w->from);
	set(in, OPTION_subject, &w->subject);
	w->sign = GIVEN(in, sign);
	w->encrypt = GIVEN(in, encrypt);
	w->receipt = GIVEN(in, receipt);
	w->notify = VALUE(in, dsn);
	if (GIVEN(in, plain))
		w->protect = PROTECTION_OFF;
	if (!take_protect(in, &w->protect))
		return ST_SYNTAX;
	if (w->notify && !good_dsn(w->notify)) {
		say("--dsn wants success, failure, delay (with commas between), or never");
		return ST_SYNTAX;
	}
	for (size_t at = 0; st == ST_OK && (value = option_next(in, OPTION_attach, &at)) != NULL;)
		st = writing_attach(w, value);
	return st;
}

/* ---- the text ---- */

/* Standard input goes above what is quoted, and above the signature. */
static enum status read_text(struct writing *w)
{
	struct buf text = BUF(WRITING_TEXT_MAX);
	char piece[65536];
	size_t n;
	enum status st;

	while ((n = fread(piece, 1, sizeof piece, stdin)) > 0)
		buf_put(&text, view_make(piece, n));
	if (text.n && text.p[text.n - 1] != '\n')
		buf_putc(&text, '\n');
	if (w->quote_below && w->text.n && text.n)
		buf_putc(&text, '\n');
	buf_put(&text, buf_view(&w->text));
	st = buf_status(&text);
	if (st != ST_OK) {
		say("the text is too large");
		buf_free(&text);
		return st;
	}
	buf_free(&w->text);
	w->text = text;
	return ST_OK;
}

static bool wants_editor(const struct invocation *in)
{
	return GIVEN(in, edit) || isatty(STDIN_FILENO);
}

/* ---- and away ---- */

static enum fate fate_of(const struct invocation *in)
{
	return GIVEN(in, draft) ? FATE_DRAFT : GIVEN(in, queue) ? FATE_QUEUE : FATE_SEND;
}

static int tell_json(const struct fate_told *told, enum status st)
{
	const char *state = st != ST_OK ? "refused" : told->held ? "held" : told->queued ? "queued" : told->draft ? "draft" : "sent";
	json_t *o = json_pack("{ss,so}", "state", state, "message_id", say_text(buf_view(&told->message_id)));

	if (told->held)
		json_object_set_new(o, "outbox", json_integer((json_int_t)told->out));
	if (told->draft)
		json_object_set_new(o, "draft", json_integer(told->draft));
	if (told->why.n)
		json_object_set_new(o, "why", say_text(buf_view(&told->why)));
	print_object(o);
	return st == ST_OK ? DONE : FAILED;
}

static int tell(const struct invocation *in, const struct writing *w, const struct fate_told *told, enum status st)
{
	if (st == ST_OK && w->how_sealed.n)
		say("%.*s", VIEW_ARG(buf_view(&w->how_sealed)));
	if (st != ST_OK && told->why.n == 0)
		return FAILED;
	if (st != ST_OK)
		say("it was not sent: %.*s", VIEW_ARG(buf_view(&told->why)));
	else if (told->held)
		say("it is held in the outbox: %.*s\n`waxmail outbox send %llu` tries again; with --protect off it goes as it is",
		    VIEW_ARG(buf_view(&told->why)), (unsigned long long)told->out);
	else if (told->queued && told->why.n)
		say("it waits in the outbox, and goes at the next sync: %.*s", VIEW_ARG(buf_view(&told->why)));
	else if (told->queued && fate_of(in) == FATE_SEND)
		say("it waits in the outbox, and goes at the next sync");
	if (told->draft && fate_of(in) != FATE_DRAFT)
		say("it is draft %lld now", (long long)told->draft);
	if (GIVEN(in, json))
		return tell_json(told, st);
	if (told->draft && fate_of(in) == FATE_DRAFT)
		printf("%lld\n", (long long)told->draft);
	else if (st == ST_OK && GIVEN(in, message_id))
		printf("<%.*s>\n", VIEW_ARG(buf_view(&told->message_id)));
	return st == ST_OK ? printed() : FAILED;
}

static int finish(const struct invocation *in, struct place *p, struct writing *w)
{
	struct fate_told told = { .message_id = BUF(0), .why = BUF(0) };
	/* A draft has its text. */
	enum status st = wants_editor(in) ? writing_edit(w, p) : w->draft ? ST_OK : read_text(w);
	int status = FAILED;

	if (st == ST_OK) {
		st = wants_editor(in) ? writing_review(w, p, fate_of(in), &told) : writing_finish(w, p, fate_of(in), &told);
		status = tell(in, w, &told, st);
	}
	buf_free(&told.message_id);
	buf_free(&told.why);
	return status;
}

typedef enum status begin(const struct invocation *in, struct place *p, struct writing *w);

static int write_letter(struct invocation *in, begin *b)
{
	struct writing *w = calloc(1, sizeof *w);
	struct place p;
	int status = FAILED;
	enum status st = place_open(&p, in);

	if (st == ST_OK && w)
		st = writing_begin(w, &p);
	if (st == ST_OK && w)
		st = b(in, &p, w);
	if (st == ST_OK && w) {
		st = take_options(in, w);
		status = st == ST_OK ? finish(in, &p, w) : st == ST_SYNTAX ? WRONG_USE : FAILED;
	}
	if (w)
		writing_end(w);
	free(w);
	place_close(&p);
	return status;
}

static enum status resume(const struct invocation *in, struct place *p, struct writing *w)
{
	int64_t id;

	if (in->n == 0)
		return ST_OK;
	return id_take(in->args[0], &id) ? writing_resume(w, p, id) : ST_SYNTAX;
}

int verb_send(struct invocation *in)
{
	return write_letter(in, resume);
}

static enum status answer(const struct invocation *in, struct place *p, struct writing *w)
{
	int64_t id;

	if (!id_take(in->args[0], &id))
		return ST_SYNTAX;
	return writing_answer(w, p, id,
			      GIVEN(in, all)	     ? ANSWER_ALL
			      : GIVEN(in, list_post) ? ANSWER_TO_LIST
						     : ANSWER_AUTHOR,
			      !GIVEN(in, no_quote));
}

int verb_reply(struct invocation *in)
{
	return write_letter(in, answer);
}

static enum status forward(const struct invocation *in, struct place *p, struct writing *w)
{
	int64_t id;

	if (!id_take(in->args[0], &id))
		return ST_SYNTAX;
	return writing_forward(w, p, id, GIVEN(in, inline) ? FORWARD_INLINE : FORWARD_WHOLE);
}

int verb_forward(struct invocation *in)
{
	return write_letter(in, forward);
}

/* ---- sending on ---- */

static int resend(const struct invocation *in, struct place *p, struct resend *r)
{
	struct fate_told told = { .message_id = BUF(0), .why = BUF(0) };
	struct writing none = { .how_sealed = BUF(0) };
	int64_t id;
	int status = WRONG_USE;

	if (id_take(in->args[0], &id)) {
		enum status st = letter_resend(p, id, r, &told);

		status = tell(in, &none, &told, st);
	}
	buf_free(&told.message_id);
	buf_free(&told.why);
	return status;
}

int verb_resend(struct invocation *in)
{
	struct buf to = BUF(FIELD_TEXT_MAX), cc = BUF(FIELD_TEXT_MAX), bcc = BUF(FIELD_TEXT_MAX);
	struct resend r = { .queue = GIVEN(in, queue) };
	struct place p;
	int status = FAILED;

	add_all(in, OPTION_to, &to);
	add_all(in, OPTION_cc, &cc);
	add_all(in, OPTION_bcc, &bcc);
	r.to = buf_view(&to);
	r.cc = buf_view(&cc);
	r.bcc = buf_view(&bcc);
	if (place_open(&p, in) == ST_OK) {
		r.protect = p.account->protect;
		status = take_protect(in, &r.protect) ? resend(in, &p, &r) : WRONG_USE;
	}
	buf_free(&to);
	buf_free(&cc);
	buf_free(&bcc);
	place_close(&p);
	return status;
}

/* ---- attach ---- */

static enum status attach(const struct invocation *in, struct place *p, struct writing *w, struct fate_told *told)
{
	struct arena a = ARENA(1024 * 1024);
	struct copy_message m;
	int64_t id;
	enum status st = id_take(in->args[0], &id) ? ST_OK : ST_SYNTAX;

	if (st == ST_OK && (st = copy_message(p->copy, id, &a, &m)) != ST_OK)
		say("no letter %lld", (long long)id);
	if (st == ST_OK && !(m.flags & COPY_DRAFT)) {
		say("letter %lld is no draft", (long long)id);
		st = ST_DENIED;
	}
	arena_free(&a);
	if (st == ST_OK)
		st = writing_begin(w, p);
	if (st == ST_OK)
		st = writing_resume(w, p, id);
	for (int i = 1; st == ST_OK && i < in->n; i++)
		st = writing_attach(w, in->args[i]);
	return st == ST_OK ? writing_finish(w, p, FATE_DRAFT, told) : st;
}

int verb_attach(struct invocation *in)
{
	struct writing *w = calloc(1, sizeof *w);
	struct fate_told told = { .message_id = BUF(0), .why = BUF(0) };
	struct place p;
	enum status st = place_open(&p, in);
	int status = FAILED;

	if (st == ST_OK && w)
		st = attach(in, &p, w, &told);
	if (st == ST_OK && w && GIVEN(in, json))
		status = tell_json(&told, st);
	else if (st == ST_OK && w)
		status = printf("%lld\n", (long long)told.draft) > 0 ? printed() : FAILED;
	if (w)
		writing_end(w);
	free(w);
	buf_free(&told.message_id);
	buf_free(&told.why);
	place_close(&p);
	return status;
}
