/* A segment written again without what nothing needs. */
#include "ms/segment.h"

#include <stdlib.h>

struct move {
	uint64_t from, to;
	uint32_t meta_n, body_n;	/* as they are now */
};

struct compaction {
	struct journal *j;
	uint32_t number;
	uint64_t at;		/* how far the old file is read */
	struct segment to;
	bool open, done;
	journal_sift *sift;
	void *arg;
	struct buf meta;
	struct move *moves;	/* by from */
	size_t n_moves, cap_moves;
};

enum { META_MAX = 64 * 1024 * 1024 };

enum status compaction_begin(struct journal *j, uint32_t number, journal_sift *sift, void *arg,
			     struct compaction **ret)
{
	struct segment *old = segment_of(j, number);
	struct compaction *c;
	char name[SEGMENT_NAME];
	enum status st;

	if (old == NULL || old == &j->segments[j->n_segments - 1])
		return ST_MISSING;
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return ST_NOMEM;
	*c = (struct compaction){ .j = j, .number = number, .at = SEGMENT_HEAD, .sift = sift, .arg = arg,
				  .meta = BUF(META_MAX) };
	segment_name(number, "new", name);
	st = disk_unlink(j->dir, name);
	if (st == ST_OK || st == ST_MISSING)
		st = segment_make(j->dir, name, number, &c->to);
	if (st != ST_OK) {
		free(c);
		return st;
	}
	c->open = true;
	*ret = c;
	return ST_OK;
}

static enum status note_move(struct compaction *c, uint64_t from, const struct place *to)
{
	if (c->n_moves == c->cap_moves) {
		size_t cap = c->cap_moves ? c->cap_moves * 2 : 1024;
		struct move *more = realloc(c->moves, cap * sizeof *more);

		if (more == NULL)
			return ST_NOMEM;
		c->moves = more;
		c->cap_moves = cap;
	}
	c->moves[c->n_moves++] = (struct move){ from, to->offset, to->meta_n, to->body_n };
	return ST_OK;
}

static enum status copy_one(struct compaction *c, const struct journal_record *rec)
{
	struct sifted how = { .type = rec->type, .meta = &c->meta };
	struct place at;
	enum status st;

	buf_clear(&c->meta);
	if (!c->sift(c->arg, rec, &how))
		return ST_OK;
	st = buf_status(&c->meta);
	if (st == ST_OK)
		st = segment_append(&c->to, how.type, rec->seq, c->meta.n ? buf_view(&c->meta) : rec->meta,
				    &rec->body, how.drop_body ? 0 : 1, &at);
	if (st != ST_OK)
		return st;
	if (c->to.f.first_seq == 0)
		c->to.f.first_seq = rec->seq;
	return note_move(c, rec->at.offset, &at);
}

enum status compaction_step(struct compaction *c, uint64_t bytes, bool *ret_done)
{
	struct segment *old = segment_of(c->j, c->number);
	uint64_t end = c->at + bytes;
	enum status st = old ? ST_OK : ST_MISSING;

	while (st == ST_OK && c->at < end && c->at + JOURNAL_HEAD <= old->size) {
		struct journal_record rec;

		/* What is spoilt is left out: nobody can read it here either.  What
		 * the disk does not give now may be whole: the old file stays. */
		st = segment_record(old, c->at, &rec);
		if (st == ST_CORRUPT) {
			st = ST_OK;
			c->at += RECORD_ALIGN;
			continue;
		}
		if (st == ST_OK)
			st = copy_one(c, &rec);
		if (st != ST_OK)
			break;
		c->at += record_span(rec.at.meta_n, rec.at.body_n);
	}
	/* A flush now and then, so that none takes long. */
	if (st == ST_OK)
		st = disk_flush(c->to.fd);
	if (st != ST_OK)
		return st;
	c->done = c->at + JOURNAL_HEAD > old->size;
	*ret_done = c->done;
	return ST_OK;
}

enum status compaction_finish(struct compaction *c)
{
	struct segment *old = segment_of(c->j, c->number);
	char fresh[SEGMENT_NAME], name[SEGMENT_NAME];
	enum status st = c->done && old ? disk_flush_all(c->to.fd) : ST_MISSING;

	segment_name(c->number, "new", fresh);
	segment_name(c->number, "seg", name);
	if (st == ST_OK)
		st = disk_rename(c->j->dir, fresh, name);
	if (st != ST_OK)
		return st;
	/* Until the folder is flushed a power loss may leave either file, and both
	 * are right. */
	(void)!disk_flush_all(c->j->dir);
	c->to.f.end = c->to.size;
	c->to.f.last_seq = c->to.last_seq;
	segment_close(old);
	*old = c->to;
	c->open = false;
	if (c->j->mark.segment == c->number)
		c->j->mark.segment = 0;
	return ST_OK;
}

bool compaction_place(const struct compaction *c, struct place *at)
{
	size_t lo = 0, hi = c->n_moves;

	if (at->segment != c->number)
		return false;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (c->moves[mid].from < at->offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == c->n_moves || c->moves[lo].from != at->offset)
		return false;
	at->offset = c->moves[lo].to;
	at->meta_n = c->moves[lo].meta_n;
	at->body_n = c->moves[lo].body_n;
	return true;
}

void compaction_free(struct compaction *c)
{
	char name[SEGMENT_NAME];

	if (c == NULL)
		return;
	if (c->open) {
		segment_close(&c->to);
		segment_name(c->number, "new", name);
		(void)!disk_unlink(c->j->dir, name);
	}
	buf_free(&c->meta);
	free(c->moves);
	free(c);
}
