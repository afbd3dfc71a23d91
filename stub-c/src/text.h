/* The few string functions that a program without a C library needs. */
#ifndef RSYSCALL_TEXT_H
#define RSYSCALL_TEXT_H

#include "rsyscall/protocol.h"

static inline u64 length_of(const char *text)
{
	u64 n = 0;
	while (text[n])
		n++;
	return n;
}

static inline int starts_with(const char *text, const char *prefix)
{
	while (*prefix)
		if (*text++ != *prefix++)
			return 0;
	return 1;
}

/* Appends a string to a bounded buffer that stays NUL-terminated. Returns 0 and appends nothing if it does not fit. */
static inline int append(char *buffer, u64 size, const char *text)
{
	u64 at = length_of(buffer);
	u64 length = length_of(text);
	if (at + length + 1 > size)
		return 0;
	for (u64 i = 0; i <= length; i++)
		buffer[at + i] = text[i];
	return 1;
}

/* Appends a decimal number. */
static inline void append_number(char *buffer, u64 size, u64 value)
{
	char digits[sizeof "18446744073709551615"];
	u32 at = sizeof digits - 1;
	digits[at] = 0;
	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	append(buffer, size, digits + at);
}

#endif
