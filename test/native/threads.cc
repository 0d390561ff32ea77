// The native engine and front end used from several threads at once, as Node's thread pool uses them; for
// ThreadSanitizer (npm run test:tsan). Ends with 1 if a result depends on who else is at work.
//
//   test_threads PLANS, made by test/native/write-plans.ts
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <system_error>
#include <thread>

#include "engine/network.h"
#include "frontend/log_mel_plan.h"
#include "plan_file.h"
#include "platform/feature_store.h"

#include <pthread.h>
#include <unistd.h>

using namespace audio2vec;

namespace {

constexpr long kExamples = 6;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::exit(1);
}

// Runs fn(0) … fn(count - 1), each on a thread of its own.
template <typename Fn>
void at_once(int count, Fn fn) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; i++) threads.emplace_back([&fn, i] { fn(i); });
  for (std::thread& t : threads) t.join();
}

// A loop of four threads where the system gives none: the caller does all of it. Before any other loop.
void no_threads() {
#if defined(__GLIBC__)
  pthread_attr_t usual, huge;
  expect(!pthread_getattr_default_np(&usual) && !pthread_attr_init(&huge), "attributes of threads");
  expect(!pthread_attr_setstacksize(&huge, size_t(1) << 46) && !pthread_setattr_default_np(&huge), "a stack of 64 TB");
  bool refused = false;
  try {
    std::thread([] {}).join();
  } catch (const std::system_error&) {
    refused = true;
  }
  expect(refused, "a thread with a stack of 64 TB");
  std::thread::id ids[4];
  run_on_threads(4, [](void* at, int t) { static_cast<std::thread::id*>(at)[t] = std::this_thread::get_id(); }, ids);
  for (const std::thread::id& id : ids) expect(id == std::this_thread::get_id(), "a loop without threads");
  expect(!pthread_setattr_default_np(&usual), "attributes of threads");
#endif
}

// Loops of 1 to 6 threads from four callers: each iteration is done once, and is seen when the loop returns.
void loops() {
  at_once(4, [](int caller) {
    for (int round = 0; round < 400; round++) {
      const int threads = 1 + (round * 7 + caller) % 6;
      struct Sum {
        int parts[6];
      } sum = {};
      run_on_threads(threads, [](void* s, int t) { static_cast<Sum*>(s)->parts[t] += t + 1; }, &sum);
      int total = 0;
      for (int part : sum.parts) total += part;
      expect(total == threads * (threads + 1) / 2, "a loop's iterations");
    }
  });
}

struct PlanAndInputs {
  PlanSpec spec;
  std::vector<int> inputs;
};

// Training steps and inference with these plans; the losses of all steps together. Every call of the same threads gives
// the same bits.
double train(const std::vector<PlanAndInputs>& plans, int threads, int steps) {
  long parameters = 1;
  for (const PlanAndInputs& plan : plans) {
    for (const ConvSpec& c : plan.spec.convs)
      parameters = std::max(parameters, std::max(c.weight, c.bias) + long(c.cin) * c.cout * c.kt * c.kf + c.cout);
    for (const NormSpec& n : plan.spec.norms) parameters = std::max(parameters, std::max(n.mean, n.var) + n.c);
  }
  Network network(*find_kernels("portable"), threads, kExamples, parameters, {{0, parameters, true}});
  std::vector<double> weights(parameters);
  for (long i = 0; i < parameters; i++) weights[i] = 0.1 + 0.05 * std::sin(double(i));  // variances, too: positive
  network.set_parameters(weights.data());
  double all = 0;
  std::vector<int> ids;
  for (const PlanAndInputs& plan : plans) ids.push_back(network.add_plan(plan.spec));
  for (int step = 0; step < steps; step++) {
    for (size_t p = 0; p < plans.size(); p++) {
      const PlanSpec& spec = plans[p].spec;
      std::vector<std::vector<float>> values;
      std::vector<Input> inputs;
      for (int tensor : plans[p].inputs) {
        const TensorSpec& t = spec.tensors[tensor];
        std::vector<float> v(kExamples * t.rows * t.t * t.f * t.c);
        for (size_t i = 0; i < v.size(); i++) v[i] = float(std::sin(0.37 * double(i + step)));
        values.push_back(std::move(v));
      }
      for (size_t i = 0; i < values.size(); i++) {
        Input input{plans[p].inputs[i], {}};
        input.args.values = values[i].data();
        inputs.push_back(input);
      }
      std::vector<double> losses(spec.losses + 1);
      network.run(ids[p], kExamples, inputs, nullptr, nullptr, losses.data());
      if (spec.training) network.update(ids[p], {UPDATE_adam, 1e-3, 0.9, 0.999, 1e-8, 0, 0, 0});
      for (int i = 0; i < spec.losses; i++) all += losses[i];
    }
  }
  for (int id : ids) network.remove_plan(id);
  return all;
}

// Networks of different numbers of threads, made, trained and closed at once.
void networks(const std::vector<PlanAndInputs>& plans) {
  double alone[4];
  for (int i = 0; i < 4; i++) alone[i] = train(plans, i + 1, 3);
  expect(std::isfinite(alone[0]) && alone[0] > 0, "a loss");
  at_once(6, [&](int i) { expect(train(plans, 1 + i % 4, 3) == alone[i % 4], "the bits of a network's losses"); });
}

// One front end for all, and columns of a feature store that is closed while others read it.
void front_end_and_store() {
  const LogMel log_mel({16000, 60, 7800, 1e-3, 400, 160, 512, 64}, *find_kernels("portable"));
  std::vector<float> samples(16000);
  for (size_t i = 0; i < samples.size(); i++) samples[i] = 0.3f * float(std::sin(0.05 * double(i)));
  const long frames = log_mel.frames(long(samples.size()));
  std::vector<float> once(frames * 64);
  expect(log_mel.run(samples.data(), long(samples.size()), 0, frames, once.data()), "log-mel");

  char name[] = "/tmp/audio2vec-threads-XXXXXX";
  const int file = mkstemp(name);
  expect(write(file, once.data(), once.size() * 4) == ssize_t(once.size() * 4), "writing a file");
  std::string error;
  auto store = FeatureStore::open(file, 0, frames, 64, int64_t(once.size() * 4), &error);
  expect(store != nullptr, error.c_str());
  close(file);
  unlink(name);

  std::vector<std::shared_ptr<const FeatureStore>> columns;
  for (int i = 0; i < 4; i++) columns.push_back(store->column(0, frames, 64));
  store.reset();
  at_once(4, [&](int i) {
    std::vector<float> again(once.size());
    for (int round = 0; round < 3; round++) {
      log_mel.run(samples.data(), long(samples.size()), 0, frames, again.data());
      for (size_t k = 0; k < again.size(); k++)
        expect(again[k] == once[k] && columns[i]->data()[k] == once[k], "log-mel from several threads");
    }
    columns[i].reset();  // the last one unmaps the file
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: test_threads PLANS\n"), 2;
  std::ifstream in(argv[1]);
  PlanFile file(in);
  std::vector<PlanAndInputs> plans;
  for (PlanAndInputs plan; file.read(&plan.spec, &plan.inputs);) plans.push_back(plan);
  expect(!plans.empty(), "there are no plans");
  no_threads();
  loops();
  networks(plans);
  front_end_and_store();
  at_once(3, [&](int i) { i == 0 ? loops() : i == 1 ? networks(plans) : front_end_and_store(); });
  std::puts("threads: loops, networks, front end and store agree");
}
