/* main.c - waxwing-ROLE: one role, and nothing else.
 *
 * waxwing itself can become each of them too.  But every process pays at its
 * start, and in memory of its own, for each library that its program is
 * linked with, and what is not there cannot be misused: the process that
 * faces strangers has no SQL in it, the one that asks DNS nothing but DNS.
 *
 * The build says which role: ROLE_HEADER declares ROLE_MAIN. */
#include ROLE_HEADER

int main(int argc, char **argv)
{
	(void)argv;
	return argc == 3 ? ROLE_MAIN() : 2;
}
