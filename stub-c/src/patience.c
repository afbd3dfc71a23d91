/* How long a stub waits for a server that does not answer. A caller that runs in the thread of the server
 * itself (spawnSync, execFileSync) would wait for ever otherwise, without a word. */
#include "patience.h"
#include "ending.h"
#include "kernel.h"
#include "text.h"

#define LIMIT 60000        /* milliseconds, unless the caller or the server says otherwise */
#define NOTICE_AT_MOST 5000
#define FIRST_LOOK 500     /* most servers answer at once: what the limit is need not be known before */
#define LIMIT_AT_MOST 1000000000l

enum stage { NO_LIMIT, BEFORE_FIRST_LOOK, BEFORE_NOTICE, BEFORE_LIMIT };

static enum stage stage = NO_LIMIT;
static struct timespec left;
static i64 limit; /* milliseconds; 0: for ever */
static const char *asked_for;
static char socket_path[4096];

static void set_left(i64 milliseconds)
{
	if (milliseconds < 0)
		milliseconds = 0;
	left.seconds = milliseconds / 1000;
	left.nanoseconds = milliseconds % 1000 * 1000000;
}

void limit_patience(const char *variable)
{
	asked_for = variable;
	stage = BEFORE_FIRST_LOOK;
	set_left(FIRST_LOOK);
}

void name_server(const char *path)
{
	socket_path[0] = 0;
	append(socket_path, sizeof socket_path, path);
}

int is_limited(void)
{
	return stage != NO_LIMIT;
}

void time_left(i64 *seconds, i64 *nanoseconds)
{
	*seconds = left.seconds;
	*nanoseconds = left.nanoseconds;
}

/* Milliseconds of a number of seconds; -1 if it is none. */
static i64 parse(const char *text)
{
	i64 seconds = 0;
	if (!text || !*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		seconds = seconds * 10 + (*text - '0');
		if (seconds > LIMIT_AT_MOST)
			seconds = LIMIT_AT_MOST;
	}
	return seconds * 1000;
}

/* What the server has left beside its socket: a link whose text is the number. */
static i64 limit_of_server(void)
{
	char path[sizeof socket_path + sizeof ".timeout"];
	char text[16];
	path[0] = 0;
	append(path, sizeof path, socket_path);
	append(path, sizeof path, ".timeout");
	long length = syscall6(SYS_readlinkat, AT_FDCWD, (long)path, (long)text, sizeof text - 1, 0, 0);
	text[length > 0 ? length : 0] = 0;
	return parse(text);
}

static i64 notice(void)
{
	return limit && limit / 2 < NOTICE_AT_MOST ? limit / 2 : NOTICE_AT_MOST;
}

void run_out_of_time(void)
{
	switch (stage) {
	case BEFORE_FIRST_LOOK:
		limit = parse(asked_for);
		if (limit < 0)
			limit = limit_of_server();
		if (limit < 0)
			limit = LIMIT;
		stage = BEFORE_NOTICE;
		set_left(notice() - FIRST_LOOK);
		break;
	case BEFORE_NOTICE:
		say("waiting for the server, whose event loop may be blocked, as by spawnSync or execFileSync "
		    "in its own thread (then serve from a worker thread), at",
		    socket_path, 0);
		stage = limit ? BEFORE_LIMIT : NO_LIMIT;
		set_left(limit - notice());
		break;
	default: {
		char what[128] = "the server did not answer within ";
		append_number(what, sizeof what, (u64)limit / 1000);
		append(what, sizeof what, " s (RSYSCALL_UNIX_STUB_TIMEOUT):");
		fail(what, socket_path, 0);
	}
	}
}

void await(int fd, short events)
{
	for (;;) {
		struct pollfd poll = {fd, events, 0};
		/* The kernel takes off what has passed. */
		long result = sys_ppoll(&poll, 1, is_limited() ? &left : 0);
		if (result == 0)
			run_out_of_time();
		else if (result != -EINTR)
			return;
	}
}
