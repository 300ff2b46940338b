/* pages.c - what is served, and for which names: one table. */
#include "door/web/web.h"

#include "base/log.h"
#include "trust/mta_sts.h"

enum { ASK_MS = 10000, URL_MAX = 1024, AUTHORITY_NAME_MAX = 64 };
static const char authority_path[] = "/smime/";

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

/* One piece more, behind those that are there. */
static enum verdict add_piece(struct web *w, const struct rec_authority_ask *q, uint64_t *made, uint64_t *size,
			      struct buf *out)
{
	struct rec_authority_answer in = { .verdict = VERDICT_LATER };
	struct buf b = BUF(1024), answer = BUF(RECORD_MAX);
	uint16_t type;

	rec_put_authority_ask(&b, 0, 0, q);
	if (channel_ask(w->warden, &b, -1, ASK_MS, &answer, &type, NULL) != ST_OK || type != REC_authority_answer ||
	    !rec_take_authority_answer(buf_view(&answer), &in))
		in.verdict = VERDICT_LATER;
	if (in.verdict == VERDICT_OK && (in.piece.n == 0 || (q->from && (in.made != *made || in.size != *size))))
		in.verdict = VERDICT_LATER;
	if (in.verdict == VERDICT_OK) {
		*made = in.made;
		*size = in.size;
		buf_put(out, in.piece);
		/* Where it has no place the next question would be the same for ever. */
		if (buf_status(out) != ST_OK)
			in.verdict = VERDICT_LATER;
	}
	buf_free(&b);
	buf_free(&answer);
	return (enum verdict)in.verdict;
}

/* SERIAL.crl or SERIAL.cer behind it (RFC 5280 4.2.1.13, 4.2.2.1; RFC 2585 3).  Each is signed,
 * so it goes in clear too: who checks a certificate of TLS by it could not ask by TLS. */
static void page_authority(struct web *w, const struct http_request *rq, struct view domain, struct http_reply *ret)
{
	struct view name = view_skip(rq->path, sizeof authority_path - 1);
	struct view kind = name.n > 4 ? view_skip(name, name.n - 4) : VIEW_NONE;
	bool list = view_eq_i(kind, VIEW(".crl"));
	struct rec_authority_ask q = { .what = list ? AUTHORITY_LIST : AUTHORITY_CERTIFICATE };
	uint64_t made = 0, size = 0;
	enum verdict v = VERDICT_NO;

	(void)domain;
	if (name.n <= AUTHORITY_NAME_MAX && (list || view_eq_i(kind, VIEW(".cer")))) {
		q.serial = view_head(name, name.n - 4);
		do {
			v = add_piece(w, &q, &made, &size, &ret->body);
			q.from = ret->body.n;
		} while (v == VERDICT_OK && q.from < size);
	}
	if (v == VERDICT_OK) {
		ret->type = list ? "application/pkix-crl" : "application/pkix-cert";
		return;
	}
	ret->status = v == VERDICT_NO ? 404 : 503;
	ret->body.n = 0;
}

/* Pages below a prefix of a domain's name are served for domains of ours
 * only; those without one (NULL) for any name that leads here.  The page
 * gets the domain behind the prefix, or the name asked. */
struct page {
	const char *path, *prefix;
	void (*make)(struct web *w, const struct http_request *rq, struct view domain, struct http_reply *ret);
	bool below;	/* the path is the beginning of many */
	bool clear;	/* by HTTP, too */
};
static const struct page pages[] = {
	{ "/.well-known/mta-sts.txt", "mta-sts.", page_sts, false, false },
	{ "/mail/config-v1.1.xml", "autoconfig.", page_autoconfig, false, false },
	{ "/.well-known/autoconfig/mail/config-v1.1.xml", NULL, page_autoconfig, false, false },
	{ "/autodiscover/autodiscover.xml", NULL, page_autodiscover, false, false },
	{ "/email.mobileconfig", NULL, page_apple_profile, false, false },
	{ authority_path, NULL, page_authority, true, true },
	{ "/", NULL, page_about, false, false },
};

static bool is_page(const struct page *p, struct view path)
{
	return p->below ? view_starts_i(path, view_cstr(p->path)) : view_eq_i(path, view_cstr(p->path));
}

static void log_request(const struct http_request *rq, const struct http_reply *r)
{
	log_begin(LOG_INFO_, "http");
	log_view("host", rq->host);
	log_view("path", rq->path);
	log_u64("status", r->status);
	log_end();
}

void web_page(void *web, const struct http_request *rq, struct http_reply *ret)
{
	struct web *w = web;

	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		struct view prefix = view_cstr(pages[i].prefix), domain = rq->host;
		enum verdict v = VERDICT_OK;

		if (!is_page(&pages[i], rq->path) || !view_starts_i(domain, prefix))
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
	log_request(rq, ret);
}

static bool is_host(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(v.p[i]) && !ascii_digit(v.p[i]) && v.p[i] != '-' && v.p[i] != '.')
			return false;
	return v.n > 0;
}

/* The page that was asked for, by HTTPS if it is not one for both; what else the request said is lost. */
void web_lead_to_tls(void *web, const struct http_request *rq, struct http_reply *ret)
{
	struct web *w = web;
	uint16_t port = conf_port(w->conf->listen[SERVICE_HTTPS]);

	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
		if (pages[i].clear && is_page(&pages[i], rq->path)) {
			web_page(web, rq, ret);
			return;
		}

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
