#include "platform/threads.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace audio2vec {
namespace {

// Phases of a training step follow each other within microseconds: a waiter looks this often before it sleeps.
constexpr int kSpins = 20000;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

}  // namespace

struct ThreadPool::State {
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable wake, done;
  std::atomic<unsigned> round{0};
  std::atomic<int> running{0};
  std::atomic<bool> stop{false};
  void (*fn)(void*, int) = nullptr;
  void* context = nullptr;

  void work(int thread) {
    unsigned seen = 0;
    for (;;) {
      for (int i = 0; i < kSpins && round.load(std::memory_order_acquire) == seen; i++) relax();
      if (round.load(std::memory_order_acquire) == seen) {
        std::unique_lock<std::mutex> lock(mutex);
        wake.wait(lock, [&] { return round.load(std::memory_order_acquire) != seen; });
      }
      seen = round.load(std::memory_order_acquire);
      if (stop) return;
      fn(context, thread);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        std::lock_guard<std::mutex> lock(mutex);
        done.notify_one();
      }
    }
  }

  void next_round() {
    {
      std::lock_guard<std::mutex> lock(mutex);
      round.fetch_add(1, std::memory_order_acq_rel);
    }
    wake.notify_all();
  }
};

ThreadPool::ThreadPool(int threads) : state_(new State), size_(threads < 1 ? 1 : threads) {
  for (int t = 1; t < size_; t++) state_->threads.emplace_back([this, t] { state_->work(t); });
}

ThreadPool::~ThreadPool() {
  state_->stop = true;
  state_->next_round();
  for (auto& t : state_->threads) t.join();
  delete state_;
}

void ThreadPool::run(void (*fn)(void*, int), void* context) {
  State& s = *state_;
  if (size_ > 1) {
    s.fn = fn;
    s.context = context;
    s.running.store(size_ - 1, std::memory_order_release);
    s.next_round();
  }
  fn(context, 0);
  if (size_ == 1) return;
  for (int i = 0; i < kSpins && s.running.load(std::memory_order_acquire) > 0; i++) relax();
  if (s.running.load(std::memory_order_acquire) > 0) {
    std::unique_lock<std::mutex> lock(s.mutex);
    s.done.wait(lock, [&] { return s.running.load(std::memory_order_acquire) == 0; });
  }
}

}  // namespace audio2vec
