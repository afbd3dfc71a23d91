/* Frames for stdout.
 *
 * stdin and stdout may be shared with other programs, such as a shell that continues afterwards. So they are not made
 * non-blocking: a process that is killed could not undo that. */
#ifndef RSYSCALL_MUX_OUTPUT_H
#define RSYSCALL_MUX_OUTPUT_H

#include "state.h"

/* Bytes that still fit into the output. */
static inline u32 output_room(const struct mux *mux)
{
	return (u32)sizeof mux->output - mux->output_end;
}

/* Where the payload of the next frame is to be put. */
static inline u8 *next_payload(struct mux *mux)
{
	return mux->output + mux->output_end + HEADER_SIZE;
}

/* Puts a frame into the output, which has room for it. Its payload is at next_payload already. */
void put_frame(struct mux *mux, u32 id, enum frame_type type, u32 size);

/* Writes as much of the output as possible without waiting. */
void write_stdout(struct mux *mux);

#endif
