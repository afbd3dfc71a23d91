/* stdin and stdout.
 *
 * They may be shared with others, such as a shell that goes on after us, so they are not made
 * non-blocking: who is killed cannot undo it. */
#ifndef RSYSCALL_MUX_STREAM_H
#define RSYSCALL_MUX_STREAM_H

#include "state.h"

/* Ends the children, and this process. */
__attribute__((noreturn)) void end_stream(int status);

/* The same with a message, by a kernel that refuses something. */
__attribute__((noreturn)) void fail_stream(const char *what, const char *subject, long error);

/* Ends the stream when what comes cannot be from a near side that is right. */
__attribute__((noreturn)) void broken(const char *why);

/* Bytes that can still be put into the output. */
static inline u32 room(const struct mux *mux)
{
	return (u32)sizeof mux->output - mux->output_end;
}

/* Puts the header of a frame into the output, in which there is room for it. */
void put_header(struct mux *mux, u32 id, enum frame_type type, u32 size);

/* Reads what there is, and takes it. */
void read_stdin(struct mux *mux);

/* Writes of the output what can be written without waiting. */
void write_stdout(struct mux *mux);

#endif
