/* legacy.h - legacy display elements (RFC 9788): what programs that know nothing of
 * header protection show of fields that are hidden outside.  They are the first lines of
 * a text/plain part (5.2.2), or a <div> of a text/html part (5.2.3), which says so by
 * hp-legacy-display="1"; who knows better takes them out (4.5.3).
 *
 * Only main body parts have one (RFC 9787 1.1): the root, each part of multipart/alternative,
 * the first of other multiparts; never an attachment, a letter inside, or what is signed.
 *
 * Both make a list of edits; what stands between them is never copied.  Limits:
 * LEGACY_PARTS_MOST parts; in a text of a charset that does not begin with ASCII, and in
 * an encoded one of more than LEGACY_DECODED_MAX octets, nothing is changed.
 */
#ifndef WAXWING_SMIME_LEGACY_H
#define WAXWING_SMIME_LEGACY_H

#include "smime/skim.h"

#include "base/arena.h"

enum { LEGACY_PARTS_MOST = 8, LEGACY_EDITS_MOST = 2 * LEGACY_PARTS_MOST, LEGACY_DECODED_MAX = 8 * 1024 * 1024 };
#define LEGACY_ARENA_MAX ((size_t)512 * 1024 * 1024)

/* At this offset `skip` octets give way to `text`. */
struct legacy_edit {
	size_t at, skip;
	struct view text;
};

struct legacy {
	struct view whole;	/* the entity; borrowed */
	struct legacy_edit all[LEGACY_EDITS_MOST];	/* in order, apart from each other */
	size_t n;
	bool root;		/* its own Content-Type is to say so (legacy_add) */
	struct arena a;
};

/* Of an entity that is to be encrypted: shows `subject` (a field's value).  The root's
 * Content-Type is left to the caller.  ST_NOMEM, ST_LIMIT: nothing is to be shown. */
enum status legacy_add(struct view entity, struct view subject, struct legacy *ret) MUST_USE;
/* Of an entity that was decrypted: neither elements nor parameters are left. */
enum status legacy_remove(struct view entity, struct legacy *ret) MUST_USE;
void legacy_free(struct legacy *l);

/* The octets from..to of the entity, as edited.  What `take` answers. */
enum status legacy_put(const struct legacy *l, size_t from, size_t to, cms_content *take, void *arg) MUST_USE;

/* A Content-Type field, or its value, without the parameters hp and hp-legacy-display,
 * and without a line end. */
void legacy_put_type(struct view field, struct buf *out);

#endif
