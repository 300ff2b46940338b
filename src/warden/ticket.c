#include "warden/ticket.h"

#include "base/cursor.h"

#include <string.h>

enum { SIGNED = TICKET_SIZE - MAC_SIZE };

struct ticket {
	uint8_t what;
	uint64_t account, app;
	uint32_t door;
	wall_ms expires;
	struct view text, mac;
};

/* ---- tickets ---- */

static enum status seal(const struct mac *m, struct view text, struct view verifier,
			unsigned char out[MAC_SIZE])
{
	const struct view parts[] = { text, verifier };

	return mac_of(m, parts, 2, out);
}

enum status ticket_make(const struct mac *m, enum ticket_what what, uint64_t account, uint64_t app, uint32_t door,
			struct view verifier, wall_ms now, struct buf *out)
{
	unsigned char mac[MAC_SIZE];
	enum status st;

	buf_clear(out);
	put_u8(out, (uint8_t)what);
	put_u64(out, account);
	put_u64(out, app);
	put_u32(out, door);
	put_u64(out, (uint64_t)(now + TICKET_LIFE_MS));
	st = buf_status(out);
	if (st == ST_OK)
		st = seal(m, buf_view(out), verifier, mac);
	if (st != ST_OK)
		return st;
	buf_put(out, view_make((const char *)mac, sizeof mac));
	return buf_status(out);
}

static enum status take(struct view bytes, struct ticket *ret)
{
	struct cursor c = cursor_over(bytes);
	struct ticket t = { .text = view_head(bytes, SIGNED) };

	t.what = take_u8(&c);
	t.account = take_u64(&c);
	t.app = take_u64(&c);
	t.door = take_u32(&c);
	t.expires = (wall_ms)take_u64(&c);
	t.mac = take_bytes(&c, MAC_SIZE);
	if (!cursor_end(&c) || (t.what != TICKET_ROOM && t.what != TICKET_URLS))
		return ST_SYNTAX;
	*ret = t;
	return ST_OK;
}

enum status ticket_account(struct view ticket, uint64_t *ret_account, uint64_t *ret_app)
{
	struct ticket t;
	enum status st = take(ticket, &t);

	if (st == ST_OK) {
		*ret_account = t.account;
		*ret_app = t.app;
	}
	return st;
}

enum status ticket_check(const struct mac *m, enum ticket_what what, struct view ticket, uint32_t door, struct view verifier,
			 wall_ms now)
{
	unsigned char mac[MAC_SIZE], claimed[MAC_SIZE];
	struct ticket t;
	enum status st = take(ticket, &t);

	if (st == ST_OK)
		st = seal(m, t.text, verifier, mac);
	if (st != ST_OK)
		return st;
	memcpy(claimed, t.mac.p, MAC_SIZE);
	if (!mac_same(mac, claimed) || t.door != door || t.what != what)
		return ST_DENIED;
	return t.expires <= now ? ST_TIMEOUT : ST_OK;
}
