/* hidden.c - what is no command of the table: what the build asks, and filters for tests. */
#include "admin/command.h"
#include "admin/tell.h"
#include "ipc/records.h"
#include "role/walls.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 1024 * 1024 };

static int manual(const char *name)
{
	struct buf out = BUF(TEXT_MAX);

	if (strcmp(name, "list") == 0) {
		manual_names(&out);
	} else if (manual_page(view_cstr(name), &out) != ST_OK) {
		tell("no manual page %.80s", name);
		return WRONG_USE;
	}
	return cli_print(&out);
}

static void roles_of(unsigned set, struct buf *out)
{
	const char *comma = "";

	if (set == (1u << ROLE_ADMIN) - 1) {
		buf_puts(out, "everybody");
		return;
	}
	for (int r = 0; r < ROLE_COUNT; r++) {
		if (!(set & (1u << r)))
			continue;
		buf_putf(out, "%s%s", comma, r == ROLE_ADMIN ? "waxwing(8)" : role_name((enum role)r));
		comma = ", ";
	}
}

/* The table of records as INTERNALS.md has it. */
static void records(struct buf *out)
{
	static const char *const descriptors[] = { "", "one", "maybe" };
	struct record_row row;

	buf_puts(out, "| record | from | to | descriptor | fields | what it says |\n"
		      "| --- | --- | --- | --- | --- | --- |\n");
	for (unsigned type = 1; record_row(type, &row); type++) {
		buf_putf(out, "| %s | ", row.name);
		roles_of(row.from, out);
		buf_puts(out, " | ");
		roles_of(row.to, out);
		buf_putf(out, " | %s | %s | %s |\n", descriptors[row.descriptor], row.fields, row.doc);
	}
}

/* The system calls that a role may make, as the kernel's program. */
static int filter(const char *name)
{
	char bytes[4096];
	ssize_t n;
	int fd, role = 0;

	while (role < ROLE_COUNT && strcmp(role_name((enum role)role), name) != 0)
		role++;
	if (role == ROLE_COUNT || sandbox_filter_make(walls_calls((enum role)role), &fd) != ST_OK) {
		tell("no filter for %.80s", name);
		return WRONG_USE;
	}
	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, bytes, sizeof bytes)) > 0)
		fwrite(bytes, 1, (size_t)n, stdout);
	close(fd);
	return fflush(stdout) == 0 ? DONE : FAILED;
}

bool command_hidden(int argc, char **argv, int *ret_status)
{
	struct buf out = BUF(TEXT_MAX);

	if (argc == 3 && strcmp(argv[1], "--manual") == 0) {
		*ret_status = manual(argv[2]);
		return true;
	}
	if (argc == 3 && strcmp(argv[1], "--filter") == 0) {
		*ret_status = filter(argv[2]);
		return true;
	}
	if (argc == 2 && strcmp(argv[1], "--completion") == 0)
		cli_completion(&admin_cli, &out);
	else if (argc == 2 && strcmp(argv[1], "--records") == 0)
		records(&out);
	else
		return false;
	*ret_status = cli_print(&out);
	return true;
}
