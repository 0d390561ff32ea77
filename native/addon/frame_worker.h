// One call of a front end on the thread pool of libuv, its frames shared out over threads.
#pragma once

#include <napi.h>

#include <array>
#include <atomic>
#include <initializer_list>

#include "platform/threads.h"

namespace audio2vec {

class FrameWorker : public Napi::AsyncWorker {
 public:
  // The references keep the front end `self` and the arrays alive, and in their place, until the call settles.
  FrameWorker(const Napi::Object& self, const char* name, int threads, Napi::Int32Array cancel,
              std::initializer_list<Napi::Object> arrays)
      : Napi::AsyncWorker(self.Env(), name),
        threads_(threads),
        cancel_(reinterpret_cast<std::atomic<int32_t>*>(cancel.Data())),
        deferred_(self.Env()) {
    keep(self);
    keep(cancel);
    for (const Napi::Object& array : arrays) keep(array);
  }

  Napi::Promise promise() const { return deferred_.Promise(); }
  void keep(const Napi::Object& object) { kept_[kept_count_++] = Napi::Persistent(object); }

 protected:
  // A thread's share of the frames; leaves a `status_` other than 0 when there is no result.
  virtual void work(int thread) = 0;

  void Execute() override {
    run_on_threads(threads_, [](void* self, int thread) { static_cast<FrameWorker*>(self)->work(thread); }, this);
  }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), status_.load())); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

  const int threads_;
  std::atomic<int32_t>* const cancel_;
  std::atomic<int> status_{0};

 private:
  Napi::Promise::Deferred deferred_;
  std::array<Napi::ObjectReference, 5> kept_;  // a call allocates nothing but its work item
  size_t kept_count_ = 0;
};

}  // namespace audio2vec
