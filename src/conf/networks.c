/* networks.c - lists of networks (CIDR, RFC 4632, RFC 4291 2.3), and who is in
 * them.  What would make an open relay is no list that we take. */
#include "conf/conf.h"

#include <arpa/inet.h>
#include <stdio.h>

/* Larger ones must lie in private space. */
enum { V4_LEAST_BITS = 16, V6_LEAST_BITS = 32, V4_IN_V6 = 96 };
/* Larger ones are worth a word, unless private. */
enum { V4_WIDE_BITS = 24, V6_WIDE_BITS = 48 };

/* An address as IPv6; IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). */
struct network {
	unsigned char address[16];
	unsigned bits;
};

static const char *const private[] = {
	"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
	"::1/128", "fc00::/7", "fe80::/10",
};

static bool parse_host(struct view v, struct network *ret)
{
	char text[INET6_ADDRSTRLEN];
	struct network n = { .address = { [10] = 0xff, [11] = 0xff }, .bits = 128 };

	if (v.n == 0 || v.n >= sizeof text || memchr(v.p, '\0', v.n))
		return false;
	memcpy(text, v.p, v.n);
	text[v.n] = '\0';
	if (inet_pton(AF_INET, text, n.address + 12) != 1 && inet_pton(AF_INET6, text, n.address) != 1)
		return false;
	*ret = n;
	return true;
}

static bool is_v4(const struct network *n)
{
	static const unsigned char prefix[12] = { [10] = 0xff, [11] = 0xff };

	return n->bits >= V4_IN_V6 && memcmp(n->address, prefix, sizeof prefix) == 0;
}

static bool bit(const struct network *n, unsigned i)
{
	return n->address[i / 8] >> (7 - i % 8) & 1;
}

/* ADDRESS or ADDRESS/BITS. */
static bool parse_network(struct view v, struct network *ret)
{
	size_t slash = view_find(v, '/');
	struct view host = view_head(v, slash);
	bool v4 = view_find(host, ':') == host.n;
	uint64_t bits = v4 ? 32 : 128;
	struct network n;

	if (!parse_host(host, &n) || (slash < v.n && (!view_u64(view_skip(v, slash + 1), &bits) || bits > (v4 ? 32 : 128))))
		return false;
	n.bits = (unsigned)bits + (v4 ? V4_IN_V6 : 0);
	*ret = n;
	return true;
}

/* All of b lies in a. */
static bool holds(const struct network *a, const struct network *b)
{
	if (a->bits > b->bits)
		return false;
	for (unsigned i = 0; i < a->bits; i++)
		if (bit(a, i) != bit(b, i))
			return false;
	return true;
}

static bool is_private(const struct network *n)
{
	for (size_t i = 0; i < sizeof private / sizeof *private; i++) {
		struct network p;

		if (parse_network(view_cstr(private[i]), &p) && holds(&p, n))
			return true;
	}
	return false;
}

/* So many that strangers are among them.  All of IPv4 lies in ::/80 and what
 * is larger. */
static bool is_open(const struct network *n)
{
	static const struct network v4 = { .address = { [10] = 0xff, [11] = 0xff }, .bits = V4_IN_V6 };

	if (is_private(n))
		return false;
	return holds(n, &v4) || n->bits < (is_v4(n) ? V4_IN_V6 + V4_LEAST_BITS : V6_LEAST_BITS);
}

/* A domain or an address of somebody, in a list of networks. */
static bool is_claim(struct view v)
{
	bool letters = false;

	if (view_find(v, '@') < v.n)
		return true;
	for (size_t i = 0; i < v.n; i++)
		letters |= ascii_alpha(v.p[i]) || v.p[i] == '*';
	return letters && view_find(v, ':') == v.n;
}

enum status conf_check_networks(const char *key, struct view list, struct buf *why)
{
	struct view one;
	struct network n;

	while ((one = view_take_word(&list)).n) {
		if (!parse_network(one, &n) && is_claim(one)) {
			buf_putf(why, "%s has \"%.*s\", which is a name: what stands in From: or MAIL FROM is what the client "
				 "says of itself, anybody can say it, and who relays for a name is an open relay. Name the "
				 "networks of your own hosts, as \"192.0.2.0/24\", or let people log in",
				 key, VIEW_ARG(view_head(one, 80)));
			return ST_DENIED;
		}
		if (!parse_network(one, &n)) {
			buf_putf(why, "%s has \"%.*s\", but should have networks, as \"192.0.2.0/24, 2001:db8::/48\"",
				 key, VIEW_ARG(view_head(one, 80)));
			return ST_SYNTAX;
		}
		for (unsigned i = n.bits; i < 128; i++)
			if (bit(&n, i)) {
				buf_putf(why, "%s has \"%.*s\", whose address has bits set behind its prefix", key,
					 VIEW_ARG(view_head(one, 80)));
				return ST_SYNTAX;
			}
		if (!is_open(&n))
			continue;
		buf_putf(why, "%s has %.*s, in which are strangers: this would be an open relay, which spammers find "
			 "within hours. Name the networks of your own hosts, or let them log in",
			 key, VIEW_ARG(view_head(one, 80)));
		return ST_DENIED;
	}
	return ST_OK;
}

bool conf_in_networks(const char *networks, const char *address)
{
	struct view list = view_cstr(networks), one;
	struct network n, who;

	if (list.n == 0 || !parse_host(view_cstr(address), &who))
		return false;
	while ((one = view_take_word(&list)).n)
		if (parse_network(one, &n) && holds(&n, &who))
			return true;
	return false;
}

void conf_wide_networks(const char *networks, struct buf *out)
{
	struct view list = view_cstr(networks), one;
	struct network n;

	while ((one = view_take_word(&list)).n) {
		if (!parse_network(one, &n) || is_private(&n) ||
		    n.bits >= (is_v4(&n) ? V4_IN_V6 + V4_WIDE_BITS : V6_WIDE_BITS))
			continue;
		if (out->n)
			buf_putc(out, ' ');
		buf_put(out, one);
	}
}
