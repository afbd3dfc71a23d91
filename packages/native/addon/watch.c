/* Readiness of a descriptor, from the loop in which Node itself waits. So an idle program sleeps. */
#include "watch.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "uv.h"

/* libuv uses the handle until it has called on_closed, and JavaScript may call close() as long as the object exists. The
 * memory is freed when neither uses it any more. */
struct watch {
	napi_env env;
	napi_ref callback;
	napi_async_context context;
	/* An environment that ends waits for its asynchronous hooks. So the handle is closed before the loop is, and
	 * libuv calls on_closed while the environment still exists. */
	napi_async_cleanup_hook_handle hook;
	int is_open;
	int users;
	alignas(max_align_t) unsigned char handle[];
};

static uv_handle_t *handle_of(struct watch *watch)
{
	return (uv_handle_t *)watch->handle;
}

static void release(struct watch *watch)
{
	if (--watch->users == 0)
		free(watch);
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *watch = uv_handle_get_data(handle);
	/* Not earlier: the callback may call close(), and needs them until it returns. */
	if (watch->callback)
		napi_delete_reference(watch->env, watch->callback);
	if (watch->context)
		napi_async_destroy(watch->env, watch->context);
	/* Last, because the environment may not exist afterwards. */
	if (watch->hook)
		napi_remove_async_cleanup_hook(watch->hook);
	release(watch);
}

static void stop(struct watch *watch)
{
	if (!watch->is_open)
		return;
	watch->is_open = 0;
	uv_close(handle_of(watch), on_closed);
}

/* The environment ends. It also waits for a watch that was closed just before. */
static void on_teardown(napi_async_cleanup_hook_handle hook, void *data)
{
	(void)hook;
	stop(data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	struct watch *watch = uv_handle_get_data((uv_handle_t *)poll);
	napi_env env = watch->env;
	napi_handle_scope scope;
	napi_value callback, global, error;
	bool is_pending = false;

	if (napi_open_handle_scope(env, &scope) != napi_ok)
		return;
	napi_get_reference_value(env, watch->callback, &callback);
	napi_get_global(env, &global);
	/* Runs microtasks and process.nextTick callbacks afterwards, as every event of the loop does. It fails without an
	 * exception if JavaScript may not run any more: in a worker that is being terminated, or after process.exit(). */
	if (napi_make_callback(env, watch->context, global, callback, 0, NULL, NULL) != napi_ok &&
	    napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending &&
	    napi_get_and_clear_last_exception(env, &error) == napi_ok)
		napi_fatal_exception(env, error);
	napi_close_handle_scope(env, scope);
}

static struct watch *this_watch(napi_env env, napi_callback_info info)
{
	napi_value this;
	struct watch *watch = NULL;
	if (napi_get_cb_info(env, info, NULL, NULL, &this, NULL) != napi_ok ||
	    napi_unwrap(env, this, (void **)&watch) != napi_ok)
		napi_throw_type_error(env, NULL, "this is not a watch");
	return watch;
}

static napi_value ref_watch(napi_env env, napi_callback_info info)
{
	struct watch *watch = this_watch(env, info);
	if (watch && watch->is_open)
		uv_ref(handle_of(watch));
	return NULL;
}

static napi_value unref_watch(napi_env env, napi_callback_info info)
{
	struct watch *watch = this_watch(env, info);
	if (watch && watch->is_open)
		uv_unref(handle_of(watch));
	return NULL;
}

static napi_value close_watch(napi_env env, napi_callback_info info)
{
	struct watch *watch = this_watch(env, info);
	if (watch)
		stop(watch);
	return NULL;
}

static void on_collected(napi_env env, void *data, void *hint)
{
	(void)env, (void)hint;
	release(data);
}

static const napi_property_descriptor methods[] = {
	{.utf8name = "ref", .method = ref_watch, .attributes = napi_enumerable},
	{.utf8name = "unref", .method = unref_watch, .attributes = napi_enumerable},
	{.utf8name = "close", .method = close_watch, .attributes = napi_enumerable},
};

/* Starts to poll. Returns 0, or libuv's error. */
static int start(struct watch *watch, int fd)
{
	struct uv_loop_s *loop = NULL;
	napi_get_uv_event_loop(watch->env, &loop);
	int error = uv_poll_init(loop, (uv_poll_t *)watch->handle, fd);
	if (error)
		return error;
	watch->is_open = 1;
	watch->users++;
	uv_handle_set_data(handle_of(watch), watch);
	uv_unref(handle_of(watch));
	return 0;
}

napi_value rsyscall_watch(napi_env env, napi_callback_info info)
{
	napi_value argv[2], object, name;
	size_t argc = 2;
	int32_t fd;
	napi_valuetype type;
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 2 ||
	    napi_get_value_int32(env, argv[0], &fd) != napi_ok || napi_typeof(env, argv[1], &type) != napi_ok ||
	    type != napi_function) {
		napi_throw_type_error(env, NULL, "watch takes a descriptor and a function");
		return NULL;
	}
	struct watch *watch = calloc(1, sizeof *watch + uv_handle_size(UV_POLL));
	if (!watch) {
		napi_throw_error(env, "ENOMEM", "watch: out of memory");
		return NULL;
	}
	watch->env = env;
	watch->users = 1;
	if (napi_create_object(env, &object) != napi_ok ||
	    napi_define_properties(env, object, sizeof methods / sizeof *methods, methods) != napi_ok ||
	    napi_wrap(env, object, watch, on_collected, NULL, NULL) != napi_ok) {
		free(watch);
		return NULL;
	}
	int error = start(watch, fd);
	if (error) {
		char message[128];
		snprintf(message, sizeof message, "watch of fd %d: %s", fd, uv_strerror(error));
		napi_throw_error(env, uv_err_name(error), message);
		return NULL;
	}
	napi_create_string_utf8(env, "rsyscall.watch", NAPI_AUTO_LENGTH, &name);
	if (napi_create_reference(env, argv[1], 1, &watch->callback) != napi_ok ||
	    napi_async_init(env, NULL, name, &watch->context) != napi_ok ||
	    napi_add_async_cleanup_hook(env, on_teardown, watch, &watch->hook) != napi_ok) {
		stop(watch);
		return NULL;
	}
	uv_poll_start((uv_poll_t *)watch->handle, UV_READABLE, on_readable);
	return object;
}
