#include "door/door.h"

#include "door/certificates.h"
#include "door/crowd.h"

#include "base/log.h"
#include "base/map.h"
#include "door/login/people.h"
#include "door/urls.h"
#include "door/web/web.h"
#include "mta/in/session.h"
#include "role/role.h"
#include "wire/dns_recent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENERS_MAX = 64, ACCEPTS_A_TURN = 32, STOP_MS = 5000, LISTEN_AGAIN_MS = 200 };

struct listener {
	struct watch watch;
	struct door *door;
	enum service service;
	char address[256];	/* as the setting has it */
};

struct door {
	struct role_process proc;
	struct channel warden, queue, names, relay;	/* of relays the one of index 0, which counts */
	struct dns_over_channel dns;
	struct dns_recent recent;
	struct checks_host checks;
	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct uncounted uncounted;
	struct smtp_host smtp;
	struct smtp_session *smtp_sessions;
	struct people people;
	struct urls urls;
	struct web web;
	struct timer stop_late;
	struct sink_budget budget;
	struct certificates certificates;
	struct crowd crowd;
	bool open;		/* certificates were asked for: strangers may come */
	uint64_t next_sid;
	uint32_t connections;
	struct timer listen_again;
};

static void last_has_ended(struct door *d)
{
	uncounted_tell(&d->uncounted);
	loop_stop(d->proc.loop);
}

/* A connection, of whatever kind. */
static void one_has_ended(void *arg, uint64_t sid)
{
	struct door *d = arg;

	crowd_leave(&d->crowd, sid);
	d->connections--;
	if (d->proc.stopping && d->connections == 0)
		last_has_ended(d);
}

static enum verdict url_named(void *arg, const struct url_request *what)
{
	return urls_fetch(&((struct door *)arg)->urls, what);
}

static void address_text(const struct sockaddr_storage *sa, char out[64])
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

	if (sa->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], out, 64);
	else if (sa->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, out, 64);
	else
		inet_ntop(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr, out, 64);
}

static bool may_come(struct door *d, const struct sockaddr_storage *sa, uint64_t sid)
{
	const struct conf *conf = &d->proc.conf;
	struct crowd_limits limits = { (uint64_t)conf->per_address, (uint64_t)conf->per_network,
				       conf->count_loopback };

	return crowd_enter(&d->crowd, &limits, sid, sa);
}

/* A word in the protocol's own manner, where it goes out in clear. */
static void turn_away(enum service service, int fd)
{
	static const char *const words[SERVICE_COUNT] = {
		[SERVICE_SMTP] = "421 4.7.0 Too many connections from your network\r\n",
		[SERVICE_SUBMISSION] = "421 4.7.0 Too many connections from your network\r\n",
		[SERVICE_IMAP] = "* BYE [UNAVAILABLE] Too many connections from your network\r\n",
		[SERVICE_POP3] = "-ERR [SYS/TEMP] Too many connections from your network\r\n",
	};
	const char *w = words[service];

	if (w)
		(void)!send(fd, w, strlen(w), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void welcome(struct door *d, enum service service, int fd, const struct sockaddr_storage *sa)
{
	char peer[64];
	int on = 1;
	uint64_t sid = d->next_sid++;
	enum status st;

	if (d->connections >= d->proc.conf.connections || !may_come(d, sa, sid)) {
		turn_away(service, fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	address_text(sa, peer);
	d->connections++;
	if (service >= SERVICE_HTTP)
		st = web_open(&d->web, service, fd, peer, sid);
	else if (service >= SERVICE_IMAP)
		st = person_open(&d->people, service, fd, peer, crowd_is_loopback(sa), sid);
	else
		st = smtp_session_open(&d->smtp, service, fd, peer, crowd_is_loopback(sa), sid);
	if (st != ST_OK) {
		crowd_leave(&d->crowd, sid);
		d->connections--;
		log_event(LOG_WARN_, "not-opened", "why=\"%s\"", status_name(st));
	}
}

/* His connection comes by the parent, who knows his name. */
static void welcome_local(struct door *d, const struct rec_local_client *in, int fd)
{
	struct local_user who = { .uid = in->uid, .here = true };
	uint64_t sid = d->next_sid++;

	memcpy(who.name, in->name.p ? in->name.p : "", view_head(in->name, LOCAL_NAME_MAX).n);
	if (d->connections >= d->proc.conf.connections || d->proc.stopping) {
		close(fd);
		return;
	}
	d->connections++;
	if (smtp_local_open(&d->smtp, fd, &who, sid) != ST_OK) {
		d->connections--;
		log_event(LOG_WARN_, "not-opened", "service=local uid=%u", who.uid);
	}
}

/* No descriptors or no memory left: whoever waits would wake us for nothing
 * until a connection ends.  Let them wait. */
static void rest_a_while(struct door *d)
{
	if (loop_timer(d->proc.loop, &d->listen_again, clock_steady() + LISTEN_AGAIN_MS) != ST_OK)
		return;
	log_event(LOG_WARN_, "cannot-accept", "connections=%u", d->connections);
	for (size_t i = 0; i < d->n_listeners; i++)
		loop_unwatch(d->proc.loop, &d->listeners[i].watch);
}

static void listener_ready(struct watch *w, uint32_t events)
{
	struct listener *l = (struct listener *)((char *)w - offsetof(struct listener, watch));

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage sa = { 0 };
		socklen_t n = sizeof sa;
		int fd = accept4(w->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
				rest_a_while(l->door);
			return;
		}
		welcome(l->door, l->service, fd, &sa);
	}
}

static void open_listener(struct door *d, struct listener *l)
{
	if (l->watch.fd >= 0 && loop_watch(d->proc.loop, &l->watch, EPOLLIN | EPOLLEXCLUSIVE) != ST_OK)
		log_event(LOG_ERROR_, "not-listening", "service=%s", service_name(l->service));
}

/* A free place, or NULL; places do not move while they are watched. */
static struct listener *listener_place(struct door *d)
{
	for (size_t i = 0; i < d->n_listeners; i++)
		if (d->listeners[i].watch.fd < 0)
			return &d->listeners[i];
	return d->n_listeners < LISTENERS_MAX ? &d->listeners[d->n_listeners++] : NULL;
}

static void add_listener(struct door *d, const struct rec_listener *in, int fd)
{
	struct listener *l = listener_place(d);

	if (l == NULL) {
		close(fd);
		return;
	}
	*l = (struct listener){ { .fd = fd, .ready = listener_ready }, d, (enum service)in->service, "" };
	memcpy(l->address, in->address.p ? in->address.p : "",
	       view_head(in->address, sizeof l->address - 1).n);
	if (d->open)
		open_listener(d, l);
}

static void close_listener(struct door *d, const struct rec_listener_close *in)
{
	for (size_t i = 0; i < d->n_listeners; i++) {
		struct listener *l = &d->listeners[i];
		int fd = l->watch.fd;

		if (fd < 0 || l->service != in->service || !view_eq(view_cstr(l->address), in->address))
			continue;
		loop_unwatch(d->proc.loop, &l->watch);
		close(fd);
		l->watch.fd = -1;
	}
}

static void listen_again(struct timer *t)
{
	struct door *d = (struct door *)((char *)t - offsetof(struct door, listen_again));

	for (size_t i = 0; i < d->n_listeners; i++)
		open_listener(d, &d->listeners[i]);
}

/* Before the first answer, who comes for TLS would find none. */
static void certificates_asked(struct certificates *c)
{
	struct door *d = (struct door *)((char *)c - offsetof(struct door, certificates));

	if (d->open)
		return;
	d->open = true;
	for (size_t i = 0; i < d->n_listeners; i++)
		open_listener(d, &d->listeners[i]);
}

static void peer_says(struct channel *ch, struct record *rec)
{
	struct door *d = ch->owner;

	if (rec->type == REC_certificates_changed)
		certificates_ask(&d->certificates);
	if (rec->fd >= 0)
		close(rec->fd);
}

static void add_channel(struct door *d, const struct rec_channel_to *to, int fd)
{
	struct channel *ch = to->role == ROLE_WARDEN ? &d->warden :
			     to->role == ROLE_QUEUE  ? &d->queue :
			     to->role == ROLE_NAMES  ? &d->names :
			     to->role == ROLE_RELAY && to->index == 0 ? &d->relay :
						       NULL;

	if (ch == NULL) {
		close(fd);
		return;
	}
	/* It may have answered before it died. */
	channel_drain(ch);
	/* A new names process has forgotten all (`waxwing lookup --forget` makes one): so
	 * does who remembers its answers. */
	if (to->role == ROLE_NAMES)
		dns_recent_forget(&d->recent);
	*ch = (struct channel){
		.receive = peer_says, .allowed = record_allowed, .owner = d,
		.self = ROLE_DOOR, .peer = to->role,
	};
	if (channel_open(ch, d->proc.loop, fd) != ST_OK)
		log_event(LOG_ERROR_, "channel", "%s", "");
	else if (ch == &d->warden)
		certificates_ask(&d->certificates);
}

static void parent_says(struct role_process *p, struct record *rec)
{
	struct door *d = (struct door *)((char *)p - offsetof(struct door, proc));
	struct rec_channel_to to;
	struct rec_listener l;
	struct rec_listener_close gone;
	struct rec_room_failed failed;
	struct rec_local_client local;

	if (rec->type == REC_channel_to && rec_take_channel_to(rec->body, &to) && to.role == ROLE_ROOM)
		people_room_channel(&d->people, to.account, rec->fd);
	else if (rec->type == REC_url_channel)
		urls_channel(&d->urls, rec->sid, rec->fd);
	else if (rec->type == REC_room_failed && rec_take_room_failed(rec->body, &failed))
		people_room_failed(&d->people, failed.account);
	else if (rec->type == REC_channel_to && rec_take_channel_to(rec->body, &to))
		add_channel(d, &to, rec->fd);
	else if (rec->type == REC_local_client && rec_take_local_client(rec->body, &local))
		welcome_local(d, &local, rec->fd);
	else if (rec->type == REC_listener && rec_take_listener(rec->body, &l) && l.service < SERVICE_COUNT)
		add_listener(d, &l, rec->fd);
	else if (rec->type == REC_listener_close && rec_take_listener_close(rec->body, &gone))
		close_listener(d, &gone);
	else if (rec->fd >= 0)
		close(rec->fd);
}

/* `waxwing status` */
static enum verdict command(struct role_process *p, struct channel *ch, const struct rec_command *cmd)
{
	struct door *d = (struct door *)((char *)p - offsetof(struct door, proc));
	struct buf json = BUF(256);

	(void)cmd;
	buf_putf(&json, "{\"index\":%u,\"connections\":%u}", p->index, d->connections);
	role_row(ch, buf_view(&json));
	buf_free(&json);
	return VERDICT_OK;
}

static void take_checks_settings(struct door *d)
{
	d->checks.name = view_cstr(d->proc.conf.host_name);
	d->checks.sealers = view_cstr(d->proc.conf.trust_arc_sealers);
	d->checks.signatures = (unsigned)d->proc.conf.trust_signatures;
	d->checks.patience = (steady_ms)d->proc.conf.trust_patience;
}

/* The list of public suffixes is a file: before the lock-in. */
static enum status checks_begin_here(struct door *d)
{
	dns_over_channel(&d->dns, &d->names);
	if (dns_recent_begin(&d->recent, &d->dns.resolver) != ST_OK)
		return ST_NOMEM;
	d->checks = (struct checks_host){
		.resolver = &d->recent.resolver, .suffixes = suffixes_open(), .keys = key_cache_new(),
	};
	take_checks_settings(d);
	return ST_OK;
}

static void reloaded(struct role_process *p)
{
	struct door *d = (struct door *)((char *)p - offsetof(struct door, proc));

	d->budget.most = (uint64_t)p->conf.memory_letters;
	take_checks_settings(d);
	dns_recent_forget(&d->recent);
}

static void stop_late(struct timer *t)
{
	loop_stop(((struct door *)((char *)t - offsetof(struct door, stop_late)))->proc.loop);
}

/* Those who are in rooms hear BYE there; we carry it to them. */
static void stop(struct role_process *p)
{
	struct door *d = (struct door *)((char *)p - offsetof(struct door, proc));

	for (size_t i = 0; i < d->n_listeners; i++)
		loop_unwatch(p->loop, &d->listeners[i].watch);
	people_stop(&d->people);
	smtp_sessions_stop(&d->smtp);
	d->stop_late.fire = stop_late;
	if (d->connections == 0 || loop_timer(p->loop, &d->stop_late, clock_steady() + STOP_MS) != ST_OK)
		last_has_ended(d);
}

/* Session ids: seconds since the epoch, then a count; so they grow, and one
 * door's never meet another's. */
static uint64_t first_sid(uint32_t index)
{
	return ((uint64_t)(clock_wall() / 1000) << 28) | ((uint64_t)index << 22);
}

int door_main(void)
{
	struct door *d = calloc(1, sizeof *d);

	if (d == NULL)
		return 1;
	d->proc.parent.watch.fd = d->warden.watch.fd = d->queue.watch.fd = d->names.watch.fd = d->relay.watch.fd = -1;
	role_begin(&d->proc, ROLE_DOOR);
	d->proc.receive = parent_says;
	d->proc.stop = stop;
	d->proc.command = command;
	d->proc.reloaded = reloaded;
	d->next_sid = first_sid(d->proc.index);
	d->budget.most = (uint64_t)d->proc.conf.memory_letters;
	if (checks_begin_here(d) != ST_OK)
		return 1;
	uncounted_begin(&d->uncounted, d->proc.loop, &d->relay);
	d->smtp = (struct smtp_host){
		.loop = d->proc.loop, .conf = &d->proc.conf, .warden = &d->warden, .queue = &d->queue, .relay = &d->relay,
		.budget = &d->budget, .checks = &d->checks, .uncounted = &d->uncounted, .stopping = &d->proc.stopping,
		.sessions = &d->smtp_sessions, .url = url_named, .ended = one_has_ended, .door = d,
	};
	d->listen_again.fire = listen_again;
	d->certificates.asked = certificates_asked;
	if (certificates_init(&d->certificates, d->proc.loop, &d->warden) != ST_OK)
		return 1;
	d->smtp.tls = d->certificates.tls;
	d->smtp.tokens = &d->certificates.tokens;
	d->people = (struct people){
		.loop = d->proc.loop, .conf = &d->proc.conf, .warden = &d->warden,
		.parent = &d->proc.parent, .tls = d->certificates.tls, .stopping = &d->proc.stopping,
		.tokens = &d->certificates.tokens, .ended = one_has_ended, .door = d,
	};
	people_begin(&d->people);
	d->urls = (struct urls){ .loop = d->proc.loop, .warden = &d->warden, .stopping = &d->proc.stopping };
	d->web = (struct web){
		.loop = d->proc.loop, .conf = &d->proc.conf, .warden = &d->warden, .tls = d->certificates.tls,
		.ended = one_has_ended, .door = d,
	};
	if (web_begin(&d->web) != ST_OK)
		return 1;
	role_lock_in(&d->proc);
	role_run(&d->proc);
	log_flush();
	return 0;
}
