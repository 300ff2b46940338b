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

enum { BACKLOG = 4096 };

static int bound_socket(const struct addrinfo *ai)
{
	int on = 1, fd;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	close(fd);
	return -1;
}

static enum status listen_at(struct parent *p, enum service service, char *address)
{
	char *colon = strrchr(address, ':'), *host = address;
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	}, *ai = NULL;
	char shown[256];
	int fd;

	snprintf(shown, sizeof shown, "%s", address);
	if (colon == NULL || p->n_listeners >= LISTENERS_MAX)
		return ST_SYNTAX;
	*colon = '\0';
	if (host[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		host++;
	}
	if (getaddrinfo(host, colon + 1, &hints, &ai) != 0)
		return ST_SYNTAX;
	fd = bound_socket(ai);
	freeaddrinfo(ai);
	if (fd < 0) {
		int err = errno;

		fprintf(stderr, "waxwing: cannot listen on %s (%s): %s\n", shown,
			service_name(service), strerror(err));
		return status_of_errno(err);
	}
	p->listeners[p->n_listeners++] = (struct listener){ fd, service, strdup(shown) };
	return ST_OK;
}

enum status parent_listen(struct parent *p)
{
	for (int s = 0; s < SERVICE_COUNT; s++) {
		char *list = strdup(p->conf.listen[s]), *save = NULL, *one;
		enum status st = list ? ST_OK : ST_NOMEM;

		for (one = list ? strtok_r(list, ", \t", &save) : NULL; one && st == ST_OK;
		     one = strtok_r(NULL, ", \t", &save)) {
			st = listen_at(p, (enum service)s, one);
			/* A machine without IPv6 is no reason to refuse to start. */
			if (st != ST_OK && one[0] == '[' && errno == EAFNOSUPPORT)
				st = ST_OK;
			if (st == ST_SYNTAX)
				fprintf(stderr, "waxwing: listen.%s: \"%s\" is not ADDRESS:PORT\n",
					service_name((enum service)s), one);
		}
		free(list);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

void parent_give_listeners(struct parent *p, struct child *door)
{
	struct buf b = BUF(1024);

	for (size_t i = 0; i < p->n_listeners; i++) {
		struct listener *l = &p->listeners[i];

		rec_put_listener(&b, 0, 0,
				 &(struct rec_listener){ (uint8_t)l->service, view_cstr(l->address) });
		if (role_send(&door->ch, &b, l->fd) != ST_OK)
			break;
	}
	buf_free(&b);
}
