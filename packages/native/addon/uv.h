// The part of libuv's stable ABI that is used here. Node exports these symbols to addons, but its
// uv.h is in no package of the registry.
#ifndef RSYSCALL_UV_H
#define RSYSCALL_UV_H

#include <cstddef>

extern "C" {
struct uv_loop_s;
struct uv_handle_s;
struct uv_poll_s;

constexpr int kUvPollHandle = 8;  // UV_POLL
constexpr int kUvReadable = 1;    // UV_READABLE

size_t uv_handle_size(int type);
void uv_handle_set_data(uv_handle_s* handle, void* data);
void* uv_handle_get_data(const uv_handle_s* handle);
void uv_ref(uv_handle_s* handle);
void uv_unref(uv_handle_s* handle);
void uv_close(uv_handle_s* handle, void (*closed)(uv_handle_s*));
int uv_poll_init(uv_loop_s* loop, uv_poll_s* handle, int fd);
int uv_poll_start(uv_poll_s* handle, int events, void (*ready)(uv_poll_s*, int, int));
const char* uv_strerror(int error);
}

#endif
