/* index_stage.c - what changed in memory, into the open transaction; and what
 * was rendered, out of it. */
#include "ms/index_sql.h"

#include "msg/render.h"

#include <stdlib.h>

static enum status state_set(struct store *s, struct view name, uint64_t value)
{
	sql_bind_text(s->q[Q_SET_STATE], 1, name);
	sql_bind_int(s->q[Q_SET_STATE], 2, (int64_t)value);
	return sql_run(s->q[Q_SET_STATE]);
}

static void message_put(struct buf *b, const struct message *m)
{
	put_u32(b, m->uid);
	put_u32(b, m->size);
	put_u64(b, m->modseq);
	put_u64(b, m->flags);
	put_u64(b, (uint64_t)m->date);
	put_u64(b, m->body);
	put_u32(b, m->at.segment);
	put_u32(b, m->at.meta_n);
	put_u64(b, m->at.offset);
}

static enum status stage_letter(void *arg, const struct journal_record *rec)
{
	struct store *s = arg;
	struct sql_stmt *q = s->q[Q_SET_LETTER];
	struct msg_rendered r;
	enum status st = ST_OK;

	if (rec->type != CHANGE_MESSAGE)
		goto done;
	st = msg_render(rec->body, &r);
	if (st == ST_NOMEM)
		return st;
	sql_bind_int(q, 1, (int64_t)rec->seq);
	sql_bind_blob(q, 2, buf_view(&r.envelope));
	sql_bind_blob(q, 3, buf_view(&r.body));
	sql_bind_blob(q, 4, buf_view(&r.bodystructure));
	sql_bind_blob(q, 5, buf_view(&r.subject_base));
	sql_bind_blob(q, 6, buf_view(&r.message_id));
	sql_bind_blob(q, 7, buf_view(&r.references));
	if (r.has_sent)
		sql_bind_int(q, 8, r.sent);
	else
		sql_bind_null(q, 8);
	st = sql_run(q);
	msg_rendered_free(&r);
done:
	if (st == ST_OK)
		s->staged = rec->seq;
	return st;
}

static enum status stage_row(struct store *s, struct box *b)
{
	struct sql_stmt *q = s->q[Q_SET_MAILBOX];
	struct buf keywords = BUF(KEYWORDS_MAX * 1024);
	const int64_t values[] = {
		(int64_t)b->m.use, b->m.uidvalidity, b->m.uidnext, (int64_t)b->m.modseq, b->count, b->unseen,
		b->deleted, (int64_t)b->size, (int64_t)b->deleted_size, (int64_t)b->gone_floor,
	};
	enum status st;

	for (uint32_t k = 0; k < b->m.n_keywords; k++)
		put_view(&keywords, b->m.keywords[k]);
	sql_bind_int(q, 1, (int64_t)b->m.id);
	sql_bind_blob(q, 2, b->m.name);
	for (int i = 0; i < 10; i++)
		sql_bind_int(q, 3 + i, values[i]);
	sql_bind_blob(q, 13, buf_view(&keywords));
	st = buf_status(&keywords);
	if (st == ST_OK)
		st = sql_run(q);
	buf_free(&keywords);
	return st;
}

static enum status stage_gone(struct store *s, struct box *b, struct buf *scratch)
{
	buf_clear(scratch);
	for (uint32_t i = 0; i < b->n_gone; i++) {
		put_u32(scratch, b->gone[i].first);
		put_u32(scratch, b->gone[i].last);
		put_u64(scratch, b->gone[i].modseq);
	}
	sql_bind_int(s->q[Q_SET_GONE], 1, (int64_t)b->m.id);
	sql_bind_blob(s->q[Q_SET_GONE], 2, buf_view(scratch));
	return buf_status(scratch) == ST_OK ? sql_run(s->q[Q_SET_GONE]) : buf_status(scratch);
}

static enum status stage_page(struct store *s, struct box *b, uint32_t page, struct buf *scratch)
{
	uint32_t i = mailbox_find(&b->m, page * PAGE_UIDS, true);
	struct sql_stmt *q;

	buf_clear(scratch);
	for (; i < b->m.n && b->m.messages[i].uid / PAGE_UIDS == page; i++)
		message_put(scratch, &b->m.messages[i]);
	q = s->q[scratch->n ? Q_SET_PAGE : Q_DROP_PAGE];
	sql_bind_int(q, 1, (int64_t)b->m.id);
	sql_bind_int(q, 2, page);
	if (scratch->n)
		sql_bind_blob(q, 3, buf_view(scratch));
	return buf_status(scratch) == ST_OK ? sql_run(q) : buf_status(scratch);
}

static enum status stage_box(struct store *s, struct box *b, struct buf *scratch)
{
	enum status st = b->row_dirty ? stage_row(s, b) : ST_OK;

	if (st == ST_OK && b->gone_dirty)
		st = stage_gone(s, b, scratch);
	for (size_t i = 0; i < b->dirty_n && st == ST_OK; i++)
		for (unsigned k = 0; k < 8 && st == ST_OK && b->dirty[i] >> k; k++)
			if (b->dirty[i] >> k & 1)
				st = stage_page(s, b, (uint32_t)(i * 8 + k), scratch);
	return st;
}

static enum status stage_deleted_boxes(struct store *s)
{
	static const enum query drops[] = { Q_DROP_MAILBOX, Q_DROP_PAGES, Q_DROP_GONE };
	enum status st = ST_OK;

	for (uint32_t i = 0; i < s->n_deleted_boxes; i++)
		for (int k = 0; k < 3 && st == ST_OK; k++) {
			sql_bind_int(s->q[drops[k]], 1, (int64_t)s->deleted_boxes[i]);
			st = sql_run(s->q[drops[k]]);
		}
	return st;
}

static enum status stage_removed(struct store *s, struct buf *scratch)
{
	enum status st = ST_OK;

	if (s->purged_dirty) {
		sql_bind_int(s->q[Q_PURGE_REMOVED], 1, s->purged);
		st = sql_run(s->q[Q_PURGE_REMOVED]);
	}
	for (struct batch *k = s->removed; k && st == ST_OK; k = k->next) {
		struct sql_stmt *q = s->q[k->n ? Q_SET_REMOVED : Q_DROP_REMOVED];

		if (!k->dirty)
			continue;
		buf_clear(scratch);
		for (uint32_t i = 0; i < k->n; i++)
			message_put(scratch, &k->messages[i]);
		sql_bind_int(q, 1, (int64_t)k->seq);
		if (k->n) {
			sql_bind_int(q, 2, (int64_t)k->mailbox);
			sql_bind_int(q, 3, k->time);
			sql_bind_blob(q, 4, buf_view(scratch));
		}
		st = buf_status(scratch) == ST_OK ? sql_run(q) : buf_status(scratch);
	}
	return st;
}

static enum status stage_list(struct store *s, struct view name, struct buf *scratch)
{
	sql_bind_text(s->q[Q_SET_LIST], 1, name);
	sql_bind_blob(s->q[Q_SET_LIST], 2, buf_view(scratch));
	return buf_status(scratch) == ST_OK ? sql_run(s->q[Q_SET_LIST]) : buf_status(scratch);
}

static enum status stage_lists(struct store *s, struct buf *scratch)
{
	enum status st = ST_OK;

	if (s->delivered_dirty) {
		buf_clear(scratch);
		for (uint32_t i = 0; i < s->n_delivered; i++) {
			put_u64(scratch, s->delivered[i].queue_id);
			put_u32(scratch, s->delivered[i].recipient);
			put_u32(scratch, s->delivered[i].uid);
		}
		st = stage_list(s, VIEW("delivered"), scratch);
	}
	if (st == ST_OK && s->subscribed_dirty) {
		buf_clear(scratch);
		for (uint32_t i = 0; i < s->n_subscribed; i++)
			put_view(scratch, s->subscribed[i]);
		st = stage_list(s, VIEW("subscribed"), scratch);
	}
	return st;
}

static enum status stage_segments(struct store *s)
{
	struct segment_facts f;
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && journal_facts(s->journal, i, &f); i++) {
		struct sql_stmt *q = s->q[Q_SET_SEGMENT];

		sql_bind_int(q, 1, f.number);
		sql_bind_int(q, 2, (int64_t)f.generation);
		sql_bind_int(q, 3, (int64_t)f.first_seq);
		sql_bind_int(q, 4, (int64_t)f.last_seq);
		sql_bind_int(q, 5, (int64_t)f.end);
		sql_bind_int(q, 6, (int64_t)f.live);
		st = sql_run(q);
	}
	return st;
}

static enum status stage_state(struct store *s)
{
	const struct {
		struct view name;
		uint64_t value;
	} rows[] = {
		{ VIEW("version"), SCHEMA_VERSION }, { VIEW("applied"), s->applied },
		{ VIEW("last_mailbox"), s->last_mailbox }, { VIEW("last_uidvalidity"), s->last_uidvalidity },
		{ VIEW("floor"), s->floor }, { VIEW("purged"), (uint64_t)s->purged },
		{ VIEW("sweep"), s->sweep_due }, { VIEW("fulltext"), s->fulltext },
	};
	enum status st = ST_OK;

	for (size_t i = 0; i < sizeof rows / sizeof *rows && st == ST_OK; i++)
		st = state_set(s, rows[i].name, rows[i].value);
	return st;
}

static enum status drop_letters(struct store *s, const uint64_t *bodies, size_t n)
{
	struct sql_stmt *q = s->q[Q_DROP_LETTER];
	enum status st = ST_OK;

	for (size_t i = 0; i < n && st == ST_OK; i++) {
		sql_bind_int(q, 1, (int64_t)bodies[i]);
		st = sql_run(q);
	}
	return st;
}

enum status index_keep_letters(struct store *s, const uint64_t *bodies, size_t n)
{
	struct sql_stmt *q;
	uint64_t *dead = NULL;
	size_t n_dead = 0, i = 0;
	bool row;
	enum status st = index_stage(s);

	if (st != ST_OK)
		return st;
	q = s->q[Q_LETTER_BODIES];
	while (st == ST_OK && (st = sql_step(q, &row)) == ST_OK && row) {
		uint64_t body = (uint64_t)sql_col_int(q, 0);

		while (i < n && bodies[i] < body)
			i++;
		if (i < n && bodies[i] == body)
			continue;
		if (n_dead % 1024 == 0) {
			uint64_t *more = realloc(dead, (n_dead + 1024) * sizeof *more);

			if (more == NULL)
				st = ST_NOMEM;
			else
				dead = more;
		}
		if (st == ST_OK)
			dead[n_dead++] = body;
	}
	sql_reset(q);
	if (st == ST_OK)
		st = drop_letters(s, dead, n_dead);
	if (st == ST_OK)
		st = sql_run(s->q[Q_SWEEP_FILTERS]);
	free(dead);
	return st;
}

void index_roll_back(struct store *s)
{
	if (s->in_txn)
		(void)!sql_exec(s->db, "ROLLBACK");
	s->in_txn = false;
	s->staged = s->committed;
	s->fulltext = s->fulltext_committed;
	s->fulltext_at = (struct journal_at){ 0 };
}

static enum status stage_letters(struct store *s)
{
	if (s->staged == s->applied)
		return ST_OK;
	return journal_scan(s->journal, s->staged + 1, stage_letter, s);
}

enum status index_begin(struct store *s)
{
	enum status st = index_need(s);

	if (st == ST_OK && !s->in_txn)
		st = sql_exec(s->db, "BEGIN");
	if (st == ST_OK)
		s->in_txn = true;
	return st;
}

enum status index_stage(struct store *s)
{
	struct buf scratch = BUF(CHANGE_MAX);
	enum status st = index_begin(s);

	if (st == ST_OK)
		st = stage_letters(s);
	for (uint32_t i = 0; i < s->n_boxes && st == ST_OK; i++)
		st = stage_box(s, s->boxes[i], &scratch);
	if (st == ST_OK)
		st = stage_deleted_boxes(s);
	if (st == ST_OK)
		st = stage_removed(s, &scratch);
	if (st == ST_OK)
		st = stage_lists(s, &scratch);
	buf_free(&scratch);
	if (st != ST_OK)
		index_roll_back(s);
	return st;
}

static void all_clean(struct store *s)
{
	for (uint32_t i = 0; i < s->n_boxes; i++) {
		struct box *b = s->boxes[i];

		b->row_dirty = b->gone_dirty = false;
		if (b->dirty_n)
			memset(b->dirty, 0, b->dirty_n);
	}
	for (struct batch *k = s->removed; k; k = k->next)
		k->dirty = false;
	s->n_deleted_boxes = 0;
	s->delivered_dirty = s->subscribed_dirty = s->purged_dirty = false;
	s->committed = s->staged = s->applied;
	s->fulltext_committed = s->fulltext;
}

enum status index_commit(struct store *s)
{
	enum status st;

	st = index_stage(s);
	if (st == ST_OK)
		st = stage_segments(s);
	if (st == ST_OK)
		st = stage_state(s);
	if (st == ST_OK)
		st = sql_exec(s->db, "COMMIT");
	if (st != ST_OK) {
		index_roll_back(s);
		return st;
	}
	s->in_txn = s->index_fresh = false;
	all_clean(s);
	return ST_OK;
}

/* ---- what was rendered ---- */

/* A run of bodies that grow is one walk through the table; others are looked
 * up one by one. */
static enum status rendered_one(struct store *s, const struct message *m, rendered_visit *visit, void *arg)
{
	struct sql_stmt *q = s->q[Q_LETTER];
	bool row;
	enum status st;

	sql_bind_int(q, 1, (int64_t)m->body);
	st = sql_step(q, &row);
	if (st == ST_OK && row)
		st = visit(arg, m->uid, sql_col_view(q, 0), sql_col_view(q, 1), sql_col_view(q, 2));
	sql_reset(q);
	return st;
}

static enum status rendered_run(struct store *s, const struct message *m, uint32_t n, rendered_visit *visit,
				void *arg)
{
	struct sql_stmt *q = s->q[Q_LETTERS];
	uint32_t i = 0;
	bool row;
	enum status st;

	sql_bind_int(q, 1, (int64_t)m[0].body);
	sql_bind_int(q, 2, (int64_t)m[n - 1].body);
	while ((st = sql_step(q, &row)) == ST_OK && row) {
		uint64_t body = (uint64_t)sql_col_int(q, 0);

		while (i < n && m[i].body < body)
			i++;
		if (i == n)
			break;
		if (m[i].body != body)
			continue;
		st = visit(arg, m[i].uid, sql_col_view(q, 1), sql_col_view(q, 2), sql_col_view(q, 3));
		if (st != ST_OK)
			break;
	}
	sql_reset(q);
	return st;
}

enum status index_rendered(struct store *s, const struct message *messages, uint32_t n, rendered_visit *visit,
			   void *arg)
{
	enum status st = index_begin(s);

	if (st == ST_OK)
		st = stage_letters(s);
	for (uint32_t i = 0; i < n && st == ST_OK;) {
		uint32_t k = i + 1;

		/* Not more than a few foreign rows for each of ours. */
		while (k < n && messages[k].body > messages[k - 1].body &&
		       messages[k].body - messages[k - 1].body <= 8)
			k++;
		st = k - i > 2 ? rendered_run(s, messages + i, k - i, visit, arg)
			       : rendered_one(s, messages + i, visit, arg);
		i = k - i > 2 ? k : i + 1;
	}
	return st;
}

/* ---- filters ---- */

enum status index_put_filter(struct store *s, uint64_t body, struct view filter)
{
	struct sql_stmt *q = s->q[Q_SET_FILTER];

	sql_bind_int(q, 1, (int64_t)body);
	sql_bind_blob(q, 2, filter);
	return sql_run(q);
}

/* Bodies that grow from message to message are one walk through the table. */
static enum status filters_run(struct store *s, const struct message *m, uint32_t from, uint32_t to,
			       filter_visit *visit, void *arg)
{
	struct sql_stmt *q = s->q[Q_FILTERS];
	uint32_t i = from;
	bool row;
	enum status st;

	sql_bind_int(q, 1, (int64_t)m[from].body);
	sql_bind_int(q, 2, (int64_t)m[to - 1].body);
	while ((st = sql_step(q, &row)) == ST_OK && row) {
		uint64_t body = (uint64_t)sql_col_int(q, 0);

		while (i < to && m[i].body < body)
			i++;
		if (i == to)
			break;
		if (m[i].body == body)
			visit(arg, i, sql_col_view(q, 1));
	}
	sql_reset(q);
	return st;
}

enum status index_filters(struct store *s, const struct message *messages, uint32_t n, filter_visit *visit,
			  void *arg)
{
	enum status st = s->db ? ST_OK : ST_MISSING;

	for (uint32_t i = 0, k; i < n && st == ST_OK; i = k) {
		/* Not more than a few foreign rows for each of ours. */
		for (k = i + 1; k < n && messages[k].body > messages[k - 1].body &&
				messages[k].body - messages[k - 1].body <= 8;)
			k++;
		st = filters_run(s, messages, i, k, visit, arg);
	}
	return st;
}
