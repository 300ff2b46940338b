/* fuzz_session.c - a whole session that says any bytes, to a store that lasts
 * from one input to the next. */
#include "base/fuzz.h"
#include "ms/imap/house.h"

static struct house *house;

static void begin(void)
{
	static struct house one;
	uint32_t uid;
	struct mailbox *m;

	FUZZ_CHECK(house_open(&one, "/dev/shm"));
	house = &one;
	FUZZ_CHECK(mailbox_open(one.store, VIEW("INBOX"), &m) == ST_OK);
	for (int i = 0; i < 3; i++)
		FUZZ_CHECK(mailbox_append(m, FLAG_SEEN, 0, VIEW("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: "
			   "multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"),
					  &uid) == ST_OK);
	mailbox_release(m);
}

static void end(void)
{
	if (house)
		house_close(house);
	house = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct client *c;

	if (house == NULL) {
		begin();
		atexit(end);
	}
	if (n > 32768)
		return 0;
	c = house_login(house, 0);
	FUZZ_CHECK(send(c->fd, data, n, MSG_NOSIGNAL) == (ssize_t)n);
	shutdown(c->fd, SHUT_WR);
	for (int i = 0; i < 2000 && !c->over; i++)
		house_run(house, 0);
	FUZZ_CHECK(c->over);
	close(c->fd);
	c->fd = -1;
	return 0;
}
