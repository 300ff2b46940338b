/* totp.h - one-time passwords by the clock (RFC 6238, over RFC 4226).
 *
 * Six digits, HMAC-SHA-1, steps of thirty seconds: what authenticator programs
 * do where they are told nothing else.  A code is taken for its own step, the
 * one before it and the one behind it (RFC 6238 5.2), and once: who asks keeps
 * the step that was used last.
 */
#ifndef WAXWING_DIRECTORY_TOTP_H
#define WAXWING_DIRECTORY_TOTP_H

#include "base/buf.h"
#include "base/clock.h"

enum { TOTP_SECRET_SIZE = 20, TOTP_DIGITS = 6, TOTP_STEP_MS = 30000, TOTP_DRIFT = 1 };

/* The number at a step, of 1 to 9 digits (RFC 4226 5.3).  ST_NOMEM. */
enum status totp_code(struct view secret, uint64_t step, unsigned digits, uint32_t *ret) MUST_USE;

/* Is that the code of now, for a secret as it is stored (hexadecimal)?  Steps up
 * to `used` are over; *ret_step is the one that the code is of.  Takes the same
 * time for every code.  ST_DENIED: it is not.  ST_SYNTAX: the secret is none. */
enum status totp_check(struct view stored, struct view code, wall_ms now, uint64_t used, uint64_t *ret_step) MUST_USE;

/* A fresh secret as it is stored.  ST_IO. */
enum status totp_make(struct buf *ret_stored) MUST_USE;

/* The otpauth: address that authenticator programs read.  ST_SYNTAX. */
enum status totp_address(struct view stored, struct view account, struct view issuer, struct buf *out) MUST_USE;

#endif
