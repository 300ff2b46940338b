/* post.c - letters into the outbox, and out of it. */
#include "mua/compose/write.h"

#include "mua/say.h"
#include "mua/sync/sync.h"

#include <stdio.h>
#include <unistd.h>

enum { OPTIONS_MAX = 1024, SMALL_ARENA = 64 * 1024 * 1024 };

static void put_word(struct buf *out, const char *word)
{
	buf_putf(out, "%s%s", out->n ? " " : "", word);
}

enum status post_put(struct place *p, const struct post *post, struct view letter, uint64_t *ret_out)
{
	struct buf options = BUF(OPTIONS_MAX);
	struct copy_out o = post->out;
	enum status st;

	if (post->notify)
		buf_putf(&options, OUT_NOTIFY "%s", post->notify);
	if (post->require_tls)
		put_word(&options, OUT_REQUIRE_TLS);
	if (post->no_copy)
		put_word(&options, OUT_NO_COPY);
	o.options = buf_view(&options);
	st = buf_status(&options);
	if (st == ST_OK)
		st = copy_out_put(p->copy, &o, letter, ret_out);
	buf_free(&options);
	if (st != ST_OK)
		say_failed("outbox", st);
	return st;
}

static enum status find_out(struct place *p, uint64_t out, struct arena *a, struct copy_out *ret)
{
	struct copy_out *all;
	size_t n;
	enum status st = copy_out_all(p->copy, a, &all, &n);

	for (size_t i = 0; st == ST_OK && i < n; i++)
		if (all[i].id == out) {
			*ret = all[i];
			return ST_OK;
		}
	return st == ST_OK ? ST_MISSING : st;
}

/* Due now; less: also where REQUIRETLS is not offered. */
static enum status make_due(struct place *p, uint64_t out, bool less)
{
	struct arena a = ARENA(SMALL_ARENA);
	struct buf options = BUF(OPTIONS_MAX);
	struct copy_out o;
	enum status st = find_out(p, out, &a, &o);

	for (struct view left = o.options; st == ST_OK && left.n;) {
		struct view word = view_head(left, view_find(left, ' '));

		left = view_skip(left, word.n + 1);
		if (less && view_eq(word, view_cstr(OUT_REQUIRE_TLS)))
			continue;
		buf_puts(&options, options.n ? " " : "");
		buf_put(&options, word);
	}
	if (st == ST_OK)
		st = copy_out_release(p->copy, out, buf_view(&options));
	buf_free(&options);
	arena_free(&a);
	return st;
}

static enum status send_one(struct place *p, uint64_t out, struct fate_told *told)
{
	struct sync s = { .place = p };
	enum status st = sync_outbox(&s, out, &told->draft);

	buf_clear(&told->why);
	buf_puts(&told->why, s.why);
	told->out = out;
	told->queued = st != ST_OK && st != ST_DENIED;
	told->held = s.held > 0;
	/* What waits is safe, and that is all that was promised. */
	return told->queued ? ST_OK : st;
}

/* Only a plain yes is one. */
static bool wants_less(const struct fate_told *told)
{
	char answer[16] = "";
	FILE *tty = isatty(STDERR_FILENO) ? fopen("/dev/tty", "r+e") : NULL;

	if (tty == NULL)
		return false;
	fprintf(tty, "This letter cannot be protected: %.*s.\nSend it without that? [y/N] ", VIEW_ARG(buf_view(&told->why)));
	fflush(tty);
	if (fgets(answer, sizeof answer, tty) == NULL)
		answer[0] = 'n';
	fclose(tty);
	return answer[0] == 'y' || answer[0] == 'Y';
}

enum status post_send(struct place *p, uint64_t out, struct fate_told *told)
{
	enum status st = send_one(p, out, told);

	if (st != ST_OK || !told->held || !wants_less(told))
		return st;
	st = make_due(p, out, true);
	return st == ST_OK ? send_one(p, out, told) : st;
}

enum status post_release(struct place *p, uint64_t out, bool less, struct fate_told *told)
{
	enum status st = make_due(p, out, less);

	return st == ST_OK ? send_one(p, out, told) : st;
}
