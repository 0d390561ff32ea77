// The second, optional addon: ranks of mpirun for lib/parallel/mpi-ranks.ts, which checks arguments. The first one
// never needs it.
#include <napi.h>

#include <functional>
#include <optional>

#include "mpi/group.h"

namespace audio2vec::mpi {
namespace {

// MPI can be initialised once in a process.
std::unique_ptr<Group> group;

Group& joined(Napi::Env env) {
  if (!group) throw Napi::Error::New(env, "not joined");
  return *group;
}

// An exchange on the thread pool: a wait for others must not hold up signals and timers.
class Exchange : public Napi::AsyncWorker {
 public:
  Exchange(Napi::Env env, std::function<void()> work, std::function<Napi::Value(Napi::Env)> result)
      : Napi::AsyncWorker(env, "audio2vec exchange"),
        deferred_(env),
        work_(std::move(work)),
        result_(std::move(result)) {}

  void keep(const Napi::Object& object) { kept_.push_back(Napi::Persistent(object)); }
  Napi::Promise start() {
    Queue();
    return deferred_.Promise();
  }

 protected:
  void Execute() override { work_(); }
  void OnOK() override { deferred_.Resolve(result_(Env())); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::function<void()> work_;
  std::function<Napi::Value(Napi::Env)> result_;
  std::vector<Napi::ObjectReference> kept_;
};

Napi::Value nothing(Napi::Env env) { return env.Undefined(); }

// (silence, stall in seconds) → { rank, size, localRank, localSize, hosts }
Napi::Value join(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (group) throw Napi::Error::New(env, "joined already");
  try {
    group = std::make_unique<Group>(info[0].ToNumber().DoubleValue(), info[1].ToNumber().DoubleValue());
  } catch (const std::exception& e) {
    throw Napi::Error::New(env, e.what());
  }
  env.AddCleanupHook([] {
    if (group) group->close();
  });
  Napi::Object out = Napi::Object::New(env);
  out.Set("rank", group->rank);
  out.Set("size", group->size);
  out.Set("localRank", group->local_rank);
  out.Set("localSize", group->local_size);
  Napi::Array hosts = Napi::Array::New(env, group->hosts.size());
  for (uint32_t i = 0; i < hosts.Length(); i++) hosts.Set(i, group->hosts[i]);
  out.Set("hosts", hosts);
  return out;
}

// (arrays, weight, total) → Promise; in place
Napi::Value mean(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Group& all = joined(env);
  Napi::Array given = info[0].As<Napi::Array>();
  std::vector<Values> arrays;
  for (uint32_t i = 0; i < given.Length(); i++) {
    Napi::TypedArray a = given.Get(i).As<Napi::TypedArray>();
    char* data = static_cast<char*>(a.ArrayBuffer().Data()) + a.ByteOffset();
    arrays.push_back({data, a.ElementLength(), a.TypedArrayType() == napi_float64_array});
  }
  const double weight = info[1].ToNumber().DoubleValue(), total = info[2].ToNumber().DoubleValue();
  auto* exchange = new Exchange(env, [&all, arrays, weight, total] { all.mean(arrays, weight, total); }, nothing);
  exchange->keep(given);
  for (uint32_t i = 0; i < given.Length(); i++) exchange->keep(given.Get(i).As<Napi::Object>());
  return exchange->start();
}

// (bytes: Uint8Array, of rank 0) → Promise of them
Napi::Value broadcast(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Group& all = joined(env);
  Napi::Uint8Array given = info[0].As<Napi::Uint8Array>();
  auto bytes = std::make_shared<std::vector<char>>(given.Data(), given.Data() + given.ElementLength());
  auto* exchange = new Exchange(
      env, [&all, bytes] { *bytes = all.broadcast(std::move(*bytes)); },
      [bytes](Napi::Env env) -> Napi::Value { return Napi::Buffer<char>::Copy(env, bytes->data(), bytes->size()); });
  return exchange->start();
}

Napi::Value barrier(const Napi::CallbackInfo& info) {
  Group& all = joined(info.Env());
  return (new Exchange(info.Env(), [&all] { all.barrier(); }, nothing))->start();
}

// After a barrier, on the thread that joined.
Napi::Value leave(const Napi::CallbackInfo& info) {
  joined(info.Env()).finalize();
  return info.Env().Undefined();
}

Napi::Value hurry(const Napi::CallbackInfo& info) {
  if (group) group->hurry();
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("join", Napi::Function::New<join>(env));
  exports.Set("mean", Napi::Function::New<mean>(env));
  exports.Set("broadcast", Napi::Function::New<broadcast>(env));
  exports.Set("barrier", Napi::Function::New<barrier>(env));
  exports.Set("leave", Napi::Function::New<leave>(env));
  exports.Set("hurry", Napi::Function::New<hurry>(env));
  return exports;
}

NODE_API_MODULE(audio2vec_mpi, init)

}  // namespace
}  // namespace audio2vec::mpi
