/* Runs the tests of a target, and the target on the files that are named, without libFuzzer. */
#include "test.h"

#define SIZE_AT_MOST (1u << 20)

int main(int argc, char **argv)
{
	run_tests();
	u8 *bytes = malloc(SIZE_AT_MOST);
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		if (!file) {
			perror(argv[i]);
			return 1;
		}
		size_t size = fread(bytes, 1, SIZE_AT_MOST, file);
		fclose(file);
		LLVMFuzzerTestOneInput(bytes, size);
	}
	free(bytes);
	return 0;
}
