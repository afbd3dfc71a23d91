/* The stub: a program that does not know of us executes it under any name, and it hands its process over to the server
 * whose socket lies beside that name. */
#include "connect.h"
#include "deadline.h"
#include "ending.h"
#include "serve.h"
#include "start.h"

void run(const struct launch *launch)
{
	const char *name = environment_value(launch->environment, "RSYSCALL_UNIX_STUB_ARGV0=");
	set_program_name("stub");
	if (name || launch->argv[0])
		set_program_name(name ? name : launch->argv[0]);
	start_deadline(environment_value(launch->environment, "RSYSCALL_UNIX_STUB_TIMEOUT="));
	serve_on(connect_to_server(launch), launch, 1, ALL_ANSWERS);
}
