#include "input.h"
#include "end.h"
#include "frames.h"
#include "sys.h"

void read_stdin(struct mux *mux)
{
	long got = sys_read(STDIN, mux->input + mux->input_end, sizeof mux->input - mux->input_end);
	if (got == -EINTR || got == -EAGAIN)
		return;
	if (got < 0 && got != -ECONNRESET)
		fail_stream("cannot read stdin", -got);
	if (got <= 0) {
		if (mux->input_end || mux->data_left)
			fail_broken("it ended in the middle of a frame");
		end_stream(mux);
	}
	mux->input_end += (u32)got;
	take_input(mux);
}
