#ifndef RSYSCALL_WATCH_H
#define RSYSCALL_WATCH_H

#include <node_api.h>

/* watch(fd, callback): calls back, in libuv's loop, whenever fd is readable, until close(). Returns an object with
 * ref(), unref() and close(). After ref() the watch keeps the loop running, until unref(); at first it does not. */
napi_value rsyscall_watch(napi_env env, napi_callback_info info);

#endif
