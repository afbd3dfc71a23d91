/* Nothing here blocks, except the one poll of the loop. */
#include "mux.h"
#include "channels.h"
#include "children.h"
#include "end.h"
#include "flush.h"
#include "input.h"
#include "mapping.h"
#include "output.h"
#include "rsyscall/descriptors.h"
#include "sockets.h"
#include "watches.h"

/* Nanoseconds for which CREDIT waits for other output to go with it: through ssh each write is a packet. */
#define CREDIT_DELAY 1000000

#define SERVER_FD (STDERR + 1)

/* Gives up what was inherited: descriptors and the working directory. They belong to the server process, which may want
 * to close or unmount them. Returns the descriptor of the server's socket. */
static int release_inherited(int server)
{
	struct rlimit limit;
	if (server != SERVER_FD)
		sys_dup3(server, SERVER_FD, O_CLOEXEC);
	rsyscall_close_range(SERVER_FD + 1, ~0u);
	sys_chdir("/");
	/* Each channel needs a descriptor. */
	if (sys_getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.current = limit.maximum;
		sys_setrlimit(RLIMIT_NOFILE, &limit);
	}
	return SERVER_FD;
}

void run_mux(int server, i32 pid)
{
	int has_news_of_child = 1;
	u64 mask = watch_children(pid);
	set_disposition(SIGPIPE, SIG_IGN);
	server = release_inherited(server);
	struct mux *mux = map(sizeof *mux);
	if (!mux)
		fail_stream("cannot allocate memory", 0);
	make_watches(mux);
	mux->has_child = mux->stdout_is_socket = mux->stdout_may_nowait = mux->only_credit = 1;
	struct channel *first = add_channel(mux, 0);
	first->fd = server;
	update_watches(mux, first);

	for (;;) {
		if (has_news_of_child)
			mux->has_child = reap_children();
		/* CREDIT waits for other output. */
		int waits = mux->queue && mux->only_credit && !mux->output_end;
		if (!waits)
			flush_queue(mux);
		write_stdout(mux);
		int is_writing = mux->output_end > 0;
		if (!mux->has_child && !mux->channel_count && !is_writing)
			end_stream(mux);

		struct pollfd polls[] = {
			{STDIN, POLLIN, 0},
			{STDOUT, is_writing ? POLLOUT : 0, 0},
			{mux->writers, POLLIN, 0},
			/* Sockets are read when all that was read before is written. */
			{is_writing ? -1 : mux->readers, POLLIN, 0},
		};
		struct timespec delay = {0, waits ? CREDIT_DELAY : 0};
		struct timespec *timeout = waits || (mux->queue && !is_writing) ? &delay : 0;
		long ready = sys_ppoll(polls, sizeof polls / sizeof polls[0], timeout, &mask);
		has_news_of_child = ready == -EINTR;
		if (ready == 0)
			mux->only_credit = 0;
		if (ready <= 0)
			continue;
		if (polls[1].revents & (POLLERR | POLLHUP | POLLNVAL))
			end_stream(mux);
		if (polls[2].revents)
			handle_ready(mux, mux->writers, READY_AT_MOST, write_channel);
		if (polls[3].revents)
			handle_ready(mux, mux->readers, TURNS, read_channel);
		if (polls[0].revents)
			read_stdin(mux);
	}
}
