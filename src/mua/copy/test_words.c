#include "mua/copy/test_copy.h"

/* What stands behind ":2," of a message's file; it is there. */
static void letters_of(struct copy *c, int64_t id, const char *want)
{
	struct buf path = BUF(4096);
	const char *colon;

	assert_int_equal(copy_path(c, id, &path), ST_OK);
	buf_putc(&path, '\0');
	assert_true(has_file("..", path.p));
	colon = strchr(path.p, ':');
	assert_non_null(colon);
	assert_string_equal(colon, want);
	buf_free(&path);
}

static void keywords_of(struct copy *c, int64_t id, const char *want)
{
	struct arena a = ARENA((size_t)1 << 20);
	struct copy_message m;

	assert_int_equal(copy_message(c, id, &a, &m), ST_OK);
	assert_view(m.keywords, want);
	arena_free(&a);
}

static void file_is(const char *path, const char *want)
{
	char name[256], text[512] = "";
	FILE *f;

	snprintf(name, sizeof name, "%s/mail/%s", folder, path);
	f = fopen(name, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof text - 1, f) > 0 || want[0] == '\0');
	fclose(f);
	assert_string_equal(text, want);
}

/* As another program does it: its letters are others. */
static void rename_letters(struct copy *c, int64_t id, const char *letters)
{
	struct buf path = BUF(4096), from = BUF(4096), to = BUF(4096);

	assert_int_equal(copy_path(c, id, &path), ST_OK);
	buf_putf(&from, "%s/%.*s", folder, VIEW_ARG(buf_view(&path)));
	buf_putf(&to, "%.*s%s", (int)view_find(buf_view(&from), ':'), from.p, letters);
	assert_int_equal(rename(from.p, to.p), 0);
	buf_free(&path);
	buf_free(&from);
	buf_free(&to);
}

static void keywords_by_id(struct copy *c, const char *message_id, const char *want)
{
	struct arena a = ARENA((size_t)1 << 20);
	struct copy_message m;

	assert_int_equal(copy_by_message_id(c, view_cstr(message_id), &a, &m), ST_OK);
	assert_view(m.keywords, want);
	arena_free(&a);
}

static void keywords_in_names(void **state)
{
	struct copy *c = opened(NULL);
	int64_t inbox = folder_id(c, "INBOX"), other = folder_id(c, "Other"), id, second;
	struct arena a = ARENA((size_t)16 << 20);
	struct copy_findings f;
	struct copy_message m;
	struct copy_op *ops;
	char name[128];
	size_t n;

	(void)state;
	id = put(c, inbox, 1, 0, "One", "x");
	second = put(c, inbox, 2, 0, "Two", "x");
	assert_int_equal(copy_server_flags(c, inbox, 1, COPY_SEEN, VIEW("$Junk work $Forwarded $MDNSent"), 5), ST_OK);
	keywords_of(c, id, "$Junk work");
	flags_of(c, id, COPY_SEEN | COPY_FORWARDED | COPY_MDN_SENT);
	letters_of(c, id, ":2,PSabc");
	file_is("INBOX/dovecot-keywords", "0 $Junk\n1 work\n2 $MDNSent\n");
	assert_int_equal(copy_keyword(c, &second, 1, VIEW("WORK"), true), ST_OK);
	letters_of(c, second, ":2,b");
	/* What others do: a word away, one more, one that nobody knows. */
	rename_letters(c, id, ":2,Sbcq");
	assert_int_equal(copy_look(c, &f), ST_OK);
	assert_int_equal(f.changed, 1);
	keywords_of(c, id, "work");
	flags_of(c, id, COPY_SEEN | COPY_MDN_SENT);
	letters_of(c, id, ":2,Sbc");
	assert_int_equal(copy_look(c, &f), ST_OK);
	assert_int_equal(f.changed, 0);
	assert_int_equal(copy_pending(c, 10, &a, &ops, &n), ST_OK);
	assert_int_equal(n, 2);
	assert_view(ops[0].remove_keywords, "$Junk");
	assert_int_equal(ops[0].remove, COPY_FORWARDED);
	assert_view(ops[1].add_keywords, "WORK");
	/* The server changes another word meanwhile: both changes hold. */
	assert_int_equal(copy_server_flags(c, inbox, 1, COPY_SEEN | COPY_FORWARDED, VIEW("todo $Junk work $MDNSent"), 6), ST_OK);
	keywords_of(c, id, "todo work");
	letters_of(c, id, ":2,Sbcd");
	/* In another folder letters are that folder's. */
	assert_int_equal(copy_keyword(c, &second, 1, VIEW("$Junk"), true), ST_OK);
	assert_int_equal(copy_move(c, &id, 1, other), ST_OK);
	letters_of(c, id, ":2,Sabc");
	file_is("Other/dovecot-keywords", "0 todo\n1 work\n2 $MDNSent\n");
	put(c, inbox, 3, 0, "Three", "x");
	assert_int_equal(copy_server_flags(c, inbox, 3, COPY_FLAGGED, VIEW("todo $Junk $MDNSent"), 7), ST_OK);
	copy_close(c);
	/* The index is lost: wishes tell of what waits, names of the rest. */
	snprintf(name, sizeof name, "%s/index.db", folder);
	assert_int_equal(unlink(name), 0);
	c = opened(&f);
	assert_true(f.rebuilt);
	keywords_by_id(c, "1@x", "todo work");
	keywords_by_id(c, "2@x", "WORK $Junk");
	keywords_by_id(c, "3@x", "$Junk todo");
	assert_int_equal(copy_by_message_id(c, VIEW("3@x"), &a, &m), ST_OK);
	assert_int_equal(m.flags & (COPY_FLAGS | COPY_PENDING), COPY_FLAGGED | COPY_MDN_SENT);
	arena_free(&a);
	copy_close(c);
}

/* Where letters mean other words: a file that is moved there, a folder that is renamed. */
static void letters_of_another_folder(void **state)
{
	struct copy *c = opened(NULL);
	int64_t inbox = folder_id(c, "INBOX"), other = folder_id(c, "Other"), id, second;
	struct buf path = BUF(4096), from = BUF(4096), to = BUF(4096);
	struct copy_findings f;

	(void)state;
	id = put(c, inbox, 1, 0, "One", "x");
	second = put(c, other, 2, 0, "Two", "x");
	assert_int_equal(copy_keyword(c, &id, 1, VIEW("work"), true), ST_OK);
	assert_int_equal(copy_keyword(c, &second, 1, VIEW("todo"), true), ST_OK);
	assert_int_equal(copy_path(c, id, &path), ST_OK);
	buf_putf(&from, "%s/%.*s", folder, VIEW_ARG(buf_view(&path)));
	buf_putf(&to, "%s/mail/Other/cur/%.*s", folder, VIEW_ARG(view_skip(buf_view(&path), sizeof "mail/INBOX/cur/" - 1)));
	assert_int_equal(rename(from.p, to.p), 0);
	assert_int_equal(copy_look(c, &f), ST_OK);
	assert_int_equal(f.changed, 1);
	keywords_of(c, id, "work");
	letters_of(c, id, ":2,b");
	keywords_of(c, second, "todo");
	assert_int_equal(copy_folder_rename(c, other, VIEW("New/dovecot-keywords")), ST_OK);
	letters_of(c, second, ":2,a");
	file_is("New/%64ovecot-keywords/dovecot-keywords", "0 todo\n1 work\n");
	assert_int_equal(files_in("Other"), 0);
	assert_int_equal(copy_folder_remove(c, other), ST_OK);
	assert_int_equal(files_in("New"), 0);
	buf_free(&path);
	buf_free(&from);
	buf_free(&to);
	copy_close(c);
}

/* The 27th word has no letter and is kept all the same; $Junk and $NotJunk are not both. */
static void more_keywords_than_letters(void **state)
{
	struct copy *c = opened(NULL);
	int64_t inbox = folder_id(c, "INBOX"), id = put(c, inbox, 1, 0, "One", "x");
	struct copy_findings f;
	char word[16];

	(void)state;
	for (int i = 0; i < 27; i++) {
		snprintf(word, sizeof word, "w%d", i);
		assert_int_equal(copy_keyword(c, &id, 1, view_cstr(word), true), ST_OK);
		if (i < 26)
			assert_int_equal(copy_keyword(c, &id, 1, view_cstr(word), false), ST_OK);
	}
	letters_of(c, id, ":2,");
	keywords_of(c, id, "w26");
	assert_int_equal(copy_look(c, &f), ST_OK);
	assert_int_equal(f.changed, 0);
	rename_letters(c, id, ":2,z");
	assert_int_equal(copy_look(c, &f), ST_OK);
	keywords_of(c, id, "w26 w25");
	assert_int_equal(copy_keyword(c, &id, 1, VIEW("$NotJunk"), true), ST_OK);
	assert_int_equal(copy_keyword(c, &id, 1, VIEW("$junk"), true), ST_OK);
	keywords_of(c, id, "w26 w25 $junk");
	copy_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keywords_in_names, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(letters_of_another_folder, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(more_keywords_than_letters, make_folder, drop_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
