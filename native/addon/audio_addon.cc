// The JavaScript face of audio/: toMono and resampleReach.
#include "addon/audio_addon.h"

#include "audio/convert.h"

namespace audio2vec {
namespace {

// Converts on a thread of libuv's pool. All memory it touches belongs to JavaScript arrays that the references keep
// alive; lib/audio/convert.ts sees to it that nobody else writes to them meanwhile.
class ConvertWorker : public Napi::AsyncWorker {
 public:
  explicit ConvertWorker(const Napi::CallbackInfo& info)
      : Napi::AsyncWorker(info.Env()), deferred_(Napi::Promise::Deferred::New(info.Env())) {
    auto layout = info[0].As<Napi::Object>();
    auto bytes = layout.Get("bytes").As<Napi::Uint8Array>();
    auto expanded = layout.Get("expanded").As<Napi::Float32Array>();
    auto output = info[2].As<Napi::Float32Array>();
    auto cancel = info[3].As<Napi::Int32Array>();
    Pcm& pcm = part_.pcm;
    pcm.bytes = bytes.Data();
    pcm.encoding = static_cast<Encoding>(layout.Get("encoding").As<Napi::Number>().Int32Value());
    pcm.big_endian = layout.Get("bigEndian").As<Napi::Boolean>();
    pcm.channels = layout.Get("channels").As<Napi::Number>();
    pcm.frames = layout.Get("frames").As<Napi::Number>().Int64Value();
    pcm.expanded = expanded.Data();
    pcm.block_bytes = layout.Get("blockBytes").As<Napi::Number>();
    rate_ = info[1].As<Napi::Number>();
    target_ = info[5].As<Napi::Number>();
    output_ = output.Data();
    part_.first = layout.Get("first").As<Napi::Number>().Int64Value();
    first_output_ = info[4].As<Napi::Number>().Int64Value();
    outputs_ = static_cast<long long>(output.ElementLength());
    cancel_ = cancel.Data();
    auto kept = Napi::Array::New(info.Env());
    uint32_t n = 0;
    for (Napi::Value value : {Napi::Value(bytes), Napi::Value(expanded), Napi::Value(output), Napi::Value(cancel)})
      kept.Set(n++, value);
    kept_ = Napi::Persistent(kept.As<Napi::Object>());
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { result_ = convert(part_, rate_, target_, output_, first_output_, outputs_, cancel_); }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), static_cast<double>(result_))); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference kept_;
  Part part_;
  int rate_, target_;
  float* output_;
  long long first_output_;
  long long outputs_;
  const int32_t* cancel_;
  long long result_ = 0;
};

// toMono(layout, rate, output, cancel, firstOutput, target rate) → Promise of convert()'s result.
Napi::Value to_mono(const Napi::CallbackInfo& info) {
  auto* worker = new ConvertWorker(info);  // deletes itself when done
  Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

// resampleReach(rate, target) → input frames to either side of an output that it depends on.
Napi::Value resample_reach(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), reach(info[0].As<Napi::Number>(), info[1].As<Napi::Number>()));
}

}  // namespace

void register_audio(Napi::Env env, Napi::Object exports) {
  exports.Set("toMono", Napi::Function::New(env, to_mono));
  exports.Set("resampleReach", Napi::Function::New(env, resample_reach));
}

}  // namespace audio2vec
