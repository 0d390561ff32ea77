#include "audio/resample.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>

#include "audio/resample_block.h"

namespace audio2vec {
namespace {

constexpr double kPi = 3.14159265358979323846;

// The design, in units of the lower of the two rates: flat up to 7/16 (7 kHz of 16), stopped from 1/2 (8 kHz), so that
// nothing folds back into the spectrum. Kaiser's formulas give the window and the length for the attenuation; 90 dB
// leaves room for the rounding of float32 under the 80 dB that we promise.
constexpr double kAttenuation = 90;  // dB
constexpr double kPassEdge = 7.0 / 16, kStopEdge = 8.0 / 16;
const double kBeta = 0.1102 * (kAttenuation - 8.7);
const double kHalfWidth = (kAttenuation - 8) / (2.285 * 2 * kPi * (kStopEdge - kPassEdge)) / 2;  // samples

// With few phases (48 and 44.1 kHz have 1 and 160) the table holds each exactly. Otherwise neighbouring rows are
// interpolated linearly, which at 512 phases errs by less than -110 dB.
constexpr int kMostExactPhases = 640, kInterpolatedPhases = 512;
constexpr size_t kCachedFilters = 8;

// Modified Bessel function of the first kind, order 0, by its power series.
double bessel_i0(double x) {
  double term = 1, sum = 1;
  for (int k = 1; term > 1e-17 * sum; k++) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

// The continuous impulse response at t samples (of the lower rate) from its centre, up to a factor.
double response(double t) {
  if (std::fabs(t) >= kHalfWidth) return 0;
  double u = t / kHalfWidth, x = kPi * (kPassEdge + kStopEdge) * t;
  return (x == 0 ? 1 : std::sin(x) / x) * bessel_i0(kBeta * std::sqrt(1 - u * u));
}

}  // namespace

ResampleFilter::ResampleFilter(int rate, int target) {
  int divisor = std::gcd(rate, target);
  down = rate / divisor;
  up = target / divisor;
  phases = up <= kMostExactPhases ? up : kInterpolatedPhases;
  double scale = std::min(1.0, static_cast<double>(target) / rate);  // samples of the lower rate per input sample
  taps = 2 * static_cast<int>(std::ceil(kHalfWidth / scale) + 1);
  taps = (taps + kTapsStep - 1) / kTapsStep * kTapsStep;
  table.resize(static_cast<size_t>(phases + 1) * taps);
  std::vector<double> row(taps);
  for (int p = 0; p <= phases; p++) {
    double sum = 0;
    for (int k = 0; k < taps; k++) {
      row[k] = response((k - (taps / 2 - 1) - static_cast<double>(p) / phases) * scale);
      sum += row[k];
    }
    // Each row sums to one, so that a constant stays that constant.
    for (int k = 0; k < taps; k++) table[static_cast<size_t>(p) * taps + k] = static_cast<float>(row[k] / sum);
  }
}

std::shared_ptr<const ResampleFilter> resample_filter(int rate, int target) {
  static std::mutex mutex;
  static auto& cache = *new std::map<std::pair<int, int>, std::shared_ptr<const ResampleFilter>>;
  {
    std::lock_guard<std::mutex> lock(mutex);
    auto found = cache.find({rate, target});
    if (found != cache.end()) return found->second;
  }
  auto filter = std::make_shared<const ResampleFilter>(rate, target);
  std::lock_guard<std::mutex> lock(mutex);
  if (cache.size() >= kCachedFilters) cache.clear();
  cache[{rate, target}] = filter;
  return filter;
}

}  // namespace audio2vec
