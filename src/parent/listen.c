/* listen.c - binding the ports. */
#include "parent/parent.h"

#include "base/log.h"
#include "role/role.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* After a parent was killed its doors hold the ports for some milliseconds
 * more; who starts again at once must not fail for that. */
enum { BACKLOG = 4096, BUSY_TRIES = 50, BUSY_MS = 20 };

static int bind_once(const struct addrinfo *ai)
{
	int on = 1, err, fd;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

static int bound_socket(const struct addrinfo *ai)
{
	int fd = bind_once(ai);

	for (int i = 0; i < BUSY_TRIES && fd < 0 && errno == EADDRINUSE; i++) {
		usleep(BUSY_MS * 1000);
		fd = bind_once(ai);
	}
	return fd;
}

/* "0.0.0.0:25" or "[::]:25". */
static enum status resolve(const char *address, struct addrinfo **ret)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	struct view text = view_cstr(address);
	char host[256];
	size_t colon = text.n;

	while (colon && address[colon] != ':')
		colon--;
	if (colon == 0 || colon >= sizeof host)
		return ST_SYNTAX;
	text = view_head(text, colon);
	if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
		text = view_make(text.p + 1, text.n - 2);
	memcpy(host, text.p, text.n);
	host[text.n] = '\0';
	return getaddrinfo(host, address + colon + 1, &hints, ret) == 0 ? ST_OK : ST_SYNTAX;
}

static enum status listen_at(struct parent *p, enum service service, const char *address, struct buf *why)
{
	struct addrinfo *ai;
	enum status st = resolve(address, &ai);
	int fd, err;

	if (st != ST_OK) {
		buf_putf(why, "listen.%s: \"%s\" is not ADDRESS:PORT", service_name(service), address);
		return st;
	}
	if (p->n_listeners == LISTENERS_MAX) {
		freeaddrinfo(ai);
		buf_putf(why, "listen: more than %d addresses", LISTENERS_MAX);
		return ST_LIMIT;
	}
	fd = bound_socket(ai);
	err = errno;
	freeaddrinfo(ai);
	/* A machine without IPv6 is no reason to refuse to start. */
	if (fd < 0 && address[0] == '[' && err == EAFNOSUPPORT)
		return ST_OK;
	if (fd < 0) {
		buf_putf(why, "cannot listen on %s (%s): %s%s", address, service_name(service), strerror(err),
			 err == EACCES ? "; ports below 1024 need root or CAP_NET_BIND_SERVICE" : "");
		return status_of_errno(err);
	}
	p->listeners[p->n_listeners++] = (struct listener){ fd, service, strdup(address) };
	return ST_OK;
}

/* The next address of a list; false at the end. */
static bool next_address(struct view *list, char out[256])
{
	struct view word = view_take_word(list);

	if (word.n == 0 || word.n >= 256)
		return false;
	memcpy(out, word.p, word.n);
	out[word.n] = '\0';
	return true;
}

static bool is_bound(const struct parent *p, enum service service, const char *address)
{
	for (size_t i = 0; i < p->n_listeners; i++)
		if (p->listeners[i].service == service && strcmp(p->listeners[i].address, address) == 0)
			return true;
	return false;
}

static bool is_wanted(const struct conf *c, const struct listener *l)
{
	struct view list = view_cstr(c->listen[l->service]);
	char address[256];

	while (next_address(&list, address))
		if (strcmp(address, l->address) == 0)
			return true;
	return false;
}

static void forget(struct listener *l)
{
	close(l->fd);
	free(l->address);
}

enum status parent_listen(struct parent *p, const struct conf *wanted, struct buf *why)
{
	size_t before = p->n_listeners;
	enum status st = ST_OK;

	for (int s = 0; s < SERVICE_COUNT && st == ST_OK; s++) {
		struct view list = view_cstr(wanted->listen[s]);
		char address[256];

		while (st == ST_OK && next_address(&list, address))
			if (!is_bound(p, (enum service)s, address))
				st = listen_at(p, (enum service)s, address, why);
	}
	while (st != ST_OK && p->n_listeners > before)
		forget(&p->listeners[--p->n_listeners]);
	return st;
}

static void say_closed(struct parent *p, const struct listener *l)
{
	struct buf b = BUF(1024);

	rec_put_listener_close(&b, 0, 0,
			       &(struct rec_listener_close){ (uint8_t)l->service, view_cstr(l->address) });
	for (uint32_t i = 0; i < p->n_doors; i++)
		if (channel_is_open(&p->doors[i].ch))
			(void)!role_send(&p->doors[i].ch, &b, -1);
	buf_free(&b);
}

void parent_unlisten(struct parent *p, const struct conf *wanted)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n_listeners; i++) {
		struct listener l = p->listeners[i];

		if (is_wanted(wanted, &l)) {
			p->listeners[kept++] = l;
			continue;
		}
		log_event(LOG_INFO_, "unlisten", "service=%s address=%s", service_name(l.service), l.address);
		say_closed(p, &l);
		forget(&l);
	}
	p->n_listeners = kept;
}

void parent_give_listeners(struct parent *p, struct child *door, size_t first)
{
	struct buf b = BUF(1024);

	for (size_t i = first; i < p->n_listeners; i++) {
		struct listener *l = &p->listeners[i];

		rec_put_listener(&b, 0, 0,
				 &(struct rec_listener){ (uint8_t)l->service, view_cstr(l->address) });
		if (role_send(&door->ch, &b, l->fd) != ST_OK)
			break;
	}
	buf_free(&b);
}
