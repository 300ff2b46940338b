#include "mua/compose/write.h"

#include "msg/address.h"
#include "msg/charset.h"
#include "msg/date.h"
#include "msg/header.h"
#include "msg/msgid.h"
#include "msg/word.h"
#include "mua/compose/aliases.h"
#include "mua/compose/types.h"
#include "mua/copy/show.h"
#include "mua/say.h"
#include "mua/seal.h"
#include "mua/sync/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIELD_MAX = 64 * 1024, ARENA_MAX = 512 * 1024 * 1024, QUOTE_WIDTH = 72, SMALL_ARENA = 64 * 1024 * 1024 };

/* ---- fields of letters ---- */

void letter_text(struct view letter, struct view field, struct buf *out)
{
	struct buf text = BUF(FIELD_MAX);
	struct field f;

	if (!field_find(letter, field, &f))
		return;
	words_decode(f.value, &text);
	buf_put(out, view_trim(buf_view(&text)));
	buf_free(&text);
}

/* What of a name makes it need quotes. */
static bool wants_quotes(struct view name)
{
	for (size_t i = 0; i < name.n; i++)
		if (strchr("()<>[]:;@\\,.\"", name.p[i]))
			return true;
	return false;
}

static void put_name(struct view raw, struct buf *out)
{
	struct buf name = BUF(FIELD_MAX);
	bool quotes;

	words_decode(raw, &name);
	quotes = wants_quotes(buf_view(&name));
	buf_puts(out, quotes ? "\"" : "");
	for (size_t i = 0; i < name.n; i++) {
		if (quotes && (name.p[i] == '"' || name.p[i] == '\\'))
			buf_putc(out, '\\');
		buf_putc(out, name.p[i]);
	}
	buf_puts(out, quotes ? "\"" : "");
	buf_free(&name);
}

static void put_person(const struct address *a, struct buf *out)
{
	struct buf shown = BUF(FIELD_MAX);

	address_put_name(a, &shown);
	buf_puts(out, out->n ? ", " : "");
	if (shown.n) {
		put_name(buf_view(&shown), out);
		buf_puts(out, " <");
	}
	address_put(a, out);
	if (shown.n)
		buf_putc(out, '>');
	buf_free(&shown);
}

void letter_addresses(struct view letter, struct view field, struct buf *out)
{
	struct address_reader r;
	struct address a;
	struct field f;

	if (!field_find(letter, field, &f))
		return;
	r = address_reader(f.value);
	while (address_next(&r, &a))
		if (a.kind == ADDRESS_MAILBOX && a.domain.n)
			put_person(&a, out);
}

/* ---- the beginning ---- */

static enum status read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	char piece[65536];
	size_t n;
	bool good;

	if (f == NULL)
		return ST_MISSING;
	while ((n = fread(piece, 1, sizeof piece, f)) > 0 && buf_status(out) == ST_OK)
		buf_put(out, view_make(piece, n));
	good = !ferror(f);
	fclose(f);
	return good ? buf_status(out) : ST_IO;
}

void account_put_person(const struct account *a, struct buf *out)
{
	if (a->name[0]) {
		put_name(view_cstr(a->name), out);
		buf_putf(out, " <%s>", a->address);
	} else {
		buf_puts(out, a->address);
	}
}

enum status writing_begin(struct writing *w, struct place *p)
{
	const struct account *a = p->account;
	struct buf signature = BUF(FIELD_MAX);

	*w = (struct writing){
		.arena = ARENA(ARENA_MAX),
		.from = BUF(FIELD_MAX),
		.reply_to = BUF(FIELD_MAX),
		.to = BUF(FIELD_TEXT_MAX),
		.cc = BUF(FIELD_TEXT_MAX),
		.bcc = BUF(FIELD_TEXT_MAX),
		.subject = BUF(FIELD_MAX),
		.text = BUF(WRITING_TEXT_MAX),
		.in_reply_to = BUF(FIELD_MAX),
		.references = BUF(FIELD_MAX),
		.extra = BUF(FIELD_MAX),
		.how_sealed = BUF(FIELD_MAX),
		.protect = a->protect,
	};
	account_put_person(a, &w->from);
	if (a->signature[0] && read_file(a->signature, &signature) == ST_OK) {
		buf_puts(&w->text, "\n-- \n");
		buf_put(&w->text, buf_view(&signature));
	}
	buf_free(&signature);
	return buf_status(&w->from);
}

void writing_end(struct writing *w)
{
	struct buf *all[] = { &w->from, &w->reply_to, &w->to, &w->cc, &w->bcc, &w->subject, &w->text,
			      &w->in_reply_to, &w->references, &w->extra, &w->how_sealed };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		buf_free(all[i]);
	arena_free(&w->arena);
}

enum status place_letter(struct place *p, int64_t id, struct copy_letter *ret)
{
	struct sync s = { .place = p };
	enum status st = copy_read(p->copy, id, ret);

	if (st == ST_OK && !ret->whole) {
		copy_letter_close(ret);
		st = sync_fetch(&s, id);
		if (st == ST_OK)
			st = copy_read(p->copy, id, ret);
		if (st != ST_OK && s.why[0]) {
			say("%s", s.why);
			return st;
		}
	}
	if (st == ST_MISSING)
		say("no letter %lld", (long long)id);
	else if (st != ST_OK)
		say_failed("letter", st);
	return st;
}

/* ---- answering ---- */

static bool is_own(const struct place *p, const struct address *a)
{
	struct buf spec = BUF(FIELD_MAX);
	bool own = false;

	address_put(a, &spec);
	for (size_t i = 0; i < p->settings.n; i++)
		own |= view_eq_i(buf_view(&spec), view_cstr(p->settings.accounts[i].address));
	buf_free(&spec);
	return own;
}

static bool stands_in(struct view list, const struct address *wanted)
{
	struct buf a = BUF(FIELD_MAX), b = BUF(FIELD_MAX);
	struct address_reader r = address_reader(list);
	struct address one;
	bool found = false;

	address_put(wanted, &a);
	while (!found && address_next(&r, &one)) {
		buf_clear(&b);
		address_put(&one, &b);
		found = one.kind == ADDRESS_MAILBOX && view_eq_i(buf_view(&a), buf_view(&b));
	}
	buf_free(&a);
	buf_free(&b);
	return found;
}

/* All of a field but ourselves and those who are there already. */
static void add_people(const struct place *p, struct view letter, struct view field, const struct buf *but,
		       struct buf *out)
{
	struct address_reader r;
	struct address a;
	struct field f;

	if (!field_find(letter, field, &f))
		return;
	r = address_reader(f.value);
	while (address_next(&r, &a))
		if (a.kind == ADDRESS_MAILBOX && a.domain.n && !is_own(p, &a) && !stands_in(buf_view(out), &a) &&
		    !(but && stands_in(buf_view(but), &a)))
			put_person(&a, out);
}

/* "<mailto:list@example.org?subject=x>, ..." or "NO" (RFC 2369 3.4). */
static void add_list(struct view letter, struct buf *out)
{
	struct field f;
	struct view v;
	const char *at;

	if (!field_find(letter, VIEW("List-Post"), &f))
		return;
	at = memmem(f.value.p, f.value.n, "<mailto:", 8);
	if (at == NULL)
		return;
	v = view_skip(f.value, (size_t)(at - f.value.p) + 8);
	v = view_head(v, view_find(v, '>'));
	buf_put(out, view_head(v, view_find(v, '?')));
}

static void set_recipients(struct writing *w, struct place *p, struct view letter, enum answering how)
{
	if (how == ANSWER_TO_LIST)
		add_list(letter, &w->to);
	if (w->to.n == 0)
		add_people(p, letter, VIEW("Reply-To"), NULL, &w->to);
	if (w->to.n == 0)
		add_people(p, letter, VIEW("From"), NULL, &w->to);
	/* An answer to what we wrote goes where that went. */
	if (w->to.n == 0)
		add_people(p, letter, VIEW("To"), NULL, &w->to);
	if (w->to.n == 0)
		letter_addresses(letter, VIEW("From"), &w->to);
	if (how != ANSWER_ALL)
		return;
	add_people(p, letter, VIEW("To"), &w->to, &w->cc);
	add_people(p, letter, VIEW("Cc"), &w->to, &w->cc);
}

static void add_ids(struct view letter, struct view field, struct buf *out)
{
	struct msgid_reader r;
	struct field f;
	struct view id;

	if (!field_find(letter, field, &f))
		return;
	r = msgid_reader(f.value);
	while (msgid_next(&r, &id))
		buf_putf(out, "%s<%.*s>", out->n ? " " : "", VIEW_ARG(id));
}

/* RFC 5322 3.6.4. */
static void set_thread(struct writing *w, struct view letter)
{
	add_ids(letter, VIEW("Message-ID"), &w->in_reply_to);
	add_ids(letter, VIEW("References"), &w->references);
	if (w->references.n == 0)
		add_ids(letter, VIEW("In-Reply-To"), &w->references);
	add_ids(letter, VIEW("Message-ID"), &w->references);
}

static void set_subject(struct writing *w, struct view letter, const char *prefix)
{
	struct buf subject = BUF(FIELD_MAX);

	letter_text(letter, VIEW("Subject"), &subject);
	buf_clear(&w->subject);
	if (!view_starts_i(buf_view(&subject), view_cstr(prefix)))
		buf_putf(&w->subject, "%s ", prefix);
	buf_put(&w->subject, buf_view(&subject));
	buf_free(&subject);
}

static void put_attribution(struct view letter, struct buf *out)
{
	struct buf from = BUF(FIELD_MAX);
	struct field f;
	struct date d;

	letter_addresses(letter, VIEW("From"), &from);
	if (field_find(letter, VIEW("Date"), &f) && date_parse(f.value, &d) == ST_OK)
		buf_putf(out, "On %04d-%02d-%02d %02d:%02d, ", d.year, d.month, d.day, d.hour, d.minute);
	buf_putf(out, "%.*s wrote:\n", VIEW_ARG(buf_view(&from)));
	buf_free(&from);
}

static enum status put_quoted(struct view letter, struct buf *out)
{
	struct buf text = BUF(WRITING_TEXT_MAX);
	struct view left;
	enum status st = show_body(letter, QUOTE_WIDTH, &text);

	put_attribution(letter, out);
	left = buf_view(&text);
	while (left.n) {
		struct view line = view_head(left, view_find(left, '\n'));

		buf_putf(out, line.n && line.p[0] != '>' ? "> " : ">");
		buf_put(out, line);
		buf_putc(out, '\n');
		left = view_skip(left, line.n + 1);
	}
	buf_free(&text);
	return st;
}

enum status writing_answer(struct writing *w, struct place *p, int64_t id, enum answering how, bool quote)
{
	struct copy_letter letter;
	struct buf quoted = BUF(WRITING_TEXT_MAX);
	enum status st = place_letter(p, id, &letter);

	if (st != ST_OK)
		return st;
	w->answers = id;
	set_recipients(w, p, letter.bytes, how);
	set_thread(w, letter.bytes);
	set_subject(w, letter.bytes, "Re:");
	if (quote) {
		st = put_quoted(letter.bytes, &quoted);
		buf_put(&quoted, buf_view(&w->text));
		buf_clear(&w->text);
		buf_put(&w->text, buf_view(&quoted));
		w->quote_below = true;
	}
	buf_free(&quoted);
	copy_letter_close(&letter);
	return st;
}

/* ---- forwarding ---- */

static enum status enclose(struct writing *w, struct view name, struct view type, struct view octets)
{
	if (w->n_enclosures == LETTER_PARTS_MAX) {
		say("a letter has at most %d files", LETTER_PARTS_MAX);
		return ST_LIMIT;
	}
	w->enclosures[w->n_enclosures++] = (struct enclosure){
		.name = arena_copy(&w->arena, name),
		.type = arena_copy(&w->arena, type),
		.octets = arena_copy(&w->arena, octets),
	};
	if (arena_status(&w->arena) != ST_OK)
		say("what goes with the letter is too large");
	return arena_status(&w->arena);
}

static enum status put_forwarded(struct view letter, struct buf *out)
{
	static const char *const fields[] = { "From", "Date", "Subject", "To", "Cc" };
	struct buf text = BUF(WRITING_TEXT_MAX);
	enum status st = show_body(letter, QUOTE_WIDTH, &text);

	buf_puts(out, "\n----- Forwarded message -----\n");
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		struct buf value = BUF(FIELD_MAX);

		letter_text(letter, view_cstr(fields[i]), &value);
		if (value.n)
			buf_putf(out, "%s: %.*s\n", fields[i], VIEW_ARG(buf_view(&value)));
		buf_free(&value);
	}
	buf_putc(out, '\n');
	buf_put(out, buf_view(&text));
	buf_free(&text);
	return st;
}

enum status writing_forward(struct writing *w, struct place *p, int64_t id, enum forward how)
{
	struct copy_letter letter;
	enum status st = place_letter(p, id, &letter);

	if (st != ST_OK)
		return st;
	w->forwards = id;
	set_subject(w, letter.bytes, "Fwd:");
	if (how == FORWARD_WHOLE)
		st = enclose(w, VIEW_NONE, VIEW("message/rfc822"), letter.bytes);
	else
		st = put_forwarded(letter.bytes, &w->text);
	w->quote_below = true;
	copy_letter_close(&letter);
	return st;
}

/* ---- a draft again, files ---- */

static void set_field(struct view letter, struct view field, struct buf *out)
{
	buf_clear(out);
	letter_addresses(letter, field, out);
}

static enum status take_parts(struct writing *w, struct view letter)
{
	struct arena a = ARENA(SMALL_ARENA);
	struct show_part *parts;
	size_t n = 0;
	enum status st = show_parts(letter, &a, &parts, &n);

	for (size_t i = 0; st == ST_OK && i < n; i++) {
		struct buf octets = BUF(ENCLOSURE_MAX);

		if (!parts[i].attachment)
			continue;
		st = show_part_octets(letter, parts[i].number, &octets);
		if (st == ST_OK)
			st = enclose(w, parts[i].name, parts[i].type, buf_view(&octets));
		buf_free(&octets);
	}
	arena_free(&a);
	return st;
}

enum status writing_resume(struct writing *w, struct place *p, int64_t id)
{
	struct copy_letter letter;
	enum status st = place_letter(p, id, &letter);

	if (st != ST_OK)
		return st;
	w->draft = id;
	set_field(letter.bytes, VIEW("From"), &w->from);
	set_field(letter.bytes, VIEW("To"), &w->to);
	set_field(letter.bytes, VIEW("Cc"), &w->cc);
	set_field(letter.bytes, VIEW("Bcc"), &w->bcc);
	buf_clear(&w->subject);
	letter_text(letter.bytes, VIEW("Subject"), &w->subject);
	add_ids(letter.bytes, VIEW("In-Reply-To"), &w->in_reply_to);
	add_ids(letter.bytes, VIEW("References"), &w->references);
	buf_clear(&w->text);
	st = show_body(letter.bytes, 0, &w->text);
	if (st == ST_OK)
		st = take_parts(w, letter.bytes);
	copy_letter_close(&letter);
	return st;
}

enum status writing_attach(struct writing *w, const char *path)
{
	struct buf octets = BUF(ENCLOSURE_MAX);
	const char *slash = strrchr(path, '/');
	struct view name = view_cstr(slash ? slash + 1 : path);
	enum status st = read_file(path, &octets);

	if (st == ST_OK && utf8_valid(name) != name.n)
		st = ST_SYNTAX;
	if (st != ST_OK)
		say_failed(path, st);
	else
		st = enclose(w, name, type_of_file(name, buf_view(&octets), &w->arena), buf_view(&octets));
	buf_free(&octets);
	return st;
}

/* ---- out ---- */

static enum status bad_address(const struct buf *bad)
{
	struct buf clean = BUF(1024);

	put_harmless(view_head(buf_view(bad), 200), &clean);
	say("%.*s is no address, and no nickname of the address book", VIEW_ARG(buf_view(&clean)));
	buf_free(&clean);
	return ST_SYNTAX;
}

/* Nicknames become addresses in all fields. */
static enum status expand_all(struct writing *w)
{
	struct buf aliases = BUF(ALIASES_MAX), *fields[] = { &w->to, &w->cc, &w->bcc };
	enum status st = aliases_read(&aliases);

	for (size_t i = 0; st == ST_OK && i < sizeof fields / sizeof *fields; i++) {
		struct buf full = BUF(ALIASES_EXPANDED_MAX);

		st = aliases_expand(buf_view(&aliases), buf_view(fields[i]), &full);
		buf_clear(fields[i]);
		buf_put(fields[i], buf_view(&full));
		buf_free(&full);
	}
	buf_free(&aliases);
	if (st != ST_OK)
		say_failed("address book", st);
	return st;
}

/* ret_open: how many of them the letter names. */
static enum status recipients(struct writing *w, struct arena *a, struct view **ret, size_t *ret_n, size_t *ret_open,
			      struct buf *bad)
{
	struct buf all = BUF(3 * (size_t)FIELD_TEXT_MAX), *fields[] = { &w->to, &w->cc, &w->bcc };
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < sizeof fields / sizeof *fields; i++) {
		if (fields[i]->n)
			buf_puts(&all, all.n ? ", " : "");
		buf_put(&all, buf_view(fields[i]));
		st = letter_recipients(buf_view(&all), a, ret, ret_n, bad);
		if (st == ST_OK && fields[i] != &w->bcc)
			*ret_open = *ret_n;
	}
	buf_free(&all);
	return st;
}

static enum status build(struct writing *w, struct place *p, bool draft, struct buf *out, struct buf *id,
			 struct buf *bad)
{
	struct draft d = {
		.from = buf_view(&w->from),
		.reply_to = buf_view(&w->reply_to),
		.to = buf_view(&w->to),
		.cc = buf_view(&w->cc),
		.subject = buf_view(&w->subject),
		.text = buf_view(&w->text),
		.in_reply_to = buf_view(&w->in_reply_to),
		.references = buf_view(&w->references),
		.enclosures = w->enclosures,
		.n_enclosures = w->n_enclosures,
		.flowed = p->account->flowed,
		.user_agent = p->account->user_agent,
		.local_time = p->account->local_time,
		.at = clock_wall(),
	};

	if (w->receipt)
		buf_putf(&w->extra, "Disposition-Notification-To: %s\r\n", p->account->address);
	/* Only a draft says it, to ourselves (RFC 5322 3.6.3). */
	if (draft && w->bcc.n)
		buf_putf(&w->extra, "Bcc: %.*s\r\n", VIEW_ARG(buf_view(&w->bcc)));
	d.extra = buf_view(&w->extra);
	return letter_build(&d, out, id, bad);
}

static enum status keep_draft(struct writing *w, struct place *p, struct view letter, int64_t *ret_id)
{
	struct arena a = ARENA(SMALL_ARENA);
	struct copy_folder drafts;
	enum status st = place_folder(p, COPY_USE_DRAFTS, &a, &drafts);

	if (st == ST_OK)
		st = copy_add(p->copy, drafts.id, COPY_DRAFT | COPY_SEEN, letter, ret_id);
	if (st == ST_OK && w->draft)
		st = copy_remove(p->copy, &w->draft, 1);
	arena_free(&a);
	if (st != ST_OK)
		say_failed("drafts", st);
	return st;
}

struct sealing {
	struct writing *w;
	struct place *p;
	struct view from;
	struct buf ids;		/* uint64_t each: what stands in the outbox now */
};

/* All copies are in the outbox, or none. */
static enum status put_copy(void *arg, const struct seal_copy *c)
{
	struct sealing *s = arg;
	struct writing *w = s->w;
	struct post post = {
		.out = { .from = s->from, .to = c->to, .n_to = c->n_to, .answers = c->first ? w->answers : 0 },
		.notify = w->notify,
		.require_tls = w->protect == PROTECTION_FULL && !c->encrypted,
		.no_copy = !c->first,
	};
	uint64_t id = 0;
	enum status st = c->first ? copy_begin(s->p->copy) : ST_OK;

	if (st == ST_OK)
		st = post_put(s->p, &post, c->letter, &id);
	buf_put(&s->ids, view_make((const char *)&id, sizeof id));
	return st == ST_OK ? buf_status(&s->ids) : st;
}

static enum status seal_and_put(struct sealing *s, struct view letter, const struct view *to, size_t n_to, size_t n_open)
{
	struct writing *w = s->w;
	struct seal_wish wish = { w->protect, w->sign, w->encrypt, to, n_to, n_open };
	struct buf why = BUF(1024);
	enum status st = letter_seal(s->p, letter, &wish, put_copy, s, &why);

	if (st == ST_OK)
		st = copy_commit(s->p->copy);
	else if (s->ids.n)
		copy_roll_back(s->p->copy);
	if (st == ST_OK)
		buf_put(&w->how_sealed, buf_view(&why));
	else
		say("it was not sent: %.*s", VIEW_ARG(why.n ? buf_view(&why) : view_cstr(status_name(st))));
	buf_free(&why);
	return st;
}

/* Each copy; what is told is what became of the first that did not go. */
static enum status send_all(struct sealing *s, struct fate_told *told)
{
	enum status st = ST_OK;

	for (size_t i = 0; i + sizeof(uint64_t) <= s->ids.n; i += sizeof(uint64_t)) {
		struct fate_told one = { .why = BUF(WHY_MAX) };
		enum status sent;
		uint64_t id;

		memcpy(&id, s->ids.p + i, sizeof id);
		sent = post_send(s->p, id, &one);
		if (st == ST_OK && !told->queued) {
			st = sent;
			told->draft = one.draft;
			told->queued = one.queued;
			told->held = one.held;
			told->out = id;
			buf_put(&told->why, buf_view(&one.why));
		}
		buf_free(&one.why);
	}
	return st;
}

static enum status send_now(struct writing *w, struct place *p, struct view letter, const struct view *to, size_t n_to,
			    size_t n_open, bool queue, struct fate_told *told)
{
	struct arena a = ARENA(SMALL_ARENA);
	struct sealing s = { .w = w, .p = p, .ids = BUF(n_to * sizeof(uint64_t) + sizeof(uint64_t)) };
	struct view *from;
	size_t n;
	enum status st = letter_recipients(buf_view(&w->from), &a, &from, &n, NULL);

	if (st == ST_OK) {
		s.from = n ? from[0] : view_cstr(p->account->address);
		st = seal_and_put(&s, letter, to, n_to, n_open);
	}
	if (st == ST_OK && queue)
		told->queued = true;
	else if (st == ST_OK)
		st = send_all(&s, told);
	if (st == ST_OK && w->forwards)
		st = copy_flags(p->copy, &w->forwards, 1, COPY_FORWARDED, 0);
	if (st == ST_OK && w->draft)
		st = copy_remove(p->copy, &w->draft, 1);
	buf_free(&s.ids);
	arena_free(&a);
	return st;
}

enum status writing_finish(struct writing *w, struct place *p, enum fate fate, struct fate_told *told)
{
	struct buf letter = BUF(BUILT_MAX), bad = BUF(4096);
	struct arena a = ARENA(SMALL_ARENA);
	struct view *to = NULL;
	size_t n_to = 0, n_open = 0;
	enum status st;

	*told = (struct fate_told){ .message_id = BUF(512), .why = BUF(WHY_MAX) };
	st = expand_all(w);
	if (st != ST_OK)
		goto out;
	if (view_trim(buf_view(&w->from)).n == 0)	/* taken away in the editor */
		account_put_person(p->account, &w->from);
	st = recipients(w, &a, &to, &n_to, &n_open, &bad);
	if (st == ST_OK && n_to == 0 && fate != FATE_DRAFT) {
		say("it has no recipient: To: is empty (--to ADDRESS)");
		st = ST_MISSING;
		goto out;
	}
	if (st == ST_OK)
		st = build(w, p, fate == FATE_DRAFT, &letter, &told->message_id, &bad);
	if (st == ST_SYNTAX && bad.n)
		st = bad_address(&bad);
	else if (st != ST_OK)
		say("the letter cannot be written: %s", st == ST_SYNTAX ? "the text is no UTF-8" : status_name(st));
	else if (fate == FATE_DRAFT)
		st = keep_draft(w, p, buf_view(&letter), &told->draft);
	else
		st = send_now(w, p, buf_view(&letter), to, n_to, n_open, fate == FATE_QUEUE, told);
out:
	buf_free(&letter);
	buf_free(&bad);
	arena_free(&a);
	return st;
}
