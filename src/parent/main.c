/* main.c - the program waxwing-parent, which `waxwing serve` becomes. */
#include "parent/parent.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--dir") == 0)
		return parent_serve(argv[2]);
	fprintf(stderr, "waxwing: this is started by waxwing serve\n");
	return 2;
}
