#ifndef RSYSCALL_WATCH_H
#define RSYSCALL_WATCH_H

#include <node_api.h>

/* watch(fd, callback): calls back, in libuv's loop, whenever fd is readable, until close(). The object
 * that it returns has ref(), unref() and close(); the loop goes on between ref() and unref(), and it
 * starts without. */
napi_value rsyscall_watch(napi_env env, napi_callback_info info);

#endif
