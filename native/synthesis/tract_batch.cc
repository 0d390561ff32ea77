#include "synthesis/tract_batch.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>

#include "platform/flush_denormals.h"
#include "platform/threads.h"

namespace audio2vec {
namespace {

const double kPi = 3.14159265358979323846;

// A Kaiser-windowed sinc, tabulated once: with one set of taps for each length of tract, the filters are worth a table.
// Its argument counts zero crossings of a sinc whose cutoff is the Nyquist frequency of the slower of the two rates.
class Prototype {
 public:
  static constexpr double kReach = 16;     // half length
  static constexpr double kCutoff = 0.92;  // -6 dB, as a fraction of that Nyquist frequency
  static constexpr double kBeta = 6;       // 63 dB

  Prototype() : table_(size_t(kReach * kFine) + 2) {
    for (size_t i = 0; i < table_.size(); i++) {
      const double t = double(i) / kFine, x = kPi * kCutoff * t;
      const double edge = std::max(0.0, 1 - t * t / (kReach * kReach));
      table_[i] = (i ? std::sin(x) / x : 1) * kCutoff * bessel(kBeta * std::sqrt(edge)) / bessel(kBeta);
    }
  }

  double operator()(double t) const {
    const double at = std::fabs(t) * kFine;
    if (!(at < kReach * kFine)) return 0;
    const size_t i = size_t(at);
    return table_[i] + (table_[i + 1] - table_[i]) * (at - double(i));
  }

 private:
  static constexpr int kFine = 1024;  // points from zero crossing to zero crossing

  // The modified Bessel function I0.
  static double bessel(double x) {
    double sum = 1, term = 1;
    for (int k = 1; k < 40; k++) sum += term *= x * x / (4.0 * k * k);
    return sum;
  }

  std::vector<double> table_;
};

bool any_above_zero(const Tract& t, int column) {
  for (long row = 0; row < t.rows; row++)
    if (t.frames[row * kTractControls + column] > 0) return true;
  return false;
}

struct Run {
  const std::vector<TractGroup>& groups;
  VocalTractKernel* kernel;
  int threads;
  const int32_t* cancel;
  std::atomic<bool> cancelled{false};

  void work(int thread) {
    const FlushDenormals flush;
    struct alignas(64) Line {
      char bytes[64];
    };
    const std::unique_ptr<Line[]> scratch(new Line[kTractScratchBytes / sizeof(Line)]);
    for (size_t i = thread; i < groups.size() && !cancelled; i += threads)
      if (!kernel(&groups[i], cancel, scratch.get())) cancelled = true;
  }
};

}  // namespace

RateFilter::RateFilter(double steps_per_sample) {
  static const Prototype prototype;
  const double stretch = std::max(1.0, steps_per_sample);
  taps = std::min<int>(kMaxRateTaps, kRateTapsStep * int(std::ceil(2 * Prototype::kReach * stretch / kRateTapsStep)));
  memory_.resize(size_t(kRatePhases + 1) * taps + 15);
  float* at = memory_.data();
  while (uintptr_t(at) % 64) at++;
  table = at;
  for (int phase = 0; phase <= kRatePhases; phase++)
    for (int k = 0; k < taps; k++) {
      const double distance = double(phase) / kRatePhases - (k - taps / 2 + 1);
      *at++ = float(prototype(distance / stretch) / stretch);
    }
}

TractBatch::TractBatch(std::vector<Tract> tracts, const KernelTable& kernels) : kernel_(kernels.vocal_tract) {
  // By what the kernel has to do, then by length: tracts of a group run until the longest is done.
  struct Work {
    bool nasal, frication;
    double steps;
    size_t index;
  };
  std::vector<Work> order;
  std::map<double, const RateFilter*> filters;
  for (size_t i = 0; i < tracts.size(); i++) {
    Tract& t = tracts[i];
    order.push_back({any_above_zero(t, kVelum), any_above_zero(t, kFrication), t.steps_per_sample * t.samples, i});
    if (t.steps_per_sample == 1) continue;
    const RateFilter*& filter = filters[t.steps_per_sample];
    if (!filter) {
      filters_.emplace_back(new RateFilter(t.steps_per_sample));
      filter = filters_.back().get();
    }
    t.rate_filter = filter->table;
    t.rate_taps = filter->taps;
  }
  std::stable_sort(order.begin(), order.end(), [](const Work& a, const Work& b) {
    if (a.nasal != b.nasal) return a.nasal;
    if (a.frication != b.frication) return a.frication;
    return a.steps > b.steps;
  });
  for (size_t at = 0; at < order.size();) {
    TractGroup group = {};
    group.nasal = order[at].nasal;
    group.frication = order[at].frication;
    int lane = 0;
    for (; lane < kernels.lanes && at < order.size(); lane++, at++) {
      if (order[at].nasal != group.nasal || order[at].frication != group.frication) break;
      group.tracts[lane] = tracts[order[at].index];
    }
    for (; lane < kernels.lanes; lane++) {  // lanes that are left over repeat the last, for nobody
      group.tracts[lane] = group.tracts[lane - 1];
      group.tracts[lane].out = nullptr;
    }
    groups_.push_back(group);
  }
}

bool TractBatch::run(int threads, const int32_t* cancel) const {
  Run run{groups_, kernel_, std::max(1, std::min(threads, int(groups_.size()))), cancel};
  run_on_threads(run.threads, [](void* context, int thread) { static_cast<Run*>(context)->work(thread); }, &run);
  return !run.cancelled;
}

}  // namespace audio2vec
