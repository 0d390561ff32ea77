#include "platform/threads.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <system_error>
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

// Looks for `there` for a while, then sleeps until it is notified.
template <typename Condition>
void wait_for(std::mutex& mutex, std::condition_variable& changed, Condition there) {
  for (int i = 0; i < kSpins && !there(); i++) relax();
  if (there()) return;
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, there);
}

class Pool {
 public:
  ~Pool() {
    stop_ = true;
    for (auto& worker : workers_) worker->next_round();
    for (auto& worker : workers_) worker->thread.join();
  }

  void run(int threads, void (*fn)(void*, int), void* context) {
    std::lock_guard<std::mutex> turn(turn_);
    const int helpers = have(threads - 1);
    fn_ = fn;
    context_ = context;
    running_.store(helpers, std::memory_order_release);
    for (int t = 1; t <= helpers; t++) workers_[t - 1]->next_round();
    fn(context, 0);
    for (int t = helpers + 1; t < threads; t++) fn(context, t);
    wait_for(mutex_, done_, [&] { return running_.load(std::memory_order_acquire) == 0; });
  }

 private:
  struct Worker {
    Worker(Pool& pool, int index) : thread([this, &pool, index] { pool.work(*this, index); }) {}
    void next_round() {
      {
        std::lock_guard<std::mutex> lock(mutex);
        round.fetch_add(1, std::memory_order_acq_rel);
      }
      wake.notify_one();
    }
    std::atomic<unsigned> round{0};
    std::mutex mutex;
    std::condition_variable wake;
    std::thread thread;  // the last to begin: it uses the others
  };

  // Starts workers until there are so many; returns how many of these there are. The system may refuse threads: the
  // caller then does their part, too.
  int have(int wanted) {
    try {
      while (int(workers_.size()) < wanted) workers_.push_back(std::make_unique<Worker>(*this, workers_.size() + 1));
    } catch (const std::system_error&) {
    }
    return std::min(wanted, int(workers_.size()));
  }

  void work(Worker& self, int index) {
    for (unsigned seen = 0;; seen++) {
      wait_for(self.mutex, self.wake, [&] { return self.round.load(std::memory_order_acquire) != seen; });
      if (stop_) return;
      fn_(context_, index);
      if (running_.fetch_sub(1, std::memory_order_acq_rel) > 1) continue;
      std::lock_guard<std::mutex> lock(mutex_);
      done_.notify_one();
    }
  }

  std::mutex turn_;  // of the loops
  std::vector<std::unique_ptr<Worker>> workers_;
  void (*fn_)(void*, int) = nullptr;
  void* context_ = nullptr;
  std::atomic<int> running_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable done_;
};

// Ends its threads when the addon is unloaded or the process exits.
Pool& pool() {
  static Pool the_pool;
  return the_pool;
}

}  // namespace

void run_on_threads(int threads, void (*fn)(void*, int), void* context) {
  if (threads <= 1) return fn(context, 0);
  pool().run(threads, fn, context);
}

}  // namespace audio2vec
