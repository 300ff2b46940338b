/* main.c - waxwing-room: the process of one account, and nothing else.
 *
 * waxwing itself can become a room too.  But there is a room for each person
 * who has something to do, and each pays at its start, and in memory of its
 * own, for every library that the program is linked with; a room needs few. */
#include "room/room.h"

int main(int argc, char **argv)
{
	return argc == 3 ? room_main(argv) : 2;
}
