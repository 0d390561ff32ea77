// LogMel as JavaScript sees it (typed in lib/features/log-mel.ts, which checks all arguments):
//   new LogMel(frontEnd, isa)
//   runSync(samples, out) → Status; run(samples, out, threads, cancel) → Promise<Status>
#include <algorithm>
#include <atomic>
#include <string>

#include "addon/bindings.h"
#include "frontend/log_mel_plan.h"
#include "platform/memory.h"
#include "platform/threads.h"

namespace audio2vec {
namespace {

enum Status { kDone = 0, kNotFinite = 1, kCancelled = 2 };

// Frames between two looks at the cancel flag: about a millisecond of work.
constexpr long kChunk = 4096;

// Starting a thread takes about as long as this many frames.
constexpr long kWorthAThread = 4096;

// One call on the thread pool of libuv. The references keep the arrays and the plan alive until it settles.
class LogMelWorker : public Napi::AsyncWorker {
 public:
  LogMelWorker(const Napi::Object& self, const LogMel& log_mel, Napi::Float32Array samples, Napi::Float32Array out,
               int threads, Napi::Int32Array cancel)
      : Napi::AsyncWorker(self.Env(), "audio2vec.logMel"),
        deferred_(self.Env()),
        log_mel_(log_mel),
        samples_(samples.Data()),
        length_(long(samples.ElementLength())),
        out_(out.Data()),
        threads_(int(std::min<long>(threads, 1 + log_mel.frames(length_) / kWorthAThread))),
        cancel_(reinterpret_cast<std::atomic<int32_t>*>(cancel.Data())),
        kept_{Napi::Persistent(self), Napi::Persistent(Napi::Object(samples)), Napi::Persistent(Napi::Object(out)),
              Napi::Persistent(Napi::Object(cancel))} {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    ask_for_huge_pages(out_, log_mel_.frames(length_) * log_mel_.bands() * sizeof(float));
    if (threads_ == 1) return work(0);
    ThreadPool pool(threads_);
    pool.run([](void* self, int thread) { static_cast<LogMelWorker*>(self)->work(thread); }, this);
  }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), status_.load())); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  void work(int thread) {
    const long frames = log_mel_.frames(length_);
    const long end = frames * (thread + 1) / threads_;
    for (long at = frames * thread / threads_; at < end && status_ == kDone; at += kChunk) {
      if (cancel_->load(std::memory_order_relaxed))
        status_ = kCancelled;
      else if (!log_mel_.run(samples_, length_, at, std::min(kChunk, end - at), out_ + at * log_mel_.bands()))
        status_ = kNotFinite;
    }
  }

  Napi::Promise::Deferred deferred_;
  const LogMel& log_mel_;
  const float* samples_;
  long length_;
  float* out_;
  int threads_;
  std::atomic<int32_t>* cancel_;
  Napi::ObjectReference kept_[4];
  std::atomic<int> status_{kDone};
};

FrontEnd front_end_from(Napi::Object o) {
  const auto number = [&](const char* key) { return o.Get(key).ToNumber().DoubleValue(); };
  FrontEnd fe;
  fe.sample_rate = number("sampleRate");
  fe.window = int(number("windowLength"));
  fe.hop = int(number("hop"));
  fe.fft = int(number("fftSize"));
  fe.bands = int(number("bands"));
  fe.low_hz = number("lowHz");
  fe.high_hz = number("highHz");
  fe.log_offset = number("logOffset");
  return fe;
}

const KernelTable& kernels_named(Napi::Value isa) {
  const KernelTable* found = isa.IsString() ? find_kernels(isa.ToString().Utf8Value().c_str()) : nullptr;
  return found ? *found : kernels();
}

class LogMelObject : public Napi::ObjectWrap<LogMelObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "LogMel",
                       {InstanceMethod<&LogMelObject::run_sync>("runSync"), InstanceMethod<&LogMelObject::run>("run")});
  }

  explicit LogMelObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<LogMelObject>(info), log_mel_(front_end_from(info[0].ToObject()), kernels_named(info[1])) {}

 private:
  Napi::Value run_sync(const Napi::CallbackInfo& info) {
    const auto samples = info[0].As<Napi::Float32Array>();
    const long length = long(samples.ElementLength());
    const bool finite =
        log_mel_.run(samples.Data(), length, 0, log_mel_.frames(length), info[1].As<Napi::Float32Array>().Data());
    return Napi::Number::New(info.Env(), finite ? kDone : kNotFinite);
  }

  Napi::Value run(const Napi::CallbackInfo& info) {
    auto* worker = new LogMelWorker(info.This().ToObject(), log_mel_, info[0].As<Napi::Float32Array>(),
                                    info[1].As<Napi::Float32Array>(), info[2].ToNumber().Int32Value(),
                                    info[3].As<Napi::Int32Array>());
    worker->Queue();
    return worker->promise();
  }

  LogMel log_mel_;
};

}  // namespace

void register_log_mel(Napi::Env env, Napi::Object exports) { exports.Set("LogMel", LogMelObject::define(env)); }

}  // namespace audio2vec
