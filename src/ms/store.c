#include "ms/store.h"

#include "base/buf.h"
#include "base/cursor.h"
#include "sql/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { TYPE_MESSAGE = 1, META_MAX = 64 * 1024 };

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value BIGINT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS message (mailbox BIGINT NOT NULL, uid BIGINT NOT NULL,"
	" modseq BIGINT NOT NULL, flags BIGINT NOT NULL, date BIGINT NOT NULL, segment BIGINT NOT NULL,"
	" place BIGINT NOT NULL, meta BIGINT NOT NULL, size BIGINT NOT NULL, PRIMARY KEY (mailbox, uid));"
	"CREATE TABLE IF NOT EXISTS delivered (queue BIGINT NOT NULL, recipient BIGINT NOT NULL,"
	" uid BIGINT NOT NULL, PRIMARY KEY (queue, recipient));";

enum { Q_STATE, Q_SET_STATE, Q_ADD, Q_DELIVERED, Q_SET_DELIVERED, Q_PRUNE, Q_LAST_UID, Q_COUNT };
static const char *const texts[Q_COUNT] = {
	[Q_STATE] = "SELECT value FROM state WHERE name = $1",
	[Q_SET_STATE] = "INSERT INTO state (name, value) VALUES ($1, $2)"
			" ON CONFLICT (name) DO UPDATE SET value = excluded.value",
	[Q_ADD] = "INSERT INTO message (mailbox, uid, modseq, flags, date, segment, place, meta, size)"
		  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	[Q_DELIVERED] = "SELECT uid FROM delivered WHERE queue = $1 AND recipient = $2",
	[Q_SET_DELIVERED] = "INSERT INTO delivered (queue, recipient, uid) VALUES ($1, $2, $3)",
	[Q_PRUNE] = "DELETE FROM delivered WHERE queue < $1",
	[Q_LAST_UID] = "SELECT max(uid) FROM message WHERE mailbox = $1",
};

struct store {
	int dir;
	struct journal *journal;
	struct sql *db;
	struct sql_stmt *q[Q_COUNT];
	bool in_turn;
	uint64_t applied;	/* seq of the last record in the index */
	uint64_t floor;
	uint32_t next_uid;
};

/* ---- the index ---- */

static enum status state_get(struct store *s, struct view name, uint64_t *ret)
{
	bool row;
	enum status st;

	sql_bind_text(s->q[Q_STATE], 1, name);
	st = sql_step(s->q[Q_STATE], &row);
	if (st == ST_OK && row)
		*ret = (uint64_t)sql_col_int(s->q[Q_STATE], 0);
	sql_reset(s->q[Q_STATE]);
	return st;
}

static enum status state_set(struct store *s, struct view name, uint64_t value)
{
	sql_bind_text(s->q[Q_SET_STATE], 1, name);
	sql_bind_int(s->q[Q_SET_STATE], 2, (int64_t)value);
	return sql_run(s->q[Q_SET_STATE]);
}

static enum status begin(struct store *s)
{
	enum status st = s->in_turn ? ST_OK : sql_exec(s->db, "BEGIN");

	if (st == ST_OK)
		s->in_turn = true;
	return st;
}

enum status store_turn(struct store *s)
{
	enum status st;

	if (!s->in_turn)
		return ST_OK;
	st = state_set(s, VIEW("applied"), s->applied);
	if (st == ST_OK)
		st = sql_exec(s->db, "COMMIT");
	if (st == ST_OK)
		s->in_turn = false;
	return st;
}

/* ---- records ---- */

struct message_change {
	uint64_t mailbox, modseq, flags, queue_id;
	uint32_t uid, recipient;
	wall_ms date;
};

static void message_put(struct buf *b, const struct message_change *m)
{
	put_u64(b, m->mailbox);
	put_u32(b, m->uid);
	put_u64(b, m->modseq);
	put_u64(b, m->flags);
	put_u64(b, (uint64_t)m->date);
	put_u64(b, m->queue_id);
	put_u32(b, m->recipient);
}

static bool message_take(struct view bytes, struct message_change *ret)
{
	struct cursor c = cursor_over(bytes);

	ret->mailbox = take_u64(&c);
	ret->uid = take_u32(&c);
	ret->modseq = take_u64(&c);
	ret->flags = take_u64(&c);
	ret->date = (wall_ms)take_u64(&c);
	ret->queue_id = take_u64(&c);
	ret->recipient = take_u32(&c);
	return cursor_end(&c);
}

static enum status apply_message(struct store *s, const struct journal_record *rec)
{
	struct sql_stmt *q = s->q[Q_ADD];
	struct message_change m;
	enum status st;

	if (!message_take(rec->meta, &m))
		return ST_CORRUPT;
	sql_bind_int(q, 1, (int64_t)m.mailbox);
	sql_bind_int(q, 2, m.uid);
	sql_bind_int(q, 3, (int64_t)m.modseq);
	sql_bind_int(q, 4, (int64_t)m.flags);
	sql_bind_int(q, 5, m.date);
	sql_bind_int(q, 6, rec->at.segment);
	sql_bind_int(q, 7, (int64_t)rec->at.offset);
	sql_bind_int(q, 8, rec->at.meta_n);
	sql_bind_int(q, 9, rec->at.body_n);
	st = sql_run(q);
	if (st != ST_OK || m.queue_id == 0)
		return st;
	sql_bind_int(s->q[Q_SET_DELIVERED], 1, (int64_t)m.queue_id);
	sql_bind_int(s->q[Q_SET_DELIVERED], 2, m.recipient);
	sql_bind_int(s->q[Q_SET_DELIVERED], 3, m.uid);
	if (m.uid >= s->next_uid)
		s->next_uid = m.uid + 1;
	return sql_run(s->q[Q_SET_DELIVERED]);
}

static enum status apply(void *arg, const struct journal_record *rec)
{
	struct store *s = arg;
	enum status st = begin(s);

	if (st == ST_OK && rec->type == TYPE_MESSAGE)
		st = apply_message(s, rec);
	if (st == ST_OK)
		s->applied = rec->seq;
	return st;
}

/* ---- opening ---- */

static enum status open_index(struct store *s, const char *folder)
{
	char path[4096];
	enum status st;

	snprintf(path, sizeof path, "%s/index.db", folder);
	st = sql_open(&sql_sqlite, path, SQL_DERIVED, &s->db);
	if (st == ST_OK)
		st = sql_exec(s->db, schema);
	for (int i = 0; i < Q_COUNT && st == ST_OK; i++)
		st = sql_prepare(s->db, texts[i], &s->q[i]);
	if (st == ST_OK)
		st = state_get(s, VIEW("applied"), &s->applied);
	return st;
}

static void close_index(struct store *s)
{
	for (int i = 0; i < Q_COUNT; i++) {
		sql_finish(s->q[i]);
		s->q[i] = NULL;
	}
	sql_close(s->db);
	s->db = NULL;
}

static enum status reopen_empty(struct store *s, const char *folder)
{
	static const char *const files[] = { "index.db", "index.db-wal", "index.db-shm" };

	close_index(s);
	s->applied = 0;
	for (size_t i = 0; i < 3; i++) {
		enum status st = disk_unlink(s->dir, files[i]);

		if (st != ST_OK && st != ST_MISSING)
			return st;
	}
	return open_index(s, folder);
}

static enum status next_uid(struct store *s)
{
	bool row;
	enum status st;

	sql_bind_int(s->q[Q_LAST_UID], 1, 1);
	st = sql_step(s->q[Q_LAST_UID], &row);
	if (st == ST_OK)
		s->next_uid = (uint32_t)sql_col_int(s->q[Q_LAST_UID], 0) + 1;
	sql_reset(s->q[Q_LAST_UID]);
	return st;
}

static enum status catch_up(struct store *s, const char *folder, struct store_findings *f)
{
	uint64_t next = journal_next_seq(s->journal);
	enum status st = ST_OK;

	/* An index that knows more than the journal outlived a power loss that
	 * the journal's end did not. */
	if (s->db == NULL || s->applied >= next) {
		st = reopen_empty(s, folder);
		f->rebuilt = true;
	}
	f->replayed = next - 1 - s->applied;
	if (st == ST_OK && f->replayed)
		st = journal_scan(s->journal, s->applied + 1, apply, s);
	if (st == ST_OK)
		st = store_turn(s);
	return st == ST_OK ? next_uid(s) : st;
}

enum status store_open(const char *folder, const struct store_settings *settings, struct store **ret,
		       struct store_findings *ret_findings)
{
	struct store *s = calloc(1, sizeof *s);
	struct store_findings f = { 0 };
	enum status st;

	if (s == NULL)
		return ST_NOMEM;
	s->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	st = s->dir < 0 ? status_of_errno(errno) : ST_OK;
	if (st == ST_OK && flock(s->dir, LOCK_EX | LOCK_NB) != 0)
		st = ST_EXISTS;
	if (st == ST_OK)
		st = journal_open(s->dir, settings->segment_size, &s->journal, &f.damaged);
	if (st == ST_OK) {
		st = open_index(s, folder);
		if (st == ST_CORRUPT) {
			close_index(s);
			st = ST_OK;
		}
	}
	if (st == ST_OK)
		st = catch_up(s, folder, &f);
	if (st != ST_OK) {
		store_close(s);
		return st;
	}
	*ret = s;
	*ret_findings = f;
	return ST_OK;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	if (s->db)
		close_index(s);
	journal_close(s->journal);
	if (s->dir >= 0)
		close(s->dir);
	free(s);
}

/* ---- changes ---- */

static enum status seen_before(struct store *s, const struct delivery *d, bool *ret_seen, uint32_t *ret_uid)
{
	struct sql_stmt *q = s->q[Q_DELIVERED];
	enum status st;

	sql_bind_int(q, 1, (int64_t)d->queue_id);
	sql_bind_int(q, 2, d->recipient);
	st = sql_step(q, ret_seen);
	if (st == ST_OK && *ret_seen)
		*ret_uid = (uint32_t)sql_col_int(q, 0);
	sql_reset(q);
	return st;
}

static enum status prune(struct store *s, uint64_t floor)
{
	if (floor <= s->floor)
		return ST_OK;
	s->floor = floor;
	sql_bind_int(s->q[Q_PRUNE], 1, (int64_t)floor);
	return sql_run(s->q[Q_PRUNE]);
}

enum status store_deliver(struct store *s, const struct delivery *d, uint32_t *ret_uid)
{
	struct buf meta = BUF(META_MAX);
	struct view body[2] = { d->head, d->letter };
	struct journal_record rec = { .type = TYPE_MESSAGE };
	struct message_change m = {
		.mailbox = 1, .uid = s->next_uid, .modseq = journal_next_seq(s->journal),
		.flags = d->flags, .queue_id = d->queue_id, .recipient = d->recipient, .date = d->date,
	};
	bool seen = false;
	enum status st = begin(s);

	if (st == ST_OK)
		st = prune(s, d->floor);
	if (st == ST_OK && d->queue_id)
		st = seen_before(s, d, &seen, ret_uid);
	if (st != ST_OK || seen)
		return st;
	message_put(&meta, &m);
	rec.seq = journal_next_seq(s->journal);
	st = journal_append(s->journal, rec.type, buf_view(&meta), body, 2, &rec.at);
	rec.meta = buf_view(&meta);
	if (st == ST_OK)
		st = apply(s, &rec);
	if (st == ST_OK)
		*ret_uid = m.uid;
	buf_free(&meta);
	return st;
}

enum status store_flush(struct store *s)
{
	return journal_flush(s->journal);
}
