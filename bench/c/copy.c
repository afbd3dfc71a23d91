/* The floor of a copy of a file in memory.
 *   copy ROUNDS MIB
 *     nanoseconds, a line a round: copy_file_range from a memfd over another one */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"

int main(int argc, char **argv)
{
	static char mebibyte[1 << 20];
	if (argc != 3)
		return 64;
	long long size = atoll(argv[2]) << 20;
	int from = memfd_create("from", 0), to = memfd_create("to", 0);
	memset(mebibyte, 1, sizeof mebibyte);
	for (long long at = 0; at < size; at += sizeof mebibyte)
		if (write(from, mebibyte, sizeof mebibyte) != sizeof mebibyte)
			return 1;
	for (long rounds = atol(argv[1]); rounds > 0; rounds--) {
		long long start = now();
		loff_t in = 0, out = 0;
		if (ftruncate(to, 0))
			return 1;
		while (in < size)
			if (copy_file_range(from, &in, to, &out, size - in, 0) <= 0)
				return 1;
		printf("%lld\n", now() - start);
	}
	return 0;
}
