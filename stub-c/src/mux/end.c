#include "end.h"
#include "children.h"
#include "ending.h"
#include "sys.h"

void end_stream(const struct mux *mux)
{
	end_children(!mux->is_left);
	sys_exit_group(0);
}

void fail_stream(const char *what, long error)
{
	end_children(1);
	fail_with(STATUS_FAILED, what, 0, error);
}

void fail_broken(const char *why)
{
	end_children(1);
	fail_with(STATUS_FAILED, "the stream is broken:", why, 0);
}
