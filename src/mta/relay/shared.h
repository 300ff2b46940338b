/* shared.h - databases in relay/ that all relay processes use. */
#ifndef WAXWING_MTA_RELAY_SHARED_H
#define WAXWING_MTA_RELAY_SHARED_H

#include "sql/sql.h"

/* Several relays make a file at once at the first start: one after another.
 * The errors of sql_open. */
enum status shared_open(const char *folder, const char *name, const char *schema, struct sql **ret) MUST_USE;

#endif
