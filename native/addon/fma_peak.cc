#include "addon/fma_peak.h"

#include <chrono>
#include <string>
#include <vector>

#include "kernel_table.h"
#include "platform/threads.h"

namespace audio2vec {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Run {
  const KernelTable& table;
  double seconds;
  std::vector<double> rates;
};

void run_on_thread(void* context, int thread) {
  Run& run = *static_cast<Run*>(context);
  alignas(64) double sink[16];
  const long rounds = 20000;          // some hundred microseconds: the clock costs nothing beside it
  run.table.fma_burst(rounds, sink);  // wakes the core and its wide units
  double flops = 0, start = now(), end = start;
  while (end - start < run.seconds) {
    flops += run.table.fma_burst(rounds, sink);
    end = now();
  }
  run.rates[thread] = flops / (end - start);
}

class PeakWorker : public Napi::AsyncWorker {
 public:
  PeakWorker(Napi::Env env, const KernelTable& table, double seconds, int threads)
      : AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), threads_(threads), run_{table, seconds, {}} {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    run_.rates.assign(threads_, 0);
    run_on_threads(threads_, run_on_thread, &run_);
    for (double rate : run_.rates) total_ += rate;
  }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), total_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  int threads_;
  Run run_;
  double total_ = 0;
};

}  // namespace

Napi::Value fma_peak(const Napi::CallbackInfo& info) {
  const std::string isa = info[0].As<Napi::String>();
  const double seconds = info[1].As<Napi::Number>().DoubleValue() / 1000;
  const int threads = info[2].As<Napi::Number>().Int32Value();
  const KernelTable* table = find_kernels(isa.c_str());
  if (!table) throw Napi::Error::New(info.Env(), "no instruction set " + isa);
  auto* worker = new PeakWorker(info.Env(), *table, seconds, threads);
  Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace audio2vec
