/* mapped.h - bytes of files that are mapped, and what of them cannot be read.
 *
 * A page that the disk does not give, or that lies behind the end of a file which
 * somebody has cut, kills by SIGBUS whoever looks at it.  So it is read in by a
 * call that says so instead (MADV_POPULATE_READ, Linux 5.14), before anybody
 * looks.  An older kernel does not know it: there it is as if all were good.
 * What is lost between that call and the look (the owner of the file cuts it just
 * then; memory was short, the page went, and the disk fails now) kills still.
 */
#ifndef WAXWING_BASE_MAPPED_H
#define WAXWING_BASE_MAPPED_H

#include "base/status.h"
#include "base/view.h"

enum { MAPPED_PAGE = 4096 };

/* Can these bytes of a mapping be read?  ST_IO: not all of them; ST_NOMEM. */
enum status mapped_read_in(struct view bytes) MUST_USE;

/* The first n bytes of the file, mapped and read in, none of them written to.
 * n 0: an empty view.  ST_IO, ST_NOMEM. */
enum status mapped_file(int fd, uint64_t n, struct view *ret) MUST_USE;

/* The same, but a page that cannot be read is zeros: for a reader that looks for
 * what is whole.  *ret_bad: how many are.  ST_NOMEM. */
enum status mapped_mended(int fd, uint64_t n, struct view *ret, uint64_t *ret_bad) MUST_USE;

/* The first n bytes of a memory file that nobody can change or cut any more.  ST_SYNTAX:
 * it is none, or shorter. */
enum status mapped_sealed(int fd, uint64_t n, struct view *ret) MUST_USE;

void mapped_free(struct view bytes);

#endif
