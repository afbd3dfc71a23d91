#ifndef RSYSCALL_WATCH_H
#define RSYSCALL_WATCH_H

#include <napi.h>

struct uv_poll_s;

namespace rsyscall {

// new Watch(fd, callback): calls back, in libuv's loop, whenever fd is readable, until close().
// It keeps the loop running between ref() and unref(); it starts without.
class Watch : public Napi::ObjectWrap<Watch> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Watch(const Napi::CallbackInfo& info);
  ~Watch() override;

 private:
  static void OnReadable(uv_poll_s* handle, int status, int events);
  static void OnTeardown(void* self);
  void Ref(const Napi::CallbackInfo& info);
  void Unref(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  void Stop();

  uv_poll_s* handle_ = nullptr;
  Napi::FunctionReference callback_;
  Napi::AsyncContext context_;
};

}  // namespace rsyscall

#endif
