/* The frames that go over stdin and stdout: docs/protocol.md, "The multiplexed stream". */
#ifndef RSYSCALL_MUX_FRAME_H
#define RSYSCALL_MUX_FRAME_H

#include "rsyscall/protocol.h"

enum frame_type { DATA = 1, END, CREDIT, CLOSE, OPEN };

#define HEADER_SIZE 8
#define PAYLOAD_AT_MOST 65536
/* Tests have a smaller one, so that few frames fill it. */
#ifndef WINDOW
#define WINDOW (4u << 20)
#endif
#define MESSAGE_AT_MOST 4096
#define FDS_AT_MOST 32

/* The second word of a header: type << TYPE_SHIFT | bytes of the payload */
#define TYPE_SHIFT 24
#define SIZE_MASK 0xffffff

struct header {
	u32 channel;
	u32 word;
};

struct open_payload {
	u32 first;
	u32 count;
	u8 message[];
};

/* Frames other than DATA are handled only when all of their bytes have arrived. */
#define FRAME_AT_MOST (HEADER_SIZE + sizeof(struct open_payload) + MESSAGE_AT_MOST)

_Static_assert(sizeof(struct header) == HEADER_SIZE, "header");

#endif
