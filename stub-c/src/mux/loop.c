/* Channels over stdin and stdout: docs/protocol.md, "The multiplexed stream".
 *
 * Nothing here blocks but the one poll of the loop. */
#include "mux.h"
#include "channels.h"
#include "children.h"
#include "ending.h"
#include "kernel.h"
#include "mapping.h"
#include "owing.h"
#include "rsyscall/descriptors.h"
#include "rsyscall/server.h"
#include "sockets.h"
#include "stream.h"
#include "watches.h"

#define SIGPIPE 13
#define RLIMIT_NOFILE 7
#define POLLERR 8
#define POLLNVAL 32

/* How long a credit waits for something else to go out with it: through ssh each write is a packet. */
#define CREDIT_DELAY 1000000

static void ignore_sigpipe(void)
{
	u64 action[4] = {SIG_IGN, 0, 0, 0};
	syscall6(SYS_rt_sigaction, SIGPIPE, (long)action, 0, sizeof(u64), 0, 0);
}

/* What was inherited belongs to the server process, which may want to close it, and leave where it is. */
static int let_go(int server)
{
	u64 limits[2];
	if (server != 3) {
		syscall6(SYS_dup3, server, 3, O_CLOEXEC, 0, 0, 0);
		server = 3;
	}
	rsyscall_close_range(4, ~0u);
	syscall6(SYS_chdir, (long)"/", 0, 0, 0, 0, 0);
	if (syscall6(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)limits, 0, 0) == 0) {
		limits[0] = limits[1];
		syscall6(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)limits, 0, 0, 0);
	}
	return server;
}

void run_mux(int server, i32 pid)
{
	int has_news_of_child = 1;
	u64 mask = watch_children(pid);
	ignore_sigpipe();
	server = let_go(server);
	struct mux *mux = map(sizeof *mux);
	if (!mux)
		fail_stream("no memory is left", 0, 0);
	make_watches(mux);
	mux->has_child = mux->stdout_is_socket = mux->stdout_may_nowait = mux->owes_only_credit = 1;
	struct channel *first = add_channel(mux, 0);
	first->fd = server;
	update_watches(mux, first);

	for (;;) {
		if (has_news_of_child)
			mux->has_child = reap_children();
		/* A credit goes with whatever else does. */
		int waits = mux->owing && mux->owes_only_credit && !mux->output_end;
		if (!waits)
			say_what_is_owed(mux);
		write_stdout(mux);
		int is_writing = mux->output_end > 0;
		if (!mux->has_child && !mux->channel_count && !is_writing)
			end_stream(0);

		struct pollfd polls[] = {
			{0, POLLIN, 0},
			{1, is_writing ? POLLOUT : 0, 0},
			{mux->writers, POLLIN, 0},
			/* Sockets are read when all has gone out that was read before. */
			{is_writing ? -1 : mux->readers, POLLIN, 0},
		};
		struct timespec delay = {0, waits ? CREDIT_DELAY : 0};
		struct timespec *timeout = waits || (mux->owing && !is_writing) ? &delay : 0;
		long ready = syscall6(SYS_ppoll, (long)polls, 4, (long)timeout, (long)&mask, sizeof mask, 0);
		has_news_of_child = ready == -EINTR;
		if (ready == 0)
			mux->owes_only_credit = 0;
		if (ready <= 0)
			continue;
		if (polls[1].revents & (POLLERR | POLLHUP | POLLNVAL))
			end_stream(0);
		if (polls[2].revents)
			handle_ready(mux, mux->writers, 64, write_channel);
		if (polls[3].revents)
			handle_ready(mux, mux->readers, TURNS, read_channel);
		if (polls[0].revents)
			read_stdin(mux);
	}
}
