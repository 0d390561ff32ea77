// Cqt and CqtStream as JavaScript sees them (typed in lib/native/types.ts; lib/features/cqt.ts checks all arguments):
//   new Cqt(filters, isa)
//   runSync(samples, out) → status; run(samples, out, threads, cancel) → Promise<status>
//   new CqtStream(cqt)
//   reset(); push(samples, out) and pushSilence(count, out) → frames, or -1 if a value is not finite
#include <algorithm>
#include <atomic>

#include "addon/bindings.h"
#include "addon/frame_worker.h"
#include "frontend/cqt_plan.h"

namespace audio2vec {
namespace {

// Starting a thread takes about as long as this many frames.
constexpr long kWorthAThread = 256;

class CqtWorker : public FrameWorker {
 public:
  CqtWorker(const Napi::Object& self, const Cqt& cqt, Napi::Float32Array samples, Napi::Float32Array out, int threads,
            Napi::Int32Array cancel)
      : FrameWorker(self, "audio2vec.cqt",
                    int(std::min<long>(threads, 1 + cqt.frames(long(samples.ElementLength())) / kWorthAThread)), cancel,
                    {samples, out}),
        cqt_(cqt),
        samples_(samples.Data()),
        length_(long(samples.ElementLength())),
        out_(out.Data()) {}

 protected:
  void work(int thread) override {
    const long frames = cqt_.frames(length_);
    const long at = frames * thread / threads_, end = frames * (thread + 1) / threads_;
    const FrontEndStatus status = cqt_.run(samples_, length_, at, end - at, out_ + at * cqt_.bins(), cancel_);
    if (status != FRONT_END_DONE) status_ = int(status);
  }

 private:
  const Cqt& cqt_;
  const float* samples_;
  long length_;
  float* out_;
};

template <class T, class Array>
std::vector<T> vector_of(Napi::Value value) {
  const auto array = value.As<Array>();
  return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}

CqtFilters filters_from(Napi::Object o) {
  const auto number = [&](const char* key) { return o.Get(key).ToNumber().DoubleValue(); };
  const auto numbers = [&](const char* key) { return vector_of<double, Napi::Float64Array>(o.Get(key)); };
  CqtFilters filters;
  filters.sample_rate = number("sampleRate");
  filters.hop = int(number("hop"));
  filters.latency = long(number("latency"));
  filters.frequencies = numbers("frequencies");
  filters.lengths = numbers("lengths");
  filters.bin_levels = vector_of<int, Napi::Int32Array>(o.Get("levels"));
  filters.window = numbers("window");
  filters.half_band = numbers("halfBand");
  filters.logarithm = o.Get("logarithm").ToBoolean();
  filters.base = number("base");
  filters.slope = number("slope");
  filters.gain = number("gain");
  return filters;
}

const KernelTable& kernels_named(Napi::Value isa) {
  const KernelTable* found = isa.IsString() ? find_kernels(isa.ToString().Utf8Value().c_str()) : nullptr;
  return found ? *found : kernels();
}

class CqtObject : public Napi::ObjectWrap<CqtObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Cqt",
                       {InstanceMethod<&CqtObject::run_sync>("runSync"), InstanceMethod<&CqtObject::run>("run")});
  }

  explicit CqtObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<CqtObject>(info), cqt_(filters_from(info[0].ToObject()), kernels_named(info[1])) {}

  const Cqt& cqt() const { return cqt_; }

 private:
  Napi::Value run_sync(const Napi::CallbackInfo& info) {
    const auto samples = info[0].As<Napi::Float32Array>();
    const long length = long(samples.ElementLength());
    const FrontEndStatus status =
        cqt_.run(samples.Data(), length, 0, cqt_.frames(length), info[1].As<Napi::Float32Array>().Data(), nullptr);
    return Napi::Number::New(info.Env(), int(status));
  }

  Napi::Value run(const Napi::CallbackInfo& info) {
    auto* worker =
        new CqtWorker(info.This().ToObject(), cqt_, info[0].As<Napi::Float32Array>(), info[1].As<Napi::Float32Array>(),
                      info[2].ToNumber().Int32Value(), info[3].As<Napi::Int32Array>());
    worker->Queue();
    return worker->promise();
  }

  Cqt cqt_;
};

class CqtStreamObject : public Napi::ObjectWrap<CqtStreamObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "CqtStream",
        {InstanceMethod<&CqtStreamObject::reset>("reset"), InstanceMethod<&CqtStreamObject::push>("push"),
         InstanceMethod<&CqtStreamObject::push_silence>("pushSilence")});
  }

  explicit CqtStreamObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<CqtStreamObject>(info),
        kept_(Napi::Persistent(info[0].ToObject())),
        cqt_(CqtObject::Unwrap(info[0].ToObject())->cqt()),
        stream_(cqt_) {
    restart();
  }

 private:
  void restart() {
    stream_.start(0);
    stream_.push(nullptr, cqt_.reach(0), nullptr);  // the silence before the recording completes no frame
  }
  void reset(const Napi::CallbackInfo&) { restart(); }

  Napi::Value push(const Napi::CallbackInfo& info) {
    const auto samples = info[0].As<Napi::Float32Array>();
    const long frames =
        stream_.push(samples.Data(), long(samples.ElementLength()), info[1].As<Napi::Float32Array>().Data());
    return Napi::Number::New(info.Env(), double(frames));
  }

  Napi::Value push_silence(const Napi::CallbackInfo& info) {
    const long frames =
        stream_.push(nullptr, long(info[0].ToNumber().Int64Value()), info[1].As<Napi::Float32Array>().Data());
    return Napi::Number::New(info.Env(), double(frames));
  }

  Napi::ObjectReference kept_;
  const Cqt& cqt_;
  CqtStream stream_;
};

}  // namespace

void register_cqt(Napi::Env env, Napi::Object exports) {
  exports.Set("Cqt", CqtObject::define(env));
  exports.Set("CqtStream", CqtStreamObject::define(env));
}

}  // namespace audio2vec
