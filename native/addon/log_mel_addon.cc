// LogMel as JavaScript sees it (typed in lib/native/types.ts; lib/features/compute.ts checks all arguments):
//   new LogMel(config, isa)
//   runSync(samples, out) → status; run(samples, out, threads, cancel) → Promise<status>
//   gradientSync(samples, gradient, out) → status; gradient(samples, gradient, out, threads, cancel) → Promise<status>
#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "addon/bindings.h"
#include "addon/frame_worker.h"
#include "addon/front_end_argument.h"
#include "frontend/status.h"
#include "platform/memory.h"

namespace audio2vec {
namespace {

// Frames between two looks at the cancel flag: about a millisecond of work.
constexpr long kChunk = 4096;

// Starting a thread takes about as long as this many frames.
constexpr long kWorthAThread = 4096;

class LogMelWorker : public FrameWorker {
 public:
  LogMelWorker(const Napi::Object& self, const LogMel& log_mel, Napi::Float32Array samples, const float* gradient,
               Napi::Float32Array out, int threads, Napi::Int32Array cancel)
      : FrameWorker(self, "audio2vec.logMel",
                    int(std::min<long>(threads, 1 + log_mel.frames(long(samples.ElementLength())) / kWorthAThread)),
                    cancel, {samples, out}),
        log_mel_(log_mel),
        samples_(samples.Data()),
        length_(long(samples.ElementLength())),
        gradient_(gradient),
        out_(out.Data()),
        out_bytes_(out.ByteLength()) {}

 protected:
  void Execute() override {
    ask_for_huge_pages(out_, out_bytes_);
    FrameWorker::Execute();
  }
  void work(int thread) override {
    const long frames = log_mel_.frames(length_);
    const long end = frames * (thread + 1) / threads_;
    for (long at = frames * thread / threads_; at < end && status_ == FRONT_END_DONE; at += kChunk) {
      const long count = std::min(kChunk, end - at);
      if (cancel_->load(std::memory_order_relaxed))
        status_ = FRONT_END_CANCELLED;
      else if (gradient_ ? !log_mel_.gradient(samples_, length_, gradient_, at, count, out_)
                         : !log_mel_.run(samples_, length_, at, count, out_ + at * log_mel_.bands()))
        status_ = FRONT_END_NOT_FINITE;
    }
  }

 private:
  const LogMel& log_mel_;
  const float* samples_;
  long length_;
  const float* gradient_;
  float* out_;
  size_t out_bytes_;
};

class LogMelObject : public Napi::ObjectWrap<LogMelObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "LogMel",
                       {InstanceMethod<&LogMelObject::run_sync>("runSync"), InstanceMethod<&LogMelObject::run>("run"),
                        InstanceMethod<&LogMelObject::gradient_sync>("gradientSync"),
                        InstanceMethod<&LogMelObject::gradient>("gradient")});
  }

  explicit LogMelObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<LogMelObject>(info), log_mel_(front_end_from(info[0].ToObject()), kernels_named(info[1])) {}

 private:
  Napi::Value run_sync(const Napi::CallbackInfo& info) {
    const auto samples = info[0].As<Napi::Float32Array>();
    const long length = long(samples.ElementLength());
    const bool finite =
        log_mel_.run(samples.Data(), length, 0, log_mel_.frames(length), info[1].As<Napi::Float32Array>().Data());
    return Napi::Number::New(info.Env(), finite ? FRONT_END_DONE : FRONT_END_NOT_FINITE);
  }

  Napi::Value run(const Napi::CallbackInfo& info) {
    return start(new LogMelWorker(info.This().ToObject(), log_mel_, info[0].As<Napi::Float32Array>(), nullptr,
                                  info[1].As<Napi::Float32Array>(), info[2].ToNumber().Int32Value(),
                                  info[3].As<Napi::Int32Array>()));
  }

  Napi::Value gradient_sync(const Napi::CallbackInfo& info) {
    const auto samples = info[0].As<Napi::Float32Array>();
    const auto gradient = info[1].As<Napi::Float32Array>();
    auto out = info[2].As<Napi::Float32Array>();
    const long length = long(samples.ElementLength()), frames = log_mel_.frames(length);
    bool finite = true;
    if (frames == 0)
      std::fill(out.Data(), out.Data() + length, 0.f);
    else
      finite = log_mel_.gradient(samples.Data(), length, gradient.Data(), 0, frames, out.Data());
    return Napi::Number::New(info.Env(), finite ? FRONT_END_DONE : FRONT_END_NOT_FINITE);
  }

  Napi::Value gradient(const Napi::CallbackInfo& info) {
    auto samples = info[0].As<Napi::Float32Array>(), given = info[1].As<Napi::Float32Array>(),
         out = info[2].As<Napi::Float32Array>();
    if (log_mel_.frames(long(samples.ElementLength())) == 0)
      std::fill(out.Data(), out.Data() + out.ElementLength(), 0.f);
    auto* worker = new LogMelWorker(info.This().ToObject(), log_mel_, samples, given.Data(), out,
                                    info[3].ToNumber().Int32Value(), info[4].As<Napi::Int32Array>());
    worker->keep(given);
    return start(worker);
  }

  static Napi::Value start(LogMelWorker* worker) {
    worker->Queue();
    return worker->promise();
  }

  LogMel log_mel_;
};

Napi::Float64Array doubles(Napi::Env env, const std::vector<double>& values) {
  auto array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

// logMelTables(config) → {window, corners, weights}
Napi::Value log_mel_tables(const Napi::CallbackInfo& info) {
  const LogMelConfig config = front_end_from(info[0].ToObject());
  std::vector<double> window(config.window);
  for (int i = 0; i < config.window; i++) window[i] = hann(i, config.window);
  auto tables = Napi::Object::New(info.Env());
  tables.Set("window", doubles(info.Env(), window));
  tables.Set("corners", doubles(info.Env(), mel_corners(config)));
  tables.Set("weights", doubles(info.Env(), mel_weights(config)));
  return tables;
}

}  // namespace

void register_log_mel(Napi::Env env, Napi::Object exports) {
  exports.Set("LogMel", LogMelObject::define(env));
  exports.Set("logMelTables", Napi::Function::New(env, log_mel_tables));
}

}  // namespace audio2vec
