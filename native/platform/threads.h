// A small pool of persistent threads for data-parallel loops whose partition never depends on timing, so that the
// same thread count always gives the same bits.
#pragma once

namespace audio2vec {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // the caller of run() is one of them
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }
  // Calls fn(context, thread) once on every thread, 0 … size()-1, and returns when all are done.
  void run(void (*fn)(void* context, int thread), void* context);

 private:
  struct State;
  State* state_;
  int size_;
};

}  // namespace audio2vec
