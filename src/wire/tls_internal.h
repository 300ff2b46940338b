/* tls_internal.h - what the two ends of TLS share (RFC 8446). */
#ifndef WAXWING_WIRE_TLS_INTERNAL_H
#define WAXWING_WIRE_TLS_INTERNAL_H

#include "wire/tls.h"

/* A conn's bytes through the SSL in c->secret: struct conn_io's three. */
enum status tls_read(struct conn *c, char *p, size_t n, size_t *ret_n);
enum status tls_write(struct conn *c, const char *p, size_t n, size_t *ret_n);
void tls_end(struct conn *c);

/* For a coroutine: the handshake of c->secret, whichever end it is.  As
 * conn_start_tls. */
enum status tls_shake_hands(struct conn *c, uint64_t timeout_ms) MUST_USE;

#endif
