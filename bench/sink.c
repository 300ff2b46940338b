/* sink.c - an SMTP server that keeps nothing, for the workload `relay`.
 *
 *     sink PORT LETTERS
 *
 * Ends when it has had that many letters, and prints one line of JSON: how
 * many, over how many connections, and the time from the first to the last. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 4096, IN = 65536, EVENTS = 64 };

struct session {
	int fd;
	int text;		/* inside of DATA, */
	unsigned at;		/* so much of CRLF.CRLF was seen */
	size_t n;
	char line[LINE];
};

static struct {
	long want, got, sessions;
	double first, last;
} all;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void say(const struct session *s, const char *what)
{
	/* Replies are short; a sender that reads none of them gets none. */
	(void)!send(s->fd, what, strlen(what), MSG_NOSIGNAL);
}

static void command(struct session *s)
{
	if (strncasecmp(s->line, "EHLO", 4) == 0) {
		say(s, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n");
	} else if (strncasecmp(s->line, "DATA", 4) == 0) {
		say(s, "354 go\r\n");
		s->text = 1;
		s->at = 2;
	} else {
		say(s, "250 ok\r\n");
	}
}

static void take(struct session *s, const char *p, size_t n)
{
	static const char end[] = "\r\n.\r\n";

	for (size_t i = 0; i < n; i++) {
		if (s->text) {
			s->at = p[i] == end[s->at] ? s->at + 1 : p[i] == '\r' ? 1 : 0;
			if (end[s->at])
				continue;
			s->text = 0;
			s->n = 0;
			all.last = now();
			if (all.got++ == 0)
				all.first = all.last;
			say(s, "250 taken\r\n");
		} else if (p[i] == '\n') {
			s->line[s->n < LINE ? s->n : LINE - 1] = '\0';
			s->n = 0;
			command(s);
		} else if (s->n < LINE - 1) {
			s->line[s->n++] = p[i];
		}
	}
}

static int listener(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 1024) != 0) {
		perror("sink");
		exit(1);
	}
	return fd;
}

static void welcome(int epoll, int fd)
{
	struct session *s = calloc(1, sizeof *s);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
	int one = 1;

	if (s == NULL || fd < 0)
		exit(1);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	s->fd = fd;
	all.sessions++;
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
	say(s, "220 sink\r\n");
}

static void serve(struct session *s)
{
	static char in[IN];
	ssize_t n = recv(s->fd, in, sizeof in, 0);

	if (n > 0) {
		take(s, in, (size_t)n);
		return;
	}
	close(s->fd);
	free(s);
}

int main(int argc, char **argv)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), fd = listener(argc == 3 ? atoi(argv[1]) : 0);
	struct epoll_event ev = { .events = EPOLLIN }, events[EVENTS];

	all.want = argc == 3 ? atol(argv[2]) : 0;
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
	puts("ready");
	fflush(stdout);
	while (all.got < all.want) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				serve(events[i].data.ptr);
			else
				welcome(epoll, accept(fd, NULL, NULL));
		}
	}
	printf("{\"got\": %ld, \"sessions\": %ld, \"first\": %.6f, \"last\": %.6f}\n", all.got, all.sessions, all.first,
	       all.last);
	return 0;
}
