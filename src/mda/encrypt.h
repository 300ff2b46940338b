/* encrypt.h - what arrives in clear is stored encrypted to the account's own
 * certificate (S/MIME, RFC 8551, AuthEnvelopedData by AES-256-GCM), where the
 * account wants that.  Its key is not here, so what is stored cannot be read here.
 *
 * The certificate lies in mail/ACCOUNT as DER (ROLE_ENCRYPT_FILE of role/role.h), put there by
 * waxwing(8), and is read when the room begins.  Rooms of such accounts are
 * waxwing-room-encrypting, which is linked with OpenSSL; all others are spared
 * that.  Runs in room.
 */
#ifndef WAXWING_MDA_ENCRYPT_H
#define WAXWING_MDA_ENCRYPT_H

#include "base/buf.h"

enum { ENCRYPT_CERTIFICATE_MAX = 64 * 1024, ENCRYPT_LETTER_MAX = 1024 * 1024 * 1024 };

/* The letter as it is stored.  binary: it came as BINARYMIME.  What is held is
 * the result, and of a binary letter its other form besides.
 * ST_EXISTS: it is encrypted already, and stays as it is; ST_SYNTAX: that is no
 * certificate that can be encrypted for; ST_DENIED, ST_LIMIT, ST_NOMEM. */
typedef enum status letter_encrypt(struct view letter, struct view certificate, bool binary, struct buf *out);
letter_encrypt encrypt_letter;

/* What a room has of it. */
struct encryption {
	struct view certificate;	/* empty: letters are stored as they are */
	letter_encrypt *encrypt;	/* NULL: this room cannot */
};

#endif
