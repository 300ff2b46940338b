/* main.c - waxmail(1): reading and writing mail in the terminal. */
#include "mua/verb.h"

int main(int argc, char **argv)
{
	return verb_run(argc, argv);
}
