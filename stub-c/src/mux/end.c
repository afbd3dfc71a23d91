#include "end.h"
#include "children.h"
#include "ending.h"
#include "sys.h"

void end_stream(int status)
{
	end_children();
	sys_exit_group(status);
}

void fail_stream(const char *what, long error)
{
	end_children();
	fail_with(STATUS_FAILED, what, 0, error);
}

void fail_broken(const char *why)
{
	end_children();
	fail_with(STATUS_FAILED, "the stream is broken:", why, 0);
}
