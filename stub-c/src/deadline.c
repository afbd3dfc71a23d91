#include "deadline.h"
#include "ending.h"
#include "sys.h"
#include "text.h"

/* In milliseconds */
#define DEFAULT_LIMIT 60000
#define NOTICE_AFTER_AT_MOST 5000
#define FIRST_WAIT 500 /* most servers answer within this time, and the limit need not be looked up */

#define SECONDS_AT_MOST 1000000000l
#define TIMEOUT_SUFFIX ".timeout"

enum stage { NO_LIMIT, FIRST, BEFORE_NOTICE, BEFORE_LIMIT };

static enum stage stage = NO_LIMIT;
static struct timespec left;
static i64 limit; /* milliseconds; 0: forever */
static const char *requested;
static char server_path[PATH_MAX];

static void set_left(i64 milliseconds)
{
	if (milliseconds < 0)
		milliseconds = 0;
	left.seconds = milliseconds / 1000;
	left.nanoseconds = milliseconds % 1000 * 1000000;
}

void start_deadline(const char *variable)
{
	requested = variable;
	stage = FIRST;
	set_left(FIRST_WAIT);
}

void lift_deadline(void)
{
	stage = NO_LIMIT;
}

void set_server_path(const char *path)
{
	server_path[0] = 0;
	append(server_path, sizeof server_path, path);
}

int has_deadline(void)
{
	return stage != NO_LIMIT;
}

struct timespec time_left(void)
{
	return left;
}

/* The milliseconds of a decimal number of seconds; -1 if the text is not one. */
static i64 parse_seconds(const char *text)
{
	i64 seconds = 0;
	if (!text || !*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		seconds = seconds * 10 + (*text - '0');
		if (seconds > SECONDS_AT_MOST)
			seconds = SECONDS_AT_MOST;
	}
	return seconds * 1000;
}

/* The server's own limit: a link beside its socket, whose text is the number of seconds. */
static i64 limit_of_server(void)
{
	char path[sizeof server_path + sizeof TIMEOUT_SUFFIX];
	char text[16];
	path[0] = 0;
	append(path, sizeof path, server_path);
	append(path, sizeof path, TIMEOUT_SUFFIX);
	long length = sys_readlink(path, text, sizeof text - 1);
	text[length > 0 ? length : 0] = 0;
	return parse_seconds(text);
}

static i64 notice_after(void)
{
	return limit && limit / 2 < NOTICE_AFTER_AT_MOST ? limit / 2 : NOTICE_AFTER_AT_MOST;
}

void time_passed(void)
{
	switch (stage) {
	case FIRST:
		limit = parse_seconds(requested);
		if (limit < 0)
			limit = limit_of_server();
		if (limit < 0)
			limit = DEFAULT_LIMIT;
		stage = BEFORE_NOTICE;
		set_left(notice_after() - FIRST_WAIT);
		break;
	case BEFORE_NOTICE:
		print_error(
			"waiting for the server, whose event loop may be blocked, as by spawnSync or execFileSync "
			"in its own thread (then serve from a worker thread), at",
			server_path, 0);
		stage = limit ? BEFORE_LIMIT : NO_LIMIT;
		set_left(limit - notice_after());
		break;
	default: {
		char what[128] = "the server did not answer within ";
		append_number(what, sizeof what, (u64)limit / 1000);
		append(what, sizeof what, " s (RSYSCALL_UNIX_STUB_TIMEOUT):");
		fail(what, server_path, 0);
	}
	}
}

void wait_for_event(int fd, short events)
{
	for (;;) {
		struct pollfd poll = {fd, events, 0};
		/* The kernel subtracts the time that has passed. */
		long result = sys_ppoll(&poll, 1, has_deadline() ? &left : 0, 0);
		if (result == 0)
			time_passed();
		else if (result != -EINTR)
			return;
	}
}
