/* admin.h - the commands of waxwing(8). */
#ifndef WAXWING_ADMIN_ADMIN_H
#define WAXWING_ADMIN_ADMIN_H

/* Runs the command that argv names; the exit status: 0 done, 1 refused or
 * failed, 2 the command line is wrong. */
int admin_command(int argc, char **argv);

#endif
