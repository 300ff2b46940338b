/* load.c - waxwing.conf by libconfig, which knows the line of each setting. */
#include "conf/conf.h"

#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUE_MAX = 8192 };

/* A scalar as text. */
static enum status scalar_text(const config_setting_t *s, struct buf *out)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		buf_putf(out, "%lld", config_setting_get_int64(s));
		return buf_status(out);
	case CONFIG_TYPE_BOOL:
		buf_puts(out, config_setting_get_bool(s) ? "yes" : "no");
		return buf_status(out);
	case CONFIG_TYPE_STRING:
		buf_puts(out, config_setting_get_string(s));
		return buf_status(out);
	default:
		return ST_SYNTAX;
	}
}

/* A scalar, or the members of an array with commas between. */
static enum status value_text(const config_setting_t *s, struct buf *out)
{
	enum status st = ST_OK;

	if (!config_setting_is_array(s) && !config_setting_is_list(s))
		return scalar_text(s, out);
	for (int i = 0; i < config_setting_length(s) && st == ST_OK; i++) {
		if (i)
			buf_puts(out, ", ");
		st = scalar_text(config_setting_get_elem(s, (unsigned)i), out);
	}
	return st;
}

/* Puts "FILE:LINE: " and then what buf why said. */
static enum status wrong(const char *file, const config_setting_t *s, struct buf *why,
			 const struct buf *said, enum status st)
{
	buf_putf(why, "%s:%u: ", file, config_setting_source_line(s));
	buf_put(why, buf_view(said));
	return st;
}

static enum status take_setting(struct conf *c, const char *file, const char *section,
				const config_setting_t *s, struct buf *why)
{
	struct buf value = BUF(VALUE_MAX), key = BUF(VALUE_MAX), said = BUF(VALUE_MAX);
	enum status st = value_text(s, &value);

	buf_putf(&key, "%s.%s", section, config_setting_name(s));
	if (st != ST_OK)
		buf_putf(&said, "%.*s cannot have such a value", VIEW_ARG(buf_view(&key)));
	else
		st = conf_set(c, buf_view(&key), buf_view(&value), &said);
	if (st != ST_OK)
		wrong(file, s, why, &said, st);
	buf_free(&value);
	buf_free(&key);
	buf_free(&said);
	return st;
}

static enum status take_section(struct conf *c, const char *file, const config_setting_t *section,
				struct buf *why)
{
	struct buf said = BUF(VALUE_MAX);
	enum status st = ST_OK;

	if (!config_setting_is_group(section)) {
		buf_putf(&said, "%s stands outside of a section; write it as SECTION = { %s = ...; }",
			 config_setting_name(section), config_setting_name(section));
		st = wrong(file, section, why, &said, ST_SYNTAX);
	}
	for (int i = 0; st == ST_OK && i < config_setting_length(section); i++)
		st = take_setting(c, file, config_setting_name(section),
				  config_setting_get_elem(section, (unsigned)i), why);
	buf_free(&said);
	return st;
}

static enum status check(const struct conf *c, const char *file, const config_t *cfg, struct buf *why)
{
	struct buf said = BUF(VALUE_MAX);
	enum status st = conf_check(c, &said);
	const config_setting_t *about = NULL;
	char key[64];

	/* What is said begins with the setting that is to blame. */
	if (st != ST_OK) {
		snprintf(key, sizeof key, "%.*s", VIEW_ARG(view_head(buf_view(&said), view_find(buf_view(&said), ' '))));
		about = config_lookup(cfg, key);
	}
	if (st != ST_OK && about)
		wrong(file, about, why, &said, st);
	else if (st != ST_OK)
		buf_put(why, buf_view(&said));
	buf_free(&said);
	return st;
}

static enum status take_file(struct conf *c, const char *file, FILE *f, struct buf *why)
{
	config_t cfg;
	const config_setting_t *root;
	enum status st = ST_OK;

	config_init(&cfg);
	if (config_read(&cfg, f) != CONFIG_TRUE) {
		buf_putf(why, "%s:%d: %s; a setting reads NAME = VALUE; and a section NAME = { ... };", file,
			 config_error_line(&cfg), config_error_text(&cfg));
		st = ST_SYNTAX;
	}
	root = config_root_setting(&cfg);
	for (int i = 0; st == ST_OK && i < config_setting_length(root); i++)
		st = take_section(c, file, config_setting_get_elem(root, (unsigned)i), why);
	if (st == ST_OK)
		st = check(c, file, &cfg, why);
	config_destroy(&cfg);
	return st;
}

enum status conf_load(const char *dir, struct conf *ret_conf, struct buf *why)
{
	struct conf c = { 0 };
	char file[4096];
	enum status st = conf_defaults(&c);
	FILE *f;

	snprintf(file, sizeof file, "%s/waxwing.conf", dir);
	f = fopen(file, "re");
	if (f == NULL) {
		st = status_of_errno(errno);
		buf_putf(why, "%s: %s; `waxwing setup DOMAIN --dir DIR` makes one", file, status_name(st));
	}
	if (st == ST_OK)
		st = take_file(&c, file, f, why);
	if (f)
		fclose(f);
	if (st == ST_OK && (c.dir = strdup(dir)) == NULL)
		st = ST_NOMEM;
	if (st != ST_OK) {
		conf_free(&c);
		return st;
	}
	*ret_conf = c;
	return ST_OK;
}

void conf_example(struct buf *out, const char *host_name)
{
	size_t n;
	const struct setting *s = settings(&n);
	struct view section = VIEW_NONE;

	buf_puts(out, "# waxwing.conf - every setting with its default; see waxwing.conf(5).\n"
		      "# Take the # away from a setting to change it.\n");
	for (size_t i = 0; i < n; i++) {
		struct view key = view_cstr(s[i].key);
		struct view head = view_head(key, view_find(key, '.'));

		if (!view_eq(head, section)) {
			buf_putf(out, "%s\n%.*s = {\n", section.n ? "};\n" : "", VIEW_ARG(head));
			section = head;
		}
		buf_putf(out, "\t# %s\n", s[i].doc);
		if (view_eq(key, VIEW("host.name")))
			buf_putf(out, "\tname = \"%s\";\n", host_name);
		else
			buf_putf(out, "\t#%.*s = \"%s\";\n", VIEW_ARG(view_skip(key, head.n + 1)), s[i].fallback);
	}
	buf_puts(out, "};\n");
}
