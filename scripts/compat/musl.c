/* The addon in a process of musl's: loads it with every symbol bound, as Node's dlopen does, and makes a system call by
 * its function `syscall`. It plays as much of Node as the addon uses for that: there is no Node for musl in the npm
 * registry. All other functions of Node and of libuv are there by name, and end the process if they are called. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A value is a number, in the form that the addon gave or gets. */
typedef struct value {
	int64_t integer;
	double number;
} value;

typedef value *(*callback)(void *env, void *info);

struct call {
	size_t argc;
	value *argv[7];
	void *data;
};

static callback syscall_function;
static void *syscall_data;

int napi_create_function(void *env, const char *name, size_t length, callback function, void *data, value **result)
{
	(void)env, (void)length;
	static value made;
	if (!strcmp(name, "syscall")) {
		syscall_function = function;
		syscall_data = data;
	}
	*result = &made;
	return 0;
}

int napi_get_cb_info(void *env, struct call *call, size_t *argc, value **argv, value **this, void **data)
{
	(void)env, (void)this;
	for (size_t i = 0; i < *argc && i < call->argc; i++)
		argv[i] = call->argv[i];
	*argc = call->argc;
	if (data)
		*data = call->data;
	return 0;
}

int napi_get_value_int64(void *env, value *value, int64_t *result)
{
	(void)env;
	*result = value->integer;
	return 0;
}

int napi_create_double(void *env, double number, value **result)
{
	(void)env;
	static value made;
	made.number = number;
	*result = &made;
	return 0;
}

#define DONE(name)        \
	int name(void)    \
	{                 \
		return 0; \
	}
#define NEVER(name)                                   \
	int name(void)                                \
	{                                             \
		fputs("called: " #name "\n", stderr); \
		exit(1);                              \
	}

DONE(napi_set_named_property)
DONE(napi_add_env_cleanup_hook)
DONE(napi_create_external_arraybuffer)
DONE(napi_create_typedarray)
NEVER(napi_add_async_cleanup_hook)
NEVER(napi_async_destroy)
NEVER(napi_async_init)
NEVER(napi_close_handle_scope)
NEVER(napi_create_bigint_int64)
NEVER(napi_create_int32)
NEVER(napi_create_object)
NEVER(napi_create_reference)
NEVER(napi_create_string_utf8)
NEVER(napi_define_properties)
NEVER(napi_delete_reference)
NEVER(napi_detach_arraybuffer)
NEVER(napi_fatal_exception)
NEVER(napi_get_and_clear_last_exception)
NEVER(napi_get_global)
NEVER(napi_get_reference_value)
NEVER(napi_get_typedarray_info)
NEVER(napi_get_uv_event_loop)
NEVER(napi_get_value_bigint_int64)
NEVER(napi_get_value_int32)
NEVER(napi_is_exception_pending)
NEVER(napi_make_callback)
NEVER(napi_open_handle_scope)
NEVER(napi_remove_async_cleanup_hook)
NEVER(napi_throw_error)
NEVER(napi_throw_type_error)
NEVER(napi_typeof)
NEVER(napi_unwrap)
NEVER(napi_wrap)
NEVER(uv_close)
NEVER(uv_err_name)
NEVER(uv_handle_get_data)
NEVER(uv_handle_set_data)
NEVER(uv_handle_size)
NEVER(uv_poll_init)
NEVER(uv_poll_start)
NEVER(uv_ref)
NEVER(uv_strerror)
NEVER(uv_unref)

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	void *addon = dlopen(argv[1], RTLD_NOW);
	if (!addon) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	value *(*init)(void *, value *) = (value * (*)(void *, value *)) dlsym(addon, "napi_register_module_v1");
	value exports = {0};
	if (!init || !init(NULL, &exports) || !syscall_function)
		return 1;
	value number = {.integer = SYS_getpid};
	struct call call = {.argc = 1, .argv = {&number}, .data = syscall_data};
	int is_right = syscall_function(NULL, &call)->number == getpid();
	puts(is_right ? "musl works" : "musl: a wrong pid");
	return !is_right;
}
