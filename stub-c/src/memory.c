/* Functions that a compiler may call even without a C library: gcc requires them of every environment. */
#include "rsyscall/protocol.h"

void *memset(void *to, int byte, u64 length);
void *memcpy(void *to, const void *from, u64 length);

void *memset(void *to, int byte, u64 length)
{
	for (u64 i = 0; i < length; i++)
		((u8 *)to)[i] = (u8)byte;
	return to;
}

void *memcpy(void *to, const void *from, u64 length)
{
	for (u64 i = 0; i < length; i++)
		((u8 *)to)[i] = ((const u8 *)from)[i];
	return to;
}
