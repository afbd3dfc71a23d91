// Readiness of a descriptor, told by the loop that Node itself waits in: nothing polls, and an idle
// program sleeps.

#include "watch.h"

#include <cstdlib>

#include "uv.h"

namespace rsyscall {
namespace {

uv_handle_s* AsHandle(uv_poll_s* poll) { return reinterpret_cast<uv_handle_s*>(poll); }

// libuv still uses the handle after uv_close returns, so its memory outlives the Watch.
void FreeHandle(uv_handle_s* handle) { std::free(handle); }

}  // namespace

Napi::Function Watch::Define(Napi::Env env) {
  return DefineClass(env, "Watch",
                     {InstanceMethod("ref", &Watch::Ref), InstanceMethod("unref", &Watch::Unref),
                      InstanceMethod("close", &Watch::Close)});
}

Watch::Watch(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Watch>(info), context_(info.Env(), "rsyscall.Watch") {
  uv_loop_s* loop;
  napi_get_uv_event_loop(info.Env(), &loop);
  uv_poll_s* handle = static_cast<uv_poll_s*>(std::malloc(uv_handle_size(kUvPollHandle)));
  int error = uv_poll_init(loop, handle, info[0].As<Napi::Number>().Int32Value());
  if (error != 0) {
    std::free(handle);
    throw Napi::Error::New(info.Env(), uv_strerror(error));
  }
  handle_ = handle;
  callback_ = Napi::Persistent(info[1].As<Napi::Function>());
  uv_handle_set_data(AsHandle(handle_), this);
  uv_poll_start(handle_, kUvReadable, OnReadable);
  uv_unref(AsHandle(handle_));
  Napi::ObjectWrap<Watch>::Ref();  // the loop holds it until close()
  napi_add_env_cleanup_hook(info.Env(), OnTeardown, this);
}

Watch::~Watch() { Stop(); }

void Watch::Stop() {
  if (handle_ == nullptr) return;
  uv_close(AsHandle(handle_), FreeHandle);
  handle_ = nullptr;
}

void Watch::OnTeardown(void* self) { static_cast<Watch*>(self)->Stop(); }

void Watch::OnReadable(uv_poll_s* handle, int, int) {
  Watch* self = static_cast<Watch*>(uv_handle_get_data(AsHandle(handle)));
  Napi::Env env = self->Env();
  Napi::HandleScope scope(env);
  try {
    // Runs microtasks and process.nextTick afterwards, as every event of the loop does.
    self->callback_.MakeCallback(env.Global(), {}, self->context_);
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

void Watch::Ref(const Napi::CallbackInfo&) {
  if (handle_ != nullptr) uv_ref(AsHandle(handle_));
}

void Watch::Unref(const Napi::CallbackInfo&) {
  if (handle_ != nullptr) uv_unref(AsHandle(handle_));
}

void Watch::Close(const Napi::CallbackInfo& info) {
  if (handle_ == nullptr) return;
  Stop();
  napi_remove_env_cleanup_hook(info.Env(), OnTeardown, this);
  Napi::ObjectWrap<Watch>::Unref();
}

}  // namespace rsyscall
