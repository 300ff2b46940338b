/* index.c - the SQL index: what is in memory, written behind.
 *
 *     state       name -> number
 *     list        name -> what is one list of numbers or names (delivered,
 *                 subscribed)
 *     segment     facts of the journal's files (journal.h)
 *     mailbox     one row each, with its keywords and what left it
 *     page        the messages of PAGE_UIDS uids of a mailbox, packed: uid,
 *                 size, modseq, flags, date, body, place.  What changes often
 *                 is here, so that a change of flags over a whole mailbox is a
 *                 few rows
 *     letter      what was rendered of each body, once: never changes
 *     filter      what words it may hold (msg/grams.h), for searches; made
 *                 later than all else, see fulltext.c
 *     removed     messages that may be brought back, by the record that
 *                 removed them
 *
 * "INTEGER" is 64 bits wide (sql.h).
 */
#include "ms/index_sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char schema[] =
	"BEGIN;"
	"CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value BIGINT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS list (name TEXT PRIMARY KEY, data BLOB NOT NULL);"
	"CREATE TABLE IF NOT EXISTS segment (number INTEGER PRIMARY KEY, generation BIGINT NOT NULL,"
	" first_seq BIGINT NOT NULL, last_seq BIGINT NOT NULL, place BIGINT NOT NULL, live BIGINT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS mailbox (id INTEGER PRIMARY KEY, name BLOB NOT NULL, special BIGINT NOT NULL,"
	" uidvalidity BIGINT NOT NULL, uidnext BIGINT NOT NULL, modseq BIGINT NOT NULL,"
	" messages BIGINT NOT NULL, unseen BIGINT NOT NULL, deleted BIGINT NOT NULL, size BIGINT NOT NULL,"
	" deleted_size BIGINT NOT NULL, gone_floor BIGINT NOT NULL, keywords BLOB NOT NULL);"
	"CREATE TABLE IF NOT EXISTS gone (mailbox INTEGER PRIMARY KEY, data BLOB NOT NULL);"
	"CREATE TABLE IF NOT EXISTS page (mailbox BIGINT NOT NULL, page BIGINT NOT NULL, data BLOB NOT NULL,"
	" PRIMARY KEY (mailbox, page));"
	"CREATE TABLE IF NOT EXISTS letter (body INTEGER PRIMARY KEY, envelope BLOB, structure_short BLOB,"
	" structure BLOB, subject BLOB, message_id BLOB, refs BLOB, sent BIGINT);"
	"CREATE TABLE IF NOT EXISTS filter (body INTEGER PRIMARY KEY, data BLOB NOT NULL);"
	"CREATE TABLE IF NOT EXISTS removed (seq INTEGER PRIMARY KEY, mailbox BIGINT NOT NULL,"
	" time BIGINT NOT NULL, data BLOB NOT NULL);"
	"COMMIT";

static const char *const texts[Q_COUNT] = {
	[Q_STATE] = "SELECT value FROM state WHERE name = $1",
	[Q_SET_STATE] = "INSERT INTO state (name, value) VALUES ($1, $2)"
			" ON CONFLICT (name) DO UPDATE SET value = excluded.value",
	[Q_LIST] = "SELECT data FROM list WHERE name = $1",
	[Q_SET_LIST] = "INSERT INTO list (name, data) VALUES ($1, $2)"
		       " ON CONFLICT (name) DO UPDATE SET data = excluded.data",
	[Q_SEGMENTS] = "SELECT number, generation, first_seq, last_seq, place, live FROM segment ORDER BY number",
	[Q_SET_SEGMENT] = "INSERT INTO segment (number, generation, first_seq, last_seq, place, live)"
			  " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (number) DO UPDATE SET"
			  " generation = excluded.generation, first_seq = excluded.first_seq,"
			  " last_seq = excluded.last_seq, place = excluded.place, live = excluded.live",
	[Q_MAILBOXES] = "SELECT id, name, special, uidvalidity, uidnext, modseq, messages, unseen, deleted, size,"
			" deleted_size, gone_floor, keywords FROM mailbox ORDER BY id",
	[Q_SET_MAILBOX] = "INSERT INTO mailbox (id, name, special, uidvalidity, uidnext, modseq, messages, unseen,"
			  " deleted, size, deleted_size, gone_floor, keywords)"
			  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
			  " ON CONFLICT (id) DO UPDATE SET name = excluded.name, uidnext = excluded.uidnext,"
			  " modseq = excluded.modseq, messages = excluded.messages, unseen = excluded.unseen,"
			  " deleted = excluded.deleted, size = excluded.size,"
			  " deleted_size = excluded.deleted_size, gone_floor = excluded.gone_floor,"
			  " keywords = excluded.keywords",
	[Q_GONE] = "SELECT data FROM gone WHERE mailbox = $1",
	[Q_SET_GONE] = "INSERT INTO gone (mailbox, data) VALUES ($1, $2)"
		       " ON CONFLICT (mailbox) DO UPDATE SET data = excluded.data",
	[Q_PAGES] = "SELECT data FROM page WHERE mailbox = $1 ORDER BY page",
	[Q_SET_PAGE] = "INSERT INTO page (mailbox, page, data) VALUES ($1, $2, $3)"
		       " ON CONFLICT (mailbox, page) DO UPDATE SET data = excluded.data",
	[Q_DROP_PAGE] = "DELETE FROM page WHERE mailbox = $1 AND page = $2",
	[Q_DROP_MAILBOX] = "DELETE FROM mailbox WHERE id = $1",
	[Q_DROP_PAGES] = "DELETE FROM page WHERE mailbox = $1",
	[Q_DROP_GONE] = "DELETE FROM gone WHERE mailbox = $1",
	[Q_SET_LETTER] = "INSERT INTO letter (body, envelope, structure_short, structure, subject, message_id,"
			 " refs, sent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (body) DO NOTHING",
	[Q_LETTER] = "SELECT envelope, structure_short, structure FROM letter WHERE body = $1",
	[Q_LETTERS] = "SELECT body, envelope, structure_short, structure FROM letter"
		      " WHERE body >= $1 AND body <= $2 ORDER BY body",
	[Q_DROP_LETTER] = "DELETE FROM letter WHERE body = $1",
	[Q_LETTER_BODIES] = "SELECT body FROM letter ORDER BY body",
	[Q_REMOVED] = "SELECT seq, mailbox, time, data FROM removed ORDER BY seq",
	[Q_SET_REMOVED] = "INSERT INTO removed (seq, mailbox, time, data) VALUES ($1, $2, $3, $4)"
			  " ON CONFLICT (seq) DO UPDATE SET data = excluded.data",
	[Q_DROP_REMOVED] = "DELETE FROM removed WHERE seq = $1",
	[Q_SET_FILTER] = "INSERT INTO filter (body, data) VALUES ($1, $2)"
			 " ON CONFLICT (body) DO UPDATE SET data = excluded.data",
	[Q_FILTERS] = "SELECT body, data FROM filter WHERE body >= $1 AND body <= $2 ORDER BY body",
	[Q_SWEEP_FILTERS] = "DELETE FROM filter WHERE body NOT IN (SELECT body FROM letter)",
	[Q_PURGE_REMOVED] = "DELETE FROM removed WHERE time <= $1",
};

/* ---- opening ---- */

static enum status state_get(struct store *s, struct view name, uint64_t *ret)
{
	struct sql_stmt *q = s->q[Q_STATE];
	bool row;
	enum status st;

	sql_bind_text(q, 1, name);
	st = sql_step(q, &row);
	if (st == ST_OK && row)
		*ret = (uint64_t)sql_col_int(q, 0);
	sql_reset(q);
	return st;
}

static enum status prepare_all(struct store *s)
{
	enum status st = sql_exec(s->db, schema);

	if (st != ST_OK)
		(void)!sql_exec(s->db, "ROLLBACK");
	s->q = calloc(Q_COUNT, sizeof *s->q);
	if (s->q == NULL)
		return ST_NOMEM;
	for (int i = 0; i < Q_COUNT && st == ST_OK; i++)
		st = sql_prepare(s->db, texts[i], &s->q[i]);
	/* Our own statements are right; a table that does not fit them is not. */
	return st == ST_SYNTAX ? ST_CORRUPT : st;
}

static enum status open_file(struct store *s)
{
	char path[4096];
	enum status st;

	if (snprintf(path, sizeof path, "%s/index.db", s->folder) >= (int)sizeof path)
		return ST_LIMIT;
	st = sql_open(&sql_sqlite, path, SQL_DERIVED, &s->db);
	return st == ST_OK ? prepare_all(s) : st;
}

enum status index_need(struct store *s)
{
	enum status st = ST_OK;

	if (s->db)
		return ST_OK;
	if (!s->index_absent)
		return ST_CORRUPT;	/* it could not be made anew */
	st = open_file(s);
	if (st == ST_OK)
		s->index_absent = false;
	else
		index_close(s);
	return st;
}

enum status index_open(struct store *s)
{
	uint64_t version = 0;
	enum status st;

	s->index_absent = faccessat(s->dir, "index.db", F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
	if (s->index_absent) {
		s->index_fresh = true;
		s->applied = s->staged = s->committed = 0;
		return ST_OK;
	}
	st = open_file(s);
	if (st == ST_OK)
		st = state_get(s, VIEW("version"), &version);
	if (st == ST_OK && version != 0 && version != SCHEMA_VERSION)
		st = ST_CORRUPT;	/* another one's rows: made again */
	if (st == ST_OK)
		st = state_get(s, VIEW("applied"), &s->committed);
	s->index_fresh = version == 0;
	s->applied = s->staged = s->committed;
	return st;
}

void index_close(struct store *s)
{
	for (int i = 0; i < Q_COUNT && s->q; i++)
		sql_finish(s->q[i]);
	free(s->q);
	s->q = NULL;
	sql_close(s->db);
	s->db = NULL;
	s->in_txn = false;
}

enum status index_renew(struct store *s)
{
	static const char *const files[] = { "index.db", "index.db-wal", "index.db-shm" };

	index_close(s);
	s->applied = s->staged = s->committed = 0;
	for (size_t i = 0; i < 3; i++) {
		enum status st = disk_unlink(s->dir, files[i]);

		if (st == ST_IO || st == ST_DENIED)	/* a folder, of all things */
			st = disk_rename(s->dir, files[i], "index.bad");
		if (st != ST_OK && st != ST_MISSING)
			return st;
	}
	return index_open(s);
}

/* ---- reading ---- */

enum status index_facts(struct store *s, struct segment_facts **ret, size_t *ret_n)
{
	struct sql_stmt *q = s->index_absent ? NULL : s->q[Q_SEGMENTS];
	struct segment_facts *facts = NULL;
	size_t n = 0;
	bool row;
	enum status st = ST_OK;

	while (q && (st = sql_step(q, &row)) == ST_OK && row) {
		struct segment_facts *more = realloc(facts, (n + 1) * sizeof *more);

		if (more == NULL) {
			st = ST_NOMEM;
			break;
		}
		facts = more;
		facts[n++] = (struct segment_facts){
			.number = (uint32_t)sql_col_int(q, 0), .generation = (uint64_t)sql_col_int(q, 1),
			.first_seq = (uint64_t)sql_col_int(q, 2), .last_seq = (uint64_t)sql_col_int(q, 3),
			.end = (uint64_t)sql_col_int(q, 4), .live = (uint64_t)sql_col_int(q, 5),
		};
	}
	if (q)
		sql_reset(q);
	if (st != ST_OK) {
		free(facts);
		return st;
	}
	*ret = facts;
	*ret_n = n;
	return ST_OK;
}

static enum status take_keywords(struct box *b, struct view data)
{
	struct cursor c = cursor_over(data);

	while (cursor_left(&c)) {
		struct view name = take_view(&c), own;

		if (!cursor_ok(&c) || b->m.n_keywords == KEYWORDS_MAX)
			return ST_CORRUPT;
		if (view_own(name, &own) != ST_OK)
			return ST_NOMEM;
		b->m.keywords[b->m.n_keywords++] = own;
	}
	return ST_OK;
}

static enum status load_boxes(struct store *s)
{
	struct sql_stmt *q = s->q[Q_MAILBOXES];
	struct box *b;
	bool row;
	enum status st;

	while ((st = sql_step(q, &row)) == ST_OK && row) {
		st = box_new(s, (uint64_t)sql_col_int(q, 0), sql_col_view(q, 1), &b);
		if (st != ST_OK)
			break;
		b->m.use = (enum special_use)sql_col_int(q, 2);
		b->m.uidvalidity = (uint32_t)sql_col_int(q, 3);
		b->m.uidnext = (uint32_t)sql_col_int(q, 4);
		b->m.modseq = (uint64_t)sql_col_int(q, 5);
		b->count = (uint32_t)sql_col_int(q, 6);
		b->unseen = (uint32_t)sql_col_int(q, 7);
		b->deleted = (uint32_t)sql_col_int(q, 8);
		b->size = (uint64_t)sql_col_int(q, 9);
		b->deleted_size = (uint64_t)sql_col_int(q, 10);
		b->gone_floor = (uint64_t)sql_col_int(q, 11);
		st = take_keywords(b, sql_col_view(q, 12));
		if (st != ST_OK)
			break;
	}
	sql_reset(q);
	return st;
}

typedef enum status list_taker(struct store *s, struct cursor *c);

static enum status take_delivered(struct store *s, struct cursor *c)
{
	size_t n = cursor_left(c) / DELIVERED_SIZE;

	s->delivered = calloc(n ? n : 1, sizeof *s->delivered);
	if (s->delivered == NULL)
		return ST_NOMEM;
	s->cap_delivered = (uint32_t)(n ? n : 1);
	while (cursor_left(c) >= DELIVERED_SIZE) {
		struct delivered *d = &s->delivered[s->n_delivered++];

		d->queue_id = take_u64(c);
		d->recipient = take_u32(c);
		d->uid = take_u32(c);
	}
	return cursor_end(c) ? ST_OK : ST_CORRUPT;
}

static enum status take_subscribed(struct store *s, struct cursor *c)
{
	while (cursor_left(c)) {
		struct view name = take_view(c), *more;
		struct box *b;

		if (!cursor_ok(c))
			return ST_CORRUPT;
		more = realloc(s->subscribed, (s->n_subscribed + 1) * sizeof *more);
		if (more == NULL)
			return ST_NOMEM;
		s->subscribed = more;
		if (view_own(name, &more[s->n_subscribed]) != ST_OK)
			return ST_NOMEM;
		s->n_subscribed++;
		b = box_by_name(s, name);
		if (b)
			b->m.subscribed = true;
	}
	return ST_OK;
}

static enum status load_list(struct store *s, struct view name, list_taker *take)
{
	struct sql_stmt *q = s->q[Q_LIST];
	bool row;
	enum status st;

	sql_bind_text(q, 1, name);
	st = sql_step(q, &row);
	if (st == ST_OK && row) {
		struct cursor c = cursor_over(sql_col_view(q, 0));

		st = take(s, &c);
	}
	sql_reset(q);
	return st;
}

enum status index_load(struct store *s)
{
	uint64_t last = 0, validity = 0, floor = 0, purged = 0, sweep = 0, fulltext = 0;
	enum status st;

	if (s->index_absent)
		return ST_OK;
	st = state_get(s, VIEW("last_mailbox"), &last);
	if (st == ST_OK)
		st = state_get(s, VIEW("last_uidvalidity"), &validity);
	if (st == ST_OK)
		st = state_get(s, VIEW("floor"), &floor);
	if (st == ST_OK)
		st = state_get(s, VIEW("purged"), &purged);
	if (st == ST_OK)
		st = state_get(s, VIEW("sweep"), &sweep);
	if (st == ST_OK)
		st = state_get(s, VIEW("fulltext"), &fulltext);
	s->last_mailbox = last;
	s->last_uidvalidity = (uint32_t)validity;
	s->floor = floor;
	s->purged = (wall_ms)purged;
	s->sweep_due = sweep != 0;
	s->fulltext = s->fulltext_committed = fulltext < s->committed ? fulltext : s->committed;
	if (st == ST_OK)
		st = load_boxes(s);
	if (st == ST_OK)
		st = load_list(s, VIEW("delivered"), take_delivered);
	if (st == ST_OK)
		st = load_list(s, VIEW("subscribed"), take_subscribed);
	return st;
}

static void message_take(struct cursor *c, struct message *m)
{
	m->uid = take_u32(c);
	m->size = take_u32(c);
	m->modseq = take_u64(c);
	m->flags = take_u64(c);
	m->date = (wall_ms)take_u64(c);
	m->body = take_u64(c);
	m->at.segment = take_u32(c);
	m->at.meta_n = take_u32(c);
	m->at.offset = take_u64(c);
	m->at.body_n = m->size;
}

static enum status load_page(struct box *b, struct view data)
{
	struct cursor c = cursor_over(data);

	while (cursor_left(&c) >= MESSAGE_SIZE && b->m.n < b->cap) {
		struct message *m = &b->m.messages[b->m.n];

		message_take(&c, m);
		if (b->m.n && m->uid <= m[-1].uid)
			return ST_CORRUPT;
		b->m.n++;
	}
	return cursor_end(&c) ? ST_OK : ST_CORRUPT;
}

static enum status load_gone(struct store *s, struct box *b)
{
	struct sql_stmt *q = s->q[Q_GONE];
	bool row;
	enum status st;

	sql_bind_int(q, 1, (int64_t)b->m.id);
	st = sql_step(q, &row);
	if (st == ST_OK && row) {
		struct cursor c = cursor_over(sql_col_view(q, 0));
		size_t n = cursor_left(&c) / GONE_SIZE;

		b->gone = calloc(n ? n : 1, sizeof *b->gone);
		st = b->gone ? ST_OK : ST_NOMEM;
		b->cap_gone = b->gone ? (uint32_t)(n ? n : 1) : 0;
		while (st == ST_OK && cursor_left(&c) >= GONE_SIZE) {
			struct gone *g = &b->gone[b->n_gone++];

			g->first = take_u32(&c);
			g->last = take_u32(&c);
			g->modseq = take_u64(&c);
		}
	}
	sql_reset(q);
	return st;
}

enum status index_load_box(struct store *s, struct box *b)
{
	struct sql_stmt *q;
	bool row;
	enum status st = s->index_absent ? ST_CORRUPT : box_reserve(b, b->count);

	if (st != ST_OK)
		return st;
	q = s->q[Q_PAGES];
	b->m.n = 0;
	sql_bind_int(q, 1, (int64_t)b->m.id);
	while ((st = sql_step(q, &row)) == ST_OK && row) {
		st = load_page(b, sql_col_view(q, 0));
		if (st != ST_OK)
			break;
	}
	sql_reset(q);
	if (st == ST_OK && b->m.n != b->count)
		st = ST_CORRUPT;
	if (st == ST_OK)
		st = load_gone(s, b);
	if (st != ST_OK) {
		b->m.n = b->n_gone = 0;
		return st;
	}
	b->loaded = true;
	return ST_OK;
}

static enum status take_batch(struct sql_stmt *q, struct batch **ret)
{
	struct cursor c = cursor_over(sql_col_view(q, 3));
	size_t n = cursor_left(&c) / MESSAGE_SIZE;
	struct batch *k = calloc(1, sizeof *k);

	if (k)
		k->messages = calloc(n ? n : 1, sizeof *k->messages);
	if (k == NULL || k->messages == NULL) {
		free(k);
		return ST_NOMEM;
	}
	k->seq = (uint64_t)sql_col_int(q, 0);
	k->mailbox = (uint64_t)sql_col_int(q, 1);
	k->time = sql_col_int(q, 2);
	while (cursor_left(&c) >= MESSAGE_SIZE)
		message_take(&c, &k->messages[k->n++]);
	*ret = k;
	return ST_OK;
}

/* Those of the index come before those that memory has: theirs are the
 * earlier records. */
enum status index_load_removed(struct store *s)
{
	struct sql_stmt *q;
	struct batch *list = NULL, **end = &list, *k;
	bool row;
	enum status st;

	s->removed_loaded |= s->index_absent;
	if (s->removed_loaded)
		return ST_OK;
	q = s->q[Q_REMOVED];
	while ((st = sql_step(q, &row)) == ST_OK && row) {
		if (s->removed && (uint64_t)sql_col_int(q, 0) >= s->removed->seq)
			break;	/* staged, and still in memory */
		st = take_batch(q, &k);
		if (st != ST_OK)
			break;
		*end = k;
		end = &k->next;
	}
	sql_reset(q);
	if (st != ST_OK) {
		while ((k = list) != NULL) {
			list = k->next;
			free(k->messages);
			free(k);
		}
		return st;
	}
	if (s->removed == NULL)
		s->removed_end = list ? end : &s->removed;
	*end = s->removed;
	s->removed = list;
	s->removed_loaded = true;
	return ST_OK;
}
