#include "wire/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

bool endpoint_from_rdata(struct view rdata, uint16_t port, struct endpoint *ret)
{
	struct endpoint e = { .family = rdata.n == 4 ? AF_INET : AF_INET6, .port = port };

	if (rdata.n != 4 && rdata.n != 16)
		return false;
	memcpy(e.address, rdata.p, rdata.n);
	*ret = e;
	return true;
}

enum status endpoint_parse(struct view text, uint16_t port, struct endpoint *ret)
{
	struct endpoint e = { .port = port };
	char copy[INET6_ADDRSTRLEN];

	if (view_starts_i(text, VIEW("IPv6:")))
		text = view_skip(text, 5);
	if (text.n == 0 || text.n >= sizeof copy)
		return ST_SYNTAX;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	e.family = view_find(text, ':') < text.n ? AF_INET6 : AF_INET;
	if (inet_pton(e.family, copy, e.address) != 1)
		return ST_SYNTAX;
	*ret = e;
	return ST_OK;
}

char *endpoint_text(const struct endpoint *e, char *out)
{
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(e->family, e->address, address, sizeof address);
	snprintf(out, ENDPOINT_TEXT, e->family == AF_INET6 ? "[%s]:%u" : "%s:%u", address, e->port);
	return out;
}

char *endpoint_host_text(const struct endpoint *e, char *out)
{
	if (inet_ntop(e->family, e->address, out, ENDPOINT_TEXT) == NULL)
		out[0] = '\0';
	return out;
}

bool endpoint_same_host(const struct endpoint *a, const struct endpoint *b)
{
	return a->family == b->family && memcmp(a->address, b->address, a->family == AF_INET ? 4 : 16) == 0;
}

bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && endpoint_same_host(a, b);
}

union socket_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

bool endpoint_own(int fd, struct endpoint *ret)
{
	union socket_address a = { 0 };
	socklen_t n = sizeof a;
	bool v6;

	if (getsockname(fd, &a.any, &n) != 0)
		return false;
	v6 = a.any.sa_family == AF_INET6;
	return endpoint_from_rdata(v6 ? view_make((const char *)&a.v6.sin6_addr, 16) : view_make((const char *)&a.v4.sin_addr, 4),
				   ntohs(v6 ? a.v6.sin6_port : a.v4.sin_port), ret);
}

static socklen_t to_socket_address(const struct endpoint *e, union socket_address *ret)
{
	*ret = (union socket_address){ 0 };
	if (e->family == AF_INET) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons(e->port);
		memcpy(&ret->v4.sin_addr, e->address, 4);
		return sizeof ret->v4;
	}
	ret->v6.sin6_family = AF_INET6;
	ret->v6.sin6_port = htons(e->port);
	memcpy(&ret->v6.sin6_addr, e->address, 16);
	return sizeof ret->v6;
}

/* A socket on its way there; -1 and errno. */
static int begin(const struct endpoint *to, const struct endpoint *from)
{
	union socket_address a;
	socklen_t n;
	int one = 1, fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	/* Commands and their answers are short, and each waits for the other. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	n = from && from->family == to->family ? to_socket_address(from, &a) : 0;
	if (n && bind(fd, &a.any, n) != 0)
		goto fail;
	n = to_socket_address(to, &a);
	if (connect(fd, &a.any, n) == 0 || errno == EINPROGRESS)
		return fd;
fail:
	n = (socklen_t)errno;
	close(fd);
	errno = (int)n;
	return -1;
}

static void abandon(struct conn *c)
{
	struct buf none = BUF(0);

	close(conn_release(c, &none));
}

enum status conn_connect(struct conn *c, struct loop *l, const struct endpoint *to, const struct endpoint *from,
			 const char **ret_why)
{
	int fd = begin(to, from), error = fd < 0 ? errno : 0;
	socklen_t n = sizeof error;
	enum status st;

	if (fd < 0) {
		*ret_why = strerrordesc_np(error);
		return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ? ST_NOMEM : ST_CLOSED;
	}
	c->running = true;
	st = conn_open(c, l, fd);
	if (st != ST_OK) {
		*ret_why = status_name(st);
		return st;
	}
	c->writable = false;
	st = conn_wait(c, &c->writable);
	if (st == ST_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
		error = errno;
	if (st == ST_OK && error == 0)
		return ST_OK;
	*ret_why = st == ST_OK ? strerrordesc_np(error) : "no answer to the connection in time";
	abandon(c);
	return st == ST_OK ? ST_CLOSED : st;
}
