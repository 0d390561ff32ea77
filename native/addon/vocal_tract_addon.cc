// vocalTract and vocalTractSync as JavaScript sees them (called by lib/systems/articulation/vocal-tract.ts, which
// checks all arguments; NativeTracts in lib/native/types.ts says what they get).
#include <algorithm>
#include <memory>

#include "addon/bindings.h"
#include "synthesis/tract_batch.h"

namespace audio2vec {
namespace {

// Columns of NativeTracts.tracts.
enum Column { kRows, kSamples, kRate, kGlottal, kLip, kLoss, kSeed, kExcitationSteps, kColumns };

struct Request {
  std::vector<Tract> tracts;
  const KernelTable* kernels;
};

Request request_from(const Napi::Object& o) {
  const float* frames = o.Get("frames").As<Napi::Float32Array>().Data();
  const float* excitation = o.Get("excitation").As<Napi::Float32Array>().Data();
  const auto out = o.Get("out").As<Napi::Array>();
  const auto table = o.Get("tracts").As<Napi::Float64Array>();
  const double hop = o.Get("hop").ToNumber().DoubleValue(), output_rate = o.Get("sampleRate").ToNumber().DoubleValue();
  std::vector<Tract> tracts(table.ElementLength() / kColumns);
  const double* row = table.Data();
  for (size_t i = 0; i < tracts.size(); i++) {
    const Napi::HandleScope scope(o.Env());  // there may be thousands
    Tract& t = tracts[i];
    t = {};
    t.frames = frames;
    t.rows = long(row[kRows]);
    t.rate = row[kRate];
    t.frames_per_step = output_rate / (row[kRate] * hop);
    t.steps_per_sample = row[kRate] / output_rate;
    t.excitation_steps = long(row[kExcitationSteps]);
    t.excitation = t.excitation_steps > 0 ? excitation : nullptr;
    t.glottal = row[kGlottal];
    t.lip = row[kLip];
    t.loss = row[kLoss];
    t.seed = uint32_t(row[kSeed]);
    t.samples = long(row[kSamples]);
    t.out = out.Get(uint32_t(i)).As<Napi::Float32Array>().Data();
    frames += t.rows * kTractControls;
    excitation += t.excitation_steps;
    row += kColumns;
  }
  const KernelTable* found = find_kernels(o.Get("isa").ToString().Utf8Value().c_str());
  return {std::move(tracts), found ? found : &kernels()};
}

// One call on the thread pool of libuv. The reference keeps the arrays alive until it settles.
class TractWorker : public Napi::AsyncWorker {
 public:
  TractWorker(const Napi::Object& arrays, int threads, Napi::Int32Array cancel)
      : Napi::AsyncWorker(arrays.Env(), "audio2vec.vocalTract"),
        deferred_(arrays.Env()),
        request_(request_from(arrays)),
        threads_(threads),
        cancel_(cancel.Data()),
        kept_{Napi::Persistent(arrays), Napi::Persistent(Napi::Object(cancel))} {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { TractBatch(std::move(request_.tracts), *request_.kernels).run(threads_, cancel_); }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  Request request_;
  int threads_;
  const int32_t* cancel_;
  Napi::ObjectReference kept_[2];
};

// vocalTract(arrays, threads, cancel) → Promise<void>
Napi::Value vocal_tract(const Napi::CallbackInfo& info) {
  auto* worker = new TractWorker(info[0].ToObject(), info[1].ToNumber().Int32Value(), info[2].As<Napi::Int32Array>());
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

// vocalTractSync(arrays): the same on the calling thread.
Napi::Value vocal_tract_sync(const Napi::CallbackInfo& info) {
  const int32_t never = 0;
  Request request = request_from(info[0].ToObject());
  TractBatch(std::move(request.tracts), *request.kernels).run(1, &never);
  return info.Env().Undefined();
}

}  // namespace

void register_vocal_tract(Napi::Env env, Napi::Object exports) {
  exports.Set("vocalTract", Napi::Function::New(env, vocal_tract));
  exports.Set("vocalTractSync", Napi::Function::New(env, vocal_tract_sync));
}

}  // namespace audio2vec
