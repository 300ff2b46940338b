/* deliver.h - final delivery (RFC 5321 4.4: Return-Path:) of letters that the
 * queue hands over.  Runs in room. */
#ifndef WAXWING_MDA_DELIVER_H
#define WAXWING_MDA_DELIVER_H

#include "ipc/envelope.h"
#include "ipc/records.h"
#include "mda/encrypt.h"
#include "ms/store.h"

/* Takes a deliver record (and its descriptor, which it closes) and puts the
 * letter into the store, encrypted where that is wanted and never else.  out gets the
 * text for the log or the bounce. */
enum verdict deliver_take(struct store *store, const struct encryption *e, const struct rec_deliver *in, int fd,
			  struct buf *out);

#endif
