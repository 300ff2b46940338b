#include "admin/qr.h"

#include <errno.h>
#include <qrencode.h>

enum { QUIET = 4 };	/* modules around a code (ISO 18004) */

static bool is_dark(const QRcode *code, int x, int y)
{
	bool inside = x >= 0 && y >= 0 && x < code->width && y < code->width;

	return inside && (code->data[y * code->width + x] & 1);
}

static void put_line(const QRcode *code, int y, struct buf *out)
{
	/* Upper and lower module; what is drawn is the dark one. */
	static const char *const halves[2][2] = { { " ", "\u2584" }, { "\u2580", "\u2588" } };

	buf_puts(out, "\033[30;107m");
	for (int x = -QUIET; x < code->width + QUIET; x++)
		buf_puts(out, halves[is_dark(code, x, y)][is_dark(code, x, y + 1)]);
	buf_puts(out, "\033[0m\n");
}

enum status qr_put(const char *text, struct buf *out)
{
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);

	if (code == NULL)
		return errno == ERANGE ? ST_LIMIT : ST_NOMEM;
	for (int y = -QUIET; y < code->width + QUIET; y += 2)
		put_line(code, y, out);
	QRcode_free(code);
	return buf_status(out);
}
