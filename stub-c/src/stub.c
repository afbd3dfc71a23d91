/* The stub: launched by a program that knows nothing of us, under any name, it hands its process
 * over to the server whose socket lies beside that name. */
#include "arena.h"
#include "connect.h"
#include "ending.h"
#include "hello.h"
#include "kernel.h"
#include "rsyscall/server.h"

#define AT_NULL 0
#define AT_PAGESZ 6
#define AT_EXECFN 31

/* start: what the kernel left on the stack, which is argc, argv, 0, environment, 0, and the
 * auxiliary vector of pairs. */
__attribute__((noreturn, used)) void rsyscall_stub_main(u64 *start)
{
	struct launch launch = {.argv = (char **)(start + 1), .page_size = 4096};
	launch.environment = launch.argv + start[0] + 1;
	char **end = launch.environment;
	while (*end)
		end++;
	for (u64 *aux = (u64 *)(end + 1); aux[0] != AT_NULL; aux += 2) {
		if (aux[0] == AT_PAGESZ)
			launch.page_size = (u32)aux[1];
		if (aux[0] == AT_EXECFN)
			launch.execfn = (const char *)aux[1];
	}

	const char *name = environment_value(launch.environment, "RSYSCALL_UNIX_STUB_ARGV0=");
	if (name || launch.argv[0])
		name_program(name ? name : launch.argv[0]);

	struct control_fds fds;
	fds.handshake = connect_to_server(launch.execfn, launch.environment);
	/* Reserved now, so that the server knows the numbers without another round trip. */
	fds.syscall = set_aside(fds.handshake);
	fds.data = set_aside(fds.handshake);
	fds.connection = set_aside(fds.handshake);
	fds.lifeline = set_aside(fds.handshake);
	struct arena arena = make_arena();
	say_hello(&fds, &launch, &arena);
	int has_ring = await_welcome(&fds);
	if (!has_ring)
		drop_arena(&arena);
	watch_lifeline(fds.lifeline);

	long error = has_ring ? -rsyscall_serve_ring(fds.syscall, arena.start)
			      : -rsyscall_server(fds.syscall, fds.syscall);
	fail(CONTROLLER_GONE, 0, error);
}
