/* Channels over stdin and stdout: docs/protocol.md, "The multiplexed stream".
 *
 * Nothing here blocks but the one poll of the loop. Descriptors 0 and 1 may be shared with others, such
 * as a shell that goes on after us, so they are not made non-blocking: who is killed cannot undo it. */
#include "mux.h"
#include "ending.h"
#include "kernel.h"
#include "rsyscall/server.h"

/* ---- The kernel's part. ---- */

#define SIGCHLD 17
#define SIGPIPE 13
#define SIG_IGN 1
#define SIG_BLOCK 0
#define RLIMIT_NOFILE 7
#define WNOHANG 1
#define MSG_DONTWAIT 0x40
#define RWF_NOWAIT 0x8
#define SHUT_RD 0
#define SHUT_WR 1
#define MAP_PRIVATE 0x2
#define MAP_ANONYMOUS 0x20
#define POLLERR 8
#define POLLNVAL 32
#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3
#define EPERM 1
#define ECHILD 10
#define EAGAIN 11
#define ENOMEM 12
#define EINVAL 22
#define ENOTSOCK 88
#define EOPNOTSUPP 95
#define ECONNRESET 104
#define ENOBUFS 105
#define ETOOMANYREFS 109

/* Packed on some machines: the words behind the events hold 8 bytes that are ours. */
#define EPOLL_WORDS ((EPOLL_EVENT_SIZE - 4) / 4)
#define EPOLL_DATA (EPOLL_WORDS - 2)

struct epoll_event {
	u32 events;
	u32 words[EPOLL_WORDS];
};

_Static_assert(sizeof(struct epoll_event) == EPOLL_EVENT_SIZE, "epoll_event");

/* ---- The stream's part. ---- */

enum frame_type { DATA = 1, END, CREDIT, CLOSE, OPEN };

#define HEADER_SIZE 8
#define PAYLOAD_AT_MOST 65536
#define WINDOW (1u << 20)
#define MESSAGE_AT_MOST 4096
#define FDS_AT_MOST 32

struct header {
	u32 channel;
	u32 word; /* type << 24 | size of the payload */
};

struct open_payload {
	u32 first;
	u32 count;
	u8 message[];
};

/* Frames that must be here as a whole before they are looked at: all but DATA. */
#define FRAME_AT_MOST (HEADER_SIZE + sizeof(struct open_payload) + MESSAGE_AT_MOST)

/* What goes out at a time: a few channels' turns, and what is to be said besides. Little enough that a
 * result does not wait long behind bulk. */
#define TURNS 4
#define OUTPUT_SIZE (TURNS * (HEADER_SIZE + PAYLOAD_AT_MOST) + 16384)
#define INPUT_SIZE (65536 + FRAME_AT_MOST)

/* More than descriptors are to be had for, mostly: those that were closed wait here until that is said. */
#define CHANNELS 16384
#define BUCKETS 4096
#define OPENS_AT_MOST 1024

/* How long a credit waits for something else to go out with it: through ssh each write is a packet. */
#define CREDIT_DELAY 1000000

/* ---- Channels. ---- */

/* A message with descriptors that its socket has had no room for. */
struct open {
	struct open *next;
	u32 count;
	u32 size;
	i32 fds[FDS_AT_MOST];
	u8 message[MESSAGE_AT_MOST];
};

struct channel {
	u32 id;
	i32 fd; /* -1: closed, or never opened */
	struct channel *next_of_bucket;
	struct channel *next_owing;
	u8 is_known;       /* its number is its own */
	u8 is_dropped;     /* is no channel any more */
	u8 owes;           /* is among those that have something to say */
	u8 owes_end;       /* ... END */
	u8 owes_close;     /* ... CLOSE, and nothing after it */
	u8 has_read_all;   /* its socket has nothing more to be read */
	u8 said_end;       /* END went out */
	u8 got_end;        /* END came in */
	u8 cannot_write;   /* its socket takes nothing more */
	u8 reader_is_on;   /* its socket is in `readers`... */
	u8 writer_is_on;   /* ... in `writers` */
	u32 reader_events; /* ... with these events */
	u32 credit;        /* bytes that may go out */
	u32 granted;       /* bytes that may come in */
	u32 written_on;    /* bytes that came in and went on, and have not been told of */
	u32 head, length;  /* what waits to be written on, a ring... */
	u8 *waiting;       /* ... of WINDOW bytes; 0 until it is needed */
	struct open *opens, *last_open; /* what waits before that */
	u32 open_count;
};

struct mux {
	int readers; /* epoll instances: sockets to be read... */
	int writers; /* ... and sockets on which something waits */
	u32 channel_count;
	u32 touched; /* channels[] from here on were never used */
	struct channel *free;
	struct channel *owing, *last_owing;
	int owes_only_credit; /* nobody owes anything that is urgent */
	int has_child;        /* the server process has not been reaped */
	int stdout_is_socket, stdout_may_nowait;
	/* A DATA frame of which a part has come. */
	u32 data_channel;
	u32 data_left;
	u32 input_start, input_end;
	u32 output_start, output_end;
	struct channel *buckets[BUCKETS];
	struct channel channels[CHANNELS];
	u8 input[INPUT_SIZE];
	u8 output[OUTPUT_SIZE];
};

__attribute__((noreturn)) static void end(int status)
{
	/* Sockets close with us, and whoever is at their other ends takes note. */
	syscall6(SYS_exit_group, status, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

__attribute__((noreturn)) static void broken(const char *why)
{
	fail_with(1, "the stream is broken:", why, 0);
}

static int is_error(long result)
{
	return result < 0 && result >= -4095;
}

static void *map(u64 size)
{
	long start = syscall6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return is_error(start) ? 0 : (void *)start;
}

static void unmap(void *start, u64 size)
{
	syscall6(SYS_munmap, (long)start, (long)size, 0, 0, 0, 0);
}

static struct channel **bucket_of(struct mux *mux, u32 id)
{
	return &mux->buckets[id % BUCKETS];
}

static struct channel *find(struct mux *mux, u32 id)
{
	struct channel *channel = *bucket_of(mux, id);
	while (channel && channel->id != id)
		channel = channel->next_of_bucket;
	return channel;
}

/* Adds a channel without a socket. */
static struct channel *add_channel(struct mux *mux, u32 id)
{
	struct channel *channel = mux->free;
	if (channel)
		mux->free = channel->next_of_bucket;
	else if (mux->touched < CHANNELS)
		channel = &mux->channels[mux->touched++];
	else
		broken("too many channels");
	struct channel **bucket = bucket_of(mux, id);
	*channel = (struct channel){
		.id = id, .fd = -1, .next_of_bucket = *bucket, .is_known = 1, .credit = WINDOW, .granted = WINDOW};
	*bucket = channel;
	mux->channel_count++;
	return channel;
}

/* From now on the number is another's. */
static void forget_number(struct mux *mux, struct channel *channel)
{
	if (!channel->is_known)
		return;
	struct channel **at = bucket_of(mux, channel->id);
	while (*at != channel)
		at = &(*at)->next_of_bucket;
	*at = channel->next_of_bucket;
	channel->is_known = 0;
}

static void drop_first_open(struct channel *channel)
{
	struct open *open = channel->opens;
	for (u32 i = 0; i < open->count; i++)
		sys_close(open->fds[i]);
	channel->opens = open->next;
	channel->open_count--;
	unmap(open, sizeof *open);
}

static void drop_waiting(struct channel *channel)
{
	while (channel->opens)
		drop_first_open(channel);
	channel->length = 0;
}

static int is_waiting(const struct channel *channel)
{
	return channel->opens || channel->length;
}

/* Closes the socket, which leaves both epoll instances by that. */
static void close_socket(struct channel *channel)
{
	drop_waiting(channel);
	if (channel->waiting)
		unmap(channel->waiting, WINDOW);
	channel->waiting = 0;
	if (channel->fd >= 0)
		sys_close(channel->fd);
	channel->fd = -1;
	channel->reader_is_on = channel->writer_is_on = 0;
}

/* Ends a channel of which nothing more is to be said. */
static void drop_channel(struct mux *mux, struct channel *channel)
{
	forget_number(mux, channel);
	close_socket(channel);
	channel->is_dropped = 1;
	/* Who owed something, which is now of no interest, is still among those. */
	if (channel->owes)
		return;
	channel->next_of_bucket = mux->free;
	mux->free = channel;
	mux->channel_count--;
}

/* ---- What is to be said besides DATA. It is kept as a state, not as frames: it needs no room. ---- */

static void owe(struct mux *mux, struct channel *channel, int is_urgent)
{
	if (is_urgent)
		mux->owes_only_credit = 0;
	if (channel->owes)
		return;
	channel->owes = 1;
	channel->next_owing = 0;
	if (mux->owing)
		mux->last_owing->next_owing = channel;
	else
		mux->owing = channel;
	mux->last_owing = channel;
}

/* Closes a channel in our turn. Nothing is lost that has been read from it. */
static void owe_close(struct mux *mux, struct channel *channel)
{
	close_socket(channel);
	channel->owes_close = 1;
	owe(mux, channel, 1);
}

static void owe_end(struct mux *mux, struct channel *channel)
{
	channel->owes_end = 1;
	owe(mux, channel, 1);
}

/* Tells of bytes that went on, if they are many, or the last for now. */
static void owe_credit(struct mux *mux, struct channel *channel)
{
	if (!channel->is_known || channel->owes_close || channel->got_end || !channel->written_on)
		return;
	if (channel->written_on >= WINDOW / 2)
		owe(mux, channel, 1);
	else if (!is_waiting(channel))
		owe(mux, channel, 0);
}

static void put_header(struct mux *mux, u32 id, enum frame_type type, u32 size)
{
	struct header header = {id, (u32)type << 24 | size};
	copy_memory(mux->output + mux->output_end, &header, sizeof header);
	mux->output_end += sizeof header;
}

/* Writes what is owed, as far as there is room for it. */
static void say_what_is_owed(struct mux *mux)
{
	while (mux->owing) {
		struct channel *channel = mux->owing;
		if (sizeof mux->output - mux->output_end < 3 * HEADER_SIZE + sizeof channel->written_on)
			return;
		mux->owing = channel->next_owing;
		channel->owes = 0;
		if (channel->is_dropped) {
			drop_channel(mux, channel);
			continue;
		}
		if (channel->owes_close) {
			put_header(mux, channel->id, CLOSE, 0);
			drop_channel(mux, channel);
			continue;
		}
		if (channel->written_on && !channel->got_end) {
			put_header(mux, channel->id, CREDIT, sizeof channel->written_on);
			copy_memory(mux->output + mux->output_end, &channel->written_on, sizeof channel->written_on);
			mux->output_end += sizeof channel->written_on;
			channel->granted += channel->written_on;
			channel->written_on = 0;
		}
		if (channel->owes_end) {
			channel->owes_end = 0;
			channel->said_end = 1;
			put_header(mux, channel->id, END, 0);
		}
		/* What has ended both ways only has to be written on, and nobody hears of it any more. */
		if (channel->said_end && channel->got_end) {
			forget_number(mux, channel);
			if (!is_waiting(channel))
				drop_channel(mux, channel);
		}
	}
	mux->owes_only_credit = 1;
}

/* ---- Sockets. ---- */

/* Registers a socket with an epoll instance, or changes what it is registered for. */
static int watch(struct mux *mux, int epoll, int operation, struct channel *channel, u32 events)
{
	struct epoll_event event = {.events = events};
	event.words[EPOLL_DATA] = (u32)(channel - mux->channels);
	return syscall6(SYS_epoll_ctl, epoll, operation, channel->fd, (long)&event, 0, 0) >= 0;
}

/* Watches a socket for what can be done about it. Hang-ups are told whether they are asked for or not,
 * so a socket that can do nothing but wait for credit is not watched at all. */
static void update_watches(struct mux *mux, struct channel *channel)
{
	int works = 1;
	if (channel->fd < 0)
		return;
	int reads = channel->is_known && (channel->has_read_all || channel->credit);
	u32 events = channel->has_read_all ? 0 : POLLIN;
	if (reads != channel->reader_is_on || (reads && events != channel->reader_events)) {
		int operation = !reads                   ? EPOLL_CTL_DEL
				: channel->reader_is_on ? EPOLL_CTL_MOD
							 : EPOLL_CTL_ADD;
		works = watch(mux, mux->readers, operation, channel, events);
		channel->reader_is_on = (u8)reads;
		channel->reader_events = events;
	}
	int writes = is_waiting(channel);
	if (works && writes != channel->writer_is_on) {
		works = watch(mux, mux->writers, writes ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, channel, POLLOUT);
		channel->writer_is_on = (u8)writes;
	}
	/* Out of memory, or of watches. */
	if (works)
		return;
	if (channel->is_known)
		owe_close(mux, channel);
	else
		drop_channel(mux, channel);
}

/* The socket takes nothing more. What it still has for us is read first. */
static void stop_writing(struct channel *channel)
{
	drop_waiting(channel);
	channel->cannot_write = 1;
}

/* Sends descriptors and a message. Where the descriptors cannot be had, the message goes alone, so that
 * who waits for it need not wait for ever. Returns 0 when there is no room. */
static int send_open(struct channel *channel, struct open *open)
{
	for (;;) {
		struct {
			struct cmsghdr header;
			i32 fds[FDS_AT_MOST];
		} rights = {{sizeof rights.header + open->count * sizeof rights.fds[0], SOL_SOCKET, SCM_RIGHTS}, {0}};
		for (u32 i = 0; i < open->count; i++)
			rights.fds[i] = open->fds[i];
		struct iovec part = {open->message, open->size};
		struct msghdr message = {0, 0, &part, 1, 0, 0, 0};
		if (open->count) {
			message.control = &rights;
			message.control_length = (rights.header.length + 7) & ~7ul;
		}
		long sent = syscall6(SYS_sendmsg, channel->fd, (long)&message, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0, 0);
		if (sent == -EAGAIN)
			return 0;
		if (sent == -EINTR)
			continue;
		if (open->count && (sent == -ETOOMANYREFS || sent == -ENOMEM || sent == -ENOBUFS || sent == -EINVAL)) {
			/* Our ends see a hang-up. */
			for (u32 i = 0; i < open->count; i++)
				sys_close(open->fds[i]);
			open->count = 0;
			continue;
		}
		if (sent < 0)
			stop_writing(channel);
		return 1;
	}
}

/* Sends bytes, and returns how many the socket has taken. */
static u32 send_bytes(struct channel *channel, const u8 *bytes, u32 length)
{
	u32 done = 0;
	while (done < length) {
		long sent = syscall6(SYS_sendto, channel->fd, (long)(bytes + done), length - done,
				     MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
		if (sent == -EINTR)
			continue;
		if (sent == -EAGAIN)
			break;
		if (sent < 0) {
			stop_writing(channel);
			break;
		}
		done += (u32)sent;
	}
	return done;
}

static void read_channel(struct mux *mux, struct channel *channel);

/* To be called when something has been written on, or nothing can be any more. */
static void after_writing(struct mux *mux, struct channel *channel)
{
	if (!is_waiting(channel)) {
		/* Nobody reads it and nobody waits for it: this was all that it was kept for. */
		if (!channel->is_known) {
			drop_channel(mux, channel);
			return;
		}
		if (channel->got_end && !channel->cannot_write)
			syscall6(SYS_shutdown, channel->fd, SHUT_WR, 0, 0, 0, 0);
	}
	owe_credit(mux, channel);
	if (!channel->cannot_write)
		update_watches(mux, channel);
	else if (channel->has_read_all)
		owe_close(mux, channel);
	else
		read_channel(mux, channel);
}

/* Writes on what waits, as the socket has room again. */
static void write_channel(struct mux *mux, struct channel *channel)
{
	while (channel->opens && send_open(channel, channel->opens))
		if (channel->opens) /* else they were dropped */
			drop_first_open(channel);
	while (!channel->opens && channel->length) {
		u32 contiguous = WINDOW - channel->head;
		u32 length = channel->length < contiguous ? channel->length : contiguous;
		u32 sent = send_bytes(channel, channel->waiting + channel->head, length);
		if (channel->cannot_write)
			break;
		channel->head = (channel->head + sent) % WINDOW;
		channel->length -= sent;
		channel->written_on += sent;
		if (sent < length)
			break;
	}
	after_writing(mux, channel);
}

static void keep(struct channel *channel, const u8 *bytes, u32 length)
{
	if (!channel->length)
		channel->head = 0;
	while (length) {
		u32 at = (channel->head + channel->length) % WINDOW;
		u32 part = length < WINDOW - at ? length : WINDOW - at;
		copy_memory(channel->waiting + at, bytes, part);
		channel->length += part;
		bytes += part;
		length -= part;
	}
}

/* A part of a DATA frame, which was within what is granted, and so there is room for it. */
static void take_data(struct mux *mux, struct channel *channel, const u8 *bytes, u32 length)
{
	if (!channel || channel->owes_close || channel->cannot_write)
		return;
	u32 sent = is_waiting(channel) ? 0 : send_bytes(channel, bytes, length);
	channel->written_on += sent;
	if (!channel->cannot_write && sent < length) {
		if (!channel->waiting)
			channel->waiting = map(WINDOW);
		if (channel->waiting)
			keep(channel, bytes + sent, length - sent);
		else
			stop_writing(channel);
	}
	after_writing(mux, channel);
}

static int has_hung_up(int fd)
{
	struct pollfd poll = {fd, 0, 0};
	struct timespec now = {0, 0};
	return sys_ppoll(&poll, 1, &now) == 1;
}

static u32 room(const struct mux *mux)
{
	return (u32)sizeof mux->output - mux->output_end;
}

/* Reads a channel's turn, and sees how it ends. */
static void read_channel(struct mux *mux, struct channel *channel)
{
	if (channel->owes_close)
		return;
	if (channel->has_read_all) {
		/* Nothing but a hang-up is watched for. */
		if (has_hung_up(channel->fd))
			owe_close(mux, channel);
		return;
	}
	u32 length = channel->credit < PAYLOAD_AT_MOST ? channel->credit : PAYLOAD_AT_MOST;
	if (!length || room(mux) < HEADER_SIZE + length) {
		update_watches(mux, channel);
		return;
	}
	long got;
	do
		got = syscall6(SYS_recvfrom, channel->fd, (long)(mux->output + mux->output_end + HEADER_SIZE), length,
			       MSG_DONTWAIT, 0, 0);
	while (got == -EINTR);
	if (got > 0) {
		put_header(mux, channel->id, DATA, (u32)got);
		mux->output_end += (u32)got;
		channel->credit -= (u32)got;
	} else if (got == -EAGAIN) {
		/* The other side reads no more, and has said all that it had to say by now. */
		if (channel->cannot_write)
			owe_close(mux, channel);
	} else if (got == 0 && !channel->cannot_write && (channel->got_end || !has_hung_up(channel->fd))) {
		channel->has_read_all = 1;
		owe_end(mux, channel);
	} else {
		owe_close(mux, channel);
	}
	update_watches(mux, channel);
}

/* ---- Frames. ---- */

/* Makes the pairs of which we keep one end each. Returns 0 when it cannot be done. */
static int make_pairs(u32 count, i32 *ours, i32 *theirs)
{
	for (u32 i = 0; i < count; i++) {
		i32 pair[2];
		if (syscall6(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, (long)pair, 0, 0) < 0) {
			while (i--) {
				sys_close(ours[i]);
				sys_close(theirs[i]);
			}
			return 0;
		}
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	return 1;
}

static void take_open(struct mux *mux, struct channel *through, const u8 *payload, u32 size)
{
	i32 ours[FDS_AT_MOST];
	struct open_payload fixed;
	copy_memory(&fixed, payload, sizeof fixed);
	if (fixed.count > FDS_AT_MOST)
		broken("too many channels at a time");
	if (fixed.count && fixed.first + (fixed.count - 1) < fixed.first)
		broken("a channel's number is too large");
	for (u32 i = 0; i < fixed.count; i++)
		if (find(mux, fixed.first + i))
			broken("a channel is opened twice");
	if (through && !through->owes_close && (through->length || through->got_end))
		broken("descriptors among data");

	int can_send = through && !through->owes_close && !through->cannot_write;
	struct open *open = can_send ? map(sizeof *open) : 0;
	if (open) {
		open->size = size - (u32)sizeof fixed;
		copy_memory(open->message, payload + sizeof fixed, open->size);
		open->count = make_pairs(fixed.count, ours, open->fds) ? fixed.count : 0;
	} else if (can_send) {
		owe_close(mux, through);
	}
	for (u32 i = 0; i < fixed.count; i++) {
		struct channel *channel = add_channel(mux, fixed.first + i);
		if (open && open->count) {
			channel->fd = ours[i];
			update_watches(mux, channel);
		} else {
			owe_close(mux, channel);
		}
	}
	if (!open)
		return;
	if (through->open_count == OPENS_AT_MOST)
		broken("too many descriptors wait");
	through->open_count++;
	if (through->opens) {
		through->last_open->next = open;
		through->last_open = open;
		return;
	}
	through->opens = through->last_open = open;
	write_channel(mux, through);
}

static void take_credit(struct mux *mux, struct channel *channel, u32 credit)
{
	if (credit > WINDOW - channel->credit)
		broken("more credit than a window");
	channel->credit += credit;
	if (channel->cannot_write)
		read_channel(mux, channel);
	else
		update_watches(mux, channel);
}

static void take_end(struct mux *mux, struct channel *channel)
{
	if (channel->got_end)
		broken("a channel ends twice");
	channel->got_end = 1;
	/* Said already that ours has ended: then the number is free as of now. */
	if (channel->said_end)
		forget_number(mux, channel);
	after_writing(mux, channel);
}

/* The near side has closed a channel: whoever is at its other end still gets what was sent before. */
static void take_close(struct mux *mux, struct channel *channel)
{
	struct channel *answer = channel;
	if (is_waiting(channel)) {
		/* Who writes to it is told, and does not wait for us instead of reading. */
		syscall6(SYS_shutdown, channel->fd, SHUT_RD, 0, 0, 0, 0);
		channel->got_end = 1;
		channel->owes_end = 0;
		forget_number(mux, channel);
		answer = add_channel(mux, channel->id);
		update_watches(mux, channel);
	}
	owe_close(mux, answer);
}

/* Takes a frame other than DATA, of which all has come. */
static void take_frame(struct mux *mux, u32 id, u32 type, const u8 *payload, u32 size)
{
	struct channel *channel = find(mux, id);
	u32 credit;
	if (type == OPEN) {
		take_open(mux, channel, payload, size);
		return;
	}
	/* It crossed our CLOSE on the way. */
	if (!channel || channel->owes_close)
		return;
	switch (type) {
	case END:
		take_end(mux, channel);
		return;
	case CREDIT:
		copy_memory(&credit, payload, sizeof credit);
		take_credit(mux, channel, credit);
		return;
	default:
		take_close(mux, channel);
	}
}

/* Whether a frame of this type may have so many bytes. */
static int may_have(u32 type, u32 size)
{
	switch (type) {
	case DATA:
		return size >= 1 && size <= PAYLOAD_AT_MOST;
	case END:
	case CLOSE:
		return size == 0;
	case CREDIT:
		return size == sizeof(u32);
	case OPEN:
		return size > sizeof(struct open_payload) && size <= sizeof(struct open_payload) + MESSAGE_AT_MOST;
	default:
		return 0;
	}
}

static void begin_data(struct mux *mux, u32 id, u32 size)
{
	struct channel *channel = find(mux, id);
	mux->data_channel = id;
	mux->data_left = size;
	if (!channel || channel->owes_close)
		return;
	if (channel->got_end)
		broken("data after the end of a channel");
	if (size > channel->granted)
		broken("more data than was granted");
	channel->granted -= size;
}

/* Takes all that has come. */
static void take_input(struct mux *mux)
{
	for (;;) {
		const u8 *at = mux->input + mux->input_start;
		u32 have = mux->input_end - mux->input_start;
		if (mux->data_left) {
			u32 part = have < mux->data_left ? have : mux->data_left;
			if (!part)
				break;
			take_data(mux, find(mux, mux->data_channel), at, part);
			mux->data_left -= part;
			mux->input_start += part;
			continue;
		}
		struct header header;
		if (have < sizeof header)
			break;
		copy_memory(&header, at, sizeof header);
		u32 type = header.word >> 24;
		u32 size = header.word & 0xffffff;
		if (!may_have(type, size))
			broken("a frame that this side does not know");
		if (type == DATA) {
			mux->input_start += HEADER_SIZE;
			begin_data(mux, header.channel, size);
			continue;
		}
		if (have < HEADER_SIZE + size)
			break;
		take_frame(mux, header.channel, type, at + HEADER_SIZE, size);
		mux->input_start += HEADER_SIZE + size;
	}
	u32 rest = mux->input_end - mux->input_start;
	if (mux->input_start)
		copy_memory(mux->input, mux->input + mux->input_start, rest);
	mux->input_start = 0;
	mux->input_end = rest;
}

/* ---- stdin and stdout. ---- */

static void read_stdin(struct mux *mux)
{
	long got = sys_read(0, mux->input + mux->input_end, sizeof mux->input - mux->input_end);
	if (got == -EINTR || got == -EAGAIN)
		return;
	if (got < 0 && got != -ECONNRESET)
		fail_with(1, "cannot read stdin", 0, -got);
	if (got <= 0) {
		if (mux->input_end || mux->data_left)
			broken("it ends in the middle of a frame");
		end(0);
	}
	mux->input_end += (u32)got;
	take_input(mux);
}

/* Writes without waiting, whatever stdout is. */
static long write_now(struct mux *mux, const u8 *bytes, u64 length)
{
	long sent;
	if (mux->stdout_is_socket) {
		sent = syscall6(SYS_sendto, 1, (long)bytes, (long)length, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
		if (sent != -ENOTSOCK)
			return sent;
		mux->stdout_is_socket = 0;
	}
	if (mux->stdout_may_nowait) {
		struct iovec part = {bytes, length};
		sent = syscall6(SYS_pwritev2, 1, (long)&part, 1, -1, -1, RWF_NOWAIT);
		if (sent == -EOPNOTSUPP || sent == -EINVAL || sent == -ENOSYS || sent == -EPERM)
			mux->stdout_may_nowait = 0;
		else if (sent != -EAGAIN)
			return sent;
		/* Files that never make a poll wait may say that too, and mean it. */
	}
	/* A pipe that can be written to has room for this many bytes: pipe(7), PIPE_BUF. */
	struct pollfd poll = {1, POLLOUT, 0};
	struct timespec now = {0, 0};
	if (sys_ppoll(&poll, 1, &now) != 1)
		return -EAGAIN;
	return sys_write(1, bytes, length < 4096 ? length : 4096);
}

static void write_stdout(struct mux *mux)
{
	while (mux->output_start < mux->output_end) {
		long sent = write_now(mux, mux->output + mux->output_start, mux->output_end - mux->output_start);
		if (sent == -EINTR)
			continue;
		if (sent == -EAGAIN)
			return;
		/* Nobody reads any more. */
		if (sent == -EPIPE || sent == -ECONNRESET)
			end(0);
		if (sent < 0)
			fail_with(1, "cannot write to stdout", 0, -sent);
		mux->output_start += (u32)sent;
	}
	mux->output_start = mux->output_end = 0;
}

/* ---- The loop. ---- */

static void on_child(int signal)
{
	(void)signal;
}

/* The signal interrupts the poll, and nothing else. Returns the mask for that. */
static u64 watch_child(void)
{
	struct {
		void (*handler)(int);
		u64 flags;
		void (*restorer)(void);
		u64 mask;
	} action = {on_child, SA_RESTORER, rsyscall_sigreturn, 0};
	u64 block = 1ul << (SIGCHLD - 1);
	u64 mask = 0;
	syscall6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&block, (long)&mask, sizeof mask, 0, 0);
	syscall6(SYS_rt_sigaction, SIGCHLD, (long)&action, 0, sizeof mask, 0, 0);
	return mask & ~block;
}

static void ignore_sigpipe(void)
{
	u64 action[4] = {SIG_IGN, 0, 0, 0};
	syscall6(SYS_rt_sigaction, SIGPIPE, (long)action, 0, sizeof(u64), 0, 0);
}

/* Whoever has ended. As the first process of a container we get others than our own. */
static void reap(struct mux *mux)
{
	long pid;
	do
		pid = syscall6(SYS_wait4, -1, 0, WNOHANG, 0, 0, 0);
	while (pid > 0);
	if (pid == -ECHILD)
		mux->has_child = 0;
}

/* Performs what an epoll instance tells of. */
static void handle_ready(struct mux *mux, int epoll, int at_most, void (*handle)(struct mux *, struct channel *))
{
	struct epoll_event events[64];
	/* No more than will get a turn: the kernel then begins with the others the next time. */
	long count = syscall6(SYS_epoll_pwait, epoll, (long)events, at_most, 0, 0, 8);
	for (long i = 0; i < count; i++)
		handle(mux, &mux->channels[events[i].words[EPOLL_DATA]]);
}

/* What was inherited belongs to the server process, which may want to close it, and leave where it is. */
static int let_go(int server)
{
	u64 limits[2];
	if (server != 3) {
		syscall6(SYS_dup3, server, 3, O_CLOEXEC, 0, 0, 0);
		server = 3;
	}
	syscall6(SYS_close_range, 4, ~0u, 0, 0, 0, 0);
	syscall6(SYS_chdir, (long)"/", 0, 0, 0, 0, 0);
	if (syscall6(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)limits, 0, 0) == 0) {
		limits[0] = limits[1];
		syscall6(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)limits, 0, 0, 0);
	}
	return server;
}

static int make_epoll(void)
{
	long epoll = syscall6(SYS_epoll_create1, O_CLOEXEC, 0, 0, 0, 0, 0);
	if (epoll < 0)
		fail("cannot make an epoll instance", 0, -epoll);
	return (int)epoll;
}

void run_mux(int server)
{
	int has_news_of_child = 1;
	u64 mask = watch_child();
	ignore_sigpipe();
	server = let_go(server);
	struct mux *mux = map(sizeof *mux);
	if (!mux)
		fail("no memory is left", 0, 0);
	mux->readers = make_epoll();
	mux->writers = make_epoll();
	mux->has_child = mux->stdout_is_socket = mux->stdout_may_nowait = mux->owes_only_credit = 1;
	struct channel *first = add_channel(mux, 0);
	first->fd = server;
	update_watches(mux, first);

	for (;;) {
		if (has_news_of_child)
			reap(mux);
		/* A credit goes with whatever else does. */
		int waits = mux->owing && mux->owes_only_credit && !mux->output_end;
		if (!waits)
			say_what_is_owed(mux);
		write_stdout(mux);
		int is_writing = mux->output_end > 0;
		if (!mux->has_child && !mux->channel_count && !is_writing)
			end(0);

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
			end(0);
		if (polls[2].revents)
			handle_ready(mux, mux->writers, 64, write_channel);
		if (polls[3].revents)
			handle_ready(mux, mux->readers, TURNS, read_channel);
		if (polls[0].revents)
			read_stdin(mux);
	}
}
