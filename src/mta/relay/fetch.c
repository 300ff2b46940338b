#include "mta/relay/fetch.h"

#include "base/disk.h"
#include "wire/rdata.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AUTHORITIES_MAX = 8 * 1024 * 1024, URL_MAX = 1024, RESOLVE_MAX = 4096, ADDRESSES_MOST = 8 };

struct fetcher {
	struct loop *loop;
	CURLM *multi;
	struct buf authorities;	/* PEM: no file can be read any more when it is needed */
	struct timer timer;
};

/* One socket of libcurl's. */
struct socket {
	struct watch watch;
	struct fetcher *f;
};

/* One transfer, on the stack of the coroutine that waits for it. */
struct transfer {
	struct buf *out;
	struct co *waiting;
	CURLcode result;
	bool done;
};

/* ---- libcurl and the loop ---- */

static void collect(struct fetcher *f)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left)) != NULL) {
		struct transfer *t = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		t->result = m->data.result;
		t->done = true;
		if (t->waiting)
			co_wake(t->waiting);
	}
}

static void ready(struct watch *w, uint32_t events)
{
	struct fetcher *f = ((struct socket *)w)->f;
	int running, what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			    (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

	curl_multi_socket_action(f->multi, w->fd, what, &running);
	collect(f);
}

static void due(struct timer *t)
{
	struct fetcher *f = (struct fetcher *)((char *)t - offsetof(struct fetcher, timer));
	int running;

	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(f);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
	struct fetcher *f = arg;

	(void)multi;
	if (ms < 0)
		loop_timer_clear(f->loop, &f->timer);
	else if (loop_timer(f->loop, &f->timer, clock_steady() + (steady_ms)ms) != ST_OK)
		return -1;
	return 0;
}

static void forget_socket(struct fetcher *f, curl_socket_t fd, struct socket *s)
{
	if (s == NULL)
		return;
	loop_unwatch(f->loop, &s->watch);
	curl_multi_assign(f->multi, fd, NULL);
	free(s);
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *own)
{
	struct fetcher *f = arg;
	struct socket *s = own;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		forget_socket(f, fd, s);
		return 0;
	}
	if (s == NULL) {
		s = calloc(1, sizeof *s);
		if (s == NULL)
			return -1;
		*s = (struct socket){ { .fd = fd, .ready = ready }, f };
		curl_multi_assign(f->multi, fd, s);
	}
	return loop_watch(f->loop, &s->watch, (what & CURL_POLL_IN ? EPOLLIN : 0u) |
					      (what & CURL_POLL_OUT ? EPOLLOUT : 0u)) == ST_OK ? 0 : -1;
}

/* ---- one transfer ---- */

static size_t put(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	buf_put(t->out, view_make(p, size * n));
	return buf_status(t->out) == ST_OK ? size * n : 0;
}

static bool set_up(CURL *e, const struct fetcher *f, struct transfer *t, const struct fetch *w, const char *url,
		   struct curl_slist *addresses, char error[CURL_ERROR_SIZE])
{
	struct curl_blob pem = { .data = f->authorities.p, .len = f->authorities.n, .flags = CURL_BLOB_NOCOPY };

	return curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, w->clear ? "http" : "https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_RESOLVE, addresses) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)w->timeout_ms) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CAINFO, NULL) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &pem) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, "waxwing") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, put) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PRIVATE, t) == CURLE_OK;
}

/* The type, and no "Expect: 100-continue". */
static bool set_post(CURL *e, const struct fetch *w, struct curl_slist **fields)
{
	char type[128];
	struct curl_slist *all;

	if (w->post.n == 0)
		return true;
	snprintf(type, sizeof type, "Content-Type: %s", w->post_type);
	*fields = curl_slist_append(NULL, type);
	all = *fields ? curl_slist_append(*fields, "Expect:") : NULL;
	return all && curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_POSTFIELDS, w->post.p) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)w->post.n) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HTTPHEADER, all) == CURLE_OK;
}

static enum status run(struct fetcher *f, CURL *e, struct transfer *t)
{
	int running;

	if (curl_multi_add_handle(f->multi, e) != CURLM_OK)
		return ST_NOMEM;
	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(f);
	while (!t->done) {
		t->waiting = co_self();
		co_wait();
	}
	curl_multi_remove_handle(f->multi, e);
	return ST_OK;
}

static uint32_t max_age(CURL *e)
{
	struct curl_header *h;
	struct view list, one;
	uint64_t seconds;

	if (curl_easy_header(e, "Cache-Control", 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return 0;
	list = view_cstr(h->value);
	while ((one = view_take_word(&list)).n)
		if (view_starts_i(one, VIEW("max-age=")) && view_u64(view_skip(one, sizeof "max-age=" - 1), &seconds))
			return seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;
	return 0;
}

static void take_field(CURL *e, const char *name, char out[static FETCH_FIELD])
{
	struct curl_header *h;

	out[0] = '\0';
	if (curl_easy_header(e, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK && strlen(h->value) < FETCH_FIELD)
		memcpy(out, h->value, strlen(h->value) + 1);
}

static void take_said(CURL *e, long status, struct fetch_said *ret)
{
	curl_off_t again = 0;

	curl_easy_getinfo(e, CURLINFO_RETRY_AFTER, &again);
	ret->status = status > 0 ? (unsigned)status : 0;
	ret->again_s = again > 0 ? (uint64_t)again : 0;
	take_field(e, "Content-Type", ret->type);
	take_field(e, "Location", ret->location);
	take_field(e, "Replay-Nonce", ret->nonce);
}

/* Was it the file that was wanted? */
static enum status judge(CURL *e, const struct transfer *t, struct fetch *w, const char *error)
{
	const char *type = NULL;
	long code = 0;

	if (t->result != CURLE_OK) {
		bool full = buf_status(t->out) == ST_LIMIT;

		snprintf(w->why, sizeof w->why, "%s", full ? "it is too large" : error[0] ? error : curl_easy_strerror(t->result));
		w->untrusted = t->result == CURLE_PEER_FAILED_VERIFICATION;
		return full ? ST_LIMIT : t->result == CURLE_OPERATION_TIMEDOUT ? ST_TIMEOUT :
		       t->result == CURLE_PEER_FAILED_VERIFICATION ? ST_DENIED : ST_IO;
	}
	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_getinfo(e, CURLINFO_CONTENT_TYPE, &type);
	w->max_age = max_age(e);
	if (w->said) {
		take_said(e, code, w->said);
		return ST_OK;
	}
	if (w->post.n ? code / 100 != 2 : code != 200) {
		snprintf(w->why, sizeof w->why, "the host answered with %ld", code);
		return ST_DENIED;
	}
	if (w->type && (type == NULL || !view_starts_i(view_cstr(type), view_cstr(w->type)))) {
		snprintf(w->why, sizeof w->why, "it is not %s", w->type);
		return ST_DENIED;
	}
	return ST_OK;
}

enum status fetch(struct fetcher *f, struct fetch *w, struct buf *out)
{
	char url[URL_MAX], resolve[RESOLVE_MAX], error[CURL_ERROR_SIZE] = "";
	struct transfer t = { .out = out };
	struct curl_slist *addresses = NULL, *fields = NULL;
	CURL *e = curl_easy_init();
	enum status st = ST_NOMEM;

	snprintf(w->why, sizeof w->why, "no memory");
	if (snprintf(url, sizeof url, "%s://%s:%u%s", w->clear ? "http" : "https", w->host, w->port, w->path) < URL_MAX &&
	    snprintf(resolve, sizeof resolve, "%s:%u:%s", w->host, w->port, w->addresses) < RESOLVE_MAX)
		addresses = curl_slist_append(NULL, resolve);
	if (e && addresses && set_up(e, f, &t, w, url, addresses, error) && set_post(e, w, &fields))
		st = run(f, e, &t);
	if (st == ST_OK)
		st = judge(e, &t, w, error);
	if (e)
		curl_easy_cleanup(e);
	curl_slist_free_all(addresses);
	curl_slist_free_all(fields);
	return st;
}

static void put_addresses(struct resolver *r, const char *host, enum dns_type type, struct arena *a, struct buf *out)
{
	struct dns_answer d;
	char text[DNS_ADDRESS_TEXT];

	if (dns_ask(r, view_cstr(host), type, a, &d) != ST_OK || d.outcome != DNS_FOUND)
		return;
	for (size_t i = 0; i < d.n && i < ADDRESSES_MOST; i++)
		if (dns_read_address(type, d.rdata[i], text) == ST_OK)
			buf_putf(out, type == DNS_AAAA ? "%s[%s]" : "%s%s", out->n ? "," : "", text);
}

bool fetch_addresses(struct resolver *r, const char *host, struct arena *a, struct buf *out)
{
	put_addresses(r, host, DNS_A, a, out);
	put_addresses(r, host, DNS_AAAA, a, out);
	buf_putc(out, '\0');
	return out->n > 1 && buf_status(out) == ST_OK;
}

/* ---- the whole ---- */

static enum status read_authorities(const char *path, struct buf *out)
{
	struct stat sb;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p;
	enum status st = ST_MISSING;

	if (fd >= 0 && fstat(fd, &sb) == 0 && sb.st_size > 0 && sb.st_size < AUTHORITIES_MAX) {
		st = buf_reserve(out, (size_t)sb.st_size, &p);
		if (st == ST_OK)
			st = disk_read_at(fd, p, (size_t)sb.st_size, 0);
		if (st == ST_OK)
			out->n = (size_t)sb.st_size;
	}
	if (fd >= 0)
		close(fd);
	return st;
}

enum status fetcher_new(struct loop *l, const char *authorities, struct fetcher **ret)
{
	struct fetcher *f = calloc(1, sizeof *f);
	enum status st;

	if (f == NULL)
		return ST_NOMEM;
	f->loop = l;
	f->timer.fire = due;
	f->authorities = BUF(AUTHORITIES_MAX);
	st = read_authorities(authorities, &f->authorities);
	if (st == ST_MISSING)
		st = ST_OK;
	if (st == ST_OK && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		st = ST_NOMEM;
	f->multi = st == ST_OK ? curl_multi_init() : NULL;
	if (f->multi == NULL ||
	    curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, set_socket) != CURLM_OK ||
	    curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f) != CURLM_OK ||
	    curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, set_timer) != CURLM_OK ||
	    curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f) != CURLM_OK) {
		fetcher_free(f);
		return st == ST_OK ? ST_NOMEM : st;
	}
	*ret = f;
	return ST_OK;
}

void fetcher_free(struct fetcher *f)
{
	if (f == NULL)
		return;
	if (f->multi)
		curl_multi_cleanup(f->multi);
	loop_timer_clear(f->loop, &f->timer);
	buf_free(&f->authorities);
	free(f);
}
