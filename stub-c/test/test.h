/* What the tests and the fuzz targets share. */
#ifndef RSYSCALL_TEST_H
#define RSYSCALL_TEST_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* Ends the program with a message: a fault of the code under test. */
#define check(condition)                                                                          \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* The decisions of a test: bytes, and zeros behind them. */
struct script {
	const u8 *at, *end;
};

static inline u32 next_byte(struct script *script)
{
	return script->at < script->end ? *script->at++ : 0;
}

static inline u32 next_u16(struct script *script)
{
	u32 low = next_byte(script);
	return low | next_byte(script) << 8;
}

static inline int has_ended(const struct script *script)
{
	return script->at >= script->end;
}

/* The byte at a position of a stream. Each stream has bytes of its own. */
static inline u8 pattern(u32 stream, u64 position)
{
	u64 mixed = (position + 1) * 0x9e3779b97f4a7c15ul + stream * 0xc2b2ae3d27d4eb4ful;
	return (u8)(mixed >> 56);
}

/* Tests with known answers. */
void run_tests(void);

/* A fuzz target, as libFuzzer calls it. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#endif
