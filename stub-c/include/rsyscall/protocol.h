/* What goes between a controller and a task that serves system calls.
 *
 * docs/protocol.md describes it byte by byte; the controller's side is in TypeScript. Every integer has the byte order
 * of the machine that the hello names. */
#ifndef RSYSCALL_PROTOCOL_H
#define RSYSCALL_PROTOCOL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef int i32;
typedef long i64;

/* ---- System calls: a stream of requests one way, a stream of results the other way, in the same order. ---- */

struct rsyscall_request {
	u32 number; /* a system call number, or one of RSYSCALL_OP_* */
	u32 flags;  /* RSYSCALL_REQUEST_* */
	u64 args[6];
};

/* A function that performs a request and returns its result. */
typedef long rsyscall_performer(const struct rsyscall_request *request);

/* The call returns at once in every case (getpid, close_range...). So results that are ready may wait for it and
 * share its write. Any other call may block, and results are sent before it is begun. */
#define RSYSCALL_REQUEST_PROMPT 1u

/* Numbers from here on are operations, not system calls. */
#define RSYSCALL_OP_FIRST 0x7fff0000u

/* Whole transfers over a stream socket, args (fd, address, length). send(2) and recv(2) may stop half way (after
 * SIGSTOP, for example), and then both ends of the data socket would disagree about where the next transfer begins;
 * these two never stop half way. The result is the length, or an error. */
#define RSYSCALL_OP_SEND_ALL 0x7fff0000u
#define RSYSCALL_OP_RECV_ALL 0x7fff0001u

/* Makes a child: args (struct clone_args *, struct rsyscall_child *). The child runs on the stack that clone_args
 * names, and serves system calls as its parent does. The result is that of clone3(2). */
#define RSYSCALL_OP_CLONE 0x7fff0002u

/* memcpy(3), args (to, from, length): changes memory that the controller shares in the order of the requests. The
 * result is 0, or -EFAULT. */
#define RSYSCALL_OP_COPY 0x7fff0003u

/* epoll_wait(2) that ends when another request arrives: args (epoll fd, maximum number of events). It sleeps until
 * there are events or another request, and so may give no event. The result is the number of events, or an error; the
 * events follow the result, as the machine lays out struct epoll_event. Over a socket only. */
#define RSYSCALL_OP_EPOLL_WAIT 0x7fff0004u

/* The most events that one EPOLL_WAIT gives, even if the client asks for more. */
#define RSYSCALL_EVENTS_AT_MOST 64

/* ---- The handshake: the stub sends the hello, the server answers with the welcome. ---- */

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

/* Descriptors behind the listening socket that a persistent process reserves for the next handshake. */
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
	/* The numbers at which the stub will place the descriptors that come with the welcome. */
	i32 syscall_fd;
	i32 data_fd;
	i32 connection_fd;
	i32 lifeline_fd;
	i32 listening_fd; /* where a persistent process accepts its next controller; 0: it is not persistent */
	u64 namespaces[RSYSCALL_NS_COUNT]; /* inode numbers in nsfs; 0: not said */
	u64 server_symbol;                 /* address of rsyscall_server */
	/* The arena: memory for the server to map, whose memfd comes with the hello. Its first page is a struct
	 * rsyscall_ring. Size 0: there is no arena. */
	u64 arena_address;
	u64 arena_size;
	u64 ignored;       /* as sigmask: those signals that the caller ignored and that the stub handles */
	u64 answers;       /* bit N: it takes a welcome of status N, RSYSCALL_REPLY and above */
	u64 welcome_flags; /* the flags of a welcome that it knows */
};

/* With RSYSCALL_ACCEPTED descriptors come with it, in this order: syscall, connection and lifeline unless
 * RSYSCALL_KEEP is set, and data unless RSYSCALL_RING is set. With RSYSCALL_REFUSED it is followed by message_size bytes
 * of text, with RSYSCALL_EXEC by as many of a struct rsyscall_exec and its strings, and with RSYSCALL_REPLY by parts up to
 * the one that ends the process; message_size is 0 then. RSYSCALL_PROCESSING says that another welcome follows, at any
 * time. */
struct rsyscall_welcome {
	u8 magic[8];
	u32 version;
	u32 status;
	u32 message_size;
	u32 flags; /* RSYSCALL_RING, RSYSCALL_KEEP */
};

#define RSYSCALL_ACCEPTED 0u
#define RSYSCALL_REFUSED 1u
#define RSYSCALL_REPLY 2u
#define RSYSCALL_EXEC 3u
#define RSYSCALL_PROCESSING 4u

/* Requests arrive in the ring of the arena. */
#define RSYSCALL_RING 1u

/* The connection of the handshake stays open: it is the lifeline. The number of the connection socket stays reserved,
 * until the controller has the process make one. */
#define RSYSCALL_KEEP 2u

/* A part of a reply. STDOUT and STDERR, which are descriptors, are followed by value bytes of output. EXIT and SIGNAL end
 * the process: by a status from 0 to 255, by a signal from 1 to 64. */
struct rsyscall_part {
	u32 kind;
	u32 value;
};

#define RSYSCALL_PART_STDOUT 1u
#define RSYSCALL_PART_STDERR 2u
#define RSYSCALL_PART_EXIT 3u
#define RSYSCALL_PART_SIGNAL 4u

/* Bytes of output in one part, from 1 on. */
#define RSYSCALL_PART_SIZE_AT_MOST 0x100000u

/* A program for execve(2). Followed by its path, path_size bytes with the NUL; by argv, argv_size bytes, and by the
 * environment, envp_size bytes, each string with its NUL. */
struct rsyscall_exec {
	u32 path_size;
	u32 argc;
	u32 envc;
	u32 flags; /* RSYSCALL_OWN_ENVIRONMENT: the caller's, without the variables that are for the stub */
	u64 argv_size;
	u64 envp_size;
};

#define RSYSCALL_OWN_ENVIRONMENT 1u

/* Bytes of an rsyscall_exec with its strings: more than execve(2) takes. */
#define RSYSCALL_EXEC_SIZE_AT_MOST 0x1000000u

_Static_assert(sizeof(struct rsyscall_request) == 56, "request");
_Static_assert(sizeof(struct rsyscall_hello) == 216, "hello");
_Static_assert(sizeof(struct rsyscall_welcome) == 24, "welcome");
_Static_assert(sizeof(struct rsyscall_part) == 8, "part");
_Static_assert(sizeof(struct rsyscall_exec) == 32, "exec");

#endif
