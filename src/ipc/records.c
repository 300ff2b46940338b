#include "ipc/records.h"

#include <stddef.h>

static const char *const roles[ROLE_COUNT] = { "parent", "door", "warden", "queue", "room",
						"names", "relay", "admin" };
static const char *const services[SERVICE_COUNT] = { "smtp", "submission", "submissions", "imap",
						     "imaps", "pop3", "pop3s", "http", "https", "local" };

const char *role_name(enum role role)
{
	return (unsigned)role < ROLE_COUNT ? roles[role] : "unknown";
}

const char *service_name(enum service service)
{
	return (unsigned)service < SERVICE_COUNT ? services[service] : "unknown";
}

enum { NO_FD, ONE_FD, MAY_FD };
enum {
	PARENT = 1 << ROLE_PARENT,
	DOOR = 1 << ROLE_DOOR,
	WARDEN = 1 << ROLE_WARDEN,
	QUEUE = 1 << ROLE_QUEUE,
	ROOM = 1 << ROLE_ROOM,
	NAMES = 1 << ROLE_NAMES,
	RELAY = 1 << ROLE_RELAY,
	ADMIN = 1 << ROLE_ADMIN,
	ANYBODY = PARENT | DOOR | WARDEN | QUEUE | ROOM | NAMES | RELAY,
};

#undef VIEW

/* ---- writers ---- */
#define U8(f) put_u8(b, in->f);
#define U16(f) put_u16(b, in->f);
#define U32(f) put_u32(b, in->f);
#define U64(f) put_u64(b, in->f);
#define VIEW(f) put_view(b, in->f);
#define R(name, from, to, fd, fields, doc)                                                            \
	void rec_put_##name(struct buf *b, uint32_t call, uint64_t sid, const struct rec_##name *in)  \
	{                                                                                             \
		record_begin(b, REC_##name, call, sid);                                               \
		fields                                                                                \
	}
#include "ipc/records.def"
#undef R
#undef U8
#undef U16
#undef U32
#undef U64
#undef VIEW

/* ---- readers ---- */
#define U8(f) r.f = take_u8(&c);
#define U16(f) r.f = take_u16(&c);
#define U32(f) r.f = take_u32(&c);
#define U64(f) r.f = take_u64(&c);
#define VIEW(f) r.f = take_view(&c);
#define R(name, from, to, fd, fields, doc)                           \
	bool rec_take_##name(struct view body, struct rec_##name *ret) \
	{                                                            \
		struct cursor c = cursor_over(body);                 \
		struct rec_##name r = { 0 };                         \
                                                                     \
		fields                                               \
		if (!cursor_end(&c))                                 \
			return false;                                \
		*ret = r;                                            \
		return true;                                         \
	}
#include "ipc/records.def"
#undef R
#undef U8
#undef U16
#undef U32
#undef U64
#undef VIEW

/* ---- the table ---- */
#define R(name, from, to, fd, fields, doc) [REC_##name] = { #name, #fields, doc, from, to, fd },
static const struct record_row rows[REC_COUNT] = {
#include "ipc/records.def"
};
#undef R

bool record_row(unsigned type, struct record_row *ret)
{
	if (type == 0 || type >= REC_COUNT)
		return false;
	*ret = rows[type];
	return true;
}

const char *record_name(unsigned type)
{
	return type && type < REC_COUNT ? rows[type].name : "unknown";
}

bool record_allowed(const struct channel *ch, const struct record *rec)
{
	const struct record_row *row;

	if (rec->type == 0 || rec->type >= REC_COUNT)
		return false;
	row = &rows[rec->type];
	if (!(row->from & (1u << ch->peer)) || !(row->to & (1u << ch->self)))
		return false;
	return row->descriptor == MAY_FD || (row->descriptor == ONE_FD) == (rec->fd >= 0);
}
