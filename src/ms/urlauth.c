#include "ms/urlauth.h"

#include "base/disk.h"
#include "ms/internal.h"
#include "msg/decode.h"
#include "msg/section.h"
#include "msg/structure.h"

#include <fcntl.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <sys/random.h>
#include <unistd.h>
#include <xxhash.h>

enum { KEY = 32, HOW = 1, HEAD = 4, SUM = 8, ROW = 8 + KEY, KEYS_MAX = HEAD + MAILBOXES_MAX * ROW + SUM };

static const char file_name[] = "urlauth.keys", beside[] = "urlauth.new";

/* ---- the file of keys ---- */

/* Its rows into out; nothing where there is no such file, or it is damaged. */
static enum status read_rows(struct store *s, struct buf *out)
{
	char *p;
	struct stat sb;
	int fd;
	enum status st = disk_open(s->dir, file_name, O_RDONLY | O_NOFOLLOW, 0, &fd);

	if (st != ST_OK)
		return st == ST_MISSING ? ST_OK : st;
	if (fstat(fd, &sb) != 0 || sb.st_size < HEAD + SUM || sb.st_size > KEYS_MAX || (sb.st_size - HEAD - SUM) % ROW) {
		close(fd);
		return ST_OK;
	}
	st = buf_reserve(out, (size_t)sb.st_size, &p);
	if (st == ST_OK)
		st = disk_read_at(fd, p, (size_t)sb.st_size, 0);
	close(fd);
	if (st == ST_OK) {
		struct cursor sum = cursor_over(view_make(p + sb.st_size - SUM, SUM));

		if (memcmp(p, "WAXU", HEAD) == 0 && take_u64(&sum) == XXH3_64bits(p, (size_t)sb.st_size - SUM)) {
			out->n = (size_t)sb.st_size - SUM;
			buf_drop(out, HEAD);
		}
	}
	return st == ST_CORRUPT ? ST_OK : st;
}

/* Whole, or as it was. */
static enum status write_rows(struct store *s, struct view rows)
{
	struct buf b = BUF(KEYS_MAX);
	struct iovec iov;
	int fd = -1;
	enum status st;

	buf_put(&b, VIEW("WAXU"));
	buf_put(&b, rows);
	put_u64(&b, buf_status(&b) == ST_OK ? XXH3_64bits(b.p, b.n) : 0);
	st = buf_status(&b);
	if (st == ST_OK)
		st = disk_open(s->dir, beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600, &fd);
	if (st == ST_OK) {
		iov = (struct iovec){ b.p, b.n };
		st = disk_write_at(fd, &iov, 1, 0);
		if (st == ST_OK)
			st = disk_flush(fd);
		close(fd);
	}
	if (st == ST_OK)
		st = disk_rename(s->dir, beside, file_name);
	if (st == ST_OK)
		st = disk_flush_all(s->dir);
	buf_wipe(&b);
	return st;
}

static bool take_row(struct cursor *c, uint64_t *ret_id, struct view *ret_key)
{
	if (cursor_left(c) == 0)
		return false;
	*ret_id = take_u64(c);
	*ret_key = take_bytes(c, KEY);
	return cursor_ok(c);
}

/* ST_MISSING: it has none. */
static enum status find_key(struct store *s, uint64_t id, unsigned char key[KEY])
{
	struct buf rows = BUF(KEYS_MAX);
	enum status st = read_rows(s, &rows), found = ST_MISSING;
	struct cursor c = cursor_over(buf_view(&rows));
	struct view one;
	uint64_t whose;

	while (st == ST_OK && take_row(&c, &whose, &one))
		if (whose == id) {
			memcpy(key, one.p, KEY);
			found = ST_OK;
		}
	buf_wipe(&rows);
	return st == ST_OK ? found : st;
}

/* All but the rows of that mailbox (0: none), and of those that are no more. */
static enum status other_rows(struct store *s, uint64_t but, struct buf *out)
{
	struct buf rows = BUF(KEYS_MAX);
	enum status st = read_rows(s, &rows);
	struct cursor c = cursor_over(buf_view(&rows));
	struct view one;
	uint64_t whose;

	while (st == ST_OK && take_row(&c, &whose, &one))
		if (whose != but && box_by_id(s, whose)) {
			put_u64(out, whose);
			buf_put(out, one);
		}
	buf_wipe(&rows);
	return st == ST_OK ? buf_status(out) : st;
}

static enum status make_key(struct store *s, uint64_t id, unsigned char key[KEY])
{
	struct buf rows = BUF(KEYS_MAX);
	enum status st = other_rows(s, id, &rows);

	if (st == ST_OK && getrandom(key, KEY, 0) != KEY)
		st = ST_IO;
	put_u64(&rows, id);
	buf_put(&rows, view_make((const char *)key, KEY));
	if (st == ST_OK)
		st = buf_status(&rows);
	if (st == ST_OK)
		st = write_rows(s, buf_view(&rows));
	buf_wipe(&rows);
	return st;
}

enum status urlauth_reset(struct store *s, const struct mailbox *m)
{
	struct buf rows = BUF(KEYS_MAX);
	enum status st = m ? other_rows(s, m->id, &rows) : ST_OK;

	if (st == ST_OK)
		st = write_rows(s, buf_view(&rows));
	buf_wipe(&rows);
	return st;
}

/* ---- tokens ---- */

static void token_of(const struct mailbox *m, const unsigned char key[KEY], struct view rump,
		     unsigned char out[URLAUTH_TOKEN])
{
	struct hmac_sha256_ctx ctx;
	uint8_t which[12];

	for (int i = 0; i < 8; i++)
		which[i] = (uint8_t)(m->id >> 8 * i);
	for (int i = 0; i < 4; i++)
		which[8 + i] = (uint8_t)(m->uidvalidity >> 8 * i);
	hmac_sha256_set_key(&ctx, KEY, key);
	hmac_sha256_update(&ctx, sizeof which, which);
	hmac_sha256_update(&ctx, rump.n, (const uint8_t *)rump.p);
	out[0] = HOW;
	hmac_sha256_digest(&ctx, URLAUTH_TOKEN - 1, out + 1);
	explicit_bzero(&ctx, sizeof ctx);
}

enum status urlauth_sign(struct mailbox *m, struct view rump, struct buf *out)
{
	unsigned char key[KEY], token[URLAUTH_TOKEN];
	enum status st = find_key(m->store, m->id, key);

	if (st == ST_MISSING)
		st = make_key(m->store, m->id, key);
	if (st == ST_OK) {
		token_of(m, key, rump, token);
		buf_put_hex(out, token, URLAUTH_TOKEN);
		st = buf_status(out);
	}
	explicit_bzero(key, sizeof key);
	return st;
}

static unsigned char digit_of(char c)
{
	return (unsigned char)(ascii_digit(c) ? c - '0' : ascii_lower(c) - 'a' + 10);
}

static bool read_token(struct view hex, unsigned char out[URLAUTH_TOKEN])
{
	if (hex.n != 2 * URLAUTH_TOKEN)
		return false;
	for (size_t i = 0; i < URLAUTH_TOKEN; i++)
		out[i] = (unsigned char)(digit_of(hex.p[2 * i]) << 4 | digit_of(hex.p[2 * i + 1]));
	return true;
}

enum status urlauth_check(struct mailbox *m, const struct imap_url *u, wall_ms now)
{
	unsigned char key[KEY], wanted[URLAUTH_TOKEN], claimed[URLAUTH_TOKEN];
	enum status st;

	if (u->access == IMAP_URL_NO_ACCESS || !view_eq_i(u->mechanism, VIEW("INTERNAL")) ||
	    !read_token(u->token, claimed))
		return ST_DENIED;
	st = find_key(m->store, m->id, key);
	if (st != ST_OK)
		return st == ST_MISSING ? ST_DENIED : st;
	token_of(m, key, u->rump, wanted);
	explicit_bzero(key, sizeof key);
	if (!memeql_sec(wanted, claimed, sizeof wanted))
		return ST_DENIED;
	return u->expire && u->expire <= now ? ST_TIMEOUT : ST_OK;
}

/* ---- whose it is ---- */

static bool is_port_of_ours(const struct conf *c, uint16_t port)
{
	static const enum service services[] = { SERVICE_IMAP, SERVICE_IMAPS };

	for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
		struct view list = view_cstr(c->listen[services[i]]), one;

		while ((one = view_take_word(&list)).n) {
			uint64_t n = 0;

			while (view_find(one, ':') < one.n)
				one = view_skip(one, view_find(one, ':') + 1);
			if (view_u64(one, &n) && n == port)
				return true;
		}
	}
	return false;
}

bool url_is_own(const struct conf *c, struct view user, const struct imap_url *u)
{
	return u->absolute && view_eq_i(u->user, user) && view_eq_i(u->host, view_cstr(c->host_name)) &&
	       (u->port == 0 || is_port_of_ours(c, u->port));
}

bool url_access_allows(const struct imap_url *u, const struct url_reader *who)
{
	switch (u->access) {
	case IMAP_URL_SUBMIT:
		return who->submission && view_eq_i(u->access_user, who->user);
	case IMAP_URL_USER:
		return !who->submission && view_eq_i(u->access_user, who->user);
	case IMAP_URL_AUTHUSER:
	case IMAP_URL_ANONYMOUS:
		return !who->submission;
	default:
		return false;
	}
}

/* ---- what it names ---- */

enum status url_open(struct store *s, const struct mailbox *selected, const struct imap_url *u, struct mailbox **ret)
{
	struct view name = u->mailbox.n ? u->mailbox : selected ? selected->name : VIEW_NONE;
	struct mailbox *m;
	enum status st = name.n && u->uid ? mailbox_open(s, name, &m) : ST_MISSING;

	if (st != ST_OK)
		return st == ST_SYNTAX ? ST_MISSING : st;
	if (u->uidvalidity && u->uidvalidity != m->uidvalidity) {
		mailbox_release(m);
		return ST_MISSING;
	}
	*ret = m;
	return ST_OK;
}

static enum status letter_of(struct mailbox *m, uint32_t uid, struct view *ret)
{
	uint32_t i = mailbox_find(m, uid, false);

	return i < m->n ? message_body(m, &m->messages[i], ret) : ST_MISSING;
}

static enum status section_named(const struct imap_url *u, struct arena *a, struct section *ret)
{
	if (u->section.p)
		return section_parse(u->section, a, ret);
	*ret = (struct section){ 0 };
	return ST_OK;
}

static struct view cut(const struct imap_url *u, struct view v)
{
	if (!u->partial)
		return v;
	v = view_skip(v, u->from > v.n ? v.n : (size_t)u->from);
	return u->length && u->length < v.n ? view_head(v, (size_t)u->length) : v;
}

enum status url_piece(struct mailbox *m, const struct imap_url *u, bool binary, struct arena *a,
		      struct buf *own, struct view *ret)
{
	struct section section;
	struct view letter, piece;
	enum status st = section_named(u, a, &section);

	if (st == ST_OK)
		st = letter_of(m, u->uid, &letter);
	if (st != ST_OK)
		return st;
	piece = letter;
	if (binary && section.what == SECTION_ALL && section.depth) {
		st = section_binary(letter, section.path, section.depth, a, own);
		piece = buf_view(own);
	} else if (section.depth || section.what != SECTION_ALL) {
		st = section_of(letter, &section, a, own, &piece);
	}
	if (st == ST_OK)
		*ret = cut(u, piece);
	return st;
}

/* As it is when its encoding is taken off. */
static enum status decoded_part(const struct mime *m, struct mime_part *p)
{
	struct buf plain = BUF(UINT32_MAX - p->body);
	enum status st;

	if (p->kind != MIME_LEAF || p->encoding == ENC_UNKNOWN)
		return ST_OK;
	decode_body((enum mime_encoding)p->encoding, mime_body(m, p), &plain);
	st = buf_status(&plain);
	p->lines = 0;
	for (size_t i = 0; i < plain.n; i++)
		p->lines += plain.p[i] == '\n';
	p->end = p->body + (uint32_t)plain.n;
	p->encoding = ENC_BINARY;
	buf_free(&plain);
	return st;
}

enum status url_structure(struct mailbox *m, const struct imap_url *u, bool binary, struct arena *a,
			  struct buf *out)
{
	struct section section;
	struct view letter;
	struct mime mime;
	uint32_t i = 0;
	enum status st = section_named(u, a, &section);

	if (st == ST_OK)
		st = letter_of(m, u->uid, &letter);
	if (st == ST_OK)
		st = mime_parse(letter, a, &mime);
	if (st == ST_OK)
		st = section_part(&mime, section.path, section.depth, &i);
	if (st == ST_OK && binary && section.depth)
		st = decoded_part(&mime, &mime.parts[i]);
	if (st != ST_OK)
		return st;
	put_structure(&mime, i, false, out);
	return buf_status(out);
}

enum status url_authorized(struct store *s, const struct conf *c, const struct url_reader *who, struct view text,
			   struct arena *a, struct imap_url *ret_url, struct mailbox **ret_m)
{
	struct mailbox *m;
	enum status st = imap_url_take(text, a, ret_url);

	if (st == ST_OK && (!url_is_own(c, who->user, ret_url) || !url_access_allows(ret_url, who)))
		st = ST_DENIED;
	if (st == ST_OK)
		st = url_open(s, NULL, ret_url, &m);
	if (st != ST_OK)
		return st == ST_MISSING ? ST_DENIED : st;
	st = urlauth_check(m, ret_url, clock_wall());
	if (st == ST_OK)
		*ret_m = m;
	else
		mailbox_release(m);
	return st;
}

enum status url_fetch(struct store *s, const struct conf *c, const struct url_reader *who, struct view text,
		      struct buf *out)
{
	struct arena a = ARENA(MIME_ARENA_MAX);
	struct buf own = BUF(out->max);
	struct mailbox *m;
	struct imap_url u;
	struct view piece;
	enum status st = url_authorized(s, c, who, text, &a, &u, &m);

	if (st == ST_OK) {
		st = url_piece(m, &u, false, &a, &own, &piece);
		if (st == ST_OK)
			buf_put(out, piece);
		mailbox_release(m);
	}
	buf_free(&own);
	arena_free(&a);
	return st == ST_OK ? buf_status(out) : st;
}
