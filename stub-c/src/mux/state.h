/* All that is known of the channels. */
#ifndef RSYSCALL_MUX_STATE_H
#define RSYSCALL_MUX_STATE_H

#include "frame.h"

/* What goes out at a time: a few channels' turns, and what is to be said besides. Little enough that a
 * result does not wait long behind bulk. */
#define TURNS 4
#define OUTPUT_SIZE (TURNS * (HEADER_SIZE + PAYLOAD_AT_MOST) + 16384)
#define INPUT_SIZE (65536 + FRAME_AT_MOST)

/* More than descriptors are to be had for, mostly: those that were closed wait here until that is said. */
#define CHANNELS 16384
#define BUCKETS 4096
#define OPENS_AT_MOST 1024

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
	int has_child;        /* the server process has not been reaped: children.h */
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

#endif
