// What JavaScript cannot do itself: a system call, memory by address, readiness in libuv's loop,
// and the addresses of native code. Everything above is TypeScript.

#include <napi.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "watch.h"

extern "C" {
#include "rsyscall/server.h"
}

namespace {

// Numbers are exact up to here; what lies beyond crosses as a bigint.
constexpr int64_t kSafe = (int64_t{1} << 53) - 1;

bool ToWord(napi_env env, napi_value value, long* word) {
  int64_t number;
  napi_status status = napi_get_value_int64(env, value, &number);
  if (status == napi_number_expected) {
    // Masks and offsets of 64 bits, signed or not: the kernel sees the same bits.
    bool lossless;
    status = napi_get_value_bigint_int64(env, value, &number, &lossless);
  }
  *word = number;
  return status == napi_ok;
}

napi_value FromWord(napi_env env, long word) {
  napi_value value = nullptr;
  if (word >= -kSafe && word <= kSafe)
    napi_create_double(env, static_cast<double>(word), &value);
  else
    napi_create_bigint_int64(env, word, &value);
  return value;
}

// syscall(number, ...six words): the kernel's result, -errno included; or one of the server's own
// operations. Plain Node-API, because this is the hot path of everything.
napi_value Syscall(napi_env env, napi_callback_info info) {
  napi_value argv[7];
  size_t argc = 7;
  long word[7] = {0};
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  for (size_t i = 0; i < argc && i < 7; i++) {
    if (!ToWord(env, argv[i], &word[i])) {
      napi_throw_type_error(env, nullptr, "syscall takes numbers and bigints");
      return nullptr;
    }
  }
  if (word[0] >= RSYSCALL_OP_FIRST && word[0] <= UINT32_MAX) {
    unsigned long args[6];
    std::copy(word + 1, word + 7, args);
    return FromWord(env, rsyscall_operation(static_cast<unsigned>(word[0]), args));
  }
  long result = ::syscall(word[0], word[1], word[2], word[3], word[4], word[5], word[6]);
  return FromWord(env, result == -1 ? -errno : result);
}

void* AddressOf(const Napi::Value& value) {
  return reinterpret_cast<void*>(value.As<Napi::Number>().Int64Value());
}

// read(address, bytes): fills bytes with memory of this process.
void Read(const Napi::CallbackInfo& info) {
  Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
  std::memcpy(bytes.Data(), AddressOf(info[0]), bytes.ByteLength());
}

// write(address, bytes)
void Write(const Napi::CallbackInfo& info) {
  Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
  std::memcpy(AddressOf(info[0]), bytes.Data(), bytes.ByteLength());
}

// view(address, length): an ArrayBuffer that is the memory. Whoever unmaps it detaches it first.
Napi::Value View(const Napi::CallbackInfo& info) {
  return Napi::ArrayBuffer::New(info.Env(), AddressOf(info[0]),
                                info[1].As<Napi::Number>().Int64Value());
}

// unview(buffer): detaches an ArrayBuffer; what is left of it is empty.
void Unview(const Napi::CallbackInfo& info) { info[0].As<Napi::ArrayBuffer>().Detach(); }

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  napi_value syscall;
  napi_create_function(env, "syscall", NAPI_AUTO_LENGTH, Syscall, nullptr, &syscall);
  exports.Set("syscall", Napi::Value(env, syscall));
  exports.Set("read", Napi::Function::New<Read>(env, "read"));
  exports.Set("write", Napi::Function::New<Write>(env, "write"));
  exports.Set("view", Napi::Function::New<View>(env, "view"));
  exports.Set("unview", Napi::Function::New<Unview>(env, "unview"));
  exports.Set("Watch", rsyscall::Watch::Define(env));

  Napi::Object symbols = Napi::Object::New(env);
  symbols.Set("server", static_cast<double>(reinterpret_cast<uintptr_t>(&rsyscall_server)));
  exports.Set("symbols", symbols);
  return exports;
}

}  // namespace

NODE_API_MODULE(rsyscall, Init)
