/* What goes over stdin and stdout: docs/protocol.md, "The multiplexed stream". */
#ifndef RSYSCALL_MUX_FRAME_H
#define RSYSCALL_MUX_FRAME_H

#include "rsyscall/protocol.h"

enum frame_type { DATA = 1, END, CREDIT, CLOSE, OPEN };

#define HEADER_SIZE 8
#define PAYLOAD_AT_MOST 65536
#define WINDOW (1u << 20)
#define MESSAGE_AT_MOST 4096
#define FDS_AT_MOST 32

struct header {
	u32 channel;
	u32 word; /* type << 24 | size of the payload */
};

struct open_payload {
	u32 first;
	u32 count;
	u8 message[];
};

/* Frames that must be here as a whole before they are looked at: all but DATA. */
#define FRAME_AT_MOST (HEADER_SIZE + sizeof(struct open_payload) + MESSAGE_AT_MOST)

#endif
