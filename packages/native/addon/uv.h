/* The part of libuv's stable ABI that is used here. Node exports these symbols to addons, but no npm package contains
 * its uv.h. */
#ifndef RSYSCALL_UV_H
#define RSYSCALL_UV_H

#include <stddef.h>

struct uv_loop_s;
typedef struct uv_handle_s uv_handle_t;
typedef struct uv_poll_s uv_poll_t;

enum { UV_POLL = 8, UV_READABLE = 1 };

/* Weak: a runtime without libuv can load the addon, and gets an error message from it. */
#pragma weak uv_poll_init

size_t uv_handle_size(int type);
void uv_handle_set_data(uv_handle_t *handle, void *data);
void *uv_handle_get_data(const uv_handle_t *handle);
void uv_ref(uv_handle_t *handle);
void uv_unref(uv_handle_t *handle);
void uv_close(uv_handle_t *handle, void (*closed)(uv_handle_t *));
int uv_poll_init(struct uv_loop_s *loop, uv_poll_t *handle, int fd);
int uv_poll_start(uv_poll_t *handle, int events, void (*ready)(uv_poll_t *, int status, int events));
const char *uv_err_name(int error);
const char *uv_strerror(int error);

#endif
