/* main.c - waxwing-room: the process of one account, and nothing else.
 *
 * waxwing itself can become a room too.  But there is a room for each person
 * who has something to do, and each pays at its start, and in memory of its
 * own, for every library that the program is linked with; a room needs few.
 * So whose letters are stored encrypted has another one, waxwing-room-encrypting,
 * which is this with OpenSSL (ROOM_ENCRYPT is encrypt_letter). */
#include "room/room.h"

#ifndef ROOM_ENCRYPT
#define ROOM_ENCRYPT NULL
#endif

int main(int argc, char **argv)
{
	return argc == 3 ? room_main(argv, ROOM_ENCRYPT) : 2;
}
