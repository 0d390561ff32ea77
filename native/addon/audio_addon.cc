// The JavaScript face of audio/: toMono, toMonoSync and resampleReach.
#include "addon/audio_addon.h"

#include <new>

#include "audio/convert.h"

namespace audio2vec {
namespace {

// What toMono and toMonoSync are asked for. All memory it touches belongs to the arrays.
struct Conversion {
  explicit Conversion(const Napi::CallbackInfo& info) {
    auto layout = info[0].As<Napi::Object>();
    auto bytes = layout.Get("bytes").As<Napi::Uint8Array>();
    auto expanded = layout.Get("expanded").As<Napi::Float32Array>();
    auto samples = info[2].As<Napi::Float32Array>();
    auto flag = info[3].As<Napi::Int32Array>();
    Pcm& pcm = part.pcm;
    pcm.bytes = bytes.Data();
    pcm.encoding = static_cast<Encoding>(layout.Get("encoding").As<Napi::Number>().Int32Value());
    pcm.big_endian = layout.Get("bigEndian").As<Napi::Boolean>();
    pcm.channels = layout.Get("channels").As<Napi::Number>();
    pcm.frames = layout.Get("frames").As<Napi::Number>().Int64Value();
    pcm.expanded = expanded.Data();
    pcm.block_bytes = layout.Get("blockBytes").As<Napi::Number>();
    part.first = layout.Get("first").As<Napi::Number>().Int64Value();
    rate = info[1].As<Napi::Number>();
    output = samples.Data();
    outputs = static_cast<long long>(samples.ElementLength());
    cancel = flag.Data();
    first_output = info[4].As<Napi::Number>().Int64Value();
    target = info[5].As<Napi::Number>();
    arrays = Napi::Array::New(info.Env());
    uint32_t n = 0;
    for (Napi::Value value : {Napi::Value(bytes), Napi::Value(expanded), Napi::Value(samples), Napi::Value(flag)})
      arrays.Set(n++, value);
  }

  long long run() const { return convert(part, rate, target, output, first_output, outputs, cancel); }

  Part part;
  int rate, target;
  float* output;
  long long first_output, outputs;
  const int32_t* cancel;
  Napi::Array arrays;  // while the call that made it lasts
};

// Converts on a thread of libuv's pool. The reference keeps the arrays alive; lib/audio/convert.ts sees to it that
// nobody else writes to them meanwhile.
class ConvertWorker : public Napi::AsyncWorker {
 public:
  explicit ConvertWorker(const Napi::CallbackInfo& info)
      : Napi::AsyncWorker(info.Env()),
        deferred_(Napi::Promise::Deferred::New(info.Env())),
        conversion_(info),
        kept_(Napi::Persistent(conversion_.arrays.As<Napi::Object>())) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { result_ = conversion_.run(); }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), static_cast<double>(result_))); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  Conversion conversion_;
  Napi::ObjectReference kept_;
  long long result_ = 0;
};

// toMono(layout, rate, output, cancel, firstOutput, target rate) → Promise of convert()'s result.
Napi::Value to_mono(const Napi::CallbackInfo& info) {
  auto* worker = new ConvertWorker(info);  // deletes itself when done
  Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

// The same on the calling thread, for the small chunks of a stream.
Napi::Value to_mono_sync(const Napi::CallbackInfo& info) {
  try {
    return Napi::Number::New(info.Env(), static_cast<double>(Conversion(info).run()));
  } catch (const std::bad_alloc& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

// resampleReach(rate, target) → input frames to either side of an output that it depends on.
Napi::Value resample_reach(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), reach(info[0].As<Napi::Number>(), info[1].As<Napi::Number>()));
}

}  // namespace

void register_audio(Napi::Env env, Napi::Object exports) {
  exports.Set("toMono", Napi::Function::New(env, to_mono));
  exports.Set("toMonoSync", Napi::Function::New(env, to_mono_sync));
  exports.Set("resampleReach", Napi::Function::New(env, resample_reach));
}

}  // namespace audio2vec
