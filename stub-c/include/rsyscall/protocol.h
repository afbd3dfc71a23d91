/* The wire between a controller and a task that serves system calls.
 *
 * Described byte by byte in docs/protocol.md; packages/connection and packages/transport hold the
 * other end. Every integer has the byte order of the machine that the hello names. */
#ifndef RSYSCALL_PROTOCOL_H
#define RSYSCALL_PROTOCOL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef int i32;
typedef long i64;

/* ---- System calls: a stream of requests one way, a stream of results the other, in order. ---- */

struct rsyscall_request {
	u32 number; /* a system call number, or one of RSYSCALL_OP_* */
	u32 flags;  /* RSYSCALL_REQUEST_* */
	u64 args[6];
};

/* Performs a request, whatever it is. */
long rsyscall_perform(const struct rsyscall_request *request);

/* The call returns at once whatever happens (getpid, close_range...), so results that are ready
 * may wait for it and share its write. Any other call may block, and results go out before it. */
#define RSYSCALL_REQUEST_PROMPT 1u

/* Not system calls: whole transfers over a stream socket, args (fd, address, length). send(2) and
 * recv(2) may stop half way (SIGSTOP does it), and then both ends of the data socket would disagree
 * about where the next transfer begins; these two never do. The result is the length, or an error. */
#define RSYSCALL_OP_SEND_ALL 0x7fff0000u
#define RSYSCALL_OP_RECV_ALL 0x7fff0001u

/* Makes a child: args (struct clone_args *, struct rsyscall_child *). The child runs on the stack
 * that clone_args names, and serves system calls like its parent. The result is clone3(2)'s. */
#define RSYSCALL_OP_CLONE 0x7fff0002u

/* memcpy(3), args (to, from, length): memory that the controller shares is changed in the order of
 * the requests. The result is 0, or -EFAULT. */
#define RSYSCALL_OP_COPY 0x7fff0003u

/* epoll_wait(2) that lets other requests pass: args (epoll fd, how many events at most). It sleeps until
 * there are events, or a further request; then there may be none. The result is their number, or an
 * error, and behind it the events themselves follow, as the machine lays out struct epoll_event. Over a
 * socket only. */
#define RSYSCALL_OP_EPOLL_WAIT 0x7fff0004u

/* What one EPOLL_WAIT gives at most, whatever it is asked for. */
#define RSYSCALL_EVENTS_AT_MOST 64

/* ---- The handshake: the stub says hello, the server says welcome. ---- */

#define RSYSCALL_MAGIC "rsyscall"
#define RSYSCALL_VERSION 1u

enum rsyscall_namespace {
	RSYSCALL_NS_CGROUP,
	RSYSCALL_NS_IPC,
	RSYSCALL_NS_MNT,
	RSYSCALL_NS_NET,
	RSYSCALL_NS_PID,
	RSYSCALL_NS_TIME,
	RSYSCALL_NS_USER,
	RSYSCALL_NS_UTS,
	RSYSCALL_NS_COUNT,
};

#define RSYSCALL_FDS_UNKNOWN 0xffffffffu

/* Numbers behind that of the listening socket which a process that stays keeps for the next handshake. */
#define RSYSCALL_SPARES 5

/* Followed by argv_size bytes of argv and envp_size of environment (each string with its NUL),
 * cwd_size bytes of working directory, execfn_size bytes of the path that was executed, and
 * fd_count i32 numbers of the descriptors that the caller left open. */
struct rsyscall_hello {
	u8 magic[8];
	u32 version;
	u32 machine; /* e_machine of <elf.h> */
	u32 size;    /* of this structure */
	u32 argc;
	u32 envc;
	u32 fd_count; /* RSYSCALL_FDS_UNKNOWN without /proc */
	u64 argv_size;
	u64 envp_size;
	u32 cwd_size; /* 0 when unknown, as in a directory that was removed */
	u32 execfn_size;
	u64 sigmask;
	u32 page_size;
	i32 pid;
	i32 ppid;
	u32 uid;
	u32 gid;
	/* Where the stub will put the descriptors that the welcome brings. */
	i32 syscall_fd;
	i32 data_fd;
	i32 connection_fd;
	i32 lifeline_fd;
	i32 listening_fd; /* where a process that stays awaits its next controller; 0: it does not stay */
	u64 namespaces[RSYSCALL_NS_COUNT]; /* inode numbers in nsfs; 0 when unknown */
	u64 server_symbol;                 /* address of rsyscall_server */
	/* The arena, whose memfd comes with the hello: memory for the server to map. Its first page is a
	 * struct rsyscall_ring. Size 0: there is none. */
	u64 arena_address;
	u64 arena_size;
	u64 ignored; /* as sigmask: signals that the caller had ignored, of those with which the stub does something else */
};

/* Followed by message_size bytes of text. With RSYSCALL_ACCEPTED it carries four descriptors, in
 * this order: syscall, connection, lifeline, data. With RSYSCALL_RING there is no data. */
struct rsyscall_welcome {
	u8 magic[8];
	u32 version;
	u32 status;
	u32 message_size;
	u32 flags; /* RSYSCALL_RING: the requests come through the ring of the arena */
};

#define RSYSCALL_ACCEPTED 0u
#define RSYSCALL_REFUSED 1u
#define RSYSCALL_RING 1u

_Static_assert(sizeof(struct rsyscall_request) == 56, "request");
_Static_assert(sizeof(struct rsyscall_hello) == 200, "hello");
_Static_assert(sizeof(struct rsyscall_welcome) == 24, "welcome");

#endif
