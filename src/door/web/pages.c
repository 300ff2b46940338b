/* pages.c - what is served, and for which names: one table. */
#include "door/web/web.h"

#include "base/log.h"
#include "trust/mta_sts.h"

enum { ASK_MS = 10000, URL_MAX = 1024 };

static enum verdict is_ours(struct web *w, struct view domain)
{
	struct buf b = BUF(1024), answer = BUF(1024);
	struct rec_domain_answer in;
	uint16_t type;
	enum verdict v = VERDICT_LATER;

	rec_put_domain_ask(&b, 0, 0, &(struct rec_domain_ask){ domain });
	if (channel_ask(w->warden, &b, -1, ASK_MS, &answer, &type, NULL) == ST_OK &&
	    type == REC_domain_answer && rec_take_domain_answer(buf_view(&answer), &in))
		v = (enum verdict)in.verdict;
	buf_free(&b);
	buf_free(&answer);
	return v;
}

/* RFC 8461 3.2 */
static void page_sts(struct web *w, const struct http_request *rq, struct view domain, struct http_reply *ret)
{
	const struct conf *c = w->conf;
	enum sts_mode mode;

	(void)rq;
	(void)domain;
	if (!sts_mode_of(view_cstr(c->sts_mode), &mode) || mode == STS_NONE) {
		ret->status = 404;
		return;
	}
	sts_policy_put(mode, view_cstr(c->host_name), (uint32_t)(c->sts_max_age / 1000), &ret->body);
}

static void page_about(struct web *w, const struct http_request *rq, struct view domain, struct http_reply *ret)
{
	(void)rq;
	(void)domain;
	buf_putf(&ret->body, "%s carries mail.\r\n", w->conf->host_name);
}

/* Pages below a prefix of a domain's name are served for domains of ours
 * only; those without one (NULL) for any name that leads here.  The page
 * gets the domain behind the prefix, or the name asked. */
static const struct {
	const char *path, *prefix;
	void (*make)(struct web *w, const struct http_request *rq, struct view domain, struct http_reply *ret);
} pages[] = {
	{ "/.well-known/mta-sts.txt", "mta-sts.", page_sts },
	{ "/mail/config-v1.1.xml", "autoconfig.", page_autoconfig },
	{ "/.well-known/autoconfig/mail/config-v1.1.xml", NULL, page_autoconfig },
	{ "/autodiscover/autodiscover.xml", NULL, page_autodiscover },
	{ "/email.mobileconfig", NULL, page_apple_profile },
	{ "/", NULL, page_about },
};

void web_page(void *web, const struct http_request *rq, struct http_reply *ret)
{
	struct web *w = web;

	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		struct view prefix = view_cstr(pages[i].prefix), domain = rq->host;
		enum verdict v = VERDICT_OK;

		if (!view_eq_i(rq->path, view_cstr(pages[i].path)) || !view_starts_i(domain, prefix))
			continue;
		if (prefix.n) {
			domain = view_skip(domain, prefix.n);
			v = is_ours(w, domain);
		}
		if (v == VERDICT_OK)
			pages[i].make(w, rq, domain, ret);
		else
			ret->status = v == VERDICT_NO ? 404 : 503;
		break;
	}
	if (ret->body.n == 0 && ret->status == 200)
		ret->status = 404;
	if (ret->status != 200 && ret->body.n == 0)
		buf_puts(&ret->body, ret->status == 404 ? "There is nothing here.\r\n" : "Not now.\r\n");
	log_begin(LOG_INFO_, "http");
	log_view("host", rq->host);
	log_view("path", rq->path);
	log_u64("status", ret->status);
	log_end();
}

static bool is_host(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '-' && v.p[i] != '.')
			return false;
	return v.n > 0;
}

/* The page that was asked for by HTTPS; what else the request said is lost. */
void web_lead_to_tls(void *web, const struct http_request *rq, struct http_reply *ret)
{
	struct web *w = web;
	uint16_t port = conf_port(w->conf->listen[SERVICE_HTTPS]);

	/* A page's own path, never the client's: nothing of his goes into a header. */
	ret->status = 404;
	for (size_t i = 0; i < sizeof pages / sizeof *pages && port && is_host(rq->host); i++) {
		if (!view_eq_i(rq->path, view_cstr(pages[i].path)))
			continue;
		ret->status = 301;
		buf_putf(&ret->location, "https://%.*s", VIEW_ARG(rq->host));
		if (port != 443)
			buf_putf(&ret->location, ":%u", port);
		buf_puts(&ret->location, pages[i].path);
	}
	if (ret->status == 404)
		buf_puts(&ret->body, "There is nothing here.\r\n");
}
