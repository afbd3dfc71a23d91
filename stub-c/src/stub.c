/* The stub: launched by a program that knows nothing of us, under any name, it hands its process
 * over to the server whose socket lies beside that name. */
#include "connect.h"
#include "ending.h"
#include "patience.h"
#include "serve.h"
#include "start.h"

void run(const struct launch *launch)
{
	const char *name = environment_value(launch->environment, "RSYSCALL_UNIX_STUB_ARGV0=");
	name_program("stub");
	if (name || launch->argv[0])
		name_program(name ? name : launch->argv[0]);
	limit_patience(environment_value(launch->environment, "RSYSCALL_UNIX_STUB_TIMEOUT="));
	serve_on(connect_to_server(launch), launch, 1);
}
