/* state.c - which domains there are, and what is broken. */
#include "admin/lab/lab.h"

#include "admin/tell.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NET_FIRST = 40, NET_LAST = 250 };

static const struct lab_place places[] = {
	{ "foo.com", "mail.foo.com", 2, true, { "Jones@foo.com", "Brown@foo.com", "postmaster@foo.com" } },
	{ "bar.com", "mail.bar.com", 3, true, { "Smith@bar.com", "postmaster@bar.com" } },
	{ "insecure.example", "mail.insecure.example", 4, false,
	  { "Old@insecure.example", "postmaster@insecure.example" } },
};

const struct lab_place *lab_place(size_t i)
{
	return i < sizeof places / sizeof *places ? &places[i] : NULL;
}

const struct lab_place *lab_place_of(struct view name)
{
	size_t at = view_find(name, '@');

	if (at < name.n)
		name = view_skip(name, at + 1);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (view_eq_i(name, view_cstr(places[i].domain)))
			return &places[i];
	return NULL;
}

/* ---- names of things ---- */

const char *lab_path(const struct lab *l, char out[LAB_PATH], const char *fmt, ...)
{
	int n = snprintf(out, LAB_PATH, "%s/", l->dir);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out + n, (size_t)(LAB_PATH - n), fmt, ap);
	va_end(ap);
	return out;
}

const char *lab_address(const struct lab *l, int number, char out[LAB_ADDRESS])
{
	snprintf(out, LAB_ADDRESS, "127.0.%d.%d", l->net & 255, number & 255);
	return out;
}

enum status lab_write(const char *path, const struct buf *text)
{
	FILE *f = buf_status(text) == ST_OK ? fopen(path, "we") : NULL;
	bool good = f && fwrite(text->p, 1, text->n, f) == text->n;

	if (f && fclose(f) != 0)
		good = false;
	if (good)
		return ST_OK;
	complain(path, buf_status(text) != ST_OK ? buf_status(text) : status_of_errno(errno), NULL);
	return ST_IO;
}

/* ---- the folder ---- */

/* Root's processes have user ids of their own, which cannot pass through
 * root's home. */
static void choose_dir(const struct invocation *in, char out[LAB_PATH / 2])
{
	const char *home = getenv("HOME");

	if (in->given[OPTION_dir])
		snprintf(out, LAB_PATH / 2, "%s", in->given[OPTION_dir]);
	else if (geteuid() == 0 || home == NULL)
		snprintf(out, LAB_PATH / 2, "/var/lib/waxwing-lab");
	else
		snprintf(out, LAB_PATH / 2, "%s/.waxwing-lab", home);
}

/* Programs are given paths that hold wherever they work. */
static enum status make_absolute(struct lab *l)
{
	char *real = realpath(l->dir, NULL);
	int n = real ? snprintf(l->dir, sizeof l->dir, "%s", real) : -1;

	free(real);
	return n > 0 && (size_t)n < sizeof l->dir ? ST_OK : ST_MISSING;
}

/* Somebody may have edited it. */
static bool is_sound(const struct lab *l)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(l->broken) || l->net < NET_FIRST || l->net > NET_LAST)
		return false;
	json_array_foreach(l->broken, i, one)
		if (!json_is_string(json_object_get(one, "what")) || !json_is_string(json_object_get(one, "domain")))
			return false;
	return true;
}

static enum status read_state(struct lab *l)
{
	char path[LAB_PATH];
	json_t *state = json_load_file(lab_path(l, path, "lab.json"), 0, NULL);

	if (state == NULL)
		return ST_MISSING;
	l->net = (int)json_integer_value(json_object_get(state, "net"));
	l->serial = (uint32_t)json_integer_value(json_object_get(state, "serial"));
	json_decref(l->broken);
	l->broken = json_incref(json_object_get(state, "broken"));
	json_decref(state);
	return is_sound(l) ? ST_OK : ST_SYNTAX;
}

enum status lab_save(const struct lab *l)
{
	char path[LAB_PATH], fresh[LAB_PATH];
	json_t *state = json_pack("{s:i, s:I, s:O}", "net", l->net, "serial", (json_int_t)l->serial, "broken",
				  l->broken);
	int rc = state ? json_dump_file(state, lab_path(l, fresh, "lab.json.new"), JSON_INDENT(1)) : -1;

	json_decref(state);
	if (rc == 0)
		rc = rename(fresh, lab_path(l, path, "lab.json"));
	if (rc == 0)
		return ST_OK;
	complain(l->dir, status_of_errno(errno), NULL);
	return ST_IO;
}

enum status lab_open(const struct invocation *in, struct lab *ret)
{
	enum status st;

	*ret = (struct lab){ .mark = -1 };
	choose_dir(in, ret->dir);
	st = make_absolute(ret);
	if (st == ST_OK)
		st = read_state(ret);
	if (st != ST_OK)
		tell("%s: there is no lab here; `waxwing lab up` makes one", ret->dir);
	return st;
}

void lab_close(struct lab *l)
{
	json_decref(l->broken);
	l->broken = NULL;
	if (l->mark >= 0)
		close(l->mark);
	l->mark = -1;
}

bool lab_is_broken(const struct lab *l, const char *what, const char *domain)
{
	const json_t *one;
	size_t i;

	json_array_foreach(l->broken, i, one)
		if (strcmp(json_string_value(json_object_get(one, "what")), what) == 0 &&
		    strcmp(json_string_value(json_object_get(one, "domain")), domain) == 0)
			return true;
	return false;
}

/* Nothing of somebody's own may lie in a folder that `lab down --purge`
 * removes. */
static bool is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)) != NULL)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (d)
		closedir(d);
	return d && n == 0;
}

/* ---- the network ---- */

/* A socket at that address, or -1.  shared: also beside those that are closing. */
static int bind_to(const char *address, int port, int shared)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && inet_pton(AF_INET, address, &sa.sin_addr) == 1 &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &shared, sizeof shared) == 0 &&
	    bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool can_bind(const char *address, int port)
{
	int fd = bind_to(address, port, 1);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool net_is_free(const struct lab *l)
{
	char address[LAB_ADDRESS];

	if (!can_bind(lab_address(l, 1, address), LAB_DNS_PORT))
		return false;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (!can_bind(lab_address(l, places[i].number, address), LAB_SMTP_PORT))
			return false;
	return true;
}

/* Another lab may come up at the same time, and find free what we have not yet
 * bound: the network is that lab's which has the mark. */
static bool take_net(struct lab *l)
{
	char address[LAB_ADDRESS];
	int fd = bind_to(lab_address(l, 1, address), LAB_MARK_PORT, 0);

	if (fd >= 0 && net_is_free(l)) {
		l->mark = fd;
		return true;
	}
	if (fd >= 0)
		close(fd);
	return false;
}

/* Several labs may run at a time: each begins to look elsewhere. */
static enum status choose_net(struct lab *l)
{
	unsigned from = (unsigned)getpid();

	for (unsigned i = 0; i <= NET_LAST - NET_FIRST; i++) {
		l->net = NET_FIRST + (int)((from + i) % (NET_LAST - NET_FIRST + 1));
		if (take_net(l))
			return ST_OK;
	}
	tell("no network 127.0.x.0 has port %d and port %d free", LAB_DNS_PORT, LAB_SMTP_PORT);
	return ST_LIMIT;
}

static bool anything_runs(const struct lab *l)
{
	const struct lab_place *p;

	for (size_t i = 0; (p = lab_place(i)) != NULL; i++)
		if (instance_pid(l, p))
			return true;
	return knot_pid(l) != 0;
}

enum status lab_make(const struct invocation *in, struct lab *ret)
{
	enum status st;

	*ret = (struct lab){ .broken = json_array(), .mark = -1 };
	choose_dir(in, ret->dir);
	/* Whatever the umask: the processes' user ids pass through it. */
	if (mkdir(ret->dir, 0711) == 0 && chmod(ret->dir, 0711) != 0)
		return ST_IO;
	st = make_absolute(ret);
	if (st != ST_OK) {
		complain(ret->dir, st, NULL);
		return st;
	}
	if (read_state(ret) == ST_OK) {
		if (anything_runs(ret) || take_net(ret))
			return ST_OK;
		/* Somebody else has it meanwhile. */
		st = choose_net(ret);
		return st == ST_OK ? lab_save(ret) : st;
	}
	json_decref(ret->broken);
	ret->broken = json_array();
	if (!is_empty(ret->dir)) {
		tell("%s has something in it, but no lab; choose another folder", ret->dir);
		return ST_EXISTS;
	}
	st = choose_net(ret);
	return st == ST_OK ? lab_save(ret) : st;
}
