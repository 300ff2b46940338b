#include "admin/listing.h"
#include "admin/instance.h"
#include "admin/tell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS_MAX = 12, CELL_MAX = 4096 };

bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(1) && (no == NULL || no[0] == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
}

/* Bytes as people say them: "0", "812", "4.0k", "1.5g".  Into out. */
static void say_bytes(int64_t bytes, struct buf *out)
{
	static const char units[] = "kmgt";
	double n = (double)bytes;
	int unit = -1;

	while (n >= 1024 && unit < 3) {
		n /= 1024;
		unit++;
	}
	if (unit < 0)
		buf_putf(out, "%lld", (long long)bytes);
	else
		buf_putf(out, "%.1f%c", n, units[unit]);
}

/* Control characters would reach the operator's terminal. */
static void put_clean(struct buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		/* C1 controls are U+0080..9F: 0xC2 0x80..9F. */
		bool c1 = c == 0xc2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0;

		if (c < 0x20 || c == 0x7f || c1)
			buf_putf(out, "\\x%02x", c1 ? (unsigned char)*++s : c);
		else
			buf_putc(out, (char)c);
	}
}

void print_clean(struct view line)
{
	struct buf text = BUF(line.n + 1), out = BUF(4 * line.n + 8);

	buf_put(&text, line);
	buf_putc(&text, '\0');
	if (text.p)
		put_clean(&out, text.p);
	buf_putc(&out, '\n');
	fwrite(out.p ? out.p : "", 1, out.n, stdout);
	buf_free(&text);
	buf_free(&out);
}

static void cell_text(const struct column *col, const json_t *row, struct buf *out)
{
	const json_t *v = json_object_get(row, col->key);

	if (json_is_string(v))
		put_clean(out, json_string_value(v));
	else if (json_is_integer(v) && col->kind == COLUMN_BYTES)
		say_bytes(json_integer_value(v), out);
	else if (json_is_integer(v))
		buf_putf(out, "%lld", (long long)json_integer_value(v));
	else if (json_is_boolean(v))
		buf_puts(out, json_is_true(v) ? "yes" : "no");
	else
		buf_putc(out, '-');
}

/* Characters, not bytes: continuation bytes of UTF-8 have no width. */
static size_t width(struct view v)
{
	size_t n = 0;

	for (size_t i = 0; i < v.n; i++)
		n += ((unsigned char)v.p[i] & 0xc0) != 0x80;
	return n;
}

static void put_cell(struct view text, size_t wide, bool right, bool last)
{
	size_t pad = wide > width(text) ? wide - width(text) : 0;

	printf("%*s%.*s%*s", right ? (int)pad : 0, "", VIEW_ARG(text), right || last ? 0 : (int)pad, "");
	fputs(last ? "\n" : "  ", stdout);
}

static void measure(const struct column *columns, size_t n, const json_t *rows, size_t wide[])
{
	struct buf cell = BUF(CELL_MAX);
	const json_t *row;
	size_t i;

	for (size_t c = 0; c < n; c++)
		wide[c] = strlen(columns[c].title);
	json_array_foreach(rows, i, row) {
		for (size_t c = 0; c < n; c++) {
			buf_clear(&cell);
			cell_text(&columns[c], row, &cell);
			if (width(buf_view(&cell)) > wide[c])
				wide[c] = width(buf_view(&cell));
		}
	}
	buf_free(&cell);
}

static void print_table(const struct column *columns, size_t n, const json_t *rows)
{
	struct buf cell = BUF(CELL_MAX);
	size_t wide[COLUMNS_MAX], i;
	bool bold = wants_colour();
	const json_t *row;

	measure(columns, n, rows, wide);
	fputs(bold ? "\033[1m" : "", stdout);
	for (size_t c = 0; c < n; c++)
		put_cell(view_cstr(columns[c].title), wide[c], columns[c].kind != COLUMN_TEXT, c + 1 == n);
	fputs(bold ? "\033[0m" : "", stdout);
	json_array_foreach(rows, i, row) {
		for (size_t c = 0; c < n; c++) {
			buf_clear(&cell);
			cell_text(&columns[c], row, &cell);
			put_cell(buf_view(&cell), wide[c], columns[c].kind != COLUMN_TEXT, c + 1 == n);
		}
	}
	buf_free(&cell);
}

static void print_json(const json_t *rows)
{
	const json_t *row;
	size_t i;

	fputs("[", stdout);
	json_array_foreach(rows, i, row) {
		fputs(i ? ",\n" : "\n", stdout);
		json_dumpf(row, stdout, JSON_COMPACT);
	}
	fputs(json_array_size(rows) ? "\n]\n" : "]\n", stdout);
}

int listing_print(const struct invocation *in, const struct column *columns, size_t n, json_t *rows,
		  const char *none)
{
	if (in->given[OPTION_json])
		print_json(rows);
	else if (json_array_size(rows) == 0)
		fprintf(stderr, "%s\n", none);
	else
		print_table(columns, n < COLUMNS_MAX ? n : COLUMNS_MAX, rows);
	json_decref(rows);
	return fflush(stdout) == 0 && !ferror(stdout) ? DONE : FAILED;
}

int listing_of_directory(struct invocation *in, const struct column *columns, size_t n,
			 enum status (*each)(struct directory *d, directory_row *row, void *arg),
			 directory_row *row, const char *none)
{
	json_t *rows = json_array();
	struct directory *d;
	enum status st = instance_directory(in, &d);

	if (st != ST_OK) {
		json_decref(rows);
		return FAILED;
	}
	st = each(d, row, rows);
	directory_close(d);
	if (st == ST_OK)
		return listing_print(in, columns, n, rows, none);
	json_decref(rows);
	return complain(in->dir, st, NULL);
}
