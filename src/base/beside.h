/* beside.h - the programs that are installed with this one. */
#ifndef WAXWING_BASE_BESIDE_H
#define WAXWING_BASE_BESIDE_H

#include <limits.h>
#include <stddef.h>

enum { BESIDE_PLACES = 3, BESIDE_PATH = PATH_MAX + 64 };

/* Where the program NAME may lie: in the folder that we were started from, in
 * ../libexec/waxwing/, or, where that is ours, in ../../bin/.  place counts from 0;
 * past the last, or where nobody says where we are, path is "". */
void beside_path(size_t place, const char *name, char path[static BESIDE_PATH]);

/* Goes on as that program; comes back only where there is none. */
void beside_become(const char *name, char **argv);

#endif
