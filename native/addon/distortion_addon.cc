// distort as JavaScript sees it (called by lib/systems/cdpam/distortions.ts, which checks all arguments).
#include <vector>

#include "addon/bindings.h"
#include "distortion/distortion.h"

namespace audio2vec {
namespace {

// Columns of a request: rows of `samples` by their index, `other` -1 where there is none.
enum Column { kKind, kLevel, kSeed, kIn, kOther, kOut, kColumns };

// The requests one after the other, on a thread of libuv's pool: a row that one has written, the next may read. The
// references keep the arrays alive until it settles.
class DistortWorker : public Napi::AsyncWorker {
 public:
  DistortWorker(Napi::Float32Array samples, long count, double rate, Napi::Float64Array requests)
      : Napi::AsyncWorker(samples.Env(), "audio2vec.distort"),
        deferred_(samples.Env()),
        kept_{Napi::Persistent(Napi::Object(samples)), Napi::Persistent(Napi::Object(requests))} {
    const double* r = requests.Data();
    for (size_t i = 0; i < requests.ElementLength() / kColumns; i++, r += kColumns) {
      const auto row = [&](Column column) { return samples.Data() + long(r[column]) * count; };
      requests_.push_back({static_cast<DistortionKind>(int(r[kKind])), r[kLevel], uint64_t(r[kSeed]), row(kIn),
                           r[kOther] < 0 ? nullptr : row(kOther), row(kOut), count, rate});
    }
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    for (const Distortion& d : requests_) distort(d);
  }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::vector<Distortion> requests_;
  Napi::ObjectReference kept_[2];
};

// distort(samples, count, rate, requests) → Promise<void>
Napi::Value distort_rows(const Napi::CallbackInfo& info) {
  auto* worker = new DistortWorker(info[0].As<Napi::Float32Array>(), long(info[1].ToNumber().Int64Value()),
                                   info[2].ToNumber().DoubleValue(), info[3].As<Napi::Float64Array>());
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace

void register_distortion(Napi::Env env, Napi::Object exports) {
  exports.Set("distort", Napi::Function::New(env, distort_rows));
}

}  // namespace audio2vec
