// PseudoLabels as JavaScript sees it (typed in lib/native/types.ts; lib/features/pseudo-labels.ts checks all
// arguments):
//   new PseudoLabels(frontEnd, isa)
//   run(samples, out, threads, cancel) → Promise<status>; out [labels, frames] is a Float32Array, with isa float64 a
//   Float64Array
#include <algorithm>
#include <atomic>

#include "addon/bindings.h"
#include "addon/frame_worker.h"
#include "addon/front_end_argument.h"
#include "frontend/pseudo_labels_plan.h"
#include "frontend/status.h"

namespace audio2vec {
namespace {

// Frames between two looks at the cancel flag: about a millisecond of work. Starting a thread takes less.
constexpr long kChunk = 512;

class PseudoLabelWorker : public FrameWorker {
 public:
  PseudoLabelWorker(const Napi::Object& self, const PseudoLabels& labels, Napi::Float32Array samples,
                    Napi::TypedArray out, int threads, Napi::Int32Array cancel)
      : FrameWorker(self, "audio2vec.pseudoLabels",
                    int(std::min<long>(threads, 1 + labels.frames(long(samples.ElementLength())) / kChunk)), cancel,
                    {samples, out}),
        labels_(labels),
        samples_(samples.Data()),
        length_(long(samples.ElementLength())),
        frames_(labels.frames(length_)),
        out_(static_cast<char*>(out.ArrayBuffer().Data()) + out.ByteOffset()) {}

 protected:
  void Execute() override {
    FrameWorker::Execute();
    if (frames_ > 0 && labels_.real_bytes() == 4) first_flux<float>();
    if (frames_ > 0 && labels_.real_bytes() == 8) first_flux<double>();
  }
  void work(int thread) override {
    const long end = frames_ * (thread + 1) / threads_;
    for (long at = frames_ * thread / threads_; at < end && status_ == FRONT_END_DONE; at += kChunk) {
      if (cancel_->load(std::memory_order_relaxed))
        status_ = FRONT_END_CANCELLED;
      else if (!labels_.run(samples_, length_, at, std::min(kChunk, end - at), out_ + at * labels_.real_bytes(),
                            frames_))
        status_ = FRONT_END_NOT_FINITE;
    }
  }

 private:
  // The first frame has none before it and repeats the second.
  template <class Real>
  void first_flux() {
    Real* flux = reinterpret_cast<Real*>(out_) + kLabelFlux * frames_;
    flux[0] = frames_ > 1 ? flux[1] : 0;
  }

  const PseudoLabels& labels_;
  const float* samples_;
  long length_, frames_;
  char* out_;
};

class PseudoLabelsObject : public Napi::ObjectWrap<PseudoLabelsObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "PseudoLabels", {InstanceMethod<&PseudoLabelsObject::run>("run")});
  }

  explicit PseudoLabelsObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<PseudoLabelsObject>(info),
        labels_(front_end_from(info[0].ToObject()), kernels_named(info[1])) {}

 private:
  Napi::Value run(const Napi::CallbackInfo& info) {
    auto* worker = new PseudoLabelWorker(info.This().ToObject(), labels_, info[0].As<Napi::Float32Array>(),
                                         info[1].As<Napi::TypedArray>(), info[2].ToNumber().Int32Value(),
                                         info[3].As<Napi::Int32Array>());
    worker->Queue();
    return worker->promise();
  }

  PseudoLabels labels_;
};

}  // namespace

void register_pseudo_labels(Napi::Env env, Napi::Object exports) {
  exports.Set("PseudoLabels", PseudoLabelsObject::define(env));
}

}  // namespace audio2vec
