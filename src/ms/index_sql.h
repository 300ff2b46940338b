/* index_sql.h - what index.c (opening, reading) and index_stage.c (writing)
 * share: the names of the statements, and the sizes of what is packed. */
#ifndef WAXWING_MS_INDEX_SQL_H
#define WAXWING_MS_INDEX_SQL_H

#include "ms/internal.h"

enum { SCHEMA_VERSION = 3, MESSAGE_SIZE = 56, GONE_SIZE = 16, DELIVERED_SIZE = 16 };

enum query { Q_STATE, Q_SET_STATE, Q_LIST, Q_SET_LIST, Q_SEGMENTS, Q_SET_SEGMENT, Q_MAILBOXES, Q_SET_MAILBOX,
	     Q_GONE, Q_SET_GONE, Q_PAGES, Q_SET_PAGE, Q_DROP_PAGE, Q_DROP_MAILBOX, Q_DROP_PAGES, Q_DROP_GONE,
	     Q_SET_LETTER, Q_LETTER, Q_LETTERS, Q_DROP_LETTER, Q_LETTER_BODIES, Q_REMOVED, Q_SET_REMOVED,
	     Q_DROP_REMOVED, Q_PURGE_REMOVED, Q_SET_FILTER, Q_FILTERS, Q_SWEEP_FILTERS, Q_COUNT };

#endif
