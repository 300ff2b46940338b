/* words.c - keywords as letters in the names of files.
 *
 * Maildir itself has letters for six flags.  For keywords Dovecot's form is the one that other
 * programs know: a file dovecot-keywords beside cur, new and tmp
 *
 *     0 $Junk
 *     1 work
 *
 * and behind ":2," the letter a for number 0, b for 1, and so on.  Lines are added and never
 * changed, so what a letter means stays; the line is on disk before a name has the letter.
 * The 27th word has none: it is in the databases alone.
 */
#include "mua/copy/internal.h"

#include "base/disk.h"

#include <fcntl.h>
#include <unistd.h>

enum { FILE_MAX = 64 * 1024, WORD_MAX = 128 };

/* ---- the file ---- */

static bool is_word(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((uint8_t)v.p[i] <= ' ' || v.p[i] == 0x7f || v.p[i] == ',')
			return false;
	return v.n > 0 && v.n <= WORD_MAX;
}

void copy_letters_parse(struct view text, struct copy_letters *ret)
{
	*ret = (struct copy_letters){ .taken = 0 };
	while (text.n) {
		size_t n = view_find(text, '\n'), blank;
		struct view line = view_head(text, n);
		uint64_t number;

		text = view_skip(text, n + 1);
		blank = view_find(line, ' ');
		if (!view_u64(view_head(line, blank), &number) || number >= COPY_LETTERS ||
		    ret->taken & UINT32_C(1) << number)
			continue;
		ret->taken |= UINT32_C(1) << number;
		line = view_skip(line, blank + 1);
		if (is_word(line))
			ret->of[number] = line;
	}
}

static enum status read_whole(int fd, struct buf *out)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *p;
	enum status st;

	if (size < 0 || size > FILE_MAX)
		return size < 0 ? ST_IO : ST_LIMIT;
	st = buf_reserve(out, (size_t)size + 1, &p);
	if (st == ST_OK)
		st = disk_read_at(fd, p, (size_t)size, 0);
	if (st == ST_OK)
		out->n += (size_t)size;
	return st;
}

enum status copy_letters_read(struct copy *c, struct view path, struct buf *text, struct copy_letters *ret)
{
	struct buf name = BUF(COPY_PATH_MAX);
	int fd;
	enum status st;

	buf_putf(&name, "%.*s/" COPY_LETTERS_FILE, VIEW_ARG(path));
	st = buf_status(&name);
	if (st == ST_OK)
		st = disk_open(c->root, name.p, O_RDONLY | O_NOFOLLOW, 0, &fd);
	if (st == ST_OK) {
		st = read_whole(fd, text);
		close(fd);
	}
	if (st == ST_MISSING)
		st = ST_OK;
	if (st == ST_OK)
		copy_letters_parse(buf_view(text), ret);
	buf_free(&name);
	return st;
}

/* Whole or not at all, and on disk: beside the letters first, in tmp. */
static enum status write_flushed(struct copy *c, const char *name, struct view text)
{
	struct iovec iov = { (void *)(uintptr_t)text.p, text.n };
	int fd;
	enum status st = disk_open(c->root, name, O_WRONLY | O_CREAT | O_TRUNC, 0600, &fd);

	if (st != ST_OK)
		return st;
	st = disk_write_at(fd, &iov, 1, 0);
	if (st == ST_OK)
		st = disk_flush_all(fd);
	if (close(fd) != 0 && st == ST_OK)
		st = ST_IO;
	return st;
}

static enum status flush_dir(struct copy *c, const char *name)
{
	int fd;
	enum status st = disk_open(c->root, name, O_RDONLY | O_DIRECTORY, 0, &fd);

	if (st == ST_OK) {
		st = disk_flush_all(fd);
		close(fd);
	}
	return st;
}

static enum status store(struct copy *c, struct view path, struct view text)
{
	struct buf dir = BUF(COPY_PATH_MAX), from = BUF(COPY_PATH_MAX), to = BUF(COPY_PATH_MAX);
	enum status st = copy_tree_make(c, path);

	buf_putf(&dir, "%.*s", VIEW_ARG(path));
	buf_putf(&to, "%.*s/" COPY_LETTERS_FILE, VIEW_ARG(path));
	buf_putf(&from, "%.*s/tmp/", VIEW_ARG(path));
	copy_file_new(c, &from);
	if (st == ST_OK)
		st = buf_status(&dir);
	if (st == ST_OK)
		st = buf_status(&from);
	if (st == ST_OK)
		st = buf_status(&to);
	if (st == ST_OK) {
		st = write_flushed(c, from.p, text);
		if (st == ST_OK)
			st = disk_rename(c->root, from.p, to.p);
		if (st == ST_OK)
			st = flush_dir(c, dir.p);
		else
			(void)!disk_unlink(c->root, from.p);
	}
	buf_free(&dir);
	buf_free(&from);
	buf_free(&to);
	return st;
}

/* ---- letters of words, words of letters ---- */

static bool has_letter(const struct copy_letters *l, struct view word)
{
	for (size_t i = 0; i < COPY_LETTERS; i++)
		if (l->of[i].n && view_eq_i(l->of[i], word))
			return true;
	return false;
}

/* Words that have no letter get one, as long as there are some. */
static enum status give_letters(struct copy *c, struct view path, struct view words, struct buf *text,
				struct copy_letters *l)
{
	struct view word;
	size_t before = text->n, number = 0;
	enum status st = ST_OK;

	while ((word = view_take_word(&words)).n) {
		if (!is_word(word) || has_letter(l, word))
			continue;
		while (number < COPY_LETTERS && l->taken & UINT32_C(1) << number)
			number++;
		if (number == COPY_LETTERS)
			break;
		if (text->n && text->p[text->n - 1] != '\n')
			buf_putc(text, '\n');
		buf_putf(text, "%zu %.*s\n", number++, VIEW_ARG(word));
	}
	if (text->n == before && buf_status(text) == ST_OK)
		return ST_OK;
	st = buf_status(text);
	if (st == ST_OK)
		st = store(c, path, buf_view(text));
	if (st == ST_OK)
		copy_letters_parse(buf_view(text), l);
	return st;
}

uint32_t copy_letters_of_words(const struct copy_letters *l, struct view words)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < COPY_LETTERS; i++)
		if (l->of[i].n && copy_word_in(words, l->of[i]))
			mask |= UINT32_C(1) << i;
	return mask;
}

uint32_t copy_letters_of_name(const struct copy_letters *l, struct view letters)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < letters.n; i++)
		if (letters.p[i] >= 'a' && letters.p[i] <= 'z' && l->of[letters.p[i] - 'a'].n)
			mask |= UINT32_C(1) << (letters.p[i] - 'a');
	return mask;
}

void copy_letters_words(const struct copy_letters *l, uint32_t mask, struct buf *out)
{
	for (size_t i = 0; i < COPY_LETTERS; i++)
		if (mask & UINT32_C(1) << i && l->of[i].n)
			buf_putf(out, "%s%.*s", out->n ? " " : "", VIEW_ARG(l->of[i]));
}

void copy_row_words(uint32_t flags, struct view keywords, struct buf *out)
{
	buf_put(out, keywords);
	if (flags & COPY_MDN_SENT)
		buf_putf(out, "%s$MDNSent", keywords.n ? " " : "");
}

/* A file that cannot be read has no letters, and gets none. */
enum status copy_tree_letters(struct copy *c, struct view path, const struct copy_row_state *r, bool make,
			      struct buf *out)
{
	struct buf words = BUF(COPY_KEYWORDS_MAX + 16), text = BUF(FILE_MAX);
	struct copy_letters l;
	uint32_t mask = 0;
	enum status st = ST_OK;

	copy_tree_flags(r->flags, out);
	copy_row_words(r->flags, r->keywords, &words);
	if (words.n && copy_letters_read(c, path, &text, &l) == ST_OK) {
		if (make)
			st = give_letters(c, path, buf_view(&words), &text, &l);
		mask = copy_letters_of_words(&l, buf_view(&words));
	}
	for (size_t i = 0; i < COPY_LETTERS; i++)
		if (mask & UINT32_C(1) << i)
			buf_putc(out, (char)('a' + i));
	buf_free(&words);
	buf_free(&text);
	return st;
}

/* ---- lists of words ---- */

bool copy_word_in(struct view list, struct view word)
{
	struct view w;

	while ((w = view_take_word(&list)).n)
		if (view_eq_i(w, word))
			return true;
	return false;
}

static void put_word(struct buf *out, struct view w)
{
	if (copy_word_in(buf_view(out), w))
		return;
	if (out->n)
		buf_putc(out, ' ');
	buf_put(out, w);
}

/* Keywords are compared whatever their case (RFC 9051 2.3.2), kept as they came. */
enum status copy_words_change(struct view list, struct view add, struct view remove, struct arena *a,
			      struct view *ret)
{
	struct buf out = BUF(COPY_KEYWORDS_MAX);
	struct view w, copy;
	enum status st;

	while ((w = view_take_word(&list)).n)
		if (!copy_word_in(remove, w))
			put_word(&out, w);
	while ((w = view_take_word(&add)).n)
		put_word(&out, w);
	st = buf_status(&out);
	copy = arena_copy(a, buf_view(&out));
	buf_free(&out);
	if (st == ST_OK)
		st = arena_status(a);
	if (st == ST_OK)
		*ret = copy;
	return st;
}

static bool all_in(struct view list, struct view other)
{
	struct view w;

	while ((w = view_take_word(&list)).n)
		if (!copy_word_in(other, w))
			return false;
	return true;
}

bool copy_words_same(struct view a, struct view b)
{
	return view_eq(a, b) || (all_in(a, b) && all_in(b, a));
}

/* ---- those with a bit of their own ---- */

static const struct {
	struct view keyword;
	uint32_t flag;
} with_bit[] = { { VIEW("$Forwarded"), COPY_FORWARDED }, { VIEW("$MDNSent"), COPY_MDN_SENT } };

uint32_t copy_keyword_flag(struct view keyword)
{
	for (size_t i = 0; i < sizeof with_bit / sizeof *with_bit; i++)
		if (view_eq_i(keyword, with_bit[i].keyword))
			return with_bit[i].flag;
	return 0;
}

enum status copy_words_flags(struct view keywords, struct arena *a, uint32_t *flags, struct view *ret)
{
	struct view left = keywords, w;
	uint32_t more = 0;
	enum status st;

	while ((w = view_take_word(&left)).n)
		more |= copy_keyword_flag(w);
	st = copy_words_change(keywords, VIEW_NONE, VIEW("$Forwarded $MDNSent"), a, ret);
	if (st == ST_OK)
		*flags |= more;
	return st;
}
