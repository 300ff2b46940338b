/* test_tls_client.c - whom a client takes for verified: the published cases of
 * TLSA records against chains (danetest.in), each of them; and records that
 * cannot be used.
 *
 *     test_tls_client [danetest.in danetest.pem]
 *
 * Without the files only the rest is tested. */
#include "base/test.h"
#include "wire/tls_client.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 4 * 1024 * 1024, RECORDS = 8, DATA = 4096 };

static const char *suite_file, *authorities_file;

struct block {
	unsigned n_records, n_certificates;
	int no_name_checks;
	long error;
	int depth;
	struct dns_tlsa records[RECORDS];
	char data[RECORDS][DATA];
	struct view chain;
};

static void read_all(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	size_t n;
	char *p;

	assert_non_null(f);
	while (buf_reserve(out, 65536, &p) == ST_OK && (n = fread(p, 1, 65536, f)) > 0)
		out->n += n;
	fclose(f);
}

static struct view take_line(struct view *left)
{
	struct view line = view_head(*left, view_find(*left, '\n'));

	*left = view_skip(*left, line.n + 1);
	return line;
}

static size_t unhex(struct view hex, char *out)
{
	size_t n = 0;

	for (; hex.n >= 2 && n < DATA; hex = view_skip(hex, 2)) {
		const char two[] = { hex.p[0], hex.p[1], '\0' };

		out[n++] = (char)strtol(two, NULL, 16);
	}
	return n;
}

static void take_record(struct view line, struct block *b, unsigned i)
{
	struct dns_tlsa *r = &b->records[i];

	assert_true(line.n > 6);
	r->usage = (uint8_t)(line.p[0] - '0');
	r->selector = (uint8_t)(line.p[2] - '0');
	r->matching = (uint8_t)(line.p[4] - '0');
	r->data = view_make(b->data[i], unhex(view_skip(line, 6), b->data[i]));
}

/* The next block: its numbers, its records, its certificates. */
static bool take_block(struct view *left, struct block *b)
{
	struct view line;
	char numbers[64];

	do {
		if (left->n == 0)
			return false;
		line = take_line(left);
	} while (line.n == 0 || line.p[0] == '#');
	snprintf(numbers, sizeof numbers, "%.*s", VIEW_ARG(line));
	assert_int_equal(sscanf(numbers, "%u %u %d %ld %d", &b->n_records, &b->n_certificates, &b->no_name_checks,
				&b->error, &b->depth), 5);
	assert_true(b->n_records <= RECORDS);
	for (unsigned i = 0; i < b->n_records; i++)
		take_record(take_line(left), b, i);
	b->chain = *left;
	for (unsigned ends = 0; ends < b->n_certificates && left->n;)
		ends += view_starts_i(take_line(left), VIEW("-----END CERTIFICATE"));
	b->chain.n -= left->n;
	return true;
}

static bool agrees(struct tls_client *t, const struct block *b)
{
	static const struct view name = { "example.com", 11 };
	struct tls_trust trust = {
		.how = TLS_VERIFY_DANE, .check_ee_name = !b->no_name_checks, .names = &name, .n_names = 1,
		.records = b->records, .n_records = b->n_records,
	};
	long error = -1;
	int depth = -2;

	assert_int_equal(tls_verify_chain(t, &trust, b->chain, &error, &depth), ST_OK);
	/* The depth is told only where the names and dates fit, too. */
	return error == b->error && (error != 0 || depth == b->depth);
}

static void test_suite(void **state)
{
	static struct block b;
	struct buf text = BUF(FILE_MAX);
	struct view left;
	struct tls_client *t;
	unsigned n = 0, good = 0;

	(void)state;
	if (suite_file == NULL)
		return;
	assert_int_equal(tls_client_new(authorities_file, &t), ST_OK);
	read_all(suite_file, &text);
	for (left = buf_view(&text); take_block(&left, &b); n++) {
		if (agrees(t, &b))
			good++;
		else
			print_error("case %u differs\n", n + 1);
	}
	print_message("dane: %u of %u\n", good, n);
	assert_int_equal(good, n);
	tls_client_free(t);
	buf_free(&text);
}

static void test_usable(void **state)
{
	static const struct {
		uint8_t usage, selector, matching;
		size_t n;
		bool usable;
	} rows[] = {
		{ 3, 1, 1, 32, true },	{ 3, 1, 2, 64, true },	{ 2, 0, 1, 32, true },	{ 3, 1, 1, 31, false },
		{ 3, 1, 1, 33, false }, { 3, 1, 2, 32, false }, { 3, 2, 1, 32, false }, { 3, 1, 3, 32, false },
		{ 4, 1, 1, 32, false }, { 3, 0, 0, 32, false }, { 3, 1, 0, 32, false }, { 3, 1, 1, 0, false },
	};
	static const char data[64];
	struct tls_client *t;

	(void)state;
	assert_int_equal(tls_client_new("", &t), ST_OK);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(tlsa_is_usable(t, &(struct dns_tlsa){ rows[i].usage, rows[i].selector, rows[i].matching,
								       view_make(data, rows[i].n) }),
				 rows[i].usable);
	tls_client_free(t);
}

static void test_no_authorities(void **state)
{
	struct tls_client *t;

	(void)state;
	assert_int_equal(tls_client_new("/nowhere/at/all.pem", &t), ST_MISSING);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suite),
		cmocka_unit_test(test_usable),
		cmocka_unit_test(test_no_authorities),
	};

	if (argc == 3) {
		suite_file = argv[1];
		authorities_file = argv[2];
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
