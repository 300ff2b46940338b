#include "mua/net/http.h"

#include "smime/revocation.h"
#include "wire/rdata.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <unistd.h>

enum { ADDRESSES_MOST = 8, RESOLVE_MAX = 1024, ARENA_MAX = 1024 * 1024, REDIRECTS = 3 };

static size_t take_piece(char *p, size_t size, size_t n, void *arg)
{
	struct buf *out = arg;

	buf_put(out, view_make(p, size * n));
	return buf_status(out) == ST_OK ? size * n : 0;
}

/* Looked at here, where the connection is made, so that no name leads elsewhere. */
static curl_socket_t open_public(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	const struct sockaddr_in *v4 = (const void *)&a->addr;
	const struct sockaddr_in6 *v6 = (const void *)&a->addr;
	const void *bytes = a->family == AF_INET ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr;

	(void)arg;
	(void)purpose;
	if ((a->family != AF_INET && a->family != AF_INET6) || !is_public_address(a->family, bytes))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* "HOST:PORT:ADDRESS,ADDRESS" for curl; false: DNS has none. */
static bool put_addresses(const struct http *h, struct buf *out)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA };
	size_t n = 0;

	buf_putf(out, "%s:%u:", h->host, h->port);
	for (size_t i = 0; i < 2; i++) {
		struct arena a = ARENA(ARENA_MAX);
		struct dns_answer d = { .n = 0 };
		char text[DNS_ADDRESS_TEXT];

		if (dns_ask(h->resolver, view_cstr(h->host), types[i], &a, &d) != ST_OK || d.outcome != DNS_FOUND)
			d.n = 0;
		for (size_t k = 0; k < d.n && n < ADDRESSES_MOST; k++)
			if (dns_read_address(types[i], d.rdata[k], text) == ST_OK)
				buf_putf(out, types[i] == DNS_AAAA ? "%s[%s]" : "%s%s", n++ ? "," : "", text);
		arena_free(&a);
	}
	buf_putc(out, '\0');
	return n > 0 && buf_status(out) == ST_OK;
}

/* A POST stays one wherever it is sent on to. */
static bool set_post(CURL *e, const struct http *h, struct curl_slist *type)
{
	return h->post.p == NULL || (type && curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)h->post.n) == CURLE_OK &&
				     curl_easy_setopt(e, CURLOPT_POSTFIELDS, h->post.p) == CURLE_OK &&
				     curl_easy_setopt(e, CURLOPT_HTTPHEADER, type) == CURLE_OK &&
				     curl_easy_setopt(e, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL) == CURLE_OK);
}

static bool set_way(CURL *e, const struct http *h, struct curl_slist *addresses)
{
	return curl_easy_setopt(e, CURLOPT_URL, h->url) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, h->clear ? "http,https" : "https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, h->follow ? 1L : 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)REDIRECTS) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_NOPROXY, "*") == CURLE_OK &&
	       (!h->public_only || curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_public) == CURLE_OK) &&
	       (!addresses || curl_easy_setopt(e, CURLOPT_RESOLVE, addresses) == CURLE_OK);
}

static bool set_rest(CURL *e, const struct http *h, struct buf *out)
{
	return curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT, h->timeout_s) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_CAINFO, h->authorities) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, "waxmail") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_piece) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, out) == CURLE_OK;
}

bool http_get(const struct http *h, struct buf *out)
{
	struct curl_slist *type = NULL, *addresses = NULL;
	struct buf text = BUF(RESOLVE_MAX);
	CURL *e = curl_easy_init();
	bool good = e != NULL;
	long code = 0;

	if (h->post.p) {
		buf_putf(&text, "Content-Type: %s", h->type);
		type = curl_slist_append(NULL, text.p);
		buf_clear(&text);
	}
	if (h->resolver) {
		good = good && put_addresses(h, &text);
		addresses = good ? curl_slist_append(NULL, text.p) : NULL;
		good = addresses != NULL;
	}
	good = good && set_way(e, h, addresses) && set_post(e, h, type) && set_rest(e, h, out) &&
	       curl_easy_perform(e) == CURLE_OK && curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &code) == CURLE_OK &&
	       code == 200;
	curl_easy_cleanup(e);
	curl_slist_free_all(type);
	curl_slist_free_all(addresses);
	buf_free(&text);
	return good;
}
