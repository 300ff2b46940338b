/* Grants and signatures: a relay gets those of domains whose letters it has,
 * and no others. */
#include "base/test.h"

#include "ipc/seal.h"
#include "warden/internal.h"
#include "warden/signing_keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct world {
	struct warden *w;
	struct channel ch;
	int far;		/* the other end of it */
	char dir[64];
	uint64_t jones;
	struct buf answer;
	bool host;	/* a door says that a host of dkim.networks sends it */
};

static void open_world(struct world *o)
{
	char path[128];
	int fds[2];

	*o = (struct world){ .w = calloc(1, sizeof *o->w), .answer = BUF(RECORD_MAX) };
	snprintf(o->dir, sizeof o->dir, "/tmp/sealing-XXXXXX");
	assert_non_null(mkdtemp(o->dir));
	snprintf(path, sizeof path, "%s/directory.db", o->dir);
	assert_int_equal(directory_open(path, &o->w->directory), ST_OK);
	o->w->sealing.keys = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mac_open(o->w->sealing.keys, "seal.key", &o->w->sealing.grants), ST_OK);
	assert_int_equal(conf_defaults(&o->w->proc.conf), ST_OK);
	assert_int_equal(loop_new(&o->w->proc.loop), ST_OK);
	o->w->out = BUF(RECORD_MAX);
	assert_int_equal(channel_pair(fds), ST_OK);
	o->far = fds[1];
	assert_int_equal(channel_open(&o->ch, o->w->proc.loop, fds[0]), ST_OK);
	assert_int_equal(directory_add_domain(o->w->directory, VIEW("foo.com")), ST_OK);
	assert_int_equal(directory_add_domain(o->w->directory, VIEW("bar.com")), ST_OK);
	assert_int_equal(directory_add_account(o->w->directory, VIEW("Jones@foo.com"), VIEW("{PLAIN}x"), 0, &o->jones), ST_OK);
	assert_int_equal(signing_keys_make(o->w->sealing.keys, o->w->directory, VIEW("foo.com"), SIGNING_ACTIVE, 1, NULL), ST_OK);
	assert_int_equal(signing_keys_make(o->w->sealing.keys, o->w->directory, VIEW("foo.com"), SIGNING_NEXT, 1, NULL), ST_OK);
	assert_int_equal(signing_keys_make(o->w->sealing.keys, o->w->directory, VIEW("bar.com"), SIGNING_ACTIVE, 1, NULL), ST_OK);
}

static void close_world(struct world *o)
{
	char command[128];

	clock_override(0);
	channel_close(&o->ch);
	close(o->far);
	sealing_free(o->w);
	close(o->w->sealing.keys);
	directory_close(o->w->directory);
	conf_free(&o->w->proc.conf);
	loop_free(o->w->proc.loop);
	buf_free(&o->w->out);
	buf_free(&o->answer);
	free(o->w);
	snprintf(command, sizeof command, "rm -r %s", o->dir);
	assert_int_equal(system(command), 0);
}

/* What is answered to the record in b, from that role. */
static struct view ask(struct world *o, uint8_t peer, const struct buf *b,
		       void (*handler)(struct warden *w, struct channel *ch, const struct record *rec))
{
	struct record rec = { .body = view_skip(buf_view(b), RECORD_HEAD), .call = 1, .fd = -1 }, got;

	o->ch.peer = peer;
	handler(o->w, &o->ch, &rec);
	buf_clear(&o->answer);
	assert_int_equal(record_read_blocking(o->far, &o->answer, &got), ST_OK);
	return got.body;
}

static struct view list_of(struct buf *b, const char *one, const char *two)
{
	buf_clear(b);
	if (one)
		put_view(b, view_cstr(one));
	if (two)
		put_view(b, view_cstr(two));
	return buf_view(b);
}

/* A grant for letter "1.1"; copied into out. */
static enum verdict grant(struct world *o, uint8_t peer, uint64_t account, const char *author, const char *other,
			  const char *via, struct buf *out)
{
	struct buf b = BUF(RECORD_MAX), authors = BUF(1024), vias = BUF(1024);
	struct rec_seal_grant_answer got;

	rec_put_seal_grant_ask(&b, 0, 0, &(struct rec_seal_grant_ask){ VIEW("1.1"), account, peer == ROLE_DOOR && o->host, list_of(&authors, author, other),
								       VIEW("Jones@foo.com"), list_of(&vias, via, NULL) });
	assert_true(rec_take_seal_grant_answer(ask(o, peer, &b, seal_grant_ask), &got));
	buf_clear(out);
	buf_put(out, got.grant);
	buf_free(&b);
	buf_free(&authors);
	buf_free(&vias);
	return (enum verdict)got.verdict;
}

static enum verdict keys(struct world *o, const char *id, struct view shown, const char *domain, struct seal_key_name *ret)
{
	struct buf b = BUF(RECORD_MAX);
	struct rec_seal_keys_answer got;
	struct cursor c;

	rec_put_seal_keys_ask(&b, 0, 0, &(struct rec_seal_keys_ask){ view_cstr(id), shown, view_cstr(domain) });
	assert_true(rec_take_seal_keys_answer(ask(o, ROLE_RELAY, &b, seal_keys_ask), &got));
	c = cursor_over(got.keys);
	if (got.verdict == VERDICT_OK && ret)
		assert_true(seal_key_name_take(&c, &ret[0]) && seal_key_name_take(&c, &ret[1]) && !seal_key_name_take(&c, ret));
	buf_free(&b);
	return (enum verdict)got.verdict;
}

static enum verdict sign(struct world *o, const char *id, struct view shown, const char *domain, const char *selector, size_t n,
			 struct buf *ret)
{
	static const char digest[SHA256_SIZE + 1] = { 1, 2, 3 };
	struct buf b = BUF(RECORD_MAX);
	struct rec_seal_answer got;

	rec_put_seal_ask(&b, 0, 0, &(struct rec_seal_ask){ view_cstr(id), shown, view_cstr(domain), view_cstr(selector),
							   view_make(digest, n) });
	assert_true(rec_take_seal_answer(ask(o, ROLE_RELAY, &b, seal_ask), &got));
	if (ret) {
		buf_clear(ret);
		buf_put(ret, got.signature);
	}
	buf_free(&b);
	return (enum verdict)got.verdict;
}

/* ---- which grants ---- */

static void grants_for_an_account(struct world *o)
{
	struct buf g = BUF(SEAL_GRANT_MAX);
	struct seal_grant got;

	assert_int_equal(grant(o, ROLE_DOOR, o->jones, "jones+x@FOO.com", NULL, "Jones@foo.com", &g), VERDICT_OK);
	assert_int_equal(seal_grant_take(buf_view(&g), &got), ST_OK);
	assert_true(view_eq_i(got.author, VIEW("foo.com")));
	assert_int_equal(got.n_vias, 0);
	/* Another one's address, alone or beside one's own; a domain that is ours too. */
	assert_int_equal(grant(o, ROLE_DOOR, o->jones, "brown@foo.com", NULL, NULL, &g), VERDICT_DENIED);
	assert_int_equal(grant(o, ROLE_DOOR, o->jones, "Jones@foo.com", "x@bar.com", NULL, &g), VERDICT_DENIED);
	assert_int_equal(grant(o, ROLE_DOOR, o->jones, "x@mail.bar.com", NULL, NULL, &g), VERDICT_DENIED);
	/* A stranger's address, sent by one of ours. */
	assert_int_equal(grant(o, ROLE_DOOR, o->jones, "x@far.example", NULL, NULL, &g), VERDICT_OK);
	assert_int_equal(seal_grant_take(buf_view(&g), &got), ST_OK);
	assert_view(got.author, "foo.com");
	buf_free(&g);
}

/* Of strangers, of hosts that may speak for us, and of the queue. */
static void grants_without_an_account(struct world *o)
{
	struct buf g = BUF(SEAL_GRANT_MAX);
	struct seal_grant got;

	/* A stranger's letter: for nobody as its author, whatever it says. */
	assert_int_equal(grant(o, ROLE_DOOR, 0, "Jones@foo.com", NULL, NULL, &g), VERDICT_NO);
	assert_int_equal(grant(o, ROLE_DOOR, 0, "Jones@foo.com", NULL, "sales@bar.com", &g), VERDICT_OK);
	assert_int_equal(seal_grant_take(buf_view(&g), &got), ST_OK);
	assert_int_equal(got.author.n, 0);
	assert_int_equal(got.n_vias, 1);
	assert_int_equal(grant(o, ROLE_DOOR, 0, NULL, NULL, "x@far.example", &g), VERDICT_NO);
	/* A host that may speak for us, and only where there are such. */
	o->host = true;
	assert_int_equal(grant(o, ROLE_DOOR, 0, "root@foo.com", NULL, NULL, &g), VERDICT_NO);
	free(o->w->proc.conf.dkim_networks);
	o->w->proc.conf.dkim_networks = strdup("192.0.2.1");
	assert_int_equal(grant(o, ROLE_DOOR, 0, "root@foo.com", NULL, "sales@bar.com", &g), VERDICT_OK);
	assert_int_equal(seal_grant_take(buf_view(&g), &got), ST_OK);
	assert_view(got.author, "foo.com");
	assert_int_equal(grant(o, ROLE_DOOR, 0, "x@far.example", NULL, NULL, &g), VERDICT_NO);
	assert_int_equal(grant(o, ROLE_DOOR, 0, "x@far.example", NULL, "sales@bar.com", &g), VERDICT_OK);
	assert_int_equal(seal_grant_take(buf_view(&g), &got), ST_OK);
	assert_int_equal(got.author.n, 0);
	assert_int_equal(got.n_vias, 1);
	o->host = false;
	/* The queue's own reports. */
	assert_int_equal(grant(o, ROLE_QUEUE, 0, "MAILER-DAEMON@mail.foo.com", NULL, NULL, &g), VERDICT_OK);
	assert_int_equal(grant(o, ROLE_QUEUE, 0, "MAILER-DAEMON@localhost", NULL, NULL, &g), VERDICT_NO);
	buf_free(&g);
}

/* The domain in U-labels here and A-labels there, either way; and below it. */
static void grants_in_either_form(struct world *o)
{
	static const struct {
		const char *author;
		enum verdict verdict;
		const char *domain;
	} forms[] = {
		{ "j@b\xc3\xbc" "cher.example", VERDICT_OK, "b\xc3\xbc" "cher.example" },
		{ "j@xn--bcher-kva.example", VERDICT_OK, "b\xc3\xbc" "cher.example" },
		{ "j@XN--Bcher-KVA.example", VERDICT_OK, "b\xc3\xbc" "cher.example" },
		{ "k@xn--bcher-kva.example", VERDICT_DENIED, NULL },
		{ "j@mail.xn--bcher-kva.example", VERDICT_DENIED, NULL },
		{ "x@m\xc3\xbcller.example", VERDICT_OK, "xn--mller-kva.example" },
		{ "x@M\xc3\x9cLLER.example", VERDICT_OK, "xn--mller-kva.example" },
	};
	struct buf g = BUF(SEAL_GRANT_MAX);
	struct seal_grant got;

	assert_int_equal(directory_add_domain(o->w->directory, VIEW("b\xc3\xbc" "cher.example")), ST_OK);
	assert_int_equal(directory_add_domain(o->w->directory, VIEW("xn--mller-kva.example")), ST_OK);
	assert_int_equal(directory_add_identity(o->w->directory, o->jones, VIEW("j@b\xc3\xbc" "cher.example")), ST_OK);
	assert_int_equal(directory_add_identity(o->w->directory, o->jones, VIEW("@xn--mller-kva.example")), ST_OK);
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		assert_int_equal(grant(o, ROLE_DOOR, o->jones, forms[i].author, NULL, NULL, &g), forms[i].verdict);
		if (forms[i].verdict != VERDICT_OK)
			continue;
		assert_int_equal(seal_grant_take(buf_view(&g), &got), ST_OK);
		assert_view(got.author, forms[i].domain);
	}
	buf_free(&g);
}

static void test_grants(void **state)
{
	struct world o;

	(void)state;
	open_world(&o);
	grants_for_an_account(&o);
	grants_without_an_account(&o);
	grants_in_either_form(&o);
	close_world(&o);
}

/* ---- what they are good for ---- */

static void note_next(void *arg, const struct signing_key *k)
{
	if (k->state == SIGNING_NEXT)
		snprintf(arg, SIGNING_SELECTOR_MAX + 1, "%.*s", VIEW_ARG(k->selector));
}

/* An active key of foo.com, kept. */
struct kept {
	enum signing_algorithm algorithm;
	struct buf selector, record;
};
struct kept_keys {
	struct kept all[4];
	size_t n;
};

static void keep(void *arg, const struct signing_key *k)
{
	struct kept_keys *keys = arg;
	struct kept *to = &keys->all[keys->n];

	if (k->state != SIGNING_ACTIVE)
		return;
	*to = (struct kept){ k->algorithm, BUF(64), BUF(SIGNING_PUBLIC_MAX + 64) };
	buf_put(&to->selector, k->selector);
	buf_putc(&to->selector, '\0');
	signing_put_record(k, &to->record);
	keys->n++;
}

/* What warden signs, the published key verifies; also when it has it at hand. */
static void verify(struct world *o, struct kept *k)
{
	static const uint8_t digest[SHA256_SIZE] = { 1, 2, 3 };
	struct buf signature = BUF(1024), g = BUF(SEAL_GRANT_MAX);
	struct seal_key key;
	const char *problem;

	assert_int_equal(key_parse(buf_view(&k->record), (enum seal_algorithm)k->algorithm, NULL, &key, &problem), SEAL_PASS);
	assert_int_equal(grant(o, ROLE_DOOR, o->jones, "Jones@foo.com", NULL, NULL, &g), VERDICT_OK);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(sign(o, "1.1", buf_view(&g), "foo.com", k->selector.p, SHA256_SIZE, &signature), VERDICT_OK);
		assert_true(key_verify(&key, (enum seal_algorithm)k->algorithm, digest, buf_view(&signature)));
	}
	key_free(&key);
	buf_free(&signature);
	buf_free(&g);
}

static void test_signatures(void **state)
{
	struct kept_keys all = { 0 };
	struct world o;

	(void)state;
	open_world(&o);
	assert_int_equal(signing_each(o.w->directory, VIEW("foo.com"), keep, &all), ST_OK);
	assert_int_equal(all.n, 2);
	for (size_t i = 0; i < all.n; i++) {
		verify(&o, &all.all[i]);
		buf_free(&all.all[i].selector);
		buf_free(&all.all[i].record);
	}
	close_world(&o);
}

static void test_refused(void **state)
{
	struct buf g = BUF(SEAL_GRANT_MAX), forged = BUF(SEAL_GRANT_MAX);
	char selector[SIGNING_SELECTOR_MAX + 1], next[SIGNING_SELECTOR_MAX + 1] = "";
	struct seal_key_name names[2];
	struct world o;

	(void)state;
	open_world(&o);
	assert_int_equal(grant(&o, ROLE_DOOR, o.jones, "Jones@foo.com", NULL, NULL, &g), VERDICT_OK);
	assert_int_equal(keys(&o, "1.1", buf_view(&g), "foo.com", names), VERDICT_OK);
	snprintf(selector, sizeof selector, "%.*s", VIEW_ARG(names[0].selector));
	/* Another letter, another domain of ours, one that is none. */
	assert_int_equal(keys(&o, "1.2", buf_view(&g), "foo.com", NULL), VERDICT_DENIED);
	assert_int_equal(keys(&o, "1.1", buf_view(&g), "bar.com", NULL), VERDICT_DENIED);
	assert_int_equal(keys(&o, "1.1", buf_view(&g), "", NULL), VERDICT_DENIED);
	assert_int_equal(sign(&o, "1.2", buf_view(&g), "foo.com", selector, SHA256_SIZE, NULL), VERDICT_NO);
	assert_int_equal(sign(&o, "1.1", buf_view(&g), "bar.com", selector, SHA256_SIZE, NULL), VERDICT_NO);
	assert_int_equal(sign(&o, "1.1", VIEW_NONE, "foo.com", selector, SHA256_SIZE, NULL), VERDICT_NO);
	/* Every octet of it counts. */
	for (size_t i = 0; i < g.n; i++) {
		buf_clear(&forged);
		buf_put(&forged, buf_view(&g));
		forged.p[i] ^= 1;
		assert_int_equal(sign(&o, "1.1", buf_view(&forged), "foo.com", selector, SHA256_SIZE, NULL), VERDICT_NO);
	}
	/* Something else than a digest; a key that is not to be used yet; no key. */
	assert_int_equal(sign(&o, "1.1", buf_view(&g), "foo.com", selector, SHA256_SIZE - 1, NULL), VERDICT_NO);
	assert_int_equal(signing_each(o.w->directory, VIEW("foo.com"), note_next, next), ST_OK);
	assert_true(next[0]);
	assert_int_equal(sign(&o, "1.1", buf_view(&g), "foo.com", next, SHA256_SIZE, NULL), VERDICT_NO);
	assert_int_equal(sign(&o, "1.1", buf_view(&g), "foo.com", "../seal", SHA256_SIZE, NULL), VERDICT_NO);
	assert_int_equal(sign(&o, "1.1", buf_view(&g), "foo.com", selector, SHA256_SIZE, NULL), VERDICT_OK);
	/* However long it was held, the letter has been given up long ago. */
	clock_override(clock_wall() + 35 * 86400000LL);
	assert_int_equal(sign(&o, "1.1", buf_view(&g), "foo.com", selector, SHA256_SIZE, NULL), VERDICT_OK);
	clock_override(clock_wall() + 7 * 86400000LL);
	assert_int_equal(sign(&o, "1.1", buf_view(&g), "foo.com", selector, SHA256_SIZE, NULL), VERDICT_NO);
	buf_free(&g);
	buf_free(&forged);
	close_world(&o);
}

/* ---- fresh keys: others are answered while one is made ---- */

struct making {
	struct world o;
	struct timer tick;
	unsigned ticks;
	enum status st;
};

static void tick(struct timer *t)
{
	struct making *m = (struct making *)((char *)t - offsetof(struct making, tick));

	m->ticks++;
	assert_int_equal(loop_timer(m->o.w->proc.loop, t, clock_steady()), ST_OK);
}

static void make_keys(void *arg)
{
	struct making *m = arg;
	struct warden *w = m->o.w;

	m->st = signing_keys_make(w->sealing.keys, w->directory, VIEW("bar.com"), SIGNING_NEXT, 1, &w->fresh);
	loop_stop(w->proc.loop);
}

static void test_nobody_waits_for_a_fresh_key(void **state)
{
	struct making m = { .tick.fire = tick, .st = ST_AGAIN };

	(void)state;
	open_world(&m.o);
	m.o.w->fresh.loop = m.o.w->proc.loop;
	assert_int_equal(loop_timer(m.o.w->proc.loop, &m.tick, clock_steady()), ST_OK);
	assert_int_equal(co_start(make_keys, &m), ST_OK);
	assert_int_equal(m.st, ST_AGAIN);	/* it waits, and we are here */
	assert_int_equal(directory_begin(m.o.w->directory), ST_OK);	/* not within a transaction */
	assert_int_equal(directory_end(m.o.w->directory, true), ST_OK);
	loop_run(m.o.w->proc.loop);
	assert_int_equal(m.st, ST_OK);
	assert_true(m.ticks > 0);
	loop_timer_clear(m.o.w->proc.loop, &m.tick);
	close_world(&m.o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grants), cmocka_unit_test(test_signatures), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nobody_waits_for_a_fresh_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
