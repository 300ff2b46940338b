#include "admin/acme/reply.h"

#include "acme/letter.h"
#include "sendmail/submit.h"

#include <openssl/rand.h>
#include <unistd.h>

enum { ID_OCTETS = 12, WHY_MOST = 300 };

static enum status put_letter(const struct acme_answering *a, struct buf *out)
{
	struct buf id = BUF(ACME_ID_MOST);
	unsigned char lot[ID_OCTETS];
	struct acme_reply r = { .from = a->address, .to = a->to, .token = a->challenge->token, .digest = a->digest,
				.in_reply_to = a->challenge->message_id, .now = clock_wall() };
	enum status st = RAND_bytes(lot, sizeof lot) == 1 ? ST_OK : ST_IO;

	buf_puts(&id, "acme.");
	for (size_t i = 0; i < sizeof lot; i++)
		buf_putf(&id, "%02x", lot[i]);
	buf_putf(&id, "@%s", a->host);
	r.id = buf_view(&id);
	acme_reply_put(&r, out);
	if (st == ST_OK)
		st = buf_status(&id) != ST_OK ? buf_status(&id) : buf_status(out);
	buf_free(&id);
	return st;
}

bool acme_may_answer(const char *dir)
{
	int fd = server_connect(dir);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

enum status acme_answer(const struct acme_answering *a, struct buf *why)
{
	struct view to = a->to;
	struct buf letter = BUF(ACME_REPLY_MAX);
	struct outgoing o = { .sender = a->address, .to = { .p = &to, .n = 1 }, .for_account = true };
	struct arena arena = ARENA(65536);
	struct outcome out = { .taken = 0 };
	struct server *s = NULL;
	enum status st = put_letter(a, &letter);

	o.letter = buf_view(&letter);
	if (st == ST_OK)
		st = server_open(a->dir, false, &s);
	if (st == ST_OK)
		st = server_submit(s, &o, &arena, &out);
	if (st == ST_CLOSED || (st == ST_OK && out.later.n)) {
		buf_puts(why, "the answer to the issuer's letter could not be handed in: no waxwing serves this folder now");
		st = ST_CLOSED;
	} else if (st == ST_OK && out.taken == 0) {
		buf_puts(why, "the answer to the issuer's letter was refused: ");
		buf_put(why, out.n_refused ? view_head(out.refused[0].text, WHY_MOST) : VIEW("nobody takes it"));
		st = ST_DENIED;
	}
	server_close(s);
	arena_free(&arena);
	buf_free(&letter);
	return st;
}
