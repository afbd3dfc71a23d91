/* The whole of src/mux on a fake kernel. A script decides what the near side sends, what the processes at the other ends
 * of the sockets do, and which calls fail. The kernel checks that each call is a right one; a model of the near side
 * checks each frame: docs/protocol.md, "The multiplexed stream". */
#include "mux/mux.h"
#include "mux/state.h"
#include "test.h"

#define FDS 128
#define IDS 16
#define MAPS 512
#define SERVER 1234 /* its pid */
#define STREAM_SIZE (2u << 20)

enum kind { FREE, STDIO, EPOLL, SOCKET };

/* One end of a socket pair. `peer` is played by the script when its end was sent away, or is the server's. */
struct file {
	enum kind kind;
	int epoll[2]; /* sockets: registered in readers and writers */
	u32 events[2];
	u64 data[2];
	u32 unread; /* bytes from the peer that were not read */
	u32 room;   /* bytes that the peer's queue still takes */
	u32 queued; /* bytes in the peer's queue */
	int no_read, no_write, reset;
	int has_hung_up; /* the other end has closed */
	int peer;        /* its descriptor as long as that is here, or -1 */
	int is_away;     /* the other end belongs to a process */
	u32 stream;      /* names the bytes, both ways */
	u64 got, sent;   /* bytes from the peer that were read; bytes that were written to it */
};

/* What the near side knows of a channel. */
struct near {
	int is_open, sent_end, got_end, sent_close;
	int is_crossing; /* over by END both ways; CREDIT or CLOSE may have crossed its own END */
	u64 end_at;      /* where its END ends on stdin */
	u32 credit;      /* bytes that it may send */
	u32 granted;     /* bytes that it may still get */
	u32 owed;        /* bytes that it got and gave no credit for */
	u32 stream;
	u64 sent, got;
};

static struct world {
	struct script script;
	struct file files[FDS];
	struct near near[IDS];
	u32 streams;
	int epolls[2];
	int is_wild;     /* the near side has sent something that it may not */
	int is_draining; /* the script has ended: all processes read what there is */
	int polls;
	int child_has_ended, was_reaped, has_news;
	u32 fails; /* so many calls of the kind that may fail */
	int has_failed;
	u8 *input;
	u32 input_start, input_end, read_at_most;
	u64 total_sent, total_read;
	int input_has_ended;
	u8 *output;
	u32 output_end;
	u32 stdout_room;
	int stdout_kind, stdout_is_gone;
	jmp_buf exit;
	int status;
	char message[1024]; /* on stderr */
	void *maps[MAPS];
	u64 map_sizes[MAPS];
} world;

static u32 minimum(u32 a, u32 b)
{
	return a < b ? a : b;
}

/* ---- The near side ---- */

static void send_bytes(const void *bytes, u32 length)
{
	check(world.input_end + length <= STREAM_SIZE);
	memcpy(world.input + world.input_end, bytes, length);
	world.input_end += length;
	world.total_sent += length;
}

static int may_send(u32 length)
{
	return world.input_end + length + 64 <= STREAM_SIZE;
}

static void send_header(u32 id, u32 type, u32 size)
{
	u32 header[] = {id, type << TYPE_SHIFT | size};
	send_bytes(header, sizeof header);
}

static void send_pattern(struct near *near, u32 length)
{
	for (u32 i = 0; i < length; i++)
		world.input[world.input_end++] = pattern(near->stream, near->sent++);
	world.total_sent += length;
}

static void send_data(u32 id, u32 size)
{
	struct near *near = &world.near[id];
	size = minimum(minimum(size, near->credit), PAYLOAD_AT_MOST);
	if (!near->is_open || near->sent_end || near->sent_close || !size || !may_send(size))
		return;
	send_header(id, DATA, size);
	send_pattern(near, size);
	near->credit -= size;
}

static void send_end(u32 id)
{
	struct near *near = &world.near[id];
	if (!near->is_open || near->sent_end || near->sent_close)
		return;
	send_header(id, END, 0);
	near->sent_end = 1;
	near->end_at = world.total_sent;
	if (near->got_end) {
		near->is_open = 0;
		near->is_crossing = 1;
	}
}

static void send_close(u32 id)
{
	struct near *near = &world.near[id];
	if (!near->is_open || near->sent_close)
		return;
	send_header(id, CLOSE, 0);
	near->sent_close = 1;
}

static void send_credit(u32 id, u32 credit)
{
	struct near *near = &world.near[id];
	credit = minimum(credit, near->owed);
	if (!near->is_open || near->sent_close || !credit)
		return;
	send_header(id, CREDIT, sizeof credit);
	send_bytes(&credit, sizeof credit);
	near->owed -= credit;
	near->granted += credit;
}

static void open_near(u32 id)
{
	world.near[id] = (struct near){.is_open = 1, .credit = WINDOW, .granted = WINDOW, .stream = ++world.streams};
}

static void send_open(u32 through, u32 first, u32 count, u32 size)
{
	struct near *near = &world.near[through];
	u32 fixed[] = {first, count};
	size = minimum(size, MESSAGE_AT_MOST);
	if (!near->is_open || near->sent_end || near->sent_close || near->credit < WINDOW || !size || !may_send(size) ||
	    first + count > IDS)
		return;
	for (u32 i = first; i < first + count; i++)
		if (world.near[i].is_open || world.near[i].is_crossing)
			return;
	send_header(through, OPEN, (u32)sizeof fixed + size);
	send_bytes(fixed, sizeof fixed);
	send_pattern(near, size);
	for (u32 i = first; i < first + count; i++)
		open_near(i);
}

static void get_data(struct near *near, const u8 *bytes, u32 size)
{
	check(!near->got_end && size >= 1 && size <= PAYLOAD_AT_MOST && size <= near->granted);
	near->granted -= size;
	near->owed += size;
	for (u32 i = 0; i < size; i++)
		check(bytes[i] == pattern(~near->stream, near->got++));
}

static void get_frame(u32 id, u32 type, const u8 *payload, u32 size)
{
	check(id < IDS);
	struct near *near = &world.near[id];
	u32 credit;
	if (near->is_crossing && (type == CREDIT || type == CLOSE))
		return;
	check(near->is_open);
	switch (type) {
	case DATA:
		get_data(near, payload, size);
		return;
	case CREDIT:
		check(size == sizeof credit);
		memcpy(&credit, payload, sizeof credit);
		check(credit && near->credit + credit <= WINDOW);
		near->credit += credit;
		return;
	case END:
		check(size == 0 && !near->got_end);
		near->got_end = 1;
		if (near->sent_end) {
			near->is_open = 0;
			near->is_crossing = 1;
		}
		return;
	case CLOSE:
		check(size == 0);
		near->is_open = 0;
		return;
	default:
		check(0 && type);
	}
}

/* Bytes on stdout. */
static void get_output(const u8 *bytes, u32 length)
{
	if (world.is_wild)
		return;
	check(world.output_end + length <= STREAM_SIZE);
	memcpy(world.output + world.output_end, bytes, length);
	world.output_end += length;
	u32 at = 0, header[2];
	while (at + sizeof header <= world.output_end) {
		memcpy(header, world.output + at, sizeof header);
		u32 size = header[1] & SIZE_MASK;
		if (at + sizeof header + size > world.output_end)
			break;
		get_frame(header[0], header[1] >> TYPE_SHIFT, world.output + at + sizeof header, size);
		at += (u32)sizeof header + size;
	}
	memmove(world.output, world.output + at, world.output_end - at);
	world.output_end -= at;
}

/* ---- Descriptors ---- */

static int new_file(enum kind kind)
{
	for (int fd = 3; fd < FDS; fd++)
		if (world.files[fd].kind == FREE) {
			world.files[fd] = (struct file){.kind = kind, .epoll = {-1, -1}, .peer = -1};
			return fd;
		}
	return -EMFILE;
}

static struct file *file_of(int fd)
{
	check(fd >= 0 && fd < FDS && world.files[fd].kind != FREE);
	return &world.files[fd];
}

static struct file *socket_of(int fd)
{
	struct file *file = file_of(fd);
	check(file->kind == SOCKET);
	return file;
}

/* The other end closes. */
static void hang_up(struct file *file)
{
	if (file->queued)
		file->reset = 1;
	file->no_read = file->no_write = file->has_hung_up = 1;
	file->queued = 0;
}

static u32 events_of(int fd)
{
	struct file *file = file_of(fd);
	u32 events = 0;
	if (fd == STDIN)
		return world.input_start < world.input_end || world.input_has_ended ? POLLIN : 0;
	if (fd == STDOUT)
		return world.stdout_is_gone ? POLLERR : world.stdout_room ? POLLOUT : 0;
	if (fd == STDERR)
		return POLLOUT;
	if (file->kind == EPOLL) {
		for (int i = 3; i < FDS; i++) {
			struct file *other = &world.files[i];
			int which = fd == world.epolls[1];
			if (other->kind == SOCKET && other->epoll[which] == fd &&
			    events_of(i) & (other->events[which] | POLLHUP | POLLERR))
				return POLLIN;
		}
		return 0;
	}
	if (file->kind != SOCKET)
		return 0;
	if (file->unread || file->no_read || file->reset)
		events |= POLLIN;
	if (file->room || file->no_write)
		events |= POLLOUT;
	if (file->no_read && file->no_write)
		events |= POLLHUP;
	if (file->reset)
		events |= POLLERR;
	return events;
}

static int fails(void)
{
	if (!world.fails)
		return 0;
	world.fails--;
	world.has_failed = 1;
	return 1;
}

/* The channel that a socket belongs to, or belonged to last. */
static struct near *near_of(const struct file *file)
{
	for (u32 id = 0; id < IDS; id++)
		if (file->stream && world.near[id].stream == file->stream)
			return &world.near[id];
	return 0;
}

static long do_close(int fd)
{
	struct file *file = file_of(fd);
	check(fd > STDERR && file->kind == SOCKET);
	/* Nothing of what the near side has sent is lost, unless it cannot be written. */
	struct near *near = near_of(file);
	if (near && !world.is_wild && !world.has_failed && !file->has_hung_up)
		check(file->sent == near->sent);
	if (file->peer >= 0)
		hang_up(&world.files[file->peer]), world.files[file->peer].peer = -1;
	file->kind = FREE;
	return 0;
}

static long do_socketpair(i32 *fds)
{
	if (fails())
		return -EMFILE;
	int a = new_file(SOCKET), b = a < 0 ? a : new_file(SOCKET);
	if (b < 0) {
		if (a >= 0)
			world.files[a].kind = FREE;
		return b;
	}
	world.files[a].peer = b;
	world.files[b].peer = a;
	world.files[a].room = world.files[b].room = 4096;
	fds[0] = a;
	fds[1] = b;
	return 0;
}

static void write_bytes(struct file *file, const u8 *bytes, u32 length)
{
	for (u32 i = 0; i < length; i++, file->sent++)
		check(world.is_wild || bytes[i] == pattern(file->stream, file->sent));
	file->room -= length;
	file->queued += length;
	if (world.is_draining) {
		file->room += file->queued;
		file->queued = 0;
	}
}

static long do_send(int fd, const u8 *bytes, u64 length, long flags)
{
	struct file *file = socket_of(fd);
	check(flags == (MSG_DONTWAIT | MSG_NOSIGNAL) && length);
	if (file->no_write)
		return -EPIPE;
	if (!file->room)
		return -EAGAIN;
	u32 part = minimum(file->room, (u32)length);
	write_bytes(file, bytes, part);
	return part;
}

static long do_sendmsg(int fd, const struct msghdr *message, long flags)
{
	const struct cmsghdr *header = message->control;
	if (header && fails())
		return -ETOOMANYREFS;
	long sent = do_send(fd, message->iov->base, message->iov->length, flags);
	if (!header || sent < 0)
		return sent;
	check(header->level == SOL_SOCKET && header->type == SCM_RIGHTS && header->length > sizeof *header);
	check(message->control_length >= header->length);
	u64 count = (header->length - sizeof *header) / sizeof(i32);
	for (u64 i = 0; i < count; i++) {
		i32 passed;
		memcpy(&passed, (const u8 *)(header + 1) + i * sizeof passed, sizeof passed);
		struct file *file = socket_of(passed);
		/* Our end was closed while the message waited: the receiver sees a hang-up. */
		if (file->peer < 0)
			continue;
		world.files[file->peer].is_away = 1;
		/* The duplicate that was sent keeps the pair open. */
		world.files[file->peer].peer = -1;
		file->peer = -1;
	}
	return sent;
}

static long do_recv(int fd, u8 *to, u64 length, long flags)
{
	struct file *file = socket_of(fd);
	check(flags == MSG_DONTWAIT && length);
	u32 part = minimum(file->unread, (u32)length);
	for (u32 i = 0; i < part; i++)
		to[i] = pattern(~file->stream, file->got++);
	file->unread -= part;
	if (part)
		return part;
	if (file->reset) {
		file->reset = 0;
		return -ECONNRESET;
	}
	return file->no_read ? 0 : -EAGAIN;
}

static long do_epoll_ctl(int epoll, long operation, int fd, const struct epoll_event *event)
{
	struct file *file = socket_of(fd);
	int which = epoll == world.epolls[1];
	check(epoll == world.epolls[which]);
	check((file->epoll[which] == epoll) == (operation != EPOLL_CTL_ADD));
	if (operation != EPOLL_CTL_DEL && fails())
		return -ENOMEM;
	file->epoll[which] = operation == EPOLL_CTL_DEL ? -1 : epoll;
	if (!file->stream) {
		/* A new channel. */
		u32 id = ((struct mux *)world.maps[0])->channels[event->words[EPOLL_DATA]].id;
		file->stream = id < IDS ? world.near[id].stream : ~0u >> 1;
	}
	if (operation == EPOLL_CTL_DEL)
		return 0;
	file->events[which] = event->events;
	memcpy(&file->data[which], &event->words[EPOLL_DATA], sizeof file->data[which]);
	return 0;
}

static long do_epoll_wait(int epoll, struct epoll_event *events, long most)
{
	static int turn;
	int which = epoll == world.epolls[1];
	long count = 0;
	check(epoll == world.epolls[which]);
	for (int i = 0; i < FDS && count < most; i++) {
		int fd = (turn + i) % FDS;
		struct file *file = &world.files[fd];
		if (file->kind != SOCKET || file->epoll[which] != epoll)
			continue;
		u32 ready = events_of(fd) & (file->events[which] | POLLHUP | POLLERR);
		if (!ready)
			continue;
		events[count].events = ready;
		memcpy(&events[count].words[EPOLL_DATA], &file->data[which], sizeof file->data[which]);
		if (++count == most)
			turn = fd + 1;
	}
	return count;
}

/* ---- What the script does ---- */

/* A socket whose other end a process has. */
static struct file *pick_socket(u32 choice)
{
	u32 count = 0;
	for (int fd = 3; fd < FDS; fd++)
		count += world.files[fd].kind == SOCKET && world.files[fd].is_away;
	if (!count)
		return 0;
	choice %= count;
	for (int fd = 3; fd < FDS; fd++)
		if (world.files[fd].kind == SOCKET && world.files[fd].is_away && choice-- == 0)
			return &world.files[fd];
	return 0;
}

static void perform_step(struct script *script)
{
	struct file *file;
	u32 code = next_byte(script), size = 0, id = 0;
	switch (code % 16) {
	case 0:
		id = next_byte(script) % IDS, size = next_u16(script);
		send_data(id, size + 1);
		break;
	case 1:
		send_end(next_byte(script) % IDS);
		break;
	case 2:
		id = next_byte(script) % IDS, size = next_u16(script);
		send_credit(id, size << 5);
		break;
	case 3:
		send_close(next_byte(script) % IDS);
		break;
	case 4: {
		u32 through = next_byte(script) % IDS, first = next_byte(script) % IDS, count = next_byte(script) % 4;
		send_open(through, first, count, next_u16(script) % MESSAGE_AT_MOST + 1);
		break;
	}
	case 5:
		/* Any bytes, but mostly frames. */
		if (code >= 0xc0 && may_send(64)) {
			world.is_wild = 1;
			u32 header[] = {next_byte(script), next_byte(script) % 8 << TYPE_SHIFT | next_byte(script)};
			send_bytes(header, sizeof header - (code >> 4 & 1));
			for (u32 rest = code >> 5 & 7; rest; rest--) {
				u32 word = next_byte(script) << (next_byte(script) % 32);
				send_bytes(&word, sizeof word);
			}
		}
		break;
	case 6:
		file = pick_socket(next_byte(script));
		size = next_u16(script);
		if (file && !file->no_read)
			file->unread += size;
		break;
	case 7:
		file = pick_socket(next_byte(script));
		size = next_u16(script);
		if (file && !file->no_write) {
			file->room += minimum(size, file->queued);
			file->queued -= minimum(size, file->queued);
		}
		break;
	case 8:
		file = pick_socket(next_byte(script));
		if (file)
			file->no_read = 1;
		break;
	case 9:
		file = pick_socket(next_byte(script));
		if (file)
			hang_up(file);
		break;
	case 10:
		world.stdout_room += next_u16(script);
		break;
	case 11:
		world.stdout_is_gone = code >> 4 == 15;
		break;
	case 12:
		world.fails = code >> 4;
		break;
	case 13:
		world.has_news = 1;
		world.child_has_ended |= code >> 4 == 15;
		break;
	case 14:
		world.read_at_most = next_u16(script) + 1;
		break;
	default:
		/* Many bytes. */
		id = next_byte(script) % IDS;
		for (u32 i = 0; i <= code >> 6; i++)
			send_data(id, PAYLOAD_AT_MOST);
	}
}

/* Lets all that can go on. Returns 0 when nothing can, and checks that nothing is left to do. */
static int drain(void)
{
	int has_moved = !world.is_draining;
	world.is_draining = 1;
	world.read_at_most = STREAM_SIZE;
	world.stdout_room = 1u << 30;
	world.fails = 0;
	for (int fd = 3; fd < FDS; fd++) {
		struct file *file = &world.files[fd];
		if (file->kind == SOCKET && file->is_away && file->queued && !file->no_write) {
			file->room += file->queued;
			file->queued = 0;
			has_moved = 1;
		}
	}
	return has_moved;
}

static void check_drained(void)
{
	if (world.is_wild)
		return;
	check(world.input_start == world.input_end && !world.output_end);
	for (int fd = 3; fd < FDS; fd++) {
		struct file *file = &world.files[fd];
		if (file->kind != SOCKET || !file->is_away)
			continue;
		/* A socket that is here belongs to a channel. Its bytes may wait for credit, and for nothing else. */
		struct near *near = near_of(file);
		check(near && near->is_open && !near->sent_close);
		check(!file->unread || !near->granted);
		if (!file->no_write)
			check(file->sent == near->sent);
	}
}

static long do_ppoll(struct pollfd *fds, u64 count, const struct timespec *timeout)
{
	long ready = 0;
	int is_loop = count == 4;
	check(++world.polls < 100000);
	if (is_loop) {
		/* If the output is empty, all has been sent that crossed an END. */
		for (u32 id = 0; id < IDS && !fds[1].events; id++)
			if (world.near[id].is_crossing && world.near[id].end_at <= world.total_read)
				world.near[id].is_crossing = 0;
		/* A step at a time, or several. */
		int steps = world.polls % 4 + 1;
		while (!has_ended(&world.script) && steps--)
			perform_step(&world.script);
		if (has_ended(&world.script) && !world.is_draining)
			drain();
		if (world.has_news) {
			world.has_news = 0;
			return -EINTR;
		}
	}
	for (;;) {
		for (u64 i = 0; i < count; i++) {
			u32 wanted = (u32)fds[i].events | POLLHUP | POLLERR;
			fds[i].revents = (short)(fds[i].fd < 0 ? 0 : events_of(fds[i].fd) & wanted);
			ready += fds[i].revents != 0;
		}
		if (ready || timeout || !is_loop || world.input_has_ended)
			return ready;
		/* It would sleep. */
		if (!has_ended(&world.script)) {
			perform_step(&world.script);
		} else if (!drain()) {
			check_drained();
			world.input_has_ended = 1;
		}
	}
}

/* ---- System calls ---- */

static long do_read(int fd, u8 *to, u64 length)
{
	check(fd == STDIN && length);
	u32 part = minimum(minimum(world.input_end - world.input_start, (u32)length), world.read_at_most);
	memcpy(to, world.input + world.input_start, part);
	world.input_start += part;
	world.total_read += part;
	if (world.input_start == world.input_end)
		world.input_start = world.input_end = 0;
	return part || world.input_has_ended ? (long)part : -EAGAIN;
}

static long do_write(const u8 *bytes, u64 length)
{
	if (world.stdout_is_gone)
		return -EPIPE;
	u32 part = minimum((u32)length, world.stdout_room);
	if (!part)
		return -EAGAIN;
	get_output(bytes, part);
	world.stdout_room -= part;
	return part;
}

static long do_mmap(u64 size)
{
	if (world.polls && fails())
		return -ENOMEM;
	for (int i = 0; i < MAPS; i++)
		if (!world.maps[i]) {
			world.maps[i] = calloc(1, size);
			world.map_sizes[i] = size;
			return (long)world.maps[i];
		}
	return -ENOMEM;
}

static long do_munmap(void *start, u64 size)
{
	for (int i = 0; i < MAPS; i++)
		if (world.maps[i] == start) {
			check(world.map_sizes[i] == size);
			free(start);
			world.maps[i] = 0;
			return 0;
		}
	check(0 && start);
	return 0;
}

long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	(void)e, (void)f;
	switch (number) {
	case SYS_read:
		return do_read((int)a, (u8 *)b, (u64)c);
	case SYS_write:
		if (a == STDERR) {
			memcpy(world.message, (void *)b, minimum((u32)c, sizeof world.message - 1));
			return c;
		}
		return world.stdout_kind ? do_write((u8 *)b, (u64)c) : -EINVAL;
	case SYS_pwritev2:
		return world.stdout_kind == 1 ? do_write(((struct iovec *)b)->base, ((struct iovec *)b)->length)
					      : -EOPNOTSUPP;
	case SYS_sendto:
		if (a == STDOUT)
			return world.stdout_kind == 0 ? do_write((u8 *)b, (u64)c) : -ENOTSOCK;
		return do_send((int)a, (u8 *)b, (u64)c, d);
	case SYS_sendmsg:
		return do_sendmsg((int)a, (struct msghdr *)b, c);
	case SYS_recvfrom:
		return do_recv((int)a, (u8 *)b, (u64)c, d);
	case SYS_shutdown:
		if (b == SHUT_RD)
			socket_of((int)a)->no_read = 1;
		else
			socket_of((int)a)->no_write = 1;
		return 0;
	case SYS_socketpair:
		return do_socketpair((i32 *)d);
	case SYS_close:
		return do_close((int)a);
	case SYS_mmap:
		return do_mmap((u64)b);
	case SYS_munmap:
		return do_munmap((void *)a, (u64)b);
	case SYS_epoll_create1:
		world.epolls[world.epolls[0] ? 1 : 0] = new_file(EPOLL);
		return world.epolls[world.epolls[1] ? 1 : 0];
	case SYS_epoll_ctl:
		return do_epoll_ctl((int)a, b, (int)c, (struct epoll_event *)d);
	case SYS_epoll_pwait:
		return do_epoll_wait((int)a, (struct epoll_event *)b, c);
	case SYS_ppoll:
		return do_ppoll((struct pollfd *)a, (u64)b, (struct timespec *)c);
	case SYS_readlinkat:
		return -ENOENT; /* There is no /proc. */
	case SYS_wait4:
		if (world.was_reaped)
			return -ECHILD;
		world.was_reaped = world.child_has_ended;
		return world.child_has_ended ? SERVER : 0;
	case SYS_kill:
		check(a == SERVER && b == SIGKILL);
		world.child_has_ended = 1;
		return 0;
	case SYS_exit_group:
		world.status = (int)a;
		longjmp(world.exit, 1);
	case SYS_clock_gettime:
		*(struct timespec *)b = (struct timespec){0, 0};
		return 0;
	case SYS_getpid:
	case SYS_prctl:
	case SYS_rt_sigaction:
	case SYS_rt_sigprocmask:
	case SYS_close_range:
	case SYS_chdir:
	case SYS_prlimit64:
		return 0;
	default:
		check(0 && number);
		return 0;
	}
}

void cpu_relax(void)
{
}

void rsyscall_sigreturn(void)
{
}

static void begin(const u8 *script, size_t size)
{
	u8 *input = world.input ? world.input : malloc(STREAM_SIZE);
	u8 *output = world.output ? world.output : malloc(STREAM_SIZE);
	memset(&world, 0, sizeof world);
	world.input = input;
	world.output = output;
	world.script = (struct script){script, script + size};
	world.stdout_kind = (int)(next_byte(&world.script) % 3);
	world.read_at_most = STREAM_SIZE;
	for (int fd = STDIN; fd <= STDERR; fd++)
		world.files[fd].kind = STDIO;
	world.files[STDERR + 1] =
		(struct file){.kind = SOCKET, .epoll = {-1, -1}, .peer = -1, .is_away = 1, .room = 4096};
	open_near(0);
}

/* Runs the mux until it exits. Returns the exit status. */
static int finish(void)
{
	if (!setjmp(world.exit))
		run_mux(STDERR + 1, SERVER);
	for (int i = 0; i < MAPS; i++)
		free(world.maps[i]);
	return world.status;
}

/* Sends one frame of zeros, of which all or a part arrives before stdin ends. */
static void test_frame(u32 id, u32 type, u32 size, u32 arrives, int status, const char *message)
{
	static const u8 zeros[2 * PAYLOAD_AT_MOST];
	begin(zeros, 0);
	world.is_wild = 1;
	send_header(id, type, size);
	send_bytes(zeros, minimum(size, sizeof zeros));
	world.input_end = minimum(world.input_end, arrives);
	check(finish() == status);
	check(strstr(world.message, message));
}

/* Both directions of channel 0, and how it ends. */
static void test_channel(void)
{
	begin(0, 0);
	send_data(0, PAYLOAD_AT_MOST);
	send_data(0, 1);
	send_end(0);
	world.files[STDERR + 1].unread = PAYLOAD_AT_MOST + 1;
	world.files[STDERR + 1].no_read = 1;
	check(finish() == 0);
	struct near *near = &world.near[0];
	check(near->got == PAYLOAD_AT_MOST + 1 && near->got_end && !near->is_open);
	check(world.files[STDERR + 1].kind == FREE);
	check(!world.message[0]);
}

/* The far side forwards data, gives credit for it, and stops at what it was granted itself. */
static void test_credit(void)
{
	begin(0, 0);
	for (int i = 0; i < 16; i++)
		send_data(0, PAYLOAD_AT_MOST);
	check(world.near[0].credit == 0);
	world.files[STDERR + 1].unread = WINDOW + 1;
	check(finish() == 0);
	check(world.near[0].credit == WINDOW);
	check(world.near[0].got == WINDOW && world.near[0].granted == 0);
	check(world.files[STDERR + 1].unread == 1);
}

/* A frame of each kind with a channel that was opened. */
static void test_open(void)
{
	begin(0, 0);
	send_open(0, 1, 2, 100);
	send_data(1, 5);
	send_close(2);
	check(finish() == 0);
	check(world.near[1].is_open && !world.near[2].is_open);
}

/* A step of a script that does nothing. */
#define NOTHING 12

/* Frames that arrive in parts of some bytes. */
static void test_parts(u8 bytes)
{
	u8 script[600] = {0, 14, (u8)(bytes - 1), 0};
	memset(script + 4, NOTHING, sizeof script - 4);
	begin(script, sizeof script);
	send_open(0, 1, 2, 10);
	send_data(1, 100);
	send_end(1);
	send_close(2);
	send_open(0, 2, 1, 1);
	check(finish() == 0);
	check(world.near[1].is_open && world.near[1].sent == 100 && world.near[1].sent_end);
}

/* More data than was granted, for a socket that is not read. */
static void test_overrun(void)
{
	u8 script[400];
	memset(script, NOTHING, sizeof script);
	begin(script, sizeof script);
	world.is_wild = 1;
	for (int i = 0; i < 18; i++) {
		world.near[0].credit = WINDOW;
		send_data(0, PAYLOAD_AT_MOST);
	}
	check(finish() == 1);
	check(strstr(world.message, "more data than was granted"));
}

/* Data that waits in the whole of a buffer, and in one that is written and filled in turns. */
static void test_buffer(void)
{
	u8 script[2000] = {0};
	size_t at = 1;
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < 5; i++)
			script[at++] = 15 | 0xc0, script[at++] = 0;
		for (int i = 0; i < 60; i++)
			script[at++] = NOTHING;
		/* stdout takes the CREDIT, and the process reads. */
		script[at++] = 10, script[at++] = 0xff, script[at++] = 0xff;
		for (int i = 0; i < 9; i++)
			script[at++] = 7, script[at++] = 0, script[at++] = 0xff, script[at++] = 0xff;
		for (int i = 0; i < 30; i++)
			script[at++] = NOTHING;
	}
	check(at <= sizeof script);
	begin(script, at);
	world.files[STDERR + 1].room = 600000;
	check(finish() == 0);
	check(world.near[0].sent > 3 * WINDOW && world.near[0].credit == WINDOW);
}

/* Channels that are over while CREDIT for them is queued, and others after them. */
static void test_reuse(void)
{
	static const u8 script[] = {
		0, 10, 0xff, 0xff,
		/* OPEN of 1 and 2. Both processes shut down for writing, so END comes. */
		4, 0, 1, 2, 10, 0, NOTHING, NOTHING, NOTHING, NOTHING, 8, 1, 8, 2, NOTHING, NOTHING, NOTHING, NOTHING,
		NOTHING, NOTHING, NOTHING, NOTHING,
		/* DATA and END to both */
		0, 1, 5, 0, 0, 2, 5, 0, 1, 1, 1, 2, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING,
		/* OPEN of 5, 6 and 7, and DATA to each */
		4, 0, 5, 3, 10, 0, NOTHING, NOTHING, NOTHING, NOTHING, 0, 5, 99, 0, 0, 6, 99, 0, 0, 7, 99, 0};
	begin(script, sizeof script);
	check(finish() == 0);
	check(!world.near[1].is_open && !world.near[2].is_open);
	for (u32 id = 5; id <= 7; id++)
		check(world.near[id].is_open && world.near[id].sent == 100 && world.near[id].credit == WINDOW);
}

void run_tests(void)
{
	for (u8 bytes = 1; bytes < 20; bytes++)
		test_parts(bytes);
	test_overrun();
	test_buffer();
	test_reuse();
	const u32 all = ~0u;
	const char *unknown = "the stream is broken: unknown frame type or size";
	test_frame(0, END, 0, all, 0, "");
	test_frame(0, DATA, 1, all, 0, "");
	test_frame(9, DATA, 1, all, 0, ""); /* a channel that is not there */
	test_frame(0, 0, 0, all, 1, unknown);
	test_frame(0, OPEN + 1, 8, all, 1, unknown);
	test_frame(0, DATA, 0, all, 1, unknown);
	test_frame(0, DATA, PAYLOAD_AT_MOST + 1, all, 1, unknown);
	test_frame(0, END, 1, all, 1, unknown);
	test_frame(0, CLOSE, 4, all, 1, unknown);
	test_frame(0, CREDIT, 3, all, 1, unknown);
	test_frame(0, OPEN, sizeof(struct open_payload), all, 1, unknown);
	test_frame(0, OPEN, sizeof(struct open_payload) + MESSAGE_AT_MOST + 1, all, 1, unknown);
	test_frame(0, DATA, 100, HEADER_SIZE + 50, 1, "it ended in the middle of a frame");
	test_frame(0, END, 0, HEADER_SIZE - 1, 1, "it ended in the middle of a frame");
	test_channel();
	test_credit();
	test_open();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	begin(data, size);
	int status = finish();
	/* A near side that keeps to the protocol never breaks the stream. */
	check(world.is_wild || status == 0);
	return 0;
}
