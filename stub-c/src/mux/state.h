/* The state of all channels. */
#ifndef RSYSCALL_MUX_STATE_H
#define RSYSCALL_MUX_STATE_H

#include "frame.h"

/* Sockets that are read before the output is written, and room for control frames behind them. It is little, so that
 * the result of a call does not wait long behind bulk data. */
#define TURNS 4
#define CONTROL_SIZE 16384
#define OUTPUT_SIZE (TURNS * (HEADER_SIZE + PAYLOAD_AT_MOST) + CONTROL_SIZE)
#define INPUT_SIZE (65536 + FRAME_AT_MOST)

/* More channels than a process mostly may have descriptors: closed channels stay here until CLOSE was sent. */
#define CHANNELS 16384
#define BUCKETS 4096
#define OPENS_AT_MOST 1024

/* A message with descriptors for which its socket has had no room. */
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
	struct channel *next_in_bucket;
	struct channel *next_in_queue;
	u8 is_known;                    /* its id means this channel */
	u8 is_dropped;                  /* it is over, and leaves the queue */
	u8 is_queued;                   /* it is in the queue of control frames */
	u8 must_send_end;               /* END is to be sent */
	u8 must_send_close;             /* CLOSE is to be sent, and nothing after it */
	u8 has_read_all;                /* its socket has ended */
	u8 sent_end;                    /* END was sent */
	u8 got_end;                     /* END has arrived */
	u8 cannot_write;                /* its socket takes no more bytes */
	u8 reader_is_on;                /* its socket is in `readers`... */
	u8 writer_is_on;                /* ... in `writers` */
	u32 reader_events;              /* ... with these events */
	u32 credit;                     /* bytes that may be sent to the near side */
	u32 granted;                    /* bytes that the near side may send */
	u32 forwarded;                  /* bytes from the near side that were written, for which no CREDIT was sent */
	u32 head, length;               /* the bytes in `buffer`, a ring */
	u8 *buffer;                     /* WINDOW bytes: what its socket has had no room for; 0 until it is needed */
	struct open *opens, *last_open; /* messages to be sent before that */
	u32 open_count;
};

struct mux {
	int readers; /* an epoll instance of sockets to be read */
	int writers; /* an epoll instance of sockets for which bytes or messages wait */
	u32 channel_count;
	u32 touched; /* channels[] from here on were never used */
	struct channel *free;
	struct channel *queue, *last_queued; /* channels with control frames to be sent */
	int only_credit;                     /* none of these frames is urgent */
	int has_child;                       /* children.h: reap_children */
	int is_left;                         /* the near side ends the stream in order: it is no cut */
	int stdout_is_socket, stdout_may_nowait;
	/* A DATA frame of which a part has arrived. */
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
