/* Transfer encodings and encoded words, there and back. */
#include "base/test.h"

#include "msg/decode.h"
#include "msg/encode.h"
#include "msg/lex.h"
#include "msg/word.h"

static void check_lines(const struct buf *b)
{
	size_t column = 0;

	for (size_t i = 0; i < b->n; i++) {
		column = b->p[i] == '\n' ? 0 : column + (b->p[i] != '\r');
		assert_true(column <= ENCODED_LINE);
		assert_true((unsigned char)b->p[i] < 0x80);
	}
}

static void there_and_back(struct view v)
{
	struct buf to = BUF(1 << 20), back = BUF(1 << 20);

	encode_qp(v, &to);
	check_lines(&to);
	decode_body(ENC_QP, buf_view(&to), &back);
	assert_true(view_eq(buf_view(&back), v));
	buf_clear(&to);
	buf_clear(&back);
	encode_base64(v, &to);
	check_lines(&to);
	decode_body(ENC_BASE64, buf_view(&to), &back);
	assert_true(view_eq(buf_view(&back), v));
	buf_free(&to);
	buf_free(&back);
}

static void test_encodings(void **state)
{
	char bytes[700];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(unsigned char)i;
	for (size_t n = 0; n < sizeof bytes; n++)
		there_and_back(view_make(bytes, n));
	memset(bytes, 'x', sizeof bytes);
	for (size_t n = 0; n < 200; n++) {
		bytes[n] = ' ';
		there_and_back(view_make(bytes, n + 1));
		bytes[n] = '\n';
		there_and_back(view_make(bytes, n + 2));
		bytes[n] = '-';
		there_and_back(view_make(bytes, n + 2));
	}
	there_and_back(VIEW("a \r\n\r\n. \r\nFrom x\r\n--b\r\n"));
}

static void test_qp(void **state)
{
	struct buf b = BUF(4096);

	(void)state;
	encode_qp(VIEW("Gr\xc3\xbc\xc3\x9f" "e = gut \r\n--b\r\nFrom me\r\nx\r"), &b);
	assert_view(buf_view(&b), "Gr=C3=BC=C3=9Fe =3D gut=20\r\n=2D-b\r\n=46rom me\r\nx=0D");
	buf_free(&b);
}

static void words_back(struct view text, size_t column)
{
	struct buf to = BUF(1 << 16), back = BUF(1 << 16);

	encode_words(text, column, &to);
	check_lines(&to);
	/* The fold before a first word is none of the text. */
	words_decode(lex_trim(buf_view(&to)), &back);
	assert_true(view_eq(buf_view(&back), text));
	buf_free(&to);
	buf_free(&back);
}

static void test_words(void **state)
{
	struct buf b = BUF(4096);

	(void)state;
	encode_words(VIEW("Gr\xc3\xbc\xc3\x9f" "e an alle"), 9, &b);
	assert_view(buf_view(&b), "=?utf-8?q?Gr=C3=BC=C3=9Fe_an_alle?=");
	buf_free(&b);
	for (size_t column = 0; column < 80; column += 7) {
		words_back(VIEW("\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, \xd0\xbc\xd0\xb8\xd1\x80! "
				"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, \xd0\xbc\xd0\xb8\xd1\x80"), column);
		words_back(VIEW("\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"
				"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"
				"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"), column);
		words_back(VIEW("plain words and =?utf-8?q?none?= more of them than one line is able to hold, \xc3\xa4"), column);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_qp),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
