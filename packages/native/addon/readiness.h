#ifndef RSYSCALL_READINESS_H
#define RSYSCALL_READINESS_H

#include <node_api.h>

/* readiness(fd, events): whether a call on the descriptor would block. It does not block itself. */
napi_value rsyscall_readiness(napi_env env, napi_callback_info info);

#endif
