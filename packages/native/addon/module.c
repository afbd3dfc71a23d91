/* What JavaScript cannot do itself: system calls, memory by address, readiness in libuv's loop, cleanup at the end of a
 * worker, and the addresses of native code. Everything else is TypeScript. */
#include <errno.h>
#include <node_api.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "close.h"
#include "readiness.h"
#include "rsyscall/child.h"
#include "rsyscall/operation.h"
#include "uv.h"
#include "watch.h"

/* Number.MAX_SAFE_INTEGER. Larger values are passed as a bigint. */
#define MAX_SAFE_INTEGER ((1l << 53) - 1)

static int to_word(napi_env env, napi_value value, long *word)
{
	int64_t number;
	napi_status status = napi_get_value_int64(env, value, &number);
	if (status == napi_number_expected) {
		/* A value of 64 bits, signed or unsigned: the kernel gets the same bits. */
		bool is_lossless;
		status = napi_get_value_bigint_int64(env, value, &number, &is_lossless);
	}
	*word = number;
	return status == napi_ok;
}

static napi_value from_word(napi_env env, long word)
{
	napi_value value = NULL;
	if (word >= -MAX_SAFE_INTEGER && word <= MAX_SAFE_INTEGER)
		napi_create_double(env, (double)word, &value);
	else
		napi_create_bigint_int64(env, word, &value);
	return value;
}

/* Performs an operation of the server. If it makes a child that must not outlive this environment, the child is noted
 * before JavaScript continues, because JavaScript may be ended at any point. */
static long operation(unsigned number, const long *words, unsigned char *at_end)
{
	unsigned long args[6];
	memcpy(args, words, sizeof args);
	long result = rsyscall_operation(number, args);
	if (number == RSYSCALL_OP_CLONE && result > 0) {
		const struct rsyscall_clone_args *clone = (const void *)args[0];
		const struct rsyscall_child *child = (const void *)args[1];
		if (child->death_signal)
			rsyscall_cleanup_note_child(at_end, *(const int *)clone->pidfd);
	}
	return result;
}

#define WORDS 7 /* the number and six arguments */

/* syscall(number, ...six words): makes a system call, or performs an operation, and returns the result: -errno for an
 * error. */
static napi_value call(napi_env env, napi_callback_info info)
{
	napi_value argv[WORDS];
	size_t argc = WORDS;
	long word[WORDS] = {0};
	void *at_end;
	napi_get_cb_info(env, info, &argc, argv, NULL, &at_end);
	for (size_t i = 0; i < argc && i < WORDS; i++) {
		if (!to_word(env, argv[i], &word[i])) {
			napi_throw_type_error(env, NULL, "syscall takes numbers and bigints");
			return NULL;
		}
	}
	if (word[0] >= RSYSCALL_OP_FIRST && word[0] <= UINT32_MAX)
		return from_word(env, operation((unsigned)word[0], word + 1, at_end));
	long result;
	if (word[0] == SYS_close)
		result = rsyscall_close((int)word[1]);
	else if ((result = syscall(word[0], word[1], word[2], word[3], word[4], word[5], word[6])) == -1)
		result = -errno;
	if (result < 0)
		return from_word(env, result);
	rsyscall_cleanup_note(at_end, word, result);
	return from_word(env, result);
}

struct span {
	void *memory;
	unsigned char *bytes;
	size_t length;
};

/* Takes the arguments of read and write: an address and a Uint8Array. Returns whether there are bytes to copy. */
static int get_span(napi_env env, napi_callback_info info, struct span *span)
{
	napi_value argv[2];
	size_t argc = 2;
	int64_t address;
	napi_typedarray_type type;
	void *bytes;
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 2 ||
	    napi_get_value_int64(env, argv[0], &address) != napi_ok ||
	    napi_get_typedarray_info(env, argv[1], &type, &span->length, &bytes, NULL, NULL) != napi_ok ||
	    type != napi_uint8_array) {
		napi_throw_type_error(env, NULL, "read and write take an address and a Uint8Array");
		return 0;
	}
	span->memory = (void *)address;
	span->bytes = bytes;
	/* An empty array may have no address, and memcpy must not get NULL. */
	return span->length > 0;
}

/* read(address, bytes): copies memory of this process into bytes. */
static napi_value read_memory(napi_env env, napi_callback_info info)
{
	struct span span;
	if (get_span(env, info, &span))
		memcpy(span.bytes, span.memory, span.length);
	return NULL;
}

/* write(address, bytes): copies bytes into memory of this process. */
static napi_value write_memory(napi_env env, napi_callback_info info)
{
	struct span span;
	if (get_span(env, info, &span))
		memcpy(span.memory, span.bytes, span.length);
	return NULL;
}

/* view(address, length): an ArrayBuffer that is the memory. It must be detached before the memory is unmapped. */
static napi_value view(napi_env env, napi_callback_info info)
{
	napi_value argv[2], buffer = NULL;
	size_t argc = 2;
	int64_t address, length;
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 2 ||
	    napi_get_value_int64(env, argv[0], &address) != napi_ok ||
	    napi_get_value_int64(env, argv[1], &length) != napi_ok || length < 0) {
		napi_throw_type_error(env, NULL, "view takes an address and a length");
		return NULL;
	}
	if (napi_create_external_arraybuffer(env, (void *)address, (size_t)length, NULL, NULL, &buffer) != napi_ok)
		napi_throw_error(env, NULL, "this runtime cannot make an ArrayBuffer of external memory");
	return buffer;
}

/* unview(buffer): detaches an ArrayBuffer from the memory. It is empty afterwards. */
static napi_value unview(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	size_t argc = 1;
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 1 ||
	    napi_detach_arraybuffer(env, argv[0]) != napi_ok)
		napi_throw_type_error(env, NULL, "unview takes an ArrayBuffer");
	return NULL;
}

static const struct {
	const char *name;
	napi_callback function;
} functions[] = {
	{"syscall", call},  {"read", read_memory},     {"write", write_memory},           {"view", view},
	{"unview", unview}, {"watch", rsyscall_watch}, {"readiness", rsyscall_readiness},
};

NAPI_MODULE_INIT()
{
	napi_value value, buffer;
	if (!uv_poll_init) {
		napi_throw_error(env, NULL, "this runtime has no libuv (uv_poll_init)");
		return NULL;
	}
	unsigned char *at_end = rsyscall_cleanup_table(env);
	if (!at_end) {
		napi_throw_error(env, "ENOMEM", "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
		const char *name = functions[i].name;
		napi_create_function(env, name, NAPI_AUTO_LENGTH, functions[i].function, at_end, &value);
		napi_set_named_property(env, exports, name, value);
	}
	napi_create_external_arraybuffer(env, at_end, RSYSCALL_CLEANUP_FDS, NULL, NULL, &buffer);
	napi_create_typedarray(env, napi_uint8_array, RSYSCALL_CLEANUP_FDS, buffer, 0, &value);
	napi_set_named_property(env, exports, "atEnd", value);
	napi_create_double(env, (double)(uintptr_t)rsyscall_server, &value);
	napi_set_named_property(env, exports, "server", value);
	return exports;
}
